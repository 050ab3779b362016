use std::any::Any;
use std::sync::Arc;

use super::Question;
use crate::error::CloseReason;
use crate::proto::IncomingCall;

/// What answers calls of a connection's own, beside its responders: those of its streams.
pub(crate) struct Own(pub(crate) Arc<dyn OwnCommands>);

/// Commands that belong to a connection and to no responder.
pub(crate) trait OwnCommands: Any + Send + Sync {
    /// Returns whether the command is one of these.
    fn is_own(&self, command: &[u8]) -> bool;

    /// Deals with a call of one of them, on the driver. `may_claim` says whether attachments wait that
    /// it may name.
    fn respond(&self, question: Question, call: &IncomingCall, may_claim: bool);

    /// The connection has ended.
    fn ended(&self, reason: &CloseReason);
}
