//! AMP, the Asynchronous Messaging Protocol: calls and answers in both directions over one
//! connection, carried in boxes of key/value pairs, with typed commands on top. It is the protocol of
//! Twisted's `twisted.protocols.amp`: boxes, calls, answers and values have the bytes that Twisted gives
//! them. [Where this differs](cookbook::from_twisted#where-this-differs-from-twisted) is in the guide for
//! users of Twisted.
//!
//! # Commands
//!
//! A command is a struct whose fields are its arguments. It names the type of its response and the
//! type of its errors.
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
//! [`argument`] lists the types that a field can have. Attributes (`#[amp(...)]`) rename fields,
//! flatten them and give them defaults: see the derive macros [`Command`](macro@Command),
//! [`Arguments`](macro@Arguments) and [`CommandError`](macro@CommandError).
//!
//! # Calling and answering
//!
//! [`Responders`] answer calls, and a [`Peer`] makes them. A [`Connection`] runs over TCP, over any
//! other stream, or over a [`Transport`] of your own. Both ends can call and answer.
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
//! The [`cookbook`] has recipes for everything else: large values and files, events, progress,
//! logins, TLS, tests, proxies and more.
//!
//! # Changing the connection
//!
//! [`Peer::switch_protocol`] and [`Responders::respond_switch`] hand the stream over to another
//! protocol. With the feature `tls-ring`, a connection uses TLS from the start (`amp_core::tls`) or
//! changes to it later (`Peer::start_tls`). [`Peer::replace_responders`] replaces the responders of
//! a running connection.
//!
//! # Sharing a connection
//!
//! [`router`] puts many conversations on one connection. Each has its own responders, and ends by
//! itself.
//!
//! # Errors and failures
//!
//! - A value that cannot be encoded fails its own call with an [`EncodeError`], before anything is
//!   sent.
//! - A call that fails on the other side returns a [`CallError`]. An error that the command declares
//!   is typed; any other is a [`RemoteError`].
//! - An error says what went wrong, and its source says why. [`Report`] displays both on one line.
//! - When a connection ends, every outstanding call fails with the same [`CloseReason`]. A
//!   [`reconnect::Client`] then connects again.
//! - A peer that makes an invalid call is answered with an error. The [`FailurePolicy`] decides
//!   whether the connection stays open.
//! - A panic in a responder, in the code of an argument type or in a hook costs the call or the
//!   connection that it happened for, and nothing else. A program that is built with
//!   `panic = "abort"` ends at any panic, so a peer that finds one bug can end the server.
//! - A peer that violates the protocol loses the connection. A peer that exceeds one of the
//!   [`Limits`] has to wait, is answered with an error, or loses the connection: the documentation
//!   of each limit says which.
//!
//! # Without a connection
//!
//! [`Arguments::encode`] and [`Arguments::decode`] turn commands into bytes and back, for queues and
//! databases. With the feature `serde`, `amp_core::serde` does the same for any type that serde
//! supports. [`blocking`] has a client for threads. [`proto`] is the protocol without any input or
//! output, for runtimes other than tokio. None of these need tokio: use `default-features = false`.
//!
//! # Other crates in the public API
//!
//! The public API uses types of `bytes`, `serde` and `tokio` and, behind the features of the same
//! names, of `ipnet`, `rust_decimal`, `url` and `uuid`. All of those are at 1.0 or later. The
//! crates below are not. Moving to an incompatible version of one of them is therefore a breaking
//! change of this crate, but only for programs that enable its feature:
//!
//! | crate | feature | used for |
//! |---|---|---|
//! | `futures-core`, `futures-sink` 0.3 | `tokio` | the traits `Stream` and `Sink`, which streams implement |
//! | `tokio-util` 0.7 | `tokio` | `BoxCodec`, which implements its codec traits |
//! | `tracing` 0.1 | `tokio` | spans and events; only their names are part of the API |
//! | `rustls` 0.23 | `tls` | configurations and certificates; re-exported as `tls::rustls` |
//! | `tower-layer`, `tower-service` 0.3 | `tower` | calls and responders as services |
//! | `metrics` 0.24 | `metrics` | metrics; only the names that its recorder receives are part of the API |
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

pub use argument::error::{DecodeError, EncodeError};
pub use argument::proto::{PeerAddress, Proto};
pub use argument::traits::Argument;
pub use boxes::amp_box::AmpBox;
pub use boxes::value::Value;
pub use boxes::writer::ValueWriter;
pub use command::{
    Answered, Arguments, Command, CommandError, NoError, OneWay, Ping, ProtocolSwitch, Reflect,
    Reflected,
};
#[cfg(feature = "tokio")]
pub use connection::{
    Call, Connection, Drained, NamedCall, NamedCallWith, NamedNotification, NamedNotificationWith,
    Notification, Peer, SwitchCall, Switched, SwitchedParts, Transport,
};
pub use error::CallError;
#[cfg(feature = "tokio")]
pub use observing::wire_log::WireLog;
pub use proto::error::RemoteError;
pub use proto::limit_kind::LimitKind;
pub use proto::limits::{Limits, LimitsError};
pub use proto::reason::CloseReason;
#[cfg(feature = "tokio")]
pub use proto::{policy::FailurePolicy, refused::RefusedAttachment};
pub use report::Report;
#[cfg(feature = "tokio")]
pub use responder::{
    CameBeforeTls, Context, Failure, ReceivedCall, RespondByName, ResponderClash, Responders,
};
#[cfg(feature = "tokio")]
pub use server::{Listener, Serve, serve, serve_with};

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

    pub use crate::argument::DecodeErrorKind;
    pub use crate::argument::list::wrap_each;
    pub use crate::boxes::{BoxLimits, BoxReader, BoxWriter};
    pub use crate::command::amp_list::{read_amp_list, read_box, write_amp_list, write_box};
    #[cfg(feature = "json")]
    pub use crate::command::described::DescribedInJson;
    pub use crate::command::fields::{or_error, read_on};
    pub use crate::command::include_errors;
    pub use crate::command::names::Names;
    #[cfg(not(feature = "json"))]
    pub use crate::command::undescribed::DescribedInJson;
    pub use crate::command::{Arguments, Command, CommandError, NoError, OneWay, ProtocolSwitch};
    #[cfg(feature = "tokio")]
    pub use crate::connection::{CalledBeforeTheStart, from_process};
    #[cfg(feature = "tokio")]
    pub use crate::panics::caught;
    #[cfg(feature = "tokio")]
    pub use crate::restraint::{Restraint, restrained};
    pub use crate::schema::{BoxSchema, CaseSchema, ErrorSchema, WireType, WireTypes};
    pub use crate::{AmpBox, Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};
    #[cfg(feature = "tokio")]
    pub use tracing;
}

/// The program of the crate's README, run as a test.
#[cfg(all(doctest, feature = "derive", feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
