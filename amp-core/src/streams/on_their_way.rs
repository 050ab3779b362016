//! The attachments of items on their way to a peer, which can hold so many of them for all its streams.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Default)]
pub(super) struct OnTheirWay {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    count: usize,
    /// How many streams have some of them.
    streams: usize,
    /// The tasks that wait until there are fewer.
    waiting: Vec<Waker>,
}

impl OnTheirWay {
    /// Waits until a stream may have so many `more` on their way, of which it has `own`, where `limit` may be
    /// on their way for all streams. Three quarters are kept for calls of streams that have none, so that
    /// streams whose items nobody takes do not stop others, unless there are many of them; of the last quarter a
    /// stream may have as many as it leaves. A call whose item has more than there may be goes alone.
    pub(super) fn poll_add(
        &self,
        cx: &Context<'_>,
        own: usize,
        more: usize,
        limit: usize,
    ) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        let State { count, streams, waiting } = &mut *state;
        let further = *count - *streams;
        let left = limit.saturating_sub(*count);
        let fits =
            more <= left && (own == 0 || own + more - 1 <= (limit / 4).saturating_sub(further));
        if *count == 0 || fits {
            *count += more;
            *streams += usize::from(own == 0);
            return Poll::Ready(());
        }
        // A task that was woken for another reason waits here already.
        if !waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
            waiting.extend(waker.take());
        }
        Poll::Pending
    }

    /// So many of a stream have been taken or are given up, which leaves it `own`.
    pub(super) fn remove(&self, less: usize, own: usize) {
        if less > 0 {
            let mut state = self.lock();
            state.count -= less;
            state.streams -= usize::from(own == 0);
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
