//! The one task that owns the stream of a routed connection.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

use super::RouterLimits;
use super::shared::SharedRoutes;
use super::table::{Delivered, RouteId};
use super::wire::with_room;
use crate::argument::Attachment;
use crate::boxes::{AmpBox, Decoder};
use crate::connection::{ByteTransport, Due, Transport};
use crate::error::CloseReason;
use crate::proto::{Farewell, LOOK_EVERY, Liveness, ProtocolError, Timer, Timers, Unfinished};
use crate::report::Report;
use crate::restraint::{Restraint, restrained};
use crate::runtime;

/// The number of bytes that a read asks for at least.
const READ: usize = 64 << 10;

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
    input: RouterInput,
    /// The bytes that were taken of the routes and are being written.
    writing: VecDeque<Bytes>,
    /// The routes that it was taken of, until it is written and flushed.
    taken: Vec<RouteId>,
    /// How long nothing may come, from the first poll on.
    idle: Option<Duration>,
    liveness: Option<Liveness>,
    unfinished: Unfinished,
    timers: Timers,
    due: Due,
    farewell: Option<Farewell>,
}

struct RouterInput {
    buffer: BytesMut,
    decoder: Decoder,
    /// How many boxes were decoded.
    decoded: u64,
    attachments: Vec<Attachment>,
    /// A box whose route has no room for it. Nothing is read before it is gone.
    held: Option<Held>,
}

/// A box that waits for its route, until [`Timer::Stall`] is due.
struct Held {
    ampbox: AmpBox,
    route: RouteId,
}

impl RouterDriver {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>, shared: Arc<SharedRoutes>) -> Self {
        let limits = RouterLimits::default();
        let input = RouterInput {
            buffer: BytesMut::new(),
            decoder: Decoder::new(with_room(limits.boxes)),
            decoded: 0,
            attachments: Vec::new(),
            held: None,
        };
        Self {
            transport,
            shared,
            limits,
            input,
            writing: VecDeque::new(),
            taken: Vec::new(),
            idle: None,
            liveness: None,
            unfinished: Unfinished::default(),
            timers: Timers::default(),
            due: Due::default(),
            farewell: None,
        }
    }

    /// For a driver that was not polled yet.
    pub(super) fn set_idle_timeout(&mut self, after: Duration) {
        self.idle = Some(after);
    }

    /// For a driver that was not polled yet.
    pub(super) fn set_limits(&mut self, limits: RouterLimits) {
        self.limits = limits;
        self.input.decoder = Decoder::new(with_room(limits.boxes));
    }

    /// Looks whether this side wants the end, and takes note of who is to be woken when it does.
    /// The look comes before everything else, so that no change is missed.
    fn look_for_close(&mut self, cx: &Context<'_>) {
        let closing = {
            let mut state = self.shared.lock();
            if let Some(within) = state.end.draining()
                && !self.timers.is_set(Timer::Drain)
            {
                self.timers.set_after(Timer::Drain, now(), within);
            }
            if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
                state.driver = Some(cx.waker().clone());
            }
            if state.is_abandoned() || state.is_drained() {
                state.end.begin(CloseReason::Local);
            }
            state.end.begun().cloned()
        };
        if let Some(reason) = closing
            && self.farewell.is_none()
        {
            self.begin_ending(reason, false);
        }
    }

    /// Reads and hands out what was read; whether it is worth another look.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        self.deliver_held();
        self.handle_received()?;
        for _ in 0..TURNS {
            if self.input.held.is_some() {
                return Ok(false);
            }
            let Poll::Ready(received) = self.poll_receive(cx) else { return Ok(false) };
            if received? == 0 {
                return Err(CloseReason::end_of_stream(self.input.buffer.len()));
            }
            if let Some(liveness) = &mut self.liveness {
                liveness.received(now());
            }
            self.handle_received()?;
        }
        Ok(true)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let RouterInput { buffer, decoder, attachments, .. } = &mut self.input;
        // The room that a large box needed is not kept for the small ones that follow.
        if buffer.is_empty() && buffer.capacity() > 4 * READ {
            *buffer = BytesMut::new();
        }
        let missing = decoder.needed().saturating_sub(buffer.len());
        if buffer.capacity() - buffer.len() < missing.max(READ / 2) {
            buffer.reserve(missing.max(READ));
        }
        let received = self.transport.as_mut().poll_receive(cx, buffer, attachments);
        if !attachments.is_empty() {
            let dropped = attachments.len();
            // Each message of the peer may bring some.
            restrained!(UNCARRIED, warn, "a routed connection carries no attachments", dropped);
            attachments.clear();
        }
        received
    }

    /// Hands out the boxes that were read, until one has to wait for its route.
    fn handle_received(&mut self) -> Result<(), CloseReason> {
        while self.input.held.is_none() {
            let RouterInput { buffer, decoder, .. } = &mut self.input;
            let decoded = decoder.decode(buffer).map_err(ProtocolError::Box)?;
            let Some(ampbox) = decoded else { break };
            self.input.decoded += 1;
            if let Some((route, ampbox)) = self.deliver(ampbox) {
                self.input.held = Some(Held { ampbox, route });
                self.timers.set_after(Timer::Stall, now(), self.limits.stall_timeout);
            }
        }
        Ok(())
    }

    /// Sets the timers of what has begun, and stops those of what is over. `read` is whether all there was
    /// is read.
    fn set_timers(&mut self, read: bool) {
        let Self { limits, input, idle, liveness, unfinished, timers, .. } = self;
        if let Some(after) = idle.take() {
            *liveness = Liveness::new(Some(after), None, None, now(), timers);
        }
        let buffered = !input.buffer.is_empty();
        unfinished.watch(read, buffered, input.decoded, limits.box_timeout, timers, now);
        if input.held.is_none() {
            timers.stop(Timer::Look);
        } else if !timers.is_set(Timer::Look) {
            timers.set_after(Timer::Look, now(), LOOK_EVERY);
        }
    }

    /// Deals with the farewell and with what is due. Whether it is worth another look; `None` when the
    /// connection is over.
    fn go_on(&mut self, cx: &mut Context<'_>, read: bool) -> Option<bool> {
        if self.poll_ending(cx).is_ready() {
            return None;
        }
        if self.farewell.is_none() {
            self.set_timers(read);
        }
        let mut more = false;
        while let Some(now) = self.due.poll(self.timers.next(), cx) {
            while let Some(timer) = self.timers.take_due(now) {
                match timer {
                    Timer::Broken => return None,
                    Timer::Close => {
                        tracing::debug!("the connection did not end in time");
                        return None;
                    }
                    _ => {}
                }
                more |= self.handle_timeout(timer, read, now).unwrap_or_else(|reason| {
                    self.begin_ending(reason, false);
                    true
                });
            }
        }
        Some(more)
    }

    /// Deals with a timer that was due. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When that begins the end.
    fn handle_timeout(
        &mut self,
        timer: Timer,
        read: bool,
        now: std::time::Instant,
    ) -> Result<bool, CloseReason> {
        let Self { limits, input, liveness, unfinished, timers, .. } = self;
        match timer {
            Timer::Box => {
                let (buffered, after) = (!input.buffer.is_empty(), limits.box_timeout);
                unfinished.handle_timeout(read, buffered, input.decoded, after, timers, now)?;
            }
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
            Timer::Drain => return Err(CloseReason::Local),
            _ => {
                if let Some(liveness) = liveness {
                    if !read {
                        // What was not read may be from just now.
                        liveness.received(now);
                    }
                    liveness.handle_timeout(timer, now, input.decoded, 0, timers)?;
                }
            }
        }
        Ok(false)
    }

    /// Hands out the box that waits for its route, if that has room by now.
    fn deliver_held(&mut self) {
        let Some(Held { ampbox, .. }) = self.input.held.take() else { return };
        match self.deliver(ampbox) {
            Some((route, ampbox)) => self.input.held = Some(Held { ampbox, route }),
            None => self.timers.stop(Timer::Stall),
        }
    }

    /// Ends the route that has kept a box waiting for long enough, or whichever has most if all of them
    /// together have too much.
    fn end_stalled_route(&mut self) {
        let Some(Held { ampbox, route }) = self.input.held.take() else { return };
        let mut held = self.deliver(ampbox).map(|(_, ampbox)| ampbox);
        while let Some(ampbox) = held.take() {
            let stalled = { self.shared.lock().table.stall(route, ampbox.encoded_len()) };
            let Some((ended, error, wakers)) = stalled else { return };
            // A peer stalls as many as it opens.
            restrained!(STALLED, warn, "a route has ended", error = %Report(&error));
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

    /// Writes until nothing is queued, or the transport takes no more; whether it is worth another
    /// look.
    fn poll_writing(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
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
    fn begin_ending(&mut self, reason: CloseReason, peer_done: bool) {
        self.input.held = None;
        let (wakers, reason) = {
            let mut state = self.shared.lock();
            let wakers = state.table.end_receiving(&reason);
            (wakers, state.end.begin(reason.clone()).cloned().unwrap_or(reason))
        };
        wakers.into_iter().for_each(Waker::wake);
        let (broken, within) = (self.is_broken(), self.limits.close_timeout);
        let timers = &mut self.timers;
        for timer in [Timer::Idle, Timer::Box, Timer::Look, Timer::Stall, Timer::Drain] {
            timers.stop(timer);
        }
        let farewell = Farewell::begin(reason, broken, peer_done, within, now(), timers);
        self.farewell = Some(farewell);
    }

    /// Whether nothing can be written any more.
    fn is_broken(&self) -> bool {
        self.timers.is_set(Timer::Broken)
    }

    /// Nothing more is sent. What has come is still handed out.
    fn begin_broken(&mut self, error: io::Error) {
        let reason = CloseReason::from(error);
        let wakers = {
            let mut state = self.shared.lock();
            let wakers = state.table.end_sending(&reason);
            state.end.break_off(reason);
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
        self.writing.clear();
        self.timers.set_after(Timer::Broken, now(), self.limits.close_timeout);
        if let Some(farewell) = &mut self.farewell {
            farewell.handle_shut_down();
        }
    }

    /// Ends the connection properly, as [`Farewell`] says. What the routes queue until they are gone is
    /// sent before.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(farewell) = &mut self.farewell else { return Poll::Pending };
        let mut reads = 0;
        while farewell.reads() {
            if reads == TURNS {
                runtime::defer(cx);
                break;
            }
            reads += 1;
            let RouterInput { buffer, attachments, .. } = &mut self.input;
            buffer.clear();
            buffer.reserve(READ);
            match self.transport.as_mut().poll_receive(cx, buffer, attachments) {
                Poll::Ready(Ok(received)) => farewell.handle_received(received),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
            attachments.clear();
        }
        let written = self.writing.is_empty() && self.taken.is_empty();
        if written && !farewell.is_silent() && self.shared.lock().table.has_sent_all() {
            match self.transport.as_mut().poll_shutdown(cx) {
                Poll::Ready(Ok(())) => farewell.handle_shut_down(),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        if farewell.check().is_err() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Tells everybody that the connection has ended.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        // Whoever hears of the end finds the stream closed.
        self.transport = Box::pin(ByteTransport::new(tokio::io::empty()));
        self.writing.clear();
        let (reason, receiving, sending) = {
            let mut state = self.shared.lock();
            let (reason, _) = state.end.finish(reason);
            let receiving = state.table.end_receiving(&reason);
            (reason.clone(), receiving, state.table.end_sending(&reason))
        };
        receiving.into_iter().chain(sending).for_each(Waker::wake);
        self.shared.ended.notify_waiters();
        tracing::debug!(reason = %Report(&reason), "a routed connection has ended");
        reason
    }
}

/// The time, as the timers of the runtime have it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Future for RouterDriver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let this = &mut *self;
        this.look_for_close(cx);
        let mut more = false;
        if this.farewell.is_none() {
            match this.poll_reading(cx) {
                Ok(again) => more = again,
                Err(reason @ CloseReason::Io(_)) => return Poll::Ready(this.end(reason)),
                Err(reason) => {
                    let peer_done = reason.is_end_of_stream();
                    this.begin_ending(reason, peer_done);
                }
            }
        }
        let read = !more && this.input.held.is_none();
        if !this.is_broken() {
            match this.poll_writing(cx) {
                Ok(again) => more |= again,
                Err(error) => {
                    this.begin_broken(error);
                    more = true;
                }
            }
        }
        let Some(again) = this.go_on(cx, read) else {
            let reason = this.shared.lock().end.refusal().cloned();
            return Poll::Ready(this.end(reason.unwrap_or(CloseReason::Local)));
        };
        more |= again;
        if more {
            runtime::defer(cx);
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
