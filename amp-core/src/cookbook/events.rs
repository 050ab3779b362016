//! Events, and what slows down their sender.
//!
//! A subscription is a call whose answer has a stream ([`StreamOf`]). The publisher keeps a sink for each subscriber. A
//! sink waits while its subscriber takes nothing. Other sinks do not wait for that:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::streams::StreamOf;
//! use amp_core::{Arguments, Command, Context, NoError, Responders, testing};
//! use tokio::sync::broadcast::{self, error::RecvError};
//!
//! #[derive(Command)]
//! #[amp(response = Subscribed)]
//! struct Subscribe {}
//!
//! #[derive(Arguments)]
//! struct Subscribed {
//!     changes: StreamOf<String>,
//! }
//!
//! /// What is published goes to all who have subscribed by then.
//! type Changes = broadcast::Sender<String>;
//!
//! async fn subscribe(context: Context<Changes>, _: Subscribe) -> Result<Subscribed, NoError> {
//!     let mut published = context.state().subscribe();
//!     let (mut sink, changes) = StreamOf::pair();
//!     let stopped = sink.stopped();
//!     let sends = async move {
//!         loop {
//!             match published.recv().await {
//!                 Ok(change) => sink.send(change).await?,
//!                 // It is too far behind. Dropping the sink ends its stream with an error, and it may
//!                 // subscribe again.
//!                 Err(RecvError::Lagged(_)) => return Ok(()),
//!                 Err(RecvError::Closed) => return sink.close().await,
//!             }
//!         }
//!     };
//!     tokio::spawn(async move {
//!         tokio::select! {
//!             _ = sends => {}
//!             // The subscriber has dropped the stream, or its connection has ended.
//!             _ = stopped => {}
//!         }
//!     });
//!     Ok(Subscribed { changes })
//! }
//!
//! let changes = Changes::new(1000);
//! let publisher = Responders::new(changes.clone()).respond(subscribe);
//! let (peer, _there) = testing::pair(Responders::new(()), publisher);
//!
//! let Subscribed { changes: mut received } = peer.call_remote(Subscribe {}).await?;
//! changes.send("colour".to_owned())?;
//! assert_eq!(received.next().await.transpose()?.as_deref(), Some("colour"));
//! # Ok(()) }
//! ```
//!
//! - **Order.** Each event arrives once, in order. A stream whose sink was dropped without being
//!   closed fails with [`StreamError::Unfinished`].
//! - **Back-pressure.** The publisher sends as many events ahead as the limits of the subscriber say
//!   ([`Limits::stream_items`](field@crate::Limits::stream_items)). It decides itself what happens to further events.
//!   Here it keeps a thousand, and a slower subscriber loses its subscription. With a [`watch`](tokio::sync::watch) in
//!   place of the `broadcast` it keeps only the last one, and a slow subscriber misses those before it.
//! - **Acknowledgement.** [`SinkOf::close`] resolves when the subscriber has taken everything.
//! - **Unsubscribing.** The subscriber drops the stream.
//!
//! # One-way commands
//!
//! [`Peer::notify`] sends an event without a subscription. Use it for events that are rare or may be dropped: it
//! resolves once the event is queued, and nothing says how far the peer is behind.
//! [Its documentation](crate::Peer::notify) says what happens if there are too many.
//!
//! [`Peer::notify`]: crate::Peer::notify
//! [`SinkOf::close`]: crate::streams::SinkOf::close
//! [`StreamError::Unfinished`]: crate::streams::StreamError::Unfinished
//! [`StreamOf`]: crate::streams::StreamOf
