//! What the peer calls.

use amp_core::Report;
use std::future::pending;
use std::io::{self, Write};
use std::process::ExitCode;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::called::Calls;
use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::options::Listen;
use crate::peering::Known;
use crate::running::until_interrupted;

/// How many calls wait to be printed; more wait to be answered.
pub(crate) const WAITING: usize = 16;

pub(crate) fn listen(options: &Listen) -> Result<ExitCode, Mistake> {
    let known = options.peering.known()?;
    until_interrupted(run(options, known))
}

async fn run(options: &Listen, mut known: Known) -> Result<ExitCode, Failure> {
    let (calls, mut received) = mpsc::channel(WAITING);
    let calls = Calls {
        schema: known.peer_schema.clone(),
        rules: known.rules.clone(),
        hidden: known.hidden.clone(),
        lines: Some(calls),
    };
    let peer = known.connect(calls.responders()).await?;
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
            print(&line)?;
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

/// Prints a line at once.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}")
        .map_err(|error| Failure::new(exit::WRONG_USE, format!("cannot write: {error}")))
}
