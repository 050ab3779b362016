//! A list over 64 KiB, or any other large value.
//!
//! The value of a key has at most 65 535 bytes on the wire, and a longer one fails its call before
//! anything is sent. [`Numbered`] and [`Continued`] spread a value over several keys:
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
//! Nothing on the wire says which of them it is, so both sides have to know:
//!
//! | argument | keys | who speaks it |
//! |---|---|---|
//! | [`Numbered<T>`] | `name.0`, `name.1`, ... | Calendar Server, Flocker |
//! | [`Continued<T>`] | `name`, `name.2`, `name.3`, ... | the community's `BigString` |
//! | `ContinuedZlib<T>` (feature `zlib`) | as `Continued`, each part compressed | Evennia |
//! | `Zlib<T>` (feature `zlib`) | `name`, and no longer than 65 535 bytes once compressed | MAAS |
//!
//! With a peer that has none of them, a list is sent in pieces: a command with an offset, called until
//! a piece is empty, as [`large_files`](super::large_files) does.
//!
//! All keys are in one box. [`BoxLimits`](crate::BoxLimits) says how large a box may be, and
//! [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes) what it may be in memory.
//!
//! [`Numbered`]: crate::argument::Numbered
//! [`Numbered<T>`]: crate::argument::Numbered
//! [`Continued`]: crate::argument::Continued
//! [`Continued<T>`]: crate::argument::Continued
