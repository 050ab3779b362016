//! Responders: what answers the calls of the peer, and agrees to protocol switches.

mod by_name;
mod by_name_with;
mod clash;
mod context;
mod failure;
mod lane;
mod locator;
mod own;
mod own_task;
mod question;
mod replacing;
mod responders;
mod running;
mod switch;
mod telling;
mod with_connection;

pub use by_name::{ReceivedCall, RespondByName};
pub use clash::ResponderClash;
pub use context::Context;
pub use failure::Failure;
pub(crate) use locator::Locator;
#[cfg(feature = "tower")]
pub(crate) use locator::{AnyResponder, Responding, Wrap};
pub(crate) use own::{Own, OwnCommands};
#[cfg(feature = "tower")]
pub(crate) use question::ErrorCode;
pub(crate) use question::{Question, Undeclared};
pub use replacing::CameBeforeTls;
pub use responders::Responders;
pub(crate) use running::begin;
