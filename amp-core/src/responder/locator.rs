use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Question;
use super::clash::{Origin, ResponderClash};
use crate::boxes::{AmpBox, Kind};
use crate::panics::caught;

/// A responder at work, or `None` when it is already done.
pub(crate) type Responding = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Makes a responder of another one.
pub(crate) type Wrap<'a> = &'a dyn Fn(&Arc<dyn AnyResponder>) -> Arc<dyn AnyResponder>;

/// A responder whose command is known only to itself.
pub(crate) trait AnyResponder: Send + Sync {
    /// Returns whether it can agree to a protocol switch.
    fn is_switch(&self) -> bool {
        false
    }

    /// Returns the same around what `make` makes of the responder in it; `None` unless it is around
    /// another one.
    fn around(&self, _make: Wrap<'_>) -> Option<Arc<dyn AnyResponder>> {
        None
    }

    fn respond(&self, question: Question, command: &[u8], ampbox: &AmpBox) -> Responding;
}

/// Finds the responder for the name of a command.
#[derive(Clone, Default)]
pub(crate) struct Locator {
    /// Names are looked up that a peer chooses, but it puts none in: their hash need not be strong.
    by_name: FxHashMap<Bytes, Named>,
    fallback: Option<Arc<dyn AnyResponder>>,
    fallback_switch: Option<FallbackSwitch>,
    /// Whether any of the responders can agree to a protocol switch.
    has_switches: bool,
}

/// The responder for one command.
#[derive(Clone)]
struct Named {
    origin: Origin,
    responder: Arc<dyn AnyResponder>,
}

/// Says by the name of a command whether that switches the protocol.
type IsSwitch = dyn Fn(&[u8]) -> bool + Send + Sync;

/// The responder for protocol switches that have none by name, and what says which those are.
#[derive(Clone)]
pub(super) struct FallbackSwitch {
    is_switch: Arc<IsSwitch>,
    responder: Arc<dyn AnyResponder>,
}

impl FallbackSwitch {
    pub(super) fn new(
        is_switch: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        responder: Arc<dyn AnyResponder>,
    ) -> Self {
        Self { is_switch: Arc::new(is_switch), responder }
    }

    /// Returns whether a call of this command, which wants an answer, asks for a switch.
    fn is_for(&self, command: &[u8]) -> bool {
        caught(|| (self.is_switch)(command)).unwrap_or(false)
    }
}

impl Locator {
    /// Adds a responder, in place of one for the same.
    pub(super) fn add(
        &mut self,
        command: Bytes,
        origin: Origin,
        responder: Arc<dyn AnyResponder>,
    ) -> Result<(), ResponderClash> {
        if let Some(other) = self.by_name.get(&command)
            && other.origin != origin
        {
            return Err(ResponderClash::of_command(&command, [other.origin, origin]));
        }
        self.has_switches |= responder.is_switch();
        self.by_name.insert(command, Named { origin, responder });
        Ok(())
    }

    pub(super) fn set_fallback(&mut self, responder: Arc<dyn AnyResponder>) {
        self.fallback = Some(responder);
    }

    pub(super) fn set_fallback_switch(&mut self, fallback: FallbackSwitch) {
        self.fallback_switch = Some(fallback);
        self.has_switches = true;
    }

    /// Adds those of another one, in place of those for the same.
    pub(super) fn add_all(&mut self, other: Self) -> Result<(), ResponderClash> {
        for (command, Named { origin, responder }) in other.by_name {
            self.add(command, origin, responder)?;
        }
        self.fallback = other.fallback.or(self.fallback.take());
        self.fallback_switch = other.fallback_switch.or(self.fallback_switch.take());
        self.has_switches |= self.fallback_switch.is_some();
        Ok(())
    }

    /// Adds those of another one, none of which may be there.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), ResponderClash> {
        for (command, Named { origin, .. }) in &other.by_name {
            if let Some(same) = self.by_name.get(command) {
                return Err(ResponderClash::of_command(command, [same.origin, *origin]));
            }
        }
        if self.fallback.is_some() && other.fallback.is_some() {
            return Err(ResponderClash::of_fallbacks("all other commands"));
        }
        if self.fallback_switch.is_some() && other.fallback_switch.is_some() {
            return Err(ResponderClash::of_fallbacks("all other protocol switches"));
        }
        self.add_all(other)
    }

    /// Makes another responder of each.
    pub(super) fn wrap(&mut self, make: Wrap<'_>) {
        let by_name = self.by_name.values_mut().map(|named| &mut named.responder);
        let switch = self.fallback_switch.as_mut().map(|switch| &mut switch.responder);
        for responder in by_name.chain(&mut self.fallback).chain(switch) {
            *responder = make(responder);
        }
    }

    /// Returns the names of the commands that have a responder of their own.
    pub(super) fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.by_name.keys()
    }

    /// Returns whether any call may lead to a protocol switch.
    pub(crate) fn has_switches(&self) -> bool {
        self.has_switches
    }

    /// Returns whether this box is a call that may lead to a protocol switch. Code of a user's may
    /// say so.
    pub(crate) fn is_switch(&self, ampbox: &AmpBox) -> bool {
        if !self.has_switches {
            return false;
        }
        let Kind::Call { command, ask: Some(_) } = ampbox.kind() else { return false };
        let command = ampbox.value_of(command);
        match self.by_name.get(command) {
            Some(named) => named.responder.is_switch(),
            None => self.fallback_switch.as_ref().is_some_and(|switch| switch.is_for(command)),
        }
    }

    /// Starts to answer. The responder's own code runs in here, and may panic.
    pub(crate) fn respond(
        &self,
        mut question: Question,
        command: &[u8],
        ampbox: &AmpBox,
    ) -> Responding {
        if let Some(named) = self.by_name.get(command) {
            #[cfg(feature = "metrics")]
            question.known();
            return named.responder.respond(question, command, ampbox);
        }
        if question.requires_answer()
            && let Some(switch) = &self.fallback_switch
            && switch.is_for(command)
        {
            return switch.responder.respond(question, command, ampbox);
        }
        let Some(fallback) = &self.fallback else {
            question.fail_unhandled();
            return None;
        };
        fallback.respond(question, command, ampbox)
    }
}
