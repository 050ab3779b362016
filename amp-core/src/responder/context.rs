use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::argument::PeerAddress;
use crate::connection::Peer;
use crate::error::CloseReason;

/// All that a responder knows beside the arguments of a call: the state that its set of responders
/// shares, and the peer that called.
pub struct Context<S = ()> {
    state: Arc<S>,
    peer: Peer,
}

impl<S> Context<S> {
    #[inline]
    pub(super) fn new(state: &Arc<S>, peer: &Peer) -> Self {
        Self { state: Arc::clone(state), peer: peer.clone() }
    }

    /// Returns the state given to [`Responders::new`](crate::Responders::new), shared by all
    /// connections that these responders answer.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Returns the peer that called, to call it back. The answer is awaited: a responder that
    /// blocks its thread until it is there may wait for ever
    /// ([`Responders::on_own_tasks`](crate::Responders::on_own_tasks)).
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns where the peer is.
    pub fn peer_address(&self) -> &PeerAddress {
        self.peer().peer_address()
    }

    /// Resolves when the connection has ended, to the reason: an answer would reach nobody.
    ///
    /// A responder is not stopped then, nor when the caller gives up its call, which nothing on the
    /// wire says. One that takes long, and is of no use to anyone else, looks for this itself:
    ///
    /// ```
    /// use amp_core::{Command, Context, NoError, Responders};
    ///
    /// #[derive(Command)]
    /// struct Render {}
    ///
    /// let responders = Responders::new(()).respond(async |context: Context, _: Render| {
    ///     let rendering = async { /* ... */ };
    ///     tokio::select! {
    ///         () = rendering => {}
    ///         _ = context.closed() => {} // Whatever is answered here is dropped.
    ///     }
    ///     Ok::<(), NoError>(())
    /// });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> CloseReason {
        self.peer().closed().await
    }

    /// Returns whether the connection has ended: for work that does not await, such as that of a
    /// blocking task. While the connection is only closing, when its [`Peer::is_closed`] already, an
    /// answer may still be sent.
    pub fn has_ended(&self) -> bool {
        self.peer().has_ended()
    }

    /// Returns the connection's own data of type `T`: see
    /// [`Connection::data`](crate::Connection::data).
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.peer().get()
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), peer: self.peer.clone() }
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("peer", self.peer()).finish_non_exhaustive()
    }
}
