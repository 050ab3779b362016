//! Logins: what a peer may call before it, how long it may take, and how secrets are compared.
//!
//! Nothing of this is on the wire. The commands of a login are the user's own: any that show that
//! the peer knows a secret. The example `login` has one in which both sides do, by challenge and
//! response.
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
//! }
//! # #[derive(Command)]
//! # struct Work {}
//! # async fn work(_: Context, _: Work) -> Result<(), amp_core::NoError> { Ok(()) }
//!
//! async fn authenticate(context: Context<Login>, call: Authenticate) -> Result<(), Refused> {
//!     if !same_secret(&call.password, b"xyzzy") {
//!         return Err(Refused::WrongPassword);
//!     }
//!     // What was registered before is not answered any more, and this is.
//!     context.state().succeed(context.peer(), Responders::new(()).respond(work));
//!     Ok(())
//! }
//!
//! # async fn f(listener: tokio::net::TcpListener) {
//! amp_core::serve_with(listener, |connection| {
//!     let login = Login::within(Duration::from_secs(5));
//!     let before = Responders::new(login.clone()).respond(authenticate);
//!     connection.responders(before).data(login)
//! })
//! .on_connect(|peer| {
//!     if let Some(login) = peer.get::<Login>().cloned() {
//!         login.watch(peer);
//!     }
//! })
//! .await;
//! # }
//! ```
//!
//! A peer that has not logged in can still call what there is as often as the connection's
//! [`Limits`](crate::Limits) let it. Give it small ones where a login takes long.

use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::connection::{CloseReason, Peer};
use crate::responder::Responders;

/// The login of the peer of one connection. Clones are the same login.
///
/// It is the state, or a part of it, of the responders that may be called before the login.
#[derive(Clone, Debug)]
pub struct Login {
    within: Duration,
    succeeded: Arc<watch::Sender<bool>>,
}

impl Login {
    /// A login that has to succeed within this time, from [`watch`](Login::watch) on.
    pub fn within(within: Duration) -> Self {
        Self { within, succeeded: Arc::new(watch::Sender::new(false)) }
    }

    /// The peer has logged in: from the next call on `responders` answer it, in place of those that
    /// did before. See [`Peer::replace_responders`].
    pub fn succeed<S>(&self, peer: &Peer, responders: Responders<S>) {
        peer.replace_responders(responders);
        self.succeeded.send_replace(true);
    }

    /// Whether the peer has logged in.
    pub fn has_succeeded(&self) -> bool {
        *self.succeeded.borrow()
    }

    /// Closes the connection when its peer has not logged in in time, with
    /// [`CloseReason::NoLogin`]. This takes a task, which ends with the login or the connection.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn watch(self, peer: Peer) {
        let Self { within, succeeded } = self;
        tokio::spawn(async move {
            let mut succeeded = succeeded.subscribe();
            tokio::select! {
                _ = succeeded.wait_for(|succeeded| *succeeded) => {}
                _ = peer.closed() => {}
                () = tokio::time::sleep(within) => {
                    peer.shared().close(&CloseReason::NoLogin { within });
                }
            }
        });
    }
}

/// Whether two secrets are the same, in a time that says nothing of where they differ. It may say
/// that they have different lengths.
#[must_use = "it only says whether they are the same"]
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
