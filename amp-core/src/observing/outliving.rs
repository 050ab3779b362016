//! Responders that run although their connections have ended.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of such responders, of all connections of the process.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Returns how many responders of this process run at the moment although their connections have
/// ended.
///
/// The end of a connection does not stop its responders. So a peer that calls, goes, and comes again leaves some behind each
/// time: at most [`running_responders_max`](field@crate::Limits::running_responders_max) for each connection. No limit of a
/// connection bounds how many there are in all. But those of a server count among its
/// [`running_responders_in_all`](crate::Serve::running_responders_in_all) until they are done. If there are too many, a
/// program may stop accepting, or complain. Responders that
/// [end with their connection](crate::Responders::end_with_connection) are never among them.
pub fn outliving_responders() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// A connection has ended while so many ran.
pub(crate) fn add(count: usize) {
    COUNT.fetch_add(count, Ordering::Relaxed);
}

/// A responder that has outlived its connection is done.
pub(crate) fn remove() {
    COUNT.fetch_sub(1, Ordering::Relaxed);
    #[cfg(feature = "metrics")]
    gauge().decrement(1.0);
}

/// Reports those of a connection. Not to be called with anything locked.
#[cfg(feature = "metrics")]
pub(crate) fn report(count: usize) {
    if count > 0 {
        #[allow(clippy::cast_precision_loss, reason = "that many do not fit into memory")]
        gauge().increment(count as f64);
    }
}

#[cfg(feature = "metrics")]
fn gauge() -> metrics::Gauge {
    metrics::gauge!("amp_responders_outliving")
}
