//! What a command waits for before it is queued, and how long it may take.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

use super::shared::Shared;
use crate::error::{CallError, CloseReason};
use crate::proto::{Public, RoomPlace};

/// Waits for room in the queue, behind those who have waited before.
#[derive(Default)]
pub(crate) struct WaitsForRoom(Option<Box<Waits>>);

/// A place among those who wait, which is left when this is dropped: whoever was told of room there tells the
/// next.
struct Waits {
    shared: Arc<Shared>,
    place: Option<RoomPlace>,
}

impl WaitsForRoom {
    /// Resolves when another box may be queued, which is to be done at once.
    ///
    /// # Errors
    ///
    /// When no more boxes are queued, for this reason.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        shared: &Arc<Shared>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        // This look may be outdated at once; but so may one under the lock, as soon as that is released.
        if self.0.is_none() && !shared.public().any(Public::CROWDED | Public::AWAITED) {
            return Poll::Ready(Ok(()));
        }
        self.look(shared, cx)
    }

    /// As [`poll`](Self::poll), where it waits already.
    #[cfg(feature = "tower")]
    pub(crate) fn poll_again(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), CloseReason>>> {
        let shared = Arc::clone(&self.0.as_ref()?.shared);
        Some(self.look(&shared, cx))
    }

    #[cold]
    fn look(
        &mut self,
        shared: &Arc<Shared>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        // A place is one of its own connection: it is left where another is asked.
        if self.0.as_ref().is_some_and(|waits| !Arc::ptr_eq(&waits.shared, shared)) {
            self.0 = None;
        }
        // Wakers are cloned and dropped with nothing locked.
        let mut waker = Some(cx.waker().clone());
        let before = self.0.as_mut().and_then(|waits| waits.place.take());
        match shared.with(|state| state.core.poll_room(before, &mut waker)) {
            Ok(Some(place)) => {
                let new = || Box::new(Waits { shared: Arc::clone(shared), place: None });
                self.0.get_or_insert_with(new).place = Some(place);
                Poll::Pending
            }
            over => {
                self.0 = None;
                Poll::Ready(over.map(|_| ()))
            }
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.shared.with(|state| state.core.leave_room(place));
            drop(waker);
        }
    }
}

/// A command that waits for room, and then for its answer if it is a call.
pub(super) struct Waiting {
    room: WaitsForRoom,
    /// How long it may take, from its first poll on.
    after: Option<Duration>,
    /// Runs once it has waited.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// It may take as long as the connection says.
    pub(super) fn new(shared: &Shared) -> Self {
        Self { room: WaitsForRoom::default(), after: shared.settings.call_timeout, deadline: None }
    }

    /// Sets how long it may take, or that it may take any time.
    pub(super) fn set_timeout(&mut self, after: Option<Duration>) {
        self.after = after;
    }

    /// Waits for room in the queue, as long as it may.
    #[inline]
    pub(super) fn poll_room(
        &mut self,
        shared: &Arc<Shared>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CallError>> {
        match self.room.poll(shared, cx) {
            Poll::Ready(room) => Poll::Ready(room.map_err(CallError::Closed)),
            Poll::Pending => {
                let error = ready!(self.poll_deadline(shared, cx));
                // Another is told of room in its place.
                self.room = WaitsForRoom::default();
                Poll::Ready(Err(error))
            }
        }
    }

    /// Resolves to the error when the time is over.
    #[inline]
    pub(super) fn poll_deadline(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<CallError> {
        let Some(after) = self.after else { return Poll::Pending };
        let deadline = self.deadline.get_or_insert_with(|| shared.sleep(after));
        deadline.as_mut().poll(cx).map(|()| CallError::Timeout { after })
    }
}
