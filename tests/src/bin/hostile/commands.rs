use amp_core::streams::StreamOf;
use amp_core::{Arguments, Command, CommandError};
use amp_unix::Descriptor;
use bytes::Bytes;

/// Says what the server holds.
#[derive(Command)]
#[amp(response = Held)]
pub(crate) struct Status {}

#[derive(Arguments, Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) tasks: u64,
}

/// Answers when its connection has ended.
#[derive(Command)]
pub(crate) struct Wait {}

/// Keeps what it carries until its connection has ended.
#[derive(Command)]
pub(crate) struct Keep {
    pub(crate) data: Bytes,
}

/// Keeps the file that it carries until its connection has ended.
#[derive(Command)]
pub(crate) struct Hold {
    pub(crate) file: Descriptor,
}

/// Asks for a file, which is opened for it.
#[derive(Command)]
#[amp(response = Opened)]
pub(crate) struct Open {}

#[derive(Arguments)]
pub(crate) struct Opened {
    pub(crate) file: Descriptor,
}

/// Takes a stream, and nothing out of it until its connection has ended.
#[derive(Command)]
pub(crate) struct Take {
    pub(crate) items: StreamOf<Bytes>,
}

/// Asks for a stream, which ends at once.
#[derive(Command)]
#[amp(response = Subscribed)]
pub(crate) struct Subscribe {}

#[derive(Arguments)]
pub(crate) struct Subscribed {
    pub(crate) items: StreamOf<Bytes>,
}

/// Leaves for another protocol, in which nothing is said.
#[derive(Command)]
#[amp(switch)]
pub(crate) struct Leave {}

/// Logs in.
#[derive(Command)]
#[amp(error = Refused)]
pub(crate) struct Authenticate {
    pub(crate) password: Vec<u8>,
}

#[derive(CommandError, Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the password is wrong")]
    WrongPassword,
    #[error("too many passwords were wrong")]
    TooManyAttempts,
    #[error("the login came before TLS")]
    CameBeforeTls,
}
