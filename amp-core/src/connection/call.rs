use bytes::Bytes;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use super::peer::Peer;
use super::shared::{Discard, Shared, State, Then};
use super::staging::AllCarried;
use super::waiting::Waiting;
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxError, BoxReader, BoxWriter, MAX_VALUE};
use crate::command::{Arguments, Command, CommandError, NoError, read_arguments};
use crate::error::CallError;
use crate::observing::{Side, Watch};
use crate::proto::{Answer, BoxNumber, CallId, CallOutcome};
use crate::shorten::Shortened;

impl Peer {
    /// Calls the peer. Nothing is sent until the returned future is awaited. It may be awaited on any
    /// runtime, since the connection's own runtime keeps its timeout.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. A call that fails does not affect the connection by itself. An error that is
    /// declared `fatal` closes it, and Twisted closes it after any error that is not declared.
    ///
    /// A one-way command does not compile here, which `cargo check` does not find. Send it by
    /// [`notify`](Peer::notify), or call it as [`Answered`](crate::Answered).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before its first poll, nothing is sent. After that, the call may have
    /// been sent and may be acted upon. Its answer is ignored.
    #[doc(alias = "callRemote")]
    pub fn call_remote<C: Command>(&self, command: C) -> Call<C> {
        const { assert!(C::REQUIRES_ANSWER, "use `notify` or `Answered` for one-way commands") };
        Call::new(self.clone(), command)
    }

    /// Calls a command by its name, with arguments as they are on the wire, like Twisted's
    /// `callRemoteString`. The answer is a box, without the protocol's own keys.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Peer::call_remote), except that no error is typed.
    ///
    /// # Cancel safety
    ///
    /// As [`call_remote`](Peer::call_remote).
    #[doc(alias = "callRemoteString")]
    pub fn call_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> NamedCall
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        NamedCall::new(self.clone(), command.as_ref(), AmpBox::from_pairs(arguments))
    }
}

/// A call of a typed command. Await it for the response.
///
/// [`Peer::call_remote`] returns it, and describes its errors and its cancel safety.
#[must_use = "a call is not made before it is awaited"]
pub struct Call<C: Command> {
    command: Option<C>,
    exchange: Exchange,
}

impl<C: Command> Call<C> {
    pub(super) fn new(peer: Peer, command: C) -> Self {
        let exchange = Exchange::new(peer, true, Some(discard::<C::Response>));
        Self { command: Some(command), exchange }
    }

    /// Sets how long the call may take, counted from its first poll. This replaces the connection's
    /// [`call_timeout`](crate::Connection::call_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.waiting.set_timeout(Some(timeout));
        self
    }

    /// Lets the call be one of a stream: it takes any time, whatever the connection's own timeout is, and
    /// has a place beside the program's calls.
    pub(crate) fn of_stream(mut self) -> Self {
        self.exchange.of_stream = true;
        self.exchange.waiting.set_timeout(None);
        self
    }

    /// Returns whether the call is queued.
    pub(crate) fn is_queued(&self) -> bool {
        !matches!(self.exchange.stage, Stage::New)
    }
}

// The command is never pinned: it is encoded, and dropped.
impl<C: Command> Unpin for Call<C> {}

impl<C: Command> Future for Call<C> {
    type Output = Result<C::Response, CallError<C::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, exchange } = &mut *self;
        let name = C::NAME.as_bytes();
        // There is a command until it is encoded. It is dropped where nothing is locked: it is the user's.
        if command.is_some() {
            ready!(exchange.poll_room(cx, name)).map_err(CallError::widen)?;
            if let Some(taken) = command.take() {
                exchange
                    .queue(cx.waker().clone(), name, |out, proto| taken.write_to(out, proto))
                    .map_err(CallError::widen)?;
                return exchange.poll_queued(cx).map(|error| Err(error.widen()));
            }
        }
        let answer = ready!(exchange.poll_answer(cx));
        Poll::Ready(match answer.map_err(CallError::widen)? {
            Ok(ampbox) => exchange.decode(&ampbox).map_err(CallError::Decode),
            Err(error) => Err(CallError::of(error, C::NAME.as_bytes())),
        })
    }
}

impl<C: Command> fmt::Debug for Call<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("command", &C::NAME).finish_non_exhaustive()
    }
}

/// A call of a command by its name. Await it for the box of the answer.
///
/// [`Peer::call_by_name`] returns it.
#[must_use = "a call is not made before it is awaited"]
pub struct NamedCall {
    command: Bytes,
    /// `None` once they are encoded.
    arguments: Option<Result<AmpBox, BoxError>>,
    exchange: Exchange,
}

impl NamedCall {
    pub(super) fn new(peer: Peer, command: &[u8], arguments: Result<AmpBox, BoxError>) -> Self {
        let command = Bytes::copy_from_slice(command);
        Self { command, arguments: Some(arguments), exchange: Exchange::new(peer, false, None) }
    }

    /// Sets how long the call may take: see [`Call::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.waiting.set_timeout(Some(timeout));
        self
    }
}

impl Future for NamedCall {
    type Output = Result<AmpBox, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, arguments, exchange } = &mut *self;
        if arguments.is_some() {
            ready!(exchange.poll_room(cx, command))?;
            if let Some(arguments) = arguments.take() {
                exchange.queue(cx.waker().clone(), command, |out, _| {
                    let arguments = arguments?;
                    check_command(command)?;
                    Ok(out.put_box(&arguments)?)
                })?;
                return exchange.poll_queued(cx).map(Err);
            }
        }
        let answer = ready!(exchange.poll_answer(cx));
        let ampbox = answer?.map_err(|error| CallError::of(error, command))?;
        let answer = without_own_keys(&ampbox);
        exchange.ended(answer.is_ok());
        Poll::Ready(answer.map_err(CallError::Decode))
    }
}

impl fmt::Debug for NamedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = Shortened::new(&self.command);
        f.debug_struct("NamedCall").field("command", &command).finish_non_exhaustive()
    }
}

/// Returns the pairs of an answer, without the protocol's own keys.
pub(super) fn without_own_keys(ampbox: &AmpBox) -> Result<AmpBox, DecodeError> {
    Proto::detached(|proto| AmpBox::read_from(&mut BoxReader::new(ampbox), proto))
}

/// Whether a command's name fits into a value.
pub(crate) fn check_command(command: &[u8]) -> Result<(), EncodeError> {
    if command.len() > MAX_VALUE {
        let key = Shortened::new(crate::keys::COMMAND);
        return Err(BoxError::ValueTooLong { key, len: command.len() }.into());
    }
    Ok(())
}

/// One call on its way: it waits for room, is sent, and waits for its answer.
pub(super) struct Exchange {
    peer: Peer,
    /// Whether it asks for a protocol switch, and until it is sent what follows that.
    asks_switch: bool,
    then: Option<Box<Then>>,
    stage: Stage,
    /// How an answer that comes too late is discarded, where it may bring attachments.
    discard: Option<Discard>,
    /// The number of the answer's box, from when that is taken until it is read.
    number: Option<BoxNumber>,
    pub(super) waiting: Waiting,
    /// Whether it is one of a stream.
    of_stream: bool,
    /// What its arguments have left with it, until it is over.
    carried: Option<Box<AllCarried>>,
    /// Whether the command is the program's own, not a name.
    typed: bool,
    /// From the first poll on.
    watch: Option<Watch>,
}

enum Stage {
    /// It waits for room.
    New,
    Sent(CallId),
    /// The answer was taken, and whoever took it may claim the attachments that it names. Other
    /// answers are over when they are taken.
    Answered,
    Over,
}

impl Exchange {
    pub(super) fn new(peer: Peer, typed: bool, discard: Option<Discard>) -> Self {
        let waiting = Waiting::new(peer.shared());
        Self {
            peer,
            asks_switch: false,
            then: None,
            stage: Stage::New,
            discard,
            number: None,
            waiting,
            of_stream: false,
            carried: None,
            typed,
            watch: None,
        }
    }

    /// Lets the call be one that asks for a protocol switch to this.
    pub(super) fn switch_to(&mut self, then: Then) {
        self.asks_switch = true;
        self.then = Some(Box::new(then));
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Makes the call, with what `write` writes, and reads the answer with `read`.
    pub(super) async fn make<T, E: CommandError>(
        mut self,
        command: &[u8],
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, CallError<E>> {
        match self.ask(command, write).await.map_err(CallError::widen)? {
            Ok(ampbox) => self.decode_with(&ampbox, read).map_err(CallError::Decode),
            Err(error) => Err(CallError::of(error, command)),
        }
    }

    /// Makes the call, with what `write` writes. The answer.
    pub(super) async fn ask(
        &mut self,
        command: &[u8],
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<Answer, CallError<NoError>> {
        poll_fn(|cx| self.poll_room(cx, command)).await?;
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        self.queue(waker, command, write)?;
        let mut first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut first) {
                return self.poll_queued(cx).map(Err);
            }
            self.poll_answer(cx)
        })
        .await
    }

    /// Waits until the box of the call can be [queued](Self::queue), which is to be done at once.
    ///
    /// A call that is over stays pending for ever, as a future that is polled again after it was
    /// ready may.
    #[inline]
    pub(super) fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        command: &[u8],
    ) -> Poll<Result<(), CallError<NoError>>> {
        if !matches!(self.stage, Stage::New) {
            return Poll::Pending;
        }
        let Self { watch, typed, peer, waiting, .. } = self;
        watch.get_or_insert_with(|| peer.shared().watch(Side::Asking, command, *typed));
        let room = ready!(waiting.poll_room(peer.shared(), cx));
        Poll::Ready(room.map_err(|error| self.not_queued(error)))
    }

    /// Encodes the box of the call by what `write` writes, and queues it. When it is answered, the waker is
    /// woken.
    #[inline]
    pub(super) fn queue(
        &mut self,
        waker: Waker,
        command: &[u8],
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), CallError<NoError>> {
        // This also holds when `write` panics.
        self.stage = Stage::Over;
        let id = self.try_queue(waker, command, write).map_err(|error| self.not_queued(error))?;
        self.stage = Stage::Sent(id);
        if let Some(watch) = &mut self.watch {
            watch.tag(|| format!("{:x}", self.peer.shared().peek(|state| state.core.tag(id))));
        }
        Ok(())
    }

    #[inline]
    fn try_queue(
        &mut self,
        waker: Waker,
        command: &[u8],
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<CallId, CallError<NoError>> {
        let shared = self.peer.shared();
        let mut encoded = shared.encode(write).map_err(CallError::Encode)?;
        let body = &mut *encoded.body;
        let (queued, loan) = if let Some(then) = self.then.take() {
            let mut then = Some(*then);
            let ask = |state: &mut State| state.core.ask_switch(command, body, waker, &mut then);
            (shared.with(ask).map_err(CallError::from), None)
        } else {
            let (queued, loan) = shared.with_line(|state| {
                if self.of_stream {
                    return state.core.call_of_stream(command, body, waker);
                }
                state.core.call(command, body, waker)
            });
            (queued.map_err(CallError::from), loan)
        };
        let taken = if queued.is_ok() { encoded.take_carried() } else { None };
        drop(encoded);
        if let Some(loan) = loan {
            loan.write();
        }
        // Once nothing is locked any more.
        self.carried = taken.map(AllCarried::queued);
        queued
    }

    /// Nothing comes of the call, for this reason.
    #[cold]
    fn not_queued(&mut self, error: CallError<NoError>) -> CallError<NoError> {
        self.stage = Stage::Over;
        if let Some(watch) = &mut self.watch {
            watch.end_failed(&error);
        }
        error
    }

    /// The call was [queued](Self::queue) just now, with the waker of this task: nobody has answered it yet,
    /// but its time may be over.
    #[inline]
    pub(super) fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<CallError<NoError>> {
        self.poll_deadline(cx).map(|error| self.not_queued(error))
    }

    /// Waits for the answer to the call, which was [queued](Self::queue).
    ///
    /// A call that is over stays pending for ever, as a future that is polled again after it was
    /// ready may.
    pub(super) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, CallError<NoError>>> {
        let mut answer = self.take_answer(cx);
        if answer.is_pending() {
            answer = self.poll_deadline(cx).map(Err);
        }
        if let (Poll::Ready(answer), Some(watch)) = (&answer, &mut self.watch) {
            watch.end_unless_answered(answer);
        }
        answer
    }

    #[inline]
    fn take_answer(&mut self, cx: &Context<'_>) -> Poll<Result<Answer, CallError<NoError>>> {
        let Stage::Sent(id) = self.stage else { return Poll::Pending };
        let outcome = ready!(self.poll_outcome(id, cx));
        self.stage = Stage::Over;
        let carried = self.carried.take();
        let (answer, of_box) = match outcome {
            CallOutcome::Answered { answer, number, upgraded } => {
                self.peer.see_as_of(upgraded);
                (answer, number)
            }
            CallOutcome::NotSent(error) => return Poll::Ready(Err(CallError::NotSent(error))),
            CallOutcome::Closed(reason) => return Poll::Ready(Err(CallError::Closed(reason))),
        };
        if let (Some(mut carried), Err(error)) = (carried, &answer)
            && error.is_closing()
        {
            carried.refused();
        }
        if of_box.is_some() {
            self.stage = Stage::Answered;
            self.number = of_box;
        }
        Poll::Ready(Ok(answer))
    }

    /// How the call has come out. When nothing has come of it yet, this task is woken when something does.
    #[inline]
    fn poll_outcome(&self, id: CallId, cx: &Context<'_>) -> Poll<CallOutcome> {
        // Wakers are cloned and dropped with nothing locked.
        let mut other = None;
        loop {
            let mut task_has_changed = false;
            let outcome = self.peer.shared().with(|state| {
                let outcome = state.core.poll_answer(id);
                if outcome.is_some() {
                    if self.of_stream {
                        state.core.end_call_of_stream();
                    }
                } else if let Some(waiter) = state.core.waiter_mut(id) {
                    match &mut other {
                        Some(other) => std::mem::swap(waiter, other),
                        None => task_has_changed = !waiter.will_wake(cx.waker()),
                    }
                }
                outcome
            });
            match outcome {
                Some(outcome) => return Poll::Ready(outcome),
                None if task_has_changed => other = Some(cx.waker().clone()),
                None => return Poll::Pending,
            }
        }
    }

    /// Ends a call that is under way when its time is over.
    #[inline]
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<CallError<NoError>> {
        if matches!(self.stage, Stage::Answered | Stage::Over) {
            return Poll::Pending;
        }
        let error = ready!(self.waiting.poll_deadline(self.peer.shared(), cx));
        if let Stage::Sent(id) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.give_up(id);
        }
        Poll::Ready(error)
    }

    /// Reads the answer that was taken.
    fn decode<A: Arguments>(&mut self, ampbox: &AmpBox) -> Result<A, DecodeError> {
        self.decode_with(ampbox, read_arguments)
    }

    /// As [`decode`](Self::decode), by what `read` reads.
    pub(super) fn decode_with<A>(
        &mut self,
        ampbox: &AmpBox,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<A, DecodeError>,
    ) -> Result<A, DecodeError> {
        let answer = self.peer.decode_with(ampbox, self.number, read);
        self.number = None;
        self.ended(answer.is_ok());
        answer
    }

    /// The answer was read, or is not what the command says.
    #[inline]
    pub(super) fn ended(&mut self, readable: bool) {
        if let Some(watch) = &mut self.watch {
            watch.end_read(readable);
        }
    }

    /// Nobody waits for the answer any more.
    fn give_up(&self, id: CallId) {
        let shared = self.peer.shared();
        let given_up = shared.with(|state| {
            if self.of_stream {
                state.core.end_call_of_stream();
            }
            let discard = if shared.attachment_kind.is_some() { self.discard } else { None };
            state.core.give_up(id, self.asks_switch, discard)
        });
        if let Some(number) = given_up.number {
            match (self.discard, &given_up.answer) {
                (Some(discard), Some(Ok(answer))) => discard(shared, answer, number),
                _ => shared.handle_unread(number),
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        match self.stage {
            Stage::Sent(id) => self.give_up(id),
            Stage::Answered => {
                let shared = self.peer.shared();
                if let Some(number) = self.number {
                    shared.handle_unread(number);
                }
            }
            _ => {}
        }
    }
}

/// Reads an answer that nobody waits for, and drops it with all it claims.
pub(super) fn discard<A: Arguments>(shared: &Shared, ampbox: &AmpBox, number: BoxNumber) {
    // Reading is the user's code, and this may run in the driver or while a task unwinds.
    let read = catch_unwind(AssertUnwindSafe(|| {
        drop(shared.decode::<A>(ampbox, Some(number)));
    }));
    if read.is_err() {
        shared.handle_unread(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::connection::wakes::Wakes;
    use std::pin::pin;
    use std::sync::{Arc, Barrier};

    #[tokio::test]
    async fn a_call_that_changes_its_task_while_the_connection_ends_is_woken() {
        for _ in 0..2000 {
            let (peer, driver) = Connection::new(tokio::io::duplex(100).0).start();
            let mut call = pin!(peer.call_by_name("A", [("a", "b")]));
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let both = Barrier::new(2);
            let count = Arc::new(Wakes::default());
            let pending = std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    drop(driver);
                });
                let waker = Waker::from(Arc::clone(&count));
                both.wait();
                call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            assert!(!pending || count.count() > 0, "nobody polls the call again");
        }
    }
}
