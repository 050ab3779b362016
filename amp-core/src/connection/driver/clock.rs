use std::time::Instant;

/// The time, as the timers of the runtime have it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
