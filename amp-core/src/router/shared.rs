use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use tokio::sync::Notify;

use super::table::{Table, Wake};
use crate::argument::{Extensions, PeerAddress};
use crate::connection::Drained;
use crate::error::CloseReason;
use crate::proto::End;

/// The things that the driver, the routes and their handles share.
#[derive(Default)]
pub(super) struct SharedRoutes {
    state: Mutex<RouterState>,
    /// The connection has ended.
    pub(super) ended: Notify,
}

#[derive(Default)]
pub(super) struct RouterState {
    pub(super) table: Table,
    pub(super) address: PeerAddress,
    /// What the connections over the routes begin with.
    pub(super) data: Extensions,
    /// The driver, which is woken by whatever it has to look at again.
    pub(super) driver: Wake,
    /// The number of handles and routes.
    handles: usize,
    pub(super) end: End,
    /// How many routes were not over when the end began.
    cut_off: usize,
}

impl RouterState {
    /// Begins the end, unless it has begun before.
    pub(super) fn begin_end(&mut self, reason: CloseReason) {
        if self.end.begin(reason).is_some() {
            self.cut_off = self.table.len();
        }
    }

    pub(super) fn drained(&self) -> Drained {
        Drained { cut_off: self.cut_off }
    }

    /// Returns whether nobody is left who could want something of the connection.
    pub(super) fn is_abandoned(&self) -> bool {
        self.handles == 0
    }
}

impl SharedRoutes {
    pub(super) fn lock(&self) -> MutexGuard<'_, RouterState> {
        // The state is consistent between any two statements that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the driver.
    pub(super) fn wake(&self) {
        let driver = { self.lock().driver.take() };
        driver.into_iter().for_each(Waker::wake);
    }
}

/// Keeps the connection open.
pub(super) struct RoutesHandle(Arc<SharedRoutes>);

impl RoutesHandle {
    pub(super) fn new(shared: &Arc<SharedRoutes>) -> Self {
        shared.lock().handles += 1;
        Self(Arc::clone(shared))
    }

    pub(super) fn shared(&self) -> &Arc<SharedRoutes> {
        &self.0
    }
}

impl Clone for RoutesHandle {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for RoutesHandle {
    fn drop(&mut self) {
        let abandoned = {
            let mut state = self.0.lock();
            state.handles -= 1;
            state.is_abandoned()
        };
        if abandoned {
            self.0.wake();
        }
    }
}
