//! Whose responder a thread is polling.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

thread_local!(static POLLED: Cell<Polled> = const { Cell::new(Polled::NOTHING) });

/// What a thread polls, if that is a responder.
#[derive(Clone, Copy)]
struct Polled {
    /// The connection whose responder it is. It is only compared.
    connection: *const (),
    /// The connection whose driver polls it, which does nothing else meanwhile; null if none does. Middleware may
    /// have calls of several connections in one future, so it need not be the same.
    driver: *const (),
}

impl Polled {
    const NOTHING: Self = Self { connection: ptr::null(), driver: ptr::null() };
}

/// While this is there, the thread polls a responder.
pub(crate) struct Polling {
    before: Polled,
}

impl Polling {
    pub(crate) fn by_driver<C>(connection: &Arc<C>) -> Self {
        let connection = Arc::as_ptr(connection).cast();
        Self::new(Polled { connection, driver: connection })
    }

    pub(crate) fn by_task<C>(connection: &Arc<C>) -> Self {
        Self::new(Polled { connection: Arc::as_ptr(connection).cast(), driver: ptr::null() })
    }

    /// Middleware polls it, on whatever task that runs.
    #[cfg(feature = "tower")]
    pub(crate) fn by_middleware<C>(connection: &Arc<C>) -> Self {
        let driver = POLLED.get().driver;
        Self::new(Polled { connection: Arc::as_ptr(connection).cast(), driver })
    }

    fn new(polled: Polled) -> Self {
        Self { before: POLLED.replace(polled) }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        POLLED.set(self.before);
    }
}

/// Whether this thread polls a responder of the connection.
pub(crate) fn is_within_responder<C>(connection: &Arc<C>) -> bool {
    ptr::eq(POLLED.get().connection, Arc::as_ptr(connection).cast())
}

/// Whether this thread polls a responder in the driver of this connection, so that the driver is at work.
#[inline]
pub(super) fn is_within_driver_of<C>(connection: &Arc<C>) -> bool {
    ptr::eq(POLLED.get().driver, Arc::as_ptr(connection).cast())
}

/// Whether this thread polls a responder in a driver.
pub(crate) fn is_within_driver() -> bool {
    !POLLED.get().driver.is_null()
}
