//! What others are to be told of: what the connection wants, and what it has let go.

use super::side::Core;
use crate::proto::Host;
use crate::proto::admission::Admission;
use crate::proto::released::Released;
use crate::proto::wants::{Situation, Wants};

impl<W, H: Host> Core<W, H> {
    /// Whether the last changes concern nobody: neither those who use the connection, nor a driver that
    /// waits. Most do not, and this is all that has to be found out then.
    #[inline]
    pub(crate) fn concerns_nobody(&self, waits: Option<&Situation>) -> bool {
        let sleeps =
            |situation: &Situation| situation.is_usual() && self.usual_driver_wants().is_nothing();
        self.is_uneventful()
            && self.usual_wants() == self.published
            && self.released.is_none()
            && waits.is_none_or(sleeps)
    }

    #[inline]
    fn own_wants(&self) -> Wants {
        Wants::LOOK.when(self.news) | Wants::ORDINALS.when(self.awaits_ordinals)
    }

    /// Those that there are where the connection [is uneventful](Self::is_uneventful).
    #[inline]
    fn usual_wants(&self) -> Wants {
        let (bytes, boxes) = (self.outgoing.len(), self.outgoing.boxes());
        let has_room = bytes < self.limits.send_queue && boxes < self.limits.send_queue_boxes;
        self.own_wants() | Wants::CROWDED.when(!has_room)
    }

    /// What those who use the connection are to know of it without a lock, if that has changed.
    #[inline]
    pub(crate) fn poll_wants(&mut self) -> Option<Wants> {
        let wants = if self.is_uneventful() {
            self.usual_wants()
        } else {
            self.own_wants() | Wants::CROWDED.when(!self.has_room()) | self.events()
        };
        (wants != self.published).then(|| {
            self.published = wants;
            wants
        })
    }

    #[cold]
    fn events(&self) -> Wants {
        let switch = if self.switch.is_far() {
            Wants::NOTHING
        } else {
            Wants::BOUNDARY.when(self.switch.ends_boxes())
                | Wants::SWITCH_ASKED.when(self.switch.is_asked())
                | Wants::DECIDING.when(self.switch.is_deciding())
                | Wants::BYTES_ONLY.when(self.switch.has_replaced())
        };
        switch | Wants::EVENTFUL
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
            | Wants::LINE.when(situation.line);
        if !situation.ending {
            let draining = self.end.draining().is_some();
            wants = wants
                | Wants::CLOSE.when(self.end.begun().is_some())
                | Wants::READ.when(situation.paused && self.may_read(situation))
                | Wants::READ.when(situation.boundary && !self.switch.ends_boxes())
                | Wants::START.when(self.may_start(situation))
                | Wants::DRAIN
                    .when(draining && (!situation.draining || self.is_drained(situation)));
        }
        wants
    }

    /// The reader looks at what has changed: what goes on already, and whether calls are refused.
    pub(crate) fn look(&mut self) -> (Admission, bool) {
        self.news = false;
        (self.admission, self.end.refuses_calls())
    }

    /// Something has changed that the reader is to look at before it starts a responder.
    pub(crate) fn has_news(&mut self) {
        self.news = true;
    }

    /// Somebody waits for room, who is told once the queue is taken. There is none now.
    pub(crate) fn await_room(&mut self) -> bool {
        self.awaits_room = true;
        false
    }

    /// Whether the driver waits until no box with attachments is being encoded.
    pub(crate) fn await_ordinals(&mut self, awaits: bool) {
        self.awaits_ordinals = awaits;
    }

    /// What the last changes have let go, to be woken and dropped with nothing locked.
    #[inline]
    pub(crate) fn take_released(&mut self) -> Option<Box<Released<W, H>>> {
        if self.end.over().is_some() {
            self.release_unclaimed();
        }
        self.released.take()
    }

    pub(super) fn released(&mut self) -> &mut Released<W, H> {
        self.released.get_or_insert_default()
    }

    /// Nobody can claim the attachments any more of a connection that has ended, once the callers have
    /// what answers there were.
    fn release_unclaimed(&mut self) {
        if !self.unclaimed.has_answers() && self.decoding == 0 {
            let dead = std::mem::take(&mut self.unclaimed).into_attachments();
            if !dead.is_empty() {
                self.released().unclaimed.extend(dead);
            }
        }
    }
}
