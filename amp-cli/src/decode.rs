//! Boxes out of bytes that somebody has kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::process::ExitCode;
use std::time::Duration;

use crate::hex;
use crate::mistake::Mistake;
use crate::on_line::plain_json;
use crate::schemas;
use crate::watch_options::{Decode, Form};
use crate::watching::{Conversation, Entry, PcapReader, Schemas, Seen, Side};

pub(crate) fn decode(options: &Decode, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let schemas = Schemas::new(&schemas::load_all(&options.schemas)?, &options.hidden);
    let name = match &options.file {
        Some(path) if path.as_os_str() != "-" => path.display().to_string(),
        _ => "standard input".to_owned(),
    };
    let bytes = match &options.file {
        Some(path) if path.as_os_str() != "-" => fs::read(path),
        _ => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
    };
    let bytes = bytes.map_err(|error| Mistake::new(format!("cannot read {name}: {error}")))?;
    let mut shown = Shown { schemas, json: options.json, out, conversations: BTreeMap::new() };
    shown.all(options.form.unwrap_or_else(|| form_of(&bytes)), &bytes).map_err(|mistake| {
        // The boxes before it are printed, and the mistake behind them.
        mistake.at(&name)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The form that bytes look like.
fn form_of(bytes: &[u8]) -> Form {
    let text = bytes.trim_ascii();
    match text.first() {
        _ if PcapReader::is_one(bytes) => Form::Capture,
        // The length of a box's first key has two bytes.
        _ if bytes.first() == Some(&0) => Form::Raw,
        Some(b'{') => Form::Record,
        Some(_) if text.iter().all(|byte| byte.is_ascii_hexdigit() || hex::is_between(*byte)) => {
            Form::Hex
        }
        // Many a text is base64, but not with that byte in front.
        Some(_) if STANDARD.decode(without_space(text)).is_ok_and(|read| read[..1] == [0]) => {
            Form::Base64
        }
        _ => Form::Raw,
    }
}

fn without_space(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// The boxes that are shown, and the conversations that they are of.
struct Shown<'a> {
    schemas: Schemas,
    json: bool,
    out: &'a mut Vec<u8>,
    conversations: BTreeMap<u64, Conversation>,
}

impl Shown<'_> {
    fn all(&mut self, form: Form, bytes: &[u8]) -> Result<(), Mistake> {
        match form {
            Form::Raw => self.raw(bytes),
            Form::Hex => self.raw(&hex::bytes(bytes).map_err(Mistake::new)?),
            Form::Base64 => {
                let read = STANDARD.decode(without_space(bytes));
                self.raw(&read.map_err(|error| Mistake::new(format!("it is no base64: {error}")))?)
            }
            Form::Capture => self.capture(bytes),
            Form::Record => self.record(bytes),
        }
    }

    /// Boxes one behind the other, of which nobody says who has sent them.
    fn raw(&mut self, bytes: &[u8]) -> Result<(), Mistake> {
        let Self { schemas, json, out, .. } = self;
        let mut conversation = Conversation::one_sided();
        let mut end = 0;
        conversation.take(schemas, Side::Client, bytes, Duration::ZERO, |seen| {
            end += seen.len();
            print(*json, None, &seen, out);
        });
        if let Some(over) = conversation.over() {
            return Err(Mistake::new(format!("at byte {end}: {over}")));
        }
        match bytes.len() - end {
            0 => Ok(()),
            left => Err(Mistake::new(format!(
                "at byte {end}: a box is cut short behind {left} bytes; a box ends with two zero bytes"
            ))),
        }
    }

    fn capture(&mut self, bytes: &[u8]) -> Result<(), Mistake> {
        let mut reader = PcapReader::new(bytes)?;
        while let Some(packet) = reader.next_packet()? {
            let wrong = |what: &str| {
                let end = reader.position();
                Mistake::new(format!("the packet that ends at byte {end}: {what}"))
            };
            if packet.is_cut {
                return Err(wrong("its box is cut short, since captures cannot have longer ones"));
            }
            let conversations = self.conversations.entry(packet.connection);
            conversations.or_insert_with(Conversation::without_descriptors);
            self.one(packet.connection, packet.from, packet.at, packet.bytes)
                .map_err(|what| wrong(&what))?;
        }
        Ok(())
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), Mistake> {
        let text = str::from_utf8(bytes).map_err(|_| Mistake::new("the record is not UTF-8"))?;
        for (at, entry) in Entry::read_all(text)?.into_iter().enumerate() {
            if let Some(is) = entry.descriptor() {
                let conversations = self.conversations.entry(entry.connection);
                let conversation = conversations.or_insert_with(Conversation::new);
                conversation.arrive(entry.from, plain_json(is));
            }
            if let Ok(Some(raw)) = entry.boxed() {
                self.one(entry.connection, entry.from, entry.at(), &raw).map_err(|what| {
                    Mistake::new(format!("the \"box\" of entry {}: {what}", at + 1))
                })?;
            }
        }
        Ok(())
    }

    /// One box of a conversation.
    fn one(
        &mut self,
        connection: u64,
        from: Side,
        at: Duration,
        bytes: &[u8],
    ) -> Result<(), String> {
        let Self { schemas, json, out, conversations } = self;
        let conversation = conversations.entry(connection).or_insert_with(Conversation::new);
        let before = conversation.unread(from);
        let mut boxes = 0;
        conversation.take(schemas, from, bytes, at, |seen| {
            boxes += 1;
            print(*json, Some(connection), &seen, out);
        });
        match conversation.over() {
            Some(over) if boxes == 0 => Err(over.to_owned()),
            None if conversation.unread(from) > before => Err("a box is cut short".to_owned()),
            _ => Ok(()),
        }
    }
}

fn print(json: bool, connection: Option<u64>, seen: &Seen, out: &mut Vec<u8>) {
    if json {
        out.extend(Entry::of_box(connection.unwrap_or(1), seen).bytes());
        return;
    }
    let mut line = String::new();
    match connection {
        Some(connection) => seen.write_line(connection, &mut line),
        None => seen.write(&mut line),
    }
    out.extend(line.bytes());
    out.push(b'\n');
}
