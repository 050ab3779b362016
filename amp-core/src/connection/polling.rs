//! Whose responder a thread is polling.

use std::cell::Cell;
use std::ptr;

use super::shared::Shared;

thread_local!(static POLLED: Cell<Polled> = const { Cell::new(Polled::NOTHING) });

/// What a thread polls, if that is a responder.
#[derive(Clone, Copy)]
struct Polled {
    /// The connection whose responder it is. It is only compared.
    connection: *const Shared,
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
    pub(super) fn by_driver(shared: &Shared) -> Self {
        Self::new(Polled { connection: shared, by_driver: true })
    }

    pub(super) fn by_task(shared: &Shared) -> Self {
        Self::new(Polled { connection: shared, by_driver: false })
    }

    /// Middleware polls it, on whatever task that runs.
    #[cfg(feature = "tower")]
    pub(crate) fn by_middleware(shared: &Shared) -> Self {
        let by_driver = POLLED.get().by_driver;
        Self::new(Polled { connection: shared, by_driver })
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
pub(super) fn is_within_responder(shared: &Shared) -> bool {
    ptr::eq(POLLED.get().connection, shared)
}

/// Whether this thread polls a responder in a driver.
pub(crate) fn is_within_driver() -> bool {
    POLLED.get().by_driver
}
