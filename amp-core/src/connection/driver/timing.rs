//! What the driver does when something is due. It has one timer, for the next of all.

use std::task::Context;
use std::time::Instant;

use super::clock::now;
use super::state::Driver;
use crate::error::CloseReason;
use crate::proto::{Progress, Timer, ToDo};

impl Driver {
    /// Deals with what is due. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(super) fn poll_timers(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        self.set_timers();
        while let Some(now) = self.due.poll(self.drive.next_due(), cx) {
            let mut more = false;
            while let Some(timer) = self.drive.take_due(now) {
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
        let progress = self.progress();
        let Self { shared, drive, .. } = self;
        if drive.ping().is_some() {
            drop(shared.with(|state| drive.poll_ping(now(), &mut state.core)));
        }
        let (limits, shares) = (&shared.settings.limits, shared.settings.together.is_some());
        drive.set_timers(shared.public(), limits, shares, progress, now);
    }

    /// How far the stream has come, without what only a timer asks for.
    fn progress(&self) -> Progress {
        Progress { written: self.line.written, ..Progress::default() }
    }

    /// Deals with a timer that was due. Whether another turn is worth it.
    fn handle_timeout(&mut self, timer: Timer, now: Instant) -> Result<bool, CloseReason> {
        match timer {
            Timer::Drain => {
                tracing::debug!("responders have not answered before a graceful end");
            }
            Timer::Close => tracing::debug!("the connection did not end in time"),
            _ => {}
        }
        // The transport may be a user's, so it is asked with nothing locked.
        let closed = timer == Timer::Look && self.line.transport.has_peer_closed();
        let room_passed = self.shared.room_passed();
        let progress = Progress { closed, room_passed, ..self.progress() };
        let Self { shared, drive, .. } = self;
        let to_do =
            shared.with(|state| drive.handle_timeout(timer, progress, now, &mut state.core));
        match to_do {
            ToDo::Nothing => return Ok(false),
            ToDo::Turn => {}
            ToDo::Ping => {
                let ping = self.pinger.as_mut().and_then(|pinger| pinger.send(&self.shared));
                self.drive.ping_sent(ping, self.line.written, now);
            }
            ToDo::Drop(calls) => self.drop_received(calls),
            ToDo::ReleaseBuffers => {
                self.release_buffers();
                return Ok(false);
            }
            ToDo::Over(reason) => return Err(reason),
        }
        Ok(true)
    }

    /// Somebody who waits for room was told that there is some: it is watched whether they go on.
    pub(super) fn watch_room(&mut self) {
        self.drive.watch_room(self.shared.room_passed(), now);
    }
}
