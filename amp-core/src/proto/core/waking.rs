//! What others are to be told of: what the connection wants, and what it has let go.

use super::side::Core;
use crate::proto::Host;
use crate::proto::admission::Busy;
use crate::proto::released::Released;
use crate::proto::wants::{Public, Situation, Wants};

impl<W, H: Host> Core<W, H> {
    /// Whether the last changes concern nobody: neither those who use the connection, nor a driver that
    /// waits. Most do not, and this is all that has to be found out then.
    #[inline]
    pub(crate) fn concerns_nobody(&self, waits: Option<&Situation>) -> bool {
        let sleeps =
            |situation: &Situation| situation.is_usual() && self.usual_driver_wants().is_nothing();
        self.is_uneventful()
            && self.usual_signs() == self.published
            && self.released.is_none()
            && waits.is_none_or(sleeps)
    }

    #[inline]
    fn own_signs(&self) -> Public {
        Public::LOOK.when(self.news)
            | Public::ORDINALS.when(self.awaits_ordinals)
            | Public::AFTER.when(!self.after.is_empty())
            | self.order.signs()
    }

    /// What is public of a connection that [is uneventful](Self::is_uneventful).
    #[inline]
    fn usual_signs(&self) -> Public {
        let (bytes, boxes) = (self.outgoing.len(), self.outgoing.boxes());
        let has_room = bytes < self.limits.send_queue
            && boxes < self.limits.send_queue_boxes
            && self.has_room_beside(self.outgoing.attachments());
        self.own_signs() | Public::CROWDED.when(!has_room)
    }

    /// What those who use the connection are to know of it without a lock, if that has changed.
    #[inline]
    pub(crate) fn poll_public(&mut self) -> Option<Public> {
        let wants = if self.is_uneventful() {
            self.usual_signs()
        } else {
            self.own_signs() | Public::CROWDED.when(!self.has_room()) | self.events()
        };
        (wants != self.published).then(|| {
            self.published = wants;
            wants
        })
    }

    #[cold]
    fn events(&self) -> Public {
        let switch = if self.switch.is_far() {
            Public::NOTHING
        } else {
            Public::ENDS_BOXES.when(self.switch.ends_boxes())
                | Public::SWITCH_ASKED.when(self.switch.is_asked())
                | Public::DECIDING.when(self.switch.is_deciding())
                | Public::AGREED.when(self.switch.is_agreed())
                | Public::BYTES_ONLY.when(self.switch.has_upgraded())
        };
        switch | Public::ENDING.when(self.end.begun().is_some()) | Public::EVENTFUL
    }

    /// Whether there is nothing to the connection but calls and answers. Then nothing is held back.
    #[inline]
    pub(crate) fn is_uneventful(&self) -> bool {
        let uneventful = self.switch.is_far() && self.end.is_far();
        debug_assert!(!uneventful || self.held.is_none());
        uneventful
    }

    /// What there is to do for a driver that waits.
    #[inline]
    pub(crate) fn driver_wants(&self, situation: &Situation) -> Wants {
        if self.is_uneventful() && situation.is_usual() {
            let wants = self.usual_driver_wants();
            debug_assert_eq!(wants, self.all_driver_wants(situation));
            return wants;
        }
        self.all_driver_wants(situation)
    }

    /// What there is to do for a driver whose situation [is usual](Situation::is_usual), where the
    /// connection [is uneventful](Self::is_uneventful).
    #[inline]
    fn usual_driver_wants(&self) -> Wants {
        Wants::WRITE.when(!self.outgoing.is_empty())
    }

    #[inline(never)]
    fn all_driver_wants(&self, situation: &Situation) -> Wants {
        let queued = self.queued();
        let mut wants = Wants::WRITE.when(situation.writing == 0 && !self.outgoing.is_empty())
            | Wants::LIMIT.when(!situation.silent && self.holds_too_much(situation))
            | Wants::COUNT.when(
                situation.writing > 0 && self.together.is_some() && queued > situation.counted,
            )
            | Wants::TAKE_BACK
                .when(situation.refused && !situation.silent && !self.awaits_ordinals)
            | Wants::LINE.when(situation.line)
            | Wants::START.when(self.may_start(situation));
        if !situation.ending {
            let draining = self.end.draining().is_some();
            wants = wants
                | Wants::CLOSE.when(self.end.begun().is_some())
                | Wants::READ.when(situation.paused && self.may_read(situation))
                | Wants::READ.when(situation.at_switch && !self.switch.ends_boxes())
                | Wants::LEAVE.when(situation.may_leave && self.leaves())
                | Wants::DRAIN
                    .when(draining && (!situation.draining || self.is_drained(situation)));
        }
        wants
    }

    /// Takes note that the reader has looked at what has changed: what is answered already, and whether
    /// calls are refused.
    pub(crate) fn take_news(&mut self) -> Busy {
        self.news = false;
        Busy::new(self.admission, self.end.refuses_calls(), &self.limits)
    }

    /// Something has changed that the reader is to look at before it starts a responder.
    pub(crate) fn tell_news(&mut self) {
        self.news = true;
    }

    /// Whether the driver waits until no box with attachments is being encoded.
    pub(crate) fn await_ordinals(&mut self, awaits: bool) {
        self.awaits_ordinals = awaits;
    }

    /// What the last changes have let go, to be woken and dropped with nothing locked.
    #[inline]
    pub(crate) fn take_released(&mut self) -> Option<Box<Released<W, H>>> {
        self.released.take()
    }

    pub(super) fn released(&mut self) -> &mut Released<W, H> {
        self.released.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::switch::Then;
    use crate::proto::together::Together;
    use crate::proto::{Body, CloseReason, ProtocolLimits};
    use std::sync::Arc;
    use std::time::Duration;

    type Change = fn(&mut Core<()>, &mut Situation);
    type News = fn(&mut Core<()>);

    /// What makes a driver want something, and the step of the driver that takes it away.
    const EACH: &[(Wants, Change, Change)] = &[
        (Wants::WRITE, |core, _| queue(core), |core, _| drop(core.outgoing().take_bytes())),
        (
            Wants::LIMIT,
            |core, situation| {
                core.limits.send_queue_max = 0;
                queue(core);
                situation.writing = 1;
            },
            |_, situation| situation.silent = true,
        ),
        (
            Wants::COUNT,
            |core, situation| {
                core.together = Some(Arc::new(Together::new(1 << 20, 100)));
                queue(core);
                situation.writing = 1;
            },
            |core, situation| situation.counted = core.queued(),
        ),
        (
            Wants::TAKE_BACK,
            |core, situation| {
                core.await_ordinals(false);
                situation.refused = true;
            },
            |_, situation| situation.refused = false,
        ),
        (Wants::LINE, |_, situation| situation.line = true, |_, situation| situation.line = false),
        (
            Wants::CLOSE,
            |core, _| drop(core.close(CloseReason::Local)),
            |_, situation| situation.ending = true,
        ),
        (
            Wants::DRAIN,
            |core, situation| {
                core.drain(Duration::ZERO);
                situation.left = true;
            },
            |_, situation| situation.draining = true,
        ),
        (
            Wants::READ,
            |_, situation| situation.paused = true,
            |_, situation| situation.paused = false,
        ),
        (
            Wants::READ,
            |core, situation| {
                core.handle_switch(b"1").expect("nobody has asked");
                situation.at_switch = true;
                core.fail(b"1", b"NO", "no");
                core.outgoing().take_bytes();
            },
            |_, situation| situation.at_switch = false,
        ),
        (Wants::START, |_, situation| situation.calls = 1, |_, situation| situation.calls = 0),
        (
            Wants::LEAVE,
            |core, situation| {
                core.handle_switch(b"1").expect("nobody has asked");
                assert!(core.accept_switch(b"1", Then::Succeed(())).is_ok());
                core.outgoing().take_bytes();
                situation.may_leave = true;
            },
            |core, _| assert!(core.leave().is_some()),
        ),
    ];

    /// What a driver may want once the end has begun.
    fn at_the_end() -> Wants {
        Wants::WRITE | Wants::LIMIT | Wants::COUNT | Wants::TAKE_BACK | Wants::LINE | Wants::START
    }

    fn queue(core: &mut Core<()>) {
        core.notify(b"A", &mut Body::default()).expect("there is room");
    }

    fn core() -> Core<()> {
        let mut core = Core::new(ProtocolLimits::default());
        core.take_news();
        core.poll_public();
        core
    }

    #[test]
    fn whatever_is_wanted_wakes_a_driver_and_has_a_step_that_takes_it_away() {
        for ending in [false, true] {
            for (wants, make, take) in EACH {
                let (mut core, mut situation) =
                    (core(), Situation { ending, ..Situation::default() });
                assert!(core.concerns_nobody(Some(&situation)), "a driver waits for {wants:?}");
                make(&mut core, &mut situation);
                let expected =
                    if ending && !wants.any(at_the_end()) { Wants::NOTHING } else { *wants };
                assert_eq!(core.driver_wants(&situation), expected);
                let wakes = !core.concerns_nobody(Some(&situation));
                assert!(wakes || expected.is_nothing(), "nobody hears of {wants:?}");
                take(&mut core, &mut situation);
                assert_eq!(core.driver_wants(&situation), Wants::NOTHING, "of {wants:?}");
            }
        }
    }

    #[test]
    fn what_concerns_those_who_use_the_connection_is_made_public() {
        let each: [(Public, News); 7] = [
            (Public::LOOK, Core::tell_news),
            (Public::ORDINALS, |core| core.await_ordinals(true)),
            (Public::CROWDED, |core| {
                core.limits.send_queue = 1;
                queue(core);
            }),
            (Public::AWAITED, |core| _ = core.keep_room_for_answers(true)),
            (Public::EVENTFUL, |core| core.drain(Duration::ZERO)),
            (Public::ENDING, |core| drop(core.close(CloseReason::Local))),
            (Public::ENDS_BOXES, |core| core.handle_switch(b"1").expect("nobody has asked")),
        ];
        for (wants, change) in each {
            let mut core = core();
            change(&mut core);
            assert!(!core.concerns_nobody(None), "nobody hears of {wants:?}");
            assert!(core.poll_public().is_some_and(|public| public.any(wants)), "{wants:?}");
        }
        let mut core = core();
        drop(core.close(CloseReason::Local));
        assert!(!core.concerns_nobody(None) && core.take_released().is_some());
    }
}
