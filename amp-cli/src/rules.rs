//! Rules by which calls are answered: a test double of a peer.

use amp_core::dynamic::{Scope, Value, Values};
use amp_core::schema::{BoxSchema, CommandSchema, Schema};
use amp_core::{Peer, RemoteError, Report};
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, fs};
use tokio::sync::SetOnce;
use tokio::time::sleep;

use crate::ask::{Outcome, encoded};
use crate::config::of_toml;
use crate::descriptors;
use crate::duration::duration;
use crate::hide::Hidden;
use crate::line::Line;
use crate::mistake::{Mistake, no_such};
use crate::on_line::json_text;
use crate::opening::{Emptied, Inputs, Opening};
use crate::printing::tell;
use crate::programs::{self, words};
use crate::schemas::{arguments_of, find, response_of};
use crate::trust;

/// The time that a call may take that a rule makes.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The rules of a file, which is read again when it has changed.
#[derive(Clone)]
pub(crate) struct Rules(Arc<Shared>);

struct Shared {
    path: Option<PathBuf>,
    /// Says whether a profile names the file, which nobody else can have written then.
    is_named: bool,
    /// Of what the peer calls.
    schema: Arc<Schema>,
    /// Of what the peer answers, once that is known.
    called: SetOnce<Arc<Schema>>,
    hidden: Hidden,
    current: Mutex<Current>,
    /// The program that answers where no rule does.
    program: Vec<String>,
}

struct Current {
    rules: Arc<Vec<Rule>>,
    stamp: Option<(SystemTime, u64)>,
}

/// A rule that was understood.
struct Rule {
    /// The place of the rule, for messages.
    place: String,
    command: String,
    when: Values,
    does: Does,
    delay: Duration,
    calls: Vec<Line>,
    /// Says whether it is for a protocol switch.
    is_switch: bool,
    times: Option<u64>,
    used: AtomicU64,
}

enum Does {
    /// Each in its turn, as JSON.
    Answer(Vec<String>),
    Fail {
        code: String,
        description: String,
    },
    Close,
    Exec(Vec<String>),
}

/// The answer to a call.
pub(crate) enum Reply {
    /// The values, and the files that are emptied once they are sent.
    Answer(Values, Emptied),
    Fail(RemoteError),
    /// No rule is for this call.
    None,
}

/// A file of rules, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRules {
    #[serde(default)]
    rule: Vec<toml::Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    command: String,
    #[serde(default)]
    when: toml::Table,
    answer: Option<toml::Table>,
    answers: Option<Vec<toml::Table>>,
    error: Option<String>,
    description: Option<String>,
    #[serde(default)]
    close: bool,
    exec: Option<String>,
    delay: Option<String>,
    #[serde(default)]
    call: Vec<WrittenCall>,
    times: Option<u64>,
}

/// A call back, which comes before the answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    command: String,
    #[serde(default)]
    arguments: toml::Table,
}

impl Rules {
    /// Reads a file of rules, which a profile names or the user gives, for the commands of this schema; what is
    /// hidden is not said.
    pub(crate) fn load(
        path: &Path,
        is_named: bool,
        schema: &Arc<Schema>,
        hidden: &Hidden,
    ) -> Result<Self, Mistake> {
        Self::of(Some(path), is_named, Vec::new(), schema, hidden)
    }

    /// Rules, and a program that answers what no rule does.
    pub(crate) fn new(
        path: Option<&Path>,
        program: Vec<String>,
        schema: &Arc<Schema>,
        hidden: &Hidden,
    ) -> Result<Self, Mistake> {
        Self::of(path, false, program, schema, hidden)
    }

    fn of(
        path: Option<&Path>,
        is_named: bool,
        program: Vec<String>,
        schema: &Arc<Schema>,
        hidden: &Hidden,
    ) -> Result<Self, Mistake> {
        let stamp = path.and_then(stamp);
        let rules = path.map_or(Ok(Vec::new()), |path| read(path, is_named, schema))?;
        let current = Mutex::new(Current { rules: rules.into(), stamp });
        let (path, schema) = (path.map(Path::to_owned), schema.clone());
        let (called, hidden) = (SetOnce::new(), hidden.clone());
        Ok(Self(Arc::new(Shared { path, is_named, schema, called, hidden, current, program })))
    }

    /// The calls back are of commands of this schema. They wait until that is known.
    pub(crate) fn calls_are_of(&self, schema: &Arc<Schema>) -> Result<(), Mistake> {
        check_calls(&self.current(), schema, &self.0.hidden)?;
        // Each connection learns it, and they are all to the same peer.
        let _ = self.0.called.set(schema.clone());
        Ok(())
    }

    /// Returns the answer to a call, once what the rule does before has been done.
    pub(crate) async fn reply(&self, command: &str, arguments: &Values, peer: &Peer) -> Reply {
        let known = self.0.schema.command(command);
        let rules = self.current();
        let Some((rule, turn)) = rules.iter().find_map(|rule| rule.applies(command, arguments))
        else {
            return match &self.0.program[..] {
                [] => Reply::None,
                words => self.run(words, command, known, arguments, peer).await,
            };
        };
        self.prepare(rule, peer).await;
        match &rule.does {
            Does::Answer(answers) => {
                let at = usize::try_from(turn).unwrap_or(0) % answers.len();
                answer(&answers[at], known)
                    .unwrap_or_else(|mistake| failed(format_args!("{}: {mistake}", rule.place)))
            }
            Does::Fail { code, description } => {
                Reply::Fail(RemoteError::new(code.clone(), description.clone()))
            }
            Does::Close => {
                peer.close().await;
                Reply::Fail(RemoteError::new("UNKNOWN", "the connection is closed"))
            }
            Does::Exec(words) => self.run(words, command, known, arguments, peer).await,
        }
    }

    /// The program that a protocol switch leads to, or why it is refused.
    pub(crate) async fn switch(
        &self,
        command: &str,
        arguments: &Values,
        peer: &Peer,
    ) -> Result<Vec<String>, RemoteError> {
        let rules = self.current();
        let found = rules.iter().find_map(|rule| rule.applies(command, arguments));
        let Some((rule, _)) = found else { return Err(RemoteError::unhandled(command)) };
        self.prepare(rule, peer).await;
        match &rule.does {
            Does::Exec(words) => Ok(words.clone()),
            Does::Fail { code, description } => {
                Err(RemoteError::new(code.clone(), description.clone()))
            }
            Does::Answer(_) | Does::Close => {
                peer.close().await;
                Err(RemoteError::new("UNKNOWN", "the connection is closed"))
            }
        }
    }

    /// Rules that say how often they are to be used, and were not used as often.
    pub(crate) fn unused(&self) -> Vec<String> {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = current.rules.iter().filter_map(|rule| {
            let (times, used) = (rule.times?, rule.used.load(Ordering::Relaxed));
            let place = &rule.place;
            (used < times).then(|| format!("{place}: used {used} of {times} times"))
        });
        unused.collect()
    }

    /// Does what a rule does before it answers.
    async fn prepare(&self, rule: &Rule, peer: &Peer) {
        sleep(rule.delay).await;
        for line in &rule.calls {
            if let Err(said) = self.call(line, peer).await {
                tell(format_args!("{}: a call of {:?}: {said}", rule.place, line.command));
            }
        }
    }

    /// Lets a program answer, which is ended when nobody waits for its answer any more.
    async fn run(
        &self,
        words: &[String],
        command: &str,
        known: Option<&CommandSchema>,
        arguments: &Values,
        peer: &Peer,
    ) -> Reply {
        tokio::select! {
            reply = run(words, command, known, arguments, peer) => reply,
            _ = peer.closed() => Reply::Fail(RemoteError::new("UNKNOWN", "the connection is closed")),
        }
    }

    async fn call(&self, line: &Line, peer: &Peer) -> Result<(), String> {
        let schema = self.0.called.wait().await;
        let ask = line.ask(schema, has_some(schema), Opening::default(), &self.0.hidden);
        let ask = ask.map_err(|mistake| mistake.to_string())?;
        let hidden = self.0.hidden.and_secrets_of(schema.command(&line.command));
        match ask.make(peer, CALL_TIMEOUT, &hidden).await {
            Ok(Outcome::Refused(error)) => Err(error.to_string()),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.said),
        }
    }

    /// The rules as they are by now. Those that were there before stay when new ones are wrong.
    fn current(&self) -> Arc<Vec<Rule>> {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.0.path {
            let seen = stamp(path);
            if seen.is_some() && seen != current.stamp {
                current.stamp = seen;
                let read = read(path, self.0.is_named, &self.0.schema).and_then(|rules| {
                    let checked = self
                        .0
                        .called
                        .get()
                        .map_or(Ok(()), |called| check_calls(&rules, called, &self.0.hidden));
                    checked.map(|()| rules)
                });
                match read {
                    Ok(rules) => current.rules = rules.into(),
                    Err(mistake) => tell(format_args!("the rules stay as they were: {mistake}")),
                }
            }
        }
        current.rules.clone()
    }
}

impl Rule {
    /// Returns whether it is for this call, and how often it was used before.
    fn applies(&self, command: &str, arguments: &Values) -> Option<(&Self, u64)> {
        let fits = self.command == command
            && self.when.iter().all(|(name, value)| arguments.get(name) == Some(value));
        if !fits {
            return None;
        }
        let more =
            |used: u64| self.times.is_none_or(|times| used < times).then(|| used.saturating_add(1));
        let used = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        used.ok().map(|used| (self, used))
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path, is_named: bool, schema: &Schema) -> Result<Vec<Rule>, Mistake> {
    let text = if is_named {
        trust::read_there(path)?
    } else {
        fs::read_to_string(path).map_err(|error| {
            Mistake::new(format!("cannot read the rules {}: {error}", path.display()))
        })?
    };
    let file: WrittenRules = toml::from_str(&text).map_err(|error| of_toml(path, &text, &error))?;
    let rules = file.rule.into_iter().map(|written| {
        let before = text.get(..written.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let written = written.into_inner();
        let place = format!("{}:{line}: {}", path.display(), written.command);
        understood(written, place.clone(), schema).map_err(|mistake| mistake.at(&place))
    });
    rules.collect()
}

/// Refuses calls back that the peer could not be asked for.
fn check_calls(rules: &[Rule], schema: &Schema, hidden: &Hidden) -> Result<(), Mistake> {
    for Rule { place, calls, is_switch, .. } in rules {
        for (at, line) in calls.iter().enumerate() {
            let opening = Opening::trial(&Inputs::default());
            let asked = line.ask(schema, has_some(schema), opening, hidden);
            let checked = asked.and_then(|ask| {
                if *is_switch && ask.requires_answer {
                    let what = "whoever asks for a protocol switch gives no answer before it";
                    return Err(Mistake::new(format!(
                        "{} wants an answer, and {what}",
                        ask.command
                    )));
                }
                Ok(())
            });
            checked.map_err(|mistake| mistake.at(&format!("call[{at}]")).at(place))?;
        }
    }
    Ok(())
}

/// Returns whether the schema has any commands: one that has none says nothing of what there is.
fn has_some(schema: &Schema) -> bool {
    schema.commands().next().is_some()
}

fn understood(written: Written, place: String, schema: &Schema) -> Result<Rule, Mistake> {
    let Written { command, when, answer, answers, error, description, close, exec, .. } = written;
    let known = find(schema, has_some(schema), &command)?;
    let given = [answer.is_some(), answers.is_some(), error.is_some(), close, exec.is_some()];
    if given.into_iter().filter(|is| *is).count() != 1 {
        let what = "a rule has one of answer, answers, error, close and exec";
        return Err(Mistake::new(what));
    }
    if description.is_some() && error.is_none() {
        return Err(Mistake::new("description: it is of an error"));
    }
    let asked = arguments_of(known).optional();
    let when = values_of(&json_of(when), &asked, Opening::trial(&Inputs::default()))
        .and_then(|(when, _)| without_descriptors(&when).map(|()| when))
        .map_err(|mistake| mistake.at("when"))?;
    let answers = match (answer, answers) {
        (Some(answer), _) => vec![("answer".to_owned(), answer)],
        (None, answers) => answers
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(at, answer)| (format!("answers[{at}]"), answer))
            .collect(),
    };
    let is_switch = known.is_some_and(|known| known.is_switch);
    let does = match (error, exec) {
        (Some(code), _) => {
            check_code(known, &code)?;
            Does::Fail { code, description: description.unwrap_or_default() }
        }
        (None, Some(exec)) => Does::Exec(words(&exec).map_err(|mistake| mistake.at("exec"))?),
        (None, None) if close => Does::Close,
        (None, None) if is_switch => {
            return Err(Mistake::new("a protocol switch has one of exec, error and close"));
        }
        (None, None) => {
            let texts = answers.into_iter().map(|(place, answer)| {
                let json = json_of(answer);
                let read = answer_of(&json, known, Opening::trial(&Inputs::default()));
                read.map(|_| json).map_err(|mistake| mistake.at(&place))
            });
            let texts = texts.collect::<Result<Vec<_>, _>>()?;
            if texts.is_empty() {
                return Err(Mistake::new("answers: there is none"));
            }
            Does::Answer(texts)
        }
    };
    let delay = written.delay.as_deref().map_or(Ok(Duration::ZERO), duration);
    let delay = delay.map_err(|error| Mistake::new(error).at("delay"))?;
    let calls = written.call.into_iter();
    let calls = calls.map(|call| Line::of_json(call.command, json_of(call.arguments))).collect();
    let used = AtomicU64::new(0);
    let times = written.times;
    Ok(Rule { place, command, when, does, delay, calls, is_switch, times, used })
}

fn check_code(known: Option<&CommandSchema>, code: &str) -> Result<(), Mistake> {
    let Some(errors) = known.and_then(|known| known.errors()) else { return Ok(()) };
    // Any command can fail with these.
    let all = errors.iter().map(|error| &*error.code).chain(["UNKNOWN", "UNHANDLED"]);
    if all.clone().any(|declared| declared == code) {
        return Ok(());
    }
    Err(no_such("error", code, all).at("error"))
}

fn values_of(
    json: &str,
    schema: &BoxSchema,
    mut opening: Opening,
) -> Result<(Values, Emptied), Mistake> {
    let mut attach = |json: &str| opening.attach(json);
    let values = Values::from_json_with(&Scope::new(schema), json, &mut attach)?;
    Ok((values, opening.into_emptied()))
}

/// The answer that this JSON is, which fits into a box.
fn answer_of(
    json: &str,
    known: Option<&CommandSchema>,
    opening: Opening,
) -> Result<(Values, Emptied), Mistake> {
    let response = response_of(known);
    let (values, emptied) = values_of(json, &response, opening)?;
    encoded(&values, &response)?;
    Ok((values, emptied))
}

fn answer(json: &str, known: Option<&CommandSchema>) -> Result<Reply, Mistake> {
    let (values, emptied) = answer_of(json, known, Opening::default())?;
    Ok(Reply::Answer(values, emptied))
}

/// Refuses descriptors among values that calls are compared with.
fn without_descriptors(values: &Values) -> Result<(), Mistake> {
    fn has_some(value: &Value) -> bool {
        match value {
            Value::Attachment(_) => true,
            Value::List(items) => items.iter().any(has_some),
            Value::Box(values) => values.iter().any(|(_, value)| has_some(value)),
            _ => false,
        }
    }
    match values.iter().find(|(_, value)| has_some(value)) {
        None => Ok(()),
        Some((name, _)) => {
            let what = "a Descriptor is another one each time, and fits no rule";
            Err(Mistake::new(what).at(name))
        }
    }
}

fn json_of(table: toml::Table) -> String {
    json_of_value(toml::Value::Table(table)).to_string()
}

fn json_of_value(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(integer) => json!(integer),
        toml::Value::Float(float) if float.is_nan() => json!("nan"),
        toml::Value::Float(float) if float.is_infinite() => {
            json!(if float > 0.0 { "inf" } else { "-inf" })
        }
        toml::Value::Float(float) => json!(float),
        toml::Value::Boolean(boolean) => json!(boolean),
        toml::Value::Datetime(date) => json!(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json_of_value).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(name, value)| (name, json_of_value(value))).collect()
        }
    }
}

/// The JSON that a program prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Printed<'a> {
    #[serde(borrow)]
    answer: Option<&'a serde_json::value::RawValue>,
    error: Option<String>,
    description: Option<String>,
}

/// Lets a program answer: it reads the call as JSON, and prints the answer as JSON.
async fn run(
    words: &[String],
    command: &str,
    known: Option<&CommandSchema>,
    arguments: &Values,
    peer: &Peer,
) -> Reply {
    let (name, arguments) = (json_text(command), descriptors::json(arguments));
    let call = format!("{{\"command\": {name}, \"arguments\": {arguments}}}\n");
    let printed = match programs::printed(words, call, peer.id()).await {
        Ok(printed) => printed,
        Err(error) => return failed(format_args!("{}: {}", words[0], Report::new(&error))),
    };
    let wrong =
        |what: &dyn std::fmt::Display| failed(format_args!("{} has printed: {what}", words[0]));
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let read = match serde_json::from_str::<Printed<'_>>(&printed) {
        Ok(read) => read,
        Err(error) => return wrong(&error),
    };
    match read {
        Printed { answer: Some(json), error: None, description: None } => {
            answer(json.get(), known).unwrap_or_else(|mistake| wrong(&mistake.at("answer")))
        }
        Printed { answer: None, error: Some(code), description } => {
            Reply::Fail(RemoteError::new(code, description.unwrap_or_default()))
        }
        _ => wrong(&r#"it is {"answer": {..}} or {"error": CODE, "description": TEXT}"#),
    }
}

/// Says what has gone wrong here, of which the peer learns no more than that.
fn failed(said: fmt::Arguments<'_>) -> Reply {
    tell(said);
    Reply::Fail(RemoteError::new("UNKNOWN", "Unknown Error"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    /// They start programs, each time that they are read.
    #[test]
    fn rules_that_others_write_later_are_not_taken_from_a_profile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules");
        let write = |rule: &str, mode| {
            fs::write(&path, format!("[[rule]]\ncommand = \"A\"\n{rule}\n")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        let schema = "command A\n  errors\n    MINE\n    THEIRS\n".parse().unwrap();
        let schema = Arc::new(schema);
        for is_named in [true, false] {
            write("answer = {}", 0o644);
            let rules = Rules::load(&path, is_named, &schema, &Hidden::default()).unwrap();
            let is_answered = || matches!(rules.current()[0].does, Does::Answer(_));
            write("error = \"THEIRS\"", 0o666);
            assert_eq!(is_answered(), is_named);
            write("error = \"MINE\"", 0o644);
            assert!(!is_answered());
        }
    }
}
