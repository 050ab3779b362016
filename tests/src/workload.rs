//! What is called where calls are measured.

use amp_core::{Arguments, Command, NoError, Peer, Responders};
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

/// Adds two integers, and sees that they are added.
///
/// # Panics
///
/// When the call fails.
pub async fn sum(peer: Peer) {
    assert_eq!(peer.call_remote(Sum { a: 13, b: 81 }).await.unwrap().total, 94);
}

/// Sends 60 000 bytes there and back, and sees that they come.
///
/// # Panics
///
/// When the call fails.
pub async fn echo(peer: Peer, data: Bytes) {
    assert_eq!(peer.call_remote(Echo { data }).await.unwrap().data.len(), 60_000);
}

/// Says what each of `calls` has cost, which may be no more than `bound`.
///
/// # Panics
///
/// When it is.
#[allow(clippy::cast_precision_loss, reason = "these are small numbers")]
pub fn at_most(what: &str, unit: &str, seen: u64, calls: u64, bound: f64) {
    let each = seen as f64 / calls as f64;
    println!("{what}: {each:.4} {unit} each, of {bound}");
    assert!(each <= bound, "{what}: {each:.4} {unit} each, over the bound of {bound}");
}
