//! Protocol switches: what is queued for them, and held back because of them.

use super::event::{Answer, Event};
use super::heads::put_answer;
use super::side::{Core, Pending};
use crate::proto::switch::{Leaving, Then};
use crate::proto::{Body, CallId, Host, NotQueued, Outgoing, ProtocolError, SwitchRefused};

impl<W, H: Host> Core<W, H> {
    /// Queues a call that asks for a protocol switch, which takes what follows out of `then`. What is
    /// queued behind it is held back until the peer refuses, or until [`resume`](Core::resume). The
    /// body is left empty.
    ///
    /// # Errors
    ///
    /// As [`call`](Core::call), when a switch is under way, and when the transport would be replaced
    /// for the second time. Nothing is queued or taken then.
    ///
    /// # Panics
    ///
    /// When nothing is in `then`.
    pub(crate) fn ask_switch(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
        then: &mut Option<Then<H>>,
    ) -> Result<CallId, SwitchRefused> {
        self.check_end()?;
        self.switch.check(then.as_ref().expect("something follows a switch"))?;
        let id = self.call(command, body, waiter)?;
        if let Some(then) = then.take() {
            self.switch.ask(id, then);
        }
        self.held = Some(Outgoing::default());
        Ok(id)
    }

    /// Takes note that the call which was received last, and has this tag, asks for a protocol switch.
    /// What comes behind it is not to be read as boxes until it is answered otherwise than by
    /// [`accept_switch`](Core::accept_switch), or until [`resume`](Core::resume).
    ///
    /// # Errors
    ///
    /// When this side has asked for one too, which ends the connection.
    pub(crate) fn handle_switch(&mut self, tag: &[u8]) -> Result<(), ProtocolError> {
        self.switch.receive(tag)
    }

    /// Agrees to the switch that the peer has asked for with this tag. The answer is the last box
    /// that is sent: what is queued behind it is held back until [`resume`](Core::resume).
    ///
    /// # Errors
    ///
    /// When the peer has [asked](Core::handle_switch) for none with this tag, when the transport would be replaced
    /// for the second time, and when the end has begun. Nothing is queued then, and what would have
    /// followed is given back.
    pub(crate) fn accept_switch(
        &mut self,
        tag: &[u8],
        then: Then<H>,
    ) -> Result<(), (Then<H>, SwitchRefused)> {
        if let Some(reason) = self.end.begun() {
            return Err((then, NotQueued::Closed(reason.clone()).into()));
        }
        self.switch.accept(tag, then)?;
        self.counters.answers_sent += 1;
        self.push(|out| put_answer(out, tag), &mut Body::default());
        self.held = Some(Outgoing::default());
        Ok(())
    }

    /// Goes on with boxes after a switch, over another transport: what was held back can be sent.
    pub(crate) fn resume(&mut self) {
        self.switch.resume();
        self.stop_holding();
        let dead = self.unclaimed.close();
        let released = self.released();
        released.unclaimed.extend(dead);
        released.changed = true;
    }

    /// What becomes of the stream, once it [leaves](Self::leaves).
    pub(crate) fn leave(&mut self) -> Option<Leaving<H>> {
        self.leaves().then(|| self.switch.leave())
    }

    /// Whether both sides agree to a switch and everything before it was taken off the queue. Attachments
    /// that nothing has claimed go with the stream, unless boxes go on, so it stays while somebody has yet
    /// to read a box that may name some. They are not kept for ever, and neither is the stream.
    pub(super) fn leaves(&self) -> bool {
        self.switch.is_agreed()
            && self.outgoing.is_empty()
            && (self.switch.upgrades() || !self.unclaimed.may_be_claimed())
    }

    /// Keeps the stream for whoever has asked. Gives it back if nobody wants it any more.
    pub(crate) fn hand_over(&mut self, stream: H::Switched) -> Option<H::Switched> {
        self.switch.hand_over(stream)
    }

    /// Takes the stream that was handed over, once it is there.
    pub(crate) fn take_stream(&mut self) -> Option<H::Switched> {
        self.switch.take_stream()
    }

    /// Nobody wants the stream any more that the peer has agreed to give. Gives it, if it is there.
    pub(crate) fn forget_stream(&mut self) -> Option<H::Switched> {
        self.switch.forget_stream()
    }

    pub(super) fn switch_answered(&mut self, id: CallId, answer: Answer) -> Event<W> {
        let agrees = answer.is_ok();
        if let Some(then) = self.switch.answered(agrees) {
            self.released().then.push(then);
        }
        if !agrees {
            self.stop_holding();
        }
        let waiting = self.calls.get_mut(id);
        let upgraded = self.switch.has_upgraded();
        let done = Pending::Done(answer, upgraded);
        let waiting = waiting.map(|waiting| std::mem::replace(waiting, done));
        let waiter = if let Some(Pending::For(waiter)) = waiting {
            Some(waiter)
        } else {
            self.calls.remove(id);
            None
        };
        match waiter {
            Some(waiter) if !agrees => Event::Answered { id, waiter },
            None if !agrees => Event::Ignored,
            waiter => Event::Switched(waiter),
        }
    }

    /// Sends what was held back behind what is queued.
    pub(super) fn stop_holding(&mut self) {
        if let Some(held) = self.held.take() {
            self.outgoing.append(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::Attachment;
    use crate::proto::core::queue::Transmit;
    use crate::proto::wants::{Situation, Wants};
    use crate::proto::{Core, ProtocolLimits};
    use std::sync::Arc;
    use std::time::Instant;

    /// A caller may have its answer, and not have read it.
    #[test]
    fn a_stream_does_not_leave_with_what_an_answer_brings() {
        for read in [false, true] {
            let mut core = Core::<()>::new(ProtocolLimits::default());
            let id = core.call(b"A", &mut Body::default(), ()).unwrap();
            core.ask_switch(b"B", &mut Body::default(), (), &mut Some(Then::HandOver)).unwrap();
            core.outgoing().take_bytes();
            let now = Instant::now();
            core.handle_attachments([Arc::new(()) as Attachment], now);
            let number = core.unclaimed.number().expect("one waits");
            let answer = |tag| crate::AmpBox::from_pairs([("_answer", tag)]).unwrap();
            core.handle_box(answer("1")).unwrap();
            core.unclaimed.answered(id, number);
            core.handle_box(answer("2")).unwrap();
            let situation = Situation { may_leave: true, ..Situation::default() };
            assert!(core.leave().is_none() && core.driver_wants(&situation).is_nothing());
            if read {
                assert!(core.claim(0).is_ok());
                core.handle_read(number, Some((0, 0)), true);
            } else {
                core.drop_expired(now + core.limits().unclaimed_timeout, true);
            }
            assert_eq!(core.driver_wants(&situation), Wants::LEAVE);
            assert!(matches!(core.leave(), Some(Leaving::HandOver)));
            // They go with the stream: what came behind the switch may be of the other protocol.
            assert_eq!(core.take_unclaimed().len(), usize::from(!read));
        }
    }

    /// The boxes that name them were encoded before.
    #[test]
    fn attachments_that_were_held_back_are_not_sent_over_a_transport_that_has_none() {
        let mut core = Core::<()>::new(ProtocolLimits::default());
        core.ask_switch(b"A", &mut Body::default(), (), &mut Some(Then::Upgrade(()))).unwrap();
        let attachments = vec![Arc::new(()) as Attachment];
        core.notify(b"B", &mut Body { attachments, ..Body::default() }).unwrap();
        let mut writing = Outgoing::default();
        let Transmit::Taken { uncarried, .. } = core.poll_transmit(&mut writing, false) else {
            panic!()
        };
        assert!(uncarried.is_empty() && core.holds(), "the call that asks");
        writing.take_bytes();
        core.resume();
        let Transmit::Taken { uncarried, .. } = core.poll_transmit(&mut writing, false) else {
            panic!()
        };
        assert_eq!((uncarried.len(), core.holds()), (1, false));
        assert!(!writing.is_empty(), "what has named it");
    }
}
