//! Connections: one driver task that owns the stream, and the handle that calls.

mod all_held;
mod answered;
mod builder;
mod by_name;
mod byte_transport;
mod call;
mod counted;
#[cfg(test)]
#[path = "../../tests/support/double.rs"]
mod double;
mod drained;
mod driver;
mod due;
mod halves;
mod lane_turn;
mod lending;
mod lent;
mod line;
mod not_started;
mod noted;
mod notify;
mod peer;
mod pinger;
mod placed;
mod polling;
mod quiet;
mod settings;
mod shared;
mod staging;
mod switch;
mod switched;
mod transport;
mod waiting;
#[cfg(test)]
mod wakes;
mod written;

pub use builder::Connection;
#[doc(hidden)]
pub use builder::from_process;
pub use by_name::NamedCallWith;
pub(crate) use byte_transport::ByteTransport;
pub(crate) use call::check_command;
pub use call::{Call, NamedCall};
pub(crate) use counted::{Running, following};
pub use drained::Drained;
pub(crate) use driver::Driver;
pub(crate) use due::{Due, now};
pub(crate) use lane_turn::LaneTurn;
pub(crate) use lent::{Given, Lent};
#[doc(hidden)]
pub use not_started::CalledBeforeTheStart;
pub use notify::{NamedNotification, NamedNotificationWith, Notification};
pub use peer::Peer;
pub(crate) use polling::{Polling, is_within_driver, is_within_responder};
#[cfg(feature = "tls")]
pub(crate) use quiet::NoSignal;
pub(crate) use shared::{After, Hosted, Shared, Then, seen};
#[cfg(feature = "tls")]
pub(crate) use shared::{Upgrade, Upgraded};
#[cfg(feature = "tls")]
pub(crate) use switch::Asks;
pub use switch::SwitchCall;
pub use switched::{Switched, SwitchedParts};
pub use transport::Transport;
#[cfg(feature = "tower")]
pub(crate) use waiting::WaitsForRoom;
