//! What a connection does to learn whether its peer is alive.

use std::sync::LazyLock;
use std::task::Waker;
use std::time::Duration;

use super::super::shared::Shared;
use crate::command::{Command, NoError};
use crate::error::CallError;
use crate::proto::{CallId, Pings};
use crate::report::Report;
use crate::restraint::{Restraint, restrained};

/// What is wrong with the pings of one connection is mostly wrong with those of all.
static UNSENT: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// What a connection does to learn whether its peer is alive.
#[derive(Default)]
pub(crate) struct Watching {
    pub(crate) idle: Option<Duration>,
    pub(crate) first_box: Option<Duration>,
    pub(crate) pinger: Option<Pinger>,
}

/// Sends pings.
pub(crate) struct Pinger {
    every: Duration,
    timeout: Duration,
    send: SendPing,
    /// Whether it was said that one could not be sent: the next is no better.
    complained: bool,
}

/// Queues a ping; gives the call if that wants an answer.
type SendPing = Box<dyn Fn(&Shared) -> Result<Option<CallId>, CallError<NoError>> + Send>;

impl Pinger {
    pub(crate) fn new<C: Command>(command: C, every: Duration, timeout: Duration) -> Self {
        let send = move |shared: &Shared| {
            let name = C::NAME.as_bytes();
            let encoded = shared.encode(|out, proto| command.to_box(out, proto));
            let mut encoded = encoded.map_err(CallError::Encode)?;
            if !C::REQUIRES_ANSWER {
                shared.with(|state| state.core.notify(name, &mut encoded.body))?;
                return Ok(None);
            }
            // Nobody is to be woken: whoever receives the answer looks for it.
            let nobody = Waker::noop().clone();
            let id = shared.with(|state| state.core.call(name, &mut encoded.body, nobody))?;
            Ok(Some(id))
        };
        Self { every, timeout, send: Box::new(send), complained: false }
    }

    pub(super) fn pings(&self) -> Pings {
        Pings::new(self.every, self.timeout)
    }

    /// Sends a ping.
    pub(super) fn send(&mut self, shared: &Shared) -> Option<CallId> {
        match (self.send)(shared) {
            Ok(id) => id,
            Err(error) => {
                let error = Report(&error);
                if std::mem::replace(&mut self.complained, true) {
                    tracing::debug!(%error, "a ping cannot be sent");
                } else {
                    restrained!(UNSENT, warn, "a ping cannot be sent", %error);
                }
                None
            }
        }
    }
}
