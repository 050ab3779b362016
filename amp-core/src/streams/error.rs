use std::io;
use std::sync::Arc;

use crate::argument::{DecodeError, EncodeError};
use crate::command::CommandError;
use crate::error::{CallError, CloseReason};
use crate::proto::{LimitKind, RemoteError};

/// The reason why a sink accepts no more items, or did not accept one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The receiver has dropped the stream.
    #[error("the receiver has dropped the stream")]
    Stopped,
    /// The other end was dropped before it was sent to the peer, or its call was not sent.
    #[error("the other end of the stream was dropped before it was sent")]
    NotSent,
    /// The peer has not taken the other end: the call that brought it has failed or was answered
    /// without, or it was not read in time.
    #[error("the peer has not taken the stream")]
    NotTaken,
    /// The peer answered an item with an error.
    #[error("the peer has refused an item")]
    Refused(#[source] RemoteError),
    /// An item cannot be encoded. It is left out, and the sink accepts further items. An item that
    /// needs the connection is encoded only when its box is written. If that fails, the next operation
    /// on the sink returns the error. If that operation is the end, the receiver learns that the end is
    /// missing.
    #[error("an item cannot be written")]
    Encode(#[source] Arc<EncodeError>),
    /// An item is larger than what the peer allows one stream to have on its way
    /// ([`Limits::stream_bytes`](field@crate::Limits::stream_bytes) of the peer). It is left out, and
    /// the sink accepts further items.
    #[error("an item has {len} bytes, over the peer's limit of {limit} for one stream")]
    TooLarge {
        /// The length of the item in bytes.
        len: usize,
        /// The number of bytes that may be on their way.
        limit: usize,
    },
    /// A call that brings items has failed on this side, and the receiver is told that the end is missing.
    #[error("the stream was given up")]
    Failed(#[source] Arc<CallError>),
    /// The sink was closed before.
    #[error("the stream has ended")]
    Ended,
    /// The connection has ended.
    #[error("the connection is closed")]
    Closed(#[source] CloseReason),
}

/// The reason why an item of a stream is missing, or why no more items come.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The sender failed the stream: see [`declared`](StreamError::declared).
    #[error("the stream has failed")]
    Failed(#[source] RemoteError),
    /// The sink was dropped without being closed, so there may have been more items.
    #[error("the stream has no end: its sink was dropped")]
    Unfinished,
    /// The other end was dropped before it was sent to the peer, or its call was not sent.
    #[error("the other end of the stream was dropped before it was sent")]
    NotSent,
    /// The peer has not taken the other end: the call that brought it has failed or was answered
    /// without, or it was not read in time.
    #[error("the peer has not taken the stream")]
    NotTaken,
    /// One item cannot be decoded. The stream goes on after it.
    #[error("an item cannot be read")]
    Item(#[source] DecodeError),
    /// The peer has sent something that is no item of this stream.
    #[error("the peer has sent what is no item of the stream: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// The peer has sent too much that was not taken yet: more than
    /// [`Limits::stream_items`](field@crate::Limits::stream_items) or
    /// [`Limits::stream_bytes`](field@crate::Limits::stream_bytes), or more than 64 calls with items.
    #[error("the peer has sent more than {limit} {what} of a stream ahead")]
    #[non_exhaustive]
    TooMuch {
        /// Which limit it is.
        what: LimitKind,
        /// The limit's value.
        limit: usize,
    },
    /// An item does not fit beside what this side holds already. One of these is full: the attachments
    /// of responders and items
    /// ([`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments) and
    /// [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all)), what is decoded on
    /// arrival because it may name attachments
    /// ([`Limits::running_bytes_max`](field@crate::Limits::running_bytes_max)), what the streams of the
    /// connection hold ([`Limits::stream_bytes`](field@crate::Limits::stream_bytes)), or what all
    /// connections of a server hold ([`Serve::bytes_in_all`](crate::Serve::bytes_in_all)).
    #[error("an item was dropped: there are {limit} {what}, which is the limit")]
    #[non_exhaustive]
    Limit {
        /// Which limit it is.
        what: LimitKind,
        /// The limit's value.
        limit: usize,
    },
    /// The connection has ended.
    #[error("the connection is closed")]
    Closed(#[source] CloseReason),
}

impl StreamError {
    /// Returns the error that the sink was failed with, if it is an `E`.
    pub fn declared<E: CommandError>(&self) -> Option<E> {
        match self {
            Self::Failed(error) => E::from_wire(&error.code, &error.description),
            _ => None,
        }
    }
}

impl From<SinkError> for io::Error {
    fn from(error: SinkError) -> Self {
        let kind = match error {
            SinkError::Stopped | SinkError::NotSent | SinkError::NotTaken | SinkError::Ended => {
                io::ErrorKind::BrokenPipe
            }
            SinkError::Closed(_) => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Unfinished => io::ErrorKind::UnexpectedEof,
            StreamError::NotSent | StreamError::NotTaken => io::ErrorKind::NotConnected,
            StreamError::Closed(_) => io::ErrorKind::ConnectionAborted,
            StreamError::Item(_) | StreamError::Malformed { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::responder::Undeclared;

    #[test]
    fn whichever_limit_was_gone_over_the_sentence_is_whole() {
        for (what, words) in [
            (LimitKind::RunningResponders, "running responders"),
            (LimitKind::RunningRespondersInAll, "running responders of all connections"),
            (LimitKind::RunningBytes, "bytes of calls being answered"),
            (LimitKind::BytesInAll, "bytes held for all connections"),
            (LimitKind::SendQueue, "bytes waiting to be sent"),
            (LimitKind::UnclaimedAttachments, "unclaimed attachments"),
            (LimitKind::AttachmentsInAll, "attachments received on all connections"),
            (LimitKind::ClaimedAttachments, "attachments of running responders"),
            (
                LimitKind::ClaimedAttachmentsInAll,
                "attachments of running responders over all connections",
            ),
            (
                LimitKind::ClaimedAttachmentsShare,
                "attachments of running responders beside those of others",
            ),
            (LimitKind::StreamItems, "items"),
            (LimitKind::StreamBytes, "bytes"),
            (LimitKind::StreamCalls, "calls with items"),
            (LimitKind::BytesOfStreams, "bytes held for the streams of the connection"),
        ] {
            let ends = CloseReason::Limit { what, limit: 4 }.to_string();
            assert_eq!(ends, format!("the connection went over the limit of 4 {words}"));
            let fails = Undeclared::TooMany { what, limit: 4 }.to_string();
            assert_eq!(fails, format!("there are 4 {words}, which is the limit"));
            let drops = StreamError::Limit { what, limit: 4 }.to_string();
            assert_eq!(
                drops,
                format!("an item was dropped: there are 4 {words}, which is the limit")
            );
            let ahead = StreamError::TooMuch { what, limit: 4 }.to_string();
            assert_eq!(ahead, format!("the peer has sent more than 4 {words} of a stream ahead"));
            for sentence in [ends, fails, drops, ahead] {
                assert!(!sentence.contains(",,") && !sentence.ends_with(','), "{sentence}");
            }
        }
    }
}
