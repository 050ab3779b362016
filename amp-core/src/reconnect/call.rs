use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

use super::link::{Link, Options};
use super::request::Request;
use crate::command::NoError;
use crate::connection::Peer;
use crate::error::{CallError, NotConnectedKind};

/// A call that a [`Client`](super::Client) is about to make: await it for the outcome.
///
/// `T` is the response, and `E` are the errors that the command declares.
/// [`call_remote`](super::Client::call_remote), [`call_by_name`](super::Client::call_by_name),
/// [`notify`](super::Client::notify), [`notify_by_name`](super::Client::notify_by_name) and their `_with`
/// variants make it, and describe errors and cancel safety.
#[must_use = "a call is not made before it is awaited"]
pub struct ClientCall<T, E = NoError> {
    /// Until the first poll.
    planned: Option<Planned<T, E>>,
    /// From then on, until it has ended.
    made: Option<Boxed<'static, Result<T, CallError<E>>>>,
}

/// A call that nobody has polled.
struct Planned<T, E> {
    link: Arc<Link>,
    request: Request,
    send: Box<SendOn<T, E>>,
    options: Options,
    idempotent: bool,
}

/// Sends a request on a connection, and waits for its answer if it wants one, within the time that is
/// left for it.
type SendOn<T, E> = dyn for<'a> Fn(&'a Peer, &'a mut Request, Option<Duration>) -> Boxed<'a, Result<T, CallError<E>>>
    + Send
    + Sync;

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<T, E> ClientCall<T, E> {
    pub(super) fn new(
        link: &Arc<Link>,
        idempotent: bool,
        request: Request,
        send: impl for<'a> Fn(
            &'a Peer,
            &'a mut Request,
            Option<Duration>,
        ) -> Boxed<'a, Result<T, CallError<E>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let (link, options) = (Arc::clone(link), link.options);
        let send = Box::new(send);
        let planned = Planned { link, request, send, options, idempotent };
        Self { planned: Some(planned), made: None }
    }

    /// Sets how long the call may take, from its first poll on: waiting for a connection, and being
    /// sent again, included. In place of [`Connector::call_timeout`](super::Connector::call_timeout),
    /// and of the connection's own [`call_timeout`](crate::Connection::call_timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|planned| planned.options.timeout = Some(timeout))
    }

    /// Waits for a connection while there is none.
    pub fn wait_for_connection(self) -> Self {
        self.set(|planned| planned.options.wait = true)
    }

    /// Fails at once while there is no connection. Such a call is never sent again.
    pub fn fail_fast(self) -> Self {
        self.set(|planned| planned.options.wait = false)
    }

    /// Sets how many times the call may be sent again, at most, in place of
    /// [`Connector::max_repeats`](super::Connector::max_repeats).
    pub fn max_repeats(self, repeats: u32) -> Self {
        self.set(|planned| planned.options.max_repeats = repeats)
    }

    /// Lets the call be sent again when its connection was lost before the answer came: the peer
    /// may act on it twice. A call of a command that is
    /// [`IS_IDEMPOTENT`](crate::Command::IS_IDEMPOTENT) may be anyway.
    pub fn idempotent(self) -> Self {
        self.set(|planned| planned.idempotent = true)
    }

    /// What is under way already stays as it is.
    fn set(mut self, set: impl FnOnce(&mut Planned<T, E>)) -> Self {
        if let Some(planned) = &mut self.planned {
            set(planned);
        }
        self
    }
}

impl<T: 'static, E: 'static> Future for ClientCall<T, E> {
    type Output = Result<T, CallError<E>>;

    /// A call that is over stays pending for ever.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(planned) = self.planned.take() {
            self.made = Some(Box::pin(make(planned)));
        }
        let Some(made) = &mut self.made else { return Poll::Pending };
        let ended = ready!(made.as_mut().poll(cx));
        self.made = None;
        Poll::Ready(ended)
    }
}

/// Sends on one connection after the other what may be sent again.
async fn make<T, E>(planned: Planned<T, E>) -> Result<T, CallError<E>> {
    let Planned { link, mut request, send, options, idempotent } = planned;
    let Options { wait, timeout, max_repeats } = options;
    let started = Instant::now();
    let deadline = timeout.and_then(|timeout| Some((started.checked_add(timeout)?, timeout)));
    let mut repeats = 0;
    let mut lost = None;
    let (mut closing, mut refused) = (None, None);
    loop {
        let peer = match link.peer(closing.take(), wait, deadline).await {
            Ok(peer) => peer,
            // Being acted upon, perhaps, weighs more than not being sent again.
            Err(error) => return Err(lost.map_or(error.into(), CallError::Closed)),
        };
        let left = deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let reason = match send(&peer, &mut request, left).await {
            Err(CallError::Closed(reason)) => reason,
            Err(CallError::Timeout { after }) => {
                return Err(CallError::Timeout { after: timeout.unwrap_or(after) });
            }
            Err(CallError::Remote(error)) if error.is_closing() => {
                let left = link.leave(&peer);
                if !wait || repeats == max_repeats {
                    return Err(lost.map_or(CallError::Remote(error), CallError::Closed));
                }
                repeats += 1;
                closing = Some(left);
                refused = Some(error);
                continue;
            }
            // What it was written with before may have ended with that connection, as streams do.
            Err(CallError::Encode(error)) if lost.is_none() => {
                return Err(refused.map_or(CallError::Encode(error), CallError::Remote));
            }
            // This is true of the last attempt alone.
            Err(error) if error.is_safe_to_retry() => {
                return Err(lost.map_or(error, CallError::Closed));
            }
            ended => return ended,
        };
        // What was never written cannot have been sent.
        if request.was_written() {
            if !idempotent || !wait || repeats == max_repeats {
                return Err(CallError::Closed(reason));
            }
            repeats += 1;
            lost = Some(reason);
        } else if !wait {
            let error = link.not_connected(NotConnectedKind::FailFast);
            return Err(error.lost(reason).into());
        }
    }
}

impl<T, E> fmt::Debug for ClientCall<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientCall");
        if let Some(Planned { options, idempotent, .. }) = &self.planned {
            shown.field("options", options).field("idempotent", idempotent);
        }
        shown.finish_non_exhaustive()
    }
}
