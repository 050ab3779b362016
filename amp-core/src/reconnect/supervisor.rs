//! The task that keeps a client connected.

use std::error::Error;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::backoff::Waits;
use super::connections::{CloseAll, CloseOnDrop, Connections};
use super::state::State;
use crate::connection::{Connection, Peer, Shared};
use crate::dial::Round;
use crate::error::{CloseReason, ConnectError};
use crate::panics::caught_future;
use crate::report::Report;
use crate::sync::Notify;

pub(super) type Connect = Box<dyn FnMut() -> Step<Connection> + Send>;
pub(super) type MakeReady = Box<dyn FnMut(Peer) -> Step<()> + Send>;

/// A step towards a connection, by code of the user's.
type Step<T> = Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send>>;

pub(super) struct Supervisor {
    pub(super) connect: Connect,
    pub(super) make_ready: MakeReady,
    pub(super) prepare: Box<dyn FnMut(Connection) -> Connection + Send>,
    /// A host may have several addresses.
    pub(super) round: Round,
    pub(super) attempt_timeout: Duration,
    pub(super) reset_after: Duration,
    pub(super) waits: Waits,
    pub(super) address: Option<Arc<str>>,
    pub(super) connections: Arc<Connections>,
    /// The connection that the peer is about to close, by what calls were told.
    pub(super) closing: watch::Receiver<Weak<Shared>>,
}

impl Supervisor {
    /// Runs until `stop` says so, or its sender is gone. When it resolves, nothing of the client is
    /// left: no connection, and no task.
    pub(super) async fn run(mut self, mut state: Published, mut stop: watch::Receiver<Stop>) {
        let mut drivers = JoinSet::new();
        let connections = CloseAll(Arc::clone(&self.connections));
        let stopped = tokio::select! {
            biased;
            stop = stop.wait_for(|stop| !matches!(stop, Stop::Never)) => {
                stop.map_or(Stop::AtOnce, |stop| *stop)
            }
            () = self.keep_connected(&mut state, &mut drivers) => Stop::AtOnce,
        };
        let mut drained = Vec::new();
        if let Stop::Gracefully { within } = stopped {
            drained = self.connections.alive();
            for shared in &drained {
                shared.drain(within);
            }
            tokio::select! {
                biased;
                // The last handle may go meanwhile, too.
                _ = stop.wait_for(|stop| matches!(stop, Stop::AtOnce)) => {}
                () = all_ended(&mut state, &mut drivers) => {}
            }
        }
        drop(connections);
        // Waiting for the end of the client includes that of its connections.
        state.publish(State::Closed);
        while drivers.join_next().await.is_some() {}
        self.connections.set_drained(&drained);
        tracing::debug!(address = self.shown_address(), "the client is closed");
    }

    /// Connects again and again.
    async fn keep_connected(&mut self, state: &mut Published, drivers: &mut JoinSet<CloseReason>) {
        let mut attempt: u32 = 1;
        let mut cause = None;
        loop {
            state.publish(State::Connecting { attempt, cause });
            let lost = match self.connect(drivers).await {
                Ok((peer, close_on_drop)) => {
                    tracing::debug!(address = self.shown_address(), attempt, "connected");
                    let since = Instant::now();
                    // Once it is lost, calls that it got before are still answered, and its own calls may
                    // still be answered. How long its end takes is nothing to wait for.
                    self.connections.add(close_on_drop);
                    state.publish(State::Connected(peer.clone()));
                    let reason = tokio::select! {
                        biased;
                        reason = peer.closing() => reason,
                        () = is_closing(&mut self.closing, &peer) => CloseReason::Peer,
                    };
                    if since.elapsed() >= self.reset_after {
                        self.waits.reset();
                        self.round.begin_again();
                        attempt = 0;
                    }
                    ConnectError::Lost(reason)
                }
                Err(error) => error,
            };
            attempt = attempt.saturating_add(1);
            let wait = self.waits.next();
            let address = self.shown_address();
            tracing::debug!(address, attempt, ?wait, cause = %Report::new(&lost), "not connected");
            while drivers.try_join_next().is_some() {}
            let until = later(wait);
            state.publish(State::Waiting { attempt, until, cause: lost.clone() });
            sleep_until(until).await;
            cause = Some(lost);
        }
    }

    /// Makes a connection and makes that ready.
    async fn connect(
        &mut self,
        drivers: &mut JoinSet<CloseReason>,
    ) -> Result<(Peer, CloseOnDrop), ConnectError> {
        let Self { connect, make_ready, prepare, round, attempt_timeout, .. } = self;
        let attempt = async {
            let connection = round.attempt(connect()).await;
            let connection = connection.map_err(|error| ConnectError::Connect(error.into()))?;
            let (peer, driver) = prepare(connection).start();
            let close_on_drop = CloseOnDrop(Arc::downgrade(peer.shared()));
            drivers.spawn(driver);
            // A hook that finds out by itself says more than that there is no connection.
            tokio::select! {
                biased;
                ready = make_ready(peer.clone()) => {
                    ready.map_err(|error| ConnectError::Hook(error.into()))?;
                }
                reason = peer.closing() => return Err(ConnectError::Lost(reason)),
            }
            Ok((peer, close_on_drop))
        };
        let after = *attempt_timeout;
        match timeout(after, caught_future(attempt)).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => Err(ConnectError::Panicked { text: panic.text.into() }),
            Err(_) => Err(ConnectError::Timeout { after }),
        }
    }

    fn shown_address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

/// Waits until the connections, which are drained, have ended.
async fn all_ended(state: &mut Published, drivers: &mut JoinSet<CloseReason>) {
    // Calls are still made on the connection that there is: a responder may need them to answer. It
    // would close without its published handle.
    let peer = state.state.borrow().peer().cloned();
    if let Some(peer) = peer {
        peer.closing().await;
    }
    state.publish(State::Closed);
    while drivers.join_next().await.is_some() {}
}

/// Whether a client goes on, and how it stops.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    Never,
    /// Its connections end once their responders have answered.
    Gracefully {
        within: Duration,
    },
    AtOnce,
}

/// The state that the client's handles see.
pub(super) struct Published {
    pub(super) state: watch::Sender<State>,
    /// See [`Link::connected`](super::link::Link::connected).
    pub(super) connected: Arc<Notify>,
}

impl Published {
    fn publish(&mut self, state: State) {
        let waits_on = state.peer().is_none() && !state.is_closed();
        // Dropped once the channel's own lock is released: the old state may be a connection.
        let _old = self.state.send_replace(state);
        if !waits_on {
            self.connected.notify_waiters();
        }
    }
}

impl Drop for Published {
    /// Also when the runtime shuts down: nobody waits for a connection then.
    fn drop(&mut self) {
        self.publish(State::Closed);
    }
}

/// Resolves when a call was told that the peer is about to close this connection.
async fn is_closing(closing: &mut watch::Receiver<Weak<Shared>>, peer: &Peer) {
    let is_this = |closing: &Weak<Shared>| closing.as_ptr() == Arc::as_ptr(peer.shared());
    if closing.wait_for(is_this).await.is_err() {
        // There are no handles any more, so the supervisor is about to stop.
        pending::<()>().await;
    }
}

/// After `wait`, or in thirty years: tokio's own limit for what is too far away.
fn later(wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86400 * 365 * 30);
    Instant::now() + wait.min(FAR)
}
