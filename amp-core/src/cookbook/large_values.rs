//! A list over 64 KiB, or any other large value.
//!
//! The value of a key has at most 65 535 bytes on the wire. A longer one fails its call before anything is sent.
//! [`Numbered`] and [`Continued`] spread a value over several keys:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::argument::Numbered;
//! use amp_core::{Arguments, Command, Context, NoError, Responders, testing};
//!
//! #[derive(Command)]
//! #[amp(response = Hosts)]
//! struct ListHosts {}
//!
//! #[derive(Arguments)]
//! struct Hosts {
//!     hosts: Numbered<Vec<Host>>, // `hosts.0`, `hosts.1`, ...
//! }
//!
//! #[derive(Arguments)]
//! struct Host {
//!     name: String,
//!     port: u16,
//! }
//!
//! let list = async |_: Context, ListHosts {}: ListHosts| {
//!     let host = |n| Host { name: format!("host-{n}"), port: 80 };
//!     Ok::<_, NoError>(Hosts { hosts: Numbered((0..10_000).map(host).collect()) })
//! };
//! let (peer, _there) = testing::pair(Responders::new(()), Responders::new(()).respond(list));
//! let Hosts { hosts } = peer.call_remote(ListHosts {}).await?;
//! assert_eq!(hosts.len(), 10_000);
//! # Ok(()) }
//! ```
//!
//! Nothing on the wire says which of these forms it is, so both sides have to know:
//!
//! | argument | keys | who speaks it |
//! |---|---|---|
//! | [`Numbered<T>`] | `name.0`, `name.1`, ... | Calendar Server, Flocker |
//! | [`Continued<T>`] | `name`, `name.2`, `name.3`, ... | the community's `BigString` |
//! | `ContinuedZlib<T>` (feature `zlib`) | as `Continued`, each part compressed | Evennia |
//! | `Zlib<T>` (feature `zlib`) | `name`, and no longer than 65 535 bytes once compressed | MAAS |
//!
//! If the peer speaks none of them, send the list in pieces. Give the command an offset, and call it until a piece is
//! empty:
//!
//! ```
//! # use amp_core::{Arguments, CallError, Command, Peer};
//! #[derive(Command)]
//! #[amp(response = Piece)]
//! struct ListNames {
//!     offset: u64,
//! }
//!
//! #[derive(Arguments)]
//! struct Piece {
//!     names: Vec<String>, // no more than fit into 65 535 bytes
//! }
//!
//! async fn all_names(peer: &Peer) -> Result<Vec<String>, CallError> {
//!     let mut all = Vec::new();
//!     loop {
//!         let Piece { names } = peer.call_remote(ListNames { offset: all.len() as u64 }).await?;
//!         if names.is_empty() {
//!             return Ok(all);
//!         }
//!         all.extend(names);
//!     }
//! }
//! ```
//!
//! All keys of a value are in one box. [`BoxLimits`](crate::boxes::BoxLimits) says how large a box may be, and
//! [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes) how much memory it may take once it is decoded.
//!
//! [`Numbered`]: crate::argument::Numbered
//! [`Numbered<T>`]: crate::argument::Numbered
//! [`Continued`]: crate::argument::Continued
//! [`Continued<T>`]: crate::argument::Continued
