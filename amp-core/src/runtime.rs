//! The runtime that connections, clients and servers are started on.

use std::future::Future;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;
use tokio::runtime::Handle;

/// Returns the runtime that this runs in, which has timers.
///
/// Whatever is started needs timers at its end, if not before. A runtime without them is refused at
/// the beginning, rather than by a panic of a task that nobody looks at.
///
/// # Panics
///
/// Outside of a runtime, and in one without timers, both in tokio's own words.
#[track_caller]
pub(crate) fn with_timers() -> Handle {
    drop(tokio::time::sleep(Duration::ZERO));
    Handle::current()
}

/// Returns whether several threads run the tasks of a runtime.
pub(crate) fn has_several_threads(runtime: &Handle) -> bool {
    runtime.metrics().num_workers() > 1
}

/// Wakes the task that is being polled once the runtime has run all others that can run and has
/// looked at its sockets and timers. Waking it right now would put it before those.
pub(crate) fn defer(cx: &mut Context<'_>) {
    // Its waker stays with the runtime when the future is dropped.
    let pending = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(pending.is_pending(), "it yields once");
}
