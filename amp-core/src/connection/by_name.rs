//! Calls by name whose bodies are written and read by closures, so that they can hold attachments.

use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::call::{Exchange, check_command};
use super::peer::Peer;
use crate::argument::{DecodeError, EncodeError, Proto, read_keys};
use crate::boxes::{BoxReader, BoxWriter};
use crate::error::CallError;
use crate::shorten::Shortened;

impl Peer {
    /// Calls a command by its name, as [`call_by_name`](Peer::call_by_name) does, for values that need the connection,
    /// such as attachments. `write` writes the arguments, and `read` reads the answer.
    ///
    /// ```
    /// # async fn f(peer: &amp_core::Peer) -> Result<(), Box<dyn std::error::Error>> {
    /// use amp_core::dynamic::Values;
    /// use amp_core::schema::Schema;
    ///
    /// let schema: Schema = std::fs::read_to_string("calculator.schema")?.parse()?;
    /// let divide = schema.command("Divide").ok_or("there is no Divide")?;
    /// # #[cfg(feature = "json")] {
    /// let arguments =
    ///     Values::from_json(&divide.arguments, r#"{"numerator": 1, "denominator": 4}"#)?;
    /// let (write, read) = (arguments.writing(&divide.arguments), Values::reading(&divide.response));
    /// let quotient = peer.call_by_name_with("Divide", write, read).await?;
    /// assert_eq!(quotient.to_json(), r#"{"result": 0.25}"#);
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`call_by_name`](Peer::call_by_name), and the errors of the closures.
    ///
    /// # Cancel safety
    ///
    /// As [`call_remote`](Peer::call_remote). If the answer comes after the future was dropped, its attachments are
    /// dropped once later ones have been claimed, or after a minute.
    pub fn call_by_name_with<T, W, R>(
        &self,
        command: impl AsRef<[u8]>,
        write: W,
        read: R,
    ) -> NamedCallWith<T, W, R>
    where
        W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        R: FnOnce(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
    {
        NamedCallWith {
            command: Bytes::copy_from_slice(command.as_ref()),
            write: Some(write),
            read: Some(read),
            exchange: Exchange::new(self.clone(), false, None),
            response: PhantomData,
        }
    }
}

/// A call of a command by its name, whose body is written and read by closures. Await it for what is read
/// from the answer.
///
/// [`Peer::call_by_name_with`] returns it.
#[must_use = "a call is not made before it is awaited"]
pub struct NamedCallWith<T, W, R> {
    command: Bytes,
    /// `None` once it has written.
    write: Option<W>,
    /// `None` once it has read.
    read: Option<R>,
    exchange: Exchange,
    response: PhantomData<fn() -> T>,
}

impl<T, W, R> NamedCallWith<T, W, R> {
    /// Sets how long the call may take: see [`Call::timeout`](crate::Call::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.waiting.set_timeout(Some(timeout));
        self
    }
}

// The closures are never pinned: they are called, and dropped.
impl<T, W, R> Unpin for NamedCallWith<T, W, R> {}

impl<T, W, R> Future for NamedCallWith<T, W, R>
where
    W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    R: FnOnce(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
{
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, write, read, exchange, .. } = &mut *self;
        if write.is_some() {
            ready!(exchange.poll_room(cx, command))?;
            if let Some(write) = write.take() {
                exchange.queue(cx.waker().clone(), command, |out, proto| {
                    check_command(command)?;
                    write(out, proto)
                })?;
                return exchange.poll_queued(cx).map(Err);
            }
        }
        let answer = ready!(exchange.poll_answer(cx));
        let ampbox = answer?.map_err(|error| CallError::of(error, command))?;
        let Some(read) = read.take() else { return Poll::Pending };
        let read = |ampbox: &_, proto: &mut Proto<'_>| read_keys(ampbox, proto, false, read);
        Poll::Ready(exchange.decode_with(&ampbox, read).map_err(CallError::Decode))
    }
}

impl<T, W, R> fmt::Debug for NamedCallWith<T, W, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = Shortened::new(&self.command);
        f.debug_struct("NamedCallWith").field("command", &command).finish_non_exhaustive()
    }
}
