//! Responders: what answers the calls of the peer, and agrees to protocol switches.

mod by_name;
mod clash;
mod context;
mod failure;
mod lane;
#[cfg(feature = "tower")]
mod layer;
mod locator;
mod own_task;
mod question;
mod responders;
#[cfg(feature = "tower")]
mod service;
mod switch;
mod with_connection;

pub use by_name::{ReceivedCall, RespondByName};
pub use clash::Clash;
pub use context::Context;
pub use failure::Failure;
#[cfg(feature = "tower")]
pub use layer::{Answered, LayeredCall, Run};
pub(crate) use locator::Locator;
pub(crate) use question::{Question, Undeclared, next_reference};
pub use responders::{Respond, Responders};
