use std::any::type_name;

use super::{BoxSchema, Inner, WireType};
use crate::argument::Argument;
use crate::command::Arguments;

/// What a type on the wire is made of: gives the [`WireType`] of one type to another that contains
/// it, also when types contain themselves.
///
/// An [`Argument`] by hand that is written as another type says so with
/// [`of`](WireTypes::of).
#[derive(Debug, Default)]
pub struct WireTypes {
    /// What is being described, from the outside to the inside.
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    type_name: &'static str,
    is_box: bool,
}

impl WireTypes {
    /// That of a value of type `T`.
    pub fn of<T: Argument>(&mut self) -> WireType {
        let type_name = type_name::<T>();
        // A type that contains itself in a box is found there, on its second way through here.
        let seen = self.frames.iter().filter(|frame| !frame.is_box && frame.type_name == type_name);
        if seen.count() > 1 {
            return WireType::named("Itself");
        }
        self.frames.push(Frame { type_name, is_box: false });
        let wire_type = T::wire_type(self);
        self.frames.pop();
        wire_type
    }

    /// That of a list of `T`: a `ListOf`, unless the type has a list form of its own.
    pub fn list_of<T: Argument>(&mut self) -> WireType {
        T::list_wire_type(self)
    }

    /// That of a value that is one box of `T`.
    pub fn ampbox<T: Arguments>(&mut self) -> WireType {
        WireType::Box(self.inner::<T>())
    }

    /// That of an `AmpList` of `T`.
    pub fn amp_list<T: Arguments>(&mut self) -> WireType {
        WireType::AmpList(self.inner::<T>())
    }

    pub(super) fn arguments<T: Arguments>(&mut self) -> BoxSchema {
        let mut schema = self.within(type_name::<T>(), T::schema);
        schema.strict = T::STRICT;
        schema
    }

    /// Describes a box.
    pub(crate) fn within<R>(
        &mut self,
        type_name: &'static str,
        describe: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.frames.push(Frame { type_name, is_box: true });
        let described = describe(self);
        self.frames.pop();
        described
    }

    fn inner<T: Arguments>(&mut self) -> Inner {
        let mut boxes = self.frames.iter().rev().filter(|frame| frame.is_box);
        match boxes.position(|frame| frame.type_name == type_name::<T>()) {
            Some(at) => Inner::Outer(at + 1),
            None => Inner::Of(self.arguments::<T>()),
        }
    }
}
