//! One call.

use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, CommandSchema, Schema};
use amp_core::tls::rustls;
use amp_core::{
    AmpBox, Attachment, BoxReader, CallError, CloseReason, Proto, ReceivedCall, Reflect,
    RemoteError, Report, Responders,
};
use amp_unix::Descriptor;
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

use crate::exit::{self, Failure};
use crate::mistake::{Mistake, no_such};
use crate::options::{Call, Output};
use crate::{schemas, words};

pub(crate) fn call(options: &Call, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    until_interrupted(run(options, out))
}

/// Runs until it has ended or the user interrupts it, and says why it has failed.
pub(crate) fn until_interrupted(
    running: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Mistake> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Mistake::new(format!("cannot begin: {error}")))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = running => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(exit::INTERRUPTED, "interrupted")),
        }
    });
    Ok(ended.unwrap_or_else(|failure| {
        eprintln!("{}", failure.said);
        ExitCode::from(failure.code)
    }))
}

async fn run(options: &Call, out: &mut Vec<u8>) -> Result<ExitCode, Failure> {
    let Call { peering, command, one_way, json, words, .. } = options;
    let mut schema = schemas::load_all(&peering.schemas)?;
    let mut peer = None;
    if peering.reflect {
        let connected = peering.connecting.peer(&peering.peer, refuses()).await?;
        let reflected = timeout(peering.timeout, connected.call_remote(Reflect)).await;
        let reflected = reflected.map_err(|_| not_in_time(peering.timeout))?;
        let text = reflected.map_err(|error| failure_of(&error, None))?.schema;
        let read = text.parse::<Schema>();
        let read = read.map_err(|error| Failure::new(exit::NO_FIT, format!("_Schema: {error}")))?;
        schema.merge(read).map_err(|twice| {
            Mistake::new(format!("the peer and --schema have different commands {twice:?}"))
        })?;
        peer = Some(connected);
    }
    let has_schema = peering.reflect || !peering.schemas.is_empty();
    let known = schema.command(command);
    if has_schema && known.is_none() {
        return Err(no_such("command", command, schema.commands().map(|(name, _)| name)).into());
    }
    let given = match json {
        None => Values::new(),
        Some(source) => whole(source, known)?,
    };
    let (arguments, asked) = words::arguments(words, known.map(|known| &known.arguments), given)?;
    let response = known.map_or_else(BoxSchema::of::<AmpBox>, |known| known.response.clone());
    check_copies(options, known)?;

    let peer = match peer {
        Some(peer) => peer,
        None => peering.connecting.peer(&peering.peer, refuses()).await?,
    };
    let write = arguments.writing(&asked);
    if *one_way || known.is_some_and(|known| !known.requires_answer) {
        peer.notify_by_name_with(command, write).await.map_err(|error| failure_of(&error, None))?;
        peer.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    // Shown when it does not fit the schema.
    let mut raw = None;
    let read = |input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
        raw = Some(input.ampbox().clone());
        Values::from_box(&response, input, proto)
    };
    let called = timeout(peering.timeout, peer.call_by_name_with(command, write, read)).await;
    let answer = match called {
        Err(_) => return Err(not_in_time(peering.timeout)),
        Ok(Ok(answer)) => answer,
        Ok(Err(CallError::Remote(error))) => return Ok(refused(options, known, &error)),
        Ok(Err(error)) => return Err(failure_of(&error, raw.as_ref())),
    };
    copy_out(options, &answer)?;
    show(options.output.as_ref(), &answer, out)?;
    peer.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Answers no call.
fn refuses() -> Responders {
    Responders::new(()).fallback(|call: ReceivedCall| async move {
        let command = String::from_utf8_lossy(&call.command).into_owned();
        eprintln!("ampctl: the peer calls {command:?}, which is not handled");
        Err(RemoteError::unhandled(&call.command))
    })
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
    let optional = known.arguments.clone().optional();
    Values::from_json(&optional, &text).map_err(|error| Mistake::new(format!("--json: {error}")))
}

/// The keys of `--fd`, each with its file.
fn copies(options: &Call) -> impl Iterator<Item = Result<(&str, &str), Mistake>> {
    options.copies.iter().map(|copy| {
        let wrong = || Mistake::new(format!("--fd {copy}: it is KEY=FILE"));
        copy.split_once('=').ok_or_else(wrong)
    })
}

fn check_copies(options: &Call, known: Option<&CommandSchema>) -> Result<(), Mistake> {
    for copy in copies(options) {
        let (key, _) = copy?;
        let argument = known.and_then(|known| known.response.argument(key));
        if argument.is_none_or(|argument| argument.wire_type.to_string() != "Descriptor") {
            return Err(Mistake::new(format!(
                "--fd {key}: the answer has no Descriptor of this name"
            )));
        }
    }
    Ok(())
}

/// Copies what received descriptors read.
fn copy_out(options: &Call, answer: &Values) -> Result<(), Failure> {
    for copy in copies(options) {
        let (key, path) = copy?;
        let Some(Value::Attachment(attachment)) = answer.get(key) else { continue };
        let copied =
            file_of(attachment).and_then(|mut file| io::copy(&mut file, &mut File::create(path)?));
        copied.map_err(|error| {
            Failure::new(exit::WRONG_USE, format!("--fd {key}: cannot copy to {path}: {error}"))
        })?;
    }
    Ok(())
}

/// The same open file once more.
fn file_of(attachment: &Attachment) -> io::Result<File> {
    let descriptor = Descriptor::from_attachment(attachment.clone());
    let descriptor = descriptor.ok_or_else(|| io::Error::other("it is no descriptor"))?;
    Ok(File::from(descriptor.as_fd().try_clone_to_owned()?))
}

fn show(output: Option<&Output>, answer: &Values, out: &mut Vec<u8>) -> Result<(), Mistake> {
    let terminal = if io::stdout().is_terminal() { Output::Pretty } else { Output::Json };
    let mut count = 0;
    let mut attachment = |attachment: &Attachment| {
        count += 1;
        describe_file(count - 1, attachment)
    };
    match output.unwrap_or(&terminal) {
        Output::None => {}
        Output::Json => {
            out.extend(answer.to_json_with(&mut attachment).bytes());
            out.push(b'\n');
        }
        Output::Pretty => {
            out.extend(pretty(&answer.to_json_with(&mut attachment)).bytes());
            out.push(b'\n');
        }
        Output::Value(key) => match answer.get(key) {
            None => {
                let known = answer.iter().map(|(name, _)| name);
                return Err(no_such("value", key, known));
            }
            // As it is, so that it can go into a file.
            Some(Value::Bytes(bytes)) => out.extend(bytes),
            Some(Value::Text(text)) => {
                out.extend(text.bytes());
                out.push(b'\n');
            }
            Some(value) => {
                out.extend(value.to_json_with(&mut attachment).bytes());
                out.push(b'\n');
            }
        },
    }
    Ok(())
}

/// JSON on several lines, with numbers as they are.
fn pretty(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        let line = |depth: usize| format!("\n{:1$}", "", 2 * depth);
        match c {
            '{' | '[' if matches!(chars.peek(), Some('}' | ']')) => {
                out.push(c);
                out.extend(chars.next());
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                out += &line(depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                out += &line(depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                out += &line(depth);
            }
            ':' => out += ": ",
            ' ' | '\n' | '\t' | '\r' => {}
            c => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}

/// What a received descriptor is, as JSON.
fn describe_file(number: usize, attachment: &Attachment) -> String {
    let described = file_of(attachment).and_then(|file| {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        let is = match () {
            () if kind.is_file() => "file",
            () if kind.is_dir() => "directory",
            () if kind.is_socket() => "socket",
            () if kind.is_fifo() => "pipe",
            () if kind.is_char_device() => "character device",
            () => "block device",
        };
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok();
        Ok(json!({ "descriptor": number, "is": is, "path": path, "bytes": metadata.len() }))
    });
    described.unwrap_or_else(|_| json!({ "descriptor": number })).to_string()
}

/// The peer has answered with an error.
fn refused(options: &Call, known: Option<&CommandSchema>, error: &RemoteError) -> ExitCode {
    let code = String::from_utf8_lossy(&error.code).into_owned();
    let declared = known.and_then(|known| known.errors.as_ref());
    let declared = declared.is_some_and(|errors| errors.iter().any(|error| error.code == code));
    eprintln!("{}", json!({ "error": code, "description": error.description }));
    let status = match () {
        () if options.accept.contains(&code) => return ExitCode::SUCCESS,
        () if code == "UNHANDLED" => exit::UNHANDLED,
        () if declared => exit::DECLARED,
        () => exit::UNDECLARED,
    };
    ExitCode::from(status)
}

fn not_in_time(timeout: Duration) -> Failure {
    Failure::new(exit::NOT_IN_TIME, format!("no answer within {timeout:?}"))
}

fn failure_of(error: &CallError, raw: Option<&AmpBox>) -> Failure {
    let code = match error {
        // TLS has failed where a server takes no client with such a certificate.
        CallError::Closed(CloseReason::Io(error))
            if error
                .get_ref()
                .and_then(|error| error.downcast_ref::<rustls::Error>())
                .is_some() =>
        {
            exit::NO_CONNECTION
        }
        CallError::Closed(_) => exit::ENDED,
        CallError::Timeout { .. } => exit::NOT_IN_TIME,
        CallError::Decode(_) => exit::NO_FIT,
        CallError::Remote(error) if &error.code[..] == b"UNHANDLED" => exit::UNHANDLED,
        CallError::Remote(_) => exit::UNDECLARED,
        _ => exit::WRONG_USE,
    };
    let shown = raw.and_then(|raw| {
        let values =
            AmpBox::from_pairs(raw.iter().filter(|(key, _)| !key.starts_with(b"_"))).ok()?;
        let values = Values::decode(&BoxSchema::of::<AmpBox>(), values.to_bytes()).ok()?;
        Some(format!("\n{}", values.to_json()))
    });
    Failure::new(code, format!("{}{}", Report(error), shown.unwrap_or_default()))
}
