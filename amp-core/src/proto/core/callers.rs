//! What callers learn of their calls, and that they do not wait any more.

use std::io;
use std::sync::Arc;

use super::event::Answer;
use super::side::Core;
#[cfg(any(test, fuzzing))]
use super::side::Pending;
use crate::proto::CloseReason;
use crate::proto::box_number::BoxNumber;
use crate::proto::{CallId, Host};

/// How a call has come out.
#[derive(Debug)]
pub(crate) enum CallOutcome {
    Answered {
        answer: Answer,
        /// Of its box if that may name attachments. Whoever gets one says when it was
        /// [read](Core::handle_read), or [left](Core::handle_unread).
        number: Option<BoxNumber>,
        /// Whether it came over the transport that a switch has brought.
        upgraded: bool,
    },
    /// The call was not sent, since an attachment of it was refused.
    NotSent(Arc<io::Error>),
    /// There will be no answer.
    Closed(CloseReason),
}

/// What had come of a call that was given up. Dropping it may run code of a user, so it is returned, and
/// dropped after the lock is released.
pub(crate) struct GivenUp<H: Host> {
    /// The answer, which nobody has taken.
    pub(crate) answer: Option<Answer>,
    /// Of its box, which nobody reads.
    pub(crate) number: Option<BoxNumber>,
    _not_sent: Option<Arc<io::Error>>,
    _stream: Option<H::Switched>,
}

impl<W, H: Host> Core<W, H> {
    /// How a call has come out, once it has. It is then over. An answer that has arrived counts, even if
    /// the connection has ended since.
    #[inline]
    pub(crate) fn poll_answer(&mut self, id: CallId) -> Option<CallOutcome> {
        if let Some((answer, upgraded)) = self.take_done(id) {
            let number = self.unclaimed.take_answer(id);
            return Some(CallOutcome::Answered { answer, number, upgraded });
        }
        if let Some(error) = self.take_not_sent(id) {
            return Some(CallOutcome::NotSent(error));
        }
        let reason = self.end.begun()?.clone();
        if let Some(then) = self.switch.give_up(id) {
            self.released().then.push(then);
        }
        self.abandon(id);
        Some(CallOutcome::Closed(reason))
    }

    /// The number that the tag of the next call is.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn next_tag(&self) -> u64 {
        self.calls.next_tag()
    }

    /// Whether this call has a place among those that are outstanding.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_outstanding(&mut self, id: CallId) -> bool {
        self.calls.get_mut(id).is_some()
    }

    /// How many wait for answers.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiters(&mut self) -> usize {
        let calls = self.calls.values_mut();
        calls.filter(|waiting| matches!(waiting, Pending::For(_))).count()
            + self.lanes.waiting()
            + self.wait_for_room()
    }

    /// Nobody waits for the answer to a call any more. Where that may name attachments, `discard` says
    /// how it is dropped if it comes.
    pub(crate) fn give_up(
        &mut self,
        id: CallId,
        asks_switch: bool,
        discard: Option<H::Discard>,
    ) -> GivenUp<H> {
        let answer = self.take_answer(id);
        let number = self.unclaimed.take_answer(id);
        let agreed = asks_switch && matches!(answer, Some(Ok(_)));
        let stream = if agreed { self.switch.forget_stream() } else { None };
        if let Some(then) = self.switch.give_up(id) {
            self.released().then.push(then);
        }
        let not_sent = self.take_not_sent(id);
        if let Some(waiter) = self.forget(id) {
            self.released().gone.push(waiter);
            if let Some(discard) = discard {
                self.unclaimed.give_up(id, discard);
            }
        }
        GivenUp { answer, number, _not_sent: not_sent, _stream: stream }
    }
}
