use std::collections::BTreeMap;

use super::{CommandSchema, Schema};
use crate::shorten::Shortened;

/// Two schemas that cannot be merged: each has a command of this name, and the two commands differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("both schemas have a command {}, and they differ", Shortened::new(.command))]
#[non_exhaustive]
pub struct SchemaClash {
    /// The name of the command.
    pub command: String,
}

impl Schema {
    /// Adds the commands of another schema, or nothing.
    ///
    /// # Errors
    ///
    /// When both have a command of one name, and the two commands differ.
    pub fn merge(&mut self, other: Schema) -> Result<(), SchemaClash> {
        let differs = |(name, command): &(&String, _)| {
            self.commands.get(*name).is_some_and(|known| known != *command)
        };
        if let Some((name, _)) = other.commands.iter().find(differs) {
            return Err(SchemaClash { command: name.clone() });
        }
        self.commands.extend(other.commands);
        Ok(())
    }

    /// Adds a command by its name, for schemas that are not made from types of this program.
    ///
    /// ```
    /// use amp_core::schema::{BoxSchema, CommandSchema, Schema, WireType};
    ///
    /// let mut arguments = BoxSchema::required("numerator", WireType::named("Integer"));
    /// arguments.extend(BoxSchema::required("denominator", WireType::named("Integer")));
    /// let response = BoxSchema::required("result", WireType::named("Float"));
    ///
    /// let mut schema = Schema::default();
    /// schema.insert("Divide", CommandSchema::new(arguments, response))?;
    /// assert_eq!(schema.to_string().parse::<Schema>()?, schema);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the schema has a different command of this name.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        command: CommandSchema,
    ) -> Result<(), SchemaClash> {
        self.merge(Schema { commands: BTreeMap::from([(name.into(), command)]) })
    }
}
