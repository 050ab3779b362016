use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::Responders;
use super::locator::{AnyResponder, Responding, Wrap};
use super::question::Question;
use crate::boxes::AmpBox;

impl<S: Send + Sync + 'static> Responders<S> {
    /// Ends the responders that the set has so far, including the fallback, with their connection. When
    /// the connection has ended, responders that have not answered are dropped where they wait.
    ///
    /// Without this, a responder runs to its end whatever becomes of the connection. It may be in the
    /// middle of something that must be done completely or not at all, and it can learn of the end from
    /// [`Context::closed`](crate::Context::closed). But a responder that only finds something out then
    /// works for nobody, and takes memory until it has finished:
    /// [`outliving_responders`](crate::observing::outliving_responders) counts these.
    ///
    /// Responders of one-way commands are dropped too. Tasks that a responder has spawned go on, and so
    /// does what runs [after an answer](Responders::respond_then). A responder that blocks its thread is
    /// not stopped.
    ///
    /// ```
    /// use amp_core::{Command, Context, NoError, Responders};
    ///
    /// #[derive(Command)]
    /// struct NextEvent {}
    ///
    /// # async fn event() {}
    /// let responders = Responders::new(())
    ///     .respond(async |_: Context, _: NextEvent| {
    ///         event().await; // This may take for ever.
    ///         Ok::<(), NoError>(())
    ///     })
    ///     .end_with_connection();
    /// ```
    pub fn end_with_connection(mut self) -> Self {
        Arc::make_mut(&mut self.locator)
            .wrap(&|responder| Arc::new(WithConnection(Arc::clone(responder))));
        self
    }
}

/// A responder that does not outlive its connection.
struct WithConnection(Arc<dyn AnyResponder>);

impl AnyResponder for WithConnection {
    fn is_switch(&self) -> bool {
        self.0.is_switch()
    }

    fn around(&self, make: Wrap<'_>) -> Option<Arc<dyn AnyResponder>> {
        Some(Arc::new(Self(make(&self.0))))
    }

    fn respond(&self, question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        let peer = question.peer().clone();
        let mut responding = self.0.respond(question, command, ampbox)?;
        Some(Box::pin(async move {
            let mut closed = pin!(peer.closed());
            let mut waits = false;
            poll_fn(|cx| {
                // It is not gone on with, nor begun, where it had to wait for that.
                if waits && closed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                if responding.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                // Most are done by now, and never ask.
                if std::mem::replace(&mut waits, true) {
                    Poll::Pending
                } else {
                    closed.as_mut().poll(cx).map(drop)
                }
            })
            .await;
        }))
    }
}
