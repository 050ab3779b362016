//! The checker is one that takes all orders, or one that takes orders at random.

#[cfg(not(feature = "shuttle"))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering, fence},
};
#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering, fence},
};
