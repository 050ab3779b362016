use std::time::Duration;

use super::held::default_in_all;
use crate::argument::budget::LEAST as DECODED_BYTES;
use crate::boxes::BoxLimits;
use crate::setters::setters;

/// The limits of what a connection holds. Going over one slows a side down, or is an error that names
/// the limit:
///
/// | limit | default | what happens there |
/// |---|---|---|
/// | [`boxes`](field@Limits::boxes), bytes | 17 MiB | the connection ends; a call or an answer of this side fails, and nothing is sent |
/// | [`boxes`](field@Limits::boxes), pairs | 16 384 | as above |
/// | [`decoded_bytes`](field@Limits::decoded_bytes) | 1 MiB, or 18 for each byte of the box | the peer's call is refused; a call of this side fails with the answer |
/// | [`outstanding_calls`](field@Limits::outstanding_calls) | 65 536 | the call fails, and nothing is sent |
/// | [`running_responders`](field@Limits::running_responders) | 1024 | the peer is not read from, but for a little ahead, unless that could stop both sides, or a stream is open |
/// | [`running_responders_max`](field@Limits::running_responders_max) | 8192 | the peer's call is refused; a one-way call ends the connection |
/// | [`running_bytes`](field@Limits::running_bytes) | 32 MiB | as at `running_responders` |
/// | [`running_bytes_max`](field@Limits::running_bytes_max) | 64 MiB | as at `running_responders_max` |
/// | [`send_queue`](field@Limits::send_queue), bytes | 1 MiB | callers wait, and so do the peer's calls |
/// | [`send_queue_boxes`](field@Limits::send_queue_boxes) | 65 536 | as at `send_queue` |
/// | [`send_queue_max`](field@Limits::send_queue_max), bytes | 64 MiB | the connection ends |
/// | [`unclaimed_attachments`](field@Limits::unclaimed_attachments) | 128, or 256 by `RLIMIT_NOFILE` | the connection ends; a call whose responder would hold more is refused |
/// | [`attachments_in_all`](field@Limits::attachments_in_all) | a quarter of `RLIMIT_NOFILE`, 65 536 at most | those of whoever has most are dropped; a call whose responder would hold more is refused |
/// | [`unclaimed_timeout`](field@Limits::unclaimed_timeout) | 60 s | the attachment is dropped |
/// | [`streams`](field@Limits::streams) | 256 | the argument fails, and with it its call or answer |
/// | [`stream_items`](field@Limits::stream_items) | 1024 | the sink waits; a peer that goes over it ends the stream |
/// | [`stream_bytes`](field@Limits::stream_bytes) | 256 KiB | as at `stream_items`; an item that is larger fails; over it times `streams`, those that have ended included, a stream ends |
/// | [`box_timeout`](field@Limits::box_timeout) | 60 s | the connection ends |
/// | [`close_timeout`](field@Limits::close_timeout) | 5 s | the stream is dropped |
///
/// What all connections of a server may hold together is the [server's](crate::Serve) to say.
///
/// So a peer that reads slowly stops those who call it, and fills nothing. Answers never wait for
/// room: they are queued at once, behind what is queued already and before the calls that wait.
///
/// ```
/// # use amp_core::Limits;
/// let limits = Limits::default().running_responders(16).send_queue(64 << 10);
/// assert_eq!(limits.running_responders, 16);
/// ```
#[doc(alias("MaxLength", "rate limit"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The size that a box may have. A received one over it ends the connection. A call of this side that
    /// would be over it fails with [`CallError::Encode`](crate::CallError::Encode) and is not sent,
    /// and an answer becomes the answer `UNKNOWN`.
    pub boxes: BoxLimits,
    /// Bytes of memory that what is decoded of one box may take. 1 MiB by default, and 18 for each
    /// byte of the box if that is more. Lists, maps, texts and what compressed values inflate to
    /// count, and so does what JSON becomes. What needs more is refused with
    /// [`DecodeErrorKind::TooMuchMemory`](crate::DecodeErrorKind::TooMuchMemory): lists of structs that
    /// have many fields and few values, and compressed values that are many times shorter than what
    /// they hold. Where a peer is trusted with those, raise it.
    pub decoded_bytes: usize,
    /// Calls that wait for their answers at once, at most 2^31. 65 536 by default. Over it, a
    /// call fails with [`CallError::TooManyCalls`](crate::CallError::TooManyCalls). Those that bring items of
    /// [streams](field@Limits::streams) have 65 places beside these for each of them.
    pub outstanding_calls: usize,
    /// Responders that run at once, and what runs
    /// [after their answers](crate::Responders::respond_then). 1024 by default. At this number nothing more is read from
    /// the peer until one of them is done; so a peer that calls too much is slowed down. Reading
    /// goes on all the same while calls of this side are outstanding or something waits to be
    /// sent, since the peer may be unable to go on before it is read from. While a
    /// stream is open, whose items a responder may wait for, reading goes on too, and what is read of
    /// calls waits: see [`streams`](mod@crate::streams). When [`running_bytes`](field@Limits::running_bytes) of them wait, or half as many
    /// attachments as may, the first of them are begun, up to
    /// [`running_responders_max`](field@Limits::running_responders_max).
    ///
    /// When nothing could be read for 200 milliseconds, 64 KiB are read ahead, whose calls wait; so
    /// the end of a peer is seen. They count with what they take in memory. It is eight times as much
    /// every further 200 milliseconds, up to 4 MiB; and when that is not enough to tell whether the
    /// peer is alive, by the [`idle_timeout`](crate::Connection::idle_timeout) or a
    /// [`ping`](crate::Connection::ping), up to the largest box there may be; but no more than
    /// [`running_bytes`](field@Limits::running_bytes), and than half of what all connections of a server leave.
    /// A peer that has gone ends its connection within about a second so, over sockets and TLS over
    /// them also if it had sent more, as long as what was not read fits into the system's buffers of this
    /// side: TCP tells of no end that does not. One-way commands that it had sent are begun as responders are
    /// done, also once the connection has ended; calls that want an answer are not. Those that name
    /// attachments fail if they are begun that late: at the end of a connection what nothing has
    /// claimed is dropped.
    pub running_responders: usize,
    /// Responders that run at once when reading has to go on, which a peer can bring about: it needs
    /// only to leave its answers unread, or a stream open. So this is the bound, and the other one is what honest peers
    /// see. 8192 by default. A call over it is answered with `UNKNOWN`; a one-way call over it ends the
    /// connection.
    pub running_responders_max: usize,
    /// Bytes of the calls whose responders run, as they were on the wire, or of the memory that was
    /// spent on [decoding](field@Limits::decoded_bytes) them where that is more. 32 MiB by default. At
    /// this number nothing more is read, with the same exceptions as for
    /// [`running_responders`](field@Limits::running_responders), and calls that were read wait. The one that
    /// goes over it is begun, so what one more call takes may run.
    pub running_bytes: usize,
    /// Bytes of the calls whose responders run when reading has to go on: the bound, as
    /// [`running_responders_max`](field@Limits::running_responders_max) is. 64 MiB by default. A
    /// call that comes, or has just been decoded, when there are so many is answered with `UNKNOWN`; a
    /// one-way call that comes then ends the connection. So one more call may run, of which decoding may
    /// make 18 times its length: 306 MiB of the largest box. Where that is too much, bound the
    /// [boxes](field@Limits::boxes).
    pub running_bytes_max: usize,
    /// Boxes that wait to be sent before callers have to wait for room, and before responders of
    /// further calls of the peer have to wait to be started. 65 536 by default.
    pub send_queue_boxes: usize,
    /// Bytes that wait to be sent before callers have to wait for room, and before responders of
    /// further calls of the peer have to wait to be started. 1 MiB by default. Boxes are never
    /// cut, so a few more bytes may wait. A received value that is sent on without being
    /// [copied](crate::ValueWriter::put_bytes) keeps more than it counts while it waits: the buffer
    /// that it came in. And while more than three quarters of
    /// [`unclaimed_attachments`](field@Self::unclaimed_attachments) wait, responders are started until
    /// half of [`send_queue_max`](field@Self::send_queue_max) is queued, for they may claim them.
    pub send_queue: usize,
    /// Bytes that wait to be sent at all, answers included, together with the calls that are not
    /// answered yet because of them, which count with what they take in memory. 64 MiB by default.
    /// Over it, the peer calls without reading what it is answered, and the connection ends.
    pub send_queue_max: usize,
    /// Attachments, such as open files, that were received and that no argument has claimed. 128 by
    /// default, and 256 where the process may have 2048 files open (`RLIMIT_NOFILE`) or more. Over it,
    /// the connection ends, and they are dropped at once.
    ///
    /// As many may be held by the responders that run, which have claimed them. A call that would
    /// bring more is answered with `UNKNOWN`, and what it brought is dropped at once.
    ///
    /// No box can name more than that; raise it, and
    /// [`attachments_in_all`](field@Limits::attachments_in_all) with it, for boxes that do. A peer that runs
    /// this implementation sends at most 64 ahead of their boxes, unless one box names more, and
    /// Twisted sends them with their boxes; so twice as many leave room, and are an eighth of the 1024
    /// files that a process may have open on most systems.
    ///
    /// Half as many may be on their way in the items of streams. Where those of many streams are not read,
    /// beyond three eighths of it, a further stream of attachments waits until one is.
    pub unclaimed_attachments: usize,
    /// Attachments that all connections of this process hold together, those that no argument has
    /// claimed and those that running responders hold. By default a quarter of the files that the
    /// process may have open when this is first asked for (`RLIMIT_NOFILE`), and 65 536 at most: 256 of
    /// 1024, and 256 on systems that have no such limit. When a
    /// connection receives one over it, some are dropped of those that wait for a box that names them:
    /// those of the connection that has most, the oldest first.
    ///
    /// Running responders may hold three quarters of them. Those of one connection may hold half of all
    /// while those of others hold none, an eighth when those of others hold half of what they may, a
    /// 32nd when they hold three quarters of it, and one in any case: of 256, these are 128, 32, 8
    /// and 1. A call that would bring more is answered with `UNKNOWN`. So it takes more than 30
    /// connections to leave nothing of 256 to the others, and more where there are more.
    ///
    /// The limit that counts is that of the connection that receives. An attachment that holds up the
    /// end of its own connection, because it is the other end, costs two files; so the default leaves
    /// a process half of what it may have.
    pub attachments_in_all: usize,
    /// Streams that are open, or wait to be: those that either side sends and receives, together. 256 by
    /// default. What this side sends waits too, up to 64 KiB and one item more for each of them. An argument that is one more cannot be encoded, or not decoded.
    pub streams: usize,
    /// Items of one stream that the peer may send before this side has taken the first of them. 1024 by
    /// default, and one at least. The peer is told, and its sink waits.
    pub stream_items: usize,
    /// Bytes of items, as they are on the wire, of one stream that the peer may send before this side
    /// has taken the first of them. 256 KiB by default. The peer is told, and its sink waits; an item
    /// that is larger than that fails there. So the streams of a connection, those that have ended and were not
    /// read to their end too, hold no more together than [`streams`](field@Limits::streams) times so many bytes and
    /// 52 600 more, for the calls that bring them; what goes over it ends its stream with
    /// [`StreamError::Limit`](crate::streams::StreamError::Limit). Items that come while
    /// attachments wait to be claimed are decoded at once, and what that takes counts as that of
    /// [running calls](field@Limits::running_bytes).
    pub stream_bytes: usize,
    /// The time that an attachment may wait for a box that names it, and that for whoever reads it, before
    /// it is dropped. 60 seconds by default. Who reads the box later finds it gone, and the call fails.
    pub unclaimed_timeout: Duration,
    /// The time that a peer may take to finish a box that it has begun, while it is read from. 60
    /// seconds by default. It is looked at so often, so it may be twice as long. Over it, the
    /// connection ends with [`CloseReason::BoxTimeout`](crate::CloseReason::BoxTimeout).
    pub box_timeout: Duration,
    /// The time that the end of a connection may take: sending what is queued, and waiting until the
    /// peer has closed its side. 5 seconds by default. When the peer is to blame for the end, because it
    /// does not keep to the protocol or has gone over a limit, it takes a second at most. What the peer
    /// goes on to send meanwhile is read and dropped, but no more than 16 MiB of it, and 256 KiB if it
    /// is to blame.
    pub close_timeout: Duration,
}

setters!(Limits {
    boxes: BoxLimits,
    decoded_bytes: usize,
    outstanding_calls: usize,
    running_responders: usize,
    running_responders_max: usize,
    running_bytes: usize,
    running_bytes_max: usize,
    send_queue_boxes: usize,
    send_queue: usize,
    send_queue_max: usize,
    unclaimed_attachments: usize,
    attachments_in_all: usize,
    streams: usize,
    stream_items: usize,
    stream_bytes: usize,
    unclaimed_timeout: Duration,
    box_timeout: Duration,
    close_timeout: Duration,
});

impl Default for Limits {
    fn default() -> Self {
        Self {
            boxes: BoxLimits::default(),
            decoded_bytes: DECODED_BYTES,
            outstanding_calls: 1 << 16,
            running_responders: 1024,
            running_responders_max: 1 << 13,
            running_bytes: 32 << 20,
            running_bytes_max: 64 << 20,
            send_queue_boxes: 1 << 16,
            send_queue: 1 << 20,
            send_queue_max: 64 << 20,
            unclaimed_attachments: (default_in_all() / 2).clamp(128, 256).min(default_in_all()),
            attachments_in_all: default_in_all(),
            streams: 256,
            stream_items: 1024,
            stream_bytes: 256 << 10,
            unclaimed_timeout: Duration::from_secs(60),
            box_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Returns the limits for a peer that may be anybody: a connection holds 29 MiB at worst, where it may hold 530
    /// by [default](Limits::default): its running calls, with one more that is as large as a box may be
    /// once it is decoded, a box that is not finished, what waits to be sent, and the items of its streams. Boxes are of 1 MiB and
    /// 1024 pairs at most. [`Connection::untrusted_peer`](crate::Connection::untrusted_peer) sets them, and what else
    /// is right for such a peer.
    ///
    /// ```
    /// # use amp_core::Limits;
    /// let limits = Limits::untrusted();
    /// assert_eq!((limits.running_responders, limits.running_responders_max), (64, 256));
    /// assert_eq!((limits.running_bytes, limits.running_bytes_max), (1 << 20, 4 << 20));
    /// assert_eq!((limits.send_queue, limits.send_queue_max), (256 << 10, 4 << 20));
    /// assert_eq!(limits.unclaimed_attachments, 16);
    /// assert_eq!((limits.streams, limits.stream_bytes), (16, 64 << 10));
    /// assert_eq!(limits.box_timeout.as_secs(), 15);
    /// ```
    pub fn untrusted() -> Self {
        Self {
            boxes: BoxLimits { max_bytes: 1 << 20, max_pairs: 1024 },
            running_responders: 64,
            running_responders_max: 256,
            running_bytes: 1 << 20,
            running_bytes_max: 4 << 20,
            send_queue_boxes: 1024,
            send_queue: 256 << 10,
            send_queue_max: 4 << 20,
            unclaimed_attachments: 16,
            streams: 16,
            stream_items: 256,
            stream_bytes: 64 << 10,
            unclaimed_timeout: Duration::from_secs(15),
            box_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// Those that would bring a connection to a stop, were they zero, are at least one.
    #[track_caller]
    pub(crate) fn able_to_get_on(self) -> Self {
        let Self { send_queue, send_queue_max, .. } = self;
        assert!(
            send_queue <= send_queue_max,
            "a send_queue of {send_queue} bytes is over the send_queue_max of {send_queue_max}"
        );
        Self {
            running_responders: self.running_responders.max(1),
            running_bytes: self.running_bytes.max(1),
            send_queue: self.send_queue.max(1),
            send_queue_boxes: self.send_queue_boxes.max(1),
            ..self
        }
    }
}
