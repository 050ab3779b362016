//! The end of a connection, and what waits for it.

use std::time::Duration;

use super::side::{Core, Pending};
use crate::proto::CloseReason;
use crate::proto::Host;

/// How a call has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// Whether its command declares the error.
    pub(crate) declared: bool,
    /// Whether the peer is told.
    pub(crate) answered: bool,
    /// Whether the error ends the connection by itself.
    pub(crate) fatal: bool,
}

impl Failed {
    pub(super) const UNDECLARED: Self = Self { declared: false, answered: true, fatal: false };
}

impl<W, H: Host> Core<W, H> {
    /// Ends the connection once the responders that run have answered, or this time is over. The
    /// first time that is given counts. Calls that come are to be refused from here on.
    pub(crate) fn drain(&mut self, within: Duration) {
        self.end.drain(within);
        self.news = true;
    }

    /// Drops what is to be sent, since nothing can be, while what the peer sent before is still read.
    pub(crate) fn break_off(&mut self, reason: CloseReason) {
        self.end.break_off(reason);
        self.dismiss_waiters();
        self.released().refuses = true;
    }

    /// The position among all bytes that this side sends up to which everything was written: gives
    /// what was to run when that is so, one after the other.
    pub(crate) fn take_after(&mut self, written: u64) -> Option<H::After> {
        let (position, _) = self.after.front()?;
        if *position > written {
            return None;
        }
        self.after.pop_front().map(|(_, after)| after)
    }

    /// Whether something runs when what is queued, or is being written, has been written.
    #[cfg(test)]
    fn has_after(&self) -> bool {
        !self.after.is_empty()
    }
}

impl<W: Clone, H: Host> Core<W, H> {
    /// Begins the end, unless it has begun before; says why then. No more calls are made: those that
    /// wait are to look again.
    pub(crate) fn close(&mut self, reason: CloseReason) -> Option<CloseReason> {
        let reason = self.end.begin(reason)?.clone();
        self.cut_off = self.admission.running;
        self.refuse_callers();
        Some(reason)
    }

    /// Closes because nobody holds the connection any more; but not when the stream is about to be handed
    /// over, to somebody who does.
    pub(crate) fn abandon_connection(&mut self) {
        if !self.switch.is_succeeded() {
            self.close(CloseReason::Local);
        }
    }

    /// Takes note that a call of the peer has failed, with this code, or that this is told instead of an
    /// answer. That ends the connection where the [`FailurePolicy`](crate::proto::FailurePolicy) says so, or
    /// the error itself.
    pub(crate) fn handle_failure(&mut self, command: Option<&[u8]>, code: &[u8], failed: Failed) {
        let Failed { declared, answered, fatal } = failed;
        if fatal || self.policy.closes(declared, answered) {
            let text = |bytes| String::from_utf8_lossy(bytes).into();
            self.close(CloseReason::Failed { command: command.map(text), code: text(code) });
        }
    }

    /// Takes note that the connection has ended: nothing is sent or answered any more. Says why,
    /// which is the first reason there was; and how many responders outlive it, with what runs
    /// after answers, if it had not ended before.
    pub(crate) fn handle_end(&mut self, reason: CloseReason) -> (CloseReason, usize) {
        self.refuse_callers();
        self.finish(reason)
    }

    fn refuse_callers(&mut self) {
        let callers: Vec<W> = self
            .calls
            .values_mut()
            .filter_map(|waiting| match waiting {
                Pending::For(waiter) => Some(waiter.clone()),
                _ => None,
            })
            .collect();
        self.dismiss_waiters();
        let released = self.released();
        released.callers.extend(callers);
        released.refuses = true;
    }
}

impl<W, H: Host> Core<W, H> {
    /// Begins the end, unless it has begun before, for whoever has told those that wait for answers.
    pub(crate) fn begin_end(&mut self, reason: CloseReason) {
        self.end.begin(reason);
    }

    /// As [`handle_end`](Self::handle_end), for whoever has told those that wait for answers.
    pub(crate) fn finish(&mut self, reason: CloseReason) -> (CloseReason, usize) {
        if self.end.begun().is_none() {
            self.cut_off = self.admission.running;
        }
        let (reason, first) = self.end.finish(reason);
        let unsent = [self.held.take(), Some(std::mem::take(&mut self.outgoing))];
        let (after, then) = (std::mem::take(&mut self.after), self.switch.end());
        let waiting = self.lanes.end();
        // Boxes that were received and not read may still claim what they name: answers that wait for their
        // callers, calls that are being answered, and one-way commands that are begun later.
        let dead = self.unclaimed.close();
        self.drop_attachments(dead);
        let released = self.released();
        released.callers.extend(waiting);
        released.unsent.extend(unsent.into_iter().flatten());
        released.after.extend(after.into_iter().map(|(_, after)| after));
        released.then.extend(then);
        released.changed = true;
        let outliving = self.admission.running + self.admission.following;
        (reason, if first { outliving } else { 0 })
    }

    /// How many responders had not answered when the end began.
    pub(crate) fn cut_off(&self) -> usize {
        self.cut_off
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::Attachment;
    use crate::proto::switch::Then;
    use crate::proto::wants::{Situation, Wants};
    use crate::proto::{Body, Limits};
    use std::sync::Arc;

    struct Test;

    impl Host for Test {
        type After = u8;
        type Successor = ();
        type Upgrade = ();
        type Switched = ();
        type Discard = ();
    }

    fn core() -> Core<u8, Test> {
        Core::hosted(Limits::default(), Limits::default().boxes, None)
    }

    #[test]
    fn at_the_end_callers_are_told_and_what_was_not_sent_is_let_go() {
        let mut core = core();
        let attachment: Attachment = Arc::new(());
        let dropped = Arc::downgrade(&attachment);
        core.answer_then(b"1", &mut Body::default(), &mut Some(7)).unwrap();
        core.ask_switch(b"A", &mut Body::default(), 1, &mut Some(Then::HandOver)).unwrap();
        let mut body = Body { attachments: vec![attachment], ..Body::default() };
        core.notify(b"B", &mut body).unwrap();
        assert!(core.holds() && core.has_after());
        let (reason, outliving) = core.handle_end(CloseReason::Local);
        assert!(matches!(reason, CloseReason::Local) && outliving == 0);
        assert_eq!((core.queued(), core.has_after()), (0, false));
        let released = core.take_released().unwrap();
        assert_eq!((&released.callers[..], &released.after[..]), (&[1][..], &[7][..]));
        assert!(released.changed && released.refuses && released.then.len() == 1);
        assert!(dropped.upgrade().is_some(), "it is dropped by whoever has unlocked");
        drop(released);
        assert!(dropped.upgrade().is_none());
        // Nobody is answered any more.
        core.answer_then(b"2", &mut Body::default(), &mut Some(8)).unwrap();
        core.fail(b"3", b"NO", "no");
        assert_eq!((core.queued(), core.has_after()), (0, false));
    }

    #[test]
    fn a_box_that_is_read_after_the_end_gets_what_it_names() {
        let mut core = core();
        let attachments = (0..3).map(|n| Arc::new(n) as Attachment);
        core.handle_attachments(attachments, std::time::Instant::now());
        let [first, second] = [(); 2].map(|()| core.unclaimed.number().expect("some wait"));
        core.handle_end(CloseReason::Peer);
        assert!(core.take_released().unwrap().unclaimed.is_empty());
        assert!(core.claim(1).is_ok());
        core.handle_read(first, Some((1, 1)), true);
        core.handle_unread(second);
        let released = core.take_released().expect("nothing reads a box any more");
        assert_eq!(released.unclaimed.len(), 2);
    }

    #[test]
    fn a_failure_ends_the_connection_where_policy_or_error_say_so() {
        use crate::proto::FailurePolicy::{Close, Stay};
        for (policy, declared, fatal, closes) in [
            (Stay, false, false, false),
            (Stay, true, true, true),
            (Close, true, false, false),
            (Close, false, false, true),
        ] {
            let mut core = core().with_policy(policy);
            let failed = Failed { declared, answered: true, fatal };
            core.handle_failure(Some(b"A"), b"NO", failed);
            let begun = core.end().begun();
            assert_eq!(begun.is_some(), closes, "{policy:?} {failed:?}");
            let Some(CloseReason::Failed { command, code }) = begun else { continue };
            assert_eq!((command.as_deref(), &**code), (Some("A"), "NO"));
        }
    }

    #[test]
    fn who_holds_a_connection_no_more_ends_it_unless_its_stream_is_for_another_protocol() {
        let mut abandoned = core();
        abandoned.abandon_connection();
        assert!(matches!(abandoned.end().begun(), Some(CloseReason::Local)));
        let mut succeeded = core();
        succeeded.handle_switch(b"1").unwrap();
        assert!(succeeded.accept_switch(b"1", Then::Succeed(())).is_ok());
        succeeded.abandon_connection();
        assert!(succeeded.end().begun().is_none());
    }

    #[test]
    fn the_end_wakes_a_driver_once_and_outlives_responders() {
        let (mut core, situation) = (core(), Situation::default());
        core.begin_responder(10, false);
        core.begin_responder(10, true);
        core.drain(Duration::MAX);
        assert!(core.driver_wants(&situation).any(Wants::DRAIN), "its time begins to run");
        let draining = Situation { draining: true, ..situation };
        assert_eq!(core.driver_wants(&draining), Wants::NOTHING);
        core.end_responder(10, false);
        assert!(core.driver_wants(&draining).any(Wants::DRAIN), "what runs after answers may wait");
        assert!(
            core.close(CloseReason::Local).is_some() && core.close(CloseReason::Peer).is_none()
        );
        assert_eq!(core.cut_off(), 0, "what runs after an answer has answered");
        assert!(core.driver_wants(&draining).any(Wants::CLOSE));
        let ending = Situation { ending: true, ..draining };
        assert_eq!(core.driver_wants(&ending), Wants::NOTHING);
        assert!(matches!(core.handle_end(CloseReason::Peer), (CloseReason::Local, 1)));
        assert!(matches!(core.handle_end(CloseReason::Peer), (CloseReason::Local, 0)));
    }

    #[test]
    fn those_are_cut_off_that_run_when_the_end_begins() {
        for closes in [true, false] {
            let mut core = core();
            core.begin_responder(10, false);
            core.drain(Duration::MAX);
            core.begin_responder(10, false);
            core.begin_responder(10, true);
            core.end_responder(10, false);
            if closes {
                core.close(CloseReason::Local);
                core.end_responder(10, false);
            }
            core.handle_end(CloseReason::Peer);
            core.end_responder(10, closes);
            assert_eq!(core.cut_off(), 1);
        }
    }

    #[test]
    fn what_runs_after_an_answer_runs_when_that_is_written() {
        let mut core = core();
        for (tag, after) in [(b"1", 1), (b"2", 2)] {
            core.answer_then(tag, &mut Body::default(), &mut Some(after)).unwrap();
        }
        let each = core.queued() as u64 / 2;
        let mut writing = crate::proto::Outgoing::default();
        core.take_queued(&mut writing);
        assert_eq!(core.take_after(each - 1), None);
        assert_eq!((core.take_after(each), core.take_after(each)), (Some(1), None));
        assert_eq!(core.take_after(2 * each), Some(2));
    }
}
