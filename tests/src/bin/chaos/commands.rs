//! What the two sides say to each other. Every call has its number in it, and so has every answer.

use amp_core::argument::Numbered;
use amp_core::streams::{ByteSink, ByteStream, StreamOf};
use amp_core::{Arguments, Command, CommandError};
use amp_unix::Descriptor;

/// Makes a new connection of a client that connects again ready.
#[derive(Command)]
pub(crate) struct Hello {
    pub(crate) client: u32,
}

/// Is counted by the server, and must never be twice.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Act {
    pub(crate) call: u64,
    pub(crate) load: Numbered<Vec<u8>>,
    /// How long the answer takes, in milliseconds.
    pub(crate) pause: u64,
    /// How many bytes the answer is to bring.
    pub(crate) want: usize,
}

/// An [`Act`] that may be sent again.
#[derive(Command)]
#[amp(response = Done, idempotent)]
pub(crate) struct Look {
    pub(crate) call: u64,
    pub(crate) load: Numbered<Vec<u8>>,
    pub(crate) pause: u64,
    pub(crate) want: usize,
}

/// What most calls are answered with.
#[derive(Arguments, Debug)]
pub(crate) struct Done {
    pub(crate) call: u64,
    pub(crate) load: Numbered<Vec<u8>>,
}

impl Done {
    /// The answer to a call that wants as many bytes.
    pub(crate) fn with(call: u64, want: usize) -> Self {
        Self { call, load: content(call, want).into() }
    }

    /// Whether it is the answer to this call.
    pub(crate) fn is_of(&self, call: u64, want: usize) -> bool {
        self.call == call && is_content(call, want, &self.load)
    }
}

/// Is acted upon, and answered with an error that the command declares.
#[derive(Command)]
#[amp(error = RefuseError)]
pub(crate) struct Refuse {
    pub(crate) call: u64,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
pub(crate) enum RefuseError {
    /// Its description is the number of the call.
    #[error("{0}")]
    Refused(String),
}

/// Is acted upon by a responder that panics, at once or once it has waited.
#[derive(Command)]
pub(crate) struct Panic {
    pub(crate) call: u64,
    pub(crate) late: bool,
}

/// An [`Act`] that cannot be decoded.
#[derive(Command)]
#[amp(name = "Act", response = Done)]
pub(crate) struct Misread {
    pub(crate) call: String,
    pub(crate) load: Numbered<Vec<u8>>,
    pub(crate) pause: u64,
    pub(crate) want: usize,
}

/// Is acted upon, and answered with what its caller cannot decode.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Misanswer {
    pub(crate) call: u64,
}

/// [`Misanswer`] as its responder sees it.
#[derive(Command)]
#[amp(name = "Misanswer", response = Undecodable)]
pub(crate) struct ToMisanswer {
    pub(crate) call: u64,
}

#[derive(Arguments)]
pub(crate) struct Undecodable {
    pub(crate) call: String,
}

/// Is acted upon in a lane: one after the other of a connection, in the order in which they come.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Turn {
    pub(crate) call: u64,
    pub(crate) pause: u64,
    pub(crate) want: usize,
    /// Whether its responder panics in the end.
    pub(crate) panics: bool,
}

/// Brings numbers of the call's own, in order; answered once all have come.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Upload {
    pub(crate) call: u64,
    pub(crate) want: usize,
    pub(crate) count: usize,
    /// Whether the server drops its end half way, and fails the call.
    pub(crate) drops: bool,
    pub(crate) items: StreamOf<u64>,
}

/// Brings bytes that say which call they belong to; answered once all have come.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Store {
    pub(crate) call: u64,
    pub(crate) want: usize,
    pub(crate) count: usize,
    pub(crate) drops: bool,
    pub(crate) bytes: ByteStream,
}

/// Asks for so many bytes before the answer, or for the first half of them.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Fetch {
    pub(crate) call: u64,
    pub(crate) want: usize,
    pub(crate) count: usize,
    pub(crate) drops: bool,
    pub(crate) sink: ByteSink,
}

/// Brings pipes that hold the numbers of an [`Upload`]; answered once all have come.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct PassAll {
    pub(crate) call: u64,
    pub(crate) want: usize,
    pub(crate) count: usize,
    pub(crate) drops: bool,
    pub(crate) pipes: StreamOf<Descriptor>,
}

/// Asks for so many numbers of the call's own, or for the first half of them.
#[derive(Command)]
#[amp(response = Items)]
pub(crate) struct Download {
    pub(crate) call: u64,
    pub(crate) count: usize,
    pub(crate) drops: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Items {
    pub(crate) call: u64,
    pub(crate) items: StreamOf<u64>,
}

/// Has no responder.
#[derive(Command)]
pub(crate) struct Missing {
    pub(crate) call: u64,
}

/// Wants no answer.
#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Tell {
    pub(crate) call: u64,
}

/// Has the server send [`Heed`] and then call [`Confirm`] on the side that asks.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct CallBack {
    pub(crate) call: u64,
    pub(crate) want: usize,
}

/// The server tells the client; wants no answer.
#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Heed {
    pub(crate) call: u64,
}

/// The server asks the client. It comes behind the [`Heed`] of the same call.
#[derive(Command)]
#[amp(response = Done)]
pub(crate) struct Confirm {
    pub(crate) call: u64,
    pub(crate) want: usize,
}

/// Passes a pipe that holds the call's number, and gets one back that holds its complement.
#[derive(Command)]
#[amp(response = Passed)]
pub(crate) struct Pass {
    pub(crate) call: u64,
    pub(crate) pipe: Descriptor,
}

#[derive(Arguments, Debug)]
pub(crate) struct Passed {
    pub(crate) call: u64,
    pub(crate) pipe: Descriptor,
}

/// Bytes that say which call they belong to, wherever one looks.
pub(crate) fn content(call: u64, len: usize) -> Vec<u8> {
    call.to_be_bytes().into_iter().cycle().take(len).collect()
}

pub(crate) fn is_content(call: u64, len: usize, bytes: &[u8]) -> bool {
    let number = call.to_be_bytes();
    bytes.len() == len && bytes.chunks(8).all(|chunk| chunk == &number[..chunk.len()])
}
