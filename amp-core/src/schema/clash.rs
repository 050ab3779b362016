use super::Schema;
use crate::shorten::Shortened;

/// Two schemas that cannot be one: each has a command of this name, and they differ.
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
    /// When a command of one name is another one in both.
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
}
