//! The commands of both sides. Each is a struct whose fields are its arguments. Its name on the wire is the name of the
//! struct.

use amp_core::streams::StreamOf;
use amp_core::{Arguments, Command, CommandError};
use amp_unix::Descriptor;

/// Adds two integers. Both sides answer it.
#[derive(Command)]
#[amp(response = Total)]
pub(crate) struct Sum {
    pub(crate) a: i64,
    pub(crate) b: i64,
}

#[derive(Arguments)]
pub(crate) struct Total {
    /// Wide enough for the sum of any two `i64`.
    pub(crate) total: i128,
}

/// Divides one integer by another, and declares how that can fail.
#[derive(Command)]
#[amp(response = Quotient, error = DivideError)]
pub(crate) struct Divide {
    pub(crate) numerator: i32,
    pub(crate) denominator: i32,
}

#[derive(Arguments, Debug)]
pub(crate) struct Quotient {
    pub(crate) result: f64,
}

#[derive(CommandError, Debug, thiserror::Error)]
pub(crate) enum DivideError {
    /// On the wire: `ZERO_DIVISION`.
    #[error("division by zero")]
    ZeroDivision,
}

/// Something for the server to remember. It is sent with `notify`, and nothing is answered.
#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Note {
    pub(crate) text: String,
}

/// How many notes the server has.
#[derive(Command)]
#[amp(response = NoteCount)]
pub(crate) struct CountNotes {}

#[derive(Arguments)]
pub(crate) struct NoteCount {
    pub(crate) count: usize,
}

/// Has the server call [`Sum`] on the side that asks, and answer with what it got.
#[derive(Command)]
#[amp(response = Total)]
pub(crate) struct CallBack {
    pub(crate) a: i64,
    pub(crate) b: i64,
}

/// Counts down, and is not waited for: the numbers come when they come.
#[derive(Command)]
#[amp(response = Countdown)]
pub(crate) struct CountDown {
    pub(crate) from: u32,
}

#[derive(Arguments)]
pub(crate) struct Countdown {
    /// The responder has the other end of it.
    pub(crate) numbers: StreamOf<u32>,
}

/// Has the server write a file, and hand it over open.
#[derive(Command)]
#[amp(response = OpenFile)]
pub(crate) struct OpenTemporary {
    pub(crate) content: Vec<u8>,
}

/// An open file: a response, and the element of a list.
#[derive(Arguments)]
pub(crate) struct OpenFile {
    pub(crate) file: Descriptor,
}

/// Hands open files to the server, which reads them to their ends, one after the other.
#[derive(Command)]
#[amp(response = Content)]
pub(crate) struct ConcatenateFiles {
    pub(crate) files: Vec<OpenFile>,
}

#[derive(Arguments)]
pub(crate) struct Content {
    pub(crate) content: Vec<u8>,
}
