//! The end of a stream that sends, as its sink, its pump and the connection share it.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

use super::awaited::Awaited;
use super::error::SinkError;
use super::wire::{Content, End, Window, WriteItem};
use crate::connection::Peer;

/// How many bytes and calls wait for the pump at most, before the sink takes no more items.
const ROOM: usize = 64 << 10;
const CALLS: usize = 4;

/// How many bytes of items share a box at most.
const SHARED: usize = 60_000;

pub(super) struct Sending {
    state: Mutex<State>,
    /// Notified when the stream is open, and when it is over.
    changed: Notify,
}

struct State {
    stage: Stage,
    other: OtherEnd,
    parcels: VecDeque<Parcel>,
    /// How many bytes those have.
    waiting: usize,
    /// How much shares a box.
    most: Window,
    /// How the sink has ended, if it has.
    end: Option<End>,
    /// Whether the receiver has taken all, and the end.
    done: bool,
    /// Whether the last parcel is not queued yet.
    pumping: bool,
    /// The items that could not be written, until the sink is told.
    unwritable: VecDeque<SinkError>,
    producer: Option<Waker>,
    pump: Option<Waker>,
}

/// Where the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherEnd {
    /// On this side.
    Here,
    /// It was sent, and perhaps can be again.
    Sent,
    /// It was sent, and then dropped on this side.
    Gone,
}

impl OtherEnd {
    /// It is dropped on this side. Whether it was sent.
    pub(super) fn goes(&mut self) -> bool {
        if *self == Self::Sent {
            *self = Self::Gone;
        }
        *self != Self::Here
    }
}

enum Stage {
    /// The other end is still on this side.
    Unsent,
    /// The number is given out, and the receiver has not said that it is there.
    Sent(Awaited),
    Open(Peer, Window),
    Over(SinkError),
}

/// The items of one call, and how much they count.
pub(super) struct Parcel {
    pub(super) content: Parceled,
    pub(super) load: Window,
}

pub(super) enum Parceled {
    List(BytesMut),
    Item(WriteItem),
}

impl Parcel {
    pub(super) fn into_content(self) -> Content {
        match self.content {
            Parceled::List(items) => Content::List(items.freeze()),
            Parceled::Item(write) => Content::Item(write),
        }
    }
}

/// What the pump sends next.
pub(super) enum Next {
    Parcel(Parcel),
    End(End),
    Over,
}

impl State {
    fn takes_more(&self) -> Result<(), SinkError> {
        match &self.stage {
            Stage::Over(error) => Err(error.clone()),
            _ if self.end.is_some() => Err(SinkError::Ended),
            _ => Ok(()),
        }
    }

    /// A stream that lacks items which its sink has not been told of does not end well.
    fn tell_of_gaps(&mut self) {
        if !self.unwritable.is_empty() && self.end == Some(End::Closed) {
            self.end = Some(End::Dropped);
        }
    }
}

impl Sending {
    pub(super) fn new() -> Self {
        let state = State {
            stage: Stage::Unsent,
            other: OtherEnd::Here,
            parcels: VecDeque::new(),
            waiting: 0,
            most: Window { items: 1, bytes: SHARED, attachments: 0 },
            end: None,
            done: false,
            pumping: false,
            unwritable: VecDeque::new(),
            producer: None,
            pump: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The other end is about to be sent. Whether it was not before.
    pub(super) fn bind(&self, peer: &Peer) -> bool {
        let awaited = Awaited::new(peer);
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Unsent) {
            drop(state);
            drop(awaited);
            return false;
        }
        state.stage = Stage::Sent(awaited);
        state.other = OtherEnd::Sent;
        true
    }

    /// The other end is dropped. Whether it was sent.
    pub(super) fn other_goes(&self) -> bool {
        let mut state = self.lock();
        state.other.goes()
    }

    /// The other end was not sent after all, unless the receiver has said that it is there. It may be
    /// sent again, if somebody has it. Whether nothing more comes of the number.
    pub(super) fn unbind(&self) -> bool {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Sent(_)) {
            return false;
        }
        if state.other == OtherEnd::Gone {
            drop(state);
            self.not_taken();
            return !self.is_open();
        }
        let before = std::mem::replace(&mut state.stage, Stage::Unsent);
        state.other = OtherEnd::Here;
        drop(state);
        drop(before);
        true
    }

    /// Whether the other end was sent.
    pub(super) fn is_bound(&self) -> bool {
        self.lock().other != OtherEnd::Here
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.lock().stage, Stage::Open(..))
    }

    /// Whether the other end was sent, and the receiver has not said that it is there.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.lock().stage, Stage::Sent(_))
    }

    /// The receiver is there, if that is new.
    pub(super) fn open(&self, peer: &Peer, window: Window) -> Option<Awaited> {
        let open = Stage::Open(peer.clone(), window);
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Sent(_)) {
            drop(state);
            return None;
        }
        let before = std::mem::replace(&mut state.stage, open);
        state.most = Window {
            items: (window.items / 4).max(1),
            bytes: (window.bytes / 4).clamp(1, SHARED),
            attachments: 0,
        };
        self.tell(state);
        if let Stage::Sent(awaited) = before { Some(awaited) } else { None }
    }

    /// Nothing more is sent, unless that was so before.
    pub(super) fn fail(&self, error: SinkError) {
        self.fail_if(error, |stage| !matches!(stage, Stage::Over(_)));
    }

    /// The receiver has not said in time that it is there.
    pub(super) fn not_taken(&self) {
        self.fail_if(SinkError::NotTaken, |stage| matches!(stage, Stage::Sent(_)));
    }

    fn fail_if(&self, error: SinkError, fails: impl FnOnce(&Stage) -> bool) {
        let mut state = self.lock();
        if !fails(&state.stage) {
            return;
        }
        let before = std::mem::replace(&mut state.stage, Stage::Over(error));
        let parcels = std::mem::take(&mut state.parcels);
        self.tell(state);
        // Items may be a user's, and the peer may be the last.
        drop((before, parcels));
    }

    /// The receiver has taken all, and the end.
    pub(super) fn finish(&self) {
        self.lock().done = true;
        self.fail(SinkError::Ended);
    }

    /// Wakes all who wait for this end.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let wakers = [state.producer.take(), state.pump.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        self.changed.notify_waiters();
    }

    /// Resolves when nothing more can be sent, to the reason.
    pub(super) async fn over(&self) -> SinkError {
        loop {
            let changed = self.changed.notified();
            if let Some(error) = self.error() {
                return error;
            }
            changed.await;
        }
    }

    /// Resolves when it is known whether the receiver is there.
    pub(super) async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.is_awaited() {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn error(&self) -> Option<SinkError> {
        match &self.lock().stage {
            Stage::Over(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// The peer, and how much may be on its way, once the stream is open.
    pub(super) fn opened(&self) -> Option<(Peer, Window)> {
        match &self.lock().stage {
            Stage::Open(peer, window) => Some((peer.clone(), *window)),
            _ => None,
        }
    }

    /// Waits for room for an item.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll(cx, |state| match &state.stage {
            Stage::Over(error) => Some(Err(error.clone())),
            _ if state.end.is_some() => Some(Err(SinkError::Ended)),
            Stage::Open(..) if state.waiting < ROOM && state.parcels.len() < CALLS => Some(Ok(())),
            _ => None,
        })
    }

    /// Waits until all items are queued.
    pub(super) fn poll_sent(&self, cx: &Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll(cx, |state| match &state.stage {
            Stage::Over(error) if !state.done => Some(Err(error.clone())),
            _ if state.parcels.is_empty() && !state.pumping => Some(Ok(())),
            _ => None,
        })
    }

    /// Waits until the receiver has taken all, and the end.
    pub(super) fn poll_done(&self, cx: &Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll(cx, |state| match &state.stage {
            _ if state.done => Some(Ok(())),
            Stage::Over(error) => Some(Err(error.clone())),
            _ => None,
        })
    }

    /// Waits until there is something to say; what is wrong with an item goes before.
    fn poll(
        &self,
        cx: &Context<'_>,
        say: impl Fn(&State) -> Option<Result<(), SinkError>>,
    ) -> Poll<Result<(), SinkError>> {
        let mut waker = None;
        loop {
            let mut state = self.lock();
            if let Some(error) = state.unwritable.pop_front() {
                return Poll::Ready(Err(error));
            }
            if let Some(said) = say(&state) {
                return Poll::Ready(said);
            }
            // Wakers are cloned and dropped with nothing locked.
            if waker.is_some() {
                std::mem::swap(&mut state.producer, &mut waker);
                drop(state);
                return Poll::Pending;
            }
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// Adds an item that may share a box with others: its form in a `ListOf`.
    pub(super) fn push_shared(&self, item: &[u8]) -> Result<(), SinkError> {
        let mut state = self.lock();
        state.takes_more()?;
        let most = state.most;
        state.waiting += item.len();
        match state.parcels.back_mut() {
            Some(Parcel { content: Parceled::List(items), load })
                if load.items < most.items && load.bytes + item.len() <= most.bytes =>
            {
                items.extend_from_slice(item);
                load.items += 1;
                load.bytes += item.len();
            }
            _ => {
                let load = Window { items: 1, bytes: item.len(), attachments: 0 };
                let content = Parceled::List(BytesMut::from(item));
                state.parcels.push_back(Parcel { content, load });
            }
        }
        self.wake_pump(state);
        Ok(())
    }

    /// Adds an item that has a box of its own, and counts for so much.
    pub(super) fn push_alone(&self, load: Window, write: WriteItem) -> Result<(), SinkError> {
        let mut state = self.lock();
        if let Err(error) = state.takes_more() {
            drop(state);
            return Err(error);
        }
        state.waiting += load.bytes;
        state.parcels.push_back(Parcel { content: Parceled::Item(write), load });
        self.wake_pump(state);
        Ok(())
    }

    /// Whether the sink has said how it ends.
    pub(super) fn has_end(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Ends the sink, unless that was done before.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.tell_of_gaps();
        }
        self.wake_pump(state);
    }

    #[allow(clippy::unused_self, reason = "the state is its own")]
    fn wake_pump(&self, mut state: MutexGuard<'_, State>) {
        let pump = state.pump.take();
        drop(state);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    /// An item could not be written.
    pub(super) fn report(&self, error: SinkError) {
        let mut state = self.lock();
        state.unwritable.push_back(error);
        state.tell_of_gaps();
        let producer = state.producer.take();
        drop(state);
        if let Some(producer) = producer {
            producer.wake();
        }
    }

    /// Tells the pump when the stream is over, and whether it is.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if matches!(state.stage, Stage::Over(_)) {
            return Poll::Ready(());
        }
        std::mem::swap(&mut state.pump, &mut waker);
        drop(state);
        Poll::Pending
    }

    /// Takes what is to be sent next, if it `fits`, and the end if that may be sent. What was taken before is
    /// queued.
    pub(super) fn poll_next(
        &self,
        cx: &Context<'_>,
        fits: impl FnOnce(Window) -> bool,
        may_end: bool,
    ) -> Poll<Next> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if std::mem::take(&mut state.pumping) && state.parcels.is_empty() {
            let producer = state.producer.take();
            drop(state);
            producer.into_iter().for_each(Waker::wake);
            state = self.lock();
        }
        if matches!(state.stage, Stage::Over(_)) {
            return Poll::Ready(Next::Over);
        }
        let taken = match state.parcels.front() {
            Some(parcel) if fits(parcel.load) => state.parcels.pop_front(),
            Some(_) => None,
            None => match &state.end {
                Some(end) if may_end => return Poll::Ready(Next::End(end.clone())),
                _ => None,
            },
        };
        let Some(parcel) = taken else {
            std::mem::swap(&mut state.pump, &mut waker);
            drop(state);
            return Poll::Pending;
        };
        state.waiting -= parcel.load.bytes;
        state.pumping = true;
        let producer = state.producer.take();
        drop(state);
        if let Some(producer) = producer {
            producer.wake();
        }
        Poll::Ready(Next::Parcel(parcel))
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
