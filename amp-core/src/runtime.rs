//! The runtime that connections, clients and servers are started on.

use std::time::Duration;
use tokio::runtime::Handle;

/// The runtime that this runs in, which has timers.
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
