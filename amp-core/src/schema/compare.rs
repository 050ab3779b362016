//! The meaning of a change of a schema to peers that know it as it was.
//!
//! One rule decides: a change breaks peers when this side accepts less than it did, promises less,
//! or sends what they do not understand. Both sides are made of the same commands, so whatever is
//! sent by one version is received by the other, in both directions.

use std::collections::{HashSet, VecDeque};
use std::fmt::{self, Display, Formatter};
use std::ptr;

use super::scope::Scope;
use super::{
    BoxSchema, CaseSchema, CommandSchema, ErrorSchema, InnerBox, Presence, Schema, WireType,
};

/// A difference between two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// True if the difference breaks peers that know the schema as it was.
    pub breaks: bool,
    /// The thing that has changed: `command Divide, argument digits`.
    pub at: String,
    /// The difference, in words.
    pub what: String,
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl Schema {
    /// Returns what has changed since `old`, in the order of the commands.
    ///
    /// | Change | Breaks peers |
    /// |---|---|
    /// | a new command, or one that is gone | no; yes |
    /// | a command that wants an answer and did not, or the reverse | yes |
    /// | a command that switches the protocol and did not, or the reverse | yes |
    /// | a new argument that is required | yes |
    /// | a new argument that is optional or has a default | where boxes with other keys are refused |
    /// | an argument that is gone | yes, also when it was optional: what peers send there is lost |
    /// | required becomes default | no |
    /// | required becomes optional | yes: peers need it |
    /// | optional or default becomes required | yes: peers leave it out |
    /// | optional becomes default, or the reverse | no |
    /// | another type | yes |
    /// | a new text that a value can be | in a response, since the caller cannot choose it |
    /// | a text that a value can no longer be | yes |
    /// | `strict` that was not, or the reverse | yes; no |
    /// | a new error | no: to older peers it is one that the command does not declare |
    /// | an error that is gone or has another code | yes: this side does not understand the error of an older peer |
    /// | an error that becomes fatal, or no longer is | yes; no |
    ///
    /// If an argument gets another name, that is two changes: one argument is gone, and one is new. All this is for the
    /// arguments of commands, of responses, of boxes inside of them, and of their cases.
    ///
    /// A box that contains itself may be written several times before the text refers back to it. That makes no difference.
    /// A difference between two boxes is reported once, at the first place where one has become the other.
    pub fn changes_since(&self, old: &Schema) -> Vec<Change> {
        let mut changes = Changes::default();
        for (name, command) in &old.commands {
            let at = format!("command {name}");
            match self.commands.get(name) {
                Some(new) => changes.command(&at, command, new),
                None => changes.breaking(&at, "it is gone, and peers may call it"),
            }
        }
        for name in self.commands.keys().filter(|name| !old.commands.contains_key(*name)) {
            changes.addition(&format!("command {name}"), "it is new");
        }
        changes.found
    }
}

/// The side that decides what is in a box.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Caller,
    Responder,
}

/// The place of what is in a case.
fn case_at(at: &str, CaseSchema { tag, text, .. }: &CaseSchema) -> String {
    format!("{at}, {tag} {text:?}")
}

/// The place of all arguments of a box.
fn all_at(at: &str, kind: &str) -> String {
    match kind {
        "argument" => format!("{at}, arguments"),
        "response" => format!("{at}, response"),
        _ => at.to_owned(),
    }
}

/// What an argument in a case is called.
fn kind_in_case(kind: &str) -> &str {
    if kind == "response" { "response key" } else { "key" }
}

/// The arguments of a case that is not there.
static NOTHING: BoxSchema =
    BoxSchema { arguments: Vec::new(), is_strict: false, unknown: Vec::new(), cases: Vec::new() };

/// Whether one is a stream of bytes, and the other the stream of pieces of them that it is on the wire.
fn are_bytes(bytes: &WireType, pieces: &WireType) -> bool {
    let (WireType::Named(name), WireType::Of(form, inner)) = (bytes, pieces) else { return false };
    matches!((&**name, &**form), ("ByteStream", "StreamOf") | ("ByteSink", "SinkOf"))
        && **inner == WireType::named("String")
}

/// A box as it was and as it is, each among those around it.
struct Both<'a> {
    old: Scope<'a>,
    new: Scope<'a>,
    sender: Sender,
}

impl<'a> Both<'a> {
    /// The boxes inside of values of this one, if there are as many boxes around as they say.
    fn inside(&self, old: &'a InnerBox, new: &'a InnerBox) -> Option<Self> {
        let (old, new) = (self.old.inside(old)?, self.new.inside(new)?);
        Some(Self { old, new, ..*self })
    }
}

#[derive(Default)]
struct Changes<'a> {
    found: Vec<Change>,
    /// The boxes that were compared with each other. Where a box is in a schema, it is there only once, so
    /// that its address tells it from all others, and which are around it.
    seen: HashSet<(*const BoxSchema, *const BoxSchema)>,
    /// Boxes that a text refers back to, which are still to be compared, and where. They wait because
    /// comparing them at once would nest as deep as there are pairs of boxes.
    waiting: VecDeque<(String, Both<'a>)>,
}

impl<'a> Changes<'a> {
    fn breaking(&mut self, at: &str, what: impl Into<String>) {
        self.push(true, at, what);
    }

    fn addition(&mut self, at: &str, what: impl Into<String>) {
        self.push(false, at, what);
    }

    fn push(&mut self, breaks: bool, at: &str, what: impl Into<String>) {
        self.found.push(Change { breaks, at: at.to_owned(), what: what.into() });
    }

    fn command(&mut self, at: &str, old: &'a CommandSchema, new: &'a CommandSchema) {
        match (old.requires_answer, new.requires_answer) {
            (true, false) => self.breaking(at, "it wants no answer, and did"),
            (false, true) => self.breaking(at, "it wants an answer, and did not"),
            _ => {}
        }
        match (old.is_switch, new.is_switch) {
            (true, false) => self.breaking(at, "it does not switch the protocol, and did"),
            (false, true) => self.breaking(at, "it switches the protocol, and did not"),
            _ => {}
        }
        for (kind, old, new, sender) in [
            ("argument", &old.arguments, &new.arguments, Sender::Caller),
            ("response", &old.response, &new.response, Sender::Responder),
        ] {
            let both = Both { old: Scope::new(old), new: Scope::new(new), sender };
            self.boxes(at, kind, &both);
            while let Some((at, both)) = self.waiting.pop_front() {
                self.boxes(&at, "key", &both);
            }
        }
        match (&old.errors, &new.errors) {
            (Some(old), Some(new)) => self.errors(at, old, new),
            (None, Some(_)) => self.addition(at, "its errors are known"),
            (Some(_), None) => self.breaking(at, "its errors do not say what they are, and did"),
            (None, None) => {}
        }
    }

    fn errors(&mut self, at: &str, old: &[ErrorSchema], new: &[ErrorSchema]) {
        for ErrorSchema { code, is_fatal, .. } in old {
            let at = format!("{at}, error {code}");
            match new.iter().find(|error| error.code == *code) {
                None => self.breaking(&at, "it is gone, and peers may answer with it"),
                Some(new) if new.is_fatal && !is_fatal => {
                    self.breaking(&at, "it closes the connection, and did not");
                }
                Some(new) if *is_fatal && !new.is_fatal => {
                    self.addition(&at, "it does not close the connection, and did");
                }
                Some(_) => {}
            }
        }
        for ErrorSchema { code, .. } in new {
            if !old.iter().any(|error| error.code == *code) {
                let what = "it is new; to older peers it is one that is not declared";
                self.addition(&format!("{at}, error {code}"), what);
            }
        }
    }

    /// `kind` is what one of the arguments is called.
    fn boxes(&mut self, at: &str, kind: &str, both: &Both<'a>) {
        let (old, new) = (both.old.schema(), both.new.schema());
        if !self.seen.insert((ptr::from_ref(old), ptr::from_ref(new))) {
            return;
        }
        self.part(at, kind, old, new, both);
        let at = all_at(at, kind);
        match (old.is_strict, new.is_strict) {
            (false, true) => self.breaking(&at, "a box with other keys is refused, and was not"),
            (true, false) => self.addition(&at, "a box with other keys is not refused, and was"),
            _ => {}
        }
    }

    /// Compares what is in a box in any case, or in one of them.
    fn part(
        &mut self,
        at: &str,
        kind: &str,
        old: &'a BoxSchema,
        new: &'a BoxSchema,
        both: &Both<'a>,
    ) {
        let place = |name: &str| format!("{at}, {kind} {name}");
        for was in &old.arguments {
            let at = place(&was.name);
            match new.arguments.iter().find(|argument| argument.name == was.name) {
                None if was.presence == Presence::Optional => {
                    self.breaking(&at, "it is gone, and what peers send there is lost");
                }
                None => self.breaking(&at, "it is gone, and peers send or need it"),
                Some(is) => {
                    self.presence(&at, was.presence, is.presence);
                    self.wire_type(&at, &was.wire_type, &is.wire_type, both);
                }
            }
        }
        for is in &new.arguments {
            if old.arguments.iter().any(|argument| argument.name == is.name) {
                continue;
            }
            let at = place(&is.name);
            match is.presence {
                Presence::Required => {
                    self.breaking(&at, "it is new and required, and older peers do not send it");
                }
                // The box decides for its cases too which keys it refuses.
                _ if both.old.schema().is_strict => {
                    self.breaking(&at, "it is new, and older peers refuse a box with it");
                }
                Presence::Optional => self.addition(&at, "it is new and optional"),
                Presence::Defaulted => self.addition(&at, "it is new and has a default"),
            }
        }
        self.cases(at, kind, old, new, both);
        if old.unknown != new.unknown {
            let [was, is] = [old, new].map(|schema| match &schema.unknown[..] {
                [] => "known".to_owned(),
                unknown => format!("only known as {}", unknown.join(", ")),
            });
            let what = format!("the keys were {was} and are {is}, which cannot be compared");
            self.breaking(&all_at(at, kind), what);
        }
    }

    /// A case that is only in one of both is told of by what its tag can be.
    fn cases(
        &mut self,
        at: &str,
        kind: &str,
        old: &'a BoxSchema,
        new: &'a BoxSchema,
        both: &Both<'a>,
    ) {
        let of = |schema: &BoxSchema, case: &CaseSchema| {
            let tag = schema.argument(&case.tag).map(|tag| &tag.wire_type);
            matches!(tag, Some(WireType::OneOf(texts)) if texts.contains(&case.text))
        };
        let same = |schema: &'a BoxSchema, case: &CaseSchema| {
            let case = schema.cases.iter().find(|other| other.place() == case.place());
            case.map(|case| &case.arguments)
        };
        for was in old.cases.iter().filter(|case| of(new, case)) {
            let is = same(new, was).unwrap_or(&NOTHING);
            self.part(&case_at(at, was), kind_in_case(kind), &was.arguments, is, both);
        }
        let is_new = |case: &&CaseSchema| of(old, case) && same(old, case).is_none();
        for is in new.cases.iter().filter(is_new) {
            self.part(&case_at(at, is), kind_in_case(kind), &NOTHING, &is.arguments, both);
        }
    }

    fn presence(&mut self, at: &str, old: Presence, new: Presence) {
        use Presence::{Defaulted, Optional, Required};
        match (old, new) {
            (Required, Optional) => self.breaking(at, "it is optional, and older peers need it"),
            (Optional | Defaulted, Required) => {
                self.breaking(at, "it is required, and peers may leave it out");
            }
            (Required | Optional, Defaulted) => self.addition(at, "it has a default"),
            (Defaulted, Optional) => self.addition(at, "it is optional, and had a default"),
            (Required, Required) | (Optional, Optional) | (Defaulted, Defaulted) => {}
        }
    }

    fn wire_type(&mut self, at: &str, old: &'a WireType, new: &'a WireType, both: &Both<'a>) {
        match (old, new) {
            (WireType::OneOf(was), WireType::OneOf(is)) => self.texts(at, was, is, both.sender),
            (WireType::Of(was, old), WireType::Of(is, new)) if was == is => {
                self.wire_type(at, old, new, both);
            }
            (WireType::Box(was), WireType::Box(is))
            | (WireType::AmpList(was), WireType::AmpList(is)) => match both.inside(was, is) {
                Some(inside) if matches!((was, is), (InnerBox::Of(_), InnerBox::Of(_))) => {
                    self.boxes(at, "key", &inside);
                }
                Some(inside) => self.waiting.push_back((at.to_owned(), inside)),
                None if was == is => {}
                None => self.another(at, old, new),
            },
            _ if old == new || are_bytes(old, new) || are_bytes(new, old) => {}
            _ => self.another(at, old, new),
        }
    }

    fn another(&mut self, at: &str, old: &WireType, new: &WireType) {
        self.breaking(at, format!("it was {old} and is {new}"));
    }

    fn texts(&mut self, at: &str, old: &[String], new: &[String], sender: Sender) {
        for text in old.iter().filter(|text| !new.contains(text)) {
            self.breaking(at, format!("it can no longer be {text:?}, which peers may send"));
        }
        for text in new.iter().filter(|text| !old.contains(text)) {
            let what = format!("it can be {text:?}, which older peers refuse");
            self.push(sender == Sender::Responder, at, what);
        }
    }
}
