//! Callers that keep calling, and what they find.

mod latencies;
mod measure;

pub use latencies::Latencies;
pub use measure::{AnyError, Callers, Measured, Repeated};
