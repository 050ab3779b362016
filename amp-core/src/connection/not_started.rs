//! What the compiler says to whoever calls by a connection that was not started.

use super::builder::Connection;
use super::call::Call;
use crate::command::Command;

/// Is not implemented by any type.
#[diagnostic::on_unimplemented(
    message = "a `Connection` makes no calls before it is started",
    label = "is called by a `Peer`",
    note = "start the connection, `let peer = connection.spawn();`, and call by its peer: `peer.call_remote(...)`"
)]
pub trait CalledBeforeTheStart: Command {
    #[doc(hidden)]
    fn never<T>(self) -> T;
}

impl Connection {
    /// Does not compile: see [`Peer::call_remote`](crate::Peer::call_remote).
    #[doc(hidden)]
    pub fn call_remote<C: CalledBeforeTheStart>(&self, command: C) -> Call<C> {
        command.never()
    }
}
