use amp_core::argument::Extensions;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, CommandSchema, Schema};
use amp_core::{AmpBox, BoxReader, PeerAddress, Proto, Report, keys};
use std::collections::{HashMap, HashSet};

use super::arrived::Arrived;
use super::hide::Hidden;
use super::name::name_of;

/// How many bytes of memory the values of one box may take: as many as a connection allows which
/// takes the largest boxes.
const DECODED_BYTES: usize = 64 << 20;

/// What is known beforehand of the boxes to come, whoever exchanges them.
pub(crate) struct Known {
    commands: HashMap<String, CommandSchema>,
    /// Keys whose values are not shown.
    hidden: HashSet<String>,
    extensions: Extensions,
}

/// The values of a box.
pub(super) struct Understood {
    pub(super) values: Values,
    /// Those of the keys whose values are not shown.
    pub(super) hidden: Vec<String>,
    /// Why they are not what the schema says.
    pub(super) problem: Option<String>,
}

impl Known {
    pub(crate) fn new(schema: &Schema, hidden: &[String]) -> Self {
        let mut commands: HashMap<_, _> =
            schema.commands().map(|(name, command)| (name.to_owned(), command.clone())).collect();
        for command in commands.values_mut() {
            for known in [&mut command.arguments, &mut command.response] {
                // Whatever else is in a box is to be seen too.
                known.strict = false;
                known.unknown = vec![String::new()];
            }
        }
        let hidden = hidden.iter().cloned().collect();
        Self { commands, hidden, extensions: Extensions::default() }
    }

    fn command(&self, name: &[u8]) -> Option<&CommandSchema> {
        self.commands.get(str::from_utf8(name).ok()?)
    }

    /// Whether boxes are over once a call of this command is answered.
    pub(super) fn is_switch(&self, command: &[u8]) -> bool {
        command == b"StartTLS" || self.command(command).is_some_and(|command| command.is_switch)
    }

    /// The arguments of a call.
    pub(super) fn arguments(&self, name: &[u8], ampbox: &AmpBox, arrived: &Arrived) -> Understood {
        let command = self.command(name);
        self.understand(command, command.map(|known| &known.arguments), ampbox, arrived)
    }

    /// The arguments of an answer.
    pub(super) fn response(
        &self,
        name: Option<&[u8]>,
        ampbox: &AmpBox,
        arrived: &Arrived,
    ) -> Understood {
        let command = name.and_then(|name| self.command(name));
        self.understand(command, command.map(|known| &known.response), ampbox, arrived)
    }

    /// A box that no schema is about.
    pub(super) fn anything(&self, ampbox: &AmpBox) -> Understood {
        let values = as_they_are(ampbox);
        self.without_hidden(None, values, None)
    }

    fn understand(
        &self,
        command: Option<&CommandSchema>,
        schema: Option<&BoxSchema>,
        ampbox: &AmpBox,
        arrived: &Arrived,
    ) -> Understood {
        let Some(schema) = schema else {
            return self.without_hidden(command, as_they_are(ampbox), None);
        };
        let mut arrived = arrived;
        let mut proto = Proto::new(&mut arrived, &PeerAddress::Unknown, &self.extensions)
            .with_decoded_bytes(DECODED_BYTES);
        let error = match Values::from_box(schema, &mut BoxReader::new(ampbox), &mut proto) {
            Ok(values) => return self.without_hidden(command, values, None),
            Err(error) => error,
        };
        let mut values = as_they_are(ampbox);
        let around = self.hidden_of(command).around(schema);
        let mut hidden = Hidden { anywhere: &around, of_command: &[] }.take_out(&mut values);
        let mut understood = self.without_hidden(command, values, None);
        understood.hidden.append(&mut hidden);
        // The message shows a value.
        let place = error.argument().split(['.', '[']).next().unwrap_or_default();
        understood.problem = Some(if understood.hidden.iter().any(|hidden| hidden == place) {
            format!("argument {}: a hidden value does not fit", error.argument())
        } else {
            Report(&error).to_string()
        });
        understood
    }

    fn hidden_of<'a>(&'a self, command: Option<&'a CommandSchema>) -> Hidden<'a> {
        let of_command = command.map_or(&[][..], |command| &command.secrets);
        Hidden { anywhere: &self.hidden, of_command }
    }

    fn without_hidden(
        &self,
        command: Option<&CommandSchema>,
        mut values: Values,
        problem: Option<String>,
    ) -> Understood {
        let hidden = self.hidden_of(command).take_out(&mut values);
        Understood { values, hidden, problem }
    }
}

/// Each pair that is not the protocol's own, as bytes.
fn as_they_are(ampbox: &AmpBox) -> Values {
    let pairs = ampbox.iter().filter(|(key, _)| !keys::is_reserved(key));
    pairs.map(|(key, value)| (name_of(key), Value::Bytes(value.to_vec().into()))).collect()
}
