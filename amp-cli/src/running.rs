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

/// Runs until the end, or until the user interrupts it.
///
/// Another thread waits for that: what runs may wait for a file, for a program, or for standard input, in
/// ways that nothing interrupts.
pub(crate) fn until_interrupted(
    running: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Mistake> {
    let begins = |error| Mistake::new(format!("cannot begin: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(begins)?;
    let interrupts = {
        let _entered = runtime.enter();
        Interrupts::new()
    };
    let mut interrupts = interrupts?;
    let waiting = move || {
        let (said, code) = match runtime.block_on(interrupts.recv()) {
            Interrupt::Interrupted => ("interrupted", exit::INTERRUPTED),
            Interrupt::Terminated => ("terminated", exit::TERMINATED),
        };
        INTERRUPTED.store(true, Ordering::SeqCst);
        tell(said);
        programs::end_all();
        process::exit(code.into());
    };
    thread::Builder::new().spawn(waiting).map_err(begins)?;
    run(running)
}

/// A signal by which a program is ended.
pub(crate) enum Interrupt {
    /// By the user.
    Interrupted,
    /// By another program.
    Terminated,
}

/// The signals by which a program is ended that would go on. None that comes after this was made is
/// lost, nor does it end the program by itself. That a terminal was closed is none of them: the programs
/// that were started are told of that as well.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> Result<Self, Mistake> {
        let begins = |error| Mistake::new(format!("cannot begin: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(begins)?,
            terminate: signal(SignalKind::terminate()).map_err(begins)?,
        })
    }

    /// Waits for the next of them.
    pub(crate) async fn recv(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.interrupt.recv() => Interrupt::Interrupted,
            _ = self.terminate.recv() => Interrupt::Terminated,
        }
    }
}

/// Closes a connection once all is done on it.
pub(crate) async fn say_farewell(peer: &Peer) {
    let _ = timeout(FAREWELL, peer.close()).await;
}
