//! A call as one line: JSON, or words as on the command line.

use amp_core::Peer;
use amp_core::dynamic::{Scope, Values};
use amp_core::schema::Schema;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

use crate::ask::{Ask, Outcome, exit_code};
use crate::exit::Failure;
use crate::hide::Hidden;
use crate::mistake::Mistake;
use crate::opening::Opening;
use crate::schemas::{arguments_of, find};

pub(crate) struct Line {
    pub(crate) command: String,
    written: Written,
    one_way: bool,
}

enum Written {
    Json(String),
    Words(Vec<String>),
}

/// A call as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json<'a> {
    command: String,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(default)]
    one_way: bool,
}

impl Line {
    /// Returns whether a line says nothing.
    pub(crate) fn is_empty(text: &str) -> bool {
        let text = text.trim_start();
        text.is_empty() || text.starts_with('#')
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        const FORMS: &str =
            "a call is {\"command\": NAME, \"arguments\": {..}} or NAME KEY=VALUE...";
        if text.trim_start().starts_with('{') {
            let read = serde_json::from_str::<Json<'_>>(text);
            let json = read.map_err(|error| Mistake::new(format!("{error}: {FORMS}")))?;
            let arguments = json.arguments.map_or("{}", RawValue::get).to_owned();
            let written = Written::Json(arguments);
            return Ok(Self { command: json.command, written, one_way: json.one_way });
        }
        let words = shell_words::split(text);
        let mut words = words.map_err(|error| Mistake::new(format!("{error}: {FORMS}")))?;
        if words.is_empty() {
            return Err(Mistake::new(FORMS));
        }
        let command = words.remove(0);
        Ok(Self { command, written: Written::Words(words), one_way: false })
    }

    /// A call whose arguments are an object of JSON.
    pub(crate) fn of_json(command: String, arguments: String) -> Self {
        Self { command, written: Written::Json(arguments), one_way: false }
    }

    /// The call, once its arguments fit the schema. What is wrong with hidden ones is not said.
    pub(crate) fn ask(
        &self,
        schema: &Schema,
        has_schema: bool,
        mut opening: Opening,
        hidden: &Hidden,
    ) -> Result<Ask, Mistake> {
        let Self { command, written, one_way } = self;
        let known = find(schema, has_schema, command)?;
        let ask = match written {
            Written::Words(words) => Ask::new(command, known, words, Values::new(), opening),
            Written::Json(text) => {
                let arguments = arguments_of(known);
                let mut attach = |json: &str| opening.attach(json);
                Values::from_json_with(&Scope::new(&arguments), text, &mut attach)
                    .map_err(Mistake::from)
                    .and_then(|given| Ask::given(command, known, given, opening))
            }
        };
        let hidden = hidden.and_secrets_of(known);
        let ask = ask.map_err(|mistake| hidden.mistake(mistake).at(command))?;
        if ask.is_switch {
            let what = "it asks for a protocol switch, which only `ampctl call` makes";
            return Err(Mistake::new(what).at(command));
        }
        Ok(if *one_way { ask.one_way() } else { ask })
    }
}

/// Makes a call that has to be answered before any other.
pub(crate) async fn log_in(
    ask: Ask,
    peer: &Peer,
    within: Duration,
    hidden: &Hidden,
) -> Result<(), Failure> {
    let (command, declared) = (ask.command.clone(), ask.declared());
    match ask.make(peer, within, hidden).await {
        Ok(Outcome::Refused(error)) => {
            let said = format!("--before: {command}: {error}");
            Err(Failure::new(exit_code(&error, &declared), said))
        }
        Ok(Outcome::Sent | Outcome::Answered(..)) => Ok(()),
        Err(failure) => Err(failure),
    }
}
