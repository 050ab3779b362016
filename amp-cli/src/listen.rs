//! `ampctl listen`: prints the calls of a peer.

use amp_core::Report;
use std::future::pending;
use std::process::ExitCode;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::options::Listen;
use crate::peering::Target;
use crate::printing::print_line;
use crate::running::{say_farewell, until_interrupted};

/// The number of calls that wait to be printed; more wait to be answered.
pub(crate) const WAITING: usize = 16;

pub(crate) fn listen(options: &Listen) -> Result<ExitCode, Mistake> {
    let target = options.peer.target()?;
    until_interrupted(run(options, target))
}

async fn run(options: &Listen, mut target: Target) -> Result<ExitCode, Failure> {
    let (calls, mut received) = mpsc::channel(WAITING);
    let responders = target.calls(Some(calls)).responders();
    let peer = target.connect(responders).await?;
    target.log_in(&peer).await?;
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
            print_line(&line)?;
            left = left.map(|left| left - 1);
        }
        Ok::<_, Failure>(())
    };
    let ended = async {
        let reason = peer.closed().await;
        Failure::new(exit::ENDED, Report::new(&reason))
    };
    tokio::select! {
        // What was received is printed before anything else counts.
        biased;
        printed = printed => printed?,
        () = over => {}
        failure = ended => return Err(failure),
    }
    say_farewell(&peer).await;
    Ok(ExitCode::SUCCESS)
}
