//! The turn of whoever drives a connection: one phase after the other, until there is nothing to do.

use super::Drive;
use super::hands::Hands;
use crate::proto::CloseReason;

/// How many turns follow each other, each because of what has come while the driver was at work.
const TURNS_AT_ONCE: usize = 4;

/// How a driver goes on after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits.
    Wait,
    /// It has another turn.
    Again,
    /// It has another turn, behind all other tasks.
    GiveWay,
}

impl<W: Clone, S: Default> Drive<W, S> {
    /// Turns, until there is nothing to do or others have to run.
    ///
    /// # Errors
    ///
    /// When the connection is over. What is left of a peer that has gone is parted with already.
    pub(crate) fn turns(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<Next, CloseReason> {
        for _ in 0..TURNS_AT_ONCE {
            let next = self.turn(hands)?;
            // Unless others have their turn before more is sent.
            if next == Next::Again && self.portions.is_cut() && !self.yielded {
                continue;
            }
            if next != Next::Wait || self.park(hands) {
                return Ok(next);
            }
        }
        // What is wanted again and again does not keep the thread from others.
        Ok(Next::Again)
    }

    fn turn(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<Next, CloseReason> {
        let next = self.phases(hands);
        if let Err(reason) = &next
            && reason.is_absence()
        {
            self.part_with_calls(hands);
        }
        next
    }

    /// Each phase once. It goes on where one of them has not done all it could; what is wanted by then for
    /// another reason is found out before the driver waits.
    fn phases(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<Next, CloseReason> {
        // Calls that had to wait, when fewer run or there is room for their answers.
        if let Err(reason) = self.start_calls(false, hands) {
            hands.with(|core| core.close(reason));
        }
        // What comes in, when the transport has something or more may be read. Nothing does once the end has
        // begun, but what had come by then is dealt with.
        let mut more = self.receive_boxes(hands)?;
        // What is held by now, in sight of what others of the server hold.
        self.check_held(hands)?;
        // The end, when somebody has begun it.
        self.begin_farewell(hands);
        // What is queued, when something is or the transport has room.
        more |= self.write_boxes(hands)?;
        // The room that this has made is first for answers, before those have their turn who wait to call.
        if self.keeps_room
            && let Err(reason) = self.start_calls(false, hands)
        {
            hands.with(|core| core.close(reason));
        }
        // What has left counts no more, and what could not leave does, however long nothing happens after that.
        if !self.share.is_nothing() || !self.line.writing.is_empty() {
            self.check_held(hands)?;
        }
        // The stream leaves, when both sides agree to a switch and everything before it is sent.
        self.leave(hands)?;
        more |= self.upgrade(hands)?;
        // The farewell, when the peer goes on to send or closes its side.
        more |= self.say_farewell(hands)?;
        let gives_way = self.stint.is_over();
        // Last, since each of those may have set a timer. After something was due the hands do not know yet
        // what is next.
        if self.handle_due(hands)? {
            return Ok(Next::Again);
        }
        if gives_way {
            self.stint.give_way();
            return Ok(self.give_way(hands));
        }
        // What many callers call who have their turn now makes up a write, and is not left for another turn.
        self.yielded |= more && self.inbound.is_among_many();
        if more && self.inbound.is_beside_one_task() {
            // Another thread would only take the driver or that task from this one.
            self.stint.give_way();
            return Ok(self.give_way(hands));
        }
        Ok(if more { Next::Again } else { Next::Wait })
    }

    /// Gives way, but is woken in time. The timer for that is set only once due ones are dealt with, since it may
    /// have been due itself.
    fn give_way(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) -> Next {
        let is_set = self.inbound.watch_giving_way(&mut self.timers, || hands.now());
        // The hands look out for the timer. If anything else is due by now, it is dealt with at once.
        let is_due = is_set && hands.due(self.next_due()).is_some();
        if is_due { Next::Again } else { Next::GiveWay }
    }
}
