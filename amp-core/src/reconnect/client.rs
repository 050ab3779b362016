use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

use super::call::{Boxed, ClientCall};
use super::link::Link;
use super::request::Request;
use super::state::State;
use super::supervisor::Stop;
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxReader, BoxWriter};
use crate::command::{Command, OneWay};
use crate::connection::{Drained, Peer};
use crate::error::{CallError, NotConnected, NotConnectedKind};

/// A client that connects again when its connection is lost.
///
/// Clones are cheap and refer to the same client. It stops, and closes its connection, when the last of them is dropped, or
/// by [`close`](Client::close). A call that is being awaited counts as one of them.
#[doc(alias("ClientService", "ReconnectingClientFactory", "Retry"))]
#[derive(Clone)]
pub struct Client {
    link: Arc<Link>,
}

impl Client {
    pub(super) fn new(link: Link) -> Self {
        Self { link: Arc::new(link) }
    }

    /// Calls the peer over the present connection. Nothing is sent before the returned call is awaited.
    ///
    /// While there is no connection the call fails at once, or waits for one: see
    /// [`Connector::wait_for_connection`](super::Connector::wait_for_connection), [`ClientCall::wait_for_connection`] and [`ClientCall::fail_fast`]. Calls that
    /// wait are made in no particular order.
    ///
    /// A call that was sent, and whose connection was lost before the answer came, fails with
    /// [`CallError::Closed`](crate::CallError::Closed). It is sent again, on the next connection,
    /// only if its command is [`IS_IDEMPOTENT`](Command::IS_IDEMPOTENT), or the call itself is marked as
    /// [`idempotent`](ClientCall::idempotent), and the call waits for connections. A call that the peer
    /// refuses because it is about to close the connection
    /// ([`RemoteError::is_closing`](crate::RemoteError::is_closing)) was not acted upon, so one
    /// that waits for connections is sent again on the next one, whatever its command. All of this
    /// is within the call's timeout, and at most
    /// [`Connector::max_repeats`](super::Connector::max_repeats) times. [Streams](crate::streams) of a call
    /// that was refused so are sent again with it, unless the connection has ended before the refusal was
    /// looked at, which is then what the call fails with; those of one that was lost have ended with the
    /// connection, so it is not sent again.
    ///
    /// # Errors
    ///
    /// As [`Peer::call_remote`], and [`CallError::NotConnected`](crate::CallError::NotConnected) when nothing was sent
    /// because there was no connection.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits for its first connection, nothing was sent. After that, this is as for
    /// [`Peer::call_remote`].
    pub fn call_remote<C: Command>(&self, command: C) -> ClientCall<C::Response, C::Error> {
        const { assert!(C::REQUIRES_ANSWER, "use `notify` or `Answered` for one-way commands") };
        ClientCall::new(
            &self.link,
            C::IS_IDEMPOTENT,
            Request::typed(command),
            |peer, request, left| {
                Box::pin(peer.call_written::<C>(left, |out, proto| request.write(out, proto)))
            },
        )
    }

    /// Sends a one-way command over the present connection. Resolves once the command is queued. Nothing tells whether it
    /// arrives: if the connection ends before it is sent, it is lost.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Client::call_remote).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the command has either been queued as a whole or not at all.
    pub fn notify<C: OneWay>(&self, command: C) -> ClientCall<()> {
        ClientCall::new(&self.link, C::IS_IDEMPOTENT, Request::typed(command), notify)
    }

    /// Calls a command by its name, with arguments as they are on the wire. It is sent once,
    /// unless it is marked as [`idempotent`](ClientCall::idempotent).
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Client::call_remote), but no error is typed.
    ///
    /// # Cancel safety
    ///
    /// As [`call_remote`](Client::call_remote).
    pub fn call_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> ClientCall<AmpBox>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let request = Request::by_name(command.as_ref(), AmpBox::from_pairs(arguments));
        ClientCall::new(&self.link, false, request, |peer, request, left| {
            let command = request.command();
            Box::pin(async move {
                peer.call_by_name_written(&command, left, |out, proto| request.write(out, proto))
                    .await
            })
        })
    }

    /// Calls a command by its name, as [`call_by_name`](Client::call_by_name) does, for values that need the connection,
    /// such as attachments. `write` writes the arguments, each time that the call is sent. `read` reads the answer.
    ///
    /// # Errors
    ///
    /// As [`call_by_name`](Client::call_by_name), and the errors of the closures.
    ///
    /// # Cancel safety
    ///
    /// As [`Peer::call_by_name_with`], while there is a connection.
    pub fn call_by_name_with<T: 'static>(
        &self,
        command: impl AsRef<[u8]>,
        write: impl FnMut(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>
        + Send
        + 'static,
        read: impl Fn(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<T, DecodeError>
        + Send
        + Sync
        + 'static,
    ) -> ClientCall<T> {
        let request = Request::by_name_with(command.as_ref(), write);
        let read = Arc::new(read);
        ClientCall::new(&self.link, false, request, move |peer, request, left| {
            let (command, read) = (request.command(), Arc::clone(&read));
            Box::pin(async move {
                peer.call_by_name_with_written(
                    &command,
                    left,
                    |out, proto| request.write(out, proto),
                    |input, proto| read(input, proto),
                )
                .await
            })
        })
    }

    /// Sends a one-way command by its name, with arguments as they are on the wire. It is sent once, unless it is marked as
    /// [`idempotent`](ClientCall::idempotent).
    ///
    /// # Errors
    ///
    /// As [`notify`](Client::notify).
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Client::notify).
    pub fn notify_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> ClientCall<()>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let request = Request::by_name(command.as_ref(), AmpBox::from_pairs(arguments));
        ClientCall::new(&self.link, false, request, notify)
    }

    /// Sends a one-way command by its name, as [`notify_by_name`](Client::notify_by_name) does, for values that need the
    /// connection. `write` writes the arguments, each time that the command is sent.
    ///
    /// # Errors
    ///
    /// As [`notify`](Client::notify), and the errors of `write`.
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Client::notify).
    pub fn notify_by_name_with(
        &self,
        command: impl AsRef<[u8]>,
        write: impl FnMut(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>
        + Send
        + 'static,
    ) -> ClientCall<()> {
        let request = Request::by_name_with(command.as_ref(), write);
        ClientCall::new(&self.link, false, request, notify)
    }

    /// Returns the connection, to use it without this client, for example for a protocol switch. If there is none, this
    /// waits for one, without end.
    ///
    /// # Errors
    ///
    /// When the client is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn connected(&self) -> Result<Peer, NotConnected> {
        let peer = self.link.wait_for_peer().await;
        peer.ok_or_else(|| self.link.not_connected(NotConnectedKind::Closed))
    }

    /// Returns how the client is connected at this moment.
    pub fn state(&self) -> State {
        self.link.state.borrow().clone()
    }

    /// Returns the state of the connection, to watch it change. This does not keep the client from stopping. The last value
    /// is [`State::Closed`].
    pub fn watch(&self) -> watch::Receiver<State> {
        self.link.state.clone()
    }

    /// Stops the client and closes its connection, and waits until that has ended. Outstanding calls fail with
    /// [`CloseReason::Local`](crate::CloseReason::Local). Calls that wait for a connection fail with
    /// [`CallError::NotConnected`](crate::CallError::NotConnected).
    ///
    /// It takes no longer than the [`close_timeout`](field@crate::Limits::close_timeout) of the
    /// connection.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the client still stops.
    pub async fn close(&self) {
        self.link.stop.send_replace(Stop::AtOnce);
        self.closed().await;
    }

    /// Lets the responders that run on the client's connection answer, for at most the time `within`. Then it stops the
    /// client, and waits until the connection has ended. The connection ends as by [`Peer::close_gracefully`]: calls of the
    /// peer are refused from here on, and calls of this side are still sent.
    ///
    /// There will be no other connection. A connection that is not ready yet is closed at once, and calls that wait for a
    /// connection fail with [`CallError::NotConnected`](crate::CallError::NotConnected) when none is left. If this is
    /// called again, the time of the first call counts. [`close`](Client::close) cuts it short, and so does dropping the
    /// last handle of the client.
    ///
    /// Returns how many responders were cut off because the time was too short for them.
    ///
    /// In a responder on a connection of the client, even one that the client has left, this resolves at once, and says that
    /// none was cut off yet. The client stops when the responder has answered.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the client still stops.
    #[doc(alias("drain", "shutdown"))]
    pub async fn close_gracefully(&self, within: Duration) -> Drained {
        self.link.stop.send_if_modified(|stop| {
            let is_first = matches!(stop, Stop::Never);
            if is_first {
                *stop = Stop::Gracefully { within };
            }
            is_first
        });
        let mut state = self.link.state.clone();
        // Asked at each change, since a connection that becomes ready meanwhile may be the one on which the
        // caller is a responder. The sender goes when all is over.
        while !self.link.connections.has_responder_here() && state.changed().await.is_ok() {}
        self.link.connections.drained()
    }

    /// Returns whether no more calls can be made, because the client is closed or is about to be. A client without a
    /// connection at the moment is not closed. During a [graceful close](Client::close_gracefully) over a connection, calls
    /// can be made until the responders have answered.
    pub fn is_closed(&self) -> bool {
        let stop = *self.link.stop.borrow();
        match stop {
            Stop::Never => self.link.state.borrow().is_closed(),
            Stop::Gracefully { .. } => self.link.peer_now().is_none(),
            Stop::AtOnce => true,
        }
    }

    /// Resolves when the client has stopped, and its connection has ended. Waiting for it keeps the
    /// client from being dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        let mut state = self.link.state.clone();
        // The sender goes when all is over.
        while state.changed().await.is_ok() {}
    }
}

/// Sends a request that wants no answer.
fn notify<'a>(
    peer: &'a Peer,
    request: &'a mut Request,
    left: Option<Duration>,
) -> Boxed<'a, Result<(), CallError>> {
    Box::pin(async move {
        let (command, typed) = (request.command(), request.is_typed());
        peer.notify_when_room(&command, typed, left, |out, proto| request.write(out, proto)).await
    })
}

#[cfg(feature = "tower")]
impl Client {
    pub(crate) fn peer_now(&self) -> Option<Peer> {
        self.link.peer_now()
    }

    /// Waits for a connection. `None` when there will be none.
    pub(crate) async fn wait_for_peer(&self) -> Option<Peer> {
        self.link.wait_for_peer().await
    }

    pub(crate) fn not_connected(&self, kind: NotConnectedKind) -> NotConnected {
        self.link.not_connected(kind)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.link.address)
            .field("state", &*self.link.state.borrow())
            .finish_non_exhaustive()
    }
}
