//! Whether the peer is alive: what the driver sends for that, and what it looks at.

use std::sync::LazyLock;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::super::shared::Shared;
use super::state::Driver;
use super::timing;
use crate::command::{Command, NoError};
use crate::error::CallError;
use crate::proto::{CallId, Liveness, Pings, Reading, Timer, Wants};
use crate::report::Report;
use crate::restraint::{Restraint, restrained};

/// What is wrong with the pings of one connection is mostly wrong with those of all.
static UNSENT: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// When it is looked again after a look further ahead, before which the driver reads.
const SOON: Duration = Duration::from_millis(1);

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

    /// Sends a ping: the call, and the place of its end among all bytes that this side sends.
    fn send(&mut self, shared: &Shared) -> Option<(CallId, u64)> {
        if shared.with(|state| state.core.holds()) {
            // It would be held back behind a protocol switch.
            return None;
        }
        match (self.send)(shared) {
            Ok(id) => Some((id?, shared.with(|state| state.core.end_of_queue()))),
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

impl Driver {
    /// Looks whether a ping was answered, and whether the peer takes what is before a switch.
    pub(super) fn watch(&mut self) {
        let Self { shared, liveness: Some(liveness), timers, line, .. } = self else { return };
        if let Some(id) = liveness.ping()
            && take_answer(shared, id)
        {
            liveness.answered(timing::now(), timers);
        }
        let agreed =
            shared.wants(Wants::BOUNDARY) && shared.with(|state| state.core.switch.is_agreed());
        liveness.leaving(agreed.then_some(line.written), timing::now);
    }

    /// Something should have come by now. Whether it is worth another look.
    pub(super) fn handle_silence(&mut self, timer: Timer, now: Instant) -> bool {
        if self.broken.is_some() {
            // The end has a reason already.
            return false;
        }
        let Self { shared, liveness: Some(liveness), timers, line, inbound, .. } = self else {
            return false;
        };
        let (settings, boundary) = (&shared.settings, shared.wants(Wants::BOUNDARY));
        // What is about to be read may be from just now. What waits behind calls is read right after
        // them.
        if inbound.reading() == Reading::Behind
            && (boundary || inbound.is_idle())
            && !liveness.leaves()
        {
            liveness.received(now);
        }
        let (decoded, written) = (inbound.decoded(), line.written);
        match liveness.handle_timeout(timer, now, decoded, written, timers) {
            Ok(false) => false,
            Ok(true) => {
                let ping = self.pinger.as_mut().and_then(|pinger| pinger.send(shared));
                liveness.sent(ping, written, now, timers);
                // It is to be written.
                true
            }
            // What it finds counts from now on, and when it finds nothing the time is over.
            Err(_) if inbound.look_further(&settings.limits, settings.together.as_deref()) => {
                timers.set_after(timer, now, SOON);
                true
            }
            Err(reason) => {
                shared.close(&reason);
                true
            }
        }
    }

    /// The timers end, and the ping that may be outstanding does.
    pub(super) fn stop_watching(&mut self) {
        for timer in
            [Timer::Idle, Timer::FirstBox, Timer::Ping, Timer::Box, Timer::Look, Timer::Drain]
        {
            self.timers.stop(timer);
        }
        if let Some(id) = self.liveness.take().as_ref().and_then(Liveness::ping)
            && !take_answer(&self.shared, id)
        {
            drop(self.shared.with(|state| state.core.forget(id)));
        }
    }
}

/// Whether the ping was answered, with whatever. Then it is over.
fn take_answer(shared: &Shared, id: CallId) -> bool {
    let (answer, number) =
        shared.with(|state| (state.core.take_answer(id), state.core.unclaimed.take_answer(id)));
    if let Some(number) = number {
        shared.leave(number);
    }
    answer.is_some()
}
