//! Programs that were started as peers, of which none is left behind.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a program may go on once this one has nothing more to say to it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What waits for the end of each.
static WATCHED: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Waits for the end of a program, so that nothing is left of it.
pub(crate) fn watch(mut child: Child) {
    let watching = tokio::spawn(async move {
        let _ = child.wait().await;
    });
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.retain(|watching| !watching.is_finished());
    watched.push(watching);
}

/// Waits a moment for those that still run, and ends them: whoever watches a program and is dropped
/// takes it along.
pub(crate) async fn end() {
    let watched = std::mem::take(&mut *WATCHED.lock().unwrap_or_else(PoisonError::into_inner));
    let all = async {
        for watching in watched {
            let _ = watching.await;
        }
    };
    let _ = timeout(LAST_WORDS, all).await;
}
