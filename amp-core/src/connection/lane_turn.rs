use std::sync::Arc;
use std::task::{Context, Poll};

use super::shared::Shared;
use crate::proto::{LaneId, Place, Turn};

/// A place in a lane of a connection. Whoever has it is begun when their turn comes, which goes to the
/// next in the lane when this is dropped.
pub(crate) struct LaneTurn {
    shared: Arc<Shared>,
    lane: LaneId,
    place: Place,
}

impl LaneTurn {
    pub(crate) fn enter(shared: &Arc<Shared>, lane: LaneId, requires_answer: bool) -> Self {
        let place = shared.with(|state| state.core.enter_lane(lane, requires_answer));
        Self { shared: Arc::clone(shared), lane, place }
    }

    /// Resolves when the turn has come; to `false` when it never will, because the connection has ended
    /// and nobody could be answered.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<bool> {
        // Wakers are cloned and dropped with nothing locked.
        let mut waker = Some(cx.waker().clone());
        let Self { shared, lane, place } = self;
        match shared.with(|state| state.core.poll_turn(*lane, *place, &mut waker)) {
            Turn::Yes => Poll::Ready(true),
            Turn::NotYet => Poll::Pending,
            Turn::Never => Poll::Ready(false),
        }
    }
}

impl Drop for LaneTurn {
    fn drop(&mut self) {
        self.shared.with(|state| state.core.leave_lane(self.lane, self.place));
    }
}
