//! A proxy.
//!
//! A proxy passes calls on by their names, with boxes as they are on the wire, and needs to know none of
//! the commands:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Peer, ReceivedCall, Responders, testing};
//! # use amp_core::{Arguments, Command, Context, NoError};
//!
//! fn proxy_of(backend: Peer) -> Responders {
//!     Responders::new(()).fallback(move |call: ReceivedCall| call.pass_on(&backend))
//! }
//!
//! # #[derive(Command)] #[amp(response = Total)] struct Sum { a: i64, b: i64 }
//! # #[derive(Arguments)] struct Total { total: i64 }
//! # let sum = async |_: Context, Sum { a, b }: Sum| Ok::<_, NoError>(Total { total: a + b });
//! # let responders = Responders::new(()).respond(sum);
//! // client - proxy - backend
//! let (backend, _answers) = testing::pair(Responders::new(()), responders);
//! let (client, _proxy) = testing::pair(Responders::new(()), proxy_of(backend));
//! assert_eq!(client.call_remote(Sum { a: 1, b: 2 }).await?.total, 3);
//! # Ok(()) }
//! ```
//!
//! - What the backend has said goes on as it is, errors too. Where there is no answer, the client gets `UNKNOWN`,
//!   and the log says why. A proxy that passes calls on by itself does both with
//!   [`ReceivedCall::handed_on`](crate::ReceivedCall::handed_on).
//! - Responders for single commands stand beside the fallback, and come first: so a proxy answers some
//!   calls itself.
//! - Protocol switches are passed on too:
//!   [`Responders::respond_switch_by_name`](crate::Responders::respond_switch_by_name), and
//!   [`fallback_switch`](crate::Responders::fallback_switch). A plain `fallback` passes the call of a switch on as any
//!   other: a backend that agrees (to `StartTLS`, say) then waits for the other protocol, on a connection that goes on
//!   with boxes and is lost to all who share it. Where the backend has switches that are not passed on as such,
//!   responders that refuse them stand beside the fallback.
//! - Calls that the backend makes of the client go back the same way: its connection has a fallback that
//!   passes them on to the client's `Peer`, with one connection to the backend for each client.
//! - Clients do not share a connection to a backend that has [streams](crate::streams) or switches. The calls of streams
//!   name them by numbers, which are those of one connection: between two that have no streams of their own they go
//!   through as any other, and clients that share one act on each other's. A proxy that has streams with the backend
//!   itself has another connection for them; over one with streams of its own,
//!   [`pass_on`](crate::ReceivedCall::pass_on) answers the calls of streams with `NO_STREAM`.
//! - An argument `_route`, which would choose a [route](crate::router) of the backend, is answered with `UNKNOWN` by
//!   `pass_on`. A proxy that passes calls on with [`Peer::call_by_name`](crate::Peer::call_by_name) looks for both itself.
//! - Descriptors are not in boxes. A proxy passes them on only if it has a schema of the commands that have
//!   some: [`Responders::fallback_with`](crate::Responders::fallback_with), as in the example `proxy`. Both
//!   connections have to be Unix sockets.
