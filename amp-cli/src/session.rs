//! Many calls on one connection.

use amp_core::{Peer, Report};
use serde_json::{Value, json};
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::ask::{Outcome, exit_code};
use crate::called::Calls;
use crate::exit::{self, Failure};
use crate::files;
use crate::line::Line;
use crate::listen::print;
use crate::mistake::Mistake;
use crate::options::Session;
use crate::output;
use crate::peering::Known;
use crate::running::until_interrupted;

pub(crate) fn session(options: &Session) -> Result<ExitCode, Mistake> {
    let known = options.peering.known()?;
    until_interrupted(run(known))
}

async fn run(mut known: Known) -> Result<ExitCode, Failure> {
    let calls = Calls {
        schema: known.peer_schema.clone(),
        rules: known.rules.clone(),
        hidden: known.hidden.clone(),
        lines: None,
    };
    let peer = known.connect(calls.responders()).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (mut number, mut first_code) = (0_u64, 0);
    loop {
        let line = tokio::select! {
            // A peer that has answered all of them may go.
            biased;
            line = lines.next_line() => line,
            reason = peer.closed() => return Err(Failure::new(exit::ENDED, Report(&reason))),
        };
        let line = line.map_err(|error| {
            Failure::new(exit::WRONG_USE, format!("standard input, line {}: {error}", number + 1))
        })?;
        let Some(line) = line else { break };
        number += 1;
        if Line::is_empty(&line) {
            continue;
        }
        let code = answer(&line, number, &peer, &known).await?;
        if first_code == 0 {
            first_code = code;
        }
    }
    peer.close().await;
    Ok(ExitCode::from(first_code))
}

/// Makes the call of one line and prints what becomes of it, as one line; the exit code that it alone
/// would have.
async fn answer(text: &str, number: u64, peer: &Peer, known: &Known) -> Result<u8, Failure> {
    let asked = Line::parse(text).and_then(|line| line.ask(&known.schema, known.has_schema));
    let ask = match asked {
        Ok(ask) => ask,
        Err(mistake) => {
            print(&json!({ "line": number, "mistake": mistake.to_string() }).to_string())?;
            return Ok(exit::WRONG_USE);
        }
    };
    let (declared, command) = (ask.declared(), Value::from(ask.command.clone()));
    match ask.make(peer, known.timeout).await {
        Ok(Outcome::Sent) => {
            print(&format!(r#"{{"command": {command}, "sent": true}}"#))?;
            Ok(0)
        }
        Ok(Outcome::Answered(answer, _)) => {
            let answer = files::json(&output::without(answer, &known.hidden));
            print(&format!(r#"{{"command": {command}, "answer": {answer}}}"#))?;
            Ok(0)
        }
        Ok(Outcome::Refused(error)) => {
            let code = Value::from(String::from_utf8_lossy(&error.code));
            let description = Value::from(&*error.description);
            print(&format!(
                r#"{{"command": {command}, "error": {code}, "description": {description}}}"#
            ))?;
            Ok(exit_code(&error, &declared))
        }
        Err(failure) if matches!(failure.code, exit::NOT_IN_TIME | exit::NO_FIT) => {
            let failed = Value::from(failure.said.trim_start_matches("ampctl: "));
            print(&format!(r#"{{"command": {command}, "failed": {failed}}}"#))?;
            Ok(failure.code)
        }
        Err(failure) => Err(failure),
    }
}
