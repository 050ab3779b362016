//! A record as the calls that it is of.

use amp_core::argument::Attachment;
use amp_core::boxes::{BoxLimits, BoxReader};
use amp_core::dynamic::{Scope, Value, Values};
use amp_core::schema::{BoxSchema, CommandSchema, Schema, WireType};
use amp_core::{AmpBox, DecodeError, Proto, RemoteError, keys};
use amp_unix::Descriptor;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use crate::ask::Write;
use crate::descriptors;
use crate::hide::{DESCRIPTION, Hidden, without_part};
use crate::mistake::Mistake;
use crate::on_line::{OnLine, name_of, plain_json};
use crate::peering::Target;
use crate::schemas::{
    arguments_of, box_in, carries_descriptors, has_descriptors, of_both, response_of,
};
use crate::watching::{Entry, Kept, Side};

/// The members of what says of a descriptor what it is.
const DESCRIBES: [&str; 5] = ["descriptor", "is", "path", "bytes", "saved"];

/// All that was recorded.
pub(super) struct Recorded {
    pub(super) schema: Arc<Schema>,
    /// In the order in which they began.
    pub(super) connections: BTreeMap<u64, Talk>,
}

/// The calls and answers of one connection.
#[derive(Default)]
pub(super) struct Talk {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) steps: Vec<Step>,
}

/// The next thing that was said, of the exchange at an index.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Asked(usize),
    Answered(usize),
}

/// A call, and what came of it.
pub(super) struct Exchange {
    pub(super) from: Side,
    pub(super) command: Vec<u8>,
    pub(super) requires_answer: bool,
    pub(super) arguments: Body,
    pub(super) ending: Option<Ending>,
}

/// The end of a call.
#[derive(Clone)]
pub(super) enum Ending {
    Answer(Body),
    Error {
        error: RemoteError,
        /// Keys whose values are not known.
        hidden: Vec<String>,
    },
}

/// The arguments of a call or of an answer.
#[derive(Clone)]
pub(super) struct Body {
    /// The pairs that are not the protocol's own.
    pub(super) pairs: AmpBox,
    /// The values as JSON, by the schema, where some are descriptors.
    pub(super) json: Option<String>,
    /// Keys whose values are not known.
    pub(super) hidden: Vec<String>,
    /// The folder that files are sent from.
    saved: Option<Arc<Path>>,
}

impl Recorded {
    /// Files that were saved are taken from the folder `saved` alone: whoever has written the record could name
    /// any that this user can read, and the peer would get it.
    pub(super) fn new(
        entries: &[Entry],
        target: &Target,
        saved: Option<&Arc<Path>>,
    ) -> Result<Self, Mistake> {
        let schema = Arc::new(of_both(&target.schema, &target.peer_schema)?);
        let mut connections: BTreeMap<u64, Talk> = BTreeMap::new();
        let mut open = HashMap::new();
        for entry in entries {
            let raw = entry.boxed().map_err(Mistake::new)?;
            let Some(mut raw) = raw else { continue };
            let ampbox = AmpBox::parse(&mut raw, BoxLimits::default());
            let ampbox = ampbox.map_err(|error| Mistake::new(format!("a \"box\": {error}")))?;
            let talk = connections.entry(entry.connection).or_default();
            let get = |key: &[u8]| ampbox.get(key).map(<[u8]>::to_vec);
            let place = |caller: Side, tag| {
                (entry.connection, caller == Side::Client, get(keys::ROUTE), tag)
            };
            match entry.kind {
                Kept::Call | Kept::OneWay => {
                    let index = talk.exchanges.len();
                    if let Some(tag) = get(keys::ASK) {
                        open.insert(place(entry.from, tag), index);
                    }
                    let command = get(keys::COMMAND).unwrap_or_default();
                    let asked = known(&schema, &command).map(|known| &known.arguments);
                    talk.exchanges.push(Exchange {
                        from: entry.from,
                        requires_answer: entry.kind == Kept::Call,
                        arguments: Body::new(&ampbox, entry, asked, saved),
                        ending: None,
                        command,
                    });
                    talk.steps.push(Step::Asked(index));
                }
                Kept::Answer | Kept::Error => {
                    let tag = get(keys::ANSWER).or_else(|| get(keys::ERROR)).unwrap_or_default();
                    let Some(index) = open.remove(&place(entry.from.other(), tag)) else {
                        continue;
                    };
                    let asked = known(&schema, &talk.exchanges[index].command);
                    talk.exchanges[index].ending = Some(if entry.kind == Kept::Answer {
                        Ending::Answer(Body::new(
                            &ampbox,
                            entry,
                            asked.map(|known| &known.response),
                            saved,
                        ))
                    } else {
                        let text = |key| {
                            String::from_utf8_lossy(&get(key).unwrap_or_default()).into_owned()
                        };
                        let (code, description) =
                            (text(keys::ERROR_CODE), text(keys::ERROR_DESCRIPTION));
                        let error = RemoteError::new(code, description);
                        Ending::Error { error, hidden: entry.hidden.clone() }
                    });
                    talk.steps.push(Step::Answered(index));
                }
                Kept::Box | Kept::Descriptor => {}
            }
        }
        Ok(Self { schema, connections })
    }
}

impl Body {
    fn new(
        ampbox: &AmpBox,
        entry: &Entry,
        schema: Option<&BoxSchema>,
        saved: Option<&Arc<Path>>,
    ) -> Self {
        let json = entry.values();
        let value = serde_json::from_str::<Json>(json).unwrap_or_default();
        let is_described = schema.is_none_or(has_descriptors) && says_of_descriptors(&value);
        Self {
            pairs: pairs_of(ampbox),
            json: is_described.then(|| json.to_owned()),
            hidden: entry.hidden.clone(),
            saved: saved.cloned(),
        }
    }

    /// Returns what writes it once more; or why that cannot be.
    pub(super) fn writing(&self, schema: Option<&BoxSchema>) -> Result<Write, String> {
        if let Some(hidden) = self.hidden.first() {
            return Err(format!("the value of {hidden} was hidden when it was recorded"));
        }
        let Some(json) = &self.json else {
            let pairs = self.pairs.clone();
            return Ok(Box::new(move |out, _| {
                for (key, value) in &pairs {
                    out.put(key, value)?;
                }
                Ok(())
            }));
        };
        let schema = schema.ok_or("it has descriptors, which only a schema tells: see --schema")?;
        let values = Values::from_json_with(&Scope::new(schema), json, &mut |text| {
            saved(text, self.saved.as_deref())
        });
        let values = values.map_err(|error| error.to_string())?;
        let schema = schema.clone();
        Ok(Box::new(move |out, proto| values.writing(schema)(out, proto)))
    }

    /// The arguments that a box has, whether they are as the record says or not.
    pub(super) fn read(
        schema: Option<&BoxSchema>,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        let pairs = pairs_of(input.ampbox());
        let mut json = None;
        if let Some(schema) = schema
            && has_descriptors(schema)
        {
            let values = Values::read_from(schema, input, proto)?;
            json = Some(descriptors::json(&values));
        }
        Ok(Self { pairs, json, hidden: Vec::new(), saved: None })
    }

    /// Returns whether it is the same, but for what differs each time: where descriptors are counted, and
    /// where their files are.
    pub(super) fn is_like(&self, seen: &Self, schema: &BoxSchema) -> bool {
        let (recorded, answered) = (self.values(), seen.values());
        let (recorded, answered) =
            (without_places(recorded, schema), without_places(answered, schema));
        let keys = self.pairs.iter().chain(&seen.pairs).map(|(key, _)| key);
        let is_hidden = |key: &[u8]| {
            let name = name_of(key);
            self.hidden.iter().any(|hidden| *hidden == name || hidden == without_part(&name))
        };
        keys.filter(|key| !is_hidden(key)).all(|key| {
            let name = String::from_utf8_lossy(key);
            let pair = |values: &Json| {
                values.get(&*name).filter(|value| says_of_descriptors(value)).cloned()
            };
            match (pair(&recorded), pair(&answered)) {
                (Some(a), Some(b)) => a == b,
                _ => self.pairs.get(key) == seen.pairs.get(key),
            }
        })
    }

    fn values(&self) -> Json {
        self.json.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// Shows what is in it to people: in a box with this schema.
    pub(super) fn shown(&self, schema: &BoxSchema, hidden: &Hidden) -> String {
        let pairs = hidden.shown_box(&self.pairs, schema);
        let mut described = self.values();
        let values = pairs.iter().map(|(key, value)| {
            let name = name_of(key);
            let described = described.get_mut(&name).filter(|value| says_of_descriptors(value));
            let value = match described.map(Json::take) {
                Some(described) if self.pairs.get(key) == Some(value) => {
                    Value::Json(plain_json(described))
                }
                _ => Value::Bytes(value.to_vec().into()),
            };
            (name, value)
        });
        values.collect::<Values>().to_json()
    }
}

impl Exchange {
    /// Returns what is known of its command.
    pub(super) fn command_schema<'a>(&self, schema: &'a Schema) -> Option<&'a CommandSchema> {
        known(schema, &self.command)
    }

    /// Shows the call to people.
    pub(super) fn shown(&self, schema: &Schema, hidden: &Hidden) -> String {
        let command = String::from_utf8_lossy(&self.command).into_owned();
        let known = self.command_schema(schema);
        let arguments = self.arguments.shown(&arguments_of(known), &hidden.and_secrets_of(known));
        format!("{} {arguments}", OnLine(&command))
    }
}

impl Ending {
    /// Keys whose values are not known.
    pub(super) fn hidden(&self) -> &[String] {
        match self {
            Self::Answer(body) => &body.hidden,
            Self::Error { hidden, .. } => hidden,
        }
    }

    /// Whether an error is the same, as far as it is known.
    pub(super) fn is_error_like(&self, seen: &Self) -> bool {
        let (Self::Error { error, hidden }, Self::Error { error: seen, .. }) = (self, seen) else {
            return false;
        };
        let is_known = !hidden.iter().any(|key| key == DESCRIPTION);
        error.code == seen.code && (!is_known || error.description == seen.description)
    }

    /// For people: that of a call of this command.
    pub(super) fn shown(&self, known: Option<&CommandSchema>, hidden: &Hidden) -> String {
        match self {
            Self::Answer(body) => body.shown(&response_of(known), &hidden.and_secrets_of(known)),
            Self::Error { error, .. } => {
                let error = hidden.and_secrets_of(known).shown_error(error.clone());
                let code = String::from_utf8_lossy(&error.code).into_owned();
                format!("the error {} {:?}", OnLine(&code), error.description)
            }
        }
    }
}

pub(super) fn known<'a>(schema: &'a Schema, command: &[u8]) -> Option<&'a CommandSchema> {
    schema.command(str::from_utf8(command).ok()?)
}

/// The pairs that are not the protocol's own.
fn pairs_of(ampbox: &AmpBox) -> AmpBox {
    let mut pairs = AmpBox::new();
    for (key, value) in ampbox.iter().filter(|(key, _)| !keys::is_reserved(key)) {
        // They were in a box before.
        let _ = pairs.insert(key, value);
    }
    pairs
}

/// Returns whether there is something among recorded values that says what a descriptor is.
fn says_of_descriptors(value: &Json) -> bool {
    match value {
        Json::Object(members) => {
            let is_one = members.get("descriptor").is_some_and(Json::is_u64)
                && members.get("is").is_none_or(Json::is_string)
                && members.keys().all(|name| DESCRIBES.contains(&&**name));
            is_one || members.values().any(says_of_descriptors)
        }
        Json::Array(items) => items.iter().any(says_of_descriptors),
        _ => false,
    }
}

/// The values of a box with this schema, without what differs each time.
fn without_places(mut values: Json, schema: &BoxSchema) -> Json {
    let Json::Object(members) = &mut values else { return values };
    for argument in schema.parts().into_iter().flat_map(BoxSchema::arguments) {
        if let Some(member) = members.get_mut(&argument.name)
            && carries_descriptors(&argument.wire_type)
        {
            take_places(member, &argument.wire_type);
        }
    }
    values
}

fn take_places(value: &mut Json, wire_type: &WireType) {
    match (value, wire_type) {
        (Json::Object(members), WireType::Named(name)) if name == "Descriptor" => {
            members.retain(|name, _| ["descriptor", "is", "bytes"].contains(&&**name));
            // The number stays, as one for all: by it the value is known to be of a descriptor.
            members.entry("descriptor").and_modify(|number| *number = 0.into());
        }
        // That of each item of a list; other forms are shown as what they are of.
        (Json::Array(items), WireType::Of(_, inner)) => {
            for item in items {
                take_places(item, inner);
            }
        }
        (value, WireType::Of(_, inner)) => take_places(value, inner),
        (Json::Array(items), WireType::AmpList(_)) => {
            for item in items {
                take_places_of_box(item, wire_type);
            }
        }
        (value, WireType::Box(_)) => take_places_of_box(value, wire_type),
        _ => {}
    }
}

fn take_places_of_box(value: &mut Json, wire_type: &WireType) {
    if let Some(schema) = box_in(wire_type) {
        *value = without_places(value.take(), schema);
    }
}

/// The file that was saved of a descriptor, as the folder has it.
fn saved(text: &str, folder: Option<&Path>) -> Result<Attachment, String> {
    let is: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(name) = is["saved"].as_str().and_then(|path| Path::new(path).file_name()) else {
        return Err("the file of the descriptor was not saved: see `tap --save-descriptors`".into());
    };
    let Some(folder) = folder else {
        return Err("files are sent from the folder alone that --saved names".into());
    };
    let path = folder.join(name);
    match File::open(&path) {
        Ok(file) => Ok(Attachment::from(Descriptor::from(OwnedFd::from(file)))),
        Err(error) => {
            let path = path.display();
            Err(format!("cannot open {path}, which was saved of the descriptor: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with a descriptor of this number that is a file of so many bytes.
    fn answer(number: u64, bytes: u64, filler: &str) -> Body {
        let mut pairs = AmpBox::new();
        pairs.insert("file", number.to_string()).unwrap();
        pairs.insert("filler", filler).unwrap();
        let file = serde_json::json!({
            "descriptor": number, "is": "file", "path": format!("/{number}"), "bytes": bytes,
        });
        let json = serde_json::json!({ "file": file, "filler": filler }).to_string();
        Body { pairs, json: Some(json), hidden: Vec::new(), saved: None }
    }

    #[test]
    fn descriptors_that_come_in_another_order_are_alike() {
        let schema = "command Pass\n  response\n    file: Descriptor\n    filler: String\n";
        let schema: Schema = schema.parse().unwrap();
        let response = &schema.command("Pass").unwrap().response;
        let recorded = answer(130, 3, "f");
        assert!(recorded.is_like(&answer(130, 3, "f"), response));
        assert!(recorded.is_like(&answer(131, 3, "f"), response));
        assert!(!recorded.is_like(&answer(130, 4, "f"), response));
        assert!(!recorded.is_like(&answer(131, 3, "g"), response));
    }
}
