use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

use super::locator::{AnyResponder, Responding};
use super::own::Own;
use super::question::Question;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxWriter};
use crate::command::Arguments;
use crate::connection::Peer;
use crate::error::CallError;
use crate::keys::{ROUTE, START_TLS, UNKNOWN};
use crate::proto::RemoteError;
use crate::report::Report;
use crate::restraint::restrained;
use crate::shorten::Shortened;

/// A call that is received by a responder which does not know its command.
///
/// It belongs to the responder, so its parts are fields, which can be taken out of it.
#[doc(alias = "Proxy")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedCall<A = AmpBox> {
    /// The name of the command.
    pub command: Bytes,
    /// The arguments, without the protocol's own keys: as they are on the wire, unless the
    /// responder came with a closure that reads them.
    pub arguments: A,
    /// True if the peer wants an answer. If it does not, nothing that is returned goes anywhere.
    pub requires_answer: bool,
    /// The peer that calls.
    pub peer: Peer,
}

impl ReceivedCall {
    /// Returns the call of a question; when it cannot be read that is answered.
    pub(super) fn of(question: &mut Question, command: &[u8], ampbox: &AmpBox) -> Option<Self> {
        let arguments: AmpBox = question.decode(ampbox)?;
        Some(Self::with(question, command, arguments.kept()))
    }

    /// Passes the call on to another peer, and returns what that answers; of a call that wants no answer, an
    /// empty box once it is queued. For a proxy: see [`Responders::fallback`](crate::Responders::fallback).
    ///
    /// ```
    /// use amp_core::{Peer, ReceivedCall, Responders};
    ///
    /// fn proxy_of(backend: Peer) -> Responders {
    ///     Responders::new(()).fallback(move |call: ReceivedCall| call.pass_on(&backend))
    /// }
    /// # drop(proxy_of);
    /// ```
    ///
    /// Attachments, such as descriptors, are not in the box, and do not go with it: those need a schema, as the example
    /// `proxy` has one. A [protocol switch](crate::Responders::fallback_switch) is asked for by
    /// [`Peer::switch_protocol_by_name`].
    ///
    /// [Streams](crate::streams) go through between two connections that have none of their own. Over a connection that
    /// has some, the calls of streams are not passed on, since whoever calls would name those. An argument
    /// [`_route`](crate::keys::ROUTE) is never passed on, since it would choose a [route](crate::router) of the other
    /// peer. A call of `StartTLS` is never passed on either: TLS is for one connection, and if the backend agreed, its
    /// connection would be lost to all clients that share it. [`Peer::call_by_name`] looks for none of these.
    ///
    /// # Errors
    ///
    /// As [`handed_on`](Self::handed_on), which is `UNKNOWN` for an argument `_route`. `NO_STREAM`, as of a stream that
    /// there is not, for a call of a stream over a connection that has streams of its own. `UNHANDLED`, as without a
    /// responder for it, for `StartTLS`. Nothing is sent then.
    ///
    /// # Cancel safety
    ///
    /// As of [`Peer::call_by_name`].
    #[doc(alias = "forward")]
    pub fn pass_on(
        self,
        to: &Peer,
    ) -> impl Future<Output = Result<AmpBox, RemoteError>> + Send + use<> {
        let to = to.clone();
        async move {
            // Once there is room for the call: streams may have begun meanwhile.
            let mut refusal = None;
            let write = |out: &mut BoxWriter<'_>, _: &mut Proto<'_>| {
                if self.command == START_TLS {
                    refusal = Some(RemoteError::unhandled(&self.command));
                    return Err(EncodeError::custom(
                        "it would change the backend's connection to TLS",
                    ));
                }
                refusal = Own::of(to.shared()).and_then(|own| own.0.refusal(&self.command));
                if refusal.is_some() {
                    return Err(EncodeError::custom("it is of a stream of another connection"));
                }
                if self.arguments.get(ROUTE).is_some() {
                    return Err(EncodeError::custom("its argument _route would choose a route"));
                }
                Ok(out.put_box(&self.arguments)?)
            };
            let answer = if self.requires_answer {
                to.call_by_name_with(&self.command, write, AmpBox::read_from).await
            } else {
                to.notify_by_name_with(&self.command, write).await.map(|()| AmpBox::new())
            };
            answer.map_err(|error| refusal.unwrap_or_else(|| self.handed_on(error)))
        }
    }
}

impl<A> ReceivedCall<A> {
    /// Returns the error to answer with when passing on the call has failed, for a proxy that makes the call itself. This is
    /// the error that the other peer has answered, unchanged, or `UNKNOWN` if there is no answer.
    ///
    /// The event `passing on a call failed` in the log says why there is no answer. The client is only told whether the call
    /// was passed on at all.
    ///
    /// ```
    /// use amp_core::{Peer, ReceivedCall, RemoteError, Switched};
    ///
    /// async fn pass_on_switch(call: &ReceivedCall, to: &Peer) -> Result<Switched, RemoteError> {
    ///     let switch = to.switch_protocol_by_name(&call.command, call.arguments.iter());
    ///     switch.await.map_err(|error| call.handed_on(error))
    /// }
    /// ```
    pub fn handed_on(&self, error: CallError) -> RemoteError {
        let error = match error {
            CallError::Remote(error) => return error,
            // As of calls that are received, the log has no values of the answer's.
            CallError::Decode(error) => CallError::Decode(error.hide_value()),
            CallError::Encode(error) => CallError::Encode(error.hide_value()),
            other => other,
        };
        let text = match &error {
            CallError::Timeout { .. } => "the call was passed on, and not answered in time",
            CallError::Closed(_) => "the connection to the backend has ended",
            CallError::Decode(_) => "the answer of the backend cannot be read",
            _ => "the call could not be passed on",
        };
        let (command, error) = (Shortened::new(&self.command), Report::new(&error));
        let failures = &self.peer.shared().settings.failures;
        restrained!(failures, warn, "passing on a call failed", %command, %error);
        RemoteError::new(UNKNOWN, text)
    }

    /// The call of a question whose arguments were read.
    pub(super) fn with(question: &Question, command: &[u8], arguments: A) -> Self {
        Self {
            command: Bytes::copy_from_slice(command),
            arguments,
            requires_answer: question.requires_answer(),
            peer: question.peer().clone(),
        }
    }
}

/// Answers calls by their names, with boxes as they are on the wire, as a proxy does.
///
/// It is implemented by `async` functions and closures of a [`ReceivedCall`]:
///
/// ```
/// use amp_core::{AmpBox, RemoteError, Responders, ReceivedCall};
///
/// async fn echo(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
///     Ok(call.arguments)
/// }
///
/// let responders = Responders::new(()).respond_by_name("Echo", echo);
/// ```
///
/// You can implement it for a type of your own:
///
/// ```
/// use amp_core::{AmpBox, ReceivedCall, RemoteError, RespondByName, Responders};
///
/// struct Refusing {
///     why: String,
/// }
///
/// impl RespondByName for Refusing {
///     async fn respond(&self, _: ReceivedCall) -> Result<AmpBox, RemoteError> {
///         Err(RemoteError::new("REFUSED", self.why.as_str()))
///     }
/// }
///
/// let refusing = Refusing { why: "closed on Sundays".to_owned() };
/// let responders = Responders::new(()).fallback(refusing);
/// ```
pub trait RespondByName: Send + Sync + 'static {
    /// Answers one call.
    ///
    /// # Errors
    ///
    /// The error that the peer gets.
    fn respond(
        &self,
        call: ReceivedCall,
    ) -> impl Future<Output = Result<AmpBox, RemoteError>> + Send;
}

impl<F, R> RespondByName for F
where
    F: Fn(ReceivedCall) -> R + Send + Sync + 'static,
    R: Future<Output = Result<AmpBox, RemoteError>> + Send,
{
    fn respond(
        &self,
        call: ReceivedCall,
    ) -> impl Future<Output = Result<AmpBox, RemoteError>> + Send {
        self(call)
    }
}

/// A [`RespondByName`] among the others.
pub(super) struct ByName<R>(pub(super) Arc<R>);

impl<R: RespondByName> AnyResponder for ByName<R> {
    fn respond(&self, mut question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        let call = ReceivedCall::of(&mut question, command, ampbox)?;
        let responder = Arc::clone(&self.0);
        Some(Box::pin(async move {
            match question.caught_future(async { responder.respond(call).await }).await {
                Some(Ok(response)) => question.answer_box(&response),
                Some(Err(error)) => question.fail_with(&error.code, &error.description),
                None => {}
            }
        }))
    }
}
