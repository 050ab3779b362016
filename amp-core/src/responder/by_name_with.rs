//! Responders by name whose calls and answers are read and written by closures, so that they can hold
//! attachments.

use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

use super::Responders;
use super::by_name::ReceivedCall;
use super::clash::Origin;
use super::locator::{AnyResponder, FallbackSwitch, Responding};
use super::question::Question;
use super::switch::hand_over;
use crate::argument::{DecodeError, EncodeError, Proto, read_keys};
use crate::boxes::{AmpBox, BoxReader, BoxWriter};
use crate::connection::Switched;
use crate::proto::RemoteError;

impl<S: Send + Sync + 'static> Responders<S> {
    /// Adds a responder for the command of this name, as [`respond_by_name`](Responders::respond_by_name) does, for
    /// values that need the connection, such as attachments. `read` reads the call for the responder. The responder
    /// returns a closure that writes the answer.
    ///
    /// A call that cannot be read is answered like a call whose arguments do not fit its command.
    ///
    /// ```
    /// use amp_core::dynamic::Values;
    /// use amp_core::schema::Schema;
    /// use amp_core::Responders;
    /// use std::sync::Arc;
    ///
    /// fn echo(schema: Arc<Schema>) -> Responders {
    ///     let echo = schema.command("Echo").unwrap().clone();
    ///     Responders::new(()).respond_by_name_with(
    ///         "Echo",
    ///         move |_, input, proto| {
    ///             Values::read_from(&schema.command("Echo").unwrap().arguments, input, proto)
    ///         },
    ///         move |call| {
    ///             let response = echo.response.clone();
    ///             async move { Ok(call.arguments.writing(response)) }
    ///         },
    ///     )
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// When the set has a responder for a typed command of this name.
    #[track_caller]
    pub fn respond_by_name_with<A, F, R, W>(
        self,
        command: impl AsRef<[u8]>,
        read: impl Fn(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError>
        + Send
        + Sync
        + 'static,
        responder: F,
    ) -> Self
    where
        A: 'static,
        F: Fn(ReceivedCall<A>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<W, RemoteError>> + Send + 'static,
        W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send + 'static,
    {
        let command = Bytes::copy_from_slice(command.as_ref());
        self.add(command, Origin::Name, Arc::new(Answers { read, responder }))
    }

    /// Sets the responder for all commands that have none, as [`fallback`](Responders::fallback) does. `read` gets the
    /// name of the command, and reads the call for the responder. The responder returns a closure that writes the answer.
    /// For a one-way call, nobody gets that answer.
    pub fn fallback_with<A, F, R, W>(
        mut self,
        read: impl Fn(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError>
        + Send
        + Sync
        + 'static,
        responder: F,
    ) -> Self
    where
        A: 'static,
        F: Fn(ReceivedCall<A>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<W, RemoteError>> + Send + 'static,
        W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send + 'static,
    {
        let fallback = Arc::new(Answers { read, responder });
        Arc::make_mut(&mut self.locator).set_fallback(fallback);
        self
    }

    /// Adds a responder for the command of this name that agrees to a protocol switch, as
    /// [`respond_switch_by_name`](Responders::respond_switch_by_name) does. `read` reads the call for it.
    ///
    /// # Panics
    ///
    /// When the set has a responder for a typed command of this name.
    #[track_caller]
    pub fn respond_switch_by_name_with<A, F, R, H, G>(
        self,
        command: impl AsRef<[u8]>,
        read: impl Fn(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError>
        + Send
        + Sync
        + 'static,
        responder: F,
    ) -> Self
    where
        A: 'static,
        F: Fn(ReceivedCall<A>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<H, RemoteError>> + Send + 'static,
        H: FnOnce(Switched) -> G + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        let command = Bytes::copy_from_slice(command.as_ref());
        self.add(command, Origin::Name, Arc::new(Switches { read, responder }))
    }

    /// Sets the responder for all protocol switches without a responder, as
    /// [`fallback_switch`](Responders::fallback_switch) does. `read` gets the name of the command, and reads the call for
    /// the responder.
    pub fn fallback_switch_with<A, F, R, H, G>(
        mut self,
        is_switch: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        read: impl Fn(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError>
        + Send
        + Sync
        + 'static,
        responder: F,
    ) -> Self
    where
        A: 'static,
        F: Fn(ReceivedCall<A>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<H, RemoteError>> + Send + 'static,
        H: FnOnce(Switched) -> G + Send + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        let fallback = FallbackSwitch::new(is_switch, Arc::new(Switches { read, responder }));
        Arc::make_mut(&mut self.locator).set_fallback_switch(fallback);
        self
    }
}

/// Reads a call; when that cannot be read it is answered.
fn received<A>(
    question: &mut Question,
    command: &[u8],
    ampbox: &AmpBox,
    read: impl FnOnce(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError>,
) -> Option<ReceivedCall<A>> {
    let arguments = question.decode_with(ampbox, |ampbox, proto| {
        read_keys(ampbox, proto, false, |input, proto| read(command, input, proto))
    })?;
    Some(ReceivedCall::with(question, command, arguments))
}

struct Answers<D, F> {
    read: D,
    responder: F,
}

impl<D, A, F, R, W> AnyResponder for Answers<D, F>
where
    D: Fn(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError> + Send + Sync,
    F: Fn(ReceivedCall<A>) -> R + Send + Sync,
    R: Future<Output = Result<W, RemoteError>> + Send + 'static,
    W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send + 'static,
{
    fn respond(&self, mut question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        let call = received(&mut question, command, ampbox, &self.read)?;
        let answer = question.caught(|| (self.responder)(call))?;
        Some(Box::pin(async move {
            match question.caught_future(answer).await {
                Some(Ok(write)) => question.answer_written(write),
                Some(Err(error)) => question.fail_with(&error.code, &error.description),
                None => {}
            }
        }))
    }
}

struct Switches<D, F> {
    read: D,
    responder: F,
}

impl<D, A, F, R, H, G> AnyResponder for Switches<D, F>
where
    D: Fn(&[u8], &mut BoxReader<'_>, &mut Proto<'_>) -> Result<A, DecodeError> + Send + Sync,
    F: Fn(ReceivedCall<A>) -> R + Send + Sync,
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
        let call = received(&mut question, command, ampbox, &self.read)?;
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
