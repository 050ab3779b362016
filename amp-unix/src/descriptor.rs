use amp_core::argument::Attachment;
use amp_core::schema::{WireType, WireTypes};
use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::adapter::attachment_kind;

/// An open file descriptor as an argument: AMP's Descriptor.
///
/// `From` makes one from anything that owns a descriptor (`TryFrom` for tokio's types), and
/// [`duplicate`](Descriptor::duplicate) from anything that has one. The receiver turns it into the
/// type that it expects by `TryFrom`:
///
/// ```no_run
/// # use amp_unix::Descriptor;
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let descriptor = Descriptor::from(listener);
/// // ... and on the other side of a connection:
/// let listener = std::net::TcpListener::try_from(descriptor)?;
/// # Ok(())
/// # }
/// ```
///
/// Nothing checks that it is of that type. If a file is taken for a socket, its first use fails.
///
/// The peer gets a new descriptor for the same open file. Both share the file's position and its
/// flags, such as non-blocking mode, which tokio's types turn on.
///
/// # On the wire
///
/// The descriptor travels beside the bytes. The box holds its ordinal as an Integer: descriptors
/// are counted from 0 in each direction of a connection. If the transport of a connection carries no
/// descriptors, the argument cannot be encoded or decoded.
///
/// A list of descriptors is a `ListOf` ordinals. Twisted can neither read nor send one: its
/// `ListOf(Descriptor())` writes numbers that mean nothing to the other side.
///
/// # When it is closed
///
/// Once a box that names it is queued, the connection keeps the descriptor open until it has really
/// been sent, or until the connection ends. The `Descriptor` itself may be dropped at once. A
/// received descriptor is closed when it is dropped.
///
/// # Sending the same descriptor often
///
/// A clone is the same descriptor, not a new one for the same open file. It costs no system call, and
/// the descriptor is closed with its last clone. So to send a descriptor with many calls, clone it for
/// each.
#[doc(alias("fd", "FileDescriptor", "SCM_RIGHTS"))]
#[derive(Clone)]
pub struct Descriptor(Arc<OwnedFd>);

impl Descriptor {
    /// Creates a new descriptor for the same open file (`dup`), which is close-on-exec.
    ///
    /// # Errors
    ///
    /// When this process has as many open files as it may have.
    pub fn duplicate(open: impl AsFd) -> io::Result<Self> {
        open.as_fd().try_clone_to_owned().map(Self::from)
    }

    /// Returns the descriptor as an [`OwnedFd`].
    ///
    /// If there is a clone of it, or a box that names it waits to be sent, this returns a duplicate. A
    /// descriptor that was just received is never duplicated.
    ///
    /// # Errors
    ///
    /// When it must be duplicated, and this process has as many open files as it may have.
    pub fn into_owned(self) -> io::Result<OwnedFd> {
        Arc::try_unwrap(self.0).or_else(|shared| shared.try_clone())
    }

    /// Returns the descriptor of an attachment that a Unix transport received, as in a
    /// [dynamic value](amp_core::dynamic::Value::Attachment). Returns `None` for an attachment of
    /// another transport.
    pub fn from_attachment(attachment: Attachment) -> Option<Self> {
        attachment.downcast().ok().map(Self)
    }
}

/// The descriptor as an attachment, to be sent in a [dynamic value](amp_core::dynamic::Value).
impl From<Descriptor> for Attachment {
    fn from(descriptor: Descriptor) -> Self {
        descriptor.0
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptor").field(&self.0.as_raw_fd()).finish()
    }
}

impl Argument for Descriptor {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let ordinal = proto.attach(attachment_kind(), self.clone().into())?;
        ordinal.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let ordinal = u64::from_string_proto(value, proto)?;
        let attachment = proto.claim(attachment_kind(), ordinal)?;
        Self::from_attachment(attachment)
            .ok_or_else(|| DecodeError::malformed("a file descriptor", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Descriptor")
    }
}
