//! AMP, the Asynchronous Messaging Protocol: boxes of key/value pairs, calls and answers in both
//! directions over one connection, typed commands. It is what Twisted's `twisted.protocols.amp`
//! speaks, byte for byte.
//!
//! # Commands
//!
//! A command is a struct; its fields are the arguments. It names its response and its errors.
//!
//! ```
//! use amp_core::{Arguments, Command, CommandError};
//!
//! #[derive(Command)]
//! #[amp(response = Quotient, error = DivideError)]
//! struct Divide {
//!     numerator: i64,
//!     denominator: i64,
//! }
//!
//! #[derive(Arguments, Debug, PartialEq)]
//! struct Quotient {
//!     result: f64,
//! }
//!
//! #[derive(CommandError, Debug, thiserror::Error)]
//! enum DivideError {
//!     #[error("division by zero")]
//!     ZeroDivision,
//! }
//! ```
//!
//! [`argument`] has the table of types that a field can have. `#[amp(...)]` renames, flattens and
//! gives defaults: see the derive macros [`Command`](macro@Command),
//! [`Arguments`](macro@Arguments) and [`CommandError`](macro@CommandError).
//!
//! # Calling and answering
//!
//! [`Responders`] answer; a [`Peer`] is called. A [`Connection`] is made over TCP, over any
//! stream, or over a [`Transport`] of your own, and both ends may do both.
//!
//! ```
//! # use amp_core::{Arguments, Command, CommandError};
//! # #[derive(Command)]
//! # #[amp(response = Quotient, error = DivideError)]
//! # struct Divide { numerator: i64, denominator: i64 }
//! # #[derive(Arguments, Debug, PartialEq)]
//! # struct Quotient { result: f64 }
//! # #[derive(CommandError, Debug, thiserror::Error)]
//! # enum DivideError { #[error("division by zero")] ZeroDivision }
//! use amp_core::{CallError, Context, Responders, serve, tcp};
//!
//! async fn divide(_: Context, command: Divide) -> Result<Quotient, DivideError> {
//!     match command.denominator {
//!         0 => Err(DivideError::ZeroDivision),
//!         denominator => Ok(Quotient { result: command.numerator as f64 / denominator as f64 }),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let server = serve(listener, Responders::new(()).respond(divide));
//! tokio::spawn(server);
//!
//! let peer = tcp::connect(address).await?.spawn();
//! let Quotient { result } = peer.call_remote(Divide { numerator: 3, denominator: 4 }).await?;
//! assert_eq!(result, 0.75);
//!
//! let error = peer.call_remote(Divide { numerator: 3, denominator: 0 }).await.unwrap_err();
//! assert!(matches!(error, CallError::Command(DivideError::ZeroDivision)));
//! # Ok(()) }
//! ```
//!
//! The [`cookbook`] has recipes for the rest: large values and files, events, progress, logins,
//! TLS, tests, proxies, and more.
//!
//! # Changing the connection
//!
//! [`Peer::switch_protocol`] and [`Responders::respond_switch`] hand the stream over to another
//! protocol. With the feature `tls`, `amp_core::tls` has TLS from the start, and `Peer::start_tls`
//! under way. [`Peer::replace_responders`] changes what answers.
//!
//! # Sharing a connection
//!
//! [`router`] puts many conversations on one connection, each with responders and an end of its
//! own.
//!
//! # What goes wrong, and what follows
//!
//! - A value that cannot be written fails its one call with an [`EncodeError`] before anything
//!   is sent.
//! - A call that fails on the other side is a [`CallError`]: typed for the errors that the command
//!   declares, a [`RemoteError`] otherwise.
//! - An error says what went wrong, and its source says why: [`Report`] displays both, on one line.
//! - A connection that ends fails every outstanding call with the same [`CloseReason`]. A
//!   [`reconnect::Client`] makes another one.
//! - A peer that calls wrongly is answered with an error; whether the connection goes on is the
//!   [`FailurePolicy`].
//! - A panic of a responder, of an argument's own code or of a hook costs the call or the connection
//!   that it happens for, and nothing else. A program that is built with `panic = "abort"` ends at any
//!   panic: there, a peer that finds one bug ends the server.
//! - A peer that does not keep to the protocol loses the connection. One that goes over the
//!   [`Limits`] is made to wait, is answered with an error, or loses it: each limit says which.
//!
//! # Without a connection
//!
//! [`Arguments::encode`] and [`Arguments::decode`] turn commands to bytes and back, for queues and
//! databases; with the feature `serde`, `amp_core::serde` does it for any type that serde knows.
//! [`blocking`] has a client for threads. [`proto`] is the protocol without input and output, for
//! other runtimes than tokio. All of it needs no tokio: `default-features = false`.
//!
//! # Crates of others in this interface
//!
//! Types of `bytes`, `serde`, `tokio`, and by their features of `ipnet`, `rust_decimal`, `url` and `uuid`
//! stand in it, all of them at 1.0 or later. These are not there yet, so another version of one that is not
//! compatible is another version of this crate; without the feature it is none:
//!
//! | crate | feature | is there for |
//! |---|---|---|
//! | `futures-core`, `futures-sink` 0.3 | `tokio` | streams as `Stream` and `Sink`, which everything that takes a stream knows |
//! | `tokio-util` 0.7 | `tokio` | `BoxCodec` as one of its codecs |
//! | `tracing` 0.1 | `tokio` | spans and events, by their names only |
//! | `rustls` 0.23 | `tls` | configurations and certificates: `tls::rustls` is the one that is meant |
//! | `tower-layer`, `tower-service` 0.3 | `tower` | calls and responders as services |
//! | `metrics` 0.24 | `metrics` | names that its recorder gets |
//! | `chrono` 0.4, `jiff` 0.2, `time` 0.3, `num-bigint` 0.5 | their own | their types as arguments |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "testing", feature = "tokio")),
    allow(rustdoc::broken_intra_doc_links)
)]

// For what its own tests share with those in `tests/`.
#[cfg(all(test, feature = "tokio"))]
extern crate self as amp_core;

pub mod argument;
pub mod blocking;
pub mod boxes;
mod command;
#[cfg(feature = "tokio")]
mod connection;
// The cookbook is documentation alone.
#[cfg(all(any(doc, doctest), feature = "derive", feature = "tokio"))]
pub mod cookbook;
mod descriptors;
#[cfg(feature = "tokio")]
mod dial;
pub mod dynamic;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod keys;
#[cfg(feature = "login")]
pub mod login;
#[cfg(modelled)]
#[doc(hidden)]
pub mod modelled;
#[cfg(feature = "tokio")]
pub mod observing;
#[cfg(feature = "tokio")]
mod panics;
pub mod proto;
#[cfg(feature = "tokio")]
pub mod reconnect;
mod report;
#[cfg(feature = "tokio")]
mod responder;
#[cfg(feature = "tokio")]
mod restraint;
#[cfg(feature = "tokio")]
pub mod router;
#[cfg(feature = "tokio")]
mod runtime;
pub mod schema;
#[cfg(feature = "serde")]
pub mod serde;
#[cfg(feature = "tokio")]
mod server;
mod setters;
mod shorten;
mod stack;
#[cfg(feature = "tokio")]
pub mod streams;
#[cfg(feature = "tokio")]
mod sync;
#[cfg(feature = "tokio")]
pub mod tcp;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tower")]
pub mod tower;

pub use argument::attachment::{Attachment, AttachmentKind};
pub use argument::error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use argument::proto::{PeerAddress, Proto};
pub use argument::traits::Argument;
pub use argument::unknown_keys::UnknownKeys;
pub use boxes::amp_box::AmpBox;
pub use boxes::decoder::Decoder;
pub use boxes::error::BoxError;
pub use boxes::limits::BoxLimits;
pub use boxes::reader::BoxReader;
pub use boxes::value::Value;
pub use boxes::writer::{BoxWriter, ValueWriter};
pub use command::{
    Answered, Arguments, Command, CommandError, NoError, OneWay, Ping, ProtocolSwitch, Reflect,
    Reflected,
};
#[cfg(feature = "tokio")]
pub use connection::{
    Call, Connection, NamedCall, NamedNotification, Notification, Peer, Switched, Transport,
};
pub use error::CallError;
#[cfg(feature = "tokio")]
pub use observing::wire_log::WireLog;
pub use proto::error::RemoteError;
pub use proto::limit_kind::LimitKind;
pub use proto::limits::Limits;
pub use proto::reason::CloseReason;
#[cfg(feature = "tokio")]
pub use proto::{policy::FailurePolicy, refused::RefusedAttachment};
pub use report::Report;
#[cfg(feature = "tokio")]
pub use responder::{Clash, Context, Failure, ReceivedCall, Respond, RespondByName, Responders};
#[cfg(feature = "tokio")]
pub use server::{Listener, Serve, serve, serve_with};
pub use shorten::Shortened;

#[cfg(feature = "derive")]
pub use amp_derive::{Argument, Arguments, Command, CommandError};

/// The names that the derive macros expand to, and those that `amp-unix` shares. Not for use by
/// hand: it may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use std::string::String;
    pub use std::vec::Vec;

    /// Returns a text of its own.
    pub fn owned(text: &str) -> String {
        text.to_owned()
    }

    /// Returns a list.
    pub fn list<T, const N: usize>(items: [T; N]) -> Vec<T> {
        items.into()
    }

    /// Returns what an error displays.
    pub fn displayed(error: &impl std::fmt::Display) -> String {
        error.to_string()
    }

    pub use crate::command::amp_list::{read_amp_list, read_box, write_amp_list, write_box};
    #[cfg(feature = "json")]
    pub use crate::command::described::DescribedInJson;
    pub use crate::command::fields::{or_error, read_on};
    pub use crate::command::include_errors;
    pub use crate::command::names::Names;
    pub use crate::command::{Arguments, Command, CommandError, NoError, OneWay};
    #[cfg(feature = "tokio")]
    pub use crate::connection::{CalledBeforeTheStart, from_process};
    #[cfg(feature = "tokio")]
    pub use crate::panics::caught;
    #[cfg(feature = "tokio")]
    pub use crate::restraint::{Restraint, restrained};
    pub use crate::schema::{BoxSchema, CaseSchema, ErrorSchema, WireType, WireTypes};
    pub use crate::{
        AmpBox, Argument, BoxLimits, BoxReader, BoxWriter, DecodeError, DecodeErrorKind,
        EncodeError, Proto, Value, ValueWriter,
    };
    #[cfg(feature = "tokio")]
    pub use tracing;
}

/// The program of the crate's README, run as a test.
#[cfg(all(doctest, feature = "derive", feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
