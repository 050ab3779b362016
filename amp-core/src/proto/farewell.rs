//! The last exchange with the peer, once the end of a connection has begun.

use std::time::{Duration, Instant};

use super::timers::{Timer, Timers};
use crate::proto::CloseReason;

/// The last exchange with the peer: what is queued is sent, the peer is told that nothing more will
/// come, and what it still sends is read and dropped until it has closed its side too.
///
/// Closing a socket with unread bytes would reset the connection, and the peer might lose what was
/// sent to it last. But a peer that goes on sending is not read from for ever: so many bytes, and
/// until [`Timer::Close`] is due.
#[derive(Debug)]
pub(crate) struct Farewell {
    reason: CloseReason,
    /// Whether the peer was told that nothing more will be sent, or cannot be told.
    shut_down: bool,
    /// Whether the peer has closed its side.
    peer_done: bool,
    /// How many bytes are still read from it.
    left: usize,
}

impl Farewell {
    /// Begins it, and sets the timer of its end, which is at most `within` from now. Where the stream is
    /// `broken` the peer cannot be told anything. `peer_done` is whether it has closed its side.
    pub(crate) fn begin(
        reason: CloseReason,
        broken: bool,
        peer_done: bool,
        within: Duration,
        now: Instant,
        timers: &mut Timers,
    ) -> Self {
        let (within, left) = reason.farewell(within);
        timers.set_after(Timer::Close, now, within);
        Self { reason, shut_down: broken, peer_done, left }
    }

    /// Why the connection ends.
    pub(crate) fn reason(&self) -> &CloseReason {
        &self.reason
    }

    /// Whether the peer is still read from.
    pub(crate) fn reads(&self) -> bool {
        !self.peer_done && self.left > 0
    }

    /// So many bytes came from the peer, which are dropped. After none it sends nothing more.
    pub(crate) fn handle_received(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.peer_done |= bytes == 0;
    }

    /// Whether nothing more is sent: the peer was told so, or cannot be told.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.shut_down
    }

    /// The peer was told that nothing more will be sent, or cannot be told any more.
    pub(crate) fn handle_shut_down(&mut self) {
        self.shut_down = true;
    }

    /// Goes on, unless nothing is left to be said or read.
    ///
    /// # Errors
    ///
    /// When it is over, for this reason.
    pub(crate) fn check(&self) -> Result<(), CloseReason> {
        if self.shut_down && !self.reads() { Err(self.reason.clone()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ProtocolError;

    const WITHIN: Duration = Duration::from_secs(10);

    fn begin(reason: CloseReason, broken: bool, peer_done: bool) -> (Farewell, Duration) {
        let (now, mut timers) = (Instant::now(), Timers::default());
        let farewell = Farewell::begin(reason, broken, peer_done, WITHIN, now, &mut timers);
        let within = timers.next().expect("the end has its time") - now;
        assert_eq!(timers.take_due(now + within), Some(Timer::Close));
        (farewell, within)
    }

    #[test]
    fn it_is_over_when_both_sides_have_closed() {
        let (mut farewell, within) = begin(CloseReason::Local, false, false);
        assert_eq!(within, WITHIN);
        farewell.handle_received(100);
        assert!(farewell.reads() && !farewell.is_silent() && farewell.check().is_ok());
        farewell.handle_shut_down();
        assert!(farewell.reads() && farewell.is_silent() && farewell.check().is_ok());
        farewell.handle_received(0);
        assert!(!farewell.reads());
        assert!(matches!(farewell.check(), Err(CloseReason::Local)));
        // The other way round, what is queued is still sent.
        let (mut farewell, _) = begin(CloseReason::Peer, false, true);
        assert!(!farewell.reads() && !farewell.is_silent() && farewell.check().is_ok());
        farewell.handle_shut_down();
        assert!(matches!(farewell.check(), Err(CloseReason::Peer)));
    }

    #[test]
    fn a_peer_that_cannot_be_told_is_only_read_from() {
        let (mut farewell, _) = begin(CloseReason::Local, true, false);
        assert!(farewell.is_silent() && farewell.reads() && farewell.check().is_ok());
        farewell.handle_received(0);
        assert!(farewell.check().is_err());
        assert!(begin(CloseReason::Local, true, true).0.check().is_err(), "nothing is left");
    }

    #[test]
    fn a_peer_that_goes_on_sending_is_not_read_from_for_ever() {
        let fault = ProtocolError::NoKind { pairs: 1 };
        for (reason, most) in [(CloseReason::Local, 16 << 20), (fault.into(), 256 << 10)] {
            let is_fault = reason.is_fault_of_peer();
            let (mut farewell, within) = begin(reason, false, false);
            assert_eq!(within < WITHIN, is_fault);
            farewell.handle_shut_down();
            farewell.handle_received(most - 1);
            assert!(farewell.reads() && farewell.check().is_ok());
            farewell.handle_received(100);
            assert!(!farewell.reads() && farewell.check().is_err());
        }
    }
}
