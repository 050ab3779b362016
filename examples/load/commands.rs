//! What is called. `Sum`, `EchoScalars`, `EchoLists` and `FileSize` are commands of the compliance
//! suite, which a Twisted peer serves as well: see `tests/python/commands.py`.

use amp_core::{Arguments, Command};
use amp_unix::Descriptor;
use bytes::Bytes;

/// Adds two integers.
#[derive(Command)]
#[amp(response = Total)]
pub(crate) struct Sum {
    pub(crate) a: i64,
    pub(crate) b: i64,
}

#[derive(Arguments)]
pub(crate) struct Total {
    pub(crate) total: i64,
}

/// Comes back as it is. Of the arguments that a Twisted peer takes, only this one is sent.
#[derive(Command)]
#[amp(response = EchoScalars)]
pub(crate) struct EchoScalars {
    pub(crate) string: Option<Bytes>,
}

/// Comes back as it is.
#[derive(Command)]
#[amp(response = EchoLists)]
pub(crate) struct EchoLists {
    pub(crate) points: Option<Vec<Point>>,
}

#[derive(Arguments, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: i64,
    pub(crate) y: f64,
}

/// Hands over an open file, and is told how long that is.
#[derive(Command)]
#[amp(response = Size)]
pub(crate) struct FileSize {
    pub(crate) file: Descriptor,
}

#[derive(Arguments)]
pub(crate) struct Size {
    /// In bytes.
    pub(crate) size: u64,
}

/// The name of a command whose box comes back as it is, whatever its pairs are. A Twisted peer has
/// no such command.
pub(crate) const ECHO_BOX: &str = "EchoBox";

/// What the server's process has used so far. Another server answers `UNHANDLED`, and then it is
/// not known.
#[derive(Command)]
#[amp(response = Usage)]
pub(crate) struct LoadUsage {}

/// What a process has used so far.
#[derive(Arguments)]
pub(crate) struct Usage {
    /// Time of the processor, of the user and the system, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// The most memory that was resident at once.
    pub(crate) peak_rss_bytes: u64,
    /// How many times a connection was written to.
    pub(crate) writes: u64,
}
