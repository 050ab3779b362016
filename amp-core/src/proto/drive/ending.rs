//! How a connection ends, once that has begun, and what a peer that has gone leaves behind.

use super::Drive;
use super::hands::Hands;
use crate::proto::leftover::Leftover;
use crate::proto::together::Share;
use crate::proto::wants::Public;
use crate::proto::{CloseReason, Core};

impl<W: Clone, S: Default> Drive<W, S> {
    /// Begins the farewell when the end has begun.
    pub(super) fn begin_farewell(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        if self.is_ending() || !hands.public().any(Public::EVENTFUL) {
            return;
        }
        let (situation, now) = (self.situation(), hands.now());
        if hands.with(|core| self.look_for_end(&situation, now, core)) {
            self.stop_watching(hands);
            // Before anything is written: when that fails, the connection is over.
            self.part_with_held_back(hands);
        }
    }

    /// Ends the connection properly: see [`Farewell`](crate::proto::farewell::Farewell). Whether it is worth
    /// another look.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(super) fn say_farewell(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        if !self.is_ending() {
            return Ok(false);
        }
        self.part_with_held_back(hands);
        if self.upgrading {
            // What is held back is sent once there is a transport.
            return Ok(false);
        }
        let Self { inbound, line, stint, ending, .. } = self;
        let Some(farewell) = &mut ending.farewell else { return Ok(false) };
        farewell.read(&mut inbound.input, stint, |bytes, attachments| {
            hands.receive(&mut line.stream, bytes, attachments)
        })?;
        // Others may have had their turn before what is queued is written.
        let sent = inbound.is_idle() && line.is_idle() && !hands.peek(Core::has_to_send);
        farewell.tell(sent, || hands.shut_down(&mut line.stream))?;
        Ok(stint.is_over())
    }

    /// Once the end has begun, one-way commands that have to wait are begun as before, as responders are
    /// done, and nothing else of the connection waits for that.
    fn part_with_held_back(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        if self.inbound.is_idle() {
            return;
        }
        let situation = self.situation();
        if hands.peek(|core| core.holds_back(&situation)) {
            self.part_with_calls(hands);
        }
    }

    /// Parts with all calls that were received and not begun, whether or not they have to wait. One-way
    /// commands are begun later: as many as one connection may have at once. They count among all that
    /// the server holds until they are begun, and are dropped when there is no room for them there.
    pub(super) fn part_with_calls(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        let unanswerable = self.inbound.take_unanswerable();
        let over = self.inbound.take_calls_over(self.limits.running_bytes);
        let size = self.inbound.calls_size();
        let calls = self.inbound.take_calls();
        for dropped in [unanswerable, over] {
            Self::drop_calls(&dropped, hands);
        }
        // So that they count once. The connection ends already, whatever it holds.
        let _ = self.count_held(hands);
        if calls.is_empty() {
            return;
        }
        let mut share = Share::left_behind(self.together.clone());
        if share.set(size).is_ok() {
            hands.begin_later(Leftover::new(calls, size, share));
        } else {
            Self::drop_calls(&calls, hands);
        }
    }
}
