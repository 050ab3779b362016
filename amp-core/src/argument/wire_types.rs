//! How the schema of one type gets those of the types inside of it.

use std::any::type_name;

use super::Argument;
use crate::schema::{WireType, WireTypes};

impl WireTypes {
    /// Returns the type on the wire of a value of type `T`.
    pub fn of<T: Argument>(&mut self) -> WireType {
        let type_name = type_name::<T>();
        // A type that contains itself in a box is found there, on its second way through here.
        if self.values_around(type_name) > 1 {
            return WireType::named("Itself");
        }
        self.within_value(type_name, T::wire_type)
    }

    /// Returns the type on the wire of a list of `T`: a `ListOf`, unless the type has a list form of
    /// its own.
    pub fn list_of<T: Argument>(&mut self) -> WireType {
        T::list_wire_type(self)
    }
}
