//! Arguments as they are written on the command line: `KEY[:TYPE]=VALUE`.

use amp_core::AmpBox;
use amp_core::dynamic::{Scope, Value, Values};
use amp_core::schema::{ArgumentSchema, BoxSchema, Presence, WireType};
use std::collections::HashSet;

use crate::mistake::{Mistake, no_such};
use crate::opening::Opening;
use crate::scalars::{self, SCALARS, Source};
use crate::schemas::box_in;

/// One word: where the value goes, and where it comes from.
#[derive(Debug)]
struct Word {
    /// As it was written, for messages.
    place: String,
    key: String,
    steps: Vec<Step>,
    declared: Option<String>,
    source: Source,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// The arguments that `words` give to a command, or, where its schema is not known, to one whose
/// arguments are what they say; and that schema. What is `given` otherwise is among the arguments.
pub(crate) fn arguments(
    words: &[String],
    schema: Option<&BoxSchema>,
    given: Values,
    opening: &mut Opening,
) -> Result<(Values, BoxSchema), Mistake> {
    let words: Vec<_> = words.iter().map(|word| Word::parse(word)).collect::<Result<_, _>>()?;
    let schema = match schema {
        Some(schema) => schema.clone(),
        None => declared(&words)?,
    };
    let scope = Scope::new(&schema);
    let mut values = given;
    for word in tags_first(words, &schema) {
        let Word { place, key, steps, source, .. } = &word;
        let put = put_into(&mut values, &scope, key, steps, source, opening);
        put.map_err(|mistake| mistake.at(place))?;
    }
    let missing: Vec<_> = parts_of(&schema, &values)
        .into_iter()
        .flat_map(BoxSchema::arguments)
        .filter(|argument| argument.presence == Presence::Required)
        .filter(|argument| values.get(&argument.name).is_none())
        .map(|ArgumentSchema { name, wire_type, .. }| format!("{name} ({wire_type})"))
        .collect();
    if missing.is_empty() {
        Ok((values, schema))
    } else {
        Err(Mistake::new(format!("missing: {}", missing.join(", "))))
    }
}

/// The words, of which those come first that decide what else can be in their boxes, and the outer ones of
/// these before those inside.
fn tags_first(mut words: Vec<Word>, schema: &BoxSchema) -> Vec<Word> {
    let mut tags = HashSet::new();
    add_tags(schema, &mut tags);
    let is_tag = |word: &Word| match word.steps.last() {
        Some(Step::Key(key)) => tags.contains(&**key),
        Some(Step::Index(_)) => false,
        None => tags.contains(&*word.key),
    };
    words.sort_by_key(|word| if is_tag(word) { word.steps.len() } else { usize::MAX });
    words
}

fn add_tags<'a>(schema: &'a BoxSchema, tags: &mut HashSet<&'a str>) {
    for part in schema.parts() {
        tags.extend(part.cases().iter().map(|case| &*case.tag));
        let inner = part.arguments().iter().filter_map(|argument| box_in(&argument.wire_type));
        inner.for_each(|schema| add_tags(schema, tags));
    }
}

/// The box, and the cases of it that these values are.
fn parts_of<'a>(schema: &'a BoxSchema, values: &Values) -> Vec<&'a BoxSchema> {
    schema.parts_where(|tag| match values.get(tag) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    })
}

impl Word {
    fn parse(text: &str) -> Result<Self, Mistake> {
        let wrong = |what: &str| Mistake::new(format!("{text:?}: {what}"));
        // What leads into a value is `.KEY` and `[NUMBER]`; a key may have these characters too, behind
        // a backslash.
        let (mut steps, mut key, mut is_in_key) = (Vec::new(), String::new(), true);
        let mut rest = text;
        let (place, rest) = loop {
            let mut chars = rest.chars();
            let next = chars.next();
            if is_in_key && matches!(next, Some('.' | '[' | '=' | ':' | '@')) {
                steps.push(Step::Key(std::mem::take(&mut key)));
            }
            match next {
                Some('\\') => key.extend(chars.next()),
                Some('.') => is_in_key = true,
                Some('[') => {
                    let index = chars
                        .as_str()
                        .split_once(']')
                        .and_then(|(index, behind)| Some((index.parse().ok()?, behind)));
                    let (index, behind) = index
                        .filter(|(_, behind)| behind.starts_with(['.', '[', '=', ':', '@']))
                        .ok_or_else(|| wrong("an index is `[NUMBER]`"))?;
                    steps.push(Step::Index(index));
                    is_in_key = false;
                    rest = behind;
                    continue;
                }
                Some('=' | ':' | '@') => break text.split_at(text.len() - rest.len()),
                Some(c) => key.push(c),
                None => {
                    return Err(wrong("it is KEY=VALUE, KEY:TYPE=VALUE, KEY:=JSON or KEY@=FILE"));
                }
            }
            rest = chars.as_str();
        };
        if steps.iter().any(|step| matches!(step, Step::Key(key) if key.is_empty())) {
            return Err(wrong("a key has at least one byte"));
        }
        let (how, value) = rest.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
        let (source, declared) = Source::parse(how, value).map_err(|what| wrong(&what))?;
        let Step::Key(key) = steps.remove(0) else { return Err(wrong("there is no key")) };
        Ok(Self { place: place.to_owned(), key, steps, declared, source })
    }
}

/// The schema that words say which have none: a key that comes again is a list. There may be any other
/// values too.
fn declared(words: &[Word]) -> Result<BoxSchema, Mistake> {
    let mut schema = BoxSchema::of::<AmpBox>();
    for word in words {
        let Word { place, key, steps, declared, source } = word;
        if !steps.is_empty() {
            let what = "what is inside of an argument needs a schema: see --schema";
            return Err(Mistake::new(what).at(place));
        }
        let name = match declared.as_deref() {
            Some(name) => SCALARS
                .into_iter()
                .find(|known| *known == name)
                .ok_or_else(|| no_such("type", name, SCALARS.into_iter()).at(place))?,
            None if source.is_descriptor() => "Descriptor",
            None => "String",
        };
        let mut wire_type = WireType::named(name);
        if words.iter().filter(|other| other.key == *key).count() > 1 {
            wire_type = wire_type.in_form("ListOf");
        }
        if schema.argument(key).is_none() {
            schema.extend(BoxSchema::required(key, wire_type));
        }
    }
    Ok(schema)
}

fn put_into(
    values: &mut Values,
    scope: &Scope<'_>,
    key: &str,
    steps: &[Step],
    source: &Source,
    opening: &mut Opening,
) -> Result<(), Mistake> {
    let parts = parts_of(scope.schema(), values);
    let Some(argument) = parts.iter().find_map(|part| part.argument(key)) else {
        let known = parts.iter().flat_map(|part| part.arguments()).map(|argument| &*argument.name);
        return Err(no_such("argument", key, known));
    };
    if source.is_null() && argument.presence != Presence::Required && steps.is_empty() {
        return Ok(());
    }
    let value = put(values.remove(key), &argument.wire_type, scope, steps, source, opening)?;
    values.insert(key, value);
    Ok(())
}

/// The value once `source` is in it.
fn put<'a>(
    current: Option<Value>,
    wire_type: &'a WireType,
    scope: &Scope<'a>,
    steps: &[Step],
    source: &Source,
    opening: &mut Opening,
) -> Result<Value, Mistake> {
    let wrong =
        || Mistake::new(format!("a value of type {wire_type} has nothing of this kind inside"));
    match (wire_type, steps) {
        (WireType::Of(form, inner), _) if form != "ListOf" => {
            put(current, inner, scope, steps, source, opening)
        }
        (WireType::Of(_, inner), []) if !source.is_json() => {
            let mut items = list_of(current)?;
            items.push(put(None, inner, scope, &[], source, opening)?);
            Ok(Value::List(items))
        }
        (_, []) if current.is_some() => Err(Mistake::new("it is given twice, and is no list")),
        (_, []) => scalars::read(source, wire_type, scope, opening),
        (WireType::Of(_, inner), [Step::Index(index), rest @ ..]) => {
            let mut items = list_of(current)?;
            let item = take(&mut items, *index)?;
            items.insert(*index, put(item, inner, scope, rest, source, opening)?);
            Ok(Value::List(items))
        }
        (WireType::AmpList(inner), [Step::Index(index), Step::Key(key), rest @ ..]) => {
            let scope = scope.inside(inner).ok_or_else(wrong)?;
            let mut items = list_of(current)?;
            let mut values = box_of(take(&mut items, *index)?);
            put_into(&mut values, &scope, key, rest, source, opening)?;
            items.insert(*index, Value::Box(values));
            Ok(Value::List(items))
        }
        (WireType::Box(inner), [Step::Key(key), rest @ ..]) => {
            let scope = scope.inside(inner).ok_or_else(wrong)?;
            let mut values = box_of(current);
            put_into(&mut values, &scope, key, rest, source, opening)?;
            Ok(Value::Box(values))
        }
        _ => Err(wrong()),
    }
}

fn list_of(value: Option<Value>) -> Result<Vec<Value>, Mistake> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::List(items)) => Ok(items),
        Some(_) => Err(Mistake::new("it is given twice, and is no list")),
    }
}

fn box_of(value: Option<Value>) -> Values {
    match value {
        Some(Value::Box(values)) => values,
        _ => Values::new(),
    }
}

/// Takes an item out, if it is there already.
fn take(items: &mut Vec<Value>, index: usize) -> Result<Option<Value>, Mistake> {
    match index.cmp(&items.len()) {
        std::cmp::Ordering::Less => Ok(Some(items.remove(index))),
        std::cmp::Ordering::Equal => Ok(None),
        std::cmp::Ordering::Greater => {
            Err(Mistake::new(format!("[{}] has to come before it", items.len())))
        }
    }
}
