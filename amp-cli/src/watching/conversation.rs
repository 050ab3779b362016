use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::{AmpBox, Report, keys};
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::time::Duration;

use super::arrived::Arrived;
use super::schemas::Schemas;
use super::seen::{Kind, Seen};
use super::side::Side;
use crate::hide::{DESCRIPTION, HIDDEN};
use crate::on_line::name_of;

/// The number of calls without an answer that are remembered for each side; the answers to others are shown
/// without what they answer.
const OUTSTANDING: usize = 100_000;
/// The length of the tags, the routes and the names of these calls together, in bytes: a client could
/// make each of them as long as a value can be.
const OUTSTANDING_BYTES: usize = 4 << 20;

const TLS_FOLLOWS: &str = "TLS follows";

/// The boxes of one connection: which they are, and which answer belongs to which call.
pub(crate) struct Conversation {
    client: Spoken,
    server: Spoken,
    /// Says whether both sides' boxes are among those of the client, since nobody knows whose they are.
    one_sided: bool,
    /// Why what follows is not read.
    over: Option<String>,
}

/// The bytes and calls that one side has sent.
struct Spoken {
    decoder: Decoder,
    /// The beginning of a box.
    buffer: BytesMut,
    calls: Calls,
    arrived: Arrived,
    unread: u64,
}

/// The route of a call, and its tag.
type Place = (Option<Bytes>, Bytes);

/// Calls without an answer.
#[derive(Default)]
struct Calls {
    asked: HashMap<Place, Asked>,
    /// The length of all that is kept of them.
    bytes: usize,
}

struct Asked {
    command: Bytes,
    at: Duration,
    /// Another call has the same tag, so that nobody knows which of them is answered.
    is_doubtful: bool,
}

impl Calls {
    fn insert(&mut self, place: Place, mut asked: Asked) {
        asked.is_doubtful = self.remove(&place).is_some();
        let bytes = bytes_of(&place, &asked);
        if self.asked.len() < OUTSTANDING && self.bytes + bytes <= OUTSTANDING_BYTES {
            self.bytes += bytes;
            self.asked.insert(place, asked);
        }
    }

    fn remove(&mut self, place: &Place) -> Option<Asked> {
        let asked = self.asked.remove(place)?;
        self.bytes -= bytes_of(place, &asked);
        Some(asked)
    }
}

fn bytes_of((route, tag): &Place, asked: &Asked) -> usize {
    route.as_ref().map_or(0, Bytes::len) + tag.len() + asked.command.len()
}

/// A call that got no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) tag: String,
    pub(crate) command: String,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        let (client, server) = (Spoken::new(), Spoken::new());
        Self { client, server, one_sided: false, over: None }
    }

    /// A conversation of which descriptors were not kept.
    pub(crate) fn without_descriptors() -> Self {
        let mut conversation = Self::new();
        for spoken in [&mut conversation.client, &mut conversation.server] {
            spoken.arrived = Arrived::unknown();
        }
        conversation
    }

    /// A conversation without descriptors, whose boxes all seem to be the client's.
    pub(crate) fn one_sided() -> Self {
        Self { one_sided: true, ..Self::without_descriptors() }
    }

    /// Goes on with bytes that one side has sent, and calls `see` with each box that ends in them.
    ///
    /// `at` is when that was, as the time since whenever the first was. Returns what nobody reads: once the boxes are
    /// over these bytes, and when that shows what both sides have sent behind their last boxes.
    pub(crate) fn take(
        &mut self,
        schemas: &Schemas,
        from: Side,
        bytes: &[u8],
        at: Duration,
        mut see: impl FnMut(Seen),
    ) -> Vec<(Side, BytesMut)> {
        if self.over.is_some() {
            self.spoken(from).unread += bytes.len() as u64;
            return vec![(from, bytes.into())];
        }
        self.spoken(from).buffer.extend_from_slice(bytes);
        while self.over.is_none() {
            let spoken = self.spoken(from);
            match spoken.decoder.end_of_next(&spoken.buffer) {
                Ok(None) => return Vec::new(),
                Ok(Some(end)) => {
                    let raw = spoken.buffer.split_to(end).freeze();
                    let ampbox = AmpBox::parse(&mut raw.clone(), BoxLimits::default());
                    let ampbox = ampbox.expect("the end of a box within the limits was found");
                    see(self.look_at(schemas, from, &ampbox, raw, at));
                }
                Err(error) => self.over = Some(Report::new(&error).to_string()),
            }
        }
        let rest = [Side::Client, Side::Server].map(|side| {
            let spoken = self.spoken(side);
            spoken.unread += spoken.buffer.len() as u64;
            (side, std::mem::take(&mut spoken.buffer))
        });
        rest.into()
    }

    fn spoken(&mut self, side: Side) -> &mut Spoken {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn look_at(
        &mut self,
        schemas: &Schemas,
        from: Side,
        ampbox: &AmpBox,
        raw: Bytes,
        at: Duration,
    ) -> Seen {
        let get = |key: &[u8]| ampbox.get(key);
        let route = get(keys::ROUTE).map(Bytes::copy_from_slice);
        let (kind, tag) = match (get(keys::ANSWER), get(keys::ERROR), get(keys::COMMAND)) {
            (Some(tag), _, _) => (Kind::Answer, Some(tag)),
            (None, Some(tag), _) => (Kind::Error, Some(tag)),
            (None, None, Some(_)) => match get(keys::ASK) {
                Some(tag) => (Kind::Call, Some(tag)),
                None => (Kind::OneWay, None),
            },
            (None, None, None) => (Kind::Box, None),
        };
        let tag = tag.map(Bytes::copy_from_slice);
        let (mut took, mut is_doubtful) = (None, false);
        let mut command = get(keys::COMMAND).map(Bytes::copy_from_slice);
        let place = tag.clone().map(|tag| (route, tag));
        match (kind, place) {
            (Kind::Call, Some(place)) => {
                if let Some(command) = command.clone() {
                    let asked = Asked { command, at, is_doubtful: false };
                    self.spoken(from).calls.insert(place, asked);
                }
            }
            (Kind::Answer | Kind::Error, Some(place)) => {
                let caller = if self.one_sided { from } else { from.other() };
                let asked = self.spoken(caller).calls.remove(&place);
                took = asked.as_ref().map(|asked| at.saturating_sub(asked.at));
                is_doubtful = asked.as_ref().is_some_and(|asked| asked.is_doubtful);
                command = asked.map(|asked| asked.command);
            }
            _ => {}
        }
        let arrived = &self.spoken(from).arrived;
        let understood = match (kind, &command) {
            (Kind::Call | Kind::OneWay, Some(command)) => {
                schemas.arguments(command, ampbox, arrived)
            }
            (Kind::Answer, Some(command)) if !is_doubtful => {
                schemas.response(command, ampbox, arrived)
            }
            _ => schemas.anything(ampbox),
        };
        if let (Kind::Answer, Some(command)) = (kind, &command)
            && schemas.is_switch(command)
        {
            self.over = Some(match &command[..] {
                b"StartTLS" => TLS_FOLLOWS.to_owned(),
                command => format!("another protocol follows: that of {}", name_of(command)),
            });
        }
        let mut hidden = understood.hidden;
        let text = |key: &[u8]| get(key).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut description = text(keys::ERROR_DESCRIPTION);
        let of = command.as_deref().filter(|_| !is_doubtful);
        if let Some(shown) = description.as_mut().filter(|text| schemas.hide_description(of, text))
        {
            HIDDEN.clone_into(shown);
            hidden.push(DESCRIPTION.to_owned());
        }
        Seen {
            at,
            from,
            kind,
            tag: tag.as_deref().map(name_of),
            command: command.as_deref().map(name_of),
            code: text(keys::ERROR_CODE),
            description,
            values: understood.values,
            hidden,
            problem: understood.problem,
            took,
            ampbox: ampbox.clone(),
            raw,
        }
    }

    /// Returns how many descriptors this side has sent so far.
    pub(crate) fn descriptors(&mut self, from: Side) -> u64 {
        self.spoken(from).arrived.count()
    }

    /// This side has sent one more descriptor, which is this, as JSON.
    pub(crate) fn arrive(&mut self, from: Side, is: String) {
        self.spoken(from).arrived.push(is);
    }

    /// Why what follows is not read any more.
    pub(crate) fn over(&self) -> Option<&str> {
        self.over.as_deref()
    }

    /// Returns whether nobody else can read what follows.
    pub(crate) fn is_protected(&self) -> bool {
        self.over() == Some(TLS_FOLLOWS)
    }

    /// Returns how many bytes of a side were not read, or not yet because more is to come.
    pub(crate) fn unread(&self, from: Side) -> u64 {
        let spoken = match from {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        spoken.unread + spoken.buffer.len() as u64
    }

    /// The calls that have no answer, in the order of their tags.
    pub(crate) fn unanswered(&self) -> Vec<Unanswered> {
        let calls = self.client.calls.asked.iter().chain(&self.server.calls.asked);
        let calls = calls.map(|((_, tag), asked)| Unanswered {
            tag: name_of(tag),
            command: name_of(&asked.command),
        });
        let mut calls: Vec<_> = calls.collect();
        calls.sort_by(|a, b| (a.tag.len(), &a.tag).cmp(&(b.tag.len(), &b.tag)));
        calls
    }
}

impl Spoken {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(BoxLimits::default()),
            buffer: BytesMut::new(),
            calls: Calls::default(),
            arrived: Arrived::default(),
            unread: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call with a tag of 60 000 bytes, which begins with this.
    fn call(name: &str) -> (Vec<u8>, Vec<u8>) {
        let mut tag = vec![b'x'; 60_000];
        tag[..name.len()].copy_from_slice(name.as_bytes());
        let mut ampbox = AmpBox::new();
        ampbox.insert(keys::ASK, &tag).unwrap();
        ampbox.insert(keys::COMMAND, "A").unwrap();
        (tag, ampbox.to_bytes().to_vec())
    }

    fn take(conversation: &mut Conversation, from: Side, bytes: &[u8]) -> Vec<Seen> {
        let schemas = Schemas::new(&amp_core::schema::Schema::default(), &[]);
        let mut seen = Vec::new();
        conversation.take(&schemas, from, bytes, Duration::ZERO, |one| seen.push(one));
        seen
    }

    #[test]
    fn calls_without_an_answer_take_no_more_memory_than_is_said() {
        let mut conversation = Conversation::new();
        let (first, bytes) = call("first");
        // One that is made again takes the place of the other.
        take(&mut conversation, Side::Client, &bytes);
        take(&mut conversation, Side::Client, &bytes);
        assert_eq!(conversation.unanswered().len(), 1);
        for number in 0..100 {
            take(&mut conversation, Side::Client, &call(&number.to_string()).1);
        }
        let held = |conversation: &Conversation| -> usize {
            conversation.unanswered().iter().map(|call| call.tag.len() + call.command.len()).sum()
        };
        assert!(held(&conversation) <= 4 << 20, "{}", held(&conversation));
        let remembered = conversation.unanswered().len();
        // What was remembered has its answer, which makes room for another.
        let mut answer = AmpBox::new();
        answer.insert(keys::ANSWER, &first).unwrap();
        let seen = take(&mut conversation, Side::Server, &answer.to_bytes());
        assert_eq!(seen[0].command.as_deref(), Some("A"));
        assert_eq!(conversation.unanswered().len(), remembered - 1);
        take(&mut conversation, Side::Client, &call("another").1);
        take(&mut conversation, Side::Client, &call("one too many").1);
        assert_eq!(conversation.unanswered().len(), remembered);
        // The other side has its own.
        take(&mut conversation, Side::Server, &call("server").1);
        assert_eq!(conversation.unanswered().len(), remembered + 1);
    }
}
