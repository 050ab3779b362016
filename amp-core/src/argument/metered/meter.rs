//! How much may be made, and what is around a value.

use std::any::type_name;
use std::cell::Cell;

use serde::de::Error;

use crate::argument::DecodeError;
use crate::argument::budget::Budget;
use crate::argument::buffered::{Buffered, Seen, Size, is_read_once};
use crate::argument::proto::TooDeep;
use crate::stack;

/// What is left of a budget, for all that deserializes one value.
pub(crate) struct Meter {
    pub(super) left: Cell<usize>,
    /// Where the stack was at the beginning.
    pub(super) base: usize,
    /// How deep lists and maps may be nested.
    pub(super) levels: usize,
    /// What was spent on buffers of serde's that are there still.
    pub(super) buffers: Cell<usize>,
    /// What the last buffer is, by its type's name.
    pub(super) buffer: Cell<&'static str>,
    /// What the last value is that was read into a buffer.
    pub(super) seen: Cell<(Seen, Size)>,
    /// How many rows may be read still that are taken for no more than they show.
    pub(super) rows: Cell<usize>,
    pub(super) refused: Cell<Option<Refused>>,
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Memory,
    Levels,
    Stack,
}

impl Meter {
    /// `base` is where the stack was at the beginning of the box, and `levels` how deep lists and
    /// maps may be nested.
    pub(crate) fn new(budget: &Budget, base: usize, levels: usize) -> Self {
        Self {
            left: Cell::new(budget.left()),
            base,
            levels,
            buffers: Cell::new(0),
            buffer: Cell::new(""),
            seen: Cell::default(),
            rows: Cell::new(budget.rows()),
            refused: Cell::new(None),
        }
    }

    /// What was read, or why it was not; an error of its own when the budget or the stack was the
    /// reason. What was spent is taken from `budget`.
    pub(crate) fn outcome<T, E>(
        &self,
        read: Result<T, E>,
        budget: &mut Budget,
    ) -> Result<Result<T, E>, DecodeError> {
        budget.set_left(self.left.get());
        budget.set_rows(self.rows.get());
        match (read, self.refused.get()) {
            (Err(_), Some(Refused::Memory)) => Err(budget.refuse()),
            (Err(_), Some(Refused::Levels)) => Err(TooDeep::Levels.into()),
            (Err(_), Some(Refused::Stack)) => Err(TooDeep::Stack.into()),
            (read, _) => Ok(read),
        }
    }

    /// Spends from the budget what is made through `deserializer` for a `T`, for which there is a
    /// place.
    pub(crate) fn deserializer<T, D>(&self, deserializer: D) -> Metered<'_, D> {
        let at = At {
            place: size_of::<T>(),
            level: 0,
            levels: self.levels,
            entered: stack::position(),
            buffered: None,
        };
        Metered { inner: deserializer, meter: self, at }
    }

    pub(super) fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        self.grow(0, bytes)
    }

    /// What has `from` bytes is moved to a place of `to` bytes: for a moment there are both.
    pub(super) fn grow<E: Error>(&self, from: usize, to: usize) -> Result<(), E> {
        let left = self.left.get();
        if to > left {
            return Err(self.refuse(Refused::Memory));
        }
        self.left.set(left - to + from);
        Ok(())
    }

    /// Notes that `bytes` of what was spent is a buffer.
    pub(super) fn note(&self, buffered: Buffered, bytes: usize) {
        if buffered.is_of_serde {
            self.buffers.set(self.buffers.get() + bytes);
        }
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes);
    }

    /// Gives back what was spent on buffers but for the first so many bytes.
    pub(super) fn free_buffers(&self, but: usize) {
        self.give_back(self.buffers.get() - but);
        self.buffers.set(but);
    }

    pub(super) fn refuse<E: Error>(&self, refused: Refused) -> E {
        self.refused.set(Some(refused));
        E::custom("it takes too much memory")
    }
}

/// What is around a value.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// How many bytes the place has that the value is put into.
    pub(super) place: usize,
    /// In how many lists and maps the value is, and in how many it may be.
    pub(super) level: usize,
    pub(super) levels: usize,
    /// Where the stack was when serde, or the type that is read, was asked for the value.
    pub(super) entered: usize,
    /// What serde buffers the value for, if it does.
    pub(super) buffered: Option<Buffered>,
}

/// What serde goes through, within a budget.
pub(crate) struct Metered<'m, T> {
    pub(super) inner: T,
    pub(super) meter: &'m Meter,
    pub(super) at: At,
}

impl<'m, T> Metered<'m, T> {
    pub(super) fn with<U>(&self, inner: U) -> Metered<'m, U> {
        Metered { inner, meter: self.meter, at: self.at }
    }

    pub(super) fn seed<S>(&self, seed: S, place: usize) -> Metered<'m, S> {
        Metered { inner: seed, meter: self.meter, at: At { place, ..self.at } }
    }

    /// Goes into a list or a map.
    pub(super) fn deeper<E: Error>(&mut self) -> Result<(), E> {
        if self.at.level == self.at.levels {
            let all = self.at.levels == self.meter.levels;
            return Err(self.meter.refuse(if all { Refused::Levels } else { Refused::Stack }));
        }
        self.at.entered = stack::position();
        if stack::is_exhausted(self.meter.base) {
            return Err(self.meter.refuse(Refused::Stack));
        }
        self.at.level += 1;
        if let Some(buffered) = &mut self.at.buffered {
            buffered.level += 1;
        }
        Ok(())
    }

    /// What is read here is a `V` that asks to be told what the value is. Unless it is known to look
    /// at it once, it is taken for a buffer.
    pub(super) fn any<V>(&mut self) {
        if is_read_once::<V>() || self.at.buffered.is_some() {
            return;
        }
        let buffered = Buffered::new::<V>(self.at.place);
        let levels = buffered.levels(self.meter.base, self.at.entered);
        self.at.levels = self.at.levels.min(self.at.level.saturating_add(levels));
        self.at.buffered = Some(buffered);
        self.meter.buffer.set(type_name::<V>());
    }
}
