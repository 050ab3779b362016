//! What a side has seen of what its core says and does.

use super::side::Mark;
use crate::boxes::AmpBox;
use crate::proto::core::WasRemoved;
use crate::proto::{CallId, CloseReason, RemoteError};

/// What a side has seen, in the order in which it did.
#[derive(Debug)]
pub(super) enum Seen {
    /// A box was received, which the core has not been given yet. So many attachments came no later
    /// than its first byte; or it came over a transport that carries none.
    Box { ampbox: AmpBox, arrived: usize, carried: bool },
    /// The core says that the call with this number was answered.
    Answered(usize),
    /// The core says that the peer has agreed to a switch, and who waited for that.
    Switched(Option<usize>),
    /// The core says that the peer calls.
    Called,
    /// The core says that an answer was late, to this call, and how it went.
    Late(CallId, bool),
    /// The core says that an answer is nobody's.
    Ignored,
    /// A box was read, with so many attachments, of which the core has given these.
    Claimed(usize, Vec<Option<Mark>>),
    /// The caller with this number has looked, and learned what has come of its call.
    Taken(usize, Taken),
    /// The call with this tag was refused, without a responder.
    Refused(String),
    /// What was to run when the answer to this call is written has run, with so many bytes written.
    After(usize, u64),
    /// It has sent a ping, which is this call.
    Pinged(CallId),
    /// This ping was answered, and whoever has sent it has seen so.
    PingTaken(CallId),
    /// This ping is not waited for any more; whether somebody did.
    PingGivenUp(CallId, bool),
    /// The call with this tag, a ping or items, was answered without a responder.
    Ponged(String),
    /// Boxes were taken back whose attachments were refused: the last first.
    TakenBack(Vec<TakenBack>),
    /// It has ended.
    Ended(CloseReason),
}

/// What has come of a call.
#[derive(Debug)]
pub(super) enum Taken {
    Answer(Result<AmpBox, RemoteError>),
    NotSent,
    Closed(CloseReason),
}

/// A box that was taken back.
#[derive(Debug)]
pub(super) struct TakenBack {
    /// Its first pair, which says which it is.
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// What the core says of it.
    pub(super) was: WasRemoved,
}
