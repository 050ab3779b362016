//! How far a connection has come, and which reason for its end wins.

use std::io;
use std::time::Duration;

use crate::proto::CloseReason;

/// How many bytes of the peer are read and dropped at the end: about as many as the buffers of both
/// systems may hold when it hears of the end.
const FAREWELL_BYTES: usize = 16 << 20;

/// How many, and for how long, when the end is the peer's own fault. It has no claim to anything
/// but to be told.
const SHORT_FAREWELL_BYTES: usize = 256 << 10;
const SHORT_FAREWELL: Duration = Duration::from_secs(1);

/// How far a connection has come.
#[derive(Debug)]
enum Phase {
    Open,
    /// The connection ends once nothing is being answered any more, or this time is over. Calls of the peer are
    /// refused; those of this side are made.
    Draining(Duration),
    /// No more calls are made. What is queued is still sent.
    Closing {
        reason: CloseReason,
        /// Whether it was drained: calls of the peer that wait are refused, and begun otherwise.
        drained: bool,
    },
    Ended(CloseReason),
}

/// The end of a connection: how far it has come to it, and why.
///
/// The reason that counts is the first one, with one exception: if a write has failed and the stream then
/// ends, the failed write is the reason, since the end only followed from it. If the write failed *because*
/// the peer had closed, the end of the stream is the reason.
#[derive(Debug)]
pub(crate) struct End {
    phase: Phase,
    /// Why nothing can be sent any more, while what the peer sent before is still read.
    broken: Option<CloseReason>,
}

impl Default for End {
    fn default() -> Self {
        Self::new()
    }
}

impl End {
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Open, broken: None }
    }

    /// Whether there is no sign of an end.
    #[inline]
    pub(crate) fn is_far(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.broken.is_none()
    }

    /// Why no call of this side can be made, if none can.
    pub(crate) fn refusal(&self) -> Option<&CloseReason> {
        self.begun().or(self.broken.as_ref())
    }

    /// Why nothing can be sent any more, once that is so.
    pub(crate) fn broken(&self) -> Option<&CloseReason> {
        self.broken.as_ref()
    }

    /// Why the connection ends, once that has begun.
    pub(crate) fn begun(&self) -> Option<&CloseReason> {
        match &self.phase {
            Phase::Open | Phase::Draining(_) => None,
            Phase::Closing { reason, .. } | Phase::Ended(reason) => Some(reason),
        }
    }

    /// Why the connection has ended, once it has.
    pub(crate) fn over(&self) -> Option<&CloseReason> {
        match &self.phase {
            Phase::Ended(reason) => Some(reason),
            _ => None,
        }
    }

    /// How long what is being answered may take, while the connection is drained.
    pub(crate) fn draining(&self) -> Option<Duration> {
        match self.phase {
            Phase::Draining(within) => Some(within),
            _ => None,
        }
    }

    /// Whether calls of the peer are refused, because the connection is about to end.
    pub(crate) fn refuses_calls(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Closing { drained: true, .. })
    }

    /// The connection ends once nothing is being answered, or this time is over. The first time that
    /// is given counts.
    pub(crate) fn drain(&mut self, within: Duration) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Draining(within);
        }
    }

    /// Nothing can be sent any more.
    pub(crate) fn break_off(&mut self, reason: CloseReason) {
        self.broken.get_or_insert(reason);
    }

    /// The end begins, unless it has begun before: says why then.
    pub(crate) fn begin(&mut self, reason: CloseReason) -> Option<&CloseReason> {
        let drained = match self.phase {
            Phase::Open => false,
            Phase::Draining(_) => true,
            Phase::Closing { .. } | Phase::Ended(_) => return None,
        };
        self.phase = Phase::Closing { reason: self.first(reason), drained };
        self.begun()
    }

    /// The connection has ended. Says why, and whether it had not ended before.
    pub(crate) fn finish(&mut self, reason: CloseReason) -> (CloseReason, bool) {
        let (reason, first) = match &self.phase {
            Phase::Open | Phase::Draining(_) => (self.first(reason), true),
            Phase::Closing { reason, .. } => (reason.clone(), true),
            Phase::Ended(reason) => (reason.clone(), false),
        };
        self.phase = Phase::Ended(reason.clone());
        (reason, first)
    }

    /// Why the connection ends, when this is why it ends now.
    fn first(&self, reason: CloseReason) -> CloseReason {
        match &self.broken {
            Some(CloseReason::Io(error)) if reason.is_end_of_stream() && is_of_peer(error) => {
                reason
            }
            Some(broken) if reason.is_end_of_stream() => broken.clone(),
            _ => reason,
        }
    }
}

impl CloseReason {
    /// The peer sends nothing more, with so many bytes of a box received.
    pub(crate) fn end_of_stream(received: usize) -> Self {
        match received {
            0 => CloseReason::Peer,
            _ => CloseReason::Truncated { received },
        }
    }

    /// Whether the peer sends nothing more.
    pub(crate) fn is_end_of_stream(&self) -> bool {
        matches!(self, CloseReason::Peer | CloseReason::Truncated { .. })
    }

    /// Whether it says that nobody is there any more, not that what came was wrong: then the one-way
    /// commands that were received are begun.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_absence(&self) -> bool {
        self.is_end_of_stream() || matches!(self, CloseReason::Io(_))
    }

    /// How long the end may take, of at most `timeout`, and how many bytes of the peer are read and
    /// dropped meanwhile.
    pub(crate) fn farewell(&self, timeout: Duration) -> (Duration, usize) {
        if self.is_fault_of_peer() {
            (timeout.min(SHORT_FAREWELL), SHORT_FAREWELL_BYTES)
        } else {
            (timeout, FAREWELL_BYTES)
        }
    }

    /// Whether the peer is to blame.
    pub(crate) fn is_fault_of_peer(&self) -> bool {
        matches!(
            self,
            CloseReason::Protocol(_)
                | CloseReason::Limit { .. }
                | CloseReason::NoLogin { .. }
                | CloseReason::BoxTimeout { .. }
        )
    }
}

/// Whether a write fails so because the peer has closed the stream.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(1);

    fn io(kind: io::ErrorKind) -> CloseReason {
        io::Error::from(kind).into()
    }

    #[test]
    fn the_first_reason_counts() {
        let mut end = End::new();
        assert!(end.is_far() && end.refusal().is_none());
        assert!(matches!(end.begin(CloseReason::Local), Some(CloseReason::Local)));
        assert!(end.begin(CloseReason::Peer).is_none());
        assert!(matches!(end.refusal(), Some(CloseReason::Local)));
        assert!(end.over().is_none() && !end.refuses_calls());
        assert!(matches!(end.finish(CloseReason::Peer), (CloseReason::Local, true)));
        assert!(matches!(end.finish(CloseReason::Peer), (CloseReason::Local, false)));
        assert!(matches!(end.over(), Some(CloseReason::Local)));
        assert!(end.begin(CloseReason::Peer).is_none());
        end.drain(WITHIN);
        assert_eq!(end.draining(), None);
    }

    #[test]
    fn that_the_peer_has_gone_is_a_reason_only_where_nothing_failed_before() {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, StorageFull};
        for (broken, then, first) in [
            (io(StorageFull), CloseReason::Peer, "Io"),
            (io(StorageFull), CloseReason::Truncated { received: 3 }, "Io"),
            (io(StorageFull), CloseReason::Local, "Local"),
            (io(BrokenPipe), CloseReason::Peer, "Peer"),
            (io(ConnectionReset), CloseReason::Truncated { received: 3 }, "Truncated"),
            (CloseReason::Idle { after: WITHIN }, CloseReason::Peer, "Idle"),
        ] {
            for closes in [true, false] {
                let mut end = End::new();
                end.break_off(broken.clone());
                end.break_off(CloseReason::Local);
                assert!(end.refusal().is_some() && end.begun().is_none() && !end.is_far());
                if closes {
                    end.begin(then.clone());
                }
                let (reason, _) = end.finish(then.clone());
                assert!(format!("{reason:?}").starts_with(first), "{reason:?} after {broken:?}");
            }
        }
    }

    #[test]
    fn a_connection_that_is_drained_refuses_calls_until_it_has_ended() {
        let mut end = End::new();
        end.drain(WITHIN);
        end.drain(2 * WITHIN);
        assert_eq!(end.draining(), Some(WITHIN));
        assert!(end.refuses_calls() && end.refusal().is_none() && !end.is_far());
        assert!(end.begin(CloseReason::Local).is_some());
        assert!(end.refuses_calls() && end.draining().is_none());
    }
}
