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
    /// Whether the driver polls it, which does nothing else meanwhile.
    by_driver: bool,
}

impl Polled {
    const NOTHING: Self = Self { connection: ptr::null(), by_driver: false };
}

/// While this is there, the thread polls a responder.
pub(crate) struct Polling {
    before: Polled,
}

impl Polling {
    pub(crate) fn by_driver<C>(connection: &Arc<C>) -> Self {
        Self::new(Polled { connection: Arc::as_ptr(connection).cast(), by_driver: true })
    }

    pub(crate) fn by_task<C>(connection: &Arc<C>) -> Self {
        Self::new(Polled { connection: Arc::as_ptr(connection).cast(), by_driver: false })
    }

    /// Middleware polls it, on whatever task that runs.
    #[cfg(feature = "tower")]
    pub(crate) fn by_middleware<C>(connection: &Arc<C>) -> Self {
        let by_driver = POLLED.get().by_driver;
        Self::new(Polled { connection: Arc::as_ptr(connection).cast(), by_driver })
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

/// Whether this thread polls a responder of the connection in its driver.
#[inline]
pub(super) fn is_within_driver_of<C>(connection: &Arc<C>) -> bool {
    let polled = POLLED.get();
    polled.by_driver && ptr::eq(polled.connection, Arc::as_ptr(connection).cast())
}

/// Whether this thread polls a responder in a driver.
pub(crate) fn is_within_driver() -> bool {
    POLLED.get().by_driver
}
