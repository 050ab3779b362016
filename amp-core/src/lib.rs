//! AMP, the Asynchronous Messaging Protocol: boxes of key/value pairs, calls and answers in both
//! directions over one connection, typed commands.

pub mod argument;
pub mod boxes;
pub mod command;
#[cfg(feature = "tokio")]
pub mod connection;
pub mod proto;
#[cfg(feature = "tokio")]
pub mod responder;
#[cfg(feature = "tokio")]
pub mod server;
mod shorten;
#[cfg(feature = "tokio")]
pub mod testing;

pub use argument::{Argument, DecodeError, EncodeError, PeerAddress, Proto};
pub use argument::{Attachment, AttachmentKind};
pub use boxes::{
    AmpBox, BoxError, BoxLimits, BoxReader, BoxWriter, Decoder, Value, ValueWriter, keys,
};
pub use command::{Arguments, Command, CommandError, NoError, OneWay};
#[cfg(feature = "tokio")]
pub use connection::{CallError, CloseReason, Connection, FailurePolicy, Limits, Peer, Transport};
pub use proto::RemoteError;
#[cfg(feature = "tokio")]
pub use responder::{Context, Failure, Respond, Responders, StringCallReceived, StringResponder};
#[cfg(feature = "tokio")]
pub use server::{Listener, connect_tcp, serve, serve_with};
pub use shorten::Shortened;

#[cfg(feature = "derive")]
pub use amp_derive::{Arguments, Command, CommandError};

/// What the derive macros expand to. Not for use by hand: it may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use crate::argument::amp_list::{read_amp_list, read_box, write_amp_list, write_box};
    pub use crate::argument::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
    pub use crate::boxes::{AmpBox, BoxLimits, BoxReader, BoxWriter, Value, ValueWriter};
    pub use crate::command::{Arguments, Command, CommandError, NoError, OneWay};
}
