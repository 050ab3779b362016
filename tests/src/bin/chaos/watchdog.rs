use std::process::exit;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::world::Progress;

/// Ends the process when that does not come to an end by itself. It has a thread of its own, so
/// nothing that blocks the runtime blocks it. Dropped, it does no more.
pub(crate) struct Watchdog(#[expect(dead_code, reason = "the thread ends with it")] Sender<()>);

impl Watchdog {
    pub(crate) fn new(deadline: Duration, progress: Arc<Progress>) -> Self {
        let (alive, ended) = channel();
        thread::spawn(move || {
            if ended.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout) {
                eprintln!("VIOLATION: not over after {deadline:?}: {progress}");
                exit(1);
            }
        });
        Self(alive)
    }
}
