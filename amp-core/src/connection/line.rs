//! The stream of a connection, and what goes with it from hand to hand.

use std::pin::Pin;

use super::transport::{NoTransport, Transport};
use crate::proto;

/// The stream and what is being written to it. Whoever has it may write: the driver, or a caller while the
/// driver waits.
pub(super) type Line = proto::Line<Stream>;

/// The transport of a connection.
pub(super) struct Stream {
    pub(super) transport: Pin<Box<dyn Transport>>,
    /// What was written is reported here. `None` in a stream that leads nowhere.
    #[cfg(feature = "metrics")]
    measured: Option<crate::observing::MeasuredConnection>,
}

/// One that leads nowhere.
impl Default for Stream {
    fn default() -> Self {
        Self {
            transport: Box::pin(NoTransport),
            #[cfg(feature = "metrics")]
            measured: None,
        }
    }
}

impl Stream {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>) -> Self {
        Self {
            transport,
            #[cfg(feature = "metrics")]
            measured: Some(crate::observing::MeasuredConnection::new()),
        }
    }

    /// Leads nowhere from here on. The transport, which is closed when it is dropped.
    pub(super) fn take_transport(&mut self) -> Pin<Box<dyn Transport>> {
        std::mem::replace(&mut self.transport, Box::pin(NoTransport))
    }

    /// Reports what has happened on the connection.
    #[cfg(feature = "metrics")]
    pub(super) fn report(&mut self, counters: impl FnOnce() -> proto::Counters) {
        if let Some(measured) = &mut self.measured {
            measured.report(counters());
        }
    }
}
