use std::sync::Arc;

use super::Responders;
use super::locator::{AnyResponder, Responding, Wrap};
use super::question::Question;
use crate::boxes::AmpBox;

impl<S> Responders<S> {
    /// Tells the peer why a call has failed with `UNKNOWN`. This applies to the responders that the set has so far,
    /// also to the fallback. Use it in tests, or if the peers are your own.
    ///
    /// Without it, the peer gets only `Unknown Error`, and a reference to the event in this side's log. With it, the
    /// cause follows, cut after 1000 bytes:
    ///
    /// - the name of an argument that is missing or cannot be read;
    /// - the name and length of a value of the response that is too long;
    /// - what the responder's error displays, with all its causes;
    /// - the message of a panic.
    ///
    /// Values that the peer has sent are not shown. But an error may tell things that a stranger should not know,
    /// such as paths, addresses, or parts of requests to others. `amp_core::testing::call_remote` and `Script` tell
    /// causes in any case.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use amp_core::{CallError, Command, Context, Failure, NoError, Responders, testing};
    ///
    /// # #[derive(Command)] struct Load {}
    /// async fn load(_: Context, _: Load) -> Result<(), Failure<NoError>> {
    ///     Err("the disk is full".into())
    /// }
    ///
    /// let responders = Responders::new(()).try_respond(load).tell_causes();
    /// let (peer, _there) = testing::pair(Responders::new(()), responders);
    /// let Err(CallError::Remote(error)) = peer.call_remote(Load {}).await else { panic!() };
    /// assert!(error.description.ends_with("): the disk is full"));
    /// # }
    /// ```
    pub fn tell_causes(mut self) -> Self {
        self.wrap(&telling);
        self
    }
}

fn telling(responder: &Arc<dyn AnyResponder>) -> Arc<dyn AnyResponder> {
    Arc::new(Telling(Arc::clone(responder)))
}

/// A responder whose failures are told.
struct Telling(Arc<dyn AnyResponder>);

impl AnyResponder for Telling {
    fn is_switch(&self) -> bool {
        self.0.is_switch()
    }

    fn around(&self, make: Wrap<'_>) -> Option<Arc<dyn AnyResponder>> {
        Some(Arc::new(Self(make(&self.0))))
    }

    fn respond(&self, mut question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        question.tell_causes();
        self.0.respond(question, command, ampbox)
    }
}
