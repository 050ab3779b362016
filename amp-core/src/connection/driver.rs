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
use super::shared::{Shared, Upgrading};
use super::transport::{NoTransport, Transport};
use crate::argument::Attachment;
use crate::boxes::{AmpBox, Decoder};
use crate::error::CloseReason;
use crate::proto::{BoxNumber, IncomingCall, Share, Transmit, Waits, Wants};
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
/// a box, closes the connection or ends a responder, through [`Shared::with`]; a caller that has
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
    /// How many bytes were queued when that was counted.
    counted: usize,
    lookout: Option<Lookout>,
    /// Set once nothing can be written any more. What the peer sent before it went is still read.
    broken: Option<Broken>,
    upgrading: Option<Upgrading>,
    /// Ends the time that attachments may wait, while there may be any.
    aging: Option<Pin<Box<Sleep>>>,
    /// Ends the time that running responders have before a graceful end.
    draining: Option<Pin<Box<Sleep>>>,
    ending: Option<Ending>,
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
    /// Whether there may be more boxes in the buffer, which wait for the driver's next turn, or until
    /// a protocol switch is decided.
    left: bool,
    /// Whether it is for such a switch that they wait.
    boundary: bool,
    /// How many answers are given out before that: see [`reading::ANSWERS_AT_ONCE`].
    turn: usize,
    /// Whether so many attachments waited when boxes were last sorted out that they should be claimed
    /// before more are received.
    hoarding: bool,
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
            boundary: false,
            turn: *reading::ANSWERS_AT_ONCE.start(),
            hoarding: false,
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
            counted: 0,
            lookout: None,
            broken: None,
            upgrading: None,
            aging: None,
            draining: None,
            ending: None,
        }
    }

    /// Writes until nothing is queued, or the transport takes no more.
    fn poll_writing(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        if self.sends_nothing() {
            drop(self.shared.with(|state| std::mem::take(state.core.outgoing())));
            return Ok(Progress::Waiting);
        }
        if let Some(error) = self.line.failed.take()
            && !self.take_back(error)?
        {
            return Ok(Progress::Waiting);
        }
        for _ in 0..TURNS {
            if self.line.writing.is_empty() {
                let Self { shared, line, yielded, .. } = self;
                let transmit =
                    shared.with(|state| state.core.poll_transmit(&mut line.writing, *yielded));
                match transmit {
                    Transmit::Nothing => break,
                    Transmit::Later => {
                        *yielded = true;
                        return Ok(Progress::More);
                    }
                    Transmit::Taken { awaits_room, has_after, uncarried } => {
                        drop(uncarried);
                        *yielded = false;
                        self.awaited |= has_after;
                        if let Some(log) = &self.shared.settings.wire_log {
                            log.sent(&self.shared.address, self.line.writing.bytes());
                        }
                        if awaits_room {
                            self.tell_of_room();
                        }
                    }
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
            let written = self.line.written;
            let (after, more) =
                self.shared.with(|state| (state.core.take_after(written), state.core.has_after()));
            self.awaited = more;
            let Some(after) = after else { return };
            tokio::spawn(after);
        }
    }

    fn deadline(&self) -> Pin<Box<Sleep>> {
        Box::pin(tokio::time::sleep(self.shared.settings.limits.close_timeout))
    }

    /// What the driver knows alone, by which others see whether there is something for it to do.
    fn waits(&self) -> Waits {
        Waits {
            writing: self.line.writing.len(),
            counted: self.counted,
            calls: self.input.calls_size,
            received: self.input.waiting(),
            ahead: self.input.ahead,
            paused: self.reading == Reading::Paused,
            left: self.input.left,
            boundary: self.input.boundary,
            pings: usize::from(self.awaits_ping()),
            draining: self.draining.is_some(),
            ending: self.ending.is_some(),
            silent: self.sends_nothing(),
            refused: self.line.failed.is_some(),
            line: false,
        }
    }

    fn check_send_queue(&self) -> Result<(), CloseReason> {
        if self.line.writing.is_empty() && !self.shared.wants(Wants::EVENTFUL) {
            // Nothing is held back.
            return Ok(());
        }
        let waits = self.waits();
        self.shared.with(|state| state.core.check_queue(&waits))
    }

    /// Goes to work: from here on nobody else has the line, and nobody wakes the driver, since it
    /// looks at everything before it waits. `false` while a caller has the line, who wakes the driver
    /// when that is back.
    fn go_to_work(&mut self, cx: &Context<'_>) -> bool {
        let Self { shared, lending, line, stand_in, waker, .. } = self;
        // Wakers are dropped with nothing locked.
        let (works, _stale) = shared.with(|state| {
            if *lending == Lending::Lent {
                let Some(back) = state.line.take() else {
                    state.waits.line = true;
                    return (false, std::mem::replace(&mut state.came, Some(cx.waker().clone())));
                };
                *stand_in = Some(std::mem::replace(line, back));
                *lending = Lending::Kept;
            }
            let waker = state.driver.take().map(|driver| waker.replace(driver));
            (true, waker.flatten())
        });
        works
    }

    /// Waits, unless there is something to do already: what came while the driver was at work has
    /// woken nobody. Whether it waits.
    fn park(&mut self, cx: &Context<'_>) -> bool {
        let waits = self.waits();
        let mut waker = self.waker.take();
        let _stale = waker.take_if(|waker| !waker.will_wake(cx.waker()));
        let waker = waker.unwrap_or_else(|| cx.waker().clone());
        // A reader that has paused is to hear of a call: from then on it may read, and begin
        // what it has read ahead. And where a switch was asked for, or has replaced the
        // transport, only the driver writes.
        let idle = self.reading == Reading::Done && waits.calls == 0;
        let Self { shared, lending, line, stand_in, waker: kept, .. } = self;
        shared.with(|state| {
            if !state.core.driver_wants(&waits).is_nothing() {
                *kept = Some(waker);
                return false;
            }
            state.driver = Some(waker);
            state.waits = waits;
            if *lending == Lending::Kept && idle && state.core.is_uneventful() {
                let stand_in = stand_in.take().unwrap_or_else(Line::dead);
                state.line = Some(std::mem::replace(line, stand_in));
                *lending = Lending::Lent;
            }
            true
        })
    }

    /// Fails everything that is outstanding, for the same reason.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        // Whoever hears of the end finds the stream closed, unless a caller is just writing to it,
        // who closes it then.
        if let Some(line) = self.shared.with(|state| state.line.take()) {
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
                match this.poll_reading(cx) {
                    Ok(progress) => more = matches!(progress, Progress::More),
                    Err(reason @ CloseReason::Io(_)) => return Poll::Ready(this.end(reason)),
                    Err(reason) => {
                        peer_done = reason.is_end_of_stream();
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
                if this.shared.wants(Wants::EVENTFUL) {
                    this.poll_draining(cx);
                    let reason = this.shared.with(|state| state.core.end.begun().cloned());
                    if let Some(reason) = reason {
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
                        && !this.shared.with(|state| state.core.switch.is_agreed()) =>
                    {
                        let deadline = this.deadline();
                        this.shared.with(|state| state.core.break_off(reason.clone()));
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
        if self.shared.over().is_none() {
            self.end(CloseReason::Local);
        }
    }
}

#[cfg(test)]
mod tests;
