//! What a command waits for before it is queued, and how long it may take.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Sleep;

use super::shared::Shared;
use crate::error::{CallError, CloseReason};

/// Waits for room in the queue.
#[derive(Default)]
pub(crate) struct WaitsForRoom(Option<Pin<Box<OwnedNotified>>>);

impl WaitsForRoom {
    /// Resolves when another box may be queued, which is to be done at once.
    ///
    /// # Errors
    ///
    /// When no more boxes are queued, for this reason.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        let mut waited = false;
        loop {
            if let Some(room) = &mut self.0 {
                ready!(room.as_mut().poll(cx));
                self.0 = None;
                waited = true;
            }
            match shared.room(waited)? {
                None => return Poll::Ready(Ok(())),
                Some(room) => self.0 = Some(Box::pin(room)),
            }
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
        shared: &Shared,
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
