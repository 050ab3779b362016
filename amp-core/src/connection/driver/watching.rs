//! Whether the peer is alive, as the driver looks at it.

use std::time::{Duration, Instant};

use super::super::shared::Shared;
use super::clock::now;
use super::state::Driver;
use crate::proto::{CallId, Liveness, Reading, Timer, Wants};

/// When it is looked again after a look further ahead, before which the driver reads.
const SOON: Duration = Duration::from_millis(1);

impl Driver {
    /// Looks whether a ping was answered, and whether the peer takes what is before a switch.
    pub(super) fn watch(&mut self) {
        let Self { shared, liveness: Some(liveness), timers, line, .. } = self else { return };
        if let Some(id) = liveness.ping()
            && take_answer(shared, id)
        {
            liveness.answered(now(), timers);
        }
        let agreed =
            shared.wants(Wants::BOUNDARY) && shared.peek(|state| state.core.switch.is_agreed());
        liveness.leaving(agreed.then_some(line.written), now);
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
