//! What a connection does to learn whether its peer is alive.

use std::sync::LazyLock;
use std::task::Waker;
use std::time::Duration;

use super::shared::Shared;
use crate::argument::{EncodeError, EncodeErrorKind};
use crate::command::Command;
use crate::proto::{Ping, Pings, Watched};
use crate::report::Report;
use crate::restraint::{Restraint, restrained};

/// What is wrong with the pings of one connection is mostly wrong with those of all.
pub(super) static UNSENT: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// What a connection does to learn whether its peer is alive.
#[derive(Default)]
pub(super) struct Watching {
    pub(super) idle: Option<Duration>,
    pub(super) first_box: Option<Duration>,
    pub(super) pinger: Option<Pinger>,
}

/// Which pings are sent, and when.
pub(super) struct Pinger {
    pings: Pings,
    make: MakePing,
}

type MakePing = Box<dyn FnOnce(&Shared) -> Result<Ping<Waker>, EncodeError> + Send>;

impl Pinger {
    pub(super) fn new<C: Command>(command: C, every: Duration, timeout: Duration) -> Self {
        let make = move |shared: &Shared| {
            let mut encoded = shared.encode(|out, proto| command.write_to(out, proto))?;
            if !encoded.body.attachments.is_empty() || encoded.take_carried().is_some() {
                // It is sent again and again, and those can be sent but once.
                return Err(
                    EncodeErrorKind::NoForm { what: "a ping with attachments or streams" }.into()
                );
            }
            let body = std::mem::take(&mut *encoded.body);
            // Nobody is to be woken: whoever receives the answer looks for it.
            let nobody = C::REQUIRES_ANSWER.then(|| Waker::noop().clone());
            Ok(Ping::new(C::NAME, body, nobody))
        };
        Self { pings: Pings::new(every, timeout), make: Box::new(make) }
    }
}

impl Watching {
    /// As the driver needs it. The ping is the same each time, so it is encoded once.
    pub(super) fn begin(self, shared: &Shared) -> Watched<Waker> {
        let Self { idle, first_box, pinger } = self;
        let pings = pinger.and_then(|Pinger { pings, make }| match make(shared) {
            Ok(ping) => Some((pings, ping)),
            Err(error) => {
                restrained!(UNSENT, warn, "a ping cannot be sent", error = %Report::new(&error));
                None
            }
        });
        Watched { idle, first_box, pings }
    }
}
