use std::error::Error;
use std::fmt;
use std::io;

use crate::argument::Attachment;

/// An attachment that a transport cannot send, although its stream works.
///
/// [`Transport::poll_send`](crate::Transport::poll_send) returns it as an [`io::Error`], and must have sent nothing. The
/// box that names the attachment is not sent, nor are its other attachments. A call fails with
/// [`CallError::NotSent`](crate::CallError::NotSent). An answer becomes the error `UNKNOWN` with a reference to the log,
/// as after any failure that its command does not declare. A one-way call is only logged. The connection goes on. But it
/// ends if the beginning of the box was sent already, with attachments that did not fit beside one message.
#[derive(Debug)]
pub struct RefusedAttachment {
    pub(super) error: io::Error,
    /// Which one, and what is sent in place of it and those that its box names beside it.
    pub(super) one: Option<(usize, Attachment)>,
    /// Whether that is no failure of whoever made the attachment.
    pub(super) for_now: bool,
}

impl RefusedAttachment {
    /// Refuses the attachment at `index`. If attachments of later boxes wait, `stand_in` is sent in place of each
    /// attachment that the box names: otherwise the peer would take the later ones for these. No box that the peer gets
    /// names a stand-in. This implementation drops it after a while, and Twisted keeps it until the connection ends.
    pub fn one(index: usize, error: io::Error, stand_in: Attachment) -> Self {
        Self { error, one: Some((index, stand_in)), for_now: false }
    }

    /// Refuses all attachments, as a peer may. No box that waits and names one is sent.
    pub fn all(error: io::Error) -> Self {
        Self { error, one: None, for_now: false }
    }

    /// Refuses all attachments for now, since others have as many on their way as there may be. Unlike
    /// [`all`](Self::all) that is no failure of a responder whose answer is taken out, so the connection goes
    /// on also by [`FailurePolicy::Close`](crate::FailurePolicy::Close).
    pub fn for_now(error: io::Error) -> Self {
        Self { error, one: None, for_now: true }
    }
}

impl fmt::Display for RefusedAttachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for RefusedAttachment {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<RefusedAttachment> for io::Error {
    fn from(refused: RefusedAttachment) -> Self {
        io::Error::new(refused.error.kind(), refused)
    }
}
