//! One call.

use amp_core::dynamic::{Scope, Values};
use amp_core::schema::{BoxSchema, CommandSchema};
use amp_core::{RemoteError, Switched};
use serde_json::json;
use std::fs;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ask::{Ask, Outcome, exit_code, find};
use crate::called::Calls;
use crate::exit::{self, Failure};
use crate::files::Uses;
use crate::mistake::Mistake;
use crate::options::Call;
use crate::output::{Output, without};
use crate::peering::Known;
use crate::running::until_interrupted;
use crate::scalars::attach;

pub(crate) fn call(options: &Call, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let known = options.peering.known()?;
    until_interrupted(run(options, known, out))
}

async fn run(options: &Call, mut known: Known, out: &mut Vec<u8>) -> Result<ExitCode, Failure> {
    let calls = Calls {
        schema: known.peer_schema.clone(),
        rules: known.rules.clone(),
        hidden: known.hidden.clone(),
        lines: None,
    };
    let responders = calls.responders();
    // With a schema of its own, what is wrong is said before anything is sent.
    let prepared = if known.reflects() { None } else { Some(Prepared::new(options, &known)?) };
    let peer = known.connect(responders).await?;
    let Prepared { ask, output, uses } = match prepared {
        Some(prepared) => prepared,
        None => Prepared::new(options, &known)?,
    };
    let declared = ask.declared();
    if options.switch || ask.is_switch {
        return match ask.switch(&peer, known.timeout).await? {
            Ok(stream) => join(stream).await,
            Err(error) => Ok(refused(options, &declared, &error)),
        };
    }
    let outcome = ask.make(&peer, known.timeout).await?;
    let ended = match outcome {
        Outcome::Sent => ExitCode::SUCCESS,
        Outcome::Refused(error) => refused(options, &declared, &error),
        Outcome::Answered(answer, raw) => {
            let ended = uses.apply(&answer)?;
            let colored = options.peering.color.is_wanted();
            output.show(&without(answer, &known.hidden), &raw, colored, out)?;
            ended
        }
    };
    peer.close().await;
    Ok(ended)
}

/// A call, and what becomes of its answer.
struct Prepared<'a> {
    ask: Ask,
    output: Output,
    uses: Uses<'a>,
}

impl<'a> Prepared<'a> {
    fn new(options: &'a Call, known: &Known) -> Result<Self, Mistake> {
        let Call { command, one_way, json, words, copies, exec, output, .. } = options;
        let schema = find(&known.schema, known.has_schema, command)?;
        let given = match json {
            None => Values::new(),
            Some(source) => whole(source, schema)?,
        };
        let ask = Ask::new(command, schema, words, given)?;
        if command == "StartTLS" && ask.is_switch {
            return Err(Mistake::new("StartTLS: see --start-tls"));
        }
        let uses = Uses::new(copies, exec.as_deref(), &ask.response)?;
        let terminal = io::stdout().is_terminal();
        let usual = if terminal { Output::Pretty } else { Output::Json };
        let output = output.clone().unwrap_or(usual);
        output.check(&ask.response)?;
        Ok(Self { ask: if *one_way { ask.one_way() } else { ask }, output, uses })
    }
}

/// The values of a whole box: JSON, or a file or standard input with it.
fn whole(source: &str, known: Option<&CommandSchema>) -> Result<Values, Mistake> {
    let text = match source.strip_prefix('@') {
        None if source == "-" => io::read_to_string(io::stdin()),
        None => Ok(source.to_owned()),
        Some(path) => fs::read_to_string(path),
    };
    let text =
        text.map_err(|error| Mistake::new(format!("--json: cannot read {source}: {error}")))?;
    let Some(known) = known else {
        return Err(Mistake::new("--json needs a schema: see --schema and --reflect"));
    };
    // What is missing may be among the words.
    let optional = all_optional(known.arguments.clone());
    Values::from_json_with(&Scope::new(&optional), &text, &mut attach)
        .map_err(|error| Mistake::new(format!("--json: {error}")))
}

/// The same box, in which nothing has to be.
fn all_optional(schema: BoxSchema) -> BoxSchema {
    let mut schema = schema.optional();
    for case in &mut schema.cases {
        case.arguments = all_optional(std::mem::take(&mut case.arguments));
    }
    schema
}

/// The peer has answered with an error.
fn refused(options: &Call, declared: &[String], error: &RemoteError) -> ExitCode {
    let code = String::from_utf8_lossy(&error.code).into_owned();
    eprintln!("{}", json!({ "error": code, "description": error.description }));
    if options.accept.contains(&code) {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(exit_code(error, declared))
}

/// Joins the stream that a protocol switch has left to standard input and output, until the peer has
/// nothing more to say.
async fn join(stream: Switched) -> Result<ExitCode, Failure> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let to_peer = async {
        let mut input = tokio::io::stdin();
        if tokio::io::copy(&mut input, &mut writer).await.is_ok() {
            let _ = writer.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let from_peer = async {
        let mut out = tokio::io::stdout();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = reader.read(&mut buffer).await;
            let read = read.map_err(|error| Failure::new(exit::ENDED, error))?;
            if read == 0 {
                return Ok(ExitCode::SUCCESS);
            }
            let written = async {
                out.write_all(&buffer[..read]).await?;
                out.flush().await
            };
            match written.await {
                // Whoever reads it has read enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                written => written.map_err(|error| {
                    Failure::new(exit::WRONG_USE, format!("cannot write: {error}"))
                })?,
            }
        }
    };
    tokio::select! {
        () = to_peer => unreachable!("it goes on for ever"),
        ended = from_peer => ended,
    }
}
