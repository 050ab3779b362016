use std::any::Any;
use std::sync::Arc;

use super::Question;
use crate::connection::Shared;
use crate::error::CloseReason;
use crate::proto::{BoxNumber, IncomingCall, RemoteError};

/// What answers calls of a connection's own, beside its responders: those of its streams.
pub(crate) struct Own(pub(crate) Arc<dyn OwnCommands>);

impl Own {
    /// That of a connection, once it has any.
    pub(crate) fn of(shared: &Shared) -> Option<&Self> {
        shared.own.get()?.downcast_ref()
    }
}

/// Commands that belong to a connection and to no responder.
pub(crate) trait OwnCommands: Any + Send + Sync {
    /// Deals with a call of one of them, on the driver. There is a number where attachments wait that it
    /// may name; what it claims counts until that is let go.
    fn respond(&self, question: Question, call: &IncomingCall, number: Option<BoxNumber>);

    /// What a call of one of them is refused with that somebody else makes over the connection.
    fn refusal(&self, command: &[u8]) -> Option<RemoteError>;

    /// The connection has ended.
    fn ended(&self, reason: &CloseReason);
}
