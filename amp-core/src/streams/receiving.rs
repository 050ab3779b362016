//! The end of a stream that receives, as its stream and the connection share it.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

use super::error::StreamError;
use super::held::Held;
use super::hub::Hub;
use super::receive::Receive;
use super::sending::OtherEnd;
use super::wire::{self, BAD_ITEM, CALLS, End, ITEM, LIST, Window};
use crate::argument::{Argument, DecodeError, Proto, read_keys};
use crate::boxes::{AmpBox, BoxLimits, BoxReader, Value};
use crate::connection::Peer;
use crate::proto::{BoxNumber, LimitKind};
use crate::report::Report;
use crate::responder::{Question, Undeclared};

/// An item came in a box that was within the limits, so nothing else limits it.
const UNLIMITED: BoxLimits = BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX };

pub(super) struct Receiving<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    stage: Stage,
    other: OtherEnd,
    parcels: VecDeque<Parcel<T>>,
    /// How many calls are not answered that have brought items, and how much they have brought.
    calls: usize,
    load: Window,
    /// How the stream ends, behind the parcels.
    ending: Option<Ended>,
    consumer: Option<Waker>,
}

enum Stage {
    /// The other end is still on this side.
    Unsent,
    /// The other end was sent, and has not said that it is there.
    Sent(Arc<Hub>, u64),
    Open(Open),
    /// Nothing more comes.
    Over,
}

struct Open {
    hub: Arc<Hub>,
    number: u64,
    peer: Peer,
}

struct Ended {
    end: Result<(), StreamError>,
    question: Option<Question>,
    /// What those hold that came from the peer.
    _held: Option<Held>,
}

/// The items of one call.
pub(super) struct Parcel<T> {
    items: Items<T>,
    load: Window,
    question: Question,
    /// Dropped after the items.
    _held: Held,
    _claims: Option<Claims>,
}

/// Counts what a box has claimed until its items are taken.
struct Claims {
    peer: Peer,
    number: BoxNumber,
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.peer.shared().with(|state| state.core.let_go(self.number));
    }
}

enum Items<T> {
    /// A `ListOf` them, and where the next one is.
    List(Bytes, usize),
    /// The box of one, until that is read.
    Alone(Option<AmpBox>),
    /// The bytes of such a box, whose index would take as much again.
    Packed(Option<Bytes>),
    /// Those that were read when they came, since they may name attachments.
    Read(VecDeque<Result<T, DecodeError>>),
}

impl<T> Parcel<T> {
    /// Reads the next item.
    pub(super) fn next(&mut self) -> Option<Result<T, DecodeError>>
    where
        T: Argument,
    {
        match &mut self.items {
            Items::Read(items) => items.pop_front(),
            Items::Alone(ampbox) => {
                let ampbox = ampbox.take()?;
                Some(self.read_alone(&ampbox))
            }
            Items::Packed(bytes) => {
                let ampbox = AmpBox::parse(&mut bytes.take()?, UNLIMITED);
                Some(ampbox.map_err(DecodeError::from).and_then(|ampbox| self.read_alone(&ampbox)))
            }
            Items::List(list, at) => {
                let len = length_at(list, *at)?;
                let start = *at + 2;
                *at = start + len;
                let item = Value::from(&*list).part(start..*at);
                Some(self.question.peer().read_value(len, |proto| {
                    proto.nested(|proto| T::from_string_proto(item, proto))
                }))
            }
        }
    }

    /// Reads the item of its box.
    fn read_alone(&self, ampbox: &AmpBox) -> Result<T, DecodeError>
    where
        T: Argument,
    {
        let read = |ampbox: &AmpBox, proto: &mut Proto<'_>| {
            read_keys(ampbox, proto, false, |input, proto| {
                wire::take_number(input);
                T::from_box(ITEM, input, proto)
            })
        };
        self.question.peer().decode_with(ampbox, None, read)
    }

    pub(super) fn is_taken(&self) -> bool {
        match &self.items {
            Items::Read(items) => items.is_empty(),
            Items::Alone(ampbox) => ampbox.is_none(),
            Items::Packed(bytes) => bytes.is_none(),
            Items::List(list, at) => *at >= list.len(),
        }
    }

    /// The stream is dropped before all of them were taken.
    pub(super) fn refuse(self) {
        refuse(self.question);
    }
}

fn refuse(question: Question) {
    wire::refuse(question, "The stream is over");
}

impl<T> Receiving<T> {
    pub(super) fn new() -> Self {
        let state = State {
            stage: Stage::Unsent,
            parcels: VecDeque::new(),
            other: OtherEnd::Here,
            calls: 0,
            load: Window::NOTHING,
            ending: None,
            consumer: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Whether the other end was sent.
    pub(super) fn is_bound(&self) -> bool {
        self.lock().other != OtherEnd::Here
    }

    /// The other end is dropped. Whether it was sent.
    pub(super) fn other_goes(&self) -> bool {
        let mut state = self.lock();
        state.other.goes()
    }

    /// The other end is about to be sent under this number. Whether it was not before. Where nobody
    /// receives any more, the number is free, so the sink is stopped when it is taken.
    pub(super) fn bind(&self, hub: &Arc<Hub>, number: u64) -> bool {
        let mut state = self.lock();
        if state.other != OtherEnd::Here {
            return false;
        }
        state.other = OtherEnd::Sent;
        let over = matches!(state.stage, Stage::Over);
        if !over {
            state.stage = Stage::Sent(Arc::clone(hub), number);
        }
        drop(state);
        if over {
            hub.forget_receiving(number, self);
        }
        true
    }

    /// Lets the sender begin.
    pub(super) fn open(&self, hub: &Arc<Hub>, number: u64, peer: &Peer) {
        // Before the driver can see that it is open, and that it is over.
        peer.shared().with(|state| state.core.await_stream(true));
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Unsent | Stage::Sent(..)) {
            drop(state);
            peer.shared().with(|state| state.core.await_stream(false));
            return;
        }
        let open = Open { hub: Arc::clone(hub), number, peer: peer.clone() };
        let before = std::mem::replace(&mut state.stage, Stage::Open(open));
        drop(state);
        drop(before);
        wire::tell(peer, wire::OPEN, number, Some(hub.window()));
        self.changed.notify_waiters();
        // It may have ended before it was known there.
        if let Some(reason) = peer.shared().over() {
            self.end(Err(StreamError::Closed(reason)), None);
        }
    }

    /// Nothing more comes, as the other end was dropped before it was sent.
    pub(super) fn fail(&self, error: StreamError) {
        self.end(Err(error), None);
    }

    /// The peer has done what it may not, which costs it the stream and nothing else.
    fn break_off(&self, mut question: Question, error: StreamError) {
        tracing::debug!(error = %Report::new(&error), "a stream was broken off");
        if question.requires_answer() {
            question.fail_with(BAD_ITEM, &error.to_string());
        } else {
            question.answer(&());
        }
        self.end(Err(error), None);
    }

    /// Nothing more comes behind what has come.
    fn end(&self, end: Result<(), StreamError>, question: Option<Question>) {
        self.end_if(end, question, None, |stage| !matches!(stage, Stage::Over));
    }

    fn end_if(
        &self,
        end: Result<(), StreamError>,
        question: Option<Question>,
        held: Option<Held>,
        ends: impl FnOnce(&Stage) -> bool,
    ) {
        let mut state = self.lock();
        if !ends(&state.stage) {
            drop(state);
            question.into_iter().for_each(refuse);
            return;
        }
        let before = std::mem::replace(&mut state.stage, Stage::Over);
        state.ending = Some(Ended { end, question, _held: held });
        let consumer = state.consumer.take();
        drop(state);
        before.leave(self);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        self.changed.notify_waiters();
    }

    /// Nobody takes anything more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.stage, Stage::Over);
        let parcels = std::mem::take(&mut state.parcels);
        let ending = state.ending.take();
        drop(state);
        let told = match &before {
            Stage::Open(Open { peer, number, .. }) => Some((peer.clone(), *number)),
            _ => None,
        };
        before.leave(self);
        if let Some((peer, number)) = told {
            wire::tell(&peer, wire::STOP, number, None);
        }
        let questions = parcels.into_iter().map(|parcel| parcel.question);
        questions.chain(ending.and_then(|ending| ending.question)).for_each(refuse);
        self.changed.notify_waiters();
    }

    /// Waits for items, or the end behind them.
    pub(super) fn poll_parcel(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Parcel<T>, StreamError>>> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if let Some(parcel) = state.parcels.pop_front() {
            return Poll::Ready(Some(Ok(parcel)));
        }
        if let Some(Ended { end, question, _held: held }) = state.ending.take() {
            drop(state);
            drop(held);
            if let Some(mut question) = question {
                question.answer(&());
            }
            return Poll::Ready(end.err().map(Err));
        }
        if matches!(state.stage, Stage::Over) {
            return Poll::Ready(None);
        }
        std::mem::swap(&mut state.consumer, &mut waker);
        drop(state);
        Poll::Pending
    }

    /// All items of a call are taken.
    pub(super) fn taken(&self, parcel: Parcel<T>) {
        let Parcel { load, mut question, _claims: claims, _held: held, .. } = parcel;
        drop((held, claims));
        let mut state = self.lock();
        state.calls -= 1;
        state.load.remove(load);
        drop(state);
        question.answer(&());
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Nothing more comes under the number.
    fn leave<T>(self, receiving: &Receiving<T>) {
        match self {
            Self::Open(Open { hub, number, peer }) => {
                hub.forget_receiving(number, receiving);
                peer.shared().with(|state| state.core.await_stream(false));
            }
            Self::Sent(hub, number) => hub.forget_receiving(number, receiving),
            Self::Unsent | Self::Over => {}
        }
    }
}

impl<T: Argument + Send + 'static> Receiving<T> {
    /// Keeps items that came, which are read when they are taken, but where they may name attachments.
    fn keep(
        question: &mut Question,
        ampbox: &AmpBox,
        held: &mut Held,
        may_claim: bool,
    ) -> Result<Items<T>, StreamError> {
        if !may_claim {
            return Ok(match ampbox.value(LIST) {
                // What it came in may be many times as large.
                Some(list) => Items::List(Bytes::copy_from_slice(&list), 0),
                None if ampbox.index_size() > 0 => Items::Packed(Some(ampbox.to_bytes())),
                None if held.may_keep_buffer(ampbox.size()) => Items::Alone(Some(ampbox.clone())),
                None => Items::Alone(Some(ampbox.unshared())),
            });
        }
        // Items may share what they are read from, which may be many times as large.
        let list = ampbox.value(LIST).map(|list| Bytes::copy_from_slice(&list));
        let own = if list.is_none() { Some(ampbox.unshared()) } else { None };
        let read = |input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
            wire::take_number(input);
            input.take(LIST);
            let Some(list) = list.as_ref().map(Value::from) else {
                return Ok(VecDeque::from([T::from_box(ITEM, input, proto)]));
            };
            let mut at = 0;
            let mut items = VecDeque::new();
            while let Some(len) = length_at(&list, at) {
                let item = list.part(at + 2..at + 2 + len);
                items.push_back(proto.nested(|proto| T::from_string_proto(item, proto)));
                at += 2 + len;
            }
            Ok(items)
        };
        let read = |ampbox: &AmpBox, proto: &mut Proto<'_>| read_keys(ampbox, proto, false, read);
        match question.read_with(own.as_ref().unwrap_or(ampbox), read) {
            Ok(items) => Ok(Items::Read(items)),
            Err(Undeclared::TooMany { what, limit }) => Err(StreamError::Limit { what, limit }),
            Err(Undeclared::Decode(error)) => Ok(Items::Read(VecDeque::from([Err(error)]))),
            Err(other) => {
                let error = DecodeError::custom(other.to_string());
                Ok(Items::Read(VecDeque::from([Err(error)])))
            }
        }
    }

    /// How much a call brings.
    fn load(ampbox: &AmpBox) -> Result<Window, StreamError> {
        let Some(list) = ampbox.value(LIST) else {
            return Ok(Window { items: 1, bytes: ampbox.size(), attachments: 0 });
        };
        let what = "a list that ends within an item";
        let items = count_elements(&list)
            .ok_or_else(|| StreamError::Malformed { what: what.to_owned() })?;
        Ok(Window { items, bytes: list.len(), attachments: 0 })
    }

    /// Takes up room for so much more, if the stream is open and may have it.
    fn take_room(&self, load: Window) -> Option<Result<Arc<Hub>, StreamError>> {
        let mut state = self.lock();
        let Stage::Open(Open { hub, .. }) = &state.stage else { return None };
        let (hub, window) = (Arc::clone(hub), hub.window());
        let mut all = state.load;
        all.add(load);
        let calls = state.calls + 1;
        for (count, what, limit) in [
            (all.bytes, LimitKind::StreamBytes, window.bytes),
            (all.items, LimitKind::StreamItems, window.items),
            (calls, LimitKind::StreamCalls, CALLS),
        ] {
            if count > limit {
                return Some(Err(StreamError::TooMuch { what, limit }));
            }
        }
        if load.items > 0 {
            (state.load, state.calls) = (all, calls);
        }
        Some(Ok(hub))
    }
}

/// The length of the element at this place of a `ListOf`, if there is one.
fn length_at(list: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes([*list.get(at)?, *list.get(at + 1)?])))
}

/// Returns how many elements a `ListOf` has; `None` when it ends within one.
fn count_elements(list: &[u8]) -> Option<usize> {
    let (mut at, mut count) = (0, 0);
    while at < list.len() {
        at += 2 + length_at(list, at)?;
        count += 1;
    }
    (at == list.len()).then_some(count)
}

impl<T: Argument + Send + 'static> Receive for Receiving<T> {
    fn handle_items(&self, mut question: Question, ampbox: &AmpBox, number: Option<BoxNumber>) {
        let claims = number.map(|number| Claims { peer: question.peer().clone(), number });
        let load = match Self::load(ampbox) {
            Ok(load) => load,
            Err(error) => return self.break_off(question, error),
        };
        let hub = match self.take_room(load) {
            Some(Ok(hub)) => hub,
            Some(Err(error)) => return self.break_off(question, error),
            None => return refuse(question),
        };
        if load.items == 0 {
            question.answer(&());
            return;
        }
        // The items are a user's, so nothing is locked.
        let kept = Held::new(hub.holding(), question.extra() + load.bytes).and_then(|mut held| {
            Self::keep(&mut question, ampbox, &mut held, number.is_some())
                .map(|items| (items, held))
        });
        let (items, held) = match kept {
            Ok(kept) => kept,
            Err(error) => return self.break_off(question, error),
        };
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Open(_)) {
            drop(state);
            return refuse(question);
        }
        state.parcels.push_back(Parcel { items, load, question, _held: held, _claims: claims });
        let consumer = state.consumer.take();
        drop(state);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }

    fn handle_end(&self, question: Question, end: End) {
        let hub = match &self.lock().stage {
            Stage::Open(Open { hub, .. }) => Some(Arc::clone(hub)),
            _ => None,
        };
        let Some(hub) = hub else { return refuse(question) };
        let (end, bytes) = match end {
            End::Closed => (Ok(()), 0),
            End::Failed(error) => {
                let bytes = error.code.len() + error.description.len();
                (Err(StreamError::Failed(error)), bytes)
            }
            End::Dropped => (Err(StreamError::Unfinished), 0),
        };
        match Held::new(hub.holding(), question.extra() + bytes) {
            Ok(held) => {
                let ends = |stage: &Stage| !matches!(stage, Stage::Over);
                self.end_if(end, Some(question), Some(held), ends);
            }
            Err(error) => self.break_off(question, error),
        }
    }

    fn handle_taken(&self, peer: &Peer) {
        let sent = match &self.lock().stage {
            Stage::Sent(hub, number) => Some((Arc::clone(hub), *number)),
            _ => None,
        };
        if let Some((hub, number)) = sent {
            self.open(&hub, number, peer);
        }
    }

    fn fail(&self, error: StreamError) {
        Self::fail(self, error);
    }

    fn not_taken(&self) {
        let not_taken = Err(StreamError::NotTaken);
        self.end_if(not_taken, None, None, |stage| matches!(stage, Stage::Sent(..)));
    }

    fn unbind(&self) {
        let mut state = self.lock();
        if state.other == OtherEnd::Gone {
            drop(state);
            self.not_taken();
            return;
        }
        if matches!(state.stage, Stage::Sent(..)) {
            let before = std::mem::replace(&mut state.stage, Stage::Unsent);
            state.other = OtherEnd::Here;
            drop(state);
            before.leave(self);
        }
    }

    fn is_awaited(&self) -> bool {
        matches!(self.lock().stage, Stage::Sent(..))
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }
}
