//! One-way commands of a peer that has gone, which wait until fewer responders run.

use std::collections::VecDeque;

use super::inbound::WaitingCall;
use super::together::Share;
use super::{Core, Host};

/// So many are begun before others have their turn.
const AT_ONCE: usize = 64;

/// What is to be begun of a connection that has ended, as responders are done.
pub(crate) struct Leftover {
    calls: VecDeque<WaitingCall>,
    /// How many bytes those take.
    size: usize,
    /// What of them counts among all that the server holds.
    share: Share,
    /// How many were begun since others had their turn.
    begun: usize,
}

/// What becomes of it next.
#[derive(Debug)]
pub(crate) enum NextLeft {
    /// This call is begun.
    Begin(WaitingCall),
    /// Others have their turn before more is begun.
    GiveWay,
    /// As many responders run as may. Whoever begins calls is told when fewer do.
    Wait,
    /// Nothing is left.
    Over,
}

impl Leftover {
    /// The calls take so many bytes, which the share counts.
    pub(super) fn new(calls: VecDeque<WaitingCall>, size: usize, share: Share) -> Self {
        Self { calls, size, share, begun: 0 }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Others have their turn, however little was begun.
    pub(crate) fn give_way(&mut self) {
        self.begun = AT_ONCE;
    }

    /// What is to be done next. Where that is to wait, `waiter` is taken, unless one that `is_same` waits
    /// already.
    pub(crate) fn next<W, H: Host>(
        &mut self,
        core: &mut Core<W, H>,
        waiter: &mut Option<W>,
        is_same: impl Fn(&W) -> bool,
    ) -> NextLeft {
        if self.calls.is_empty() {
            return NextLeft::Over;
        }
        if core.poll_full(waiter, is_same) {
            self.begun = 0;
            return NextLeft::Wait;
        }
        if self.begun == AT_ONCE {
            self.begun = 0;
            return NextLeft::GiveWay;
        }
        self.begun += 1;
        let Some(received) = self.calls.pop_front() else { return NextLeft::Over };
        self.size -= received.size();
        // Less counts, so there is room for it.
        let _ = self.share.set(self.size);
        NextLeft::Begin(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::inbound::tests::{calls, inbound, receive};
    use crate::proto::together::Together;
    use crate::proto::{Limits, ProtocolLimits};
    use std::sync::Arc;

    #[test]
    fn what_is_left_is_begun_as_responders_are_done_and_counts_until_then() {
        let limits = Limits { running_responders: 1, ..Limits::default() };
        let together = Arc::new(Together::new(1 << 20, 100));
        let mut core = Core::<usize>::hosted(limits, limits.boxes, None);
        let (mut inbound, mut other) = (inbound(), Core::new(ProtocolLimits::default()));
        receive(&mut inbound, &mut other, &calls(2));
        let (size, calls) = (inbound.calls_size(), inbound.take_calls());
        let mut share = Share::left_behind(Some(Arc::clone(&together)));
        share.set(size).unwrap();
        let mut leftover = Leftover::new(calls, size, share);
        let mut next =
            |core: &mut Core<usize>| leftover.next(core, &mut Some(7), |seven| *seven == 7);
        assert!(matches!(next(&mut core), NextLeft::Begin(_)));
        assert_eq!(together.bytes(), size / 2);
        core.begin_responder(10, false);
        assert!(matches!(next(&mut core), NextLeft::Wait));
        assert!(matches!(next(&mut core), NextLeft::Wait), "it waits once");
        core.end_responder(10, false);
        assert_eq!(core.take_released().expect("it is told").callers, [7]);
        assert!(matches!(next(&mut core), NextLeft::Begin(_)));
        assert!(matches!(next(&mut core), NextLeft::Over));
        assert_eq!(together.bytes(), 0);
    }

    #[test]
    fn others_have_their_turn_while_much_is_left() {
        let mut core = Core::<usize>::new(ProtocolLimits::default());
        let mut inbound = inbound();
        receive(&mut inbound, &mut core, &calls(AT_ONCE + 2));
        let mut leftover = Leftover::new(inbound.take_calls(), 1 << 20, Share::new(None));
        let mut next =
            |leftover: &mut Leftover| leftover.next(&mut core, &mut None, |_| unreachable!());
        for _ in 0..AT_ONCE {
            assert!(matches!(next(&mut leftover), NextLeft::Begin(_)));
        }
        assert!(matches!(next(&mut leftover), NextLeft::GiveWay));
        assert!(matches!(next(&mut leftover), NextLeft::Begin(_)));
        leftover.give_way();
        assert!(matches!(next(&mut leftover), NextLeft::GiveWay));
        assert!(matches!(next(&mut leftover), NextLeft::Begin(_)));
        assert!(matches!(next(&mut leftover), NextLeft::Over));
    }
}
