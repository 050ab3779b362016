use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{DecodeError, EncodeError};

/// Something that travels beside the bytes of a connection, in order with them: on a Unix
/// socket, an open file descriptor.
///
/// This crate knows only that attachments are counted from 0 in each direction. A transport says
/// which kind it carries, if any; a box names an attachment by its ordinal.
pub type Attachment = Arc<dyn Any + Send + Sync>;

/// Which attachments a transport carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachmentKind {
    id: TypeId,
    name: &'static str,
}

impl AttachmentKind {
    /// Attachments of type `T`, called `name` in messages: `"a file descriptor"`.
    pub fn of<T: Any>(name: &'static str) -> Self {
        Self { id: TypeId::of::<T>(), name }
    }

    /// What such an attachment is called in messages.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether `attachment` is of this kind.
    pub fn fits(&self, attachment: &Attachment) -> bool {
        (**attachment).type_id() == self.id
    }
}

/// Where the hooks of an argument leave attachments to send and find those that were received.
pub trait Attachments {
    /// The kind that is carried, if any.
    fn kind(&self) -> Option<AttachmentKind>;

    /// Stages an attachment of the right kind with the box that is being encoded, and returns
    /// its ordinal. It is sent if the box is.
    ///
    /// # Errors
    ///
    /// When it cannot be staged.
    fn attach(&mut self, attachment: Attachment) -> Result<u64, EncodeError>;

    /// Takes the received attachment with this ordinal.
    ///
    /// # Errors
    ///
    /// When there is none, or it was taken before.
    fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError>;
}

/// For values that are encoded and decoded without a connection.
#[derive(Debug)]
pub(super) struct NoAttachments;

impl Attachments for NoAttachments {
    fn kind(&self) -> Option<AttachmentKind> {
        None
    }

    fn attach(&mut self, _: Attachment) -> Result<u64, EncodeError> {
        Err(EncodeError::not_carried("an attachment"))
    }

    fn claim(&mut self, _: u64) -> Result<Attachment, DecodeError> {
        Err(DecodeError::not_carried("an attachment"))
    }
}

/// Attachments that were received and that nothing has claimed yet, by their ordinals.
#[derive(Debug, Default)]
pub(crate) struct Unclaimed {
    waiting: BTreeMap<u64, Attachment>,
    /// How many were received, which is the ordinal of the next.
    received: u64,
}

impl Unclaimed {
    /// Keeps an attachment that has just arrived.
    pub(crate) fn receive(&mut self, attachment: Attachment) {
        self.waiting.insert(self.received, attachment);
        self.received += 1;
    }

    /// How many are waiting.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        self.waiting
            .remove(&ordinal)
            .ok_or_else(|| DecodeError::unclaimable(ordinal, self.received))
    }

    /// Drops all of them.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_are_claimed_once_and_in_any_order() {
        let mut unclaimed = Unclaimed::default();
        for n in 0..3_u8 {
            unclaimed.receive(Arc::new(n));
        }
        let mut claim = |ordinal| unclaimed.claim(ordinal).map(|a| *a.downcast::<u8>().unwrap());
        assert_eq!(claim(2).unwrap(), 2);
        assert_eq!(claim(0).unwrap(), 0);
        assert_eq!(claim(0).unwrap_err().to_string(), "attachment 0 was already taken");
        let message = "attachment 3 has not arrived: 3 have";
        assert_eq!(claim(3).unwrap_err().to_string(), message);
        assert_eq!(unclaimed.len(), 1);
    }
}
