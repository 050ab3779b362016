use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Question;
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
    pub(super) by_name: FxHashMap<Bytes, Arc<dyn AnyResponder>>,
    pub(super) fallback: Option<Arc<dyn AnyResponder>>,
    /// Whether any of the responders can agree to a protocol switch.
    pub(super) has_switches: bool,
}

impl Locator {
    /// Whether any call may lead to a protocol switch.
    pub(crate) fn has_switches(&self) -> bool {
        self.has_switches
    }

    /// Whether this call may lead to a protocol switch.
    pub(crate) fn is_switch(&self, call: &IncomingCall) -> bool {
        self.has_switches
            && call.tag().is_some()
            && self.by_name.get(call.command()).is_some_and(|responder| responder.is_switch())
    }

    /// Starts to answer. The responder's own code runs in here, and may panic.
    pub(crate) fn respond(
        &self,
        mut question: Question,
        command: &[u8],
        ampbox: &AmpBox,
    ) -> Responding {
        if let Some(responder) = self.by_name.get(command) {
            #[cfg(feature = "metrics")]
            question.known();
            return responder.respond(question, command, ampbox);
        }
        let Some(fallback) = &self.fallback else {
            question.fail_unhandled();
            return None;
        };
        fallback.respond(question, command, ampbox)
    }
}
