use std::sync::Arc;

use super::Responders;
use super::locator::{AnyResponder, Responding, Wrap};
use super::question::Question;
use crate::boxes::AmpBox;

impl<S> Responders<S> {
    /// Tells the peer why a call has failed with `UNKNOWN`, of the responders that the set has so far, the
    /// fallback included: where the other side is one's own, or a test.
    ///
    /// Without that the description of such a failure is `Unknown Error`, with the reference of the event in
    /// this side's log. With it the cause stands behind that, as in the event, and is cut behind 1000 bytes: an
    /// argument that is missing, or is no such value, by its name; a value of the response that is too
    /// long, by its name and length; what the error of the responder says, with all of its causes; and
    /// the message of a panic. Values that the peer has sent are not shown. What an error says may be for no
    /// stranger's eyes: paths, addresses, parts of requests to others. Responders that are called by
    /// `amp_core::testing::call_remote` or by a `Script` tell it anyway.
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
