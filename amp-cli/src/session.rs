//! Many calls on one connection.

use amp_core::{Peer, Report};
use serde_json::json;
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::ask::{Outcome, exit_code};
use crate::descriptors;
use crate::exit::{self, Failure};
use crate::line::Line;
use crate::mistake::Mistake;
use crate::on_line::{json_text, plain_json};
use crate::opening::{Inputs, Opening};
use crate::options::Session;
use crate::peering::Target;
use crate::printing::print_line;
use crate::running::{say_farewell, until_interrupted};

pub(crate) fn session(options: &Session) -> Result<ExitCode, Mistake> {
    let inputs = Inputs::without_stdin("the lines of the session");
    let target = options.peer.target_reading(inputs)?;
    until_interrupted(run(target))
}

async fn run(mut target: Target) -> Result<ExitCode, Failure> {
    let responders = target.calls(None).responders();
    let peer = target.connect(responders).await?;
    target.log_in(&peer).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).split(b'\n');
    let (mut number, mut first_code) = (0_u64, 0);
    loop {
        let line = tokio::select! {
            // A peer that has answered all of them may go.
            biased;
            line = lines.next_segment() => line,
            reason = peer.closed() => return Err(Failure::new(exit::ENDED, Report::new(&reason))),
        };
        let line = line.map_err(|error| {
            Failure::new(exit::NOT_USED, format!("cannot read standard input: {error}"))
        })?;
        let Some(line) = line else { break };
        number += 1;
        if str::from_utf8(&line).is_ok_and(Line::is_empty) {
            continue;
        }
        let code = match answer(&line, number, &peer, &target).await {
            // The reader of the output wants no more of it. That does not mend calls that have failed before.
            Err(failure) if failure.said.is_empty() => break,
            answered => answered?,
        };
        if first_code == 0 {
            first_code = code;
        }
    }
    say_farewell(&peer).await;
    Ok(ExitCode::from(first_code))
}

/// Makes the call of one line and prints what becomes of it, as one line; the exit code that it alone
/// would have.
async fn answer(text: &[u8], number: u64, peer: &Peer, target: &Target) -> Result<u8, Failure> {
    let text = str::from_utf8(text).map_err(|_| Mistake::new("it is not UTF-8"));
    let asked =
        text.and_then(Line::parse).and_then(|line| target.ask(&line, Opening::new(&target.inputs)));
    let mistaken = |mistake: String| {
        print_line(plain_json(json!({ "line": number, "mistake": mistake })))?;
        Ok(exit::WRONG_USE)
    };
    let ask = match asked {
        Ok(ask) => ask,
        Err(mistake) => return mistaken(mistake.to_string()),
    };
    let (declared, command) = (ask.declared(), json_text(&ask.command));
    let hidden = target.hidden_of(&ask.command);
    match ask.make(peer, target.timeout, &hidden).await {
        Ok(Outcome::Sent) => {
            print_line(format_args!(r#"{{"command": {command}, "sent": true}}"#))?;
            Ok(0)
        }
        Ok(Outcome::Answered(answer, _)) => {
            let answer = descriptors::json(&hidden.shown(answer));
            print_line(format_args!(r#"{{"command": {command}, "answer": {answer}}}"#))?;
            Ok(0)
        }
        Ok(Outcome::Refused(error)) => {
            let code = json_text(&String::from_utf8_lossy(&error.code));
            let description = json_text(&error.description);
            print_line(format_args!(
                r#"{{"command": {command}, "error": {code}, "description": {description}}}"#
            ))?;
            Ok(exit_code(&error, &declared))
        }
        Err(failure) if matches!(failure.code, exit::NOT_IN_TIME | exit::NO_FIT) => {
            let failed = json_text(&failure.said);
            print_line(format_args!(r#"{{"command": {command}, "failed": {failed}}}"#))?;
            Ok(failure.code)
        }
        // The connection does not carry its descriptors: nothing of it was sent.
        Err(failure) if failure.code == exit::WRONG_USE => mistaken(failure.said),
        Err(failure) => Err(failure),
    }
}
