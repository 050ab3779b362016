//! The last exchange with the peer, once the end of a connection has begun.

use bytes::BytesMut;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::inbound::Input;
use super::stint::{Stint, TURNS};
use super::timers::{Timer, Timers};
use crate::argument::Attachment;
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

    /// Whether nothing more is sent: the peer was told so, or cannot be told.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.shut_down
    }

    /// Reads what the peer still sends with `receive`, and drops it, until there is nothing more or the stint is
    /// over.
    ///
    /// # Errors
    ///
    /// When it is over, since the stream broke.
    pub(crate) fn read(
        &mut self,
        input: &mut Input,
        stint: &mut Stint,
        mut receive: impl FnMut(&mut BytesMut, &mut Vec<Attachment>) -> Poll<io::Result<usize>>,
    ) -> Result<(), CloseReason> {
        let mut reads = 0;
        while self.reads() && !stint.is_over() {
            if reads == TURNS {
                stint.finish();
                break;
            }
            reads += 1;
            let Poll::Ready(received) = input.drop_received(&mut receive) else { break };
            let received = received.map_err(|_| self.reason.clone())?;
            stint.received_bytes(received);
            self.left = self.left.saturating_sub(received);
            self.peer_done |= received == 0;
        }
        Ok(())
    }

    /// Whether the peer is still read from.
    fn reads(&self) -> bool {
        !self.peer_done && self.left > 0
    }

    /// Tells the peer with `shut_down` that nothing more will be sent, once all that was queued is `sent`.
    ///
    /// # Errors
    ///
    /// When it is over: nothing is left to be said or read, or the peer cannot be told.
    pub(crate) fn tell(
        &mut self,
        sent: bool,
        shut_down: impl FnOnce() -> Poll<io::Result<()>>,
    ) -> Result<(), CloseReason> {
        if sent && !self.shut_down {
            match shut_down() {
                Poll::Ready(Ok(())) => self.shut_down = true,
                Poll::Ready(Err(_)) => return Err(self.reason.clone()),
                Poll::Pending => {}
            }
        }
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

    /// The peer has sent so many bytes.
    fn receive(farewell: &mut Farewell, bytes: usize) -> Result<(), CloseReason> {
        let mut received = Some(bytes);
        farewell.read(&mut Input::default(), &mut Stint::default(), |_, _| {
            received.take().map_or(Poll::Pending, |received| Poll::Ready(Ok(received)))
        })
    }

    /// Goes on with all that was queued sent, over a stream that can be shut down.
    fn tell(farewell: &mut Farewell) -> Result<(), CloseReason> {
        farewell.tell(true, || Poll::Ready(Ok(())))
    }

    /// Goes on, and nothing can be told by now.
    fn check(farewell: &mut Farewell) -> Result<(), CloseReason> {
        farewell.tell(false, || panic!("something is left to be sent"))
    }

    #[test]
    fn it_is_over_when_both_sides_have_closed() {
        let (mut farewell, within) = begin(CloseReason::Local, false, false);
        assert_eq!(within, WITHIN);
        receive(&mut farewell, 100).unwrap();
        assert!(farewell.reads() && check(&mut farewell).is_ok() && !farewell.is_silent());
        assert!(farewell.tell(true, || Poll::Pending).is_ok() && !farewell.is_silent());
        assert!(tell(&mut farewell).is_ok() && farewell.is_silent() && farewell.reads());
        receive(&mut farewell, 0).unwrap();
        assert!(!farewell.reads());
        assert!(matches!(check(&mut farewell), Err(CloseReason::Local)));
        // The other way round, what is queued is still sent.
        let (mut farewell, _) = begin(CloseReason::Peer, false, true);
        assert!(!farewell.reads() && !farewell.is_silent() && check(&mut farewell).is_ok());
        assert!(matches!(tell(&mut farewell), Err(CloseReason::Peer)));
    }

    #[test]
    fn a_peer_that_cannot_be_told_is_only_read_from() {
        let (mut farewell, _) = begin(CloseReason::Local, true, false);
        assert!(farewell.is_silent() && farewell.reads());
        let told = farewell.tell(true, || panic!("nothing can be said"));
        assert!(told.is_ok());
        receive(&mut farewell, 0).unwrap();
        assert!(check(&mut farewell).is_err());
        assert!(check(&mut begin(CloseReason::Local, true, true).0).is_err(), "nothing is left");
    }

    #[test]
    fn a_stream_that_breaks_is_the_end_of_it_for_its_own_reason() {
        let broken = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        let (mut farewell, _) = begin(CloseReason::Local, false, false);
        let told = farewell.tell(true, broken);
        assert!(matches!(told, Err(CloseReason::Local)));
        let (mut farewell, _) = begin(CloseReason::Local, false, false);
        let read = farewell.read(&mut Input::default(), &mut Stint::default(), |_, _| {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        });
        assert!(matches!(read, Err(CloseReason::Local)));
    }

    #[test]
    fn a_peer_that_goes_on_sending_is_not_read_from_for_ever() {
        let fault = ProtocolError::NoKind { pairs: 1 };
        for (reason, most) in [(CloseReason::Local, 16 << 20), (fault.into(), 256 << 10)] {
            let is_fault = reason.is_fault_of_peer();
            let (mut farewell, within) = begin(reason, false, false);
            assert_eq!(within < WITHIN, is_fault);
            tell(&mut farewell).unwrap();
            receive(&mut farewell, most - 1).unwrap();
            assert!(farewell.reads() && check(&mut farewell).is_ok());
            receive(&mut farewell, 100).unwrap();
            assert!(!farewell.reads() && check(&mut farewell).is_err());
        }
    }

    #[test]
    fn others_have_their_turn_while_a_peer_goes_on_sending() {
        for (each, most) in [(1, TURNS), (1 << 20, 1)] {
            let (mut farewell, _) = begin(CloseReason::Local, false, false);
            let (mut stint, mut reads) = (Stint::default(), 0);
            let read = farewell.read(&mut Input::default(), &mut stint, |_, _| {
                reads += 1;
                Poll::Ready(Ok(each))
            });
            assert!(read.is_ok() && farewell.reads() && stint.is_over());
            assert_eq!(reads, most);
        }
    }
}
