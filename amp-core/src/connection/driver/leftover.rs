//! One-way commands of a peer that has gone, which wait until fewer responders run.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::super::peer::{Handle, Peer};
use super::super::shared::Shared;
use super::running::begin;
use crate::proto::{Share, WaitingCall};
use crate::responder::{Locator, Question};
use crate::runtime;

/// So many are begun before others have their turn.
const AT_ONCE: usize = 64;

/// What is to be begun of a connection that has ended, as responders are done.
pub(super) struct Leftover {
    calls: VecDeque<WaitingCall>,
    /// How many bytes those take.
    size: usize,
    /// What of them counts among all that the server holds.
    share: Share,
    shared: Arc<Shared>,
    handle: Weak<Handle>,
    locator: Arc<Locator>,
}

impl Leftover {
    pub(super) fn new(
        calls: VecDeque<WaitingCall>,
        share: Share,
        shared: Arc<Shared>,
        handle: Weak<Handle>,
        locator: Arc<Locator>,
    ) -> Self {
        let size = calls.iter().map(WaitingCall::size).sum();
        Self { calls, size, share, shared, handle, locator }
    }
}

impl Future for Leftover {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { calls, size, share, shared, handle, locator } = &mut *self;
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
                let _ = share.set(*size);
                let WaitingCall { call, number } = &received;
                let question = Question::new(Peer::recent(shared, handle), call, *number, false);
                begin(shared, locator, question, &received);
            }
        }
        runtime::defer(cx);
        Poll::Pending
    }
}
