//! Seeing what happens on connections.

mod wire_log;

pub use wire_log::WireLog;
