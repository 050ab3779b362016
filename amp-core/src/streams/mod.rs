//! Streams with back-pressure, as arguments: of items ([`StreamOf`] and [`SinkOf`]) and of bytes
//! ([`ByteStream`] and [`ByteSink`]).
//!
//! [`StreamOf::pair`] makes both ends of a stream. One of them stays, and the other one is sent to the
//! peer as any argument is, in a command or in a response:
//!
//! | who sends | what the argument is | as in |
//! |---|---|---|
//! | who calls | a [`StreamOf`] in the command | an upload |
//! | who answers | a [`StreamOf`] in the response | a subscription, a download |
//! | who answers, before the answer | a [`SinkOf`] in the command | progress of the call |
//! | who calls, once it is answered | a [`SinkOf`] in the response | input of what was started |
//!
//! # Back-pressure
//!
//! A call that brings items is answered when the last of them has been taken out of the stream. As long as
//! as many items or bytes are on their way as the receiver has room for ([`Limits::stream_items`],
//! [`Limits::stream_bytes`]), the sink waits. So a slow consumer stops its producer, and nothing else: calls
//! and other streams of the connection go on, and items count neither as running responders nor, until they are
//! taken or may name attachments that wait, as their bytes. Streams of a connection are in order in themselves, and in none among each other or with
//! calls.
//!
//! # Who waits for whom
//!
//! A sink waits until the other end is with the peer, and then for its consumer. So whoever awaits a sink
//! and the call that brings the other end, one after the other, waits for ever:
//!
//! - A sink or a stream that stays with the caller is used while its call is under way, by
//!   [`join!`](tokio::join), [`select!`](tokio::select) or a task, wherever the responder does not answer
//!   before the stream has ended.
//! - Who makes a call for each item before it takes the next one, beside a peer that runs as many responders
//!   as it may ([`Limits::running_responders`]), waits for ever if those wait for room in the stream: take
//!   items and make calls by different tasks.
//! - A responder that answers with a stream leaves its sink to a task: nothing is sent before the answer is.
//! - [`SinkOf::close`] waits for the consumer. Who answers a call behind it makes the caller take all items
//!   first.
//!
//! # How a stream ends
//!
//! - The sink is closed ([`SinkOf::close`]), and the stream ends with `None`.
//! - The sink fails ([`SinkOf::fail`]) or is dropped: the stream ends with [`StreamError::Failed`] or
//!   [`StreamError::Unfinished`], behind the items before that.
//! - The stream is dropped: the sink fails with [`SinkError::Stopped`], and [`SinkOf::stopped`] says so
//!   at once.
//! - The connection ends: both ends fail with its reason. That holds too for the streams of a
//!   [client that connects again](crate::reconnect), which go over to no other connection.
//! - The peer does not take the end that it was sent: the call fails, is answered without, or nobody has
//!   read it within [`Limits::unclaimed_timeout`]; of a call of this side that is known when it is over.
//!   A peer that knows no streams looks so.
//!
//! A [graceful end](crate::Peer::close_gracefully) of the connection waits for responders, and for no
//! stream that has outlived them.
//!
//! A call that was dropped, or has failed, ends none of its streams that the peer has taken.
//!
//! # Where there is no connection
//!
//! An end cannot be encoded or decoded without one, as by [`Arguments::encode`](crate::Arguments::encode);
//! nor can one that came from a peer be sent on: read it, and send its items.
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
