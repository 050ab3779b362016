//! What the driver of a side does when something is due, and how it finds out whether its peer is alive.

use std::time::{Duration, Instant};

use super::driver::{Driver, Progress};
use super::pipe::Pipe;
use super::side::{PING, Seen, Side, Taken};
use crate::proto::inbound::Looked;
use crate::proto::wants::Wants;
use crate::proto::{CallId, CloseReason, Liveness, Reading, Timer};

/// How often a peer is looked for that is not read from.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Side {
    /// Deals with what is due.
    pub(super) fn poll_timers(&mut self, incoming: &Pipe, now: Instant) -> Progress {
        self.set_timers(now);
        while let Some(timer) = self.driver.timers.take_due(now) {
            self.handle_timeout(timer, incoming, now)?;
        }
        Ok(())
    }

    fn set_timers(&mut self, now: Instant) {
        if self.driver.ending.is_some() {
            return;
        }
        let Driver { inbound, timers, buffer, .. } = &mut self.driver;
        inbound.watch_box(!buffer.is_empty(), self.core.limits.box_timeout, timers, || now);
        if !inbound.is_paused() && !self.public.any(Wants::DECIDING) {
            if timers.is_set(Timer::Look) {
                timers.stop(Timer::Look);
                inbound.end_look();
            }
        } else if !timers.is_set(Timer::Look) {
            timers.set_after(Timer::Look, now, LOOK_EVERY);
        }
        if self.core.unclaimed.len() > 0 && !timers.is_set(Timer::Unclaimed) {
            timers.set_after(Timer::Unclaimed, now, self.core.limits.unclaimed_timeout);
        }
        self.watch(now);
    }

    /// Looks whether a ping was answered, and whether the peer takes what is before a switch.
    fn watch(&mut self, now: Instant) {
        if self.take_ping() {
            let Driver { liveness, timers, .. } = &mut self.driver;
            liveness.as_mut().expect("it has sent a ping").answered(now, timers);
        }
        let leaves = self.core.switch.is_agreed().then_some(self.driver.written);
        if let Some(liveness) = &mut self.driver.liveness {
            liveness.leaving(leaves, || now);
        }
    }

    /// Whether a ping was answered.
    fn take_ping(&mut self) -> bool {
        let Some(id) = self.driver.liveness.as_ref().and_then(Liveness::ping) else { return false };
        let (answer, number) =
            self.with(|core| (core.take_answer(id), core.unclaimed.take_answer(id)));
        self.leave_box(number);
        let Some(answer) = answer else { return false };
        self.seen.push_back(Seen::Taken(self.ping_number(), Taken::Answer(answer)));
        true
    }

    /// Nobody looks any more whether the peer is alive.
    pub(super) fn stop_watching(&mut self) {
        for timer in
            [Timer::Idle, Timer::FirstBox, Timer::Ping, Timer::Box, Timer::Look, Timer::Drain]
        {
            self.driver.timers.stop(timer);
        }
        if !self.take_ping()
            && let Some(id) = self.driver.liveness.as_ref().and_then(Liveness::ping)
        {
            let waited = self.with(|core| core.forget(id)).is_some();
            self.seen.push_back(Seen::PingGivenUp(self.ping_number(), waited));
        }
        self.driver.liveness = None;
    }

    /// The number of the last ping.
    fn ping_number(&self) -> usize {
        PING + 2 * self.driver.pings + usize::from(self.is_far)
    }

    fn handle_timeout(&mut self, timer: Timer, incoming: &Pipe, now: Instant) -> Progress {
        let limits = self.core.limits;
        match timer {
            Timer::Idle | Timer::FirstBox | Timer::Ping => self.handle_silence(timer, now),
            Timer::Box => {
                let Driver { inbound, timers, buffer, .. } = &mut self.driver;
                let (buffered, after) = (!buffer.is_empty(), limits.box_timeout);
                if let Err(reason) = inbound.handle_box_timeout(buffered, after, timers, now) {
                    self.with(|core| core.close(reason));
                    self.driver.more = true;
                }
            }
            Timer::Look => self.look_for_peer(incoming, now),
            Timer::Unclaimed => {
                let after = limits.unclaimed_timeout;
                let (dead, next) = self.with(|core| core.unclaimed.expire(now, after));
                drop(dead);
                self.claims_are_late = true;
                if let Some(next) = next {
                    self.driver.timers.set(Timer::Unclaimed, next);
                }
            }
            Timer::Drain => {
                self.with(|core| core.close(CloseReason::Local));
                self.driver.more = true;
            }
            Timer::Broken => return Err(self.driver.broken.clone().expect("it is broken")),
            Timer::Close => {
                let ending = self.driver.ending.as_ref();
                return Err(ending.expect("it is ending").reason.clone());
            }
            Timer::Room | Timer::Buffers => panic!("{timer:?} is not set here"),
        }
        Ok(())
    }

    fn look_for_peer(&mut self, incoming: &Pipe, now: Instant) {
        let limits = self.core.limits;
        let deciding = self.public.any(Wants::DECIDING);
        let Driver { inbound, timers, .. } = &mut self.driver;
        timers.set_after(Timer::Look, now, LOOK_EVERY);
        if !inbound.is_paused() && !deciding {
            inbound.end_look();
            return;
        }
        match inbound.look(|| incoming.closed || incoming.broken, deciding, &limits, None) {
            Looked::Same => return,
            Looked::Further => {}
            Looked::Rest(unanswerable) => self.drop_received(unanswerable),
            Looked::Gone => {
                self.drop_calls_that_wait();
                self.with(|core| core.close(CloseReason::Peer));
            }
        }
        self.driver.more = true;
    }

    /// Something should have come by now.
    fn handle_silence(&mut self, timer: Timer, now: Instant) {
        if self.driver.broken.is_some() {
            return;
        }
        let (boundary, limits) = (self.public.any(Wants::BOUNDARY), self.core.limits);
        let Driver { inbound, liveness: Some(liveness), timers, written, heard, .. } =
            &mut self.driver
        else {
            return;
        };
        if inbound.reading() == Reading::Behind
            && (boundary || inbound.is_idle())
            && !liveness.leaves()
        {
            liveness.received(now);
            *heard = now;
        }
        let (decoded, written) = (inbound.decoded(), *written);
        match liveness.handle_timeout(timer, now, decoded, written, timers) {
            Ok(false) => return,
            Ok(true) => {
                let ping = self.ping();
                let Driver { liveness: Some(liveness), timers, .. } = &mut self.driver else {
                    return;
                };
                liveness.sent(ping, written, now, timers);
            }
            Err(_) if inbound.look_further(&limits, None) => {
                timers.set_after(timer, now, Duration::from_millis(1));
            }
            Err(reason) => {
                let silent = now - *heard;
                let least = match &reason {
                    CloseReason::Idle { after } | CloseReason::PingTimeout { after } => *after,
                    CloseReason::BoxTimeout { .. } => Duration::ZERO,
                    other => panic!("{other:?} is not of a peer that is silent"),
                };
                let leaves = self.core.switch.is_agreed();
                assert!(
                    leaves || silent >= least,
                    "whoever sends is alive: {silent:?}, {reason:?}"
                );
                self.with(|core| core.close(reason));
            }
        }
        self.driver.more = true;
    }

    /// Sends a ping, if one can be sent.
    fn ping(&mut self) -> Option<(CallId, u64)> {
        if self.core.holds() {
            return None;
        }
        self.driver.pings += 1;
        let n = self.ping_number();
        let id = self.call_for(n, b"Ping")?;
        Some((id, self.core.end_of_queue()))
    }
}
