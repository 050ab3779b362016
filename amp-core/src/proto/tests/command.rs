//! What sides call.

/// What a call of a protocol switch wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another protocol, and no boxes any more.
    HandOver,
    /// Boxes again, over another transport.
    StartTls,
}

/// What a call of this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Call,
    /// It brings items of a stream.
    Items,
    Ping,
    Switch(Then),
}

impl Command {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "Call",
            Self::Items => "Items",
            Self::Ping => "Ping",
            Self::Switch(Then::HandOver) => "HandOver",
            Self::Switch(Then::StartTls) => "StartTls",
        }
    }
}
