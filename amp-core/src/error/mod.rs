//! The ways in which a call ends without a response, and a connection altogether.

mod call;
#[cfg(feature = "tokio")]
mod not_connected;

pub(crate) use crate::proto::CloseReason;
pub use call::CallError;
#[cfg(feature = "tokio")]
pub(crate) use not_connected::Next;
#[cfg(feature = "tokio")]
pub use not_connected::{ConnectError, NotConnected, NotConnectedKind};
