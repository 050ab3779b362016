use bytes::Bytes;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

use super::builder::Options;
use super::client::Client;
use super::kept::Kept;
use crate::boxes::{AmpBox, BoxError};
use crate::command::{Command, NoError, OneWay};
use crate::connection::Peer;
use crate::error::{CallError, NotConnectedKind};
use crate::shorten::Shortened;

/// A call that a [`Client`] is about to make: await it for the outcome.
///
/// [`Client::call_remote`], [`Client::notify`] and [`Client::call_by_name`] make it, and
/// describe errors and cancel safety.
#[must_use = "a call is not made before it is awaited"]
pub struct Call<K> {
    client: Client,
    kind: K,
    options: Options,
    idempotent: bool,
}

/// What a [`Call`] of a typed command sends: it is answered with the response.
pub struct Typed<C>(Kept<C>);

/// What a [`Call`] of a typed command that wants no answer sends.
pub struct Notice<C>(Kept<C>);

/// What a [`Call`] of a command by its name sends: it is answered with a box.
pub struct Named {
    command: Bytes,
    arguments: Result<AmpBox, BoxError>,
    sent: bool,
}

/// What can be sent on one connection after the other.
trait Attempts: Send {
    type Output;
    type Error;

    /// Sends it, and waits for the answer for as long as `left`.
    fn attempt(
        &mut self,
        peer: &Peer,
        left: Option<Duration>,
    ) -> impl Future<Output = Result<Self::Output, CallError<Self::Error>>> + Send;

    /// Whether any of the attempts may have sent it.
    fn may_be_sent(&self) -> bool;
}

impl<K> Call<K> {
    fn new(client: Client, kind: K, idempotent: bool) -> Self {
        let options = client.options();
        Self { client, kind, options, idempotent }
    }

    /// How long the call may take, from its first poll on: waiting for a connection, and being
    /// sent again, included. In place of [`Builder::call_timeout`](super::Builder::call_timeout),
    /// and of the connection's own [`call_timeout`](crate::Connection::call_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Waits for a connection while there is none.
    pub fn wait(mut self) -> Self {
        self.options.wait = true;
        self
    }

    /// Fails at once while there is no connection. Such a call is never sent again.
    pub fn fail_fast(mut self) -> Self {
        self.options.wait = false;
        self
    }

    /// How many times the call may be sent again, at most, in place of
    /// [`Builder::max_repeats`](super::Builder::max_repeats).
    pub fn max_repeats(mut self, repeats: u32) -> Self {
        self.options.max_repeats = repeats;
        self
    }

    /// The call may be sent again when its connection was lost before the answer came: the peer
    /// may act on it twice. A call of a command that is
    /// [`IDEMPOTENT`](Command::IDEMPOTENT) may be anyway.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl<C> Call<Typed<C>> {
    pub(super) fn typed(client: Client, command: C, idempotent: bool) -> Self {
        Self::new(client, Typed(Kept::new(command)), idempotent)
    }
}

impl<C> Call<Notice<C>> {
    pub(super) fn notice(client: Client, command: C, idempotent: bool) -> Self {
        Self::new(client, Notice(Kept::new(command)), idempotent)
    }
}

impl Call<Named> {
    pub(super) fn named(
        client: Client,
        command: &[u8],
        arguments: Result<AmpBox, BoxError>,
    ) -> Self {
        let command = Bytes::copy_from_slice(command);
        Self::new(client, Named { command, arguments, sent: false }, false)
    }
}

impl<C: Command> Attempts for Typed<C> {
    type Output = C::Response;
    type Error = C::Error;

    async fn attempt(
        &mut self,
        peer: &Peer,
        left: Option<Duration>,
    ) -> Result<C::Response, CallError<C::Error>> {
        let call = peer.call_remote(self.0.clone());
        match left {
            Some(left) => call.timeout(left).await,
            None => call.await,
        }
    }

    fn may_be_sent(&self) -> bool {
        self.0.was_encoded()
    }
}

impl<C: OneWay> Attempts for Notice<C> {
    type Output = ();
    type Error = NoError;

    async fn attempt(&mut self, peer: &Peer, left: Option<Duration>) -> Result<(), CallError> {
        let sent = peer.notify(self.0.clone());
        match left {
            Some(after) => {
                let sent = peer.shared().timeout(after, sent).await;
                sent.unwrap_or(Err(CallError::Timeout { after }))
            }
            None => sent.await,
        }
    }

    fn may_be_sent(&self) -> bool {
        self.0.was_encoded()
    }
}

impl Attempts for Named {
    type Output = AmpBox;
    type Error = NoError;

    async fn attempt(&mut self, peer: &Peer, left: Option<Duration>) -> Result<AmpBox, CallError> {
        let Self { command, arguments, sent } = self;
        let arguments =
            arguments.as_ref().map_err(|error| CallError::Encode(error.clone().into()))?;
        // Where the end comes after this look, nobody says whether the box was queued by then.
        *sent |= !peer.is_closed();
        let call = peer.call_by_name(command, arguments.iter());
        match left {
            Some(left) => call.timeout(left).await,
            None => call.await,
        }
    }

    fn may_be_sent(&self) -> bool {
        self.sent
    }
}

impl<C: Command> IntoFuture for Call<Typed<C>> {
    type Output = Result<C::Response, CallError<C::Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(make(self))
    }
}

impl<C: OneWay> IntoFuture for Call<Notice<C>> {
    type Output = Result<(), CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(make(self))
    }
}

impl IntoFuture for Call<Named> {
    type Output = Result<AmpBox, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(make(self))
    }
}

/// Sends on one connection after the other what may be sent again.
async fn make<K: Attempts>(call: Call<K>) -> Result<K::Output, CallError<K::Error>> {
    let Call { client, mut kind, options, idempotent } = call;
    let Options { wait, timeout, max_repeats } = options;
    let started = Instant::now();
    let deadline = timeout.and_then(|timeout| Some((started.checked_add(timeout)?, timeout)));
    let mut repeats = 0;
    let mut lost = None;
    let mut closing = None;
    loop {
        let peer = match client.peer(closing.take(), wait, deadline).await {
            Ok(peer) => peer,
            // That it may have been acted upon weighs more than that it is not sent again.
            Err(error) => return Err(lost.map_or(error.into(), CallError::Closed)),
        };
        let left = deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let reason = match kind.attempt(&peer, left).await {
            Err(CallError::Closed(reason)) => reason,
            Err(CallError::Timeout { after }) => {
                return Err(CallError::Timeout { after: timeout.unwrap_or(after) });
            }
            Err(CallError::Remote(error)) if error.is_closing() => {
                let left = client.leave(&peer);
                if !wait || repeats == max_repeats {
                    return Err(lost.map_or(CallError::Remote(error), CallError::Closed));
                }
                repeats += 1;
                closing = Some(left);
                continue;
            }
            // That holds of the last attempt alone.
            Err(error) if error.is_safe_to_retry() => {
                return Err(lost.map_or(error, CallError::Closed));
            }
            ended => return ended,
        };
        if kind.may_be_sent() {
            if !idempotent || !wait || repeats == max_repeats {
                return Err(CallError::Closed(reason));
            }
            repeats += 1;
            lost = Some(reason);
        } else if !wait {
            let error = client.not_connected(NotConnectedKind::FailFast);
            return Err(error.lost(reason).into());
        }
    }
}

impl<K: fmt::Debug> fmt::Debug for Call<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("call", &self.kind)
            .field("options", &self.options)
            .field("idempotent", &self.idempotent)
            .finish_non_exhaustive()
    }
}

impl<C: Command> fmt::Debug for Typed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&C::NAME).finish()
    }
}

impl<C: Command> fmt::Debug for Notice<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notice").field(&C::NAME).finish()
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&Shortened::new(&self.command)).finish()
    }
}
