use amp_core::Switched;

use crate::Descriptor;

/// Takes the descriptors that a connection received before its protocol switch and that no argument
/// has claimed, and those that arrived with what was read from `stream` since then, in their order.
///
/// The caller owns each of them, as if an argument had named it. Descriptors that are not taken are
/// closed with `stream`.
///
/// A transport other than [`UnixTransport`](crate::UnixTransport) may have attachments of another kind. These are
/// taken too, and dropped. [`take_attachments`](amp_core::Switched::take_attachments) returns them instead.
#[must_use = "descriptors are closed when they are dropped"]
pub fn take_descriptors(stream: &mut Switched) -> Vec<Descriptor> {
    let attachments = stream.take_attachments();
    attachments.into_iter().filter_map(Descriptor::from_attachment).collect()
}
