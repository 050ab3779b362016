use crate::connection::{Connection, Peer};
use crate::responder::Responders;

/// Returns the two ends of a connection in memory, each with its responders: the first [`Peer`] calls the
/// second set, the second one calls the first.
///
/// Everything is really encoded, sent and decoded. Between the ends there is room for 64 KiB in
/// each direction.
///
/// # Panics
///
/// Outside of a tokio runtime.
#[doc(alias("loopback", "Mock"))]
#[must_use = "the connection closes when one of its peers is dropped"]
pub fn pair<A, B>(here: Responders<A>, there: Responders<B>) -> (Peer, Peer) {
    let (near, far) = tokio::io::duplex(64 << 10);
    let spawn_near = Connection::new(near).responders(here).spawn();
    (spawn_near, Connection::new(far).responders(there).spawn())
}
