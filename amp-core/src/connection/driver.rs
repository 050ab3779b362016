//! The one task that owns the stream of a connection.

mod buffers;
mod ending;
mod held;
mod leftover;
mod liveness;
mod paused;
mod reading;
mod refusing;
mod room;
mod running;
mod stint;
mod switching;
mod unfinished;

use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use tokio::time::Sleep;

use buffers::Buffers;
use ending::Ending;
use liveness::Watch;
pub(crate) use liveness::{Liveness, Pings};
use paused::Lookout;
use room::Queueing;
pub(crate) use running::following;
use running::{Busy, begin};
use stint::Stint;
use unfinished::Unfinished;

use super::line::Line;
use super::peer::{Handle, Peer};
use super::shared::{Phase, Shared, State, Switch, Upgrading};
use super::together::Share;
use super::transport::{NoTransport, Transport};
use super::unclaimed::BoxNumber;
use crate::argument::Attachment;
use crate::boxes::{AmpBox, Decoder};
use crate::error::CloseReason;
use crate::proto::IncomingCall;
use crate::report::Report;
use crate::responder::Locator;
use crate::runtime;

/// How many bytes a read asks for at first, and at most. It asks for more when it gets all it
/// asked for.
const READ_MIN: usize = 8 << 10;
const READ_MAX: usize = 256 << 10;

/// How many reads or writes follow each other before other tasks have their turn; see [`Stint`] for
/// what else bounds them.
const TURNS: usize = 32;

/// Drives one connection: a future that resolves when it has ended, to the reason.
///
/// Who wakes it: the transport, when there is something to read or room to write; whoever queues
/// a box, closes the connection or ends a responder, through [`Shared::update`]; a caller that has
/// borrowed its line and leaves it something to do; the timers that limit the end and the age of
/// attachments, those of [`Liveness`], and the one of [`Buffers`].
pub(crate) struct Driver {
    /// While the line is left to callers, one in its place that leads nowhere.
    line: Box<Line>,
    /// That one, while the driver has the line, once there was need for it.
    stand_in: Option<Box<Line>>,
    lending: Lending,
    /// As it was when the driver last waited, unless that is with the state.
    waker: Option<Waker>,
    shared: Arc<Shared>,
    /// Of the peer that responders are given.
    handle: Weak<Handle>,
    locator: Arc<Locator>,
    /// As it was when the driver last looked.
    busy: Busy,
    input: Input,
    /// Whether anything is to run when what is being written has been written.
    awaited: bool,
    /// Whether the driver has let the other tasks run once since it last wrote.
    yielded: bool,
    stint: Stint,
    reading: Reading,
    /// Whether the peer is alive, where somebody asks.
    watch: Option<Box<Watch>>,
    /// Whether it is there, while it is not read from.
    unfinished: Option<Unfinished>,
    /// Whether somebody was told of room since the driver has last looked at those who wait for it.
    told_of_room: bool,
    queueing: Option<Queueing>,
    /// How many bytes are held for the peer, as far as the server knows.
    held: Share,
    lookout: Option<Lookout>,
    /// Set once nothing can be written any more. What the peer sent before it went is still read.
    broken: Option<Broken>,
    switching: Switching,
    upgrading: Option<Upgrading>,
    /// Ends the time that attachments may wait, while there may be any.
    aging: Option<Pin<Box<Sleep>>>,
    /// Ends the time that running responders have before a graceful end.
    draining: Option<Pin<Box<Sleep>>>,
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

/// How far the last attempt to read has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// There may be more to read.
    Behind,
    /// Nothing may be read: see [`Driver::may_read`].
    Paused,
    /// All there was is read.
    Done,
}

/// Whether callers may write while the driver waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lending {
    /// Not over this transport.
    Never,
    /// The driver has the line.
    Kept,
    /// The line is with the state, or a caller has it.
    Lent,
}

struct Input {
    buffer: BytesMut,
    buffers: Buffers,
    decoder: Decoder,
    attachments: Vec<Attachment>,
    /// How many bytes the next read asks for.
    ask: usize,
    boxes: Vec<AmpBox>,
    /// Calls that are not answered yet because there is enough to be sent, or that were read ahead.
    calls: VecDeque<Received>,
    /// How many bytes `calls` take: see [`Received::size`].
    calls_size: usize,
    /// How many bytes may be read ahead while as many responders run as may; see [`paused`].
    ahead: usize,
    /// Whether nobody is left to be answered, although there may be more to read.
    gone: bool,
    wakers: Vec<Waker>,
    /// Whether there may be more boxes in the buffer, which wait for the driver's next turn.
    left: bool,
    /// How many answers are given out before that: see [`reading::ANSWERS_AT_ONCE`].
    turn: usize,
    /// How many attachments nothing had claimed when boxes were last sorted out.
    unclaimed: usize,
    /// How many boxes were decoded.
    decoded: u64,
}

impl Input {
    /// How many bytes wait that were received and are not dealt with.
    fn waiting(&self) -> usize {
        self.calls_size + self.buffer.len()
    }
}

/// A call that was received.
struct Received {
    call: IncomingCall,
    number: Option<BoxNumber>,
}

impl Received {
    /// How many bytes it takes: those of its box, and what it is in memory, which is many times as
    /// much for a call without arguments.
    fn size(&self) -> usize {
        size_of::<Self>() + self.call.ampbox().size()
    }
}

struct Broken {
    reason: CloseReason,
    deadline: Pin<Box<Sleep>>,
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
        peer: &Peer,
        locator: Arc<Locator>,
        liveness: Liveness,
    ) -> Self {
        let shared = Arc::clone(peer.shared());
        let held = Share::new(shared.settings.together.clone());
        let input = Input {
            buffer: BytesMut::new(),
            buffers: Buffers::default(),
            decoder: Decoder::new(shared.settings.limits.boxes),
            attachments: Vec::new(),
            ask: READ_MIN,
            boxes: Vec::new(),
            calls: VecDeque::new(),
            calls_size: 0,
            ahead: 0,
            gone: false,
            wakers: Vec::new(),
            left: false,
            turn: *reading::ANSWERS_AT_ONCE.start(),
            unclaimed: 0,
            decoded: 0,
        };
        Self {
            lending: if transport.sends_on_any_task() { Lending::Kept } else { Lending::Never },
            line: Line::new(transport),
            stand_in: None,
            waker: None,
            shared,
            handle: peer.handle(),
            locator,
            busy: Busy::default(),
            input,
            awaited: false,
            yielded: false,
            stint: Stint::default(),
            reading: Reading::Behind,
            watch: Self::watch(liveness),
            unfinished: None,
            told_of_room: false,
            queueing: None,
            held,
            lookout: None,
            broken: None,
            switching: Switching::No,
            upgrading: None,
            aging: None,
            draining: None,
            ending: None,
        }
    }

    /// Writes until nothing is queued, or the transport takes no more.
    fn poll_writing(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        if self.sends_nothing() {
            let unsent = std::mem::take(self.shared.lock().core.outgoing());
            drop(unsent);
            return Ok(Progress::Waiting);
        }
        if let Some(error) = self.line.failed.take()
            && !self.take_back(error)?
        {
            return Ok(Progress::Waiting);
        }
        for _ in 0..TURNS {
            if self.line.writing.is_empty() {
                let mut state = self.shared.lock();
                if state.core.outgoing().is_empty() {
                    break;
                }
                // Others are about to call too: what they queue goes out with the same write.
                // A lone call has nobody to wait for.
                if state.core.outstanding() > 1 && !self.yielded {
                    self.yielded = true;
                    return Ok(Progress::More);
                }
                self.yielded = false;
                state.take_queued(&mut self.line.writing);
                // What replaces a transport carries none. The boxes that name them were encoded
                // before; the peer answers that it has not received them.
                let uncarried = state.upgraded.then(|| self.line.writing.take_attachments());
                let waiting_for_room = std::mem::take(&mut state.waiting_for_room);
                self.awaited |= !state.after.is_empty();
                drop(state);
                drop(uncarried);
                if let Some(log) = &self.shared.settings.wire_log {
                    log.sent(&self.shared.address, self.line.writing.bytes());
                }
                if waiting_for_room {
                    self.tell_of_room();
                }
            }
            let Poll::Ready(written) = self.line.poll_write(cx) else {
                self.check_send_queue()?;
                return Ok(Progress::Waiting);
            };
            if let Err(error) = written {
                if self.take_back(error)? {
                    continue;
                }
                return Ok(Progress::Waiting);
            }
            if self.line.writing.is_empty() {
                // What has been queued since then keeps the driver from waiting.
                break;
            }
        }
        if !self.line.writing.is_empty() {
            self.check_send_queue()?;
            return Ok(Progress::More);
        }
        if self.line.unflushed
            && let Poll::Ready(flushed) = self.line.poll_flush(cx)
        {
            flushed?;
            if self.awaited {
                self.start_what_waited();
            }
        }
        if self.line.writing.is_large() {
            self.input.buffers.release_later(cx);
        }
        self.check_send_queue()?;
        Ok(Progress::Waiting)
    }

    /// Whether nothing is sent any more.
    fn sends_nothing(&self) -> bool {
        self.broken.is_some() || self.ending.as_ref().is_some_and(|ending| ending.shut_down)
    }

    /// Starts what was to run when an answer has been written.
    fn start_what_waited(&mut self) {
        loop {
            let after = {
                let mut state = self.shared.lock();
                self.awaited = !state.after.is_empty();
                match state.after.front() {
                    Some((position, _)) if *position <= self.line.written => {
                        state.after.pop_front()
                    }
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
        if self.line.writing.is_empty() && !self.shared.is_eventful() {
            // Nothing is held back.
            return Ok(());
        }
        let too_much = self.holds_too_much(&self.shared.lock());
        if too_much {
            let limit = self.shared.settings.limits.send_queue_max;
            return Err(CloseReason::Limit { what: "bytes waiting to be sent", limit });
        }
        Ok(())
    }

    fn holds_too_much(&self, state: &State) -> bool {
        let waiting = state.core.queued() + self.line.writing.len() + self.input.calls_size;
        waiting > self.shared.settings.limits.send_queue_max
            && (state.core.holds() || !self.line.writing.is_empty())
    }

    /// Goes to work: from here on nobody else has the line, and nobody wakes the driver, since it
    /// looks at everything before it waits. `false` while a caller has the line, who wakes the driver
    /// when that is back.
    fn go_to_work(&mut self, cx: &Context<'_>) -> bool {
        // Declared before the lock, so dropped after it.
        let _stale;
        let mut state = self.shared.lock();
        if self.lending == Lending::Lent {
            let Some(line) = state.line.take() else {
                _stale = state.driver.replace(cx.waker().clone());
                state.missed = true;
                return false;
            };
            self.stand_in = Some(std::mem::replace(&mut self.line, line));
            self.lending = Lending::Kept;
        }
        if let Some(waker) = state.driver.take() {
            _stale = self.waker.replace(waker);
        }
        true
    }

    /// Waits for [`Shared::update`], unless there is something to do already: an update that came
    /// while the driver was at work has woken nobody. Whether it waits.
    fn park(&mut self, cx: &Context<'_>) -> bool {
        // Declared before the lock, so dropped after it.
        let _stale;
        let mut state = self.shared.lock();
        let to_write = self.line.writing.is_empty() && !state.core.outgoing().is_empty();
        let to_go_on = self.ending.is_none()
            && (state.phase.refusal().is_some()
                || self.reading == Reading::Paused && self.may_read(&mut state)
                || self.may_start_with(&mut state)
                || self.switching == Switching::Asked && !matches!(state.switch, Switch::Deciding)
                || state.draining.is_some()
                    && (self.draining.is_none() || self.is_drained(&state)));
        let to_end = !self.sends_nothing() && self.holds_too_much(&state);
        // The box that it waited for is encoded.
        let to_take_back = self.line.failed.is_some()
            && !self.sends_nothing()
            && !self.shared.ordinals_wanted.load(Ordering::SeqCst);
        let park = !to_go_on && !to_end && !to_take_back && !to_write;
        if park {
            let waker = match self.waker.take() {
                Some(waker) if waker.will_wake(cx.waker()) => waker,
                other => {
                    _stale = other;
                    cx.waker().clone()
                }
            };
            state.driver = Some(waker);
            // A reader that has paused is to hear of a call: from then on it may read, and begin
            // what it has read ahead. And where a switch was asked for, or has replaced the
            // transport, only the driver writes.
            let paused = self.reading != Reading::Done || !self.input.calls.is_empty();
            let waits = !paused && !self.shared.is_eventful();
            if self.lending == Lending::Kept && waits {
                let stand_in = self.stand_in.take().unwrap_or_else(Line::dead);
                state.line = Some(std::mem::replace(&mut self.line, stand_in));
                self.lending = Lending::Lent;
            }
        }
        park
    }

    /// Fails everything that is outstanding, for the same reason.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        // Whoever hears of the end finds the stream closed, unless a caller is just writing to it,
        // who closes it then.
        if let Some(line) = { self.shared.lock().line.take() } {
            self.line = line;
        }
        self.line.transport = Box::pin(NoTransport);
        self.upgrading = None;
        self.stop_watching();
        self.drop_calls();
        let reason = self.shared.end(reason);
        #[cfg(feature = "metrics")]
        self.line.report(&self.shared);
        let failures = &self.shared.settings.failures;
        // A server says it of all its connections together.
        if Arc::strong_count(failures) == 1 {
            match failures.take_unsaid() {
                0 => {}
                unsaid => tracing::warn!(unsaid, "more calls failed"),
            }
        }
        tracing::debug!(reason = %Report(&reason), "the connection has ended");
        reason
    }
}

impl Future for Driver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let this = &mut *self;
        if !this.go_to_work(cx) {
            return Poll::Pending;
        }
        loop {
            let mut more = false;
            if let Err(reason) = this.start_responders() {
                this.shared.close(&reason);
            }
            if this.ending.is_none() {
                let mut peer_done = false;
                match this.poll_decision().and_then(|()| this.poll_reading(cx)) {
                    Ok(progress) => more = matches!(progress, Progress::More),
                    Err(reason @ CloseReason::Io(_)) => return Poll::Ready(this.end(reason)),
                    Err(reason) => {
                        peer_done =
                            matches!(reason, CloseReason::Peer | CloseReason::Truncated { .. });
                        this.shared.close(&reason);
                    }
                }
                match this.poll_watch(cx) {
                    Ok(progress) => more |= matches!(progress, Progress::More),
                    Err(reason) => this.shared.close(&reason),
                }
                if let Err(reason) = this.poll_unfinished(cx).and_then(|()| this.check_held()) {
                    this.shared.close(&reason);
                }
                match this.poll_lookout(cx) {
                    Ok(progress) => more |= matches!(progress, Progress::More),
                    Err(reason) => this.shared.close(&reason),
                }
                if this.shared.is_eventful() {
                    this.poll_draining(cx);
                    let phase = this.shared.lock().phase.clone();
                    if let Phase::Closing(reason) = phase {
                        this.stop_watching();
                        this.begin_ending(reason, peer_done);
                    }
                }
            }
            match this.poll_writing(cx) {
                Ok(progress) => more |= matches!(progress, Progress::More),
                Err(reason) => match &this.ending {
                    Some(Ending { reason, .. }) => {
                        let reason = reason.clone();
                        return Poll::Ready(this.end(reason));
                    }
                    // Where a switch was agreed to there are no more boxes to be read.
                    None if matches!(reason, CloseReason::Io(_))
                        && this.switching != Switching::Agreed =>
                    {
                        let deadline = this.deadline();
                        this.shared.break_off(reason.clone());
                        this.broken = Some(Broken { reason, deadline });
                        more = true;
                    }
                    None => return Poll::Ready(this.end(reason)),
                },
            }
            this.poll_aging(cx);
            this.poll_room(cx);
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
                if this.stint.is_over() {
                    this.stint.give_way();
                    runtime::defer(cx);
                } else {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            // Before it waits: then the line may be a caller's.
            #[cfg(feature = "metrics")]
            this.line.report(&this.shared);
            if this.park(cx) {
                return Poll::Pending;
            }
        }
    }
}

/// A driver that is dropped before its time ends the connection.
impl Drop for Driver {
    fn drop(&mut self) {
        if !matches!(self.shared.lock().phase, Phase::Ended(_)) {
            self.end(CloseReason::Local);
        }
    }
}

#[cfg(test)]
mod tests;
