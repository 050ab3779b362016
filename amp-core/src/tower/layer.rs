//! Middleware around responders.
//!
//! The question is lent to the call that goes through the layers, to the responder. When they fail
//! or give up instead, it comes back here by being dropped, and is answered with their error.

use bytes::Bytes;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

use crate::boxes::AmpBox;
use crate::connection::{Peer, Polling};
use crate::keys;
use crate::panics::caught_future;
use crate::proto::RemoteError;
use crate::responder::{
    AnyResponder, ErrorCode, Question, Responders, Responding, Undeclared, Wrap,
};
use crate::shorten::Shortened;

type BoxedError = Box<dyn Error + Send + Sync>;

impl<S> Responders<S> {
    /// Puts middleware around all the responders that the set has so far, including the fallback, but not around those that
    /// are added later. Its limits are for all of them together, on all connections.
    ///
    /// The layer gets a [`LayeredResponder`], a service that answers a [`LayeredCall`] with its responder. It returns
    /// another service for the same calls, as tower's middleware does. Each call has a clone of that service, and waits
    /// until it is ready.
    ///
    /// If the service fails before the responder has answered, the call is answered with the code and description of the
    /// error if that is a [`RemoteError`]. Any other error is an undeclared failure. If the service drops the responder's
    /// future, for example because it took too long, the responder ends there. If the service hands the call to another
    /// task, as a buffer does, it is answered when that task is done with it.
    ///
    /// A call that waits for the service counts as a running responder: see
    /// [`Limits::running_responders`](field@crate::Limits::running_responders).
    #[doc(alias("Interceptor", "Middleware"))]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<LayeredResponder>,
        L::Service: Service<LayeredCall, Response = LayeredAnswer> + Clone + Send + 'static,
        <L::Service as Service<LayeredCall>>::Error: Into<Box<dyn Error + Send + Sync>>,
        <L::Service as Service<LayeredCall>>::Future: Send,
    {
        let service = Arc::new(Mutex::new(layer.layer(LayeredResponder)));
        self.wrap(&|responder| {
            let responder = Arc::clone(responder);
            Arc::new(Layered { responder, service: Arc::clone(&service) })
        });
        self
    }
}

/// A received call, on its way to its responder. So it only shows its parts, which a
/// [`ReceivedCall`](crate::ReceivedCall) has as fields.
///
/// If it is dropped, it goes back to the layers before it that have not given up. If there are none, the peer gets the code
/// `UNKNOWN`.
pub struct LayeredCall {
    command: Bytes,
    arguments: AmpBox,
    question: Question,
    responder: Arc<dyn AnyResponder>,
    error_code: ErrorCode,
}

impl LayeredCall {
    /// Returns the name of the command.
    pub fn command(&self) -> &[u8] {
        &self.command
    }

    /// Returns the arguments, without the protocol's own keys.
    pub fn arguments(&self) -> &AmpBox {
        &self.arguments
    }

    /// Returns the peer that calls.
    pub fn peer(&self) -> &Peer {
        self.question.peer()
    }

    /// Returns whether the peer wants an answer.
    pub fn requires_answer(&self) -> bool {
        self.question.requires_answer()
    }

    /// Answers in place of the responder. If the call asks for a protocol switch, it fails: only a responder can agree to
    /// one.
    pub fn answer(mut self, response: &AmpBox) -> LayeredAnswer {
        if self.question.asks_switch() {
            let why = "a layer has answered the call".to_owned();
            self.question.fail_undeclared(&Undeclared::Switch(why));
        } else {
            self.question.answer_box(response);
        }
        self.answered()
    }

    /// Answers with an error in place of the responder.
    pub fn fail(mut self, error: &RemoteError) -> LayeredAnswer {
        self.question.fail_with(&error.code, &error.description);
        self.answered()
    }

    fn answered(self) -> LayeredAnswer {
        LayeredAnswer { error_code: self.error_code.get().cloned().flatten() }
    }
}

impl fmt::Debug for LayeredCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredCall")
            .field("command", &Shortened::new(&self.command))
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}

/// The outcome of an answered call. The answer itself has gone to the peer.
#[derive(Debug)]
pub struct LayeredAnswer {
    error_code: Option<Bytes>,
}

impl LayeredAnswer {
    /// Returns the code of the error that the call was answered with; `None` when it succeeded.
    pub fn error_code(&self) -> Option<&[u8]> {
        self.error_code.as_deref()
    }
}

/// The service that runs responders: the innermost one of all layers.
///
/// It succeeds whenever its responder has answered, even with an error.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LayeredResponder;

impl Service<LayeredCall> for LayeredResponder {
    type Response = LayeredAnswer;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<LayeredAnswer, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: LayeredCall) -> Self::Future {
        let shared = Arc::clone(call.peer().shared());
        Box::pin(async move {
            let mut running = pin!(async {
                let LayeredCall { command, arguments, question, responder, error_code } = call;
                if let Some(responding) = responder.respond(question, &command, &arguments) {
                    responding.await;
                }
                let error_code = error_code.get().cloned();
                let error_code = error_code.ok_or("the responder is done and has not answered")?;
                Ok(LayeredAnswer { error_code })
            });
            poll_fn(|cx| {
                let _polling = Polling::by_middleware(&shared);
                running.as_mut().poll(cx)
            })
            .await
        })
    }
}

/// A responder with layers around it.
struct Layered<V> {
    responder: Arc<dyn AnyResponder>,
    service: Arc<Mutex<V>>,
}

impl<V> AnyResponder for Layered<V>
where
    V: Service<LayeredCall, Response = LayeredAnswer> + Clone + Send + 'static,
    V::Error: Into<BoxedError>,
    V::Future: Send,
{
    fn is_switch(&self) -> bool {
        self.responder.is_switch()
    }

    fn around(&self, make: Wrap<'_>) -> Option<Arc<dyn AnyResponder>> {
        let service = Arc::clone(&self.service);
        Some(Arc::new(Self { responder: make(&self.responder), service }))
    }

    fn respond(&self, question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        let (question, mut back, error_code) = question.lend();
        let mut arguments = ampbox.kept();
        for key in keys::RESERVED {
            arguments.remove(key);
        }
        let call = LayeredCall {
            command: Bytes::copy_from_slice(command),
            arguments,
            question,
            responder: Arc::clone(&self.responder),
            error_code,
        };
        let service = Arc::clone(&self.service);
        Some(Box::pin(async move {
            let ended = caught_future(async {
                let mut service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
                poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
                service.call(call).await.map_err(Into::into)
            })
            .await;
            // A question that comes back otherwise, or later, goes on to the layers around these.
            let error = match ended {
                Ok(Ok(_)) => return,
                Ok(Err(error)) => Ok(error),
                Err(panic) => Err(panic),
            };
            if let Ok(mut question) = back.try_recv() {
                match error.map(|error: BoxedError| error.downcast::<RemoteError>()) {
                    Ok(Ok(error)) => question.fail_with(&error.code, &error.description),
                    Ok(Err(error)) => question.fail_undeclared(&Undeclared::Responder(error)),
                    Err(panic) => question.fail_undeclared(&Undeclared::Panicked(panic)),
                }
            }
        }))
    }
}
