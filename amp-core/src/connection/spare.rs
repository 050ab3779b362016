//! What responders are given again and again: their peer and their state.
//!
//! To count one more who holds a peer, and to count it down again, locks memory twice, which other threads
//! count in as well. Most responders are done when the driver has polled them once: what they were given is
//! then given to the next.

use std::any::Any;
use std::cell::RefCell;
use std::ops::Deref;
use std::ptr;
use std::sync::{Arc, Weak};

use super::peer::{Handle, Peer};
use super::shared::Shared;

thread_local!(static SPARES: RefCell<Spares> = const { RefCell::new(Spares::NOTHING) });

/// What was given back since the driver of a connection began to work on this thread.
struct Spares {
    /// The connection. It is only compared.
    connection: *const Shared,
    /// Of a question.
    peer: Option<Peer>,
    /// Of a responder: its state and its peer.
    given: Option<(Arc<dyn Any + Send + Sync>, Peer)>,
}

impl Spares {
    const NOTHING: Self = Self { connection: ptr::null(), peer: None, given: None };
}

/// While this is there, what responders of the connection give back on this thread is kept.
pub(super) struct Keeping {
    before: Option<Spares>,
}

impl Keeping {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let spares = Spares { connection: Arc::as_ptr(shared), ..Spares::NOTHING };
        Self { before: SPARES.try_with(|kept| kept.replace(spares)).ok() }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // They are dropped once nothing is borrowed: a state is the user's.
        if let Some(before) = self.before.take() {
            drop(SPARES.try_with(|kept| kept.replace(before)));
        }
    }
}

/// What can be given back.
pub(crate) trait GiveBack {
    fn give_back(self);
}

/// Something that is given back when it is dropped, and is there until then.
#[derive(Clone)]
pub(crate) struct Reused<T: GiveBack>(Option<T>);

impl<T: GiveBack> Deref for Reused<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is given back")
    }
}

impl<T: GiveBack> Drop for Reused<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            value.give_back();
        }
    }
}

impl Reused<Peer> {
    #[inline]
    pub(crate) fn peer(peer: Peer) -> Self {
        Self(Some(peer))
    }
}

impl GiveBack for Peer {
    fn give_back(self) {
        keep(Arc::as_ptr(self.shared()), self, |spares| &mut spares.peer);
    }
}

/// What a responder is given.
pub(crate) struct Given<S> {
    pub(crate) state: Arc<S>,
    pub(crate) peer: Peer,
    /// Gives both back. Only who makes this knows what a state is.
    give_back: fn(Arc<S>, Peer),
}

impl<S: Send + Sync + 'static> Reused<Given<S>> {
    /// What a responder with this state is given to answer a call of this peer.
    #[inline]
    pub(crate) fn given(state: &Arc<S>, peer: &Peer) -> Self {
        let spare = kept_of(peer.shared(), |spares| spares.given.take());
        let (state, peer) = match spare {
            None => (Arc::clone(state), peer.clone()),
            Some((spare, peer)) => {
                let same = spare.downcast().ok().filter(|spare| Arc::ptr_eq(spare, state));
                (same.unwrap_or_else(|| Arc::clone(state)), peer)
            }
        };
        Self(Some(Given { state, peer, give_back }))
    }
}

impl<S> GiveBack for Given<S> {
    #[inline]
    fn give_back(self) {
        let Self { state, peer, give_back } = self;
        give_back(state, peer);
    }
}

impl<S> Clone for Given<S> {
    fn clone(&self) -> Self {
        let Self { state, peer, give_back } = self;
        Self { state: Arc::clone(state), peer: peer.clone(), give_back: *give_back }
    }
}

fn give_back<S: Send + Sync + 'static>(state: Arc<S>, peer: Peer) {
    let connection = Arc::as_ptr(peer.shared());
    keep(connection, (state as Arc<dyn Any + Send + Sync>, peer), |spares| &mut spares.given);
}

/// Returns the peer of a call that was received: one that was given back, or the [`recent`](Peer::recent)
/// one.
#[inline]
pub(super) fn peer_of(shared: &Arc<Shared>, recent: &mut Weak<Handle>) -> Peer {
    let spare = kept_of(shared, |spares| spares.peer.take());
    spare.unwrap_or_else(|| Peer::recent(shared, recent))
}

/// Returns what `look` finds among what is kept on this thread, if that is of this connection.
#[inline]
fn kept_of<T>(shared: &Arc<Shared>, look: impl FnOnce(&mut Spares) -> Option<T>) -> Option<T> {
    let look = |kept: &RefCell<Spares>| {
        let spares = &mut *kept.borrow_mut();
        if ptr::eq(spares.connection, Arc::as_ptr(shared)) { look(spares) } else { None }
    };
    SPARES.try_with(look).ok().flatten()
}

/// Keeps what was given back in its place, if what is kept on this thread is of this connection.
#[inline]
fn keep<T>(connection: *const Shared, value: T, place: fn(&mut Spares) -> &mut Option<T>) {
    let give = |kept: &RefCell<Spares>| {
        let spares = &mut *kept.borrow_mut();
        if ptr::eq(spares.connection, connection) {
            place(spares).replace(value)
        } else {
            Some(value)
        }
    };
    // What is not kept is dropped once nothing is borrowed: a state is the user's, and the last peer closes
    // its connection.
    drop(SPARES.try_with(give));
}
