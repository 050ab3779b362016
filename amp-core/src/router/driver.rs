//! The one task that owns the stream of a routed connection.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

use super::RouterLimits;
use super::shared::SharedRoutes;
use super::table::{Delivered, RouteId};
use super::wire::with_room;
use crate::boxes::AmpBox;
use crate::connection::{ByteTransport, Due, Transport, now};
use crate::error::CloseReason;
use crate::proto::{
    BUFFERS_KEPT, Ending, Inbound, LOOK_EVERY, Liveness, Next, ProtocolError, Reading, Stint,
    Timer, Timers,
};
use crate::report::Report;
use crate::restraint::{Restraint, restrained};
use crate::runtime;

/// The number of reads or writes that follow each other before other tasks have their turn.
const TURNS: usize = 4;

/// The number of slices that one write takes.
const SLICES: usize = 32;

/// What a peer can cause on one router it can cause on as many as it has connections for, so all of
/// them together say so much of boxes for no route, of routes that stall, and of attachments, which no
/// route carries.
static ASTRAY: LazyLock<Restraint> = LazyLock::new(Restraint::default);
static STALLED: LazyLock<Restraint> = LazyLock::new(Restraint::default);
static UNCARRIED: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// Drives one routed connection: a future that resolves when it has ended, to the reason.
///
/// It is woken by the transport, when there is something to read or room to write; a route that
/// queues a box, ends, or makes room; the last handle, when it is dropped; its timers.
pub(super) struct RouterDriver {
    transport: Pin<Box<dyn Transport>>,
    shared: Arc<SharedRoutes>,
    limits: RouterLimits,
    /// What was received, and is no whole box.
    inbound: Inbound<()>,
    /// A box whose route has no room for it. Nothing is read before it is gone.
    held: Option<Held>,
    /// The bytes that were taken of the routes and are being written.
    writing: VecDeque<Bytes>,
    /// The routes that it was taken of, until it is written and flushed.
    taken: Vec<RouteId>,
    /// How long nothing may come, from the first poll on.
    idle: Option<Duration>,
    liveness: Option<Liveness>,
    timers: Timers,
    due: Due,
    ending: Ending,
}

/// A box that waits for its route, until [`Timer::Stall`] is due.
struct Held {
    ampbox: AmpBox,
    route: RouteId,
}

impl RouterDriver {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>, shared: Arc<SharedRoutes>) -> Self {
        let limits = RouterLimits::default();
        Self {
            transport,
            shared,
            limits,
            inbound: Inbound::new(with_room(limits.boxes)),
            held: None,
            writing: VecDeque::new(),
            taken: Vec::new(),
            idle: None,
            liveness: None,
            timers: Timers::default(),
            due: Due::default(),
            ending: Ending::default(),
        }
    }

    /// For a driver that was not polled yet.
    pub(super) fn set_idle_timeout(&mut self, after: Duration) {
        self.idle = Some(after);
    }

    /// For a driver that was not polled yet.
    pub(super) fn set_limits(&mut self, limits: RouterLimits) {
        self.limits = limits;
        self.inbound = Inbound::new(with_room(limits.boxes));
    }

    /// For a driver that was not polled yet.
    pub(super) fn starts_on(&mut self, runtime: &Handle) {
        if runtime::has_several_threads(runtime) {
            self.inbound.share_threads();
        }
    }

    /// Each phase once, as those of a connection: see [`Drive`](crate::proto::Drive). It goes on where one of
    /// them has not done all it could.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    fn phases(&mut self, cx: &mut Context<'_>) -> Result<Next, CloseReason> {
        self.look_for_close(cx);
        let mut more = self.receive_boxes(cx)?;
        more |= self.write_boxes(cx)?;
        more |= self.say_farewell(cx)?;
        // Last, since each of those may have set a timer.
        if self.handle_due(cx)? {
            return Ok(Next::Again);
        }
        if !more {
            return Ok(Next::Wait);
        }
        // Behind what was due, since this timer may have been.
        let is_set = self.inbound.watch_giving_way(&mut self.timers, now);
        let is_due = is_set && self.due.poll(self.timers.next(), cx).is_some();
        Ok(if is_due { Next::Again } else { Next::GiveWay })
    }

    /// Looks whether this side wants the end, and takes note of who is to be woken when it does.
    /// The look comes before everything else, so that no change is missed.
    fn look_for_close(&mut self, cx: &Context<'_>) {
        let closing = {
            let mut state = self.shared.lock();
            if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
                state.driver = Some(cx.waker().clone());
            }
            let (table, timers) = (&state.table, &mut self.timers);
            let drained = Ending::look_for_drained(&state.end, || table.is_empty(), now, timers);
            if drained || state.is_abandoned() {
                state.begin_end(CloseReason::Local);
            }
            state.end.begun().cloned()
        };
        if let Some(reason) = closing
            && !self.ending.has_begun()
        {
            self.begin_farewell(reason);
        }
    }

    /// Reads and hands out what was read. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the stream broke, which is the end at once.
    fn receive_boxes(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.ending.has_begun() {
            return Ok(false);
        }
        match self.read(cx) {
            Err(reason @ CloseReason::Io(_)) => Err(reason),
            Err(reason) => {
                self.begin_farewell(reason);
                Ok(false)
            }
            read => read,
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        self.inbound.set_reading(Reading::Behind);
        self.deliver_held();
        self.handle_received()?;
        for _ in 0..TURNS {
            if self.held.is_some() {
                self.inbound.set_reading(Reading::Paused);
                return Ok(false);
            }
            let Poll::Ready(received) = self.poll_receive(cx) else {
                self.inbound.set_reading(Reading::Done);
                return Ok(false);
            };
            received?;
            if let Some(liveness) = &mut self.liveness {
                liveness.received(now());
            }
            self.handle_received()?;
        }
        Ok(true)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, CloseReason>> {
        let Self { inbound, transport, .. } = self;
        let received = inbound.receive(|buffer, attachments| {
            transport.as_mut().poll_receive(cx, buffer, attachments)
        });
        let dropped = inbound.input.attachments.len();
        if dropped > 0 {
            // Each message of the peer may bring some.
            restrained!(UNCARRIED, warn, "a routed connection carries no attachments", dropped);
            inbound.input.attachments.clear();
        }
        received
    }

    /// Hands out the boxes that were read, until one has to wait for its route.
    fn handle_received(&mut self) -> Result<(), ProtocolError> {
        while self.held.is_none() && self.inbound.decode(true).1? {
            let Some(ampbox) = self.inbound.take_box() else { break };
            if let Some((route, ampbox)) = self.deliver(ampbox) {
                self.held = Some(Held { ampbox, route });
                self.timers.set_after(Timer::Stall, now(), self.limits.stall_timeout);
            }
        }
        Ok(())
    }

    /// Sets the timers of what has begun, and stops those of what is over.
    fn set_timers(&mut self) {
        let Self { limits, inbound, held, idle, liveness, timers, .. } = self;
        if inbound.input.is_large() && !timers.is_set(Timer::Buffers) {
            timers.set_after(Timer::Buffers, now(), BUFFERS_KEPT);
        }
        if self.ending.has_begun() {
            return;
        }
        if let Some(after) = idle.take() {
            *liveness = Liveness::new(Some(after), None, None, now(), timers);
        }
        inbound.watch_box(limits.box_timeout, timers, now);
        if held.is_none() {
            timers.stop(Timer::Look);
        } else if !timers.is_set(Timer::Look) {
            timers.set_after(Timer::Look, now(), LOOK_EVERY);
        }
    }

    /// Deals with what is due. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    fn handle_due(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        self.set_timers();
        let mut more = false;
        while let Some(now) = self.due.poll(self.timers.next(), cx) {
            while let Some(timer) = self.timers.take_due(now) {
                if timer == Timer::Close {
                    tracing::debug!("the connection did not end in time");
                }
                let begins = self.ending.handle_timeout(timer, &self.shared.lock().end)?;
                let handled = begins.map_or_else(|| self.handle_timeout(timer, now), Err);
                more |= handled.unwrap_or_else(|reason| {
                    self.begin_farewell(reason);
                    true
                });
            }
        }
        Ok(more)
    }

    /// Deals with a timer that was due. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When that begins the end.
    fn handle_timeout(&mut self, timer: Timer, now: Instant) -> Result<bool, CloseReason> {
        let Self { limits, inbound, liveness, timers, .. } = self;
        match timer {
            Timer::Box => inbound.handle_box_timeout(limits.box_timeout, timers, now)?,
            Timer::Buffers => inbound.input.release(),
            Timer::Look => {
                timers.set_after(Timer::Look, now, LOOK_EVERY);
                // Those who keep a box waiting may wait for just that.
                if self.transport.has_peer_closed() {
                    self.shared.lock().table.gone = true;
                }
            }
            Timer::Stall => {
                self.end_stalled_route();
                return Ok(true);
            }
            // It has its turn by that.
            Timer::GivenWay => {}
            _ => {
                if let Some(liveness) = liveness {
                    if inbound.reading() != Reading::Done {
                        // What was not read may be from just now.
                        liveness.received(now);
                    }
                    liveness.handle_timeout(timer, now, inbound.decoded(), 0, timers)?;
                }
            }
        }
        Ok(false)
    }

    /// Hands out the box that waits for its route, if that has room by now.
    fn deliver_held(&mut self) {
        let Some(Held { ampbox, .. }) = self.held.take() else { return };
        match self.deliver(ampbox) {
            Some((route, ampbox)) => self.held = Some(Held { ampbox, route }),
            None => self.timers.stop(Timer::Stall),
        }
    }

    /// Ends the route that has kept a box waiting for long enough, or whichever has most if all of them
    /// together have too much.
    fn end_stalled_route(&mut self) {
        let Some(Held { ampbox, route }) = self.held.take() else { return };
        let mut held = self.deliver(ampbox).map(|(_, ampbox)| ampbox);
        while let Some(ampbox) = held.take() {
            let stalled = { self.shared.lock().table.stall(route, ampbox.encoded_len()) };
            let Some((ended, error, wakers)) = stalled else { return };
            // A peer stalls as many as it opens.
            restrained!(STALLED, warn, "a route has ended", error = %Report::new(&error));
            wakers.into_iter().flatten().for_each(Waker::wake);
            if ended != route {
                held = self.deliver(ampbox).map(|(_, ampbox)| ampbox);
            }
        }
    }

    /// Gives a box to its route, or gives it back if that has no room.
    fn deliver(&mut self, ampbox: AmpBox) -> Option<(RouteId, AmpBox)> {
        let delivered = { self.shared.lock().table.deliver(ampbox) };
        match delivered {
            Delivered::To(waker) => waker.into_iter().for_each(Waker::wake),
            Delivered::Nowhere => {
                restrained!(ASTRAY, warn, "a box came for a route that is not bound");
            }
            Delivered::Full(route, ampbox) => return Some((route, ampbox)),
        }
        None
    }

    /// Writes what the routes have queued. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over: the stream broke, and the end had begun.
    fn write_boxes(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.ending.is_broken() {
            return Ok(false);
        }
        match self.write(cx) {
            Ok(more) => Ok(more),
            Err(error) => self.break_off(error.into()).map(|()| true),
        }
    }

    /// Writes until nothing is queued, or the transport takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut turns = 0;
        loop {
            if self.writing.is_empty() && !self.take_outbound() {
                break;
            }
            if turns == TURNS {
                return Ok(true);
            }
            turns += 1;
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = slices.len().min(self.writing.len());
            for (slice, bytes) in slices.iter_mut().zip(&self.writing) {
                *slice = IoSlice::new(bytes);
            }
            let none = &mut VecDeque::new();
            match self.transport.as_mut().poll_send(cx, &slices[..count], none) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(sent) => self.advance(sent?),
                Poll::Pending => return Ok(false),
            }
        }
        if !self.taken.is_empty()
            && let Poll::Ready(flushed) = self.transport.as_mut().poll_flush(cx)
        {
            flushed?;
            let mut wakers = Vec::new();
            self.shared.lock().table.written(&mut self.taken, &mut wakers);
            wakers.into_iter().for_each(Waker::wake);
        }
        Ok(false)
    }

    /// Takes what the routes have queued; whether there was anything.
    fn take_outbound(&mut self) -> bool {
        let mut wakers = Vec::new();
        let Self { shared, writing, taken, .. } = self;
        shared.lock().table.take_outbound(writing, taken, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        !writing.is_empty()
    }

    fn advance(&mut self, mut sent: usize) {
        while let Some(first) = self.writing.front_mut() {
            let part = sent.min(first.len());
            first.advance(part);
            sent -= part;
            if !first.is_empty() {
                break;
            }
            self.writing.pop_front();
        }
    }

    /// Nothing more is handed out. What the routes have to send is still sent.
    fn begin_farewell(&mut self, reason: CloseReason) {
        self.held = None;
        let peer_done = self.inbound.reading() == Reading::Over;
        let (within, timers) = (self.limits.close_timeout, &mut self.timers);
        let wakers = {
            let mut state = self.shared.lock();
            let wakers = state.table.end_receiving(&reason);
            state.begin_end(reason);
            self.ending.begin_farewell(&state.end, peer_done, within, now(), timers);
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Nothing more is sent. What has come is still handed out.
    ///
    /// # Errors
    ///
    /// When the connection is over, since its end had begun.
    fn break_off(&mut self, reason: CloseReason) -> Result<(), CloseReason> {
        let (within, timers) = (self.limits.close_timeout, &mut self.timers);
        self.ending.handle_not_sent(&reason, true, within, now(), timers)?;
        let wakers = {
            let mut state = self.shared.lock();
            let wakers = state.table.end_sending(&reason);
            state.end.break_off(reason);
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
        self.writing.clear();
        Ok(())
    }

    /// Ends the connection properly, as [`Farewell`] says. What the routes queue until they are gone is
    /// sent before. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    fn say_farewell(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Self { ending, inbound, transport, writing, taken, shared, .. } = self;
        let Some(farewell) = &mut ending.farewell else { return Ok(false) };
        let mut stint = Stint::default();
        farewell.read(&mut inbound.input, &mut stint, |buffer, attachments| {
            transport.as_mut().poll_receive(cx, buffer, attachments)
        })?;
        let written = writing.is_empty() && taken.is_empty();
        let sent = written && shared.lock().table.has_sent_all(farewell.reason());
        farewell.tell(sent, || transport.as_mut().poll_shutdown(cx))?;
        Ok(stint.is_over())
    }

    /// Tells everybody that the connection has ended.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        // A task that hears of the end finds the stream closed.
        self.transport = Box::pin(ByteTransport::new(tokio::io::empty()));
        self.writing.clear();
        let (reason, receiving, sending) = {
            let mut state = self.shared.lock();
            state.begin_end(reason.clone());
            let (reason, _) = state.end.finish(reason);
            let receiving = state.table.end_receiving(&reason);
            (reason.clone(), receiving, state.table.end_sending(&reason))
        };
        receiving.into_iter().chain(sending).for_each(Waker::wake);
        self.shared.ended.notify_waiters();
        tracing::debug!(reason = %Report::new(&reason), "a routed connection has ended");
        reason
    }
}

impl Future for RouterDriver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        match self.phases(cx) {
            Ok(Next::Wait) => {}
            Ok(Next::Again) => cx.waker().wake_by_ref(),
            Ok(Next::GiveWay) => runtime::defer(cx),
            Err(reason) => return Poll::Ready(self.end(reason)),
        }
        Poll::Pending
    }
}

/// A driver that is dropped before its time ends the connection.
impl Drop for RouterDriver {
    fn drop(&mut self) {
        if self.shared.lock().end.over().is_none() {
            self.end(CloseReason::Local);
        }
    }
}
