//! How a call ends without a response, and a connection altogether.

mod call;
mod close;
#[cfg(feature = "tokio")]
mod not_connected;

pub use call::CallError;
pub use close::CloseReason;
#[cfg(feature = "tokio")]
pub(crate) use not_connected::Next;
#[cfg(feature = "tokio")]
pub use not_connected::{ConnectError, NotConnected, NotConnectedKind};
