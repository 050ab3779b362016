//! The client that connects again: what it sends, when, and what becomes of the rest.

mod attempts;
mod ends;
mod futures;
mod net;
mod repeats;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
