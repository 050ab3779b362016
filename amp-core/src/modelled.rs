//! What has a model and is private. It is built for models only, with `--cfg modelled`.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::connection::{Connection, LaneTurn, Peer};
use crate::error::CloseReason;
use crate::proto::LaneId;

/// Begins a connection whose driver is polled by hand.
pub fn start(connection: Connection) -> (Peer, impl Future<Output = CloseReason> + Send + Unpin) {
    connection.start()
}

/// Waits until no more calls can be made.
pub async fn closing(peer: &Peer) -> CloseReason {
    peer.closing().await
}

/// A lane of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Lane(LaneId);

impl Lane {
    /// Returns a new one.
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Self {
        Self(LaneId::new())
    }

    /// Waits behind those that have entered before.
    pub fn enter(self, peer: &Peer) -> Turn {
        Turn(LaneTurn::enter(peer.shared(), self.0, true))
    }
}

/// A place in a lane, until it is dropped.
#[must_use]
pub struct Turn(LaneTurn);

impl Future for Turn {
    /// Whether it has come; otherwise it never does.
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        self.0.poll(cx)
    }
}
