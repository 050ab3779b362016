//! What the driver does things with: its transport, the tasks of responders, and one timer. What is done,
//! and when, is decided by [`Drive`].

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::super::all_held;
use super::super::due::now;
use super::super::lent::Lent;
use super::super::line::Stream;
use super::super::shared::{After, Discard, Hosted, Upgraded};
use super::super::switched::{Room, Switched};
use super::leftover::LeftBehind;
use super::state::Around;
use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::error::CloseReason;
use crate::proto::{
    AnsweredBy, BoxNumber, Busy, Core, Hands, Leaving, Leftover, Note, Parking, Public, Refusal,
    Rest, WaitingCall,
};
use crate::responder::{Locator, Own, Question, Undeclared, begin};

/// A driver that was polled.
pub(super) struct AtWork<'a, 'c> {
    pub(super) around: &'a mut Around,
    pub(super) cx: &'a mut Context<'c>,
}

impl Hands for AtWork<'_, '_> {
    type Caller = Waker;
    type Host = Hosted;
    type Stream = Stream;

    #[inline]
    fn with<R>(&mut self, change: impl FnOnce(&mut Core<Waker, Hosted>) -> R) -> R {
        self.around.shared.with(|state| change(&mut state.core))
    }

    #[inline]
    fn with_parking<R>(
        &mut self,
        change: impl FnOnce(&Core<Waker, Hosted>, &mut Parking<Waker, Stream>) -> R,
    ) -> R {
        self.around.shared.with_parking(change)
    }

    #[inline]
    fn public(&self) -> Public {
        self.around.shared.public()
    }

    fn now(&self) -> Instant {
        now()
    }

    fn due(&mut self, next: Option<Instant>) -> Option<Instant> {
        self.around.due.poll(next, self.cx)
    }

    #[inline]
    fn waker(&mut self, stream: &mut Stream, last: Option<Waker>) -> Waker {
        #[cfg(feature = "metrics")]
        stream.report(|| self.around.shared.peek(|state| state.core.counters()));
        #[cfg(not(feature = "metrics"))]
        let _ = stream;
        last.filter(|last| last.will_wake(self.cx.waker()))
            .unwrap_or_else(|| self.cx.waker().clone())
    }

    fn receive(
        &mut self,
        stream: &mut Stream,
        bytes: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        stream.transport.as_mut().poll_receive(self.cx, bytes, attachments)
    }

    fn send(
        &mut self,
        stream: &mut Stream,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        stream.transport.as_mut().poll_send(self.cx, bytes, attachments)
    }

    fn flush(&mut self, stream: &mut Stream) -> Poll<io::Result<()>> {
        stream.transport.as_mut().poll_flush(self.cx)
    }

    fn shut_down(&mut self, stream: &mut Stream) -> Poll<io::Result<()>> {
        stream.transport.as_mut().poll_shutdown(self.cx)
    }

    fn has_peer_closed(&self, stream: &Stream) -> bool {
        stream.transport.has_peer_closed()
    }

    fn leave(&mut self, stream: &mut Stream, leaving: Leaving<Hosted>, rest: Rest) {
        let Rest { bytes, attachments, share } = rest;
        let transport = stream.take_transport();
        let upgrades = matches!(leaving, Leaving::Upgrade(_));
        let limits = &self.around.shared.settings.limits;
        let room = if upgrades { Room::default() } else { Room::of(limits) };
        let place = if upgrades { None } else { self.around.place.take() };
        let stream = Switched::new(transport, bytes, attachments, room).counted(share, place);
        match leaving {
            Leaving::Upgrade(upgrade) => self.around.upgrading = Some(upgrade(stream)),
            Leaving::Succeed(successor) => {
                tokio::spawn(async move { successor(stream).await });
            }
            // When nobody waits for it, it is closed.
            Leaving::HandOver => drop(self.with(|core| core.hand_over(stream))),
        }
    }

    fn upgrade(&mut self, stream: &mut Stream) -> Poll<Result<(), CloseReason>> {
        let Some(upgrading) = &mut self.around.upgrading else { return Poll::Pending };
        let Poll::Ready(upgraded) = upgrading.as_mut().poll(self.cx) else { return Poll::Pending };
        self.around.upgrading = None;
        let Upgraded { transport, data, locator } = upgraded?;
        stream.transport = transport;
        if let Some(data) = data {
            self.around.shared.extensions.add_late(data);
        }
        if let Some(locator) = locator {
            self.around.shared.replace_locator(locator, true);
        }
        Poll::Ready(Ok(()))
    }

    fn with_ordinal<R>(&mut self, run: impl FnOnce(&mut Self, &mut u64) -> R) -> Option<R> {
        let shared = Arc::clone(&self.around.shared);
        let mut next_ordinal = shared.try_lock_ordinal()?;
        Some(run(self, &mut next_ordinal))
    }

    fn take_news(&mut self) -> (Busy, bool) {
        let Around { shared, locator, .. } = &mut *self.around;
        let (busy, new_locator) =
            shared.with(|state| (state.core.take_news(), state.new_locator.take()));
        // The responders that were there before are dropped here, and their state is the user's.
        if let Some(Ok(new)) = new_locator.map(Arc::downcast::<Locator>) {
            *locator = new;
        }
        (busy, locator.has_switches())
    }

    #[inline]
    fn decoded(&mut self, boxes: &[AmpBox]) -> bool {
        let Around { shared, locator, .. } = &*self.around;
        if let Some(log) = &shared.settings.wire_log {
            log.received(&shared.address, boxes);
        }
        locator.has_switches() && boxes.first().is_some_and(|ampbox| locator.is_switch(ampbox))
    }

    #[inline]
    fn wake(&mut self, callers: &mut Vec<Waker>) -> bool {
        // The wakers of `join_all` and its like are not the runtime's, as that of the driver is.
        let task = self.cx.waker().vtable();
        let any_task = callers.iter().any(|caller| std::ptr::eq(caller.vtable(), task));
        callers.drain(..).for_each(Waker::wake);
        any_task
    }

    #[inline]
    fn begin(&mut self, received: &WaitingCall, asks_switch: bool, by: AnsweredBy) -> bool {
        let Around { shared, handle, locator, .. } = &mut *self.around;
        let WaitingCall { call, number } = received;
        let mut question = Question::new(Lent::recent(shared, handle), call, *number, asks_switch);
        let own = if let AnsweredBy::Own = by { Own::of(shared) } else { None };
        match (by, own) {
            (AnsweredBy::Refusal(Refusal::Closing), _) => question.fail_closing(),
            (AnsweredBy::Refusal(Refusal::TooMany { what, limit }), _) => {
                question.fail_undeclared(&Undeclared::TooMany { what, limit });
            }
            (_, Some(own)) => own.0.respond(question, call, *number),
            (_, None) => return begin(shared, locator, question, received),
        }
        false
    }

    fn discard(&mut self, discard: Discard, answer: &AmpBox, number: BoxNumber) {
        discard(&self.around.shared, answer, number);
    }

    fn begin_later(&mut self, leftover: Leftover) {
        let Around { shared, handle, locator, .. } = &*self.around;
        let (shared, handle, locator) = (Arc::clone(shared), handle.clone(), Arc::clone(locator));
        tokio::spawn(LeftBehind { leftover, shared, handle, locator });
    }

    fn run(&mut self, after: After) {
        tokio::spawn(after);
    }

    fn share_attachments(&mut self, first: bool, now: Instant) {
        let shared = &self.around.shared;
        if first {
            all_held::register(shared);
        }
        all_held::make_room(shared.settings.limits.attachments_in_all, now);
    }

    #[inline]
    fn note(&mut self, note: Note<'_>) {
        self.around.shared.noted(note);
    }
}
