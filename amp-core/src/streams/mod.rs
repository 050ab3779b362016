//! Streams with back-pressure, as arguments: of items ([`StreamOf`] and [`SinkOf`]) and of bytes
//! ([`ByteStream`] and [`ByteSink`]).
//!
//! [`StreamOf::pair`] makes both ends of a stream. One of them stays, and the other one is sent to
//! the peer as any argument is, in a command or in a response:
//!
//! | the sender | the argument | as in |
//! |---|---|---|
//! | the caller | a [`StreamOf`] in the command | an upload |
//! | the responder | a [`StreamOf`] in the response | a subscription, a download |
//! | the responder, before it answers | a [`SinkOf`] in the command | progress of the call |
//! | the caller, once it has the answer | a [`SinkOf`] in the response | input of what was started |
//!
//! # Back-pressure
//!
//! A call that brings items is answered when the last of them has been taken out of the stream. The
//! sink waits while as many items or bytes are on their way as the receiver has room for
//! ([`Limits::stream_items`], [`Limits::stream_bytes`]). So a slow consumer stops its producer, and
//! nothing else: calls and other streams of the connection go on.
//!
//! Items do not count as running responders. Nor do they count among the bytes of running calls,
//! until they are taken, or are decoded because they may name attachments that wait.
//!
//! The items of one stream stay in order. Streams have no order among each other, nor with calls.
//!
//! # What waits for what
//!
//! A sink waits until the other end is with the peer, and then for its consumer. So code that
//! awaits a sink and the call that brings the other end, one after the other, waits for ever:
//!
//! - Use a sink or a stream that stays with the caller while its call is under way, by
//!   [`join!`](tokio::join), [`select!`](tokio::select) or a task, unless the responder answers
//!   before the stream has ended.
//! - Take items and make calls by different tasks. Code that makes a call for each item before it
//!   takes the next one waits for ever, if the peer runs as many responders as it may
//!   ([`Limits::running_responders`]) and those wait for room in the stream.
//! - Leave the sink of a stream that you answer with to a task: nothing is sent before the answer
//!   is.
//! - [`SinkOf::close`] waits for the consumer. A responder that answers behind it makes the caller
//!   take all items first.
//!
//! # How a stream ends
//!
//! - The sink is closed ([`SinkOf::close`]), and the stream ends with `None`.
//! - The sink fails ([`SinkOf::fail`]) or is dropped. The stream ends with [`StreamError::Failed`]
//!   or [`StreamError::Unfinished`], behind the items before that.
//! - The stream is dropped. The sink fails with [`SinkError::Stopped`], and [`SinkOf::stopped`]
//!   says so at once.
//! - The connection ends. Both ends fail with its reason. A [client that connects
//!   again](crate::reconnect) does not take its streams over to the next connection.
//! - The peer does not take the end that it was sent: the call fails, is answered without, or
//!   nobody reads it within [`Limits::unclaimed_timeout`]. Of a call of this side, that is known
//!   when the call is over. A peer that knows no streams looks like that.
//!
//! A [graceful end](crate::Peer::close_gracefully) of the connection waits for responders. It does
//! not wait for streams that have outlived them.
//!
//! A call that was dropped, or that has failed, ends none of its streams that the peer has taken.
//!
//! # Where there is no connection
//!
//! An end cannot be encoded or decoded without a connection, as by
//! [`Arguments::encode`](crate::Arguments::encode). An end that came from a peer cannot be sent on:
//! read it, and send its items.
//!
//! [`Limits::running_responders`]: field@crate::Limits::running_responders
//! [`Limits::stream_items`]: field@crate::Limits::stream_items
//! [`Limits::stream_bytes`]: field@crate::Limits::stream_bytes
//! [`Limits::unclaimed_timeout`]: field@crate::Limits::unclaimed_timeout

mod answering;
mod awaited;
mod bytes;
mod error;
mod guard;
mod held;
mod hub;
mod on_their_way;
mod pump;
mod receive;
mod receiving;
mod sending;
mod sink;
mod stream;
mod wire;

pub use bytes::{ByteSink, ByteStream};
pub use error::{SinkError, StreamError};
pub use sink::SinkOf;
pub use stream::StreamOf;
