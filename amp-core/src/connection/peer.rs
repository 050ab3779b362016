use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::drained::Drained;
use super::polling::is_within_responder;
use super::shared::{Shared, seen};
use crate::argument::{PeerAddress, Proto};
use crate::error::CloseReason;
use crate::proto::Counters;

/// The other side of a connection: a handle that makes calls to it.
///
/// Clones are cheap and refer to the same connection, which closes when the last of them is dropped.
/// A responder gets one in its [`Context`](crate::Context), so both sides can call.
#[derive(Clone)]
pub struct Peer {
    handle: Arc<Handle>,
    /// Whether it sees what became known of the peer while the connection was open.
    sees_late: bool,
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
        Self { handle, sees_late: true }
    }

    /// Returns the peer that a value is encoded for or was received from, for an argument type that
    /// uses the connection itself. Returns `None` where there is no connection, or where it is about
    /// to end because nobody holds it.
    ///
    /// The returned peer keeps the connection open, as any other does.
    pub fn of(proto: &Proto<'_>) -> Option<Self> {
        let handle = proto.connection()?.downcast().ok()?;
        Some(Self { handle, sees_late: proto.sees_late() })
    }

    /// The peer of a call that was received: `recent` stays with the driver from call to call.
    pub(super) fn recent(shared: &Arc<Shared>, recent: &mut Weak<Handle>) -> Self {
        if let Some(handle) = recent.upgrade() {
            return Self { handle, sees_late: true };
        }
        let peer = Self::new(Arc::clone(shared));
        *recent = Arc::downgrade(&peer.handle);
        peer
    }

    /// It goes with what came over the transport that a switch has brought, or with what came before: whoever
    /// shows certificates has not made the calls that came before, in clear text.
    #[inline]
    pub(crate) fn see_as_of(&mut self, upgraded: bool) {
        self.sees_late &= upgraded;
    }

    /// The same, whatever it went with.
    #[inline]
    pub(super) fn seeing_late(self, sees_late: bool) -> Self {
        Self { sees_late, ..self }
    }

    pub(crate) fn sees_late(&self) -> bool {
        self.sees_late
    }

    pub(super) fn handle(&self) -> Weak<Handle> {
        Arc::downgrade(&self.handle)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Closes the connection and waits until it has ended. Outstanding calls fail with
    /// [`CloseReason::Local`]. Boxes that are queued are still sent.
    ///
    /// This takes no longer than [`Limits::close_timeout`](field@crate::Limits::close_timeout).
    ///
    /// A responder that awaits this cannot answer, since it is still running when the connection has
    /// ended. To close the connection together with or after its answer, a responder awaits
    /// [`close_gracefully`](Peer::close_gracefully) instead, or is registered with
    /// [`respond_then`](crate::Responders::respond_then) and closes the connection afterwards.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the connection still closes.
    pub async fn close(&self) {
        self.shared().close(&CloseReason::Local);
        self.closed().await;
    }

    /// Lets the responders that run on the connection answer, for at most the time `within`, then
    /// closes the connection and waits until it has ended.
    ///
    /// From now on, calls of the peer are answered with [`CLOSING`](crate::keys::CLOSING), which says
    /// that they were not acted upon, and its one-way calls are dropped. This side can still call,
    /// since a responder may have to call in order to answer. Calls that are outstanding at the end
    /// fail, as with [`close`](Peer::close).
    ///
    /// The end itself takes up to [`Limits::close_timeout`](field@crate::Limits::close_timeout) more.
    /// If this is called again, the time of the first call counts. [`close`](Peer::close) cuts it
    /// short.
    ///
    /// Returns how many responders were cut off because the time was too short for them.
    ///
    /// # In a responder
    ///
    /// The end waits for all responders that run on the connection, so a responder that awaits this
    /// would wait for itself. Therefore the future resolves at once there, and says that none was cut off yet. The
    /// connection ends after the responder has answered. This applies to everything that the responder polls itself, but
    /// not to tasks that it spawns. If a responder awaits a task that awaits this, both wait until
    /// the time is over. The same happens to a responder that awaits [`closed`](Peer::closed), or the
    /// end of its [server](crate::Serve).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the connection still closes.
    #[doc(alias("drain", "shutdown"))]
    pub async fn close_gracefully(&self, within: Duration) -> Drained {
        self.shared().drain(within);
        if is_within_responder(self.shared()) {
            return Drained::default();
        }
        self.closed().await;
        self.shared().drained()
    }

    /// Resolves to the reason when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> CloseReason {
        self.shared().closed().await
    }

    /// Resolves to the reason when no more calls can be made, because the connection has ended or is
    /// about to.
    pub(crate) async fn closing(&self) -> CloseReason {
        let shared = self.shared();
        let refusal = || shared.peek(|state| state.core.end().refusal().cloned());
        seen(&shared.refusing, refusal).await
    }

    /// Returns whether no more calls can be made, because the connection has ended or is about to.
    /// During a [graceful close](Peer::close_gracefully), calls can be made until the responders have
    /// answered.
    pub fn is_closed(&self) -> bool {
        self.shared().peek(|state| state.core.end().refusal().is_some())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shared().peek(|state| state.core.end().over().is_some())
    }

    /// Returns the number of the connection, which is unique in this process. It is `id` in the
    /// connection's span.
    pub fn id(&self) -> u64 {
        self.shared().id
    }

    /// Returns the address of the peer.
    pub fn peer_address(&self) -> &PeerAddress {
        &self.shared().address
    }

    /// Returns the value of type `T` that was given to [`Connection::data`](crate::Connection::data), or
    /// that the transport has brought.
    ///
    /// If TLS was started on the open connection, its data ([`PeerCertificates`](crate::tls::PeerCertificates)) says
    /// nothing of calls that came before: anybody in between may have sent those. So the peer of such a call does not
    /// have that data, however late you ask. The peer that [`spawn`](crate::Connection::spawn) has returned has it.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.shared().extensions.seen(self.sees_late)
    }

    /// Returns counters of what has happened on the connection so far.
    pub fn counters(&self) -> Counters {
        self.shared().peek(|state| state.core.counters())
    }

    /// Returns how many responders of the connection are running at the moment. Only those count that
    /// did not answer at once. They keep counting after the connection has ended.
    pub fn running_responders(&self) -> usize {
        self.shared().peek(|state| state.core.admission().running)
    }

    /// Returns whether both handles belong to the same connection.
    pub fn is_same_connection(&self, other: &Peer) -> bool {
        Arc::ptr_eq(self.shared(), other.shared())
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
