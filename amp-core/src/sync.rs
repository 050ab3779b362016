//! The locks, atomics and notices by which the tasks of a connection share its state: those of the standard
//! library and of tokio, or of the checker that tries their interleavings.

#[cfg(modelled)]
mod checker;

#[cfg(modelled)]
pub(crate) use checker::{AtomicU32, Mutex, MutexGuard, Notify, Ordering, fence};
#[cfg(not(modelled))]
pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(not(modelled))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(not(modelled))]
pub(crate) use tokio::sync::Notify;
