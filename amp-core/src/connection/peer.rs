use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::polling::is_within_responder;
use super::shared::{Shared, seen};
use crate::argument::{PeerAddress, Proto};
use crate::error::CloseReason;
use crate::proto::Counters;

/// The other side of a connection: the handle that calls it.
///
/// Clones are cheap and stand for the same connection, which closes when the last of them is
/// dropped. A responder gets one in its [`Context`](crate::Context), so both sides can call.
#[derive(Clone)]
pub struct Peer {
    handle: Arc<Handle>,
}

/// Keeps a connection open. It closes with the last peer.
pub(crate) struct Handle {
    shared: Arc<Shared>,
}

impl Peer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let handle = Arc::new(Handle { shared });
        let known: Weak<dyn Any + Send + Sync> = Arc::<Handle>::downgrade(&handle);
        // The first one counts: when that is gone, the connection is about to end.
        let _ = handle.shared.handle.set(known);
        Self { handle }
    }

    /// Returns the peer that a value is encoded for or came from, for an argument that goes on with the
    /// connection; `None` where there is none, or where it is about to end because nobody holds it.
    ///
    /// The peer keeps the connection open, as any other does.
    pub fn of(proto: &Proto<'_>) -> Option<Self> {
        proto.connection()?.downcast().ok().map(|handle| Self { handle })
    }

    /// The peer of a call that was received: `recent` stays with the driver from call to call.
    pub(super) fn recent(shared: &Arc<Shared>, recent: &mut Weak<Handle>) -> Self {
        if let Some(handle) = recent.upgrade() {
            return Self { handle };
        }
        let peer = Self::new(Arc::clone(shared));
        *recent = Arc::downgrade(&peer.handle);
        peer
    }

    pub(super) fn handle(&self) -> Weak<Handle> {
        Arc::downgrade(&self.handle)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Closes the connection and waits until it has ended. Calls that are outstanding fail with
    /// [`CloseReason::Local`]; what is queued is still sent.
    ///
    /// It takes no longer than [`Limits::close_timeout`](field@crate::Limits::close_timeout).
    ///
    /// A responder that awaits this is still running when the connection has ended, and answers
    /// nobody. To close the connection with or after its answer, it awaits
    /// [`close_gracefully`](Peer::close_gracefully), or leaves the closing to
    /// [`respond_then`](crate::Responders::respond_then).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connection closing.
    pub async fn close(&self) {
        self.shared().close(&CloseReason::Local);
        self.closed().await;
    }

    /// Closes the connection once the responders that run on it have answered, but `within` this
    /// time; waits until it has ended.
    ///
    /// Calls that the peer makes from here on are answered with
    /// [`CLOSING`](crate::keys::CLOSING), which says that they were not acted upon; one-way calls
    /// are dropped. Calls of this side still go out, since a responder may need them to answer. Those
    /// that are outstanding at the end fail as with [`close`](Peer::close).
    ///
    /// The end itself takes up to [`Limits::close_timeout`](field@crate::Limits::close_timeout) more. When
    /// this is called again the first time given counts; [`close`](Peer::close) cuts it short.
    ///
    /// # In a responder
    ///
    /// The end waits for all responders that run on the connection. One of them that awaits this
    /// would wait for itself; so there it resolves at once, and the connection ends when the
    /// responder has answered. The same holds of all that the responder itself polls, but a task
    /// that it has spawned is not known to be its own: when it awaits a task that awaits this, both
    /// wait until the time is over. So does one that awaits [`closed`](Peer::closed), or the end of
    /// its [server](crate::Serve), meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connection closing.
    #[doc(alias("drain", "shutdown"))]
    pub async fn close_gracefully(&self, within: Duration) {
        self.shared().drain(within);
        if !is_within_responder(self.shared()) {
            self.closed().await;
        }
    }

    /// Resolves when the connection has ended, to the reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> CloseReason {
        self.shared().closed().await
    }

    /// Resolves when no more calls can be made, to the reason: the connection has ended, or is about
    /// to.
    pub(crate) async fn closing(&self) -> CloseReason {
        let shared = self.shared();
        let refusal = || shared.peek(|state| state.core.end().refusal().cloned());
        seen(&shared.refusing, refusal).await
    }

    /// Returns whether no more calls can be made: the connection has ended, or is about to. While it is
    /// [closed gracefully](Peer::close_gracefully) they can, until its responders have answered.
    pub fn is_closed(&self) -> bool {
        self.shared().peek(|state| state.core.end().refusal().is_some())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shared().peek(|state| state.core.end().over().is_some())
    }

    /// Returns the number of the connection, which no other of this process has: `id` in its span.
    pub fn id(&self) -> u64 {
        self.shared().id
    }

    /// Returns where the peer is.
    pub fn peer_address(&self) -> &PeerAddress {
        &self.shared().address
    }

    /// Returns the value of type `T` that was given to [`Connection::data`](crate::Connection::data).
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.shared().extensions.get()
    }

    /// Returns what happened on the connection so far.
    pub fn counters(&self) -> Counters {
        self.shared().peek(|state| state.core.counters())
    }

    /// Returns how many responders run on the connection at the moment that have had to wait. It goes on to
    /// count once the connection has ended.
    pub fn running_responders(&self) -> usize {
        self.shared().peek(|state| state.core.admission().running)
    }

    /// Returns whether both are handles of one connection.
    pub fn is_same_connection(&self, other: &Peer) -> bool {
        Arc::ptr_eq(self.shared(), other.shared())
    }

    /// A future that resolves when the queue may have room, or `None` when it has: see
    /// [`Shared::room`].
    #[cfg(feature = "tower")]
    pub(crate) fn room(
        &self,
        waited: bool,
    ) -> Result<Option<tokio::sync::futures::OwnedNotified>, CloseReason> {
        self.shared().room(waited)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state| state.core.abandon_connection());
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("address", self.peer_address()).finish_non_exhaustive()
    }
}
