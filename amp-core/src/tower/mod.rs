//! Calls and responders as services of [tower](https://docs.rs/tower), which has timeouts, retries,
//! limits and load balancing.
//!
//! For calls, [`PeerService`] and [`ClientService`] are services for every typed command, and for a
//! [`NamedRequest`], which is any command by its name. Most of tower's middleware works for any type
//! of request, so it wraps all commands at once. Some of it, such as a buffer or a balancer, has to
//! name the type of its request. There, [`TypedCalls`] makes typed calls out of calls by name.
//!
//! For responders, [`Responders::service`](crate::Responders::service) lets a service answer a
//! command, and [`Responders::layer`](crate::Responders::layer) puts middleware around a whole set.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
//! use amp_core::tower::PeerService;
//! use amp_core::{Arguments, Command, Context, NoError, Responders, testing};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! #[derive(Command)]
//! #[amp(response = Total)]
//! struct Sum {
//!     a: i64,
//!     b: i64,
//! }
//!
//! #[derive(Arguments, Debug, PartialEq)]
//! struct Total {
//!     total: i64,
//! }
//!
//! // At most 100 responders of this set run at once, and none runs for more than a second.
//! let responders = Responders::new(())
//!     .respond(async |_: Context, Sum { a, b }: Sum| Ok::<_, NoError>(Total { total: a + b }))
//!     .layer(ServiceBuilder::new().concurrency_limit(100).timeout(Duration::from_secs(1)));
//! let (peer, _there) = testing::pair(Responders::new(()), responders);
//!
//! let calls = ServiceBuilder::new()
//!     .concurrency_limit(10)
//!     .timeout(Duration::from_secs(2))
//!     .service(PeerService::new(peer));
//! assert_eq!(calls.oneshot(Sum { a: 1, b: 2 }).await?, Total { total: 3 });
//! # Ok(()) }
//! ```

mod client;
mod layer;
mod named;
mod peer;
mod service;

pub use client::ClientService;
pub use layer::{LayeredAnswer, LayeredCall, LayeredResponder};
pub use named::{NamedRequest, TypedCalls};
pub use peer::PeerService;

use std::future::Future;
use std::pin::Pin;

type Readiness = Pin<Box<dyn Future<Output = ()> + Send>>;
