use std::time::Duration;

use super::held::default_in_all;
use super::outgoing::AHEAD;
use crate::argument::budget::LEAST as DECODED_BYTES;
use crate::boxes::BoxLimits;
use crate::setters::setters;

/// How many attachments may be unclaimed on a connection of a peer that may be anybody. While more than half of these
/// wait, calls that wait for a place are not read ahead of, and honest peers send so many ahead of their boxes.
const UNTRUSTED_UNCLAIMED: usize = 128;
const _: () = assert!(UNTRUSTED_UNCLAIMED / 2 >= AHEAD);

/// Limits on what one connection may hold. A side that reaches one is slowed down, or gets an error
/// that names the limit:
///
/// | limit | default | what happens there |
/// |---|---|---|
/// | [`boxes`](field@Limits::boxes), bytes | 17 MiB | a larger box of the peer ends the connection; a larger call of this side fails and is not sent; a larger answer becomes `UNKNOWN` |
/// | [`boxes`](field@Limits::boxes), pairs | 16 384 | as for the bytes |
/// | [`decoded_bytes`](field@Limits::decoded_bytes) | 4 MiB, or 18 for each byte of the box if that is more | the peer's call is refused; a call of this side fails when its answer takes more |
/// | [`outstanding_calls`](field@Limits::outstanding_calls) | 65 536 | a further call fails and is not sent |
/// | [`running_responders`](field@Limits::running_responders) | 1024 | this side stops reading, with [exceptions](Limits#when-reading-stops) |
/// | [`running_responders_max`](field@Limits::running_responders_max) | 8192 | a further call is answered with `UNKNOWN`; a further one-way call ends the connection |
/// | [`running_bytes`](field@Limits::running_bytes) | 32 MiB | as at `running_responders` |
/// | [`running_bytes_max`](field@Limits::running_bytes_max) | 64 MiB | as at `running_responders_max` |
/// | [`send_queue`](field@Limits::send_queue), bytes | 1 MiB | callers of this side wait, and the peer's further calls wait |
/// | [`send_queue_boxes`](field@Limits::send_queue_boxes) | 65 536 | as at `send_queue` |
/// | [`send_queue_max`](field@Limits::send_queue_max), bytes | 64 MiB | the connection ends |
/// | [`unclaimed_attachments`](field@Limits::unclaimed_attachments) | as `attachments_in_all` | a further attachment is dropped, and the box that names it cannot be read: a call is answered with `UNKNOWN`, and so is one whose responder would hold more |
/// | [`attachments_in_all`](field@Limits::attachments_in_all) | a quarter of `RLIMIT_NOFILE`, 65 536 at most | the connection that has most unclaimed attachments loses some; a call whose responder would hold more is answered with `UNKNOWN` |
/// | attachments that wait to be sent on all connections | twice `attachments_in_all` | an answer with more becomes `UNKNOWN` on a connection where more wait than an eighth of `attachments_in_all`; callers wait, also behind such an eighth alone |
/// | [`unclaimed_timeout`](field@Limits::unclaimed_timeout) | 60 seconds | the attachment is dropped |
/// | [`streams`](field@Limits::streams) | 256 | the argument of a further stream fails, and with it its call or answer |
/// | [`stream_items`](field@Limits::stream_items) | 1024 | the sink waits; a peer that sends more ends its stream |
/// | [`stream_bytes`](field@Limits::stream_bytes) | 256 KiB | the sink waits, and an item that is larger fails; all streams of the connection together hold `streams` times that, and a stream that goes over it ends |
/// | [`box_timeout`](field@Limits::box_timeout) | 60 to 120 seconds | the connection ends |
/// | [`close_timeout`](field@Limits::close_timeout) | 5 seconds | the stream is dropped |
///
/// [`Serve`](crate::Serve) has the limits for all connections of a server together.
///
/// A peer that does not read its answers holds up its own calls: they wait while the send queue is
/// full. Answers never wait for room. They are queued at once, behind what is already queued and
/// before the calls that wait.
///
/// ```
/// # use amp_core::Limits;
/// let limits = Limits::default().running_responders(16).send_queue(64 << 10);
/// assert_eq!(limits.running_responders, 16);
/// ```
///
/// Three of these limits have a hard bound beside them, whose name ends in `_max`.
/// [`Connection::limits`](crate::Connection::limits) panics when a limit is above its bound, and
/// [`check`](Limits::check) says so before.
///
/// # When reading stops
///
/// At [`running_responders`](field@Limits::running_responders) or
/// [`running_bytes`](field@Limits::running_bytes), this side stops reading until a responder has
/// finished. So a peer that calls too much is slowed down. There are two exceptions:
///
/// - Reading goes on while calls of this side are outstanding, or while something waits to be sent.
///   The peer may be unable to continue until it is read from, and then both sides would wait for
///   ever.
/// - Reading goes on while a [stream](mod@crate::streams) is open, since a responder may wait for
///   its items. Calls that are read meanwhile wait. When together they reach `running_bytes`, or
///   half as many attachments as may be unclaimed, the first of them are begun.
///
/// In both cases [`running_responders_max`](field@Limits::running_responders_max) and
/// [`running_bytes_max`](field@Limits::running_bytes_max) bound what runs.
///
/// # Reading ahead
///
/// A side that has stopped reading would not notice that its peer has gone. So after 200
/// milliseconds it reads 64 KiB ahead. The calls among them wait, and count with the memory that
/// they take. After every further 200 milliseconds it reads eight times as far, up to 4 MiB. An
/// [`idle_timeout`](crate::Connection::idle_timeout) or a [`ping`](crate::Connection::ping) that
/// needs a sign of life reads further, up to the largest box that is allowed. This side never reads
/// further ahead than [`running_bytes`](field@Limits::running_bytes), or than half of what all
/// connections of a server leave free.
///
/// So the connection of a peer that has gone ends within about a second. Over sockets, and over TLS
/// on sockets, this is true even if the peer had sent more, as long as the rest fits into this
/// side's system buffers: TCP does not report an end that lies behind more than that. One-way
/// commands that the peer had sent are begun as responders finish, even after the connection has
/// ended. Calls that want an answer are not begun. A command that names attachments fails if it is
/// begun that late, since unclaimed attachments are dropped when the connection ends.
#[doc(alias("MaxLength", "rate limit"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The size of a box. Receiving a larger box ends the connection. A call of this side that would
    /// be larger fails with [`CallError::Encode`](crate::CallError::Encode) and is not sent. An
    /// answer that would be larger is replaced by the error `UNKNOWN`.
    pub boxes: BoxLimits,
    /// Bytes of memory that the decoded contents of one box may take. 4 MiB by default, or 18 times
    /// the length of the box if that is more. Lists, maps, texts, decompressed values and decoded
    /// JSON count. A box that needs more is refused with
    /// [`DecodeErrorKind::TooMuchMemory`](crate::argument::DecodeErrorKind::TooMuchMemory). This concerns
    /// lists of structs with many fields and few values, and values that compress very well. Raise
    /// the limit for a peer that is trusted with those.
    pub decoded_bytes: usize,
    /// Calls of this side that wait for their answers, at most 2^31. 65 536 by default. A further
    /// call fails with [`CallError::TooManyCalls`](crate::CallError::TooManyCalls). The calls that
    /// bring the items of [streams](field@Limits::streams) do not count here: each stream has 65
    /// places of its own for them.
    pub outstanding_calls: usize,
    /// Responders that run at once, including what runs [after their
    /// answers](crate::Responders::respond_then). 1024 by default. At this number, this side stops
    /// reading from the peer until one of them has finished, with
    /// [exceptions](Limits#when-reading-stops). While it does not read, it still [reads
    /// ahead](Limits#reading-ahead) a little.
    pub running_responders: usize,
    /// Responders that run at once when [reading goes on](Limits#when-reading-stops). 8192 by
    /// default. A peer can keep reading going, by leaving its answers unread or a stream open. So
    /// this is the hard bound, and [`running_responders`](field@Limits::running_responders) is the
    /// limit that honest peers meet. A call above the bound is answered with `UNKNOWN`; a one-way
    /// call above it ends the connection.
    pub running_responders_max: usize,
    /// Bytes of the calls whose responders run: their length on the wire, with an index of 8 bytes
    /// for each pair where a box has many or they are not sorted; or the memory that
    /// [decoding](field@Limits::decoded_bytes) took if that is more. 32 MiB by default. At this
    /// size, this side stops reading, with the same [exceptions](Limits#when-reading-stops), and
    /// calls that it has read wait. The call that crosses the limit is begun, so one more call than
    /// fits may run.
    pub running_bytes: usize,
    /// Bytes of the calls whose responders run when [reading goes on](Limits#when-reading-stops):
    /// the hard bound, as [`running_responders_max`](field@Limits::running_responders_max) is. 64
    /// MiB by default. At this size, a call that arrives or has just been decoded is answered with
    /// `UNKNOWN`, and a one-way call that arrives ends the connection. One more call may run, and
    /// decoding may make it 18 times as large: 306 MiB for the largest box. If that is too much,
    /// lower the limit on [boxes](field@Limits::boxes).
    pub running_bytes_max: usize,
    /// Boxes that wait to be sent. 65 536 by default. At this number, callers wait for room, and
    /// responders for further calls of the peer wait to be started.
    pub send_queue_boxes: usize,
    /// Bytes that wait to be sent. 1 MiB by default. At this size, callers wait for room, and
    /// responders for further calls of the peer wait to be started. Boxes are never split, so slightly
    /// more may wait. Room goes to answers first, then to callers that wait, in the order in which they
    /// came, then to others. One caller that waits may go each time the queue is sent, so that answers
    /// never take all of it.
    ///
    /// A received value that is sent on without being [copied](crate::ValueWriter::put_bytes) holds
    /// more memory than it counts for while it waits: the whole buffer that it arrived in. While
    /// more than three quarters of [`unclaimed_attachments`](field@Self::unclaimed_attachments)
    /// wait, responders are started until half of [`send_queue_max`](field@Self::send_queue_max) is
    /// queued, since they may claim those. So they are while calls wait that take more than a quarter of it.
    pub send_queue: usize,
    /// Bytes that wait to be sent in all, answers included, together with the calls that are not
    /// answered yet because of them, which count with the memory that they take. 64 MiB by default.
    /// A peer gets there by calling without reading its answers. The connection then ends.
    pub send_queue_max: usize,
    /// Attachments, such as open files, that were received and that no argument has claimed. By
    /// default as many as [`attachments_in_all`](field@Limits::attachments_in_all), so that a single connection may
    /// have what all may have together while others have none.
    ///
    /// One more is dropped when it comes. The box that names it cannot be read then
    /// ([`DecodeErrorKind::TooManyUnclaimed`](crate::argument::DecodeErrorKind::TooManyUnclaimed)): a call is answered with
    /// `UNKNOWN`, and for an answer the call fails that it belongs to. The connection goes on, since the peer is not
    /// to blame. Attachments come ahead of their boxes, and wait while this side makes a call wait, in a
    /// [lane](crate::Responders::one_at_a_time) say, or while a caller does not look at its answer. If boxes that
    /// nothing reads have left attachments behind, such as calls of unknown commands, the oldest of those is dropped
    /// in place of the one that comes.
    ///
    /// How many come ahead of their boxes depends on the peer. This implementation sends at most 64 ahead, unless
    /// one box names more. Twisted sends all that it has queued with the first bytes of the first boxes: if a
    /// program makes 300 calls with a descriptor each in one turn of the reactor, nearly all 300 descriptors wait
    /// here. The same holds for answers. So where Twisted passes many at once, this is a limit on the calls that
    /// are in flight, and both limits may have to be raised, with the number of files that the process may have
    /// open.
    ///
    /// Running responders may hold as many again, which they have claimed, but no more than half of
    /// [`attachments_in_all`](field@Limits::attachments_in_all). A call that would bring more is answered with
    /// `UNKNOWN`, and its attachments are dropped at once.
    ///
    /// No box can name more attachments than this. For boxes that do, raise it together with
    /// [`attachments_in_all`](field@Limits::attachments_in_all).
    ///
    /// The items of streams may have half as many on their way in each direction, whatever the peer allows, but at
    /// most 128, and at most a quarter of `attachments_in_all`. If many streams are not read and reach three
    /// quarters of that, a further stream of attachments waits until one of them is read.
    pub unclaimed_attachments: usize,
    /// Attachments that all connections of this process hold together: those that no argument has
    /// claimed, and those that running responders hold. The default is a quarter of the files that
    /// the process may have open when this is first asked for (`RLIMIT_NOFILE`), and 65 536 at most:
    /// 256 of 1024, and 256 on systems without such a limit. When a connection receives one more,
    /// the connection that has the most unclaimed attachments loses some, the oldest first. It goes on, and a box
    /// that names one of them cannot be read
    /// ([`DecodeErrorKind::TooManyInAll`](crate::argument::DecodeErrorKind::TooManyInAll)), as above.
    ///
    /// Running responders may hold three quarters of this limit. The responders of one connection
    /// may hold half of the limit while those of other connections hold none, an eighth when the
    /// others hold half of what they may, a 32nd when they hold three quarters of it, and always
    /// one: of 256, these are 128, 32, 8 and 1. A call that would bring more is answered with
    /// `UNKNOWN`. So it takes more than 30 connections to leave none of 256 to others, and more
    /// connections if the limit is higher.
    ///
    /// Of those that wait to be sent, because their peers do not read, all connections together may hold twice as
    /// many: half of the files. Then an answer with more becomes `UNKNOWN`, and what it names is dropped, on a
    /// connection where more wait than an eighth of this number. Callers wait behind such an eighth, as at
    /// [`send_queue`](field@Limits::send_queue); and when all connections have that many, behind any attachment of
    /// their own connection.
    ///
    /// The limit of the receiving connection applies. An attachment may be the other end of its own
    /// connection and hold up its end; it then costs two files. So the default leaves a process half
    /// of the files that it may have.
    pub attachments_in_all: usize,
    /// Streams that are open or wait to be opened, counting both those that this side sends and
    /// those that it receives. 256 by default. The argument of a further stream cannot be encoded
    /// or decoded. Each stream that this side sends keeps up to 64 KiB that wait to be sent, and one
    /// item more.
    pub streams: usize,
    /// Items of one stream that the peer may send before this side has taken the first of them.
    /// 1024 by default, and at least one. The peer is told this limit, and its sink waits.
    pub stream_items: usize,
    /// Bytes of items of one stream, as they are on the wire, that the peer may send before this
    /// side has taken the first of them. 256 KiB by default. The peer is told this limit, and its
    /// sink waits. A larger item fails there.
    ///
    /// All streams of a connection together hold at most [`streams`](field@Limits::streams) times
    /// this many bytes, and another 52 600 bytes for each, for the calls that bring the items.
    /// Streams that have ended and were not read to their end count too. A stream that exceeds this
    /// ends with [`StreamError::Limit`](crate::streams::StreamError::Limit). Items that arrive while
    /// attachments wait to be claimed are decoded at once, and the memory for that counts as that of
    /// [running calls](field@Limits::running_bytes).
    pub stream_bytes: usize,
    /// The time that an attachment may wait for a box that names it. 60 seconds by default. It is then dropped.
    /// What may be named by a box that was received stays until that is read, for however long this side makes the
    /// call wait or does not look at the answer. The time does not pass while this side [does not
    /// read](Limits#when-reading-stops).
    pub unclaimed_timeout: Duration,
    /// The time that a peer may take to finish a box that it has begun, while this side reads. 60
    /// seconds by default. This side checks once in that time, so a box may take up to twice as
    /// long. The connection then ends with
    /// [`CloseReason::BoxTimeout`](crate::CloseReason::BoxTimeout).
    pub box_timeout: Duration,
    /// The time that the end of a connection may take: sending what is queued, and waiting until the peer
    /// has closed its side. 5 seconds by default. If the peer caused the end, by violating the
    /// protocol or exceeding a limit, it takes at most a second. Whatever the peer still sends
    /// meanwhile is read and dropped, up to 16 MiB, or up to 256 KiB if the peer caused the end.
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
            unclaimed_attachments: default_in_all(),
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
    /// Returns limits for a peer that may be anybody. A connection then holds 29 MiB at worst, where
    /// the [default](Limits::default) allows 530 MiB. This counts the running calls, one more call
    /// that decodes to as much as a box may, an unfinished box, what waits to be sent, and the items
    /// of streams. Boxes have at most 1 MiB and 1024 pairs, and one whose length is less than 58 KiB takes at most
    /// 1 MiB once it is decoded.
    /// [`Connection::untrusted_peer`](crate::Connection::untrusted_peer) sets these limits and the
    /// timeouts that suit such a peer.
    ///
    /// ```
    /// # use amp_core::Limits;
    /// let limits = Limits::untrusted();
    /// assert_eq!((limits.running_responders, limits.running_responders_max), (64, 256));
    /// assert_eq!((limits.running_bytes, limits.running_bytes_max), (1 << 20, 4 << 20));
    /// assert_eq!((limits.send_queue, limits.send_queue_max), (256 << 10, 4 << 20));
    /// assert_eq!(limits.unclaimed_attachments, 128);
    /// assert_eq!((limits.streams, limits.stream_bytes), (16, 64 << 10));
    /// assert_eq!(limits.box_timeout.as_secs(), 15);
    /// ```
    pub fn untrusted() -> Self {
        Self {
            boxes: BoxLimits { max_bytes: 1 << 20, max_pairs: 1024 },
            decoded_bytes: 1 << 20,
            running_responders: 64,
            running_responders_max: 256,
            running_bytes: 1 << 20,
            running_bytes_max: 4 << 20,
            send_queue_boxes: 1024,
            send_queue: 256 << 10,
            send_queue_max: 4 << 20,
            unclaimed_attachments: UNTRUSTED_UNCLAIMED,
            streams: 16,
            stream_items: 256,
            stream_bytes: 64 << 10,
            unclaimed_timeout: Duration::from_secs(15),
            box_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// Checks that no limit is above the bound behind it. If one is,
    /// [`Connection::limits`](crate::Connection::limits) panics, so a server whose limits are of a
    /// configuration file checks them before it starts.
    ///
    /// ```
    /// # use amp_core::Limits;
    /// let error = Limits::untrusted().running_responders(300).check().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "a running_responders of 300 is over the running_responders_max of 256"
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// When one is: the first of them.
    pub fn check(&self) -> Result<(), LimitsError> {
        for (limit, value, max) in [
            ("running_responders", self.running_responders, self.running_responders_max),
            ("running_bytes", self.running_bytes, self.running_bytes_max),
            ("send_queue", self.send_queue, self.send_queue_max),
        ] {
            if value > max {
                return Err(LimitsError { limit, value, max });
            }
        }
        Ok(())
    }

    /// These limits, if they pass the [check](Limits::check). What would bring a connection to a stop, were it
    /// zero, is at least one.
    #[track_caller]
    pub(crate) fn able_to_get_on(mut self) -> Self {
        if let Err(error) = self.check() {
            panic!("{error}");
        }
        for limit in [
            &mut self.running_responders,
            &mut self.running_responders_max,
            &mut self.running_bytes,
            &mut self.running_bytes_max,
            &mut self.send_queue,
            &mut self.send_queue_max,
            &mut self.send_queue_boxes,
        ] {
            *limit = (*limit).max(1);
        }
        self
    }
}

/// A limit is above the bound behind it: see [`Limits::check`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {limit} of {value} is over the {limit}_max of {max}")]
#[non_exhaustive]
pub struct LimitsError {
    /// The name of the limit. That of its bound ends in `_max` too.
    pub limit: &'static str,
    /// The limit.
    pub value: usize,
    /// The bound.
    pub max: usize,
}

/// The limits of what a [`Protocol`](super::Protocol) holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtocolLimits {
    /// Calls that wait for their answers at once, at most 2^31. 65 536 by default.
    pub outstanding_calls: usize,
    /// The size that a box may have which is sent.
    pub boxes: BoxLimits,
}

setters!(ProtocolLimits { outstanding_calls: usize, boxes: BoxLimits });

impl Default for ProtocolLimits {
    fn default() -> Self {
        Self { outstanding_calls: 1 << 16, boxes: BoxLimits::default() }
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
            assert_eq!(limits.check(), Ok(()));
            assert_eq!(limits.able_to_get_on(), limits);
        }
    }

    #[test]
    fn a_limit_that_is_over_its_bound_is_named_with_both() {
        let at_its_bound = Limits::default().running_responders(1 << 13).send_queue(64 << 20);
        assert_eq!(at_its_bound.running_bytes(64 << 20).check(), Ok(()));
        for (limits, said) in [
            (
                Limits::default().running_responders(10_000),
                "a running_responders of 10000 is over the running_responders_max of 8192",
            ),
            (
                Limits::default().running_bytes_max(0),
                "a running_bytes of 33554432 is over the running_bytes_max of 0",
            ),
            (
                Limits::default().send_queue(65 << 20),
                "a send_queue of 68157440 is over the send_queue_max of 67108864",
            ),
        ] {
            assert_eq!(limits.check().unwrap_err().to_string(), said);
        }
    }

    #[test]
    #[should_panic(expected = "a running_bytes of 33554432 is over the running_bytes_max of 0")]
    fn a_connection_is_not_begun_with_one() {
        Limits::default().running_bytes_max(0).able_to_get_on();
    }
}
