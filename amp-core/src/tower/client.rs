use std::fmt;
use std::task::{Context, Poll, ready};
use tower_service::Service;

use super::{NamedRequest, Readiness};
use crate::boxes::AmpBox;
use crate::command::{Command, NoError};
use crate::connection::WaitsForRoom;
use crate::error::CallError;
use crate::reconnect::{Client, ClientCall, NotConnectedKind};

/// The calls of a client that connects again, as a service of every command.
///
/// It is ready while the client is connected and its send queue has room. Until then, a balancer calls others, and comes
/// back to it. Once the client is closed, it fails for good. Being ready reserves no place: the connection may be lost
/// before the call is made. The call then waits or fails at once, as the client's
/// [`wait_for_connection`](crate::reconnect::Connector::wait_for_connection) says.
pub struct ClientService {
    client: Client,
    room: WaitsForRoom,
    /// Waits for a connection.
    connects: Option<Readiness>,
}

impl ClientService {
    /// Creates a service that calls through this client.
    pub fn new(client: Client) -> Self {
        Self { client, room: WaitsForRoom::default(), connects: None }
    }

    /// Returns the client that it calls through.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn poll_connected<E>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError<E>>> {
        let mut room = self.room.poll_again(cx);
        loop {
            if let Some(connects) = &mut self.connects {
                ready!(connects.as_mut().poll(cx));
                self.connects = None;
            }
            let look = || Some(self.room.poll(self.client.peer_now()?.shared(), cx));
            if let Some(room) = room.take().or_else(look)
                && ready!(room).is_ok()
            {
                return Poll::Ready(Ok(()));
            }
            let error = self.client.not_connected(NotConnectedKind::FailFast);
            if error.kind() == NotConnectedKind::Closed {
                return Poll::Ready(Err(error.into()));
            }
            let client = self.client.clone();
            self.connects = Some(Box::pin(async move {
                client.wait_for_peer().await;
            }));
        }
    }
}

impl<C: Command> Service<C> for ClientService {
    type Response = C::Response;
    type Error = CallError<C::Error>;
    type Future = ClientCall<C::Response, C::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_connected(cx)
    }

    fn call(&mut self, command: C) -> Self::Future {
        self.client.call_remote(command)
    }
}

impl Service<NamedRequest> for ClientService {
    type Response = AmpBox;
    type Error = CallError;
    type Future = ClientCall<AmpBox>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_connected::<NoError>(cx)
    }

    fn call(&mut self, call: NamedRequest) -> Self::Future {
        let NamedRequest { command, arguments, is_idempotent } = call;
        let call = self.client.call_by_name(command, arguments.iter());
        if is_idempotent { call.idempotent() } else { call }
    }
}

impl Clone for ClientService {
    fn clone(&self) -> Self {
        Self::new(self.client.clone())
    }
}

impl fmt::Debug for ClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientService").field(&self.client).finish()
    }
}
