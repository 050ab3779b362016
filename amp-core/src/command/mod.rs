//! Commands: typed calls, their responses and their errors.

pub(crate) mod amp_list;
mod answered;
mod arguments;
#[cfg(feature = "json")]
pub(crate) mod described;
mod error;
pub(crate) mod fields;
pub(crate) mod names;
mod ping;
mod reflect;
mod schema;
mod traits;
mod tuples;
#[cfg(not(feature = "json"))]
pub(crate) mod undescribed;

pub use answered::Answered;
pub use arguments::Arguments;
pub(crate) use arguments::read_arguments;
pub use error::{CommandError, NoError, include_errors};
pub use ping::Ping;
pub use reflect::{Reflect, Reflected};
#[cfg(feature = "tokio")]
pub(crate) use traits::check_switch;
pub use traits::{Command, OneWay, ProtocolSwitch};
