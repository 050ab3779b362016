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
    /// Returns the kind of attachments of type `T`, called `name` in messages: `"a file descriptor"`.
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
    /// When the attachment cannot be sent.
    fn attach(&mut self, attachment: Attachment) -> Result<u64, EncodeError>;

    /// Takes the received attachment with this ordinal.
    ///
    /// # Errors
    ///
    /// When there is none, or it was taken before.
    fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError>;

    /// Returns the connection that `Peer::of` makes a peer of, if there is one.
    fn connection(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Leaves `carried` with the box that is being encoded. If no connection is going to queue the box,
    /// `carried` is dropped at once.
    fn carry(&mut self, carried: Box<dyn Carried>) {
        drop(carried);
    }
}

/// Learns what becomes of a box that an argument is encoded into, and that carries this: see
/// [`Proto::carry`](super::Proto::carry).
///
/// If it is dropped before it was told that its box is queued, the box was not queued and will not be. If the box
/// is a call, this is dropped when the call was answered or given up. If it is an answer, or a call that wants
/// none, this is dropped once the box is queued.
pub trait Carried: Send {
    /// Learns that the box is queued. It is sent, unless the connection ends. `is_call` says whether it is a
    /// call that waits for its answer.
    fn queued(&mut self, is_call: bool);

    /// Learns that the peer has refused the call unseen, since it is
    /// [closing](crate::RemoteError::is_closing). The argument may be sent again.
    fn refused(&mut self) {}
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
