//! One side of a connection.

mod admitting;
mod attachments;
mod callers;
mod ending;
#[cfg(feature = "tokio")]
mod removing;
mod side;
mod switching;
mod waking;

#[cfg(feature = "tokio")]
pub(crate) use callers::Outcome;
#[cfg(feature = "tokio")]
pub(crate) use removing::{Refused, TakenBack, WasRemoved};
#[cfg(feature = "tokio")]
pub(crate) use side::Transmit;
pub use side::{Answer, Core, CoreLimits, Counters, Event, IncomingCall};
