//! The one task that owns the stream of a connection.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::time::Sleep;

use super::peer::Peer;
use super::shared::{HandedOver, Phase, Shared, State, Switch, Then, Upgraded, Upgrading};
use super::switched::Switched;
use super::transport::{NoTransport, Transport};
use crate::argument::Attachment;
use crate::boxes::{AmpBox, Decoder};
use crate::error::CloseReason;
use crate::proto::{Event, IncomingCall, Outgoing, ProtocolError};
use crate::responder::{Locator, Question, Undeclared};

/// How many bytes a read asks for at first, and at most. It asks for more when it gets all it
/// asked for.
const READ_MIN: usize = 8 << 10;
const READ_MAX: usize = 256 << 10;

/// How many reads or writes follow each other before other tasks have their turn; reads of
/// [`READ_MAX`] bytes together at most, and then the one that went over it.
const TURNS: usize = 32;

/// How many slices one write takes.
const SLICES: usize = 32;

/// Drives one connection: a future that resolves when it has ended, to the reason.
///
/// Who wakes it: the transport, when there is something to read or room to write; whoever queues
/// a box, closes the connection or ends a responder, through [`Shared::update`]; the timer that
/// limits the end.
pub(crate) struct Driver {
    transport: Pin<Box<dyn Transport>>,
    shared: Arc<Shared>,
    locator: Arc<Locator>,
    input: Input,
    /// What was taken off the queue and is being written.
    writing: Outgoing,
    /// How many bytes were written since the beginning.
    written: u64,
    /// Whether what was written has yet to be flushed.
    unflushed: bool,
    /// Whether the driver has let the other tasks run once since it last wrote.
    yielded: bool,
    /// Whether the last look at [`may_read`](Driver::may_read) said no.
    paused: bool,
    /// Set once nothing can be written any more. What the peer sent before it went is still read.
    broken: Option<Broken>,
    switching: Switching,
    upgrading: Option<Upgrading>,
    ending: Option<Ending>,
}

/// Whether a protocol switch is being made. From the box that asks for it, or that agrees to it,
/// bytes are not read as boxes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switching {
    No,
    /// The peer has asked for it, and the responder has not decided.
    Asked,
    /// Both sides agree. Once what is queued is sent, the stream is handed over.
    Agreed,
    /// Another transport is being made of the stream.
    Upgrading,
}

struct Input {
    buffer: BytesMut,
    decoder: Decoder,
    attachments: Vec<Attachment>,
    /// How many bytes the next read asks for.
    ask: usize,
    boxes: Vec<AmpBox>,
    /// Calls that are not answered yet because there are enough bytes to be sent.
    calls: VecDeque<IncomingCall>,
    /// How many bytes `calls` have.
    calls_len: usize,
    wakers: Vec<Waker>,
}

struct Broken {
    reason: CloseReason,
    deadline: Pin<Box<Sleep>>,
}

/// How the connection ends, once that has begun.
struct Ending {
    reason: CloseReason,
    deadline: Pin<Box<Sleep>>,
    /// Whether running responders may still answer. No longer so once none was seen to run.
    finish_responders: bool,
    /// Whether the peer was told that nothing more will be sent.
    shut_down: bool,
    /// Whether the peer has closed its side.
    peer_done: bool,
}

/// What is left to do for one part of the driver.
enum Progress {
    /// It waits, and will be woken.
    Waiting,
    /// It is worth another look.
    More,
}

impl Driver {
    pub(super) fn new(
        transport: Pin<Box<dyn Transport>>,
        shared: Arc<Shared>,
        locator: Arc<Locator>,
    ) -> Self {
        let input = Input {
            buffer: BytesMut::new(),
            decoder: Decoder::new(shared.settings.limits.boxes),
            attachments: Vec::new(),
            ask: READ_MIN,
            boxes: Vec::new(),
            calls: VecDeque::new(),
            calls_len: 0,
            wakers: Vec::new(),
        };
        Self {
            transport,
            shared,
            locator,
            input,
            writing: Outgoing::default(),
            written: 0,
            unflushed: false,
            yielded: false,
            paused: false,
            broken: None,
            switching: Switching::No,
            upgrading: None,
            ending: None,
        }
    }

    /// Reads, and deals with what was read, until there is nothing to read.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        let mut turn = 0;
        for _ in 0..TURNS {
            if self.switching != Switching::No {
                return Ok(Progress::Waiting);
            }
            let sent_next =
                self.writing.is_empty() && !self.shared.lock().core.outgoing().is_empty();
            if sent_next && !self.input.calls.is_empty() {
                // What their answers wait behind is sent first.
                return Ok(Progress::More);
            }
            self.paused = !self.may_read(&mut self.shared.lock());
            if self.paused {
                return Ok(Progress::Waiting);
            }
            let Poll::Ready(received) = self.poll_receive(cx) else {
                return Ok(Progress::Waiting);
            };
            let received = received?;
            if received == 0 {
                let received = self.input.buffer.len();
                return Err(match received {
                    0 => CloseReason::Peer,
                    _ => CloseReason::Truncated { received },
                });
            }
            self.handle_received()?;
            self.check_send_queue()?;
            if self.shared.lock().phase.refusal().is_some() {
                // What comes later than the failure that closes the connection is not answered.
                return Ok(Progress::More);
            }
            turn += received;
            if turn >= READ_MAX {
                break;
            }
        }
        Ok(Progress::More)
    }

    /// Whether another call may be received now: see
    /// [`Limits::running_responders`](super::Limits::running_responders).
    fn may_read(&self, state: &mut State) -> bool {
        state.running < self.shared.settings.limits.running_responders
            || state.core.outstanding() > 0
            || !state.core.outgoing().is_empty()
            || !self.writing.is_empty()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Input { buffer, decoder, attachments, ask, .. } = &mut self.input;
        // What a large box needed is not kept for the small ones that follow.
        if buffer.is_empty() && buffer.capacity() > 2 * READ_MAX {
            *buffer = BytesMut::new();
        }
        let missing = decoder.needed().saturating_sub(buffer.len());
        let room = missing.max(*ask);
        // A reserve that moves what is there costs more than a short read, so half is enough.
        if buffer.capacity() - buffer.len() < missing.max(room / 2) {
            buffer.reserve(room);
        }
        let room = buffer.capacity() - buffer.len();
        let received = ready!(self.transport.as_mut().poll_receive(cx, buffer, attachments))?;
        if received == room && *ask < READ_MAX {
            *ask *= 2;
        }
        Poll::Ready(Ok(received))
    }

    /// Decodes what was read, gives answers to their calls, and starts responders.
    fn handle_received(&mut self) -> Result<(), CloseReason> {
        self.receive_attachments()?;
        loop {
            let decoded = self.decode();
            // Answers first: they wake callers, and free places among the outstanding calls.
            self.input.wakers.drain(..).for_each(Waker::wake);
            self.start_responders()?;
            decoded?;
            // A switch that is refused at once leaves the boxes behind it, and those are answered
            // even if the refusal closes the connection.
            if !self.is_switch_refused() {
                return Ok(());
            }
        }
    }

    /// Starts the responders of the calls that were received. Most of them answer at once, so this
    /// stops while there is enough to be sent.
    fn start_responders(&mut self) -> Result<(), CloseReason> {
        while self.may_start()
            && let Some(call) = self.input.calls.pop_front()
        {
            self.input.calls_len -= call.ampbox().encoded_len();
            self.start_responder(&call)?;
        }
        Ok(())
    }

    fn may_start(&self) -> bool {
        if self.input.calls.is_empty() {
            return false;
        }
        let limit = self.shared.settings.limits.send_queue;
        let mut state = self.shared.lock();
        // Once both sides agree to a switch, what came before it is begun before it is made. And
        // what is held back when the connection ends is not sent at all.
        let agreed = matches!(self.switching, Switching::Agreed | Switching::Upgrading);
        let waiting = if agreed || self.ending.is_some() {
            state.core.outgoing().len()
        } else {
            state.core.queued()
        };
        waiting < limit
    }

    fn receive_attachments(&mut self) -> Result<(), CloseReason> {
        if self.input.attachments.is_empty() {
            return Ok(());
        }
        let limit = self.shared.settings.limits.unclaimed_attachments;
        let mut unclaimed = self.shared.unclaimed();
        self.input.attachments.drain(..).for_each(|attachment| unclaimed.receive(attachment));
        if unclaimed.len() > limit {
            return Err(CloseReason::Limit { what: "unclaimed attachments", limit });
        }
        Ok(())
    }

    /// The boxes before a mistake are good; the mistake ends the connection after them.
    fn decode(&mut self) -> Result<(), ProtocolError> {
        // Behind a box that switches the protocol there are no boxes. Where one is to be expected
        // each box is looked at before the next is decoded.
        let expected = self.locator.has_switches() || self.shared.lock().core.is_switching();
        let most = if expected { 1 } else { usize::MAX };
        loop {
            let Input { buffer, decoder, boxes, .. } = &mut self.input;
            let decoded = loop {
                if boxes.len() == most {
                    break Ok(true);
                }
                match decoder.decode(buffer) {
                    Ok(Some(ampbox)) => boxes.push(ampbox),
                    Ok(None) => break Ok(false),
                    Err(error) => break Err(error),
                }
            };
            self.handle_boxes()?;
            if !decoded? || self.switching != Switching::No {
                return Ok(());
            }
        }
    }

    /// Sorts out what was decoded: answers to their calls, calls to be answered.
    fn handle_boxes(&mut self) -> Result<(), ProtocolError> {
        let Self { shared, locator, switching, input, .. } = self;
        let Input { boxes, calls, calls_len, wakers, .. } = input;
        let mut ignored = 0;
        // Dropped once the lock is.
        let mut refused = HandedOver::Unwanted;
        let handled = {
            let mut state = shared.lock();
            boxes.drain(..).try_for_each(|ampbox| {
                let asked = state.core.is_switching();
                let event = state.core.handle_box(ampbox)?;
                if asked && !state.core.is_switching() && !matches!(event, Event::Switched(_)) {
                    refused = std::mem::take(&mut state.handed_over);
                }
                match event {
                    Event::Answered(waker) => wakers.push(waker),
                    Event::Switched(waker) => {
                        wakers.extend(waker);
                        *switching = Switching::Agreed;
                    }
                    Event::Called(call) => {
                        if locator.is_switch(&call) {
                            if state.core.is_switching() {
                                return Err(ProtocolError::SwitchesCross);
                            }
                            state.switch = Switch::Deciding;
                            *switching = Switching::Asked;
                        }
                        *calls_len += call.ampbox().encoded_len();
                        calls.push_back(call);
                    }
                    Event::Ignored => ignored += 1,
                }
                Ok(())
            })
        };
        drop(refused);
        if ignored > 0 {
            tracing::debug!(ignored, "ignored answers to calls that are not outstanding");
        }
        handled
    }

    /// Goes on with a protocol switch that the peer has asked for, once that is decided: when it
    /// is refused, boxes follow.
    fn poll_decision(&mut self) -> Result<(), CloseReason> {
        if self.is_switch_refused() { self.handle_received() } else { Ok(()) }
    }

    /// Whether a switch that the peer has asked for has just been refused.
    fn is_switch_refused(&mut self) -> bool {
        if self.switching == Switching::Asked {
            self.switching = match self.shared.lock().switch {
                Switch::Deciding => return false,
                Switch::Accepted(_) => Switching::Agreed,
                Switch::None => Switching::No,
            };
            return self.switching == Switching::No;
        }
        false
    }

    /// Hands the stream over, once everything before the switch is sent.
    fn poll_hand_over(&mut self) -> Poll<CloseReason> {
        let agreed = self.switching == Switching::Agreed && self.broken.is_none();
        let written = self.writing.is_empty() && !self.unflushed && self.input.calls.is_empty();
        if !agreed || !written || !self.shared.lock().core.outgoing().is_empty() {
            return Poll::Pending;
        }
        let (switch, handed_over) = {
            let mut state = self.shared.lock();
            let switch = std::mem::take(&mut state.switch);
            let upgrades = matches!(state.handed_over, HandedOver::Upgrade(_));
            (switch, upgrades.then(|| std::mem::take(&mut state.handed_over)))
        };
        let successor = match (switch, handed_over) {
            (Switch::Accepted(Then::Upgrade(upgrade)), _)
            | (_, Some(HandedOver::Upgrade(upgrade))) => {
                // The attachments that were received stay with the connection.
                let stream = self.take_stream(Vec::new(), 0);
                self.upgrading = Some(upgrade(stream));
                self.switching = Switching::Upgrading;
                return Poll::Pending;
            }
            (Switch::Accepted(Then::HandOver(successor)), _) => Some(successor),
            _ => None,
        };
        let mut attachments = self.shared.take_unclaimed();
        attachments.append(&mut self.input.attachments);
        let limit = self.shared.settings.limits.unclaimed_attachments;
        let stream = self.take_stream(attachments, limit);
        if let Some(successor) = successor {
            tokio::spawn(async move { successor(stream).await });
        } else {
            self.shared.hand_over(stream);
        }
        Poll::Ready(self.end(CloseReason::Switched))
    }

    /// The stream, with what was read of it and is not a box.
    fn take_stream(&mut self, attachments: Vec<Attachment>, limit: usize) -> Switched {
        let transport = std::mem::replace(&mut self.transport, Box::pin(NoTransport));
        Switched::new(transport, std::mem::take(&mut self.input.buffer), attachments, limit)
    }

    /// Goes on over another transport once that is made.
    fn poll_upgrade(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        let Some(upgrading) = &mut self.upgrading else {
            return Ok(Progress::Waiting);
        };
        let Poll::Ready(upgraded) = upgrading.as_mut().poll(cx) else {
            return Ok(Progress::Waiting);
        };
        self.upgrading = None;
        let Upgraded { transport, data } = upgraded?;
        self.transport = transport;
        self.switching = Switching::No;
        self.shared.upgraded(data);
        Ok(Progress::More)
    }

    /// Starts the responder of a call, and leaves it to a task of its own if it has to wait.
    fn start_responder(&mut self, call: &IncomingCall) -> Result<(), CloseReason> {
        if let Some(locator) = self.shared.lock().replaced.take() {
            self.locator = locator;
        }
        let asks_switch = self.locator.is_switch(call);
        let question = Question::new(Peer::new(Arc::clone(&self.shared)), call, asks_switch);
        let running = self.shared.lock().running;
        let limit = self.shared.settings.limits.running_responders_max;
        if running >= limit {
            let one_way = call.tag().is_none();
            question.fail_undeclared(&Undeclared::TooMany { running });
            if one_way {
                return Err(CloseReason::Limit { what: "running responders", limit });
            }
            return Ok(());
        }
        let locator = &self.locator;
        // The responder that panics drops its question, which is answered by that.
        let started = catch_unwind(AssertUnwindSafe(|| {
            let mut responding = locator.respond(question, call.command(), call.ampbox())?;
            let mut cx = Context::from_waker(Waker::noop());
            responding.as_mut().poll(&mut cx).is_pending().then_some(responding)
        }));
        if let Ok(Some(responding)) = started {
            let running = Running::new(Arc::clone(&self.shared));
            tokio::spawn(async move {
                let _running = running;
                responding.await;
            });
        }
        Ok(())
    }

    /// Writes until nothing is queued, or the transport takes no more.
    fn poll_writing(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        let shut_down = self.ending.as_ref().is_some_and(|ending| ending.shut_down);
        if self.broken.is_some() || shut_down {
            let unsent = std::mem::take(self.shared.lock().core.outgoing());
            drop(unsent);
            return Ok(Progress::Waiting);
        }
        for _ in 0..TURNS {
            if self.writing.is_empty() {
                let mut state = self.shared.lock();
                let waiting = state.core.outgoing().len();
                if waiting == 0 {
                    break;
                }
                // Others are about to call too: what they queue goes out with the same write.
                // A lone call has nobody to wait for.
                if state.core.outstanding() > 1 && !self.yielded {
                    self.yielded = true;
                    cx.waker().wake_by_ref();
                    return Ok(Progress::Waiting);
                }
                self.yielded = false;
                state.core.outgoing().take(&mut self.writing);
                state.taken += self.writing.len() as u64;
                // What replaces a transport carries none. The boxes that name them were encoded
                // before; the peer answers that it has not received them.
                let uncarried = state.upgraded.then(|| self.writing.take_attachments());
                let waiting_for_room = std::mem::take(&mut state.waiting_for_room);
                drop(state);
                drop(uncarried);
                if waiting_for_room {
                    self.shared.room.notify_waiters();
                }
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let (count, attachments) = self.writing.parts(&mut slices);
            let sent = self.transport.as_mut().poll_send(cx, &slices[..count], attachments);
            let Poll::Ready(sent) = sent else {
                self.check_send_queue()?;
                return Ok(Progress::Waiting);
            };
            match sent? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                sent => {
                    self.writing.advance(sent);
                    self.written += sent as u64;
                }
            }
            self.unflushed = true;
        }
        if !self.writing.is_empty() {
            self.check_send_queue()?;
            return Ok(Progress::More);
        }
        if self.unflushed
            && let Poll::Ready(flushed) = self.transport.as_mut().poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
            self.start_what_waited();
        }
        self.check_send_queue()?;
        Ok(Progress::Waiting)
    }

    /// Starts what was to run when an answer has been written.
    fn start_what_waited(&mut self) {
        loop {
            let after = {
                let mut state = self.shared.lock();
                match state.after.front() {
                    Some((position, _)) if *position <= self.written => state.after.pop_front(),
                    _ => None,
                }
            };
            let Some((_, after)) = after else { return };
            tokio::spawn(after);
        }
    }

    fn deadline(&self) -> Pin<Box<Sleep>> {
        Box::pin(tokio::time::sleep(self.shared.settings.limits.close_timeout))
    }

    /// Whether too much waits while the transport takes no more, or while a protocol switch holds
    /// it back. Calls that are not answered because of that count too.
    fn check_send_queue(&self) -> Result<(), CloseReason> {
        let limit = self.shared.settings.limits.send_queue_max;
        let (queued, holds) = {
            let state = self.shared.lock();
            (state.core.queued(), state.core.holds())
        };
        let waiting = queued + self.writing.len() + self.input.calls_len;
        if waiting > limit && (holds || !self.writing.is_empty()) {
            return Err(CloseReason::Limit { what: "bytes waiting to be sent", limit });
        }
        Ok(())
    }

    /// Ends the connection properly: what is queued is sent, the peer is told that nothing more
    /// will come, and what it still sends is read and dropped. Closing a socket with unread bytes
    /// would reset the connection, and the peer might lose what was just sent.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ending) = &mut self.ending else { return Poll::Pending };
        if ending.deadline.as_mut().poll(cx).is_ready() {
            tracing::debug!("the connection did not end in time");
            return Poll::Ready(());
        }
        if self.switching == Switching::Upgrading {
            // What is held back is sent once there is a transport.
            return Poll::Pending;
        }
        let (mut reads, mut turn) = (0, 0);
        while !ending.peer_done {
            if reads == TURNS || turn >= READ_MAX {
                cx.waker().wake_by_ref();
                break;
            }
            reads += 1;
            let Input { buffer, attachments, .. } = &mut self.input;
            buffer.clear();
            buffer.reserve(READ_MIN);
            match self.transport.as_mut().poll_receive(cx, buffer, attachments) {
                Poll::Ready(Ok(received)) => {
                    turn += received;
                    ending.peer_done = received == 0;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
            attachments.clear();
        }
        let sent = {
            let mut state = self.shared.lock();
            let answered = self.input.calls.is_empty();
            ending.finish_responders &= state.running > 0 || !answered;
            // A responder queues its answer before it is done. And the driver may have let other
            // tasks run rather than write what is queued.
            let written = self.writing.is_empty() && !self.unflushed;
            answered && written && state.core.outgoing().is_empty()
        };
        if sent && !ending.finish_responders && !ending.shut_down {
            match self.transport.as_mut().poll_shutdown(cx) {
                Poll::Ready(Ok(())) => ending.shut_down = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        if ending.shut_down && ending.peer_done { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for [`Shared::update`], unless there is something to do already: an update that came
    /// while the driver was at work has woken nobody.
    fn park(&self, cx: &Context<'_>) -> bool {
        let mut state = self.shared.lock();
        let to_write = self.writing.is_empty() && !state.core.outgoing().is_empty();
        let to_go_on = match &self.ending {
            None => {
                state.phase.refusal().is_some()
                    || self.paused && self.may_read(&mut state)
                    || self.switching == Switching::Asked
                        && !matches!(state.switch, Switch::Deciding)
            }
            Some(ending) => {
                ending.finish_responders && state.running == 0 && self.input.calls.is_empty()
            }
        };
        let park = !to_go_on && (!to_write || self.yielded);
        if park && !self.yielded && !state.driver.as_ref().is_some_and(|d| d.will_wake(cx.waker()))
        {
            state.driver = Some(cx.waker().clone());
        }
        park
    }

    /// Fails everything that is outstanding, for the same reason.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        // Whoever hears of the end finds the stream closed.
        self.transport = Box::pin(NoTransport);
        self.upgrading = None;
        let reason = self.shared.end(reason);
        tracing::debug!(%reason, "the connection has ended");
        reason
    }
}

impl Future for Driver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let this = &mut *self;
        loop {
            let mut more = false;
            if let Err(reason) = this.start_responders() {
                this.shared.close(&reason, false);
            }
            if this.ending.is_none() {
                let mut peer_done = false;
                match this.poll_decision().and_then(|()| this.poll_reading(cx)) {
                    Ok(progress) => more = matches!(progress, Progress::More),
                    Err(reason @ CloseReason::Io(_)) => return Poll::Ready(this.end(reason)),
                    Err(reason) => {
                        peer_done =
                            matches!(reason, CloseReason::Peer | CloseReason::Truncated { .. });
                        this.shared.close(&reason, false);
                    }
                }
                let phase = this.shared.lock().phase.clone();
                if let Phase::Closing { reason, finish_responders } = phase {
                    let deadline = this.deadline();
                    let shut_down = this.broken.is_some();
                    this.ending =
                        Some(Ending { reason, deadline, finish_responders, shut_down, peer_done });
                }
            }
            match this.poll_writing(cx) {
                Ok(progress) => more |= matches!(progress, Progress::More),
                Err(reason) => match &this.ending {
                    Some(Ending { reason, .. }) => {
                        let reason = reason.clone();
                        return Poll::Ready(this.end(reason));
                    }
                    None if matches!(reason, CloseReason::Io(_)) => {
                        let deadline = this.deadline();
                        this.broken = Some(Broken { reason, deadline });
                        more = true;
                    }
                    None => return Poll::Ready(this.end(reason)),
                },
            }
            more |= this.may_start();
            if this.ending.is_none()
                && let Poll::Ready(reason) = this.poll_hand_over()
            {
                return Poll::Ready(reason);
            }
            match this.poll_upgrade(cx) {
                Ok(progress) => more |= matches!(progress, Progress::More),
                Err(reason) => return Poll::Ready(this.end(reason)),
            }
            if let Some(Broken { reason, deadline }) = &mut this.broken
                && deadline.as_mut().poll(cx).is_ready()
            {
                let reason = reason.clone();
                return Poll::Ready(this.end(reason));
            }
            if this.poll_ending(cx).is_ready()
                && let Some(Ending { reason, .. }) = this.ending.take()
            {
                return Poll::Ready(this.end(reason));
            }
            if more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if this.park(cx) {
                return Poll::Pending;
            }
        }
    }
}

/// A driver that is dropped before its time ends the connection.
impl Drop for Driver {
    fn drop(&mut self) {
        self.end(CloseReason::Local);
    }
}

/// Counts a responder that has been started and is not done.
struct Running(Arc<Shared>);

impl Running {
    fn new(shared: Arc<Shared>) -> Self {
        shared.lock().running += 1;
        Self(shared)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.update(|state| state.running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Connection, Limits};
    use crate::proto::Body;
    use std::pin::pin;

    fn start() -> (Peer, Driver, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(1000);
        let limits = Limits { running_responders: 1, ..Limits::default() };
        let (peer, driver) = Connection::new(near).limits(limits).start();
        (peer, driver, far)
    }

    /// What another thread does while the driver is at work, step by step.
    #[tokio::test]
    async fn a_reader_that_paused_goes_on_when_an_update_comes_before_the_driver_waits() {
        let mut cx = Context::from_waker(Waker::noop());

        let (peer, mut driver, _far) = start();
        let _running = Running::new(Arc::clone(&driver.shared));
        assert!(matches!(driver.poll_reading(&mut cx), Ok(Progress::Waiting)));
        let mut call = pin!(peer.call_remote_string("A", [("a", "b")]));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert!(matches!(driver.poll_writing(&mut cx), Ok(Progress::Waiting)));
        assert!(!driver.park(&cx), "the answer must be read");

        let (_peer, mut driver, _far) = start();
        let running = Running::new(Arc::clone(&driver.shared));
        assert!(matches!(driver.poll_reading(&mut cx), Ok(Progress::Waiting)));
        drop(running);
        assert!(!driver.park(&cx), "the next call may be read");
    }

    #[tokio::test]
    async fn an_end_goes_on_when_the_last_responder_is_done_before_the_driver_waits() {
        let mut cx = Context::from_waker(Waker::noop());
        let (_peer, mut driver, _far) = start();
        let running = Running::new(Arc::clone(&driver.shared));
        driver.shared.close(&CloseReason::Local, true);
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
        assert!(driver.poll_ending(&mut cx).is_pending());
        drop(running);
        assert!(!driver.park(&cx));
        assert!(driver.poll_ending(&mut cx).is_pending());
        assert!(driver.park(&cx), "the peer has yet to close");
    }

    #[tokio::test]
    async fn attachments_that_were_held_back_are_dropped_when_the_new_transport_has_none() {
        let mut cx = Context::from_waker(Waker::noop());
        let (_peer, mut driver, _far) = start();
        let attachment: Attachment = Arc::new(());
        let dropped = Arc::downgrade(&attachment);
        driver.shared.update(|state| {
            let mut body = Body { attachments: vec![attachment], ..Body::default() };
            state.core.ask_switch(b"A", &mut Body::default(), Waker::noop().clone()).unwrap();
            state.core.notify(b"B", &mut body);
        });
        assert!(matches!(driver.poll_writing(&mut cx), Ok(Progress::Waiting)));
        driver.shared.upgraded(None);
        assert!(matches!(driver.poll_writing(&mut cx), Ok(Progress::Waiting)));
        assert!(dropped.upgrade().is_none());
        driver.shared.update(|state| state.core.notify(b"C", &mut Body::default()));
        assert!(matches!(driver.poll_writing(&mut cx), Ok(Progress::Waiting)));
        assert!(driver.writing.is_empty());
    }

    #[tokio::test]
    async fn what_is_held_back_at_the_end_is_dropped() {
        let (_peer, driver, _far) = start();
        let attachment: Attachment = Arc::new(());
        let dropped = Arc::downgrade(&attachment);
        driver.shared.update(|state| {
            let mut body = Body { attachments: vec![attachment], ..Body::default() };
            state.core.ask_switch(b"A", &mut Body::default(), Waker::noop().clone()).unwrap();
            state.core.notify(b"B", &mut body);
        });
        drop(driver);
        assert!(dropped.upgrade().is_none());
    }

    #[tokio::test]
    async fn the_room_of_a_large_box_is_not_kept() {
        let (_peer, mut driver, _far) = start();
        let value = vec![0; 65_535];
        let mut pairs: Vec<_> = (0..80).map(|n| (format!("{n:02}"), &value[..])).collect();
        pairs.push(("_answer".into(), b"none"));
        let bytes = AmpBox::from_pairs(pairs).unwrap().to_bytes();
        for piece in bytes.chunks(100_000) {
            driver.input.buffer.extend_from_slice(piece);
            driver.handle_received().unwrap();
        }
        assert_eq!(driver.shared.lock().core.counters().unknown_answers, 1);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(driver.poll_reading(&mut cx), Ok(Progress::Waiting)));
        assert!(driver.input.buffer.capacity() <= 2 * READ_MAX);
    }
}
