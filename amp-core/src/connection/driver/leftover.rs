//! One-way commands of a peer that has gone, which wait until fewer responders run.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::super::peer::{Handle, Peer};
use super::super::shared::Shared;
use super::running::begin;
use super::state::Driver;
use crate::proto::{LeftBehind, Received, Share};
use crate::responder::{Locator, Question};
use crate::restraint::restrained;
use crate::runtime;

/// So many are begun before others have their turn.
const AT_ONCE: usize = 64;

/// What is to be begun of a connection that has ended.
struct Leftover {
    calls: VecDeque<Received>,
    /// How many bytes those take.
    size: usize,
    /// What of them counts among all that the server holds.
    held: Share,
    shared: Arc<Shared>,
    handle: Weak<Handle>,
    locator: Arc<Locator>,
}

impl Driver {
    /// Once the end has begun, one-way commands that have to wait are begun as before, as responders are
    /// done, and nothing else of the connection waits for that.
    pub(super) fn leave_behind(&mut self) {
        if self.drive.inbound.is_idle() {
            return;
        }
        let situation = self.situation();
        if self.shared.peek(|state| self.drive.must_leave_behind(&state.core, &situation)) {
            self.leave_all_behind();
        }
    }

    /// Leaves behind all that waits, whether or not it has to. It counts among all that the server holds
    /// until it is begun, and is dropped when there is no room for it there.
    pub(super) fn leave_all_behind(&mut self) {
        let LeftBehind { unanswerable, over, calls, size } =
            self.drive.leave_behind(&self.shared.settings.limits);
        self.drop_received(unanswerable);
        self.drop_received(over);
        // So that they count once. The connection ends already, whatever it holds.
        let _ = self.count_held();
        let mut held = Share::left_behind(self.shared.settings.together.clone());
        if held.set(size).is_err() {
            self.drop_received(calls);
        } else if !calls.is_empty() {
            let shared = Arc::clone(&self.shared);
            let (handle, locator) = (self.handle.clone(), Arc::clone(&self.locator));
            tokio::spawn(Leftover { calls, size, held, shared, handle, locator });
        }
    }

    /// Drops calls that were received and are not begun.
    pub(super) fn drop_received(&self, calls: VecDeque<Received>) {
        self.note_dropped(&calls);
        for number in calls.into_iter().filter_map(|received| received.number) {
            self.shared.leave(number);
        }
    }

    /// Says which calls are dropped that were received and not begun. Who waits for an answer sees the
    /// end of the connection; nobody sees what becomes of a one-way command.
    fn note_dropped(&self, calls: &VecDeque<Received>) {
        let one_way = calls.iter().filter(|received| received.call.tag().is_none()).count();
        let dropped = calls.len() - one_way;
        if dropped > 0 {
            tracing::debug!(dropped, "dropped calls that nobody waits for any more");
        }
        if one_way > 0 {
            let failures = &self.shared.settings.failures;
            let dropped = one_way;
            restrained!(failures, warn, "dropped one-way commands that were not begun", dropped);
        }
    }
}

impl Future for Leftover {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { calls, size, held, shared, handle, locator } = &mut *self;
        for _ in 0..AT_ONCE {
            if calls.is_empty() {
                return Poll::Ready(());
            }
            let mut waker = Some(cx.waker().clone());
            let is_same = |other: &Waker| other.will_wake(cx.waker());
            let full = shared.with(|state| state.core.poll_full(&mut waker, is_same));
            // Wakers are dropped with nothing locked.
            drop(waker);
            if full {
                return Poll::Pending;
            }
            if let Some(received) = calls.pop_front() {
                *size -= received.size();
                let _ = held.set(*size);
                let Received { call, number } = &received;
                let question = Question::new(Peer::recent(shared, handle), call, *number, false);
                begin(shared, locator, question, &received);
            }
        }
        runtime::defer(cx);
        Poll::Pending
    }
}
