//! Commands: typed calls, their responses and their errors.

mod arguments;
mod error;
mod ping;
mod traits;

pub use arguments::Arguments;
pub(crate) use arguments::{read_arguments, read_keys};
pub use error::{CommandError, NoError};
pub use ping::Ping;
pub use traits::{Command, OneWay, ProtocolSwitch};
