//! A schema from its text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::model::lines_of;
use super::parts::Parts;
use super::text::is_plain;
use super::{
    ArgumentSchema, BoxSchema, CaseSchema, CommandSchema, ErrorSchema, InnerBox, Presence, Schema,
    WireType,
};

/// A text that is not a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SchemaError {
    /// The number of the line, counted from 1.
    pub line: usize,
    what: &'static str,
}

/// The depth to which lines and types may nest.
const DEEPEST: usize = 64;

impl FromStr for Schema {
    type Err = SchemaError;

    /// Reads the text that [`Display`](std::fmt::Display) writes. Empty lines and lines that begin with `#` mean nothing, with
    /// two exceptions: `#:` begins documentation of the line below, and `#!` begins other facts about it.
    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let mut notes = Vec::new();
        let mut lines = Vec::new();
        let mut above = Notes::default();
        for (at, line) in text.lines().enumerate() {
            let words = line.trim_start_matches(' ');
            if let Some(docs) = words.strip_prefix("#:") {
                above.docs.push(docs);
            } else if let Some(pragma) = words.strip_prefix("#!") {
                above.pragmas.push((at + 1, pragma.trim()));
            } else if !words.trim().is_empty() && !words.starts_with('#') {
                lines.push((at + 1, line.len() - words.len(), words));
                notes.push(std::mem::take(&mut above));
            }
        }
        if let Some((line, _)) = above.pragmas.first() {
            return Err(SchemaError { line: *line, what: "nothing is below of what it says" });
        }
        let lines: Vec<_> = lines
            .into_iter()
            .zip(&notes)
            .map(|((at, indent, words), notes)| Line { at, indent, words, notes })
            .collect();
        let mut schema = Schema::default();
        let mut rest = &lines[..];
        while let Some((line, inside)) = next_block(&mut rest, 0)? {
            let (name, command) = command(line, inside)?;
            if schema.commands.insert(name, command).is_some() {
                return Err(line.error("a command of this name is there already"));
            }
        }
        Ok(schema)
    }
}

#[derive(Clone, Copy)]
struct Line<'a> {
    at: usize,
    indent: usize,
    words: &'a str,
    notes: &'a Notes<'a>,
}

/// The place that a line stands in.
#[derive(Default)]
struct Notes<'a> {
    docs: Vec<&'a str>,
    /// Each with the number of its line.
    pragmas: Vec<(usize, &'a str)>,
}

impl<'a> Line<'a> {
    fn docs(self) -> String {
        lines_of(&self.notes.docs.join("\n"))
    }

    /// Each pragma above, as its first word and what follows.
    fn pragmas(self) -> impl Iterator<Item = (&'a str, Cursor<'a>)> {
        self.notes.pragmas.iter().map(move |(at, pragma)| {
            let line = Line { at: *at, words: pragma, ..self };
            let (name, rest) = pragma.split_once(' ').unwrap_or((pragma, ""));
            (name, Cursor { line, rest: rest.trim() })
        })
    }

    /// Keeps what this line says, which can be said once.
    fn once<T>(self, place: &mut Option<T>, value: T) -> Result<(), SchemaError> {
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.error("this is there already")),
        }
    }

    /// Nothing can be said of this line behind `#!`.
    fn no_pragmas(self) -> Result<(), SchemaError> {
        match self.notes.pragmas.first() {
            None => Ok(()),
            Some((at, _)) => {
                Err(SchemaError { line: *at, what: "it cannot be said of what is below" })
            }
        }
    }

    fn error(self, what: &'static str) -> SchemaError {
        SchemaError { line: self.at, what }
    }

    fn cursor(self) -> Cursor<'a> {
        Cursor { line: self, rest: self.words.trim_end() }
    }
}

/// Takes a line that stands at `indent`, and those below it that are inside of it.
fn next_block<'l, 'a>(
    rest: &mut &'l [Line<'a>],
    indent: usize,
) -> Result<Option<(Line<'a>, &'l [Line<'a>])>, SchemaError> {
    let Some((first, below)) = rest.split_first() else { return Ok(None) };
    if first.indent != indent || indent > 2 * DEEPEST {
        return Err(first.error("it is indented too much or too little"));
    }
    let len = below.iter().take_while(|line| line.indent > indent).count();
    let (inside, behind) = below.split_at(len);
    *rest = behind;
    Ok(Some((*first, inside)))
}

fn command(
    line: Line<'_>,
    mut inside: &[Line<'_>],
) -> Result<(String, CommandSchema), SchemaError> {
    let mut words = line.cursor();
    words.expect("command ", "expected `command NAME`")?;
    let name = words.word()?;
    let requires_answer = !words.take(" one-way");
    let is_switch = words.take(" switch");
    words.end()?;
    let (mut is_idempotent, mut secrets) = (false, BTreeMap::new());
    for (name, mut rest) in line.pragmas() {
        match name {
            "idempotent" => is_idempotent = true,
            "secret" => {
                secrets.insert(rest.word()?, rest.line);
            }
            _ => return Err(rest.line.error("expected `#! idempotent` or `#! secret KEY`")),
        }
        rest.end()?;
    }
    let (mut of_call, mut response, mut errors) = (None, None, None);
    while let Some((line, inside)) = next_block(&mut inside, 2)? {
        line.no_pragmas()?;
        let mut words = line.cursor();
        if words.take("arguments") {
            line.once(&mut of_call, titled_box(words, inside)?)?;
        } else if words.take("response") {
            line.once(&mut response, titled_box(words, inside)?)?;
        } else if words.take("errors") {
            line.once(&mut errors, errors_of(words, inside)?)?;
        } else {
            return Err(line.error("expected `arguments`, `response` or `errors`"));
        }
    }
    let (arguments, response) = (of_call.unwrap_or_default(), response.unwrap_or_default());
    if !secrets.is_empty() {
        let mut keys = Keys::default();
        keys.add(&arguments);
        keys.add(&response);
        // A reader of the schema would take that key for hidden.
        let unknown =
            secrets.iter().find(|(key, _)| !keys.are_open && !keys.known.contains(&***key));
        if let Some((_, line)) = unknown {
            return Err(line.error("it has no such key"));
        }
    }
    let command = CommandSchema {
        docs: line.docs(),
        requires_answer,
        is_switch,
        is_idempotent,
        secrets: secrets.into_keys().collect(),
        arguments,
        response,
        errors: errors.unwrap_or_else(|| Some(Vec::new())),
    };
    Ok((name, command))
}

/// The keys of boxes, and of those inside of them.
#[derive(Default)]
struct Keys<'a> {
    known: BTreeSet<&'a str>,
    /// Whether there may be others, of types that do not say what they are.
    are_open: bool,
}

impl<'a> Keys<'a> {
    fn add(&mut self, schema: &'a BoxSchema) {
        for part in schema.parts() {
            self.are_open |= !part.unknown.is_empty();
            for argument in &part.arguments {
                self.known.insert(&argument.name);
                let mut wire_type = &argument.wire_type;
                while let WireType::Of(_, inner) = wire_type {
                    wire_type = inner;
                }
                match wire_type {
                    WireType::Box(InnerBox::Of(inner)) | WireType::AmpList(InnerBox::Of(inner)) => {
                        self.add(inner);
                    }
                    WireType::Unknown(_) => self.are_open = true,
                    _ => {}
                }
            }
        }
    }
}

fn titled_box(mut words: Cursor<'_>, inside: &[Line<'_>]) -> Result<BoxSchema, SchemaError> {
    let is_strict = words.take(" strict");
    words.end()?;
    Ok(BoxSchema { is_strict, ..arguments(inside, 4)? })
}

fn errors_of(
    mut words: Cursor<'_>,
    mut inside: &[Line<'_>],
) -> Result<Option<Vec<ErrorSchema>>, SchemaError> {
    if words.take(" unknown") {
        words.end()?;
        return Ok(None);
    }
    words.end()?;
    let (mut errors, mut codes) = (Vec::new(), BTreeSet::new());
    while let Some((line, below)) = next_block(&mut inside, 4)? {
        let mut words = line.cursor();
        let (code, is_fatal) = (words.word()?, words.take(" fatal"));
        words.end()?;
        if !codes.insert(code.clone()) {
            return Err(line.error("an error of this code is there already"));
        }
        let mut exception = None;
        for (name, mut rest) in line.pragmas() {
            if name != "exception" {
                return Err(rest.line.error("expected `#! exception NAME`"));
            }
            let name = rest.word()?;
            rest.line.once(&mut exception, name)?;
            rest.end()?;
        }
        errors.push(ErrorSchema { code, is_fatal, docs: line.docs(), exception });
        nothing_inside(below)?;
    }
    errors.sort();
    Ok(Some(errors))
}

fn arguments(mut inside: &[Line<'_>], indent: usize) -> Result<BoxSchema, SchemaError> {
    let (mut schema, mut names, mut parts) = (BoxSchema::new(), BTreeSet::new(), Parts::default());
    let mut cases: Vec<(Line<'_>, CaseSchema)> = Vec::new();
    while let Some((line, below)) = next_block(&mut inside, indent)? {
        let mut words = line.cursor();
        if words.take("unknown(") {
            schema.unknown.push(words.quoted()?);
            words.expect(")", "expected `)`")?;
            words.end()?;
            nothing_inside(below)?;
            continue;
        }
        line.no_pragmas()?;
        if words.take("when ") {
            let tag = words.word()?;
            words.expect(" is ", "expected `when NAME is \"...\"`")?;
            let text = words.quoted()?;
            words.end()?;
            let arguments = arguments(below, indent + 2)?;
            cases.push((line, CaseSchema { tag, text, docs: line.docs(), arguments }));
            continue;
        }
        let name = words.word()?;
        if !names.insert(name.clone()) {
            return Err(line.error("an argument of this name is there already"));
        }
        words.expect(": ", "expected `NAME: TYPE`")?;
        let mut inner = Some(arguments(below, indent + 2)?);
        let wire_type = words.wire_type(&mut inner, 0)?;
        if inner.is_some() {
            nothing_inside(below)?;
        }
        let presence = if words.take(" optional") {
            Presence::Optional
        } else if words.take(" default") {
            Presence::Defaulted
        } else {
            Presence::Required
        };
        words.end()?;
        if parts.meet(&name, &wire_type) {
            return Err(line.error("it, or one above, has the key of a part of the other"));
        }
        parts.add(&name, &wire_type);
        let docs = line.docs();
        schema.arguments.push(ArgumentSchema { name, wire_type, presence, docs });
    }
    schema.arguments.sort_by(|a, b| a.name.cmp(&b.name));
    schema.unknown.sort();
    add_cases(&mut schema, &names, &parts, cases)?;
    Ok(schema)
}

/// Adds the cases of a box that has these names. It takes little more time for each of many: a schema may
/// come from a peer.
fn add_cases(
    schema: &mut BoxSchema,
    names: &BTreeSet<String>,
    parts: &Parts,
    cases: Vec<(Line<'_>, CaseSchema)>,
) -> Result<(), SchemaError> {
    let mut places = BTreeSet::new();
    for (line, case) in cases {
        let tag = schema.arguments.binary_search_by(|argument| argument.name.cmp(&case.tag)).ok();
        let tag = tag.map(|tag| &schema.arguments[tag].wire_type);
        if !matches!(tag, Some(WireType::OneOf(texts)) if texts.binary_search(&case.text).is_ok()) {
            return Err(line.error("no argument beside it can be this text"));
        }
        if !places.insert((case.tag.clone(), case.text.clone())) {
            return Err(line.error("this case is there already"));
        }
        let boxes = case.arguments.parts();
        let mut arguments = boxes.iter().flat_map(|inner| &inner.arguments);
        if arguments.clone().any(|argument| names.contains(&argument.name)) {
            return Err(line.error("an argument in it is in the box in any case"));
        }
        if arguments.any(|argument| parts.meet(&argument.name, &argument.wire_type)) {
            return Err(line.error(
                "an argument in it, or one of the box, has the key of a part of the other",
            ));
        }
        schema.cases.push(case);
    }
    schema.cases.sort_by(|a, b| a.place().cmp(&b.place()));
    Ok(())
}

fn nothing_inside(below: &[Line<'_>]) -> Result<(), SchemaError> {
    match below.first() {
        None => Ok(()),
        Some(line) => Err(line.error("the line above has nothing inside of it")),
    }
}

/// The rest of a line.
struct Cursor<'a> {
    line: Line<'a>,
    rest: &'a str,
}

impl Cursor<'_> {
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str, what: &'static str) -> Result<(), SchemaError> {
        if self.take(text) { Ok(()) } else { Err(self.line.error(what)) }
    }

    fn end(&self) -> Result<(), SchemaError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.line.error("there is too much in it")) }
    }

    fn word(&mut self) -> Result<String, SchemaError> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let end = self.rest.find(|c| !is_plain(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(self.line.error("expected a name"));
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn quoted(&mut self) -> Result<String, SchemaError> {
        let wrong = self.line.error("expected a text in quotes");
        self.expect("\"", "expected a text in quotes")?;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or_else(|| wrong.clone())? {
                '"' => break,
                '\\' => match chars.next() {
                    Some(c @ ('"' | '\\')) => text.push(c),
                    Some('u') => {
                        let (code, rest) = chars
                            .as_str()
                            .strip_prefix('{')
                            .and_then(|rest| rest.split_once('}'))
                            .ok_or_else(|| wrong.clone())?;
                        let code = u32::from_str_radix(code, 16).ok();
                        text.push(code.and_then(char::from_u32).ok_or_else(|| wrong.clone())?);
                        chars = rest.chars();
                    }
                    _ => return Err(wrong),
                },
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    /// Takes `inner` for the box that the type is made of.
    fn wire_type(
        &mut self,
        inner: &mut Option<BoxSchema>,
        depth: usize,
    ) -> Result<WireType, SchemaError> {
        if depth > DEEPEST {
            return Err(self.line.error("the type is too deep"));
        }
        if self.rest.starts_with('"') {
            return Ok(WireType::Named(Cow::Owned(self.quoted()?)));
        }
        let name = self.word()?;
        match name.as_str() {
            "Box" => self.inner(inner).map(WireType::Box),
            "AmpList" => self.inner(inner).map(WireType::AmpList),
            "OneOf" => {
                self.expect("(", "expected `OneOf(\"...\")`")?;
                let mut texts = Vec::new();
                while !self.take(")") {
                    if !texts.is_empty() {
                        self.expect(", ", "expected `, ` or `)`")?;
                    }
                    texts.push(self.quoted()?);
                }
                texts.sort();
                if texts.is_empty() {
                    return Err(self.line.error("it has no text that it can be"));
                }
                if texts.windows(2).any(|two| two[0] == two[1]) {
                    return Err(self.line.error("a text of it is there twice"));
                }
                Ok(WireType::OneOf(texts))
            }
            "unknown" => {
                self.expect("(", "expected `unknown(\"...\")`")?;
                let path = self.quoted()?;
                self.expect(")", "expected `)`")?;
                Ok(WireType::Unknown(path))
            }
            _ if self.take("(") => {
                let wire_type = self.wire_type(inner, depth + 1)?;
                self.expect(")", "expected `)`")?;
                Ok(WireType::Of(Cow::Owned(name), Box::new(wire_type)))
            }
            _ => Ok(WireType::Named(Cow::Owned(name))),
        }
    }

    fn inner(&mut self, inner: &mut Option<BoxSchema>) -> Result<InnerBox, SchemaError> {
        if self.take("(^") {
            let levels = self.word()?.parse().map_err(|_| self.line.error("expected `^NUMBER`"))?;
            self.expect(")", "expected `)`")?;
            return Ok(InnerBox::Outer(levels));
        }
        let is_strict = self.take(" strict");
        let schema = inner.take().unwrap_or_default();
        Ok(InnerBox::Of(BoxSchema { is_strict, ..schema }))
    }
}
