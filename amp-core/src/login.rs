//! Logins: which commands a peer may call before it has logged in, how long that may take, and how
//! to compare secrets.
//!
//! None of this is on the wire. The commands of a login are your own, and show that the peer knows a
//! secret. In the example `login`, both sides do so by challenge and response.
//!
//! ```
//! use amp_core::login::{Login, same_secret};
//! use amp_core::{Command, CommandError, Context, Responders};
//! use std::time::Duration;
//!
//! #[derive(Command)]
//! #[amp(error = Refused)]
//! struct Authenticate {
//!     password: Vec<u8>,
//! }
//!
//! #[derive(CommandError, Debug, thiserror::Error)]
//! enum Refused {
//!     #[error("the password is wrong")]
//!     WrongPassword,
//!     #[error("too many passwords were wrong")]
//!     TooManyAttempts,
//!     #[error("the login came before TLS")]
//!     CameBeforeTls,
//! }
//! # #[derive(Command)]
//! # struct Work {}
//! # async fn work(_: Context, _: Work) -> Result<(), amp_core::NoError> { Ok(()) }
//!
//! async fn authenticate(context: Context<Login>, call: Authenticate) -> Result<(), Refused> {
//!     // Waits, if others have failed.
//!     let attempt = context.state().attempt(context.peer()).await;
//!     let attempt = attempt.map_err(|_| Refused::TooManyAttempts)?;
//!     if !same_secret(&call.password, b"xyzzy") {
//!         return Err(Refused::WrongPassword); // The attempt is dropped, so it has failed.
//!     }
//!     // These responders replace those from before the login.
//!     attempt.succeed(Responders::new(()).respond(work)).map_err(|_| Refused::CameBeforeTls)
//! }
//!
//! # async fn f(listener: tokio::net::TcpListener) {
//! amp_core::serve_with(listener, |connection| {
//!     let login = Login::within(Duration::from_secs(5));
//!     let before = Responders::new(login.clone()).respond(authenticate);
//!     connection.responders(before).login(login)
//! })
//! .await;
//! # }
//! ```
//!
//! Attempts on a connection are made one after the other, each after a pause that doubles with each
//! failure. After a few of them the connection is closed. A peer can then make another connection:
//! the server limits how many there may be
//! ([`max_connections`](crate::Serve::max_connections)). What else there is before the
//! login, a peer can call as often as the connection's [`Limits`](crate::Limits) let it, for as
//! long as the login may take.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use crate::connection::{self, Connection, Peer};
use crate::error::CloseReason;
use crate::responder::{CameBeforeTls, Responders};

/// The wait of an attempt when the one before it has failed. It doubles with each failure.
const PAUSE: Duration = Duration::from_millis(250);

/// The time that the answers to the last attempt may take, before the connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The login of the peer of one connection. [`Connection::login`] gives it to the connection. Clones
/// are the same login.
///
/// It is the state, or a part of the state, of the responders that may be called before the login.
#[derive(Clone, Debug)]
#[must_use = "a login has no deadline before `Connection::login` has it"]
pub struct Login {
    within: Duration,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Whether a connection has it.
    given: AtomicBool,
    /// How many attempts there may be.
    limit: AtomicUsize,
    succeeded: watch::Sender<bool>,
    /// Has one permit, for whose turn it is. It is closed when there is nothing more to attempt.
    turn: Arc<Semaphore>,
    /// The number of attempts that wait, are made, or have failed.
    begun: AtomicUsize,
    failed: Mutex<Failed>,
}

#[derive(Debug, Default)]
struct Failed {
    count: usize,
    last: Option<Instant>,
}

impl Connection {
    /// Closes the connection, with [`CloseReason::NoLogin`], when its peer has not logged in in time.
    /// The time begins with the connection, and is not limited by default. The login is also part of
    /// the connection's [data](Connection::data). If this is called again, the last login counts.
    ///
    /// Before the login, a peer may call all of the connection's
    /// [`responders`](Connection::responders). Put the responders of the login there, and those that
    /// need a login into [`Attempt::succeed`].
    ///
    /// This takes a task, which ends with the login or the connection.
    ///
    /// # Panics
    ///
    /// Panics when the login was given to a connection before. A server makes a new one for each
    /// connection, in [`serve_with`](crate::serve_with). Otherwise one peer would log in or fail for
    /// all others.
    #[track_caller]
    pub fn login(self, login: Login) -> Self {
        let given = login.shared.given.swap(true, Ordering::Relaxed);
        assert!(!given, "a login is that of one connection: make one for each");
        let deadline = login.clone();
        self.data(login).at_start(|connection| deadline.watch(connection))
    }
}

impl Login {
    /// Creates a login that has to succeed within this time after the start of its
    /// [connection](crate::Connection::login), and by the fifth [attempt](Login::attempts).
    pub fn within(within: Duration) -> Self {
        let shared = Shared {
            given: AtomicBool::new(false),
            limit: AtomicUsize::new(5),
            succeeded: watch::Sender::new(false),
            turn: Arc::new(Semaphore::new(1)),
            begun: AtomicUsize::new(0),
            failed: Mutex::default(),
        };
        Self { within, shared: Arc::new(shared) }
    }

    /// Sets how many attempts are allowed, at least one, for all clones. 5 by default.
    pub fn attempts(self, limit: usize) -> Self {
        self.shared.limit.store(limit.max(1), Ordering::Relaxed);
        self
    }

    /// Begins an attempt. Await this before the secret is checked, and before any costly work.
    ///
    /// Attempts of one connection are made one at a time. After a failure, the next attempt waits for
    /// 250 milliseconds, and this pause doubles with each further failure. An attempt has failed when
    /// it is dropped. After the last one, the connection is closed as by [`Peer::close_gracefully`], so
    /// the last answer is still sent. If the peer begins more attempts than are allowed, the connection
    /// is closed within a second: a peer that guesses without waiting gets no answers.
    ///
    /// # Errors
    ///
    /// When all attempts that are allowed have begun, including those that wait, and when the peer has
    /// logged in already.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it has resolved does not count as an attempt.
    ///
    /// # Panics
    ///
    /// Panics when this login was not given to the peer's connection by [`Connection::login`].
    pub async fn attempt(&self, peer: &Peer) -> Result<Attempt, NoMoreAttempts> {
        let shared = &self.shared;
        let is_its_own = peer.get::<Self>().is_some_and(|own| Arc::ptr_eq(&own.shared, shared));
        assert!(is_its_own, "the connection has another login, or none: use `Connection::login`");
        let limit = shared.limit.load(Ordering::Relaxed);
        let refused = NoMoreAttempts { limit };
        let Some(mut begun) = Begun::new(shared, limit) else {
            if !self.has_succeeded() {
                peer.shared().drain(FAREWELL);
            }
            return Err(refused);
        };
        let turn = Arc::clone(&shared.turn).acquire_owned().await.map_err(|_| refused)?;
        let pause = {
            let failed = shared.failed();
            failed.last.map(|last| last + PAUSE * 2_u32.saturating_pow(failed.pauses()))
        };
        if let Some(pause) = pause {
            sleep_until(pause).await;
        }
        begun.counts = true;
        Ok(Attempt { login: self.clone(), peer: peer.clone(), succeeded: false, _turn: turn })
    }

    /// Returns whether the peer has logged in.
    pub fn has_succeeded(&self) -> bool {
        *self.shared.succeeded.borrow()
    }

    /// Closes the connection when its peer has not logged in in time.
    fn watch(self, connection: Arc<connection::Shared>) {
        let Self { within, shared } = self;
        tokio::spawn(async move {
            let mut succeeded = shared.succeeded.subscribe();
            tokio::select! {
                // A peer that was told that it is logged in stays, even at the last moment.
                biased;
                _ = succeeded.wait_for(|succeeded| *succeeded) => {}
                _ = connection.closed() => {}
                () = tokio::time::sleep(within) => {
                    connection.close(&CloseReason::NoLogin { within });
                }
            }
        });
    }
}

impl Shared {
    fn failed(&self) -> std::sync::MutexGuard<'_, Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failed {
    /// Returns how many times the pause has doubled.
    fn pauses(&self) -> u32 {
        u32::try_from(self.count.saturating_sub(1)).unwrap_or(u32::MAX).min(16)
    }
}

/// Counts an attempt; one that was given up before its turn does not count.
struct Begun<'a> {
    begun: &'a AtomicUsize,
    counts: bool,
}

impl<'a> Begun<'a> {
    fn new(shared: &'a Shared, limit: usize) -> Option<Self> {
        let begun = &shared.begun;
        let within = |count| (count < limit).then_some(count + 1);
        begun.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        Some(Self { begun, counts: false })
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.counts {
            self.begun.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// An attempt to log in. There is only one at a time on a connection. It has failed when it is
/// dropped.
#[derive(Debug)]
#[must_use = "an attempt that is dropped has failed"]
pub struct Attempt {
    login: Login,
    peer: Peer,
    succeeded: bool,
    /// Dropped last, so that whoever is next sees what became of this one.
    _turn: OwnedSemaphorePermit,
}

impl Attempt {
    /// Logs the peer in. From its next call on, `responders` answer it in place of those before.
    ///
    /// # Errors
    ///
    /// Where [`Peer::replace_responders`] replaces nothing, because the call of the login came before TLS
    /// was started: the peer is not logged in, and the attempt has failed. Tell the peer so.
    pub fn succeed<S>(mut self, responders: Responders<S>) -> Result<(), CameBeforeTls> {
        self.peer.replace_responders(responders)?;
        self.succeeded = true;
        let shared = &self.login.shared;
        // A task that finds the turn closed sees why.
        shared.succeeded.send_replace(true);
        shared.turn.close();
        Ok(())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.succeeded {
            return;
        }
        let shared = &self.login.shared;
        let limit = shared.limit.load(Ordering::Relaxed);
        let spent = {
            let mut failed = shared.failed();
            failed.count += 1;
            failed.last = Some(Instant::now());
            failed.count >= limit
        };
        if spent {
            shared.turn.close();
            let peer = self.peer.peer_address();
            tracing::debug!(%peer, attempts = limit, "a peer has failed to log in");
            self.peer.shared().drain(FAREWELL);
        }
    }
}

/// An error that says that no more attempts to log in are allowed, because the peer has used them up or
/// has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no attempt to log in may be made any more; {limit} are the limit")]
#[non_exhaustive]
pub struct NoMoreAttempts {
    /// The number of attempts that are allowed on a connection.
    pub limit: usize,
}

/// Returns whether two secrets are the same. The time that this takes does not reveal where they
/// differ, but may reveal that their lengths differ.
#[must_use = "it only says whether they are the same"]
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
