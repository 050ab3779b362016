use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::call::{Exchange, check_command};
use super::peer::Peer;
use super::shared::{Then, seen};
use super::switched::Switched;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxWriter};
use crate::command::{CommandError, NoError, ProtocolSwitch, check_switch};
use crate::error::{CallError, CloseReason};
use crate::shorten::Shortened;

impl Peer {
    /// Asks for a protocol switch. If the peer agrees, this returns the stream: the two sides speak another protocol over
    /// it, and this connection is over ([`CloseReason::Switched`](crate::CloseReason::Switched)).
    ///
    /// Until the peer has answered, nothing else is sent: calls and answers wait. If it refuses, they are sent, and the
    /// connection goes on. If it agrees, they fail, and so does every call that has no answer by then. Several small
    /// answers that the connection gives one after another are sent together. If another thread asks for a switch at
    /// that moment, they too wait: so ask when this side has answered all that the peer still needs.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Peer::call_remote), and [`CallError::SwitchUnderWay`] during another switch.
    ///
    /// # Cancel safety
    ///
    /// Once the call is sent, the peer decides which protocol is spoken. If it agrees after the future was dropped, or
    /// after its [timeout](SwitchCall::timeout) or the connection's
    /// [`call_timeout`](crate::Connection::call_timeout), the connection is closed. Nothing else can be sent before the
    /// peer has answered, even after such a timeout. If that takes too long, close the connection.
    pub fn switch_protocol<C: ProtocolSwitch>(&self, command: C) -> SwitchCall<'static, C::Error> {
        SwitchCall(Asks::typed(self, command, hand_over).switch_to(Then::HandOver))
    }

    /// Asks for a protocol switch by the name of its command, with arguments as they are on the wire. This is
    /// [`switch_protocol`](Peer::switch_protocol) for a command whose type is not known.
    ///
    /// The peer has to know the command as one that switches. The answer to any other command looks like one that agrees,
    /// and the stream would be handed over all the same.
    ///
    /// # Errors
    ///
    /// As [`switch_protocol`](Peer::switch_protocol), but no error is typed.
    ///
    /// # Cancel safety
    ///
    /// As [`switch_protocol`](Peer::switch_protocol).
    pub fn switch_protocol_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> SwitchCall<'static>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let arguments = AmpBox::from_pairs(arguments);
        self.switch_protocol_by_name_with(command, |out, _| Ok(out.put_box(&arguments?)?))
    }

    /// Asks for a protocol switch by the name of its command. `write` writes the arguments, so they may have attachments.
    /// Otherwise this is [`switch_protocol_by_name`](Peer::switch_protocol_by_name).
    ///
    /// # Errors
    ///
    /// As [`switch_protocol_by_name`](Peer::switch_protocol_by_name).
    ///
    /// # Cancel safety
    ///
    /// As [`switch_protocol`](Peer::switch_protocol).
    pub fn switch_protocol_by_name_with<'a>(
        &self,
        command: impl AsRef<[u8]>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send + 'a,
    ) -> SwitchCall<'a> {
        let command = Bytes::copy_from_slice(command.as_ref());
        let name = command.clone();
        let write: Write<'a> = Box::new(move |out, proto| {
            check_command(&name)?;
            write(out, proto)
        });
        let exchange = Exchange::new(self.clone(), false, None);
        SwitchCall(Asks::new(exchange, command, write, hand_over).switch_to(Then::HandOver))
    }

    /// Asks for a switch that an upgrade makes a transport of, which is still to be
    /// [said](Asks::switch_to). Resolves when the connection goes on over that.
    #[cfg(feature = "tls")]
    pub(crate) fn upgrade<C: ProtocolSwitch>(&self, command: C) -> Asks<'static, (), C::Error> {
        Asks::typed(self, command, upgraded)
    }
}

/// A call that asks for a protocol switch. Await it for the stream.
///
/// [`Peer::switch_protocol`] returns it, and describes its errors and its cancel safety.
#[must_use = "a switch is not asked for before this is awaited"]
pub struct SwitchCall<'a, E = NoError>(Asks<'a, Switched, E>);

impl<E> SwitchCall<'_, E> {
    /// Sets how long the peer may take to answer: see [`Call::timeout`](crate::Call::timeout). If it
    /// agrees after that time, the connection is closed.
    ///
    /// Once the peer has agreed, boxes that were queued before the call are still sent. A peer that does not read holds
    /// that up. `tokio::time::timeout` around the whole future limits that time too.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }
}

impl<E: CommandError> Future for SwitchCall<'_, E> {
    type Output = Result<Switched, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<E> fmt::Debug for SwitchCall<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SwitchCall").field(&self.0).finish()
    }
}

/// Writes the arguments of a call that asks for a switch.
type Write<'a> =
    Box<dyn FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send + 'a>;

/// What follows once the peer has agreed.
type Follows<T> = Pin<Box<dyn Future<Output = Result<T, CloseReason>> + Send>>;

/// Asks for a switch, waits until the peer has agreed, and then for what follows.
pub(crate) struct Asks<'a, T, E> {
    /// `None` once the peer has answered.
    asking: Option<Asking<'a>>,
    follow: fn(Peer) -> Follows<T>,
    /// From when the peer has agreed until it is over.
    follows: Option<Follows<T>>,
    errors: PhantomData<fn() -> E>,
}

/// The call, and what it has yet to write.
struct Asking<'a> {
    exchange: Exchange,
    command: Bytes,
    write: Option<Write<'a>>,
}

impl<T, E> Asks<'static, T, E> {
    fn typed<C: ProtocolSwitch>(peer: &Peer, command: C, follow: fn(Peer) -> Follows<T>) -> Self {
        const { check_switch::<C>() };
        let write: Write<'_> = Box::new(move |out, proto| command.write_to(out, proto));
        let exchange = Exchange::new(peer.clone(), true, None);
        Self::new(exchange, Bytes::from_static(C::NAME.as_bytes()), write, follow)
    }
}

impl<'a, T, E> Asks<'a, T, E> {
    fn new(
        exchange: Exchange,
        command: Bytes,
        write: Write<'a>,
        follow: fn(Peer) -> Follows<T>,
    ) -> Self {
        let asking = Asking { exchange, command, write: Some(write) };
        Self { asking: Some(asking), follow, follows: None, errors: PhantomData }
    }

    /// Sets what the connection is switched to.
    pub(crate) fn switch_to(mut self, then: Then) -> Self {
        self.set_switch(then);
        self
    }

    pub(crate) fn set_switch(&mut self, then: Then) {
        if let Some(asking) = &mut self.asking {
            asking.exchange.switch_to(then);
        }
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        if let Some(asking) = &mut self.asking {
            asking.exchange.waiting.set_timeout(Some(timeout));
        }
        self
    }
}

// Nothing in it is pinned but what follows, which is in a box.
impl<T, E> Unpin for Asks<'_, T, E> {}

impl<T, E: CommandError> Future for Asks<'_, T, E> {
    type Output = Result<T, CallError<E>>;

    /// One that is over stays pending for ever.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { asking, follow, follows, .. } = &mut *self;
        if let Some(asks) = asking {
            let agreed = ready!(asks.poll(cx));
            // Attachments that came with the answer are nobody's from here on.
            let peer = asking.take().map(|asks| asks.exchange.peer().clone());
            agreed?;
            *follows = peer.map(follow);
        }
        let Some(waits) = follows else { return Poll::Pending };
        let ended = ready!(waits.as_mut().poll(cx));
        *follows = None;
        Poll::Ready(ended.map_err(CallError::Closed))
    }
}

impl Asking<'_> {
    /// Resolves when the peer has agreed.
    fn poll<E: CommandError>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError<E>>> {
        let Self { exchange, command, write } = self;
        if write.is_some() {
            ready!(exchange.poll_room(cx, command)).map_err(CallError::widen)?;
            if let Some(write) = write.take() {
                let waker = cx.waker().clone();
                exchange.queue(waker, command, write).map_err(CallError::widen)?;
                return exchange.poll_queued(cx).map(|error| Err(error.widen()));
            }
        }
        let answer = ready!(exchange.poll_answer(cx)).map_err(CallError::widen)?;
        answer.map_err(|error| CallError::of(error, command))?;
        exchange.ended(true);
        Poll::Ready(Ok(()))
    }
}

impl<T, E> fmt::Debug for Asks<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.asking.as_ref().map(|asking| Shortened::new(&asking.command));
        f.debug_struct("Asks").field("command", &command).finish_non_exhaustive()
    }
}

/// Waits for the stream that the driver hands over.
fn hand_over(peer: Peer) -> Follows<Switched> {
    Box::pin(Wanted(peer).stream())
}

/// Waits until the connection goes on over another transport.
#[cfg(feature = "tls")]
fn upgraded(peer: Peer) -> Follows<()> {
    Box::pin(async move {
        let shared = peer.shared();
        seen(&shared.changed, || {
            if shared.peek(|state| state.core.switch().has_upgraded()) {
                return Some(Ok(()));
            }
            shared.over().map(Err)
        })
        .await
    })
}

/// Waits for the stream that the driver hands over. When it is dropped, the stream is closed.
struct Wanted(Peer);

impl Wanted {
    async fn stream(self) -> Result<Switched, CloseReason> {
        let shared = self.0.shared();
        seen(&shared.changed, || {
            // One look at both: the connection ends right after it has handed over the stream.
            let (stream, over) =
                shared.with(|state| (state.core.take_stream(), state.core.end().over().cloned()));
            stream.map(Ok).or_else(|| over.map(Err))
        })
        .await
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        // The stream is dropped with nothing locked.
        drop(self.0.shared().with(|state| state.core.forget_stream()));
    }
}
