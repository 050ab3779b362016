//! Events, and what holds back who sends them.
//!
//! An event is a one-way command. [`Peer::notify`] resolves once it is queued, and waits while the
//! queue is full: so a publisher that awaits it is no faster than the slowest reader on its way.
//! Here each subscriber has a second to make room, and is dropped then:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Command, Context, NoError, Peer, Responders, testing};
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use tokio::sync::mpsc;
//! use tokio::time::timeout;
//!
//! #[derive(Command)]
//! struct Subscribe {}
//!
//! #[derive(Command, Clone)]
//! #[amp(one_way)]
//! struct Changed {
//!     key: String,
//! }
//!
//! #[derive(Default)]
//! struct Subscribers(Mutex<Vec<Peer>>);
//!
//! impl Subscribers {
//!     async fn publish(&self, event: Changed) {
//!         let peers = self.0.lock().unwrap().clone();
//!         for peer in peers {
//!             let sent = timeout(Duration::from_secs(1), peer.notify(event.clone())).await;
//!             if !matches!(sent, Ok(Ok(()))) {
//!                 self.0.lock().unwrap().retain(|other| !other.is_same_connection(&peer));
//!             }
//!         }
//!     }
//! }
//!
//! // The publisher.
//! let subscribers = Arc::new(Subscribers::default());
//! let subscribe = async |context: Context<Arc<Subscribers>>, Subscribe {}: Subscribe| {
//!     let (peer, mut peers) = (context.peer(), context.state().0.lock().unwrap());
//!     // A peer may ask any number of times, and those that have gone are of no use.
//!     peers.retain(|other| !other.is_same_connection(peer) && !other.is_closed());
//!     peers.push(peer.clone());
//!     Ok::<_, NoError>(())
//! };
//! let publishes = Responders::new(Arc::clone(&subscribers)).respond(subscribe);
//!
//! // The subscriber. The state of its responders is where events go, and one waits there for room.
//! let (events, mut received) = mpsc::channel(16);
//! let changed = async |context: Context<mpsc::Sender<String>>, Changed { key }: Changed| {
//!     let _ = context.state().send(key).await;
//!     Ok::<_, NoError>(())
//! };
//! let subscribes = Responders::new(events).respond(changed).one_at_a_time();
//!
//! let (peer, _there) = testing::pair(subscribes, publishes);
//! peer.call_remote(Subscribe {}).await?;
//! peer.call_remote(Subscribe {}).await?;
//! assert_eq!(subscribers.0.lock().unwrap().len(), 1);
//! subscribers.publish(Changed { key: "colour".to_owned() }).await;
//! assert_eq!(received.recv().await.as_deref(), Some("colour"));
//! # Ok(()) }
//! ```
//!
//! - **In order.** Events are received in the order in which they were sent, and their responders run
//!   at the same time unless they are in a lane: [`Responders::one_at_a_time`].
//! - **Held back.** When as many responders run as
//!   [`Limits::running_responders`](field@crate::Limits::running_responders) says, nothing more is read; the
//!   buffers of the system fill, then the publisher's queue
//!   ([`Limits::send_queue`](field@crate::Limits::send_queue)), and then `notify` waits. It has no timeout of its own.
//! - **Acknowledged.** That an event was queued says nothing of whether it was dealt with. If that
//!   matters, let the event be a command that is answered, with `()`, and have a few of them under way.
//! - **Many subscribers.** One after the other waits for each. A task and a bounded channel for each
//!   keep the slow from the others.
//!
//! A [`Peer`] that a server's responder has kept does not keep the connection open; the subscriber's own
//! does. Subscribers that have gone fail their next event, and are taken out by the next one that comes.
//!
//! [`Peer`]: crate::Peer
//! [`Peer::notify`]: crate::Peer::notify
//! [`Responders::one_at_a_time`]: crate::Responders::one_at_a_time
