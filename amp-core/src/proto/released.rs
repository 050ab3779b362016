use super::switch::Then;
use super::{Host, Outgoing};
use crate::argument::Attachment;

/// What a change of the core has let go. It is others': so it is woken and dropped once nothing is
/// locked.
pub(crate) struct Released<W, H: Host> {
    /// Who is to look again.
    pub(crate) callers: Vec<W>,
    /// Who waits for nothing any more.
    pub(super) gone: Vec<W>,
    /// Whether no more calls are made: nobody waits for room any more.
    pub(crate) refuses: bool,
    /// Whether the connection has ended, or goes on over another transport.
    pub(crate) changed: bool,
    /// Attachments that nothing has claimed.
    pub(crate) unclaimed: Vec<Attachment>,
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
            after: Vec::new(),
            then: Vec::new(),
            unsent: Vec::new(),
        }
    }
}
