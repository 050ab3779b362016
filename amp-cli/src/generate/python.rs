//! Commands as classes of Python.

use amp_core::schema::{
    BoxSchema, CaseSchema, CommandSchema, ErrorSchema, InnerBox, Presence, Schema, WireType,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::boxes::{boxes_in, is_outer};
use super::names::pascal;
use super::text::{clean, is_unclean, says_nothing};
use crate::mistake::Mistake;
use crate::scalars::SCALARS;
use crate::type_words::FORMS;

/// Words that Python keeps for itself, and names that the file has for others.
const TAKEN: &[&str] = &[
    "ALL", "False", "None", "True", "and", "amp", "as", "assert", "async", "await", "break",
    "bytes", "class", "continue", "def", "del", "elif", "else", "except", "finally", "for", "from",
    "global", "if", "import", "in", "is", "lambda", "list", "nonlocal", "not", "or", "pass",
    "raise", "return", "try", "tuple", "while", "with", "yield",
];
/// The classes of amp-arguments.
const ARGUMENTS: &[&str] = &[
    "Box",
    "Continued",
    "ContinuedZlib",
    "IpAddress",
    "IpNetwork",
    "Json",
    "ListOf",
    "Numbered",
    "OneOf",
    "SinkOf",
    "StreamOf",
    "Zlib",
];
/// The classes of that package that are in its module `streams`.
const STREAMS: &[&str] = &["SinkOf", "StreamOf"];
/// Exceptions that Python has.
const BUILT_IN: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "EOFError",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "IOError",
    "ImportError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "NotADirectoryError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "ProcessLookupError",
    "RecursionError",
    "RuntimeError",
    "StopIteration",
    "SystemError",
    "TimeoutError",
    "TypeError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
];

/// Names of the parameters of `callRemote`, beside the arguments.
const PARAMETERS: &[&str] = &["commandType", "self"];
/// Words that Twisted gives a capital, where they are keys.
const CAPITALIZED: &[&str] = &[
    "and", "assert", "break", "class", "continue", "def", "del", "elif", "else", "except", "exec",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "not", "or", "pass",
    "print", "raise", "return", "try", "while", "yield",
];

/// What was written, and what somebody has to write by hand.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) by_hand: BTreeMap<String, WireType>,
    /// What the classes of Twisted cannot say.
    pub(super) lost: Vec<String>,
}

pub(super) fn write(
    schema: &Schema,
    header: &str,
    by_hand_module: &str,
) -> Result<Written, Mistake> {
    let mut writer = Writer::default();
    let taken = [TAKEN, BUILT_IN, ARGUMENTS].concat();
    writer.taken.extend(taken.into_iter().map(str::to_owned));
    // Commands have their names before anything else has one.
    let commands: Vec<_> = schema
        .commands()
        .filter(|(name, _)| *name != "StartTLS")
        .map(|(name, command)| {
            // The import leaves out what others are made of, which begins with an underscore.
            let is_class = is_name(name) && !name.starts_with('_');
            let wanted = if is_class { name.to_owned() } else { pascal(name) };
            (name, command, writer.unique(&wanted))
        })
        .collect();
    for (name, command, class) in &commands {
        writer.lose(name, command);
        let mut command = CommandSchema::clone(command);
        command.arguments = without_cases(command.arguments, name)?;
        command.response = without_cases(command.response, &format!("{name}.response"))?;
        writer.command(name, &command, class);
    }
    let mut head = format!("{header}\n\nfrom twisted.protocols import amp\n");
    let mut imports = Vec::new();
    let (streams, others): (Vec<_>, Vec<_>) =
        writer.arguments.iter().copied().partition(|name| STREAMS.contains(name));
    for (module, names) in [("amp_arguments", others), ("amp_arguments.streams", streams)] {
        if !names.is_empty() {
            imports.push(format!("from {module} import {}", names.join(", ")));
        }
    }
    if !writer.by_hand.is_empty() {
        let names: Vec<_> = writer.by_hand.keys().map(|name| &**name).collect();
        imports.push(format!("from {by_hand_module} import {}", names.join(", ")));
    }
    for line in imports {
        let _ = write!(head, "\n{line}\n");
    }
    let mut text = head;
    for item in &writer.items {
        let _ = write!(text, "\n\n{item}\n");
    }
    let names: Vec<_> = commands.iter().map(|(_, _, class)| format!("    {class},\n")).collect();
    let _ = write!(text, "\n\nALL = [\n{}]\n", names.concat());
    Ok(Written { text, by_hand: writer.by_hand, lost: writer.lost })
}

/// The same box as Twisted has it, which knows no cases: what is only in some of them is optional.
fn without_cases(mut schema: BoxSchema, place: &str) -> Result<BoxSchema, Mistake> {
    let cases = schema.take_cases();
    let mut all = schema.take_arguments();
    for argument in &mut all {
        let place = format!("{place}.{}", argument.name);
        argument.wire_type = type_without_cases(argument.wire_type.clone(), &place)?;
    }
    for CaseSchema { tag, text, arguments, .. } in cases {
        let mut inside = without_cases(arguments, place)?.optional();
        let when = format!("Where {tag} is {text:?}.");
        let documented = |docs: &str| format!("{docs}\n{when}").trim_start().to_owned();
        for mut new in inside.take_arguments() {
            let Some(known) = all.iter_mut().find(|known| known.name == new.name) else {
                new.docs = documented(&new.docs);
                all.push(new);
                continue;
            };
            if known.wire_type != new.wire_type {
                let (name, one, other) = (&new.name, &known.wire_type, &new.wire_type);
                return Err(Mistake::new(format!(
                    "{place}.{name}: it is {one} in one case and {other} in another, which Twisted cannot say"
                )));
            }
            known.docs = documented(&known.docs);
        }
        schema.extend(inside);
    }
    schema.extend(all.into_iter().collect());
    Ok(schema)
}

fn type_without_cases(wire_type: WireType, place: &str) -> Result<WireType, Mistake> {
    let inside = |inner: InnerBox| match inner {
        InnerBox::Of(schema) => without_cases(schema, place).map(InnerBox::Of),
        outer @ InnerBox::Outer(_) => Ok(outer),
    };
    Ok(match wire_type {
        WireType::Of(form, inner) => {
            WireType::Of(form, Box::new(type_without_cases(*inner, place)?))
        }
        WireType::Box(inner) => WireType::Box(inside(inner)?),
        WireType::AmpList(inner) => WireType::AmpList(inside(inner)?),
        other => other,
    })
}

/// Whether it can be a name in Python.
pub(super) fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.starts_with(|c: char| !c.is_ascii_digit())
        && !TAKEN.contains(&text)
}

/// A module with the arguments that are to be written by hand: bytes, until somebody makes more of them.
pub(super) fn by_hand(by_hand: &BTreeMap<String, WireType>) -> String {
    let mut text =
        "# Arguments that are known by their names only. This file is written once: it is yours.\n\
                    \nfrom twisted.protocols import amp\n"
            .to_owned();
    for (name, wire_type) in by_hand {
        let _ = write!(
            text,
            "\n\nclass {name}(amp.String):\n    wire_form = {}\n",
            string(&wire_type.to_string())
        );
    }
    text
}

#[derive(Default)]
struct Writer {
    items: Vec<String>,
    taken: BTreeSet<String>,
    /// The classes that are imported from the package amp-arguments.
    arguments: BTreeSet<&'static str>,
    by_hand: BTreeMap<String, WireType>,
    /// The names of lists of arguments, by what is in them.
    lists: BTreeMap<String, String>,
    /// The classes of exceptions, by their names and their documentation.
    exceptions: BTreeMap<(String, String), Vec<String>>,
    lost: Vec<String>,
    /// The names of the lists around what is being written, where they have one.
    around: Vec<Option<String>>,
}

impl Writer {
    fn unique(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}{number}"));
        let name = std::iter::once(wanted.to_owned())
            .chain(numbered)
            .find(|name| !self.taken.contains(name))
            .expect("there are many numbers");
        self.taken.insert(name.clone());
        name
    }

    fn command(&mut self, name: &str, command: &CommandSchema, class: &str) {
        let mut sections = Vec::new();
        sections.extend(docstring(&command.docs));
        if class != name {
            sections.push(format!("    commandName = {}", bytes(name)));
        }
        for (title, schema) in [("arguments", &command.arguments), ("response", &command.response)]
        {
            let hint = format!("{class}_{title}");
            if is_outer(schema, 0, 0) {
                let name = self.list(&InnerBox::Of(schema.clone()), &hint);
                sections.push(format!("    {title} = {name}"));
                continue;
            }
            self.around.push(None);
            let rows = self.rows(schema, &hint, "        ");
            self.around.pop();
            if !rows.is_empty() {
                sections.push(format!("    {title} = [\n{rows}    ]"));
            }
        }
        let errors = command.errors().unwrap_or_default();
        let mut raised = BTreeSet::new();
        for (title, fatal) in [("errors", false), ("fatalErrors", true)] {
            let mut rows = String::new();
            for error in errors.iter().filter(|error| error.is_fatal == fatal) {
                let exception = self.exception(error, &mut raised);
                let _ = writeln!(rows, "        {exception}: {},", bytes(&error.code));
            }
            if !rows.is_empty() {
                sections.push(format!("    {title} = {{\n{rows}    }}"));
            }
        }
        if !command.requires_answer {
            sections.push("    requiresAnswer = False".to_owned());
        }
        if sections.is_empty() {
            sections.push("    pass".to_owned());
        }
        let base = if command.is_switch { "ProtocolSwitchCommand" } else { "Command" };
        self.items.push(format!("class {class}(amp.{base}):\n{}", sections.join("\n")));
    }

    /// Notes what a class cannot say.
    fn lose(&mut self, name: &str, command: &CommandSchema) {
        let CommandSchema { arguments, response, is_idempotent, .. } = command;
        let boxes: Vec<_> = [arguments, response].into_iter().flat_map(boxes_in).collect();
        let keys = boxes.iter().flat_map(|part| part.arguments());
        for (is_lost, what) in [
            (command.errors().is_none(), "its errors are not known, so it declares none"),
            (*is_idempotent, "that it may be sent again is not said"),
            (!command.secrets().is_empty(), "which of its values are secret is not said"),
            (boxes.iter().any(|schema| schema.is_strict), "other keys are not refused"),
            (
                keys.clone().any(|key| key.presence == Presence::Defaulted),
                "what has a default is optional",
            ),
            (
                keys.clone().any(|key| !key.name.is_ascii()),
                "it has keys that are not ASCII, of which Twisted makes no names",
            ),
            (
                boxes.iter().any(|schema| are_one_name(schema)),
                "some of its keys are one name in Python",
            ),
            (
                arguments
                    .parts()
                    .iter()
                    .flat_map(|part| part.arguments())
                    .any(|key| PARAMETERS.contains(&&*key.name)),
                "arguments that are parameters of callRemote cannot be passed to it",
            ),
            (
                boxes.iter().any(|schema| !schema.cases().is_empty()),
                "what is only there with certain texts of others is optional",
            ),
            (
                boxes.iter().any(|schema| !schema.unknown_types().is_empty()),
                "arguments whose keys are not known are left out",
            ),
        ] {
            if is_lost {
                self.lost.push(format!("command {name}: {what}"));
            }
        }
    }

    /// The class of an error, which is written before what raises it. One command has a class of its own for
    /// each.
    fn exception(&mut self, error: &ErrorSchema, raised: &mut BTreeSet<String>) -> String {
        let name = error.exception.clone().unwrap_or_else(|| pascal(&error.code.to_lowercase()));
        if BUILT_IN.contains(&&*name) && raised.insert(name.clone()) {
            return name;
        }
        let key = (name.clone(), error.docs.clone());
        let known = self.exceptions.get(&key).into_iter().flatten();
        if let Some(class) = known.into_iter().find(|class| !raised.contains(*class)) {
            raised.insert(class.clone());
            return class.clone();
        }
        // A name with a module, or one that is a command's too.
        let class = self.unique(&pascal_if_no_name(&name));
        let docs = docstring(&error.docs).unwrap_or_else(|| "    pass".to_owned());
        let mut item = format!("class {class}(Exception):\n{docs}");
        // Python's names of classes have no NUL.
        if class != name && error.exception.is_some() && !name.contains('\0') {
            let _ = write!(item, "\n\n\n{class}.__name__ = {}", string(&name));
        }
        self.items.push(item);
        self.exceptions.entry(key).or_default().push(class.clone());
        raised.insert(class.clone());
        class
    }

    fn rows(&mut self, schema: &BoxSchema, hint: &str, indent: &str) -> String {
        let mut rows = String::new();
        for argument in schema.arguments() {
            for line in clean(&argument.docs).lines() {
                let _ = writeln!(rows, "{}", format!("{indent}#: {line}").trim_end());
            }
            let optional = argument.presence != Presence::Required;
            let hint = format!("{hint}_{}", argument.name);
            let ty = self.ty(&argument.wire_type, optional, &hint);
            let _ = writeln!(rows, "{indent}({}, {ty}),", bytes(&argument.name));
        }
        rows
    }

    fn ty(&mut self, wire_type: &WireType, optional: bool, hint: &str) -> String {
        let call = |class: &str, first: Vec<String>| {
            let last = optional.then(|| "optional=True".to_owned());
            format!("{class}({})", first.into_iter().chain(last).collect::<Vec<_>>().join(", "))
        };
        match wire_type {
            WireType::Named(name) if SCALARS.contains(&&**name) => {
                call(&format!("amp.{name}"), vec![])
            }
            WireType::Named(name) => match &**name {
                "Json" => call(self.argument("Json"), vec![]),
                // A stream of bytes is one of any pieces of them.
                "ByteSink" => call(self.argument("SinkOf"), vec!["amp.String()".to_owned()]),
                "ByteStream" => call(self.argument("StreamOf"), vec!["amp.String()".to_owned()]),
                "IpAddressBytes" => call(self.argument("IpAddress"), vec![]),
                "IpNetworkBytes" => call(self.argument("IpNetwork"), vec![]),
                _ => call(&self.hand(name, wire_type), vec![]),
            },
            WireType::OneOf(texts) => {
                call(self.argument("OneOf"), texts.iter().map(|text| string(text)).collect())
            }
            WireType::Of(form, inner) => {
                let class = match &**form {
                    "ListOf" if has_to_string(inner) => "amp.ListOf".to_owned(),
                    "ListOf" => self.argument("ListOf").to_owned(),
                    form => match FORMS.iter().find(|known| **known == form) {
                        Some(known) => self.argument(known).to_owned(),
                        None => return call(&self.hand(form, wire_type), vec![]),
                    },
                };
                let inner = self.ty(inner, false, hint);
                call(&class, vec![inner])
            }
            WireType::AmpList(inner) => {
                let list = self.list(inner, hint);
                call("amp.AmpList", vec![list])
            }
            WireType::Box(inner) => {
                let class = self.argument("Box");
                let list = self.list(inner, hint);
                call(class, vec![list])
            }
            WireType::Unknown(path) => {
                let last = path.rsplit(['.', ':', '<']).find(|part| !part.is_empty());
                call(&self.hand(last.unwrap_or("Unknown"), wire_type), vec![])
            }
            other => call(&self.hand("Unknown", other), vec![]),
        }
    }

    fn argument(&mut self, name: &'static str) -> &'static str {
        self.arguments.insert(name);
        name
    }

    fn hand(&mut self, name: &str, wire_type: &WireType) -> String {
        if let Some((known, _)) = self.by_hand.iter().find(|(_, other)| *other == wire_type) {
            return known.clone();
        }
        let name = self.unique(&pascal(name));
        self.by_hand.insert(name.clone(), wire_type.clone());
        name
    }

    /// The name of a list of arguments.
    fn list(&mut self, inner: &InnerBox, hint: &str) -> String {
        let schema = match inner {
            InnerBox::Of(schema) => schema,
            InnerBox::Outer(levels) => {
                let around =
                    self.around.len().checked_sub(*levels).and_then(|at| self.around[at].clone());
                return around.unwrap_or_else(|| "[]".to_owned());
            }
        };
        let wanted = hint.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_uppercase();
        if is_outer(schema, 0, 0) {
            // It has to be there before what is in it.
            let name = self.unique(&wanted);
            self.items.push(format!("{name}: list[tuple[bytes, amp.Argument]] = []"));
            self.around.push(Some(name.clone()));
            let rows = self.rows(schema, hint, "    ");
            self.around.pop();
            self.items.push(format!("{name} += [\n{rows}]"));
            return name;
        }
        self.around.push(None);
        let rows = self.rows(schema, hint, "    ");
        self.around.pop();
        if let Some(name) = self.lists.get(&rows) {
            return name.clone();
        }
        let name = self.unique(&wanted);
        self.items.push(format!("{name} = [\n{rows}]"));
        self.lists.insert(rows, name.clone());
        name
    }
}

/// Whether Twisted makes one name of several keys.
fn are_one_name(schema: &BoxSchema) -> bool {
    let name = |key: &str| {
        let name = key.replace('-', "_");
        if CAPITALIZED.contains(&&*name) { pascal(&name) } else { name }
    };
    let keys: BTreeSet<_> =
        schema.parts().into_iter().flat_map(BoxSchema::arguments).map(|key| &*key.name).collect();
    let names: BTreeSet<_> = keys.iter().map(|key| name(key)).collect();
    names.len() < keys.len()
}

/// Whether Twisted's own ListOf can have it: it asks for `toString`, which is not in need of a connection.
fn has_to_string(wire_type: &WireType) -> bool {
    match wire_type {
        WireType::Named(name) => !matches!(&**name, "ByteSink" | "ByteStream" | "Descriptor"),
        WireType::OneOf(_) | WireType::Unknown(_) => true,
        WireType::Of(form, inner) => &**form == "ListOf" && has_to_string(inner),
        _ => false,
    }
}

fn pascal_if_no_name(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or_default();
    // Those with two underscores are Python's own, or are others inside of a class.
    if is_name(last) && !last.starts_with("__") { last.to_owned() } else { pascal(last) }
}

/// None if nothing of `docs` can be seen: quotes that nothing is between would end only at the next ones.
fn docstring(docs: &str) -> Option<String> {
    if says_nothing(docs) {
        return None;
    }
    let escaped = clean(docs).replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    let lines: Vec<_> = escaped.lines().collect();
    Some(match lines[..] {
        // A quote at the end would be taken for the end.
        [only] if !only.ends_with('"') => format!("    \"\"\"{only}\"\"\""),
        _ => {
            let lines = lines.iter().enumerate().map(|(at, line)| match at {
                0 => format!("    \"\"\"{line}\n"),
                _ if line.is_empty() => "\n".to_owned(),
                _ => format!("    {line}\n"),
            });
            format!("{}    \"\"\"", lines.collect::<String>())
        }
    })
}

/// A literal of bytes.
fn bytes(text: &str) -> String {
    let mut out = "b\"".to_owned();
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out + "\""
}

/// A literal of text.
fn string(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if is_unclean(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}
