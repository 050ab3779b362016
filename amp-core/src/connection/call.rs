use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::MutexGuard;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Sleep;

use super::peer::Peer;
use super::shared::{Encoded, HandedOver, Shared, State, Switch};
use crate::argument::EncodeError;
use crate::boxes::{AmpBox, BoxError, BoxReader, MAX_VALUE};
use crate::command::{Arguments, Command, NoError};
use crate::error::{CallError, CloseReason};
use crate::proto::{CallId, RemoteError};
use crate::shorten::Shortened;

/// A call of a typed command: await it for the response.
///
/// [`Peer::call_remote`] makes it, and describes errors and cancel safety.
#[must_use = "a call is not made before it is awaited"]
pub struct Call<C: Command> {
    command: Option<C>,
    exchange: Exchange,
}

impl<C: Command> Call<C> {
    pub(super) fn new(peer: Peer, command: C) -> Self {
        Self { command: Some(command), exchange: Exchange::new(peer) }
    }

    /// How long the call may take, from its first poll on, in place of the connection's own
    /// [`call_timeout`](crate::Connection::call_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.timeout = Some(timeout);
        self
    }
}

// The command is never pinned: it is encoded, and dropped.
impl<C: Command> Unpin for Call<C> {}

impl<C: Command> Future for Call<C> {
    type Output = Result<C::Response, CallError<C::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, exchange } = &mut *self;
        let answer = ready!(exchange.poll(cx, C::NAME.as_bytes(), |shared| {
            // There is a command until it was sent.
            let command = command.take();
            shared.encode(|out, proto| match &command {
                Some(command) => command.to_box(out, proto),
                None => Ok(()),
            })
        }));
        Poll::Ready(match answer.map_err(CallError::widen)? {
            Ok(ampbox) => exchange.peer.shared().decode(&ampbox).map_err(CallError::Decode),
            Err(error) => Err(CallError::of(error)),
        })
    }
}

impl<C: Command> fmt::Debug for Call<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("command", &C::NAME).finish_non_exhaustive()
    }
}

/// A call of a command by its name: await it for the answer's box.
///
/// [`Peer::call_remote_string`] makes it.
#[must_use = "a call is not made before it is awaited"]
pub struct StringCall {
    command: Bytes,
    arguments: Result<AmpBox, BoxError>,
    exchange: Exchange,
}

impl StringCall {
    pub(super) fn new(peer: Peer, command: &[u8], arguments: Result<AmpBox, BoxError>) -> Self {
        let command = Bytes::copy_from_slice(command);
        Self { command, arguments, exchange: Exchange::new(peer) }
    }

    /// How long the call may take: see [`Call::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.timeout = Some(timeout);
        self
    }
}

impl Future for StringCall {
    type Output = Result<AmpBox, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, arguments, exchange } = &mut *self;
        let answer = ready!(exchange.poll(cx, command, |shared| {
            let arguments = std::mem::replace(arguments, Ok(AmpBox::new()))?;
            check_command(command)?;
            shared.encode(|out, _| Ok(out.put_box(&arguments)?))
        }));
        let ampbox = answer?.map_err(CallError::Remote)?;
        let answer =
            crate::Proto::detached(|proto| AmpBox::from_box(&mut BoxReader::new(&ampbox), proto));
        Poll::Ready(answer.map_err(CallError::Decode))
    }
}

impl fmt::Debug for StringCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = Shortened::new(&self.command);
        f.debug_struct("StringCall").field("command", &command).finish_non_exhaustive()
    }
}

/// Whether a command's name fits into a value.
pub(super) fn check_command(command: &[u8]) -> Result<(), EncodeError> {
    if command.len() > MAX_VALUE {
        let key = Shortened::new(crate::boxes::keys::COMMAND);
        return Err(BoxError::ValueTooLong { key, len: command.len() }.into());
    }
    Ok(())
}

/// One call on its way: it waits for room, is sent, and waits for its answer.
pub(super) struct Exchange {
    peer: Peer,
    /// Where the stream goes, when it asks for a protocol switch.
    switch: Option<HandedOver>,
    stage: Stage,
    timeout: Option<Duration>,
    /// Runs from the first poll on, where there is a timeout.
    deadline: Option<Pin<Box<Sleep>>>,
}

enum Stage {
    New,
    WaitingForRoom(Pin<Box<OwnedNotified>>),
    Sent(CallId),
    /// The answer was taken, and whoever took it may claim the attachments that it names.
    Answered,
    Over,
}

impl Exchange {
    fn new(peer: Peer) -> Self {
        Self { peer, switch: None, stage: Stage::New, timeout: None, deadline: None }
    }

    /// A call that asks for a protocol switch. When the peer agrees, the driver hands over the
    /// stream.
    pub(super) fn for_switch(peer: Peer, stream: HandedOver) -> Self {
        let mut exchange = Self::new(peer);
        exchange.switch = Some(stream);
        exchange
    }

    /// `encode` is called at most once, when the box can be queued.
    ///
    /// A call that is over stays pending for ever, as a future that is polled again after it was
    /// ready may.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        command: &[u8],
        encode: impl FnOnce(&Shared) -> Result<Encoded<'_>, EncodeError>,
    ) -> Poll<Result<Result<AmpBox, RemoteError>, CallError<NoError>>> {
        let Self { peer, switch, stage, timeout, deadline } = self;
        let shared = peer.shared();
        loop {
            match stage {
                Stage::New => match shared.room() {
                    Ok(None) => break,
                    Ok(Some(room)) => *stage = Stage::WaitingForRoom(Box::pin(room)),
                    Err(reason) => {
                        *stage = Stage::Over;
                        return Poll::Ready(Err(CallError::Closed(reason)));
                    }
                },
                Stage::WaitingForRoom(room) => match room.as_mut().poll(cx) {
                    Poll::Ready(()) => *stage = Stage::New,
                    Poll::Pending => {
                        return poll_deadline(
                            shared,
                            stage,
                            *timeout,
                            deadline,
                            switch.is_some(),
                            cx,
                        );
                    }
                },
                Stage::Sent(id) => {
                    let Poll::Ready(ended) = poll_answer(shared, *id, cx) else {
                        return poll_deadline(
                            shared,
                            stage,
                            *timeout,
                            deadline,
                            switch.is_some(),
                            cx,
                        );
                    };
                    *stage = if ended.is_ok() { Stage::Answered } else { Stage::Over };
                    return Poll::Ready(ended.map_err(CallError::Closed));
                }
                Stage::Answered | Stage::Over => return Poll::Pending,
            }
        }
        // Whatever goes wrong from here on, the call is over.
        *stage = Stage::Over;
        let encoded = encode(shared).map_err(CallError::Encode)?;
        let waker = cx.waker().clone();
        let sent = encoded.commit(shared, |state, body| {
            if let Some(reason) = state.phase.refusal() {
                return Err(CallError::Closed(reason.clone()));
            }
            let Some(stream) = switch else {
                return Ok(state.core.call(command, body, waker)?);
            };
            if state.upgraded && matches!(stream, HandedOver::Upgrade(_)) {
                return Err(CallError::TlsStarted);
            }
            if !matches!(state.switch, Switch::None) {
                return Err(CallError::SwitchUnderWay);
            }
            let id = state.core.ask_switch(command, body, waker)?;
            state.handed_over = std::mem::take(stream);
            Ok(id)
        });
        *stage = Stage::Sent(sent?);
        poll_deadline(shared, stage, *timeout, deadline, switch.is_some(), cx)
    }
}

/// The answer, or why there will be none. An answer that has arrived counts, even if the
/// connection has ended since.
fn poll_answer(
    shared: &Shared,
    id: CallId,
    cx: &Context<'_>,
) -> Poll<Result<Result<AmpBox, RemoteError>, CloseReason>> {
    let mut state = shared.lock();
    if let Some(answer) = state.core.take_answer(id) {
        if shared.attachment_kind.is_some() {
            state.decoding += 1;
        }
        return Poll::Ready(Ok(answer));
    }
    if let Some(reason) = state.phase.refusal() {
        let reason = reason.clone();
        forget(shared, state, id, false);
        return Poll::Ready(Err(reason));
    }
    match state.core.waiter_mut(id) {
        Some(waiter) if !waiter.will_wake(cx.waker()) => {}
        _ => return Poll::Pending,
    }
    // The task has changed. Wakers are cloned and dropped with nothing locked.
    drop(state);
    let mut waker = cx.waker().clone();
    let mut state = shared.lock();
    if state.phase.refusal().is_none()
        && let Some(waiter) = state.core.waiter_mut(id)
    {
        std::mem::swap(waiter, &mut waker);
        drop(state);
        return Poll::Pending;
    }
    // The answer came in between, or the end did.
    drop(state);
    poll_answer(shared, id, cx)
}

/// Ends the call when its time is over.
fn poll_deadline<T>(
    shared: &Shared,
    stage: &mut Stage,
    timeout: Option<Duration>,
    deadline: &mut Option<Pin<Box<Sleep>>>,
    is_switch: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<T, CallError<NoError>>> {
    let Some(after) = timeout.or(shared.settings.call_timeout) else {
        return Poll::Pending;
    };
    let deadline = deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
    ready!(deadline.as_mut().poll(cx));
    if let Stage::Sent(id) = std::mem::replace(stage, Stage::Over) {
        forget(shared, shared.lock(), id, is_switch);
    }
    Poll::Ready(Err(CallError::Timeout { after }))
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let shared = self.peer.shared();
        match self.stage {
            Stage::Sent(id) => forget(shared, shared.lock(), id, self.switch.is_some()),
            Stage::Answered if shared.attachment_kind.is_some() => {
                let mut state = shared.lock();
                state.decoding -= 1;
                shared.release(state);
            }
            _ => {}
        }
    }
}

fn forget(shared: &Shared, mut state: MutexGuard<'_, State>, id: CallId, is_switch: bool) {
    // What is dropped is dropped once the lock is.
    let unanswered = state.core.is_switch(id);
    let answer = state.core.take_answer(id);
    // Nobody wants the stream. When the peer refused, a stream may be wanted by another call. When
    // it agreed to an upgrade, that is made.
    let agreed = is_switch
        && matches!(answer, Some(Ok(_)))
        && !matches!(state.handed_over, HandedOver::Upgrade(_));
    let stream = (unanswered || agreed).then(|| std::mem::take(&mut state.handed_over));
    let _dropped = (state.core.forget(id), answer, stream);
    shared.release(state);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Barrier};
    use std::task::{Wake, Waker};

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_call_that_changes_its_task_while_the_connection_ends_is_woken() {
        for _ in 0..2000 {
            let (peer, driver) = Connection::new(tokio::io::duplex(100).0).start();
            let mut call = pin!(peer.call_remote_string("A", [("a", "b")]));
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let both = Barrier::new(2);
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let pending = std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    drop(driver);
                });
                let waker = Waker::from(Arc::clone(&woken));
                both.wait();
                call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            assert!(!pending || woken.0.load(Ordering::SeqCst), "nobody polls the call again");
        }
    }
}
