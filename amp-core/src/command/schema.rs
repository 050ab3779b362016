//! How the schemas of commands are made.

use std::any::type_name;

use super::{Arguments, Command, CommandError};
use crate::schema::{BoxSchema, CommandSchema, InnerBox, Schema, WireType, WireTypes, lines_of};

impl Schema {
    /// Adds the command `C`.
    ///
    /// # Panics
    ///
    /// When another command of this name is there.
    #[track_caller]
    pub fn add<C: Command>(&mut self) {
        let new = CommandSchema::of::<C>();
        if let Some(other) = self.commands.insert(C::NAME.to_owned(), new.clone()) {
            let seen = type_name::<C>();
            assert!(other == new, "two different commands are named {:?}, one is {seen}", C::NAME);
        }
    }
}

impl CommandSchema {
    /// Returns the schema of the command `C`.
    pub fn of<C: Command>() -> Self {
        let mut types = WireTypes::default();
        let arguments = types.arguments::<C>();
        let response = types.arguments::<C::Response>();
        Self {
            docs: lines_of(C::DOCS),
            requires_answer: C::REQUIRES_ANSWER,
            is_switch: C::IS_SWITCH,
            is_idempotent: C::IS_IDEMPOTENT,
            ..Self::new(arguments, response)
        }
        .with_errors(<C::Error as CommandError>::schema())
        .with_secrets(types.into_secrets())
    }
}

impl BoxSchema {
    /// Returns the schema of the arguments `T`.
    pub fn of<T: Arguments>() -> Self {
        WireTypes::default().arguments::<T>()
    }
}

impl WireTypes {
    /// Returns the type on the wire of a value that is one box of `T`.
    pub fn ampbox<T: Arguments>(&mut self) -> WireType {
        WireType::Box(self.inner::<T>())
    }

    /// Returns the type on the wire of an `AmpList` of `T`.
    pub fn amp_list<T: Arguments>(&mut self) -> WireType {
        WireType::AmpList(self.inner::<T>())
    }

    fn inner<T: Arguments>(&mut self) -> InnerBox {
        match self.box_around(type_name::<T>()) {
            Some(around) => InnerBox::Outer(around),
            None => InnerBox::Of(self.arguments::<T>()),
        }
    }

    fn arguments<T: Arguments>(&mut self) -> BoxSchema {
        let mut schema = self.within_box(type_name::<T>(), T::schema);
        schema.is_strict = T::IS_STRICT;
        schema
    }
}
