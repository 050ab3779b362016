//! What a received box means, and what is counted of it.

use crate::boxes::{AmpBox, Pair};
use crate::proto::RemoteError;
use crate::proto::calls::CallId;

/// The end of a call on the other side: its response, or its error.
pub type Answer = Result<AmpBox, RemoteError>;

/// The meaning of a received box.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<W> {
    /// An outstanding call has its answer, which
    /// [`Protocol::take_answer`](crate::proto::Protocol::take_answer) hands out.
    Answered {
        /// The call.
        id: CallId,
        /// The one who waited for the answer.
        waiter: W,
    },
    /// The peer has agreed to the switch that this side asked for. All that it sends from here on is of another
    /// protocol. The value is who waited for the switch, if anyone still does.
    Switched(Option<W>),
    /// The peer calls.
    Called(IncomingCall),
    /// An answer to a call that was given up, or was answered before. It is counted.
    Late {
        /// The call.
        id: CallId,
        /// The answer.
        answer: Answer,
    },
    /// An answer to a call that was never made, or an answer that nobody is told of: it is counted. Or a call that came
    /// when the connection was about to end.
    Ignored,
}

/// Counts of what happened on one side of a connection, from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls made, one-way ones included.
    pub calls_sent: u64,
    /// Calls received, one-way ones included.
    pub calls_received: u64,
    /// Responses given to calls of the peer.
    pub answers_sent: u64,
    /// Responses received, late and unknown ones included.
    pub answers_received: u64,
    /// Errors given to calls of the peer.
    pub errors_sent: u64,
    /// Errors received, late and unknown ones included.
    pub errors_received: u64,
    /// Answers received to calls that had been given up: dropped, or timed out.
    pub late_answers: u64,
    /// Answers received to calls that were never made, or that had been answered before.
    pub unknown_answers: u64,
    /// Boxes queued to be sent.
    pub boxes_sent: u64,
    /// Boxes received.
    pub boxes_received: u64,
    /// Bytes that the boxes sent have.
    pub bytes_sent: u64,
    /// Bytes that the boxes received have.
    pub bytes_received: u64,
}

/// A call that was received.
#[derive(Debug)]
pub struct IncomingCall {
    pub(super) ampbox: AmpBox,
    pub(super) command: Pair,
    pub(super) ask: Option<Pair>,
    /// Whether it came over the transport that a switch has brought.
    pub(super) upgraded: bool,
}

impl IncomingCall {
    /// Returns the name of the command.
    pub fn command(&self) -> &[u8] {
        self.ampbox.value_of(self.command)
    }

    /// Returns the tag that the answer must have, or `None` when there must be no answer.
    pub fn tag(&self) -> Option<&[u8]> {
        self.ask.map(|ask| self.ampbox.value_of(ask))
    }

    /// Whether it came over the transport that a switch has brought.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Returns the whole box, reserved keys included.
    pub fn ampbox(&self) -> &AmpBox {
        &self.ampbox
    }
}
