//! AMP, the Asynchronous Messaging Protocol: boxes of key/value pairs, calls and answers in both
//! directions over one connection, typed commands.

pub mod argument;
pub mod boxes;
pub mod command;
#[cfg(feature = "tokio")]
pub mod connection;
mod shorten;

pub use argument::{Argument, DecodeError, EncodeError, PeerAddress, Proto};
pub use argument::{Attachment, AttachmentKind};
pub use boxes::{AmpBox, BoxError, BoxLimits, BoxReader, BoxWriter, Value, ValueWriter, keys};
pub use command::{Arguments, Command, CommandError, NoError, OneWay};
#[cfg(feature = "tokio")]
pub use connection::Transport;
pub use shorten::Shortened;

#[cfg(feature = "derive")]
pub use amp_derive::{Arguments, Command, CommandError};

/// What the derive macros expand to. Not for use by hand: it may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use crate::argument::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
    pub use crate::boxes::{AmpBox, BoxLimits, BoxReader, BoxWriter, Value, ValueWriter};
    pub use crate::command::{Arguments, Command, CommandError, NoError, OneWay};
}
