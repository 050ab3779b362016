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
//! - **Answers.** The client gets the backend's answer unchanged, and its errors too. If there is no answer, the client
//!   gets `UNKNOWN`, and the log says why. If the proxy makes the call itself, it gets the same from
//!   [`ReceivedCall::handed_on`](crate::ReceivedCall::handed_on).
//! - **Calls that the proxy answers itself.** Add responders for them. They come before the fallback.
//! - **Calls back.** For calls from the backend to the client, give each client its own connection to the backend, and
//!   give that connection a fallback which passes calls on to the client's `Peer`.
//! - **Protocol switches.** Pass these on with
//!   [`respond_switch_by_name`](crate::Responders::respond_switch_by_name) or
//!   [`fallback_switch`](crate::Responders::fallback_switch). A plain `fallback` passes on such a call as any other. If
//!   the backend agrees, it then expects the other protocol while the proxy goes on with boxes, and everybody who
//!   shares that connection loses it. If the backend has switches that you do not pass on, add responders to the proxy
//!   that refuse them.
//! - **`StartTLS`** protects one connection only. If clients start TLS, answer it in the proxy. A Twisted client whose
//!   `StartTLS` is refused sends no more calls on that connection, so it has to close it.
//! - **Streams.** Give each client its own connection to a backend that has [streams](crate::streams) or protocol
//!   switches. Then its streams go through `pass_on` as other calls do. Streams have numbers, and a number belongs to
//!   one connection, so clients that share a connection would act on each other's streams. If the proxy itself has streams with the backend, give it another connection for
//!   them: over a connection with streams of its own, [`pass_on`](crate::ReceivedCall::pass_on) answers the clients'
//!   calls about streams with `NO_STREAM`.
//! - **Routes.** `pass_on` answers a call that has an argument `_route` with `UNKNOWN`, since `_route` would choose a
//!   [route](crate::router) of the backend.
//! - A proxy that uses [`Peer::call_by_name`](crate::Peer::call_by_name) instead of `pass_on` has to check for calls
//!   about streams and for `_route` itself.
//! - **Descriptors** are not in boxes. To pass them on, a proxy needs a schema of the commands that have some:
//!   [`Responders::fallback_with`](crate::Responders::fallback_with), as in the example `proxy`. Both connections have
//!   to be Unix sockets.
