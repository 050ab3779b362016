//! Responders that agree to protocol switches.

use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

use super::by_name::ReceivedCall;
use super::clash::Origin;
use super::locator::{AnyResponder, FallbackSwitch, Responding};
use super::question::Question;
use super::responders::Ended;
use super::{Context, Failure, Responders};
use crate::boxes::AmpBox;
use crate::command::{Command, ProtocolSwitch, check_switch};
use crate::connection::{Switched, Then};
use crate::proto::RemoteError;

impl<S: Send + Sync + 'static> Responders<S> {
    /// Adds a responder for the command `C` that agrees to a protocol switch by returning a closure. The closure gets
    /// the stream, and runs on a task of its own once the answer is sent. If the responder returns an error, it refuses
    /// the switch, and the connection goes on.
    ///
    /// Until the responder has decided, nothing more is read from the peer. So it must not wait for an answer of that
    /// peer, and it does not notice when the peer goes. It is not asked if no switch can follow: when the call wants no
    /// answer, or was read before this responder was put in place.
    ///
    /// ```
    /// use amp_core::{Command, NoError, Responders, Switched};
    ///
    /// #[derive(Command)]
    /// #[amp(switch)]
    /// struct SwitchToEcho {}
    ///
    /// let responders = Responders::new(()).respond_switch(async |_, _: SwitchToEcho| {
    ///     Ok(async |stream: Switched| {
    ///         let (mut reader, mut writer) = tokio::io::split(stream);
    ///         let _ = tokio::io::copy(&mut reader, &mut writer).await;
    ///     })
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn respond_switch<C, F, R, H, G>(self, responder: F) -> Self
    where
        C: ProtocolSwitch,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<H, C::Error>> + Send + 'static,
        H: FnOnce(Switched) -> G + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        self.switching(responder, |ended| ended.map(hand_over).map_err(Failure::Declared))
    }

    /// Adds a responder as [`respond_switch`](Responders::respond_switch) does. It may fail in the same ways as one of
    /// [`try_respond`](Responders::try_respond), and any failure refuses the switch.
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn try_respond_switch<C, F, R, H, G>(self, responder: F) -> Self
    where
        C: ProtocolSwitch,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<H, Failure<C::Error>>> + Send + 'static,
        H: FnOnce(Switched) -> G + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        self.switching(responder, |ended| ended.map(hand_over))
    }

    /// Adds a responder for the command of this name that agrees to a protocol switch, as
    /// [`respond_switch`](Responders::respond_switch) does, without knowing the command's type. An
    /// error refuses the switch, and the connection goes on.
    ///
    /// It is also asked when a call of that name wants no answer. Then no switch can follow, since the peer would not
    /// know from which byte on: see [`ReceivedCall::requires_answer`].
    ///
    /// A proxy asks its backend, with [`Peer::switch_protocol_by_name`](crate::Peer::switch_protocol_by_name), and then
    /// copies all that either side sends:
    ///
    /// ```
    /// use amp_core::{Peer, ReceivedCall, Responders, Switched};
    ///
    /// # fn proxy_of(backend: Peer) -> Responders {
    /// Responders::new(()).respond_switch_by_name("SwitchToEcho", move |call: ReceivedCall| {
    ///     let backend = backend.clone();
    ///     async move {
    ///         let switch = backend.switch_protocol_by_name(&call.command, call.arguments.iter());
    ///         let mut there = switch.await.map_err(|error| call.handed_on(error))?;
    ///         Ok(async move |mut here: Switched| {
    ///             let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
    ///         })
    ///     }
    /// })
    /// # }
    /// # drop(proxy_of);
    /// ```
    ///
    /// # Panics
    ///
    /// When the set has a responder for a typed command of this name.
    #[track_caller]
    pub fn respond_switch_by_name<F, R, H, G>(self, command: impl AsRef<[u8]>, responder: F) -> Self
    where
        F: Fn(ReceivedCall) -> R + Send + Sync + 'static,
        R: Future<Output = Result<H, RemoteError>> + Send + 'static,
        H: FnOnce(Switched) -> G + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        let command = Bytes::copy_from_slice(command.as_ref());
        self.add(command, Origin::Name, Arc::new(SwitchingByName { responder }))
    }

    /// Sets the responder for all protocol switches without a responder, beside the [`fallback`](Responders::fallback)
    /// for all other commands. It decides like that of
    /// [`respond_switch_by_name`](Responders::respond_switch_by_name).
    ///
    /// `is_switch` gets the name of a command, and says whether a call of it asks for a switch. Nothing on the wire says
    /// so: the call of a switch is like any other, and so is an answer that agrees. If it returns `true`, everything
    /// behind the call waits until the call is answered. So it should return `false` for ordinary commands. It runs on
    /// the connection's own task, for each call that has no responder of its own and wants an answer, and must not
    /// block. If it panics, the call counts as an ordinary one.
    pub fn fallback_switch<F, R, H, G>(
        mut self,
        is_switch: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        responder: F,
    ) -> Self
    where
        F: Fn(ReceivedCall) -> R + Send + Sync + 'static,
        R: Future<Output = Result<H, RemoteError>> + Send + 'static,
        H: FnOnce(Switched) -> G + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        let fallback = FallbackSwitch::new(is_switch, Arc::new(SwitchingByName { responder }));
        Arc::make_mut(&mut self.locator).set_fallback_switch(fallback);
        self
    }

    /// Adds a responder that decides on a protocol switch. `ended` makes of its decision how the
    /// connection goes on.
    #[track_caller]
    pub(crate) fn switching<C, F, R>(self, responder: F, ended: Ended<C, R::Output, Then>) -> Self
    where
        C: ProtocolSwitch,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output: 'static> + Send + 'static,
    {
        const { check_switch::<C>() };
        let state = Arc::clone(&self.state);
        let switching = Switching::<S, F, C, R::Output> { state, responder, ended };
        self.add_typed::<C>(Arc::new(switching))
    }
}

pub(super) fn hand_over<H, G>(successor: H) -> Then
where
    H: FnOnce(Switched) -> G + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    Then::Succeed(Box::new(move |stream| Box::pin(successor(stream))))
}

/// The responder of a command that switches the protocol.
struct Switching<S, F, C: Command, O> {
    state: Arc<S>,
    responder: F,
    ended: Ended<C, O, Then>,
}

impl<S, F, R, C> AnyResponder for Switching<S, F, C, R::Output>
where
    S: Send + Sync + 'static,
    C: ProtocolSwitch,
    F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
    R: Future<Output: 'static> + Send + 'static,
{
    fn is_switch(&self) -> bool {
        true
    }

    fn respond(&self, mut question: Question, _: &[u8], ampbox: &AmpBox) -> Responding {
        // What a responder does for a switch, such as to let in whoever comes behind it, is not done for none.
        if !question.may_switch() {
            return None;
        }
        let command = question.decode(ampbox)?;
        let context = Context::new(&self.state, question.peer());
        let decision = question.caught(|| (self.responder)(context, command))?;
        let ended = self.ended;
        Some(Box::pin(async move {
            match question.caught_future(decision).await.map(ended) {
                Some(Ok(then)) => question.accept_switch(then),
                Some(Err(failure)) => question.fail_as(failure),
                None => {}
            }
        }))
    }
}

/// The responder of a command that switches the protocol, by its name.
struct SwitchingByName<F> {
    responder: F,
}

impl<F, R, H, G> AnyResponder for SwitchingByName<F>
where
    F: Fn(ReceivedCall) -> R + Send + Sync + 'static,
    R: Future<Output = Result<H, RemoteError>> + Send + 'static,
    H: FnOnce(Switched) -> G + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    fn is_switch(&self) -> bool {
        true
    }

    fn respond(&self, mut question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        if !question.was_read_as_switch() {
            return None;
        }
        let call = ReceivedCall::of(&mut question, command, ampbox)?;
        let decision = question.caught(|| (self.responder)(call))?;
        Some(Box::pin(async move {
            match question.caught_future(decision).await {
                Some(Ok(successor)) => question.accept_switch(hand_over(successor)),
                Some(Err(error)) => question.fail_with(&error.code, &error.description),
                None => {}
            }
        }))
    }
}
