use super::switch::Then;
use super::{Host, Outgoing};
use crate::argument::Attachment;

/// What a change of the core has let go. Waking and dropping these may run code of a user, so whoever
/// holds the lock does it after releasing it.
pub(crate) struct Released<W, H: Host> {
    /// The callers that are to look again.
    pub(crate) callers: Vec<W>,
    /// The callers that wait for nothing any more.
    pub(super) gone: Vec<W>,
    /// Whether no more calls are made: nobody waits for room any more.
    pub(crate) refuses: bool,
    /// Whether the connection has ended, or goes on over another transport.
    pub(crate) changed: bool,
    /// Attachments that nothing has claimed.
    pub(crate) unclaimed: Vec<Attachment>,
    /// Attachments that the transport has refused, and others of their boxes.
    pub(super) refused: Vec<Attachment>,
    /// Kept until it is dropped.
    pub(super) after: Vec<H::After>,
    pub(super) then: Vec<Then<H>>,
    pub(super) unsent: Vec<Outgoing>,
}

impl<W, H: Host> Default for Released<W, H> {
    fn default() -> Self {
        Self {
            callers: Vec::new(),
            gone: Vec::new(),
            refuses: false,
            changed: false,
            unclaimed: Vec::new(),
            refused: Vec::new(),
            after: Vec::new(),
            then: Vec::new(),
            unsent: Vec::new(),
        }
    }
}
