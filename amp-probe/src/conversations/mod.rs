//! Conversations on the wire, byte for byte: with a peer that serves the commands of
//! the compliance suite. Twisted sets the standard; where ours differs on purpose, the conversation
//! says why.

#[macro_use]
mod wire;

mod boxes;
mod calls;
mod conversation;
mod hold;
mod switch;
mod values;

pub use hold::{Expected, Outcome, Standard, hold_all};
