//! A child process.
//!
//! [`socketpair`](crate::socketpair) makes a connection and its other end. The child gets that end as its standard
//! input. Here the child is this same program, started once more:
//!
//! ```
//! use amp_core::{Arguments, Command, Context, NoError, Responders};
//! use std::process;
//!
//! #[derive(Command)]
//! #[amp(response = Identity)]
//! struct Identify {}
//!
//! #[derive(Arguments)]
//! struct Identity {
//!     pid: u32,
//! }
//!
//! async fn child() -> Result<(), Box<dyn std::error::Error>> {
//!     let identify = async |_: Context, Identify {}: Identify| {
//!         Ok::<_, NoError>(Identity { pid: process::id() })
//!     };
//!     let responders = Responders::new(()).respond(identify);
//!     // This runs until the parent closes the connection, or ends in whatever way.
//!     amp_unix::inherited::socket(0)?.responders(responders).run().await;
//!     Ok(())
//! }
//!
//! async fn parent() -> Result<(), Box<dyn std::error::Error>> {
//!     let (connection, end) = amp_unix::socketpair()?;
//!     // The command is dropped at the end of this statement, and with it this process's copy of the child's
//!     // end. While such a copy is open, nobody notices that the child has gone.
//!     let mut child = tokio::process::Command::new(std::env::current_exe()?)
//!         .env("WORKER", "1")
//!         .stdin(end)
//!         .kill_on_drop(true)
//!         .spawn()?;
//!     let peer = connection.spawn();
//!     let Identity { pid } = peer.call_remote(Identify {}).await?;
//!     assert_eq!(Some(pid), child.id());
//!
//!     // The end of the connection is the end of the child.
//!     peer.close().await;
//!     assert!(child.wait().await?.success());
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     if std::env::var_os("WORKER").is_some() { child().await } else { parent().await }
//! }
//! ```
//!
//! - The connection carries descriptors, both ways.
//! - If the child dies, the connection ends at once, and all calls to the child fail.
//! - If the child needs its standard input, pass its end under another number, by the crate `command-fds`: see
//!   [`socketpair`](crate::socketpair).
//! - Some children speak over two pipes, as those of Twisted's `trial` and of `ampoule` do. Start them with
//!   [`child_pipes`](crate::child_pipes). To be such a child, use [`inherited::pipes`](crate::inherited::pipes).
