use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::connections::Connections;
use super::state::State;
use super::supervisor::Stop;
use crate::connection::{Peer, Shared, seen};
use crate::error::{NotConnected, NotConnectedKind};
use crate::sync::Notify;

/// The way from calls to whichever connection a client has. All handles of the client share it, and
/// all calls that are awaited; the client stops when the last of them is dropped.
pub(super) struct Link {
    pub(super) state: watch::Receiver<State>,
    /// Notified when there is a connection, and when there will be none any more: in the order in which calls
    /// began to wait, which `state` does not keep.
    pub(super) connected: Arc<Notify>,
    /// The supervisor stops as this says, or when it is gone.
    pub(super) stop: watch::Sender<Stop>,
    /// The connection that the peer is about to close, for the supervisor to leave.
    pub(super) closing: watch::Sender<Weak<Shared>>,
    pub(super) connections: Arc<Connections>,
    /// One permit for each call that may wait for the connection.
    pub(super) waiting: Semaphore,
    pub(super) max_waiting: usize,
    pub(super) address: Option<Arc<str>>,
    pub(super) options: Options,
    /// Where the client was started. It has the timers of calls, which may be polled anywhere.
    pub(super) runtime: runtime::Handle,
}

/// How a call is made, unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) wait: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) max_repeats: u32,
}

impl Link {
    /// The connection for a call that has until `deadline`; `after` is how long that is. Another
    /// one than that which the peer is `closing`.
    pub(super) async fn peer(
        &self,
        closing: Option<Weak<Shared>>,
        wait: bool,
        deadline: Option<(Instant, Duration)>,
    ) -> Result<Peer, NotConnected> {
        if closing.is_none()
            && let Some(peer) = self.peer_now()
        {
            return Ok(peer);
        }
        if !wait {
            return Err(self.not_connected(NotConnectedKind::FailFast));
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            let limit = self.max_waiting;
            return Err(self.not_connected(NotConnectedKind::TooManyWaiting { limit }));
        };
        let waits = self.wait_for_other(closing.unwrap_or_default());
        let peer = match deadline {
            None => waits.await,
            Some((deadline, after)) => {
                let waited = {
                    let _entered = self.runtime.enter();
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
        self.closing.send_if_modified(|known| {
            // A connection that was left before must not take the place of the one that is there. The look
            // is in here, so that none of a later connection comes before this one is written.
            let state = self.state.borrow();
            let is_there = matches!(&*state, State::Connected(now) if now.is_same_connection(peer));
            let is_new = is_there && !known.ptr_eq(&closing);
            if is_new {
                known.clone_from(&closing);
            }
            is_new
        });
        closing
    }

    pub(super) fn peer_now(&self) -> Option<Peer> {
        self.state.borrow().peer().cloned()
    }

    /// Waits for a connection. `None` when there will be none.
    pub(super) async fn wait_for_peer(&self) -> Option<Peer> {
        self.wait_for_other(Weak::new()).await
    }

    /// Waits for a connection that is not this one. `None` when there will be none.
    async fn wait_for_other(&self, closing: Weak<Shared>) -> Option<Peer> {
        let is_other = |peer: &&Peer| Arc::as_ptr(peer.shared()) != closing.as_ptr();
        seen(&self.connected, || {
            let state = self.state.borrow();
            let other = state.peer().filter(is_other);
            (other.is_some() || state.is_closed()).then(|| other.cloned())
        })
        .await
    }

    pub(super) fn not_connected(&self, kind: NotConnectedKind) -> NotConnected {
        let state = self.state.borrow();
        let kind = if state.is_closed() { NotConnectedKind::Closed } else { kind };
        let (next, cause) = state.outlook();
        NotConnected::of(kind, self.address.clone(), next, cause)
    }
}
