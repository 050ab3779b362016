//! What the two sides say to each other. `peer.py` has the same commands in Python.

use amp_core::{Arguments, Command};
use amp_unix::Descriptor;

/// Twisted writes `text` into an open file or pipe, and closes it.
#[derive(Command)]
pub(crate) struct WriteInto {
    pub(crate) file: Descriptor,
    pub(crate) text: String,
}

/// Twisted takes over the connection of a TCP client that was accepted here, and greets it.
#[derive(Command)]
pub(crate) struct Greet {
    pub(crate) client: Descriptor,
}

/// Twisted writes `text` to a file, hands that over with [`ReadFile`], and answers with what that
/// has answered.
#[derive(Command)]
#[amp(response = Text)]
pub(crate) struct SendFile {
    pub(crate) text: String,
}

/// Reads a file to its end. Twisted calls this, and the Rust side answers.
#[derive(Command)]
#[amp(response = Text)]
pub(crate) struct ReadFile {
    pub(crate) file: Descriptor,
}

#[derive(Arguments)]
pub(crate) struct Text {
    pub(crate) text: String,
}
