//! The attachments of items on their way to a peer, which can hold so many of them for all its streams.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many that are, and who waits until there are fewer.
#[derive(Default)]
pub(super) struct OnTheirWay {
    state: Mutex<(usize, Vec<Waker>)>,
}

impl OnTheirWay {
    /// Waits until a stream may have so many `more` on their way, of which it has `own`, where `limit` may be
    /// on their way for all streams. A stream may have as many as it leaves for others, so that one whose
    /// items nobody takes does not stop them; and a call whose item has more than there may be goes
    /// alone.
    pub(super) fn poll_add(
        &self,
        cx: &Context<'_>,
        own: usize,
        more: usize,
        limit: usize,
    ) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        let (count, waiting) = &mut *state;
        let left = limit.saturating_sub(*count);
        if *count == 0 || own == 0 && more <= left || own + more <= left {
            *count += more;
            return Poll::Ready(());
        }
        waiting.extend(waker.take());
        Poll::Pending
    }

    /// So many have been taken, or are given up.
    pub(super) fn remove(&self, less: usize) {
        if less > 0 {
            let mut state = self.lock();
            state.0 -= less;
            let waiting = std::mem::take(&mut state.1);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, (usize, Vec<Waker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
