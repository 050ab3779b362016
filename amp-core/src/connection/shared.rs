//! What the driver, the callers and the responders of one connection share.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Sleep, Timeout, sleep, timeout};

use super::all_held::Claims;
use super::builder::Settings;
use super::lanes::Lanes;
use super::limits::Limits;
use super::line::Line;
use super::switched::Switched;
use super::transport::Transport;
use super::unclaimed::Unclaimed;
use crate::argument::{Attachment, AttachmentKind, Extensions, PeerAddress};
use crate::boxes::{BoxError, BoxLimits};
use crate::error::{CallError, CloseReason};
use crate::observing::{self, Measures, Side, Watch};
use crate::proto::{Body, CallId, Core, CoreLimits, Outgoing};
use crate::report::Report;
use crate::responder::Locator;

pub(crate) struct Shared {
    state: Mutex<State>,
    /// The ordinal of the next attachment to be sent. Locked from the first attachment of a box
    /// until that box is queued, so that ordinals have the order of the wire. It is locked before
    /// `state`, never while that is locked.
    pub(super) next_ordinal: Mutex<u64>,
    /// Whether the driver waits until that is unlocked, and is to be woken then.
    pub(super) ordinals_wanted: AtomicBool,
    pub(super) lanes: Lanes,
    pub(super) attachment_kind: Option<AttachmentKind>,
    /// Whether the transport carries no attachments of that kind any more: what replaces one is a
    /// stream of bytes.
    pub(super) bytes_only: AtomicBool,
    pub(super) address: PeerAddress,
    pub(super) extensions: Extensions,
    pub(crate) measures: Measures,
    pub(crate) settings: Settings,
    /// Where the connection was started. It has the timers of calls, which may be polled anywhere.
    pub(crate) runtime: Handle,
    /// Whether whoever wants to queue something has to look at the state first: there was no room
    /// when something was last queued, or no calls are made any more.
    crowded: AtomicBool,
    /// Whether something has changed that the driver looks at before it starts a responder, since
    /// it has last looked.
    news: AtomicBool,
    /// Whether something has happened that most connections see only at their ends, if ever: one
    /// is closing, draining, broken, or has begun to switch the protocol. Only the state says what.
    /// It stays set.
    eventful: AtomicBool,
    /// Notified when the queue has room again, and when it will have none any more.
    ///
    /// One of those who wait is told when there is room, and tells the next once it has found some. If
    /// all were told, each of thousands would look again whenever a few can go.
    pub(super) room: Arc<Notify>,
    room_passed: AtomicU64,
    /// Notified when no more calls can be made.
    pub(super) refusing: Notify,
    /// Notified when the connection has ended, or goes on over another transport.
    pub(super) changed: Notify,
}

pub(crate) struct State {
    pub(super) core: Core<Waker>,
    pub(super) phase: Phase,
    /// Set when no more calls of the peer are answered: how long those that are may take.
    pub(super) draining: Option<Duration>,
    /// The driver, while it waits for something to do.
    pub(super) driver: Option<Waker>,
    /// The stream, while the driver waits and no caller has it, where callers may write.
    pub(super) line: Option<Box<Line>>,
    /// Whether something has changed while there was no driver to be woken, since a caller has taken
    /// the stream.
    pub(super) missed: bool,
    /// How many responders have been started and are not done.
    pub(super) running: usize,
    /// How many futures run after an answer, or wait until that is written.
    pub(super) following: usize,
    /// How many bytes the calls of both have: on the wire, or once they are decoded if that is more.
    pub(crate) running_bytes: usize,
    /// Who waits until fewer run, once the peer has gone.
    pub(super) leftover: Option<Waker>,
    /// Whether a caller waits for room.
    pub(super) waiting_for_room: bool,
    /// The protocol switch that the peer has asked for.
    pub(super) switch: Switch,
    /// The stream after a protocol switch that this side has asked for.
    pub(super) handed_over: HandedOver,
    /// Whether the transport was replaced by another one: at most once.
    pub(super) upgraded: bool,
    /// What answers from the next call on, when that was replaced. `None` once the connection has
    /// ended: it may hold a [`Peer`](super::Peer), and that this.
    pub(super) replaced: Option<Arc<Locator>>,
    /// How many bytes the driver has taken from the queue.
    pub(super) taken: u64,
    /// What runs once so many bytes are written: the later ones behind.
    pub(super) after: VecDeque<(u64, After)>,
    /// How many calls have taken their answers and may still claim attachments.
    pub(super) decoding: usize,
    pub(super) unclaimed: Unclaimed,
    /// What the calls have claimed that are being answered.
    pub(super) claims: Claims,
    /// The calls that were not sent because an attachment was refused, until they are told.
    pub(super) refused: Vec<(CallId, Arc<io::Error>)>,
    /// Why nothing can be sent any more, while what the peer sent before is still read.
    pub(super) broken: Option<CloseReason>,
}

/// What was decided about a protocol switch that the peer has asked for.
#[derive(Default)]
pub(super) enum Switch {
    #[default]
    None,
    /// Its responder has not decided yet.
    Deciding,
    /// What follows.
    Accepted(Then),
}

/// What follows a switch that both sides have agreed to.
pub(crate) enum Then {
    /// Another protocol.
    HandOver(Successor),
    /// Boxes again, over another transport.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS is the only one"))]
    Upgrade(Upgrade),
}

/// Makes another transport out of the stream of a connection: TLS.
pub(crate) type Upgrade = Box<dyn FnOnce(Switched) -> Upgrading + Send>;

pub(crate) type Upgrading = Pin<Box<dyn Future<Output = Result<Upgraded, CloseReason>> + Send>>;

/// What an upgrade gives.
pub(crate) struct Upgraded {
    pub(crate) transport: Pin<Box<dyn Transport>>,
    /// Data of the connection from now on.
    pub(crate) data: Option<Arc<dyn Any + Send + Sync>>,
}

/// What runs when an answer has been written.
pub(crate) type After = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What speaks on a connection after a protocol switch.
pub(crate) type Successor =
    Box<dyn FnOnce(Switched) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Where the stream goes after a protocol switch that this side has asked for.
#[derive(Default)]
pub(super) enum HandedOver {
    /// Nobody waits for it: it is closed.
    #[default]
    Unwanted,
    Wanted,
    Done(Switched),
    /// It is not handed over: the connection goes on over another transport.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS is the only one"))]
    Upgrade(Upgrade),
}

/// How far a connection has come.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Open,
    /// No more calls are made. What is queued is still sent.
    Closing(CloseReason),
    Ended(CloseReason),
}

impl Phase {
    /// Why no call can be made, if none can.
    pub(super) fn refusal(&self) -> Option<&CloseReason> {
        match self {
            Phase::Open => None,
            Phase::Closing(reason) | Phase::Ended(reason) => Some(reason),
        }
    }
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        attachment_kind: Option<AttachmentKind>,
        transport_limits: BoxLimits,
        address: PeerAddress,
        extensions: Extensions,
        runtime: Handle,
    ) -> Self {
        let Limits { outstanding_calls, boxes, .. } = settings.limits;
        let limits = CoreLimits { outstanding_calls, boxes: boxes.and(transport_limits) };
        let state = State {
            core: Core::new(limits),
            phase: Phase::Open,
            draining: None,
            driver: None,
            line: None,
            missed: false,
            running: 0,
            following: 0,
            running_bytes: 0,
            leftover: None,
            waiting_for_room: false,
            switch: Switch::None,
            handed_over: HandedOver::Unwanted,
            upgraded: false,
            replaced: None,
            taken: 0,
            after: VecDeque::new(),
            decoding: 0,
            unclaimed: Unclaimed::default(),
            claims: Claims::default(),
            refused: Vec::new(),
            broken: None,
        };
        Self {
            state: Mutex::new(state),
            next_ordinal: Mutex::default(),
            ordinals_wanted: AtomicBool::new(false),
            lanes: Lanes::default(),
            attachment_kind,
            bytes_only: AtomicBool::new(false),
            address,
            extensions,
            measures: Measures::new(),
            settings,
            runtime,
            crowded: AtomicBool::new(false),
            news: AtomicBool::new(true),
            eventful: AtomicBool::new(false),
            room: Arc::default(),
            room_passed: AtomicU64::new(0),
            refusing: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// No code of a user runs under this lock, wakers and log subscribers included: it might come
    /// back here. No panic can leave the state half changed, so a poisoned lock is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn is_unlocked(&self) -> bool {
        self.state.try_lock().is_ok()
    }

    /// Watches a call from its beginning: see [`Watch::new`].
    pub(crate) fn watch(&self, side: Side, command: &[u8], known: bool) -> Watch {
        Watch::new(side, command, known, &self.address, &self.measures)
    }

    /// A timer, also outside of a runtime.
    pub(super) fn sleep(&self, after: Duration) -> Pin<Box<Sleep>> {
        let _entered = self.runtime.enter();
        Box::pin(sleep(after))
    }

    /// A future that has so much time, also outside of a runtime.
    pub(crate) fn timeout<F: Future>(&self, after: Duration, future: F) -> Timeout<F> {
        let _entered = self.runtime.enter();
        timeout(after, future)
    }

    /// Goes on over the transport that an upgrade gave.
    pub(super) fn upgraded(&self, data: Option<Arc<dyn Any + Send + Sync>>) {
        if let Some(data) = data {
            self.extensions.add_late(data);
        }
        let dead = {
            let mut state = self.lock();
            state.upgraded = true;
            self.bytes_only.store(true, Ordering::Relaxed);
            state.core.resume();
            state.unclaimed.close()
        };
        drop(dead);
        self.changed.notify_waiters();
    }

    /// Hands the stream to whoever asked for the switch. When nobody waits for it, it is closed.
    pub(super) fn hand_over(&self, stream: Switched) {
        let mut state = self.lock();
        if matches!(state.handed_over, HandedOver::Wanted) {
            state.handed_over = HandedOver::Done(stream);
        } else {
            drop(state);
            drop(stream);
        }
    }

    /// Takes the stream that was handed over, or says why none will be. One look at both: the
    /// connection ends right after it has handed over the stream.
    pub(super) fn take_handed_over(&self) -> Option<Result<Switched, CloseReason>> {
        let mut state = self.lock();
        if matches!(state.handed_over, HandedOver::Done(_))
            && let HandedOver::Done(stream) = std::mem::take(&mut state.handed_over)
        {
            return Some(Ok(stream));
        }
        match &state.phase {
            Phase::Ended(reason) => Some(Err(reason.clone())),
            Phase::Open | Phase::Closing(_) => None,
        }
    }

    /// Nobody waits for the stream any more. One that is there already is closed.
    pub(super) fn forget_switch(&self) {
        let _stream = { std::mem::take(&mut self.lock().handed_over) };
    }

    /// Takes the attachments that nothing has claimed.
    pub(super) fn take_unclaimed(&self) -> Vec<Attachment> {
        let unclaimed = std::mem::take(&mut self.lock().unclaimed);
        unclaimed.into_attachments()
    }

    /// Changes the state, then wakes the driver if it waits and there is something for it to do.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        self.wake_driver(state);
        result
    }

    /// Unlocks the state, which was changed, and wakes the driver if that waits.
    #[inline]
    pub(super) fn wake_driver(&self, mut state: MutexGuard<'_, State>) {
        if !self.crowded.load(Ordering::Relaxed)
            && !matches!(state.has_room(&self.settings.limits), Ok(true))
        {
            self.crowded.store(true, Ordering::Relaxed);
        }
        let driver = state.driver.take();
        state.missed |= driver.is_none();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// A future that resolves when the queue may have room, or `None` when it has. Whoever has
    /// `waited` for such a future looks again by this, and lets the next one look.
    #[inline]
    pub(super) fn room(&self, waited: bool) -> Result<Option<OwnedNotified>, CloseReason> {
        // What changes right after this look is no other than what changes right after one that
        // locks.
        let room = if self.crowded.load(Ordering::Relaxed) { self.look_for_room()? } else { None };
        if waited && room.is_none() {
            self.room_passed.fetch_add(1, Ordering::Relaxed);
            self.room.notify_one();
        }
        Ok(room)
    }

    /// How often somebody who has waited for room has told the next one.
    pub(super) fn room_passed(&self) -> u64 {
        self.room_passed.load(Ordering::Relaxed)
    }

    /// Nobody waits for room any more: there will be none.
    fn refuse_all(&self) {
        self.room.notify_waiters();
        self.refusing.notify_waiters();
    }

    #[cold]
    fn look_for_room(&self) -> Result<Option<OwnedNotified>, CloseReason> {
        let has_room = || {
            let state = self.lock();
            let has_room = state.has_room(&self.settings.limits).map_err(CloseReason::clone)?;
            self.crowded.store(!has_room, Ordering::Relaxed);
            Ok::<_, CloseReason>((!has_room).then_some(state))
        };
        if has_room()?.is_none() {
            return Ok(None);
        }
        // From before the second look on, so that no room is missed that comes in between.
        let room = Arc::clone(&self.room).notified_owned();
        let Some(mut state) = has_room()? else { return Ok(None) };
        state.waiting_for_room = true;
        Ok(Some(room))
    }

    /// Begins to close, unless that has begun for another reason.
    pub(crate) fn close(&self, reason: &CloseReason) {
        let callers = self.update(|state| {
            if state.phase.refusal().is_some() {
                return None;
            }
            let reason = state.first_reason(reason.clone());
            state.phase = Phase::Closing(reason.clone());
            self.note_event();
            Some((reason, state.callers()))
        });
        if let Some((reason, callers)) = callers {
            tracing::debug!(reason = %Report(&reason), "closing the connection");
            callers.into_iter().for_each(Waker::wake);
            self.refuse_all();
        }
    }

    /// Closes because nobody holds the connection any more; but not when the stream is about to be
    /// handed over, to somebody who does.
    pub(super) fn abandon(&self) {
        let agreed = matches!(self.lock().switch, Switch::Accepted(Then::HandOver(_)));
        if !agreed {
            self.close(&CloseReason::Local);
        }
    }

    /// Nothing can be sent any more, while what the peer sent before is still read.
    pub(super) fn break_off(&self, reason: CloseReason) {
        {
            let mut state = self.lock();
            state.broken = Some(reason);
            self.note_event();
            self.crowded.store(true, Ordering::Relaxed);
        }
        self.refuse_all();
    }

    /// Closes once the running responders have answered, or this time is over. The first time that
    /// is given counts.
    pub(crate) fn drain(&self, within: Duration) {
        self.tell(|state| {
            state.draining.get_or_insert(within);
            self.note_event();
        });
    }

    /// The connection has ended: everything that waits for it is told so. The reason is the first
    /// one there was.
    pub(super) fn end(&self, reason: CloseReason) -> CloseReason {
        let mut state = self.lock();
        let reason = match &state.phase {
            Phase::Open => state.first_reason(reason),
            Phase::Closing(reason) | Phase::Ended(reason) => reason.clone(),
        };
        let before = std::mem::replace(&mut state.phase, Phase::Ended(reason.clone()));
        let outliving =
            if matches!(before, Phase::Ended(_)) { 0 } else { state.running + state.following };
        observing::outliving::add(outliving);
        self.crowded.store(true, Ordering::Relaxed);
        let callers = state.callers();
        state.core.resume();
        let unsent = std::mem::take(state.core.outgoing());
        let unwritten = std::mem::take(&mut state.after);
        let switch = std::mem::take(&mut state.switch);
        let replaced = state.replaced.take();
        let (driver, line) = (state.driver.take(), state.line.take());
        let upgrade = matches!(state.handed_over, HandedOver::Upgrade(_))
            .then(|| std::mem::take(&mut state.handed_over));
        Self::release(state);
        #[cfg(feature = "metrics")]
        observing::outliving::report(outliving);
        drop((unsent, unwritten, switch, replaced, driver, line, upgrade));
        self.lanes.end();
        callers.into_iter().for_each(Waker::wake);
        self.refuse_all();
        self.changed.notify_waiters();
        reason
    }

    /// Drops the attachments that nobody can claim any more: those of a connection that has ended,
    /// once the callers have what answers there were.
    pub(super) fn release(mut state: MutexGuard<'_, State>) {
        let over = matches!(state.phase, Phase::Ended(_))
            && !state.unclaimed.has_answers()
            && state.decoding == 0;
        let unclaimed = over.then(|| std::mem::take(&mut state.unclaimed));
        drop(state);
        drop(unclaimed);
    }

    /// Whether the driver has to look for room before it starts a responder.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Whether something has changed that the driver looks at before it starts a responder.
    pub(super) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed)
    }

    /// Whether there is more to the state than calls and answers. The driver sees what was noted
    /// before it was woken, or before it last looked whether it may wait.
    pub(super) fn is_eventful(&self) -> bool {
        self.eventful.load(Ordering::Relaxed)
    }

    /// Notes that there is more to the state than calls and answers. To be called with the state
    /// locked.
    pub(crate) fn note_event(&self) {
        self.eventful.store(true, Ordering::Relaxed);
    }

    /// The driver looks at the state.
    pub(super) fn look(&self) -> MutexGuard<'_, State> {
        let state = self.lock();
        self.news.store(false, Ordering::Relaxed);
        if let Ok(has_room) = state.has_room(&self.settings.limits) {
            self.crowded.store(!has_room, Ordering::Relaxed);
        }
        state
    }

    /// Changes what the driver looks at before it starts a responder.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut State)) {
        self.update(|state| {
            change(state);
            self.news.store(true, Ordering::Relaxed);
        });
    }

    /// Lets these responders answer from the next call on.
    pub(crate) fn replace_locator(&self, locator: Arc<Locator>) {
        // The one that is not needed is dropped once the lock is.
        let mut dropped = Some(locator);
        self.tell(|state| {
            if !matches!(state.phase, Phase::Ended(_)) {
                std::mem::swap(&mut state.replaced, &mut dropped);
            }
        });
    }
}

impl State {
    /// Why no call can be made, if none can.
    pub(super) fn refusal(&self) -> Option<&CloseReason> {
        self.phase.refusal().or(self.broken.as_ref())
    }

    /// Why the connection ends, when this is why it ends now. That the peer went is what follows
    /// when nothing could be sent to it; when the stream broke because it went, it is the reason.
    fn first_reason(&self, reason: CloseReason) -> CloseReason {
        let went = matches!(reason, CloseReason::Peer | CloseReason::Truncated { .. });
        match &self.broken {
            Some(CloseReason::Io(error)) if went && is_of_peer(error) => reason,
            Some(broken) if went => broken.clone(),
            _ => reason,
        }
    }

    /// Whether another call may be queued now, or why none will be.
    fn has_room(&self, limits: &Limits) -> Result<bool, &CloseReason> {
        match self.refusal() {
            Some(reason) => Err(reason),
            None => Ok(self.core.queued() < limits.send_queue
                && self.core.queued_boxes() < limits.send_queue_boxes),
        }
    }

    /// Takes all that is queued, to be written.
    pub(super) fn take_queued(&mut self, writing: &mut Outgoing) {
        self.core.outgoing().take(writing);
        self.taken += writing.len() as u64;
    }

    /// Queues a command that wants no answer.
    pub(super) fn notify(&mut self, command: &[u8], body: &mut Body) -> Result<(), CallError> {
        if let Some(reason) = self.refusal() {
            return Err(CallError::Closed(reason.clone()));
        }
        self.core.notify(command, body).map_err(|error| CallError::Encode(error.into()))
    }

    /// Queues an answer; one that comes when the connection has ended is dropped.
    pub(crate) fn answer(&mut self, tag: &[u8], body: &mut Body) -> Result<(), BoxError> {
        if matches!(self.phase, Phase::Ended(_)) { Ok(()) } else { self.core.answer(tag, body) }
    }

    /// Queues an answer, and what runs when that is written. It stays where it is when the answer
    /// is over a limit, and when the connection has ended.
    pub(crate) fn answer_then(
        &mut self,
        tag: &[u8],
        body: &mut Body,
        after: &mut Option<After>,
    ) -> Result<(), BoxError> {
        if matches!(self.phase, Phase::Ended(_)) {
            return Ok(());
        }
        self.core.answer(tag, body)?;
        let written = self.taken + self.core.queued() as u64;
        self.after.extend(after.take().map(|after| (written, after)));
        Ok(())
    }

    /// Queues a failure; one that comes when the connection has ended is dropped.
    pub(crate) fn fail(&mut self, tag: &[u8], code: &[u8], description: &str) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.core.fail(tag, code, description);
        }
    }

    /// Queues a refusal because the connection is about to end; one that comes when it has ended is
    /// dropped.
    pub(crate) fn refuse(&mut self, tag: &[u8]) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.core.refuse(tag);
        }
    }

    /// Why a call was not sent, if an attachment of it was refused. It is over then.
    pub(super) fn take_refused(&mut self, id: CallId) -> Option<Arc<io::Error>> {
        let at = self.refused.iter().position(|(refused, _)| *refused == id)?;
        Some(self.refused.swap_remove(at).1)
    }

    /// Agrees to a protocol switch; or gives back what it would have been to, and says why not.
    pub(crate) fn accept_switch(&mut self, tag: &[u8], then: Then) -> Result<(), (Then, String)> {
        if let Some(reason) = self.phase.refusal() {
            return Err((then, Report(reason).to_string()));
        }
        if self.upgraded && matches!(then, Then::Upgrade(_)) {
            return Err((then, "TLS has been started before".to_owned()));
        }
        match self.core.accept_switch(tag) {
            Ok(()) => self.switch = Switch::Accepted(then),
            Err(error) => return Err((then, Report(&error).to_string())),
        }
        Ok(())
    }

    /// The peer's switch was not agreed to: the boxes go on.
    pub(crate) fn refuse_switch(&mut self) {
        self.switch = Switch::None;
    }

    /// Who is to be woken to look at the phase again.
    fn callers(&mut self) -> Vec<Waker> {
        self.core.waiters().map(|waiter| waiter.clone()).collect()
    }
}

/// Whether a write fails so because the peer has closed the stream.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}
