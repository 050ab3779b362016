use bytes::Bytes;
use std::borrow::Cow;

use crate::boxes::{AmpBox, BoxError, keys};

/// A peer that does not keep to the protocol. It ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The bytes received are not a box within the limits.
    #[error("not a box: {0}")]
    Box(#[from] BoxError),
    /// The box is neither a call nor an answer nor an error.
    #[error("a box of {pairs} pairs has none of the keys _answer, _error and _command")]
    NoKind {
        /// How many pairs it has.
        pairs: usize,
    },
    /// The peer asks for a protocol switch after this side has asked for one. Neither may answer:
    /// what it sends could be taken for the other protocol.
    #[error("both sides ask for a protocol switch at once")]
    SwitchesCross,
}

/// More calls were to be outstanding than the limit allows. Only the one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} calls are outstanding already, which is the limit")]
pub struct TooManyCalls {
    /// The limit, in calls.
    pub limit: usize,
}

/// A protocol switch that cannot be made now. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchRefused {
    /// Another one is under way.
    #[error("a protocol switch is under way")]
    UnderWay,
    /// Too many calls are outstanding.
    #[error(transparent)]
    TooManyCalls(#[from] TooManyCalls),
}

/// An error that a peer answered with: what `_error_code` and `_error_description` say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer answered {}: {description}", self.code_text())]
pub struct RemoteError {
    /// The code, for programs. It compares with text: `error.code == "UNHANDLED"`.
    pub code: Bytes,
    /// The description, for people. Empty when the peer sent none; what is not UTF-8 is replaced.
    pub description: String,
}

impl RemoteError {
    /// An error with this code and description.
    pub fn new(code: impl Into<Bytes>, description: impl Into<String>) -> Self {
        Self { code: code.into(), description: description.into() }
    }

    /// What a call is answered with that has no responder, in Twisted's words.
    pub fn unhandled(command: impl AsRef<[u8]>) -> Self {
        // Python's way to show bytes.
        let command = command.as_ref().escape_ascii();
        Self::new(keys::UNHANDLED, format!("Unhandled Command: b'{command}'"))
    }

    /// What a call is answered with that comes when its connection is about to end.
    pub fn closing() -> Self {
        Self::new(keys::CLOSING, "The connection is closing; the call was not acted upon")
    }

    /// Whether the call came when the peer was about to close the connection: `CLOSING`. It was not
    /// acted upon, and may be made again over another connection.
    pub fn is_closing(&self) -> bool {
        self.code == keys::CLOSING
    }

    /// Whether the peer has no responder for the command: `UNHANDLED`.
    pub fn is_unhandled(&self) -> bool {
        self.code == keys::UNHANDLED
    }

    /// Whether the peer failed in a way that the command does not declare: `UNKNOWN`.
    pub fn is_unknown(&self) -> bool {
        self.code == keys::UNKNOWN
    }

    pub(super) fn of(ampbox: &AmpBox) -> Self {
        let code = ampbox.value(keys::ERROR_CODE).map(|code| code.to_bytes());
        let description = ampbox.get(keys::ERROR_DESCRIPTION).unwrap_or_default();
        Self::new(code.unwrap_or_default(), String::from_utf8_lossy(description))
    }

    fn code_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.code)
    }
}
