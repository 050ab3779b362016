//! What the driver does things with: its transport, the tasks of responders, and one timer. What is done,
//! and when, is decided by [`Drive`].

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::super::all_held;
use super::super::line::{Line, Stream};
use super::super::peer::Peer;
use super::super::shared::{After, Discard, Hosted, Upgraded};
use super::super::switched::{Room, Switched};
use super::clock::now;
use super::leftover::Leftover;
use super::running::begin;
use super::state::Around;
use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::error::CloseReason;
use crate::proto::{
    Busy, CallId, Core, Drive, Hands, Inbound, Leaving, Note, Public, Refusal, Rest, Share, Sorted,
    Timer, WaitingCall,
};
use crate::responder::{Locator, Own, Question, Undeclared};
use crate::restraint::restrained;

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
    fn peek<R>(&self, look: impl FnOnce(&Core<Waker, Hosted>) -> R) -> R {
        self.around.shared.peek(|state| look(&state.core))
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

    fn park(&mut self, drive: &mut Drive<Waker, Stream>) -> bool {
        // Before it waits: then the line may be a caller's.
        #[cfg(feature = "metrics")]
        drive.line.stream.report(|| self.peek(Core::counters));
        self.around.park(drive, self.cx)
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

    fn take_back(
        &mut self,
        line: &mut Line,
        error: io::Error,
    ) -> Result<Option<bool>, CloseReason> {
        self.around.take_back(line, error)
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
        let Upgraded { transport, data } = upgraded?;
        stream.transport = transport;
        if let Some(data) = data {
            self.around.shared.extensions.add_late(data);
        }
        Poll::Ready(Ok(()))
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
    fn sorted(
        &mut self,
        sorted: Sorted<Discard>,
        inbound: &mut Inbound<Waker>,
        behind: usize,
    ) -> bool {
        if !sorted.is_nothing() {
            self.drop_unwanted(sorted);
        }
        // Nothing holds back calls of the connection's own: responders that run may wait for what they
        // bring.
        self.around.shared.own.get().is_some() && self.answer_own(inbound, behind)
    }

    #[inline]
    fn wake(&mut self, callers: &mut Vec<Waker>) {
        callers.drain(..).for_each(Waker::wake);
    }

    #[inline]
    fn begin(&mut self, received: &WaitingCall, asks_switch: bool, refusal: Option<Refusal>) {
        let Around { shared, handle, locator, .. } = &mut *self.around;
        let peer = Peer::recent(shared, handle);
        let mut question = Question::new(peer, &received.call, received.number, asks_switch);
        match refusal {
            None => begin(shared, locator, question, received),
            Some(Refusal::Closing) => question.fail_closing(),
            Some(Refusal::TooMany { what, limit }) => {
                question.fail_undeclared(&Undeclared::TooMany { what, limit });
            }
        }
    }

    fn part_with(&mut self, calls: VecDeque<WaitingCall>, later: Option<Share>) {
        if calls.is_empty() {
            return;
        }
        let Around { shared, handle, locator, .. } = &*self.around;
        let Some(share) = later else {
            self.note_dropped(&calls);
            calls.into_iter().filter_map(|received| received.number).for_each(|n| shared.leave(n));
            return;
        };
        let (shared, locator) = (Arc::clone(shared), Arc::clone(locator));
        tokio::spawn(Leftover::new(calls, share, shared, handle.clone(), locator));
    }

    fn kept(&mut self, first: bool, now: Instant) {
        let shared = &self.around.shared;
        if first {
            all_held::register(shared);
        }
        all_held::make_room(shared.settings.limits.attachments_in_all, now);
    }

    fn ping(&mut self) -> Option<CallId> {
        let Around { shared, pinger, .. } = &mut *self.around;
        pinger.as_mut()?.send(shared)
    }

    fn run(&mut self, after: After) {
        tokio::spawn(after);
    }

    #[inline]
    fn note(&mut self, note: Note<'_>) {
        let Around { shared, .. } = &*self.around;
        match note {
            Note::Taken(writing) => {
                if let Some(log) = &shared.settings.wire_log {
                    log.sent(&shared.address, writing.bytes());
                }
            }
            Note::Due(Timer::Drain) => {
                tracing::debug!("responders have not answered before a graceful end");
            }
            Note::Due(Timer::Close) => tracing::debug!("the connection did not end in time"),
            Note::Due(_) | Note::Pinged(_) => {}
        }
    }
}

impl AtWork<'_, '_> {
    #[inline(never)]
    fn drop_unwanted(&self, sorted: Sorted<Discard>) {
        let shared = &self.around.shared;
        let Sorted { unwanted, ignored, unanswerable } = sorted;
        for (number, discard) in unwanted {
            match discard {
                Some((discard, answer)) => discard(shared, &answer, number),
                None => shared.leave(number),
            }
        }
        if unanswerable > 0 {
            let dropped = unanswerable;
            tracing::debug!(dropped, "dropped calls that nobody waits for any more");
        }
        if ignored > 0 {
            tracing::debug!(ignored, "ignored answers to calls that are not outstanding");
        }
    }

    fn answer_own(&mut self, inbound: &mut Inbound<Waker>, behind: usize) -> bool {
        let Around { shared, handle, .. } = &mut *self.around;
        let own = shared.own.get().map(Arc::clone).map(Arc::downcast::<Own>);
        let Some(Ok(own)) = own else { return false };
        let calls = inbound.take_own(behind, |name| own.0.is_own(name));
        let any = !calls.is_empty();
        for WaitingCall { call, number } in calls {
            let question = Question::new(Peer::recent(shared, handle), &call, number, false);
            own.0.respond(question, &call, number);
        }
        any
    }

    /// Says which calls are dropped that were received and not begun. Who waits for an answer sees the
    /// end of the connection; nobody sees what becomes of a one-way command.
    fn note_dropped(&self, calls: &VecDeque<WaitingCall>) {
        let one_way = calls.iter().filter(|received| received.call.tag().is_none()).count();
        let dropped = calls.len() - one_way;
        if dropped > 0 {
            tracing::debug!(dropped, "dropped calls that nobody waits for any more");
        }
        if one_way > 0 {
            let failures = &self.around.shared.settings.failures;
            let dropped = one_way;
            restrained!(failures, warn, "dropped one-way commands that were not begun", dropped);
        }
    }
}
