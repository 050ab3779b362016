//! Connections: one driver task that owns the stream, and the handle that calls.

mod transport;

pub use transport::Transport;
