use std::error::Error;
use std::fmt;
use std::io;

use crate::argument::Attachment;

/// An attachment that a transport cannot send, while its stream is well.
///
/// [`Transport::poll_send`](crate::Transport::poll_send) returns it as an [`io::Error`], and has sent nothing then. The box that
/// names it is taken out of what is to be sent, with all its attachments: a call fails with
/// [`CallError::NotSent`](crate::CallError::NotSent), an answer becomes the error `UNKNOWN` with a
/// reference to the log, as any failure that its command does not declare, and of a one-way call the log
/// tells. The connection goes on. It ends when the beginning of the box was
/// sent already, with attachments that did not fit beside one message.
#[derive(Debug)]
pub struct RefusedAttachment {
    pub(super) error: io::Error,
    /// Which one, and what is sent in place of it and those that its box names beside it.
    pub(super) one: Option<(usize, Attachment)>,
}

impl RefusedAttachment {
    /// Refuses the attachment at `index`. Where attachments of later boxes wait, `stand_in`
    /// is sent in place of each that the box names, for they would be taken for others otherwise;
    /// the peer finds nothing that names it. This implementation drops it after a while, and Twisted
    /// keeps it until the connection ends.
    pub fn one(index: usize, error: io::Error, stand_in: Attachment) -> Self {
        Self { error, one: Some((index, stand_in)) }
    }

    /// Refuses all attachments, as a peer may: each box that waits and names one is taken out.
    pub fn all(error: io::Error) -> Self {
        Self { error, one: None }
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
