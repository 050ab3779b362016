use std::fmt;
use std::task::{Context, Poll};
use tower_service::Service;

use super::NamedRequest;
use crate::boxes::AmpBox;
use crate::command::{Command, NoError};
use crate::connection::{Call, NamedCall, Peer, WaitsForRoom};
use crate::error::CallError;

/// The calls of one connection, as a service of every command.
///
/// It is ready while the send queue has room. Once the connection has ended, it fails for good, so a balancer leaves it out.
/// Being ready reserves no place: if clones call at the same time, their calls may still have to wait for room. If too many
/// calls are outstanding, a further call does not wait. It fails with [`CallError::TooManyCalls`]. To wait then, use tower's
/// `ConcurrencyLimit`.
#[doc(alias("Middleware", "Retry"))]
pub struct PeerService {
    peer: Peer,
    room: WaitsForRoom,
}

impl PeerService {
    /// Creates a service that calls this peer.
    pub fn new(peer: Peer) -> Self {
        Self { peer, room: WaitsForRoom::default() }
    }

    /// Returns the peer that it calls.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    fn poll_room<E>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError<E>>> {
        self.room.poll(self.peer.shared(), cx).map_err(CallError::Closed)
    }
}

impl<C: Command> Service<C> for PeerService {
    type Response = C::Response;
    type Error = CallError<C::Error>;
    type Future = Call<C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_room(cx)
    }

    fn call(&mut self, command: C) -> Call<C> {
        self.peer.call_remote(command)
    }
}

impl Service<NamedRequest> for PeerService {
    type Response = AmpBox;
    type Error = CallError;
    type Future = NamedCall;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_room::<NoError>(cx)
    }

    fn call(&mut self, call: NamedRequest) -> NamedCall {
        self.peer.call_by_name(&call.command, call.arguments.iter())
    }
}

impl Clone for PeerService {
    fn clone(&self) -> Self {
        Self::new(self.peer.clone())
    }
}

impl fmt::Debug for PeerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerService").field(&self.peer).finish()
    }
}
