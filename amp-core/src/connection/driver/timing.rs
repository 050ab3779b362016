//! What the driver does when something is due. It has one timer, for the next of all.

use std::task::Context;
use std::time::Duration;

use super::clock::now;
use super::state::Driver;
use crate::error::CloseReason;
use crate::proto::{Looked, Timer, Wants};

/// How often it is looked for a peer that is not read from. It needs three looks to be sure that one has
/// gone which had sent too much to be read ahead, and that takes less than a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the next may take to look who waits for room. To tell all of them too early costs each of
/// them a look.
const LOOKS_WITHIN: Duration = Duration::from_millis(50);

impl Driver {
    /// Deals with what is due. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(super) fn poll_timers(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        self.set_timers();
        while let Some(now) = self.due.poll(&self.timers, cx) {
            let mut more = false;
            while let Some(timer) = self.timers.take_due(now) {
                more |= self.handle_timeout(timer, now)?;
            }
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sets the timers of what has begun since the last look, and stops those of what is over.
    fn set_timers(&mut self) {
        let Self { shared, inbound, timers, input, .. } = self;
        if self.ending.is_some() {
            return;
        }
        let after = shared.settings.limits.box_timeout;
        inbound.watch_box(!input.buffer.is_empty(), after, timers, now);
        let paused = inbound.is_paused() || shared.wants(Wants::DECIDING);
        // Calls that wait until other connections hold less are looked at again by a turn: nobody says
        // when that is so.
        let waits = shared.settings.together.is_some() && !inbound.is_idle();
        if !paused && !waits {
            if timers.is_set(Timer::Look) {
                timers.stop(Timer::Look);
                inbound.end_look();
            }
        } else if !timers.is_set(Timer::Look) {
            timers.set_after(Timer::Look, now(), LOOK_EVERY);
        }
        self.watch();
    }

    fn handle_timeout(
        &mut self,
        timer: Timer,
        now: std::time::Instant,
    ) -> Result<bool, CloseReason> {
        match timer {
            Timer::Idle | Timer::FirstBox | Timer::Ping => {
                return Ok(self.handle_silence(timer, now));
            }
            Timer::Box => {
                let Self { shared, inbound, timers, input, .. } = self;
                let (buffered, after) =
                    (!input.buffer.is_empty(), shared.settings.limits.box_timeout);
                if let Err(reason) = inbound.handle_box_timeout(buffered, after, timers, now) {
                    shared.close(&reason);
                    return Ok(true);
                }
            }
            Timer::Look => return Ok(self.look_for_peer(now)),
            Timer::Room => {
                let passed = self.shared.room_passed();
                if passed == self.passed {
                    // One of them keeps the others waiting.
                    self.shared.room.notify_waiters();
                } else {
                    self.passed = passed;
                    self.timers.set_after(Timer::Room, now, LOOKS_WITHIN);
                }
            }
            Timer::Unclaimed => {
                let after = self.shared.settings.limits.unclaimed_timeout;
                let (dead, next) =
                    self.shared.with(|state| state.core.unclaimed.expire(now, after));
                if let Some(next) = next {
                    self.timers.set(Timer::Unclaimed, next);
                }
                if !dead.is_empty() {
                    let count = dead.len();
                    tracing::debug!(count, "dropped attachments that nothing has claimed");
                }
            }
            Timer::Drain => {
                tracing::debug!("responders have not answered before a graceful end");
                self.shared.close(&CloseReason::Local);
                return Ok(true);
            }
            Timer::Broken => {
                if let Some(reason) = &self.broken {
                    return Err(reason.clone());
                }
            }
            Timer::Close => {
                tracing::debug!("the connection did not end in time");
                if let Some(ending) = &self.ending {
                    return Err(ending.reason.clone());
                }
            }
            Timer::Buffers => self.release_buffers(),
        }
        Ok(false)
    }

    /// Reads ahead once nothing was read for a while, and all that there is once the peer has gone
    /// and nothing goes on: the end is behind that. Calls that want an answer are dropped then. Where
    /// the peer has asked for a protocol switch what follows may be no boxes, and nothing is read ahead;
    /// nobody waits for what is decided once the peer has gone.
    fn look_for_peer(&mut self, now: std::time::Instant) -> bool {
        self.timers.set_after(Timer::Look, now, LOOK_EVERY);
        let Self { shared, inbound, line, .. } = self;
        let deciding = shared.wants(Wants::DECIDING);
        if !inbound.is_paused() && !deciding {
            inbound.end_look();
            return false;
        }
        let closed = || line.transport.has_peer_closed();
        let settings = &shared.settings;
        match inbound.look(closed, deciding, &settings.limits, settings.together.as_deref()) {
            Looked::Same => return false,
            Looked::Further => {}
            Looked::Rest(unanswerable) => self.drop_received(unanswerable),
            Looked::Gone => {
                self.leave_behind();
                self.shared.close(&CloseReason::Peer);
            }
        }
        true
    }

    /// Tells the first of those who wait that there is room. Whoever was told of room tells the next when
    /// it looks. But nobody has to look: a future may be kept and not polled, as a service is that has
    /// said it was not ready. So it is watched whether they go on, and all of them are told where they do
    /// not.
    pub(super) fn tell_of_room(&mut self) {
        self.shared.room.notify_one();
        if !self.timers.is_set(Timer::Room) {
            self.passed = self.shared.room_passed();
            self.timers.set_after(Timer::Room, now(), LOOKS_WITHIN);
        }
    }
}
