//! What the peer calls.

use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{
    AmpBox, BoxReader, BoxWriter, DecodeError, EncodeError, Proto, ReceivedCall, RemoteError,
    Report, Responders,
};
use serde_json::json;
use std::future::pending;
use std::io::{self, Write};
use std::process::ExitCode;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::call::until_interrupted;
use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::options::Listen;
use crate::schemas;

/// How many calls wait to be printed; more wait to be answered.
const WAITING: usize = 16;

pub(crate) fn listen(options: &Listen) -> Result<ExitCode, Mistake> {
    until_interrupted(run(options))
}

async fn run(options: &Listen) -> Result<ExitCode, Failure> {
    let schema = schemas::load_all(&options.schemas)?;
    let (calls, mut received) = mpsc::channel(WAITING);
    let peer = options.connecting.peer(&options.peer, prints(schema, calls)).await?;
    let over = async {
        match options.duration {
            Some(duration) => sleep(duration).await,
            None => pending().await,
        }
    };
    let printed = async {
        let mut left = options.count;
        while left != Some(0) {
            let Some(line) = received.recv().await else {
                // The responders have gone with the connection, whose end is told below.
                return pending().await;
            };
            writeln!(io::stdout(), "{line}")
                .map_err(|error| Failure::new(exit::WRONG_USE, format!("cannot write: {error}")))?;
            left = left.map(|left| left - 1);
        }
        Ok::<_, Failure>(())
    };
    let ended = async {
        let reason = peer.closed().await;
        Failure::new(exit::ENDED, Report(&reason))
    };
    tokio::select! {
        // What was received is printed before anything else counts.
        biased;
        printed = printed => printed?,
        () = over => {}
        failure = ended => return Err(failure),
    }
    peer.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes a line of each call, and answers that it is not handled.
fn prints(schema: Schema, calls: mpsc::Sender<String>) -> Responders {
    Responders::new(()).fallback_with(
        move |command, input, proto| Ok(read(&schema, command, input, proto)),
        move |call: ReceivedCall<String>| {
            let calls = calls.clone();
            async move {
                let command = String::from_utf8_lossy(&call.command);
                let command = serde_json::Value::from(command);
                let answer = call.requires_answer;
                let arguments = call.arguments;
                let line = format!(
                    r#"{{"command": {command}, "wants_answer": {answer}, "arguments": {arguments}}}"#
                );
                // Nobody prints it when enough was printed.
                let _ = calls.send(line).await;
                Err::<Nothing, _>(RemoteError::unhandled(&call.command))
            }
        },
    )
}

/// What would write an answer.
type Nothing = fn(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>;

/// The arguments of a call as JSON: as they are on the wire where the schema does not fit.
fn read(
    schema: &Schema,
    command: &[u8],
    input: &mut BoxReader<'_>,
    proto: &mut Proto<'_>,
) -> String {
    let known = str::from_utf8(command).ok().and_then(|command| schema.command(command));
    let raw = BoxSchema::of::<AmpBox>();
    let schema = known.map_or(&raw, |known| &known.arguments);
    let values = Values::from_box(schema, input, proto);
    let values = values.or_else(|error: DecodeError| {
        let command = String::from_utf8_lossy(command);
        eprintln!("ampctl: a call of {command:?} does not fit the schema: {}", Report(&error));
        Values::from_box(&raw, &mut BoxReader::new(input.ampbox()), proto)
    });
    values.map_or_else(
        |error| json!({ "unreadable": error.to_string() }).to_string(),
        |values| values.to_json(),
    )
}
