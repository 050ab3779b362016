use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::argument::PeerAddress;
use crate::connection::{Given, Lent, Peer};
use crate::error::CloseReason;

/// The context of a call: the state that the set of responders shares, and the peer that called.
pub struct Context<S = ()> {
    given: Lent<Given<S>>,
}

impl<S: Send + Sync + 'static> Context<S> {
    #[inline]
    pub(super) fn new(state: &Arc<S>, peer: &Peer) -> Self {
        Self { given: Lent::given(state, peer) }
    }
}

impl<S> Context<S> {
    /// Returns the state given to [`Responders::new`](crate::Responders::new), shared by all
    /// connections that these responders answer.
    pub fn state(&self) -> &S {
        &self.given.state
    }

    /// Returns the peer that called, for example to call it back. Await the answer: a responder that
    /// blocks its thread to wait for it may wait for ever (see
    /// [`Responders::on_own_tasks`](crate::Responders::on_own_tasks)).
    pub fn peer(&self) -> &Peer {
        &self.given.peer
    }

    /// Returns the address of the peer.
    pub fn peer_address(&self) -> &PeerAddress {
        self.peer().peer_address()
    }

    /// Resolves to the reason when the connection has ended. From then on an answer reaches nobody.
    ///
    /// Nothing stops the responder then. Nor does anything when the caller gives up its call, since
    /// AMP has no message for that. A responder that takes long and works for its caller alone can
    /// watch for the end itself:
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
    ///         _ = context.closed() => {} // An answer would be dropped.
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

    /// Returns whether the connection has ended, for code that cannot await, such as a blocking
    /// task. This is still `false` while the connection is closing: then [`Peer::is_closed`] returns
    /// `true` already, but an answer may still be sent.
    pub fn has_ended(&self) -> bool {
        self.peer().has_ended()
    }

    /// Returns the value of type `T` that was given to
    /// [`Connection::data`](crate::Connection::data), as [`Peer::get`] does.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.peer().get()
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self { given: self.given.clone() }
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("peer", self.peer()).finish_non_exhaustive()
    }
}
