//! Connections that have never sent a box, which give way when a server is full.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::connection::Shared;
use crate::error::CloseReason;

/// How long a connection has in any case: who has something to say has begun by then.
pub(super) const GIVES_WAY_AFTER: Duration = Duration::from_secs(10);

/// Those that had sent nothing when it was last looked, the oldest first.
#[derive(Default)]
pub(super) struct Silent(VecDeque<Connected>);

struct Connected {
    since: Instant,
    shared: Weak<Shared>,
    task: AbortHandle,
}

impl Connected {
    fn is_silent(&self) -> bool {
        let silent =
            |shared: Arc<Shared>| shared.peek(|state| state.core.counters().boxes_received) == 0;
        !self.task.is_finished() && self.shared.upgrade().is_some_and(silent)
    }
}

impl Silent {
    /// Adds a connection that has just begun.
    pub(super) fn push(&mut self, shared: &Arc<Shared>, task: AbortHandle) {
        if self.0.len() == self.0.capacity() {
            self.0.retain(Connected::is_silent);
        }
        self.0.push_back(Connected { since: Instant::now(), shared: Arc::downgrade(shared), task });
    }

    /// Returns when the oldest of them may give way.
    fn next(&mut self) -> Option<Instant> {
        while let Some(oldest) = self.0.front() {
            if oldest.is_silent() {
                return Some(oldest.since + GIVES_WAY_AFTER);
            }
            self.0.pop_front();
        }
        None
    }

    /// Returns whether one may give way now.
    pub(super) fn may_give_way(&mut self) -> bool {
        self.next().is_some_and(|next| next <= Instant::now())
    }

    /// Waits until one may give way, or for ever if none will.
    pub(super) async fn until_one_may_give_way(&mut self) {
        match self.next() {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Ends the oldest of them at once if it may give way, and returns whether one did.
    pub(super) fn give_way(&mut self) -> bool {
        if !self.may_give_way() {
            return false;
        }
        let Some(Connected { shared, task, .. }) = self.0.pop_front() else { return false };
        if let Some(shared) = shared.upgrade() {
            shared.close(&CloseReason::BoxTimeout { after: GIVES_WAY_AFTER });
        }
        task.abort();
        true
    }
}
