use std::fmt;

/// A limit that protects a side, and was exceeded. It is displayed as the thing that there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::running_responders_max`](field@crate::Limits::running_responders_max).
    RunningResponders,
    /// [`Serve::running_responders_in_all`](crate::Serve::running_responders_in_all) of a server.
    RunningRespondersInAll,
    /// [`Limits::running_bytes_max`](field@crate::Limits::running_bytes_max).
    RunningBytes,
    /// [`Serve::bytes_in_all`](crate::Serve::bytes_in_all) of a server.
    BytesInAll,
    /// [`Limits::send_queue_max`](field@crate::Limits::send_queue_max).
    SendQueue,
    /// [`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments), of those that wait for a
    /// box.
    UnclaimedAttachments,
    /// [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all), of those that wait for a box or that
    /// running responders hold, on all connections.
    AttachmentsInAll,
    /// [`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments), of those that
    /// running responders hold.
    ClaimedAttachments,
    /// Three quarters of [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all), which the
    /// running responders of all connections may hold.
    ClaimedAttachmentsInAll,
    /// The share of [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all) that the running
    /// responders of one connection may hold beside those of others.
    ClaimedAttachmentsShare,
    /// Twice [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all), of those that wait to be sent
    /// on all connections.
    SendingInAll,
    /// [`Limits::stream_items`](field@crate::Limits::stream_items).
    StreamItems,
    /// [`Limits::stream_bytes`](field@crate::Limits::stream_bytes).
    StreamBytes,
    /// The calls that bring items of one stream.
    StreamCalls,
    /// The bytes of items that all streams of a connection hold:
    /// [`Limits::stream_bytes`](field@crate::Limits::stream_bytes) says how many.
    BytesOfStreams,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RunningResponders => "running responders",
            Self::RunningRespondersInAll => "running responders of all connections",
            Self::RunningBytes => "bytes of calls being answered",
            Self::BytesInAll => "bytes held for all connections",
            Self::SendQueue => "bytes waiting to be sent",
            Self::UnclaimedAttachments => "unclaimed attachments",
            Self::AttachmentsInAll => "attachments received on all connections",
            Self::ClaimedAttachments => "attachments of running responders",
            Self::ClaimedAttachmentsInAll => {
                "attachments of running responders over all connections"
            }
            Self::ClaimedAttachmentsShare => {
                "attachments of running responders beside those of others"
            }
            Self::SendingInAll => "attachments waiting to be sent on all connections",
            Self::StreamItems => "items",
            Self::StreamBytes => "bytes",
            Self::StreamCalls => "calls with items",
            Self::BytesOfStreams => "bytes held for the streams of the connection",
        })
    }
}
