//! What responders that answer at once give back, for those that the driver begins next.
//!
//! Each call that is received has a peer, and its responder has another one and the state that it shares. To count
//! those up and down would lock memory three times as often as all else that is done for the call. Most responders
//! are done before the driver begins the next one, so that is given what they had.

use std::any::Any;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};

use super::peer::{Handle, Peer};
use super::shared::Shared;

thread_local! {
    static KEPT: Kept = const {
        Kept { keeps: Cell::new(false), peer: Cell::new(None), given: Cell::new(None) }
    };
}

/// What a thread keeps while a driver is at work on it.
pub(crate) struct Kept {
    /// Whether one is.
    keeps: Cell<bool>,
    /// Of a question.
    peer: Cell<Option<Peer>>,
    /// Of its responder.
    given: Cell<Option<Given<dyn Any + Send + Sync>>>,
}

/// What a responder is given with its call.
pub(crate) struct Given<S: ?Sized> {
    pub(crate) state: Arc<S>,
    pub(crate) peer: Peer,
}

impl<S: ?Sized> Clone for Given<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), peer: self.peer.clone() }
    }
}

/// What is counted and given to a call. Dropped while a driver is at work it is kept, for the next call.
#[derive(Clone)]
pub(crate) struct Lent<T> {
    /// There until it is dropped.
    counted: Option<T>,
    /// How it is kept. The type of a context says nothing of its state that this needs.
    keep: fn(&Kept, T),
}

impl Lent<Peer> {
    /// The peer of a call that was received: `recent` stays with the driver from call to call.
    #[inline]
    pub(super) fn recent(shared: &Arc<Shared>, recent: &mut Weak<Handle>) -> Self {
        let kept = KEPT.try_with(|kept| kept.peer.take()).ok().flatten();
        let kept = kept.filter(|kept| Arc::ptr_eq(kept.shared(), shared));
        let peer = kept.map(|kept| kept.seeing_late(true));
        peer.unwrap_or_else(|| Peer::recent(shared, recent)).into()
    }
}

impl From<Peer> for Lent<Peer> {
    #[inline]
    fn from(peer: Peer) -> Self {
        Self { counted: Some(peer), keep: |kept, peer| kept.peer.set(Some(peer)) }
    }
}

impl<S: Send + Sync + 'static> Lent<Given<S>> {
    #[inline]
    pub(crate) fn given(state: &Arc<S>, peer: &Peer) -> Self {
        let kept = KEPT.try_with(|kept| kept.given.take()).ok().flatten();
        let same = kept.and_then(|Given { state: kept, peer: its }| {
            let kept = kept.downcast().ok()?;
            (Arc::ptr_eq(&kept, state) && its.is_same_connection(peer))
                .then(|| Given { state: kept, peer: its.seeing_late(peer.sees_late()) })
        });
        let counted = || Given { state: Arc::clone(state), peer: peer.clone() };
        Self {
            counted: Some(same.unwrap_or_else(counted)),
            keep: |kept, Given { state, peer }| kept.given.set(Some(Given { state, peer })),
        }
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.counted.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> DerefMut for Lent<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.counted.as_mut().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Lent<T> {
    #[inline]
    fn drop(&mut self) {
        // Otherwise, and on a thread that is about to end, it is dropped behind this.
        let _ = KEPT.try_with(|kept| {
            if kept.keeps.get()
                && let Some(counted) = self.counted.take()
            {
                (self.keep)(kept, counted);
            }
        });
    }
}

/// While this is there a driver is at work. Behind that nothing is kept: a peer keeps its connection open.
pub(super) struct Keeping {
    before: bool,
}

impl Keeping {
    #[inline]
    pub(super) fn begin() -> Self {
        // The threads of a model are one of the system's.
        Self { before: KEPT.with(|kept| kept.keeps.replace(!cfg!(modelled))) }
    }
}

impl Drop for Keeping {
    #[inline]
    fn drop(&mut self) {
        KEPT.with(|kept| {
            kept.keeps.set(self.before);
            drop((kept.peer.take(), kept.given.take()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Connection, Driver};

    fn started() -> (Peer, Driver) {
        Connection::new(tokio::io::duplex(100).0).start()
    }

    fn recent(peer: &Peer) -> Lent<Peer> {
        Lent::recent(peer.shared(), &mut peer.handle())
    }

    /// How many share the state and the connection.
    fn counts(state: &Arc<u8>, peer: &Peer) -> (usize, usize) {
        (Arc::strong_count(state), peer.handle().strong_count())
    }

    #[tokio::test]
    async fn what_a_call_was_given_is_the_next_ones_until_the_driver_waits() {
        let (state, (peer, _driver)) = (Arc::new(1), started());
        let keeping = Keeping::begin();
        for _ in 0..3 {
            let asked = recent(&peer);
            let given = Lent::given(&state, &asked);
            assert_eq!(counts(&state, &peer), (2, 3));
            assert!(Arc::ptr_eq(&given.state, &state) && given.peer.is_same_connection(&peer));
            drop((given, asked));
            assert_eq!(counts(&state, &peer), (2, 3), "they are kept");
        }
        drop(keeping);
        assert_eq!(counts(&state, &peer), (1, 1));
        let asked = recent(&peer);
        drop((Lent::given(&state, &asked), asked));
        assert_eq!(counts(&state, &peer), (1, 1), "no driver is at work");
    }

    #[tokio::test]
    async fn nothing_is_given_to_a_call_that_is_anothers() {
        let (state, (peer, _driver)) = (Arc::new(1), started());
        let (other_state, (other, _other_driver)) = (Arc::new(1), started());
        let _keeping = Keeping::begin();
        let give = |state: &Arc<_>, peer: &Peer| {
            let asked = recent(peer);
            assert!(asked.is_same_connection(peer));
            let given = Lent::given(state, &asked);
            assert!(Arc::ptr_eq(&given.state, state) && given.peer.is_same_connection(peer));
        };
        for (state, peer) in [(&state, &peer), (&other_state, &peer), (&state, &other)] {
            give(state, peer);
        }
        let text = Arc::new("a state of another type");
        assert!(Arc::ptr_eq(&Lent::given(&text, &recent(&other)).state, &text));
        give(&state, &peer);
    }

    #[tokio::test]
    async fn whoever_called_before_an_upgrade_sees_nothing_of_it_by_what_others_had() {
        let (state, (peer, _driver)) = (Arc::new(1), started());
        let _keeping = Keeping::begin();
        for upgraded in [true, false, true, false, false, true, true] {
            let mut asked = recent(&peer);
            asked.see_as_of(upgraded);
            let given = Lent::given(&state, &asked);
            assert_eq!((asked.sees_late(), given.peer.sees_late()), (upgraded, upgraded));
        }
    }
}
