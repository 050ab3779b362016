//! The commands of streams, as they are on the wire.

use bytes::Bytes;
use std::str;

use crate::argument::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxReader, BoxWriter, Value};
use crate::command::{Arguments, Command, NoError};
use crate::connection::Peer;
use crate::keys;
use crate::proto::RemoteError;
pub(super) use crate::proto::STREAM_CALLS as CALLS;
use crate::responder::Question;

/// What the names of all of them begin with.
pub(super) const PREFIX: &[u8] = b"_Stream";

/// The receiver lets the sender begin.
pub(super) const OPEN: &str = "_StreamOpen";
/// The sender, which came as an argument, asks for that.
pub(super) const TAKEN: &str = "_StreamTaken";
/// Some items.
pub(super) const ITEMS: &str = "_StreamItems";
/// There are no more.
pub(super) const END: &str = "_StreamEnd";
/// The receiver wants no more.
pub(super) const STOP: &str = "_StreamStop";

/// The number of the stream.
const STREAM: &str = "stream";
/// Several items, as a `ListOf` them.
pub(super) const LIST: &str = "items";
/// One item, over as many keys as it needs.
pub(super) const ITEM: &str = "item";
const WINDOW_ITEMS: &str = "items";
const WINDOW_BYTES: &str = "bytes";
const WINDOW_ATTACHMENTS: &str = "attachments";
const HOW: &str = "end";
const CODE: &str = "code";
const DESCRIPTION: &str = "description";

const CLOSED: &[u8] = b"closed";
const FAILED: &[u8] = b"failed";
const DROPPED: &[u8] = b"dropped";

/// What a call for a stream is answered with that nobody has, or that was stopped.
pub(super) const NO_STREAM: &[u8] = b"NO_STREAM";

/// What items are answered with that are none, or are more than may come.
pub(super) const BAD_ITEM: &[u8] = b"BAD_ITEM";

/// The most bytes of a box of one item beside that.
pub(super) const OVERHEAD: usize = 128;

/// How many attachments of items may be on their way to a peer that says nothing of it.
const ATTACHMENTS: usize = 8;

/// More than this of anything is never on its way, whatever a receiver lets come, so sums of a few are numbers.
const MOST: usize = usize::MAX >> 3;

/// How much may be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) items: usize,
    pub(super) bytes: usize,
    /// Of all streams of the connection that go the same way.
    pub(super) attachments: usize,
}

impl Window {
    pub(super) const NOTHING: Self = Self { items: 0, bytes: 0, attachments: 0 };

    pub(super) fn add(&mut self, more: Self) {
        self.items += more.items;
        self.bytes += more.bytes;
        self.attachments += more.attachments;
    }

    pub(super) fn remove(&mut self, less: Self) {
        self.items -= less.items;
        self.bytes -= less.bytes;
        self.attachments -= less.attachments;
    }
}

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Failed(RemoteError),
    Dropped,
}

/// The number of a call's stream.
pub(super) fn number(ampbox: &AmpBox) -> Option<u64> {
    str::from_utf8(ampbox.get(STREAM)?).ok()?.parse().ok()
}

/// The window that a stream is opened with.
pub(super) fn window(ampbox: &AmpBox) -> Option<Window> {
    let number = |key| str::from_utf8(ampbox.get(key)?).ok()?.parse().ok();
    let attachments = number(WINDOW_ATTACHMENTS).unwrap_or(ATTACHMENTS);
    let [items, bytes] = [number(WINDOW_ITEMS)?, number(WINDOW_BYTES)?];
    let [items, bytes, attachments] = [items, bytes, attachments].map(|most: usize| most.min(MOST));
    Some(Window { items, bytes, attachments })
}

/// How the stream ends, by a call that says so.
pub(super) fn end(ampbox: &AmpBox) -> Option<End> {
    match ampbox.get(HOW)? {
        CLOSED => Some(End::Closed),
        DROPPED => Some(End::Dropped),
        FAILED => {
            // What is longer than anybody sends is cut.
            let cut = |value: &[u8], most| Bytes::copy_from_slice(&value[..value.len().min(most)]);
            let code = cut(ampbox.get(CODE).unwrap_or_default(), MAX_CODE);
            let description = cut(ampbox.get(DESCRIPTION).unwrap_or_default(), MAX_DESCRIPTION);
            // What is not UTF-8 takes more than it did.
            let description = String::from_utf8_lossy(&description);
            Some(End::Failed(RemoteError::new(code, cut_text(&description, MAX_DESCRIPTION))))
        }
        _ => None,
    }
}

/// Answers a call for a stream that is not there, or has just ended. One that wants no answer is done with:
/// it may have crossed what ended the stream.
pub(super) fn refuse(mut question: Question, why: &str) {
    if question.requires_answer() {
        question.fail_with(NO_STREAM, why);
    } else {
        question.answer(&());
    }
}

/// Sends a call that wants no answer, at once: there are few of them, each for one stream or for one
/// call of the peer's.
pub(super) fn tell(peer: &Peer, command: &str, number: u64, window: Option<Window>) {
    tell_with(peer, command, |out, proto| {
        if let Some(Window { items, bytes, attachments }) = window {
            attachments.to_box(WINDOW_ATTACHMENTS, out, proto)?;
            bytes.to_box(WINDOW_BYTES, out, proto)?;
            items.to_box(WINDOW_ITEMS, out, proto)?;
        }
        number.to_box(STREAM, out, proto)
    });
}

/// Says that a stream has ended whose sink there is not.
pub(super) fn tell_dropped(peer: &Peer, number: u64) {
    let end = Ending { number, end: End::Dropped, most: 0 };
    tell_with(peer, END, |out, proto| end.write_to(out, proto));
}

fn tell_with(
    peer: &Peer,
    command: &str,
    write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
) {
    let shared = peer.shared();
    let told = shared.encode(write).map(|mut encoded| {
        shared.with(|state| state.core.notify(command.as_bytes(), &mut encoded.body)).is_ok()
    });
    if !told.unwrap_or(false) {
        tracing::debug!(command, "the peer was not told of a stream, since no more is sent");
    }
}

/// Writes one item, over as many keys as it needs.
pub(super) type WriteItem =
    Box<dyn Fn(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send>;

/// The items of one call.
pub(super) enum Content {
    List(Bytes),
    Item(WriteItem),
}

/// Brings items. It is answered when the receiver has taken them.
pub(super) struct Items {
    pub(super) number: u64,
    pub(super) content: Content,
}

/// Ends the stream. It is answered when the receiver has taken all before it.
pub(super) struct Ending {
    pub(super) number: u64,
    pub(super) end: End,
    /// How many bytes of an error's code are sent at most, and of its description.
    pub(super) most: usize,
}

impl Arguments for Items {
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        // In the order of their keys, or all would be copied to sort them.
        match &self.content {
            Content::List(items) => items.to_box(LIST, out, proto)?,
            Content::Item(write) => write(out, proto)?,
        }
        self.number.to_box(STREAM, out, proto)
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("it is read by its stream"))
    }
}

impl Command for Items {
    const NAME: &'static str = ITEMS;

    type Response = ();
    type Error = NoError;
}

impl Arguments for Ending {
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        if let End::Failed(error) = &self.end {
            out.put(CODE.as_bytes(), &error.code[..error.code.len().min(MAX_CODE).min(self.most)])?;
            let description = cut_text(&error.description, MAX_DESCRIPTION.min(self.most));
            out.put(DESCRIPTION.as_bytes(), description.as_bytes())?;
        }
        let how = match &self.end {
            End::Closed => CLOSED,
            End::Failed(_) => FAILED,
            End::Dropped => DROPPED,
        };
        out.put(HOW.as_bytes(), how)?;
        self.number.to_box(STREAM, out, proto)
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("it is read by its stream"))
    }
}

impl Command for Ending {
    const NAME: &'static str = END;

    type Response = ();
    type Error = NoError;
}

/// What of an error is sent at most, in bytes.
pub(super) const MAX_CODE: usize = 1000;
pub(super) const MAX_DESCRIPTION: usize = 10_000;

/// Returns what of a text fits into so many bytes.
fn cut_text(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Takes the pairs of a call's own that its stream does not read.
pub(super) fn take_number(input: &mut BoxReader<'_>) {
    input.take(STREAM);
    for key in keys::RESERVED {
        input.take(key);
    }
}

/// What has no form.
pub(super) const NO_CONNECTION: &str = "a stream without a connection";

/// Reads the number of a stream that the peer has given out, and finds the connection that it is of. The
/// remainder by two tells which end the peer has kept.
pub(super) fn named_by_peer(
    value: Value<'_>,
    proto: &mut Proto<'_>,
    remainder: u64,
    expected: &'static str,
) -> Result<(u64, Peer), DecodeError> {
    let number = u64::from_string_proto(value, proto)?;
    if number % 2 != remainder {
        return Err(DecodeError::malformed(expected, value));
    }
    let peer = Peer::of(proto).ok_or(DecodeErrorKind::NoForm { what: NO_CONNECTION })?;
    Ok((number, peer))
}

pub(super) fn received() -> EncodeError {
    EncodeError::custom("an end that came from a peer cannot be sent on")
}

/// Returns whether the command is one of those of streams.
pub(super) fn is_own(command: &[u8]) -> bool {
    command.starts_with(PREFIX)
        && [OPEN, TAKEN, ITEMS, END, STOP].iter().any(|own| own.as_bytes() == command)
}
