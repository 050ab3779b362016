use std::any::{Any, TypeId};
use std::sync::Arc;

use super::{DecodeError, EncodeError};

/// Something that travels beside the bytes of a connection, in order with them: on a Unix
/// socket, an open file descriptor.
///
/// This crate knows only that attachments are counted from 0 in each direction. A transport says
/// which kind it carries, if any; a box names an attachment by its ordinal.
pub type Attachment = Arc<dyn Any + Send + Sync>;

/// The kind of attachments that a transport carries.
#[derive(Clone, Copy, Debug)]
pub struct AttachmentKind {
    id: TypeId,
    name: &'static str,
}

impl AttachmentKind {
    /// Attachments of type `T`, called `name` in messages: `"a file descriptor"`.
    pub fn of<T: Any>(name: &'static str) -> Self {
        Self { id: TypeId::of::<T>(), name }
    }

    /// Returns what such an attachment is called in messages.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns whether `attachment` is of this kind.
    pub fn fits(&self, attachment: &Attachment) -> bool {
        (**attachment).type_id() == self.id
    }
}

/// The type decides. The name is for messages.
impl PartialEq for AttachmentKind {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for AttachmentKind {}

/// The place where the hooks of an argument leave attachments to send and find those that were received.
pub trait Attachments {
    /// Returns the kind that is carried, if any.
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
pub(crate) struct NoAttachments;

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
