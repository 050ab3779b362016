use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::builder::{Builder, Options};
use super::call::{Call, Named, Notice, Typed};
use super::state::State;
use crate::boxes::AmpBox;
use crate::command::{Command, OneWay};
use crate::connection::{Connection, Peer, Shared};
use crate::error::{NotConnected, NotConnectedKind};

/// A client that connects again when its connection is lost.
///
/// Clones are cheap and stand for the same client. It stops, and closes its connection, when the
/// last of them is dropped, or by [`close`](Client::close). A call that is awaited is one of them.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

pub(super) struct Handle {
    pub(super) state: watch::Receiver<State>,
    /// The supervisor stops when this is true, or gone.
    pub(super) stop: watch::Sender<bool>,
    /// The connection that the peer is about to close, for the supervisor to leave.
    pub(super) closing: watch::Sender<Weak<Shared>>,
    /// One permit for each call that may wait for the connection.
    pub(super) waiting: Semaphore,
    pub(super) max_waiting: usize,
    pub(super) address: Option<Arc<str>>,
    pub(super) options: Options,
    /// Where the client was started. It has the timers of calls, which may be polled anywhere.
    pub(super) runtime: runtime::Handle,
}

impl Client {
    /// A client that gets each connection from `connect`, over whatever that likes: TCP, a Unix
    /// socket, TLS.
    ///
    /// A panic of `connect`, or of the hook, is an attempt that failed, unless the program is built with
    /// `panic = "abort"`.
    pub fn builder<F, R, E>(connect: F) -> Builder
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = Result<Connection, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Builder::new(connect)
    }

    pub(super) fn new(handle: Handle) -> Self {
        Self { handle: Arc::new(handle) }
    }

    /// Calls the peer, on the connection that there is. Nothing is sent before what it returns is
    /// awaited.
    ///
    /// While there is no connection the call fails at once, or waits for one: see
    /// [`Builder::wait`], [`Call::wait`] and [`Call::fail_fast`]. Calls that wait are made in no
    /// particular order.
    ///
    /// A call that was sent, and whose connection was lost before the answer came, fails with
    /// [`CallError::Closed`](crate::CallError::Closed). It is sent again, on the next connection,
    /// only if its command is [`IDEMPOTENT`](Command::IDEMPOTENT), or the call itself is marked as
    /// [`idempotent`](Call::idempotent), and the call waits for connections. A call that the peer
    /// refuses because it is about to close the connection
    /// ([`RemoteError::is_closing`](crate::RemoteError::is_closing)) was not acted upon, so one that
    /// waits for connections is sent again on the next one, whatever its command. All of this is
    /// within the call's timeout, and at most [`Builder::max_repeats`] times.
    ///
    /// # Errors
    ///
    /// As [`Peer::call_remote`], and [`CallError::NotConnected`](crate::CallError::NotConnected)
    /// when nothing was sent for want of a connection.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits for a connection has sent nothing, unless it was
    /// to send the call again. After that, as [`Peer::call_remote`].
    pub fn call_remote<C: Command>(&self, command: C) -> Call<Typed<C>> {
        const { assert!(C::REQUIRES_ANSWER, "a one-way command is sent with `Client::notify`") };
        Call::typed(self.clone(), command, C::IDEMPOTENT)
    }

    /// Sends a command that wants no answer, on the connection that there is. Resolves once the
    /// command is queued. Whether it arrives is not known: it is lost with a connection that ends
    /// before it is sent.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Client::call_remote).
    ///
    /// # Cancel safety
    ///
    /// A future that was dropped has either queued the command or not.
    pub fn notify<C: OneWay>(&self, command: C) -> Call<Notice<C>> {
        Call::notice(self.clone(), command, C::IDEMPOTENT)
    }

    /// Calls a command by its name, with arguments as they are on the wire. It is sent once,
    /// unless it is marked as [`idempotent`](Call::idempotent).
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
    ) -> Call<Named>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        Call::named(self.clone(), command.as_ref(), AmpBox::from_pairs(arguments))
    }

    /// The connection, to be used without this client: for a protocol switch, say. Waits until
    /// there is one, without end.
    ///
    /// # Errors
    ///
    /// When the client is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn connected(&self) -> Result<Peer, NotConnected> {
        self.wait_for_peer().await.ok_or_else(|| self.not_connected(NotConnectedKind::Closed))
    }

    /// How the client is connected at this moment.
    pub fn state(&self) -> State {
        self.handle.state.borrow().clone()
    }

    /// How the client is connected, to be watched. It does not keep the client from stopping; its
    /// last value is [`State::Closed`].
    pub fn watch(&self) -> watch::Receiver<State> {
        self.handle.state.clone()
    }

    /// Stops the client and closes its connection, and waits until that has ended. Calls that
    /// are outstanding fail with [`CloseReason::Local`](crate::CloseReason::Local), those that
    /// wait for a connection with [`CallError::NotConnected`](crate::CallError::NotConnected).
    ///
    /// It takes no longer than the [`close_timeout`](crate::Limits::close_timeout) of the
    /// connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the client stopping.
    pub async fn close(&self) {
        self.handle.stop.send_replace(true);
        let mut state = self.handle.state.clone();
        // The sender goes when all is over.
        while state.changed().await.is_ok() {}
    }

    pub(super) fn options(&self) -> Options {
        self.handle.options
    }

    /// The connection for a call that has until `deadline`; `after` is how long that is. Another
    /// one than that which the peer is `closing`.
    pub(super) async fn peer(
        &self,
        closing: Option<Weak<Shared>>,
        wait: bool,
        deadline: Option<(Instant, std::time::Duration)>,
    ) -> Result<Peer, NotConnected> {
        if closing.is_none()
            && let Some(peer) = self.peer_now()
        {
            return Ok(peer);
        }
        if !wait {
            return Err(self.not_connected(NotConnectedKind::FailFast));
        }
        let Ok(_waiting) = self.handle.waiting.try_acquire() else {
            let limit = self.handle.max_waiting;
            return Err(self.not_connected(NotConnectedKind::TooManyWaiting { limit }));
        };
        let waits = self.wait_for_other(closing.unwrap_or_default());
        let peer = match deadline {
            None => waits.await,
            Some((deadline, after)) => {
                let waited = {
                    let _entered = self.handle.runtime.enter();
                    timeout_at(deadline, waits)
                };
                waited.await.map_err(|_| self.not_connected(NotConnectedKind::Waited { after }))?
            }
        };
        peer.ok_or_else(|| self.not_connected(NotConnectedKind::Closed))
    }

    /// The peer is about to close this connection, and answers no more calls: the client leaves it.
    pub(super) fn leave(&self, peer: &Peer) -> Weak<Shared> {
        let closing = Arc::downgrade(peer.shared());
        self.handle.closing.send_if_modified(|known| {
            let is_new = !known.ptr_eq(&closing);
            if is_new {
                known.clone_from(&closing);
            }
            is_new
        });
        closing
    }

    pub(crate) fn peer_now(&self) -> Option<Peer> {
        self.handle.state.borrow().peer().cloned()
    }

    /// Waits for a connection. `None` when there will be none.
    pub(crate) async fn wait_for_peer(&self) -> Option<Peer> {
        self.wait_for_other(Weak::new()).await
    }

    /// Waits for a connection that is not this one. `None` when there will be none.
    async fn wait_for_other(&self, closing: Weak<Shared>) -> Option<Peer> {
        let is_other = |peer: &Peer| Arc::as_ptr(peer.shared()) != closing.as_ptr();
        let mut state = self.handle.state.clone();
        let peer =
            state.wait_for(|state| state.is_closed() || state.peer().is_some_and(is_other)).await;
        // Lost again in between is no matter: whoever uses it comes back here.
        peer.ok().and_then(|state| match &*state {
            State::Connected(peer) => Some(peer.clone()),
            _ => None,
        })
    }

    pub(crate) fn not_connected(&self, kind: NotConnectedKind) -> NotConnected {
        let state = self.handle.state.borrow();
        let kind = if state.is_closed() { NotConnectedKind::Closed } else { kind };
        let (next, cause) = state.outlook();
        NotConnected::new(kind, self.handle.address.clone(), next, cause)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.handle.address)
            .field("state", &*self.handle.state.borrow())
            .finish_non_exhaustive()
    }
}
