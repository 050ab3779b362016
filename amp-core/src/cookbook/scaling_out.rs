//! Calls over several machines, whose addresses come and go.
//!
//! A [`reconnect::Client`](crate::reconnect::Client) keeps a connection to each server. Tower's balancer chooses among
//! the connected servers by the number of calls that they have not answered yet. A stream of changes says which servers
//! there are. Here it reads a file again and again, with an address on each line. For DNS, use
//! [`tokio::net::lookup_host`] instead of the file.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
//! use amp_core::reconnect::Connector;
//! use amp_core::tower::{ClientService, NamedRequest, TypedCalls};
//! use amp_core::{Arguments, Command, tcp};
//! # use amp_core::{Context, NoError, Responders};
//! use futures_util::stream::{self, Stream};
//! use std::collections::{HashSet, VecDeque};
//! use std::net::SocketAddr;
//! use std::path::PathBuf;
//! use std::time::Duration;
//! use tower::balance::p2c::Balance;
//! use tower::discover::Change;
//! use tower::load::{CompleteOnResponse, PendingRequests};
//! use tower::{BoxError, ServiceBuilder, ServiceExt};
//!
//! #[derive(Command)]
//! #[amp(response = Squared, idempotent)]
//! struct Square {
//!     n: i64,
//! }
//!
//! #[derive(Arguments)]
//! struct Squared {
//!     square: i64,
//! }
//!
//! type Server = PendingRequests<ClientService>;
//!
//! fn server(address: SocketAddr) -> Server {
//!     let client = Connector::new(move || tcp::connect(address)).address(address).spawn();
//!     // It is ready while it is connected. Its load is the number of calls without an answer.
//!     PendingRequests::new(ClientService::new(client), CompleteOnResponse::default())
//! }
//!
//! struct Addresses {
//!     file: PathBuf,
//!     known: HashSet<SocketAddr>,
//!     changes: VecDeque<Change<SocketAddr, Server>>,
//!     again: tokio::time::Interval,
//! }
//!
//! impl Addresses {
//!     async fn next(&mut self) -> Change<SocketAddr, Server> {
//!         loop {
//!             if let Some(change) = self.changes.pop_front() {
//!                 return change;
//!             }
//!             self.again.tick().await;
//!             // A file that cannot be read just then leaves things as they are.
//!             let Ok(text) = tokio::fs::read_to_string(&self.file).await else { continue };
//!             let there: HashSet<_> = text.lines().filter_map(|line| line.parse().ok()).collect();
//!             let new = there.difference(&self.known);
//!             self.changes.extend(new.map(|&address| Change::Insert(address, server(address))));
//!             let gone = self.known.difference(&there);
//!             self.changes.extend(gone.map(|&address| Change::Remove(address)));
//!             self.known = there;
//!         }
//!     }
//! }
//!
//! fn addresses(
//!     file: PathBuf,
//!     every: Duration,
//! ) -> impl Stream<Item = Result<Change<SocketAddr, Server>, BoxError>> {
//!     let again = tokio::time::interval(every);
//!     let addresses =
//!         Addresses { file, known: HashSet::new(), changes: VecDeque::new(), again };
//!     stream::unfold(addresses, async |mut addresses: Addresses| {
//!         Some((Ok(addresses.next().await), addresses))
//!     })
//! }
//!
//! # let mut listening = Vec::new();
//! # for _ in 0..2 {
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! #     listening.push(listener.local_addr()?.to_string());
//! #     let square = async |_: Context, Square { n }: Square| Ok::<_, NoError>(Squared { square: n * n });
//! #     tokio::spawn(amp_core::serve(listener, Responders::new(()).respond(square)));
//! # }
//! # let file = tempfile::NamedTempFile::new()?;
//! # std::fs::write(&file, listening.join("\n"))?;
//! # let path = file.path().to_owned();
//! let changes = Box::pin(addresses(path, Duration::from_secs(10)));
//! let calls = ServiceBuilder::new()
//!     .boxed_clone()
//!     .timeout(Duration::from_secs(30))
//!     .buffer(64) // Each caller has a clone of this.
//!     .service(Balance::<_, NamedRequest>::new(changes));
//! let calls = TypedCalls::new(calls);
//!
//! assert_eq!(calls.clone().oneshot(Square { n: 12 }).await?.square, 144);
//! # Ok(()) }
//! ```
//!
//! - While no server is connected, calls wait until the timeout is over.
//! - A call whose connection is lost fails. The example `balance` puts tower's retry around the balancer, for commands
//!   that are `#[amp(idempotent)]`, and loses no call while servers come and go.
//! - The servers need nothing special: none of this is on the wire.
