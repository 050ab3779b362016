//! Calls that were received: when they are begun, and that they are refused.

use std::collections::VecDeque;

use super::Drive;
use super::hands::{AnsweredBy, Hands, Note};
use crate::proto::CloseReason;
use crate::proto::inbound::WaitingCall;
use crate::proto::wants::Public;

impl<W: Clone, S: Default> Drive<W, S> {
    /// Begins the calls that were received. Most of them are answered at once, so this stops behind each
    /// [portion](crate::proto::portions), and while there is enough to be sent. Where the attachments that they
    /// bring come near to their own limit, it goes on longer. What comes before a mistake is not cut: the end is
    /// about to begin, and whoever has called is to find all of it begun.
    #[inline]
    pub(super) fn start_calls(
        &mut self,
        before_mistake: bool,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), CloseReason> {
        if self.inbound.is_idle() {
            self.portions.end();
            self.keep_room(false, hands);
            return Ok(());
        }
        // Calls of its own are sent when those who made them have had their turn.
        let may_cut = self.answers_only && !before_mistake && !hands.public().any(Public::ENDING);
        self.portions.begin(self.inbound.waiting(), may_cut);
        let mut begun = 0;
        let started = self.start_portion(&mut begun, hands);
        self.portions.count(begun, || hands.now());
        let awaits_room = started?;
        self.keep_room(awaits_room, hands);
        Ok(())
    }

    /// Whether those that are left wait for room for their answers.
    fn start_portion(
        &mut self,
        begun: &mut usize,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        let mut awaits_room = false;
        while !self.inbound.is_idle() && !self.stint.is_over() {
            if self.portions.cut(*begun) {
                return Ok(false);
            }
            if self.is_full() || hands.public().any(Public::CROWDED | Public::LOOK) {
                self.look_at_news(hands);
                let situation = self.situation();
                let (may_start, has_place) =
                    hands.peek(|core| (core.may_start(&situation), !core.holds_back(&situation)));
                if !may_start {
                    awaits_room = has_place;
                    break;
                }
            }
            let Some(received) = self.inbound.next_call() else { break };
            *begun += 1;
            self.queued = true;
            self.stint.before_call(|| hands.now());
            // Behind a call that asks for a switch nothing is decoded: it is the last one.
            let asks_switch = self.inbound.is_idle() && hands.public().any(Public::DECIDING);
            let size = received.call.ampbox().memory();
            let admitted = self.busy.admit(size, &self.limits, self.together.as_deref());
            let by = admitted.err().map_or(AnsweredBy::Responder, AnsweredBy::Refusal);
            if hands.begin(&received, asks_switch, by) {
                self.stint.finish();
            }
            if let Err(refusal) = admitted {
                refusal.check(received.call.tag().is_some())?;
            }
            self.stint.after_call(size, || hands.now());
        }
        self.portions.end();
        self.inbound.release();
        Ok(awaits_room)
    }

    /// Keeps the room in the queue for the answers to calls that wait for it, or lets callers have what is left.
    #[inline]
    fn keep_room(&mut self, keeps: bool, hands: &mut impl Hands<Caller = W, Stream = S>) {
        if self.keeps_room != keeps {
            self.keeps_room = keeps;
            if hands.with(|core| core.keep_room_for_answers(keeps)) {
                self.watch_room(hands);
            }
        }
    }

    /// Calls that were received are dropped, and not begun.
    pub(super) fn drop_calls(
        calls: &VecDeque<WaitingCall>,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) {
        if calls.is_empty() {
            return;
        }
        hands.note(Note::Dropped(calls));
        hands.with(|core| {
            let numbers = calls.iter().filter_map(|received| received.number);
            numbers.for_each(|number| core.handle_unread(number));
        });
    }

    /// Looks at what has changed: what calls are answered by, and how much goes on already.
    pub(super) fn look_at_news(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        (self.busy, self.makes_switches) = hands.take_news();
    }

    /// Whether as many calls are being answered as may, as far as is known.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.busy.is_full(self.together.as_deref())
    }
}
