//! One side of a connection.

#[cfg(feature = "tokio")]
mod answers;
mod attachments;
mod callers;
mod ending;
mod event;
mod heads;
mod holding;
mod order;
mod queue;
mod room;
mod side;
#[cfg(feature = "tokio")]
mod taking_back;
mod waking;

#[cfg(feature = "tokio")]
pub(crate) use answers::Answers;
#[cfg(feature = "tokio")]
pub(crate) use callers::CallOutcome;
#[cfg(feature = "tokio")]
pub(crate) use ending::Failed;
pub use event::{Answer, Counters, Event, IncomingCall};
#[cfg(feature = "tokio")]
pub(crate) use queue::Transmit;
pub(crate) use side::Core;
#[cfg(feature = "tokio")]
pub(crate) use side::STREAM_CALLS;
#[cfg(feature = "tokio")]
pub(crate) use taking_back::{TakenBack, WasRemoved};
