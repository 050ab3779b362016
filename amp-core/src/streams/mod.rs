//! Streams with back-pressure, as arguments: streams of items ([`StreamOf`] and [`SinkOf`]) and of
//! bytes ([`ByteStream`] and [`ByteSink`]).
//!
//! [`StreamOf::pair`] makes both ends of a stream. One end stays here. The other is sent to the peer
//! like any argument, in a command or in a response:
//!
//! | who sends items | the argument | example |
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
//! ([`Limits::stream_items`], [`Limits::stream_bytes`]). So a slow consumer holds up its own producer
//! and nothing else: calls and other streams of the connection go on.
//!
//! Items do not count as running responders. Their bytes count as those of running calls only once
//! they are taken, or decoded early because they may name attachments that wait.
//!
//! The items of one stream stay in order. There is no order between streams, or between streams and
//! calls.
//!
//! # Avoiding deadlocks
//!
//! A sink waits until the peer has the other end, and then for its consumer. So code that first
//! awaits a sink, and then the call that takes the other end to the peer, waits for ever:
//!
//! - If the caller keeps the sink or the stream, use it while the call is under way, with
//!   [`join!`](tokio::join), [`select!`](tokio::select) or a task, unless the responder answers
//!   before the stream has ended.
//! - Take items and make calls on different tasks. Code that makes a call for each item before it
//!   takes the next one can wait for ever: the peer may run as many responders as its limit allows
//!   ([`Limits::running_responders`]), all of which wait for room in the stream.
//! - If a responder answers with a stream, let another task use the sink: nothing is sent before the
//!   answer.
//! - [`SinkOf::close`] waits for the consumer. A responder that awaits it before it answers makes the
//!   caller take all items first.
//!
//! # How a stream ends
//!
//! - When the sink is closed ([`SinkOf::close`]), the stream ends with `None`.
//! - When the sink fails ([`SinkOf::fail`]) or is dropped, the stream first yields the earlier items,
//!   and then ends with [`StreamError::Failed`] or [`StreamError::Unfinished`].
//! - When the stream is dropped, the sink fails with [`SinkError::Stopped`], and [`SinkOf::stopped`]
//!   resolves at once.
//! - When the connection ends, both ends fail with its reason. A [client that connects
//!   again](crate::reconnect) does not move its streams to the next connection.
//! - When the peer does not take the end that it was sent, the other end fails: the call failed or
//!   was answered without it, or nobody read it within [`Limits::unclaimed_timeout`]. For a call of
//!   this side, this is known when the call is over. A peer that does not know streams behaves like
//!   this.
//!
//! A [graceful end](crate::Peer::close_gracefully) of the connection waits for responders, but not
//! for streams that outlive them.
//!
//! A call that is dropped or that fails does not end streams that the peer has already taken.
//!
//! # Without a connection
//!
//! An end of a stream cannot be encoded or decoded without a connection, for example by
//! [`Arguments::encode`](crate::Arguments::encode). An end that came from a peer cannot be passed on
//! to another: read it, and send its items.
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
