//! The runtime that what talks to peers runs on.

use amp_core::Peer;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::printing::tell;
use crate::programs;

/// Whether the user has interrupted what runs. Then nothing else is said of its end, which that may have
/// brought about.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The time that the end of a connection is waited for, of which nothing more is wanted.
const FAREWELL: Duration = Duration::from_millis(200);

/// Runs to the end, and says why it has failed.
pub(crate) fn run(
    running: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Mistake> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Mistake::new(format!("cannot begin: {error}")))?;
    let ended = runtime.block_on(async {
        let ended = running.await;
        programs::end().await;
        ended
    });
    while INTERRUPTED.load(Ordering::SeqCst) {
        // Another thread ends the program.
        thread::park();
    }
    // A thread may be reading from standard input, which nothing would end.
    runtime.shutdown_background();
    Ok(ended.unwrap_or_else(|Failure { code, said }| {
        if !said.is_empty() {
            tell(said);
        }
        ExitCode::from(code)
    }))
}

/// The same, until the user interrupts it.
///
/// Another thread waits for that: what runs may wait for a file, for a program, or for standard input, in
/// ways that nothing interrupts.
pub(crate) fn until_interrupted(
    running: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Mistake> {
    let begins = |error| Mistake::new(format!("cannot begin: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(begins)?;
    let interrupt = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())
    };
    let mut interrupt = interrupt.map_err(begins)?;
    let waiting = move || {
        if runtime.block_on(interrupt.recv()).is_some() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            tell("interrupted");
            programs::end_all();
            process::exit(exit::INTERRUPTED.into());
        }
    };
    thread::Builder::new().spawn(waiting).map_err(begins)?;
    run(running)
}

/// The signals by which a user ends what would go on for ever. None that comes after this was made is
/// lost, nor does it end the program by itself.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> Result<Self, Failure> {
        let begins = |error| Failure::new(exit::WRONG_USE, format!("cannot begin: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(begins)?,
            terminate: signal(SignalKind::terminate()).map_err(begins)?,
        })
    }

    /// Waits for the next of them.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Closes a connection once all is done on it.
pub(crate) async fn say_farewell(peer: &Peer) {
    let _ = timeout(FAREWELL, peer.close()).await;
}
