//! Responders: what answers the calls of the peer, and agrees to protocol switches.

mod context;
mod failure;
mod locator;
mod question;
mod responders;
mod string;

pub use context::Context;
pub use failure::Failure;
pub(crate) use locator::Locator;
pub(crate) use question::{Question, Undeclared};
pub use responders::{Clash, Respond, Responders};
pub use string::{StringCallReceived, StringResponder};
