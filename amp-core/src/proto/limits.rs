use std::time::Duration;

use super::held::default_in_all;
use crate::argument::budget::LEAST as DECODED_BYTES;
use crate::boxes::BoxLimits;
use crate::setters::setters;

/// The limits of what one connection holds. A side that reaches a limit is slowed down, or gets an
/// error that names the limit:
///
/// | limit | default | what happens there |
/// |---|---|---|
/// | [`boxes`](field@Limits::boxes), bytes | 17 MiB | a larger box of the peer ends the connection; a larger call of this side fails and is not sent; a larger answer becomes `UNKNOWN` |
/// | [`boxes`](field@Limits::boxes), pairs | 16 384 | as for the bytes |
/// | [`decoded_bytes`](field@Limits::decoded_bytes) | 1 MiB, or 18 for each byte of the box if that is more | the peer's call is refused; a call of this side fails when its answer takes more |
/// | [`outstanding_calls`](field@Limits::outstanding_calls) | 65 536 | a further call fails and is not sent |
/// | [`running_responders`](field@Limits::running_responders) | 1024 | this side stops reading, with [exceptions](Limits#when-reading-stops) |
/// | [`running_responders_max`](field@Limits::running_responders_max) | 8192 | a further call is answered with `UNKNOWN`; a further one-way call ends the connection |
/// | [`running_bytes`](field@Limits::running_bytes) | 32 MiB | as at `running_responders` |
/// | [`running_bytes_max`](field@Limits::running_bytes_max) | 64 MiB | as at `running_responders_max` |
/// | [`send_queue`](field@Limits::send_queue), bytes | 1 MiB | callers of this side wait, and the peer's further calls wait |
/// | [`send_queue_boxes`](field@Limits::send_queue_boxes) | 65 536 | as at `send_queue` |
/// | [`send_queue_max`](field@Limits::send_queue_max), bytes | 64 MiB | the connection ends |
/// | [`unclaimed_attachments`](field@Limits::unclaimed_attachments) | 128, or 256 by `RLIMIT_NOFILE` | a further attachment ends the connection; a call whose responder would hold more is answered with `UNKNOWN` |
/// | [`attachments_in_all`](field@Limits::attachments_in_all) | a quarter of `RLIMIT_NOFILE`, 65 536 at most | the connection that has most unclaimed attachments loses some; a call whose responder would hold more is answered with `UNKNOWN` |
/// | [`unclaimed_timeout`](field@Limits::unclaimed_timeout) | 60 seconds | the attachment is dropped |
/// | [`streams`](field@Limits::streams) | 256 | the argument of a further stream fails, and with it its call or answer |
/// | [`stream_items`](field@Limits::stream_items) | 1024 | the sink waits; a peer that sends more ends its stream |
/// | [`stream_bytes`](field@Limits::stream_bytes) | 256 KiB | the sink waits, and an item that is larger fails; all streams of the connection together hold `streams` times that, and a stream that goes over it ends |
/// | [`box_timeout`](field@Limits::box_timeout) | 60 to 120 seconds | the connection ends |
/// | [`close_timeout`](field@Limits::close_timeout) | 5 seconds | the stream is dropped |
///
/// [`Serve`](crate::Serve) has the limits of all connections of a server together.
///
/// A peer that does not read its answers stops its own calls: they wait while the send queue is
/// full. Answers never wait for room. They are queued at once, behind what is queued already and
/// before the calls that wait.
///
/// # When reading stops
///
/// At [`running_responders`](field@Limits::running_responders) or
/// [`running_bytes`](field@Limits::running_bytes) this side reads nothing more until a responder is
/// done, so a peer that calls too much is slowed down. There are two exceptions:
///
/// - Reading goes on while calls of this side are outstanding, or while something waits to be sent.
///   The peer may be unable to go on before it is read from, and then both sides would wait for
///   ever.
/// - Reading goes on while a [stream](mod@crate::streams) is open, since a responder may wait for
///   its items. The calls that are read meanwhile wait. When they have `running_bytes` together, or
///   half as many attachments as may be unclaimed, the first of them are begun.
///
/// In both cases [`running_responders_max`](field@Limits::running_responders_max) and
/// [`running_bytes_max`](field@Limits::running_bytes_max) bound what runs.
///
/// # Reading ahead
///
/// A side that has stopped reading would not see that its peer has gone. So after 200 milliseconds
/// it reads 64 KiB ahead. The calls among them wait, and count with what they take in memory. Every
/// further 200 milliseconds it reads eight times as far, up to 4 MiB. An
/// [`idle_timeout`](crate::Connection::idle_timeout) or a [`ping`](crate::Connection::ping) that
/// needs a sign of life reads further, up to the largest box there may be. This side never reads
/// further ahead than [`running_bytes`](field@Limits::running_bytes), or than half of what all
/// connections of a server leave.
///
/// So a peer that has gone ends its connection within about a second. Over sockets, and TLS over
/// them, this also holds for a peer that had sent more, as long as the rest fits into the system's
/// buffers of this side: TCP does not tell of an end behind more than that. One-way commands that
/// the peer had sent are begun as responders are done, also after the connection has ended. Calls
/// that want an answer are not begun. A command that names attachments fails if it is begun that
/// late, since unclaimed attachments are dropped at the end of the connection.
///
/// ```
/// # use amp_core::Limits;
/// let limits = Limits::default().running_responders(16).send_queue(64 << 10);
/// assert_eq!(limits.running_responders, 16);
/// ```
///
/// Three of them have a bound behind them, whose name ends in `_max`, and are no more than that:
/// [`Connection::limits`](crate::Connection::limits) panics otherwise.
#[doc(alias("MaxLength", "rate limit"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The size that a box may have. A received one over it ends the connection. A call of this
    /// side that would be over it fails with [`CallError::Encode`](crate::CallError::Encode) and is
    /// not sent, and an answer becomes the answer `UNKNOWN`.
    pub boxes: BoxLimits,
    /// Bytes of memory that what is decoded of one box may take. 1 MiB by default, and 18 for each
    /// byte of the box if that is more. Lists, maps, texts and what compressed values inflate to
    /// count, and so does what JSON becomes. What needs more is refused with
    /// [`DecodeErrorKind::TooMuchMemory`](crate::DecodeErrorKind::TooMuchMemory): lists of structs
    /// that have many fields and few values, and compressed values that are many times shorter than
    /// what they hold. Where a peer is trusted with those, raise it.
    pub decoded_bytes: usize,
    /// Calls that wait for their answers at once, at most 2^31. 65 536 by default. Over it, a call
    /// fails with [`CallError::TooManyCalls`](crate::CallError::TooManyCalls). Those that bring
    /// items of [streams](field@Limits::streams) have 65 places beside these for each of them.
    pub outstanding_calls: usize,
    /// Responders that run at once, and what runs [after their
    /// answers](crate::Responders::respond_then). 1024 by default. At this number this side reads
    /// nothing more from the peer until one of them is done, with
    /// [exceptions](Limits#when-reading-stops); while it does not read, it [reads
    /// ahead](Limits#reading-ahead) a little.
    pub running_responders: usize,
    /// Responders that run at once when [reading goes on](Limits#when-reading-stops). 8192 by
    /// default. A peer can make reading go on, by leaving its answers unread or a stream open. So
    /// this is the bound, and [`running_responders`](field@Limits::running_responders) is what
    /// honest peers see. A call over it is answered with `UNKNOWN`; a one-way call over it ends the
    /// connection.
    pub running_responders_max: usize,
    /// Bytes of the calls whose responders run: their length on the wire, or the memory that
    /// [decoding](field@Limits::decoded_bytes) has taken if that is more. 32 MiB by default. At
    /// this number this side reads nothing more, with the same
    /// [exceptions](Limits#when-reading-stops), and calls that were read wait. The call that goes
    /// over the limit is begun, so one call more than this may run.
    pub running_bytes: usize,
    /// Bytes of the calls whose responders run when [reading goes on](Limits#when-reading-stops):
    /// the bound, as [`running_responders_max`](field@Limits::running_responders_max) is. 64 MiB by
    /// default. At this number a call that comes, or that has just been decoded, is answered with
    /// `UNKNOWN`, and a one-way call that comes ends the connection. One call more may run, and
    /// decoding may make 18 times its length of it: 306 MiB of the largest box. Where that is too
    /// much, bound the [boxes](field@Limits::boxes).
    pub running_bytes_max: usize,
    /// Boxes that wait to be sent before callers have to wait for room, and before responders of
    /// further calls of the peer have to wait to be started. 65 536 by default.
    pub send_queue_boxes: usize,
    /// Bytes that wait to be sent before callers have to wait for room, and before responders of
    /// further calls of the peer have to wait to be started. 1 MiB by default. Boxes are never cut,
    /// so a few more bytes may wait. A received value that is sent on without being
    /// [copied](crate::ValueWriter::put_bytes) keeps more than it counts while it waits: the buffer
    /// that it came in. And while more than three quarters of
    /// [`unclaimed_attachments`](field@Self::unclaimed_attachments) wait, responders are started
    /// until half of [`send_queue_max`](field@Self::send_queue_max) is queued, for they may claim
    /// them.
    pub send_queue: usize,
    /// Bytes that wait to be sent at all, answers included, together with the calls that are not
    /// answered yet because of them, which count with what they take in memory. 64 MiB by default.
    /// Over it, the peer calls without reading what it is answered, and the connection ends.
    pub send_queue_max: usize,
    /// Attachments, such as open files, that were received and that no argument has claimed. 128 by
    /// default, and 256 where the process may have 2048 files open (`RLIMIT_NOFILE`) or more. Over
    /// it, the connection ends, and they are dropped at once.
    ///
    /// As many may be held by the responders that run, which have claimed them. A call that would
    /// bring more is answered with `UNKNOWN`, and what it brought is dropped at once.
    ///
    /// No box can name more than that; raise it, and
    /// [`attachments_in_all`](field@Limits::attachments_in_all) with it, for boxes that do. A peer
    /// that runs this implementation sends at most 64 ahead of their boxes, unless one box names
    /// more, and Twisted sends them with their boxes; so twice as many leave room, and are an
    /// eighth of the 1024 files that a process may have open on most systems.
    ///
    /// Half as many may be on their way in the items of streams. Where those of many streams are
    /// not read, beyond three eighths of it, a further stream of attachments waits until one is.
    pub unclaimed_attachments: usize,
    /// Attachments that all connections of this process hold together, those that no argument has
    /// claimed and those that running responders hold. By default a quarter of the files that the
    /// process may have open when this is first asked for (`RLIMIT_NOFILE`), and 65 536 at most:
    /// 256 of 1024, and 256 on systems that have no such limit. When a connection receives one over
    /// it, some are dropped of those that wait for a box that names them: those of the connection
    /// that has most, the oldest first.
    ///
    /// Running responders may hold three quarters of them. Those of one connection may hold half of
    /// all while those of others hold none, an eighth when those of others hold half of what they
    /// may, a 32nd when they hold three quarters of it, and one in any case: of 256, these are 128,
    /// 32, 8 and 1. A call that would bring more is answered with `UNKNOWN`. So it takes more than
    /// 30 connections to leave nothing of 256 to the others, and more where there are more.
    ///
    /// The limit that counts is that of the connection that receives. An attachment that holds up
    /// the end of its own connection, because it is the other end, costs two files; so the default
    /// leaves a process half of what it may have.
    pub attachments_in_all: usize,
    /// Streams that are open, or wait to be opened: those that this side sends and those that it
    /// receives, together. 256 by default. The argument of a further stream cannot be encoded, or
    /// not decoded. Each stream that this side sends keeps up to 64 KiB and one item more that wait
    /// to be sent.
    pub streams: usize,
    /// Items of one stream that the peer may send before this side has taken the first of them.
    /// 1024 by default, and one at least. The peer is told, and its sink waits.
    pub stream_items: usize,
    /// Bytes of items, as they are on the wire, of one stream that the peer may send before this
    /// side has taken the first of them. 256 KiB by default. The peer is told, and its sink waits;
    /// an item that is larger than that fails there.
    ///
    /// All streams of a connection together hold [`streams`](field@Limits::streams) times so many
    /// bytes, and 52 600 bytes more for each, for the calls that bring them. Streams that have
    /// ended and were not read to their end count too. What goes over it ends its stream with
    /// [`StreamError::Limit`](crate::streams::StreamError::Limit). Items that come while
    /// attachments wait to be claimed are decoded at once, and what that takes counts as that of
    /// [running calls](field@Limits::running_bytes).
    pub stream_bytes: usize,
    /// The time that an attachment may wait for a box that names it, and for its reader. 60 seconds
    /// by default. Then it is dropped, and a call that is read later fails.
    pub unclaimed_timeout: Duration,
    /// The time that a peer may take to finish a box that it has begun, while it is read from. 60
    /// seconds by default. This side looks once in that time, so a box may take up to twice as
    /// long. Then the connection ends with
    /// [`CloseReason::BoxTimeout`](crate::CloseReason::BoxTimeout).
    pub box_timeout: Duration,
    /// The time that the end of a connection may take: sending what is queued, and waiting until
    /// the peer has closed its side. 5 seconds by default. When the peer is to blame for the end,
    /// because it does not keep to the protocol or has gone over a limit, it takes a second at
    /// most. What the peer goes on to send meanwhile is read and dropped, but no more than 16 MiB
    /// of it, and 256 KiB if it is to blame.
    pub close_timeout: Duration,
}

setters!(Limits {
    boxes: BoxLimits,
    decoded_bytes: usize,
    outstanding_calls: usize,
    ///
    /// Over [`running_responders_max`](field@Self::running_responders_max),
    /// [`Connection::limits`](crate::Connection::limits) panics.
    running_responders: usize,
    ///
    /// Below [`running_responders`](field@Self::running_responders),
    /// [`Connection::limits`](crate::Connection::limits) panics.
    running_responders_max: usize,
    ///
    /// Over [`running_bytes_max`](field@Self::running_bytes_max),
    /// [`Connection::limits`](crate::Connection::limits) panics.
    running_bytes: usize,
    ///
    /// Below [`running_bytes`](field@Self::running_bytes),
    /// [`Connection::limits`](crate::Connection::limits) panics.
    running_bytes_max: usize,
    send_queue_boxes: usize,
    ///
    /// Over [`send_queue_max`](field@Self::send_queue_max),
    /// [`Connection::limits`](crate::Connection::limits) panics.
    send_queue: usize,
    ///
    /// Below [`send_queue`](field@Self::send_queue),
    /// [`Connection::limits`](crate::Connection::limits) panics.
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
    /// Returns the limits for a peer that may be anybody: a connection holds 29 MiB at worst, where
    /// it may hold 530 by [default](Limits::default): its running calls, with one more that is as
    /// large as a box may be once it is decoded, a box that is not finished, what waits to be sent,
    /// and the items of its streams. Boxes are of 1 MiB and 1024 pairs at most.
    /// [`Connection::untrusted_peer`](crate::Connection::untrusted_peer) sets them, and what else
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

    /// What honest peers see is no more than the bound behind it, and what would bring a connection to a
    /// stop, were it zero, is at least one.
    #[track_caller]
    pub(crate) fn able_to_get_on(mut self) -> Self {
        for (name, plain, max) in [
            ("running_responders", &mut self.running_responders, &mut self.running_responders_max),
            ("running_bytes", &mut self.running_bytes, &mut self.running_bytes_max),
            ("send_queue", &mut self.send_queue, &mut self.send_queue_max),
        ] {
            assert!(*plain <= *max, "a {name} of {plain} is over the {name}_max of {max}");
            *plain = (*plain).max(1);
            *max = (*max).max(1);
        }
        self.send_queue_boxes = self.send_queue_boxes.max(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_that_is_zero_stops_a_connection() {
        let none = Limits::default().running_responders(0).running_responders_max(0);
        let none = none.running_bytes(0).running_bytes_max(0);
        let none = none.send_queue(0).send_queue_max(0).send_queue_boxes(0).able_to_get_on();
        assert_eq!((none.running_responders, none.running_responders_max), (1, 1));
        assert_eq!((none.running_bytes, none.running_bytes_max), (1, 1));
        assert_eq!((none.send_queue, none.send_queue_max, none.send_queue_boxes), (1, 1, 1));
    }

    #[test]
    fn the_limits_that_there_are_get_on() {
        for limits in [Limits::default(), Limits::untrusted()] {
            assert_eq!(limits.able_to_get_on(), limits);
        }
    }

    #[test]
    #[should_panic(
        expected = "a running_responders of 10000 is over the running_responders_max of 8192"
    )]
    fn no_more_responders_run_than_may() {
        Limits::default().running_responders(10_000).able_to_get_on();
    }

    #[test]
    #[should_panic(expected = "a running_bytes of 33554432 is over the running_bytes_max of 0")]
    fn no_more_bytes_of_calls_are_held_than_may_be() {
        Limits::default().running_bytes_max(0).able_to_get_on();
    }
}
