//! Many conversations on one connection.
//!
//! Each box carries the name of its route under the key [`_route`](crate::keys::ROUTE), as in
//! epsilon's `epsilon.amprouter` and in Calendar Server's control socket. A [`Router`] owns the
//! stream. Each [`Route`] is a [`Transport`](crate::Transport), over which an ordinary
//! [`Connection`](crate::Connection) runs, with its own responders, tags, limits and end.
//!
//! ```
//! use amp_core::router::{RouteName, Router, Routes};
//! use amp_core::{Arguments, Command, Connection, Context, Failure, NoError, Responders};
//!
//! /// Opens another route: each side says under which name it receives.
//! #[derive(Command)]
//! #[amp(response = Opened)]
//! struct NewRoute {
//!     name: String,
//! }
//!
//! #[derive(Arguments)]
//! struct Opened {
//!     name: String,
//! }
//!
//! #[derive(Command)]
//! #[amp(response = Counted)]
//! struct Count {}
//!
//! #[derive(Arguments)]
//! struct Counted {
//!     value: i64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (here, there) = tokio::io::duplex(4096);
//! // The side that waits to be asked. Bind routes that the peer uses at once before the router starts.
//! let router = Router::new(there);
//! let default = router.routes().bind(RouteName::DEFAULT)?.connect_to(RouteName::DEFAULT)?;
//! let new_route = async |context: Context<Routes>, NewRoute { name }: NewRoute| {
//!     let route = context.state().bind_unused()?;
//!     let opened = Opened { name: route.name().as_str().unwrap_or_default().to_owned() };
//!     let count = async |_, Count {}: Count| Ok(Counted { value: 1 });
//!     let connection = Connection::with_transport(route.connect_to(name)?);
//!     tokio::spawn(connection.responders(Responders::new(()).respond(count)).run());
//!     Ok::<_, Failure<NoError>>(opened)
//! };
//! let responders = Responders::new(router.routes()).try_respond(new_route);
//! tokio::spawn(Connection::with_transport(default).responders(responders).run());
//! router.spawn();
//!
//! // The side that asks.
//! let router = Router::new(here);
//! let default = router.routes().bind(RouteName::DEFAULT)?.connect_to(RouteName::DEFAULT)?;
//! let routes = router.spawn();
//! let peer = Connection::with_transport(default).spawn();
//!
//! let route = routes.bind_unused()?;
//! let name = route.name().as_str().unwrap_or_default().to_owned();
//! let opened = peer.call_remote(NewRoute { name }).await?;
//! let counter = Connection::with_transport(route.connect_to(opened.name)?).spawn();
//! assert_eq!(counter.call_remote(Count {}).await?.value, 1);
//! # Ok(()) }
//! ```
//!
//! If both sides agree on the names beforehand, as in Calendar Server, no command is needed:
//! `routes.bind("jobs")?.connect_to("jobs")?`.
//!
//! # Things to know
//!
//! - The peer is not told when a route ends, since AMP has no message for it. Agree on the end with
//!   a command. A box for a route that is not bound is dropped and logged, so a call on it waits until
//!   its timeout. Epsilon and Calendar Server close the connection instead.
//! - AMP has no flow control. A route that is not read from first slows the peer down on all routes,
//!   and then ends: see [`field@RouterLimits::receive_queue`].
//! - Routes take turns to send. Boxes are never split, so a large one delays the others.
//! - When the connection ends, the connections over all its routes end with the same reason.
//! - Routes do not nest, since a box has only one `_route`. If a box has one already when it is sent over
//!   a route, it loses that one.

mod builder;
mod driver;
mod error;
mod limits;
mod name;
mod route;
mod routes;
mod shared;
mod table;
mod wire;

pub use builder::Router;
pub use error::RouteError;
pub use limits::RouterLimits;
pub use name::RouteName;
pub use route::{BoundRoute, Route};
pub use routes::Routes;
