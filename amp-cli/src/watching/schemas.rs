use amp_core::argument::Extensions;
use amp_core::boxes::BoxReader;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, CommandSchema, Schema};
use amp_core::{AmpBox, PeerAddress, Proto, keys};
use std::collections::HashMap;

use super::arrived::Arrived;
use crate::hide::Hidden;
use crate::on_line::name_of;

/// The bytes of memory that the values of one box may take: as many as a connection allows which
/// takes the largest boxes.
const DECODED_BYTES: usize = 64 << 20;

/// The schemas of the boxes to come, whoever exchanges them.
pub(crate) struct Schemas {
    commands: HashMap<String, Known>,
    /// The keys that are hidden whatever the command is, and those that are secret in any: where nobody knows
    /// of which command a box is. Items of streams are of any.
    all_hidden: Hidden,
    extensions: Extensions,
}

/// A command as it is known.
struct Known {
    schema: CommandSchema,
    /// Keys whose values are not shown.
    hidden: Hidden,
}

/// The values of a box.
pub(super) struct Understood {
    pub(super) values: Values,
    /// The keys whose values are not shown.
    pub(super) hidden: Vec<String>,
    /// Why they are not what the schema says.
    pub(super) problem: Option<String>,
}

impl Schemas {
    pub(crate) fn new(schema: &Schema, hidden: &[String]) -> Self {
        let hidden = Hidden::new(hidden);
        let known = |(name, command): (&str, &CommandSchema)| {
            let hidden = hidden.and_secrets_of(Some(command));
            let mut schema = command.clone();
            for known in [&mut schema.arguments, &mut schema.response] {
                // Whatever else is in a box is to be seen too.
                known.is_strict = false;
                known.extend(BoxSchema::unknown_type(""));
            }
            (name.to_owned(), Known { schema, hidden })
        };
        let commands = schema.commands().map(known).collect();
        let all_hidden = hidden.and_secrets_of(schema.commands().map(|(_, command)| command));
        Self { commands, all_hidden, extensions: Extensions::default() }
    }

    /// Returns whether there is anything that is not shown.
    pub(crate) fn hide_something(&self) -> bool {
        !self.all_hidden.is_empty()
    }

    fn command(&self, name: &[u8]) -> Option<&Known> {
        self.commands.get(str::from_utf8(name).ok()?)
    }

    /// Returns whether boxes are over once a call of this command is answered.
    pub(super) fn is_switch(&self, command: &[u8]) -> bool {
        command == b"StartTLS" || self.command(command).is_some_and(|known| known.schema.is_switch)
    }

    /// The arguments of a call.
    pub(super) fn arguments(&self, name: &[u8], ampbox: &AmpBox, arrived: &Arrived) -> Understood {
        match self.command(name) {
            None => self.anything(ampbox),
            Some(Known { schema, hidden }) => {
                self.understand(&schema.arguments, hidden, ampbox, arrived)
            }
        }
    }

    /// The arguments of an answer.
    pub(super) fn response(&self, name: &[u8], ampbox: &AmpBox, arrived: &Arrived) -> Understood {
        match self.command(name) {
            None => self.anything(ampbox),
            Some(Known { schema, hidden }) => {
                self.understand(&schema.response, hidden, ampbox, arrived)
            }
        }
    }

    /// A box that no schema is about, or that is of nobody knows which command.
    pub(super) fn anything(&self, ampbox: &AmpBox) -> Understood {
        without(&self.all_hidden, ampbox)
    }

    /// Returns whether a description of an error has in it what is not shown. It may be one of any command
    /// where that is not known.
    pub(super) fn hide_description(&self, command: Option<&[u8]>, description: &str) -> bool {
        let known = command.and_then(|name| self.command(name));
        known.map_or(&self.all_hidden, |known| &known.hidden).has_description(description)
    }

    fn understand(
        &self,
        schema: &BoxSchema,
        hidden: &Hidden,
        ampbox: &AmpBox,
        arrived: &Arrived,
    ) -> Understood {
        let mut arrived = arrived;
        let mut proto = Proto::new(&mut arrived, &PeerAddress::Unknown, &self.extensions)
            .with_decoded_bytes(DECODED_BYTES);
        match Values::read_from(schema, &mut BoxReader::new(ampbox), &mut proto) {
            Ok(mut values) => {
                let hidden = hidden.take_out(&mut values);
                Understood { values, hidden, problem: None }
            }
            Err(error) => {
                let mut values = as_they_are(ampbox);
                let taken_out = hidden.take_out_of_misfit(&mut values, schema);
                let problem = Some(hidden.misfit(&error, schema));
                Understood { values, hidden: taken_out, problem }
            }
        }
    }
}

/// A box as it is, but for what is hidden.
fn without(hidden: &Hidden, ampbox: &AmpBox) -> Understood {
    let mut values = as_they_are(ampbox);
    let hidden = hidden.take_out(&mut values);
    Understood { values, hidden, problem: None }
}

/// Each pair that is not the protocol's own, as bytes.
fn as_they_are(ampbox: &AmpBox) -> Values {
    let pairs = ampbox.iter().filter(|(key, _)| !keys::is_reserved(key));
    pairs.map(|(key, value)| (name_of(key), Value::Bytes(value.to_vec().into()))).collect()
}
