use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::super::lent::Lent;
use super::super::peer::Handle;
use super::super::shared::Shared;
use crate::proto::{Leftover, NextLeft};
use crate::responder::{Locator, Question, begin};
use crate::runtime;

/// Begins what a peer has left behind that has gone.
pub(super) struct LeftBehind {
    pub(super) leftover: Leftover,
    pub(super) shared: Arc<Shared>,
    pub(super) handle: Weak<Handle>,
    pub(super) locator: Arc<Locator>,
}

impl Future for LeftBehind {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { leftover, shared, handle, locator } = &mut *self;
        loop {
            // Wakers are cloned and dropped with nothing locked.
            let mut waker = Some(cx.waker().clone());
            let is_same = |other: &Waker| other.will_wake(cx.waker());
            match shared.with(|state| leftover.next(&mut state.core, &mut waker, is_same)) {
                NextLeft::Begin(received) => {
                    let peer = Lent::recent(shared, handle);
                    let question = Question::new(peer, &received.call, received.number, false);
                    if begin(shared, locator, question, &received) {
                        leftover.give_way();
                    }
                }
                NextLeft::GiveWay => {
                    // A task that keeps this thread holds it up, unlike a driver: no timer wakes it, since the
                    // peer has gone and waits for nothing.
                    runtime::defer(cx);
                    return Poll::Pending;
                }
                NextLeft::Wait => return Poll::Pending,
                NextLeft::Over => return Poll::Ready(()),
            }
        }
    }
}
