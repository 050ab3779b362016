//! Reading ahead while as many responders run as may, so that a peer is seen which has gone or is alive.

use std::collections::VecDeque;

use super::{Inbound, WaitingCall};
use crate::proto::Limits;
use crate::proto::together::Together;

/// How many bytes are read ahead at first while as many responders run as may, together with what the
/// calls among them take in memory.
const AHEAD: usize = 64 << 10;

/// Each time this side reads ahead, the bound grows by this factor, up to `FARTHER`: about what the peer's
/// system can still have buffered. A look for a sign of life may go as far as the largest box.
const FARTHER_TIMES: usize = 8;
const FARTHER: usize = 4 << 20;

/// What a look for a peer has shown that is not read from.
#[derive(Debug)]
pub(crate) enum Looked {
    /// A little may be read ahead now.
    Further,
    /// Nothing has changed.
    Same,
    /// The peer has gone, and all that there is of it is read. These calls want an answer, and are not
    /// begun.
    Rest(VecDeque<WaitingCall>),
    /// The peer has gone, and has sent more than there is memory for, or than can be read.
    Gone,
}

impl<W> Inbound<W> {
    /// Looks for a peer that is not read from, because as many responders run as may or because it is
    /// being decided on a protocol switch. Unread bytes hide the end of the stream from this side, so
    /// `closed` is whether the transport knows that the peer has closed it. That is believed at the second
    /// look, so that what was still on its way can be read first.
    pub(crate) fn look_for_peer(
        &mut self,
        closed: bool,
        deciding: bool,
        limits: &Limits,
        together: Option<&Together>,
    ) -> Looked {
        // TCP does not tell of an end that is behind more than its window takes.
        let went = (deciding || self.ahead > 0) && closed;
        let went_before = std::mem::replace(&mut self.went, went);
        if !went && !deciding && self.look_further_to(FARTHER, limits, together) {
            return Looked::Further;
        }
        if !went || !went_before {
            return Looked::Same;
        }
        if self.gone || deciding {
            return Looked::Gone;
        }
        // What the system has of it is all that comes. One-way commands are not lost.
        self.gone = true;
        self.ahead = furthest(limits);
        Looked::Rest(self.take_unanswerable())
    }

    /// The peer is read from, and need not be looked for.
    pub(crate) fn end_look(&mut self) {
        self.went = false;
    }

    /// Reads further ahead, if that may be: the answer that shows that the peer is alive may be
    /// behind its calls. Each look is at much more than the one before it, since whoever asks waits as
    /// long for each that finds something.
    pub(crate) fn look_further(&mut self, limits: &Limits, together: Option<&Together>) -> bool {
        let furthest = limits.boxes.max_bytes.max(FARTHER);
        self.is_paused() && self.look_further_to(furthest, limits, together)
    }

    /// Reads further ahead, but no further than this, and not so far that it would be too much of what
    /// is left for all connections.
    fn look_further_to(
        &mut self,
        most: usize,
        limits: &Limits,
        together: Option<&Together>,
    ) -> bool {
        let further = match self.ahead {
            0 => AHEAD,
            before => before.saturating_mul(FARTHER_TIMES).min(most).min(furthest(limits)),
        };
        if further <= self.ahead || together.is_some_and(|all| !all.has_room_for(further)) {
            return false;
        }
        self.ahead = further;
        true
    }
}

/// How far may be read ahead at most, in bytes.
fn furthest(limits: &Limits) -> usize {
    limits.running_bytes.max(AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::inbound::Reading;
    use crate::proto::inbound::tests::{calls, inbound, receive};
    use crate::proto::{Core, ProtocolLimits};

    #[test]
    fn a_peer_that_is_not_read_from_is_looked_for() {
        let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
        let limits = Limits::default();
        receive(&mut inbound, &mut core, &calls(2));
        inbound.set_reading(Reading::Paused);
        let look = |inbound: &mut Inbound<usize>, closed| {
            inbound.look_for_peer(closed, false, &limits, None)
        };
        assert!(matches!(look(&mut inbound, true), Looked::Further), "a little is read first");
        assert_eq!(inbound.ahead(), AHEAD);
        assert!(matches!(look(&mut inbound, false), Looked::Further));
        assert!(matches!(look(&mut inbound, true), Looked::Same));
        inbound.end_look();
        assert!(matches!(look(&mut inbound, true), Looked::Same));
        let Looked::Rest(unanswerable) = look(&mut inbound, true) else { panic!() };
        assert_eq!((unanswerable.len(), inbound.ahead()), (2, limits.running_bytes));
        receive(&mut inbound, &mut core, &calls(1));
        assert!(inbound.is_idle(), "nobody is there to be answered");
        assert!(matches!(look(&mut inbound, true), Looked::Gone));
    }

    #[test]
    fn while_a_switch_is_decided_nothing_is_read_ahead() {
        let mut inbound = inbound::<()>();
        let limits = Limits::default();
        assert!(matches!(inbound.look_for_peer(true, true, &limits, None), Looked::Same));
        assert!(matches!(inbound.look_for_peer(true, true, &limits, None), Looked::Gone));
        assert_eq!(inbound.ahead(), 0);
    }

    #[test]
    fn each_look_for_a_sign_of_life_is_at_more_up_to_a_bound() {
        let mut inbound = inbound::<()>();
        let limits = Limits { running_bytes: 1 << 20, ..Limits::default() };
        assert!(!inbound.look_further(&limits, None), "it is read from");
        inbound.set_reading(Reading::Paused);
        let looks: Vec<_> =
            std::iter::from_fn(|| inbound.look_further(&limits, None).then(|| inbound.ahead()))
                .collect();
        assert_eq!(looks, [64 << 10, 512 << 10, 1 << 20]);
        // It leaves room for others.
        let together = Together::new(200 << 10, 10);
        let mut second = super::super::tests::inbound::<()>();
        second.set_reading(Reading::Paused);
        assert!(second.look_further(&limits, Some(&together)));
        assert!(!second.look_further(&limits, Some(&together)));
    }
}
