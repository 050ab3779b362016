//! One call.

use amp_core::dynamic::{Scope, Values};
use amp_core::schema::{BoxSchema, CommandSchema};
use amp_core::{RemoteError, Switched};
use serde_json::json;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ask::{Ask, Outcome, exit_code};
use crate::descriptors::Uses;
use crate::exit::{self, Failure};
use crate::hide::Hidden;
use crate::mistake::{Mistake, none_of};
use crate::on_line::plain_json;
use crate::opening::{Opening, STDIN};
use crate::options::Call;
use crate::output::Output;
use crate::peering::Target;
use crate::printing::{not_printed, print, tell_line};
use crate::running::{say_farewell, until_interrupted};
use crate::schemas::{arguments_of, find};

pub(crate) fn call(options: &Call) -> Result<ExitCode, Mistake> {
    let target = options.peer.target()?;
    // With a schema of its own, what is wrong is said before anything is sent.
    let prepared = if target.reflects() { None } else { Some(Prepared::new(options, &target)?) };
    until_interrupted(run(options, target, prepared))
}

async fn run(
    options: &Call,
    mut target: Target,
    prepared: Option<Prepared<'_>>,
) -> Result<ExitCode, Failure> {
    let responders = target.calls(None).responders();
    let peer = target.connect(responders).await?;
    let Prepared { ask, output, uses } = match prepared {
        Some(prepared) => prepared,
        None => Prepared::new(options, &target)?,
    };
    target.log_in(&peer).await?;
    let (declared, hidden) = (ask.declared(), target.hidden_of(&ask.command));
    if options.switch || ask.is_switch {
        return match ask.switch(&peer, target.timeout).await? {
            Ok(stream) => join(stream).await,
            Err(error) => Ok(refused(options, &declared, &hidden.shown_error(error))),
        };
    }
    let response = ask.response.clone();
    let ended = match ask.make(&peer, target.timeout, &hidden).await? {
        Outcome::Sent => ExitCode::SUCCESS,
        Outcome::Refused(error) => refused(options, &declared, &error),
        Outcome::Answered(answer, raw) => {
            let raw = hidden.shown_box(&raw, &response);
            // A caller that waits for the answer need not wait for what is done with it. That is done even
            // if nobody waits.
            let shown = output.show(&answer, &raw, &hidden, options.color.is_wanted(), &response);
            let printed = shown.and_then(|shown| print(&shown));
            let used = uses.apply(&answer)?;
            match printed {
                Err(failure) if !failure.said.is_empty() => return Err(failure),
                _ => used,
            }
        }
    };
    say_farewell(&peer).await;
    Ok(ended)
}

/// A call, and what becomes of its answer.
struct Prepared<'a> {
    ask: Ask,
    output: Output,
    uses: Uses<'a>,
}

impl<'a> Prepared<'a> {
    fn new(options: &'a Call, target: &Target) -> Result<Self, Mistake> {
        let Call { command, one_way, json, words, copies, exec, output, .. } = options;
        let known = find(&target.schema, target.has_schema, command)?;
        let mut opening = Opening::new(&target.inputs);
        let given = match json {
            None => Values::new(),
            Some(source) => whole(source, known, &mut opening, &target.hidden_of(command))?,
        };
        let ask = Ask::new(command, known, words, given, opening)?;
        if command == "StartTLS" && ask.is_switch {
            return Err(Mistake::new("StartTLS: see --start-tls"));
        }
        target.carries(&ask)?;
        if (options.switch || ask.is_switch) && target.inputs.have_stdin() {
            let what = "a value comes from standard input, which is joined to the stream";
            return Err(Mistake::new(format!("{command}: {what}")));
        }
        let uses = Uses::new(copies, exec.as_deref(), &ask.response)?;
        if ask.is_switch {
            let flags = [("--output", output.is_some()), ("--one-way", *one_way)];
            let uses = [("--fd or --exec", !uses.is_empty())];
            let what =
                format!("{command} asks for a protocol switch, which has no answer in a box");
            none_of(flags.into_iter().chain(uses), &what)?;
        }
        let terminal = io::stdout().is_terminal();
        let usual = if terminal { Output::Pretty } else { Output::Json };
        let output = output.clone().unwrap_or(usual);
        output.check(&ask.response)?;
        Ok(Self { ask: if *one_way { ask.one_way() } else { ask }, output, uses })
    }
}

/// The values of a whole box: JSON, or a file or standard input with it.
fn whole(
    source: &str,
    known: Option<&CommandSchema>,
    opening: &mut Opening,
    hidden: &Hidden,
) -> Result<Values, Mistake> {
    let about = |mistake: Mistake| Mistake::new(format!("--json: {mistake}"));
    let path = source.strip_prefix('@').or(Some(source).filter(|source| *source == STDIN));
    let text = match path {
        None => source.to_owned(),
        Some(path) => {
            let bytes = opening.inputs.read(path).map_err(about)?;
            let not_text = |_| about(Mistake::new(format!("{path} is not UTF-8")));
            String::from_utf8(bytes).map_err(not_text)?
        }
    };
    // What is missing may be among the words.
    let optional = all_optional(arguments_of(known));
    Values::from_json_with(&Scope::new(&optional), &text, &mut |json| opening.attach(json))
        .map_err(|error| about(hidden.mistake(error.into())))
}

/// A box with the same keys, all of which may be missing.
fn all_optional(schema: BoxSchema) -> BoxSchema {
    let mut schema = schema.optional();
    for mut case in schema.take_cases() {
        case.arguments = all_optional(case.arguments);
        schema.add_case(case);
    }
    schema
}

/// The peer has answered with an error.
fn refused(options: &Call, declared: &[String], error: &RemoteError) -> ExitCode {
    let code = String::from_utf8_lossy(&error.code).into_owned();
    tell_line(plain_json(json!({ "error": code, "description": error.description })));
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
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = input.read(&mut buffer).await.map_err(|error| {
                Failure::new(exit::NOT_USED, format!("cannot read standard input: {error}"))
            })?;
            // A peer that takes no more may have more to say.
            if read == 0 || writer.write_all(&buffer[..read]).await.is_err() {
                let _ = writer.shutdown().await;
                return std::future::pending().await;
            }
        }
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
            written.await.map_err(|error| not_printed(&error))?;
        }
    };
    tokio::select! {
        failed = to_peer => failed,
        ended = from_peer => ended,
    }
}
