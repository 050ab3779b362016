use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Question;
use super::clash::{Clash, Origin};
use crate::boxes::AmpBox;
use crate::proto::IncomingCall;

/// A responder at work, or `None` when it is already done.
pub(crate) type Responding = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Makes a responder of another one.
pub(super) type Wrap<'a> = &'a dyn Fn(&Arc<dyn AnyResponder>) -> Arc<dyn AnyResponder>;

/// A responder whose command is known only to itself.
pub(super) trait AnyResponder: Send + Sync {
    /// Whether it can agree to a protocol switch.
    fn is_switch(&self) -> bool {
        false
    }

    /// The same around what `make` makes of the responder in it; `None` unless it is around another
    /// one.
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
    /// Whether any of the responders can agree to a protocol switch.
    has_switches: bool,
}

/// The responder for one command.
#[derive(Clone)]
struct Named {
    origin: Origin,
    responder: Arc<dyn AnyResponder>,
}

impl Locator {
    /// Adds a responder, in place of one for the same.
    pub(super) fn add(
        &mut self,
        command: Bytes,
        origin: Origin,
        responder: Arc<dyn AnyResponder>,
    ) -> Result<(), Clash> {
        if let Some(other) = self.by_name.get(&command)
            && other.origin != origin
        {
            return Err(Clash::of_command(&command, [other.origin, origin]));
        }
        self.has_switches |= responder.is_switch();
        self.by_name.insert(command, Named { origin, responder });
        Ok(())
    }

    pub(super) fn set_fallback(&mut self, responder: Arc<dyn AnyResponder>) {
        self.fallback = Some(responder);
    }

    /// Adds those of another one, in place of those for the same.
    pub(super) fn add_all(&mut self, other: Self) -> Result<(), Clash> {
        for (command, Named { origin, responder }) in other.by_name {
            self.add(command, origin, responder)?;
        }
        self.fallback = other.fallback.or(self.fallback.take());
        Ok(())
    }

    /// Adds those of another one, none of which may be there.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), Clash> {
        for (command, Named { origin, .. }) in &other.by_name {
            if let Some(same) = self.by_name.get(command) {
                return Err(Clash::of_command(command, [same.origin, *origin]));
            }
        }
        if self.fallback.is_some() && other.fallback.is_some() {
            return Err(Clash::of_fallbacks());
        }
        self.add_all(other)
    }

    /// Makes another responder of each.
    pub(super) fn wrap(&mut self, make: Wrap<'_>) {
        let by_name = self.by_name.values_mut().map(|named| &mut named.responder);
        for responder in by_name.chain(&mut self.fallback) {
            *responder = make(responder);
        }
    }

    /// The names of the commands that have a responder of their own.
    pub(super) fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.by_name.keys()
    }

    /// Whether any call may lead to a protocol switch.
    pub(crate) fn has_switches(&self) -> bool {
        self.has_switches
    }

    /// Whether this call may lead to a protocol switch.
    pub(crate) fn is_switch(&self, call: &IncomingCall) -> bool {
        self.has_switches
            && call.tag().is_some()
            && self.by_name.get(call.command()).is_some_and(|named| named.responder.is_switch())
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
        let Some(fallback) = &self.fallback else {
            question.fail_unhandled();
            return None;
        };
        fallback.respond(question, command, ampbox)
    }
}
