//! What is called where calls are measured.

use amp_core::{Arguments, Command, NoError, Responders};
use amp_unix::Descriptor;
use bytes::Bytes;

/// Adds two integers.
#[derive(Command, Clone, Debug)]
#[amp(response = Total)]
pub struct Sum {
    /// One.
    pub a: i64,
    /// The other.
    pub b: i64,
}

/// What two integers are together.
#[derive(Arguments, Debug)]
pub struct Total {
    /// The sum.
    pub total: i64,
}

/// Sends bytes there and back.
#[derive(Command, Clone, Debug)]
#[amp(response = Echo)]
pub struct Echo {
    /// The bytes.
    pub data: Bytes,
}

/// Hands over an open file, which is closed.
#[derive(Command, Debug)]
pub struct PassFile {
    /// The file.
    pub file: Descriptor,
}

/// Answers all of them at once.
pub fn responders() -> Responders<()> {
    Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) })
        .respond(|_, echo: Echo| async move { Ok::<_, NoError>(echo) })
        .respond(|_, _: PassFile| async { Ok(()) })
}
