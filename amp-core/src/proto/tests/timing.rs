//! What the driver of a side does when something is due.

use std::time::Instant;

use super::driver::Progress;
use super::pipe::Pipe;
use super::side::{PING, Seen, Side, Taken};
use crate::proto::{self, CallId, CloseReason, Drive, Timer, ToDo};

impl Side {
    /// Deals with what is due.
    pub(super) fn poll_timers(&mut self, incoming: &Pipe, now: Instant) -> Progress {
        let progress = proto::Progress {
            written: self.driver.written,
            closed: incoming.closed || incoming.broken,
            room_passed: self.room_passed,
        };
        self.poll_ping(now);
        let limits = *self.core.limits();
        self.driver.drive.set_timers(self.public, &limits, false, progress, || now);
        while let Some(timer) = self.driver.drive.take_due(now) {
            self.claims_are_late |= timer == Timer::Unclaimed;
            let begun = self.core.end().begun().is_some();
            let to_do =
                self.with_drive(|drive, core| drive.handle_timeout(timer, progress, now, core));
            self.driver.more |= !matches!(to_do, ToDo::Nothing);
            match to_do {
                ToDo::Nothing => {}
                ToDo::Turn => {
                    if let Some(reason) = self.core.end().begun().filter(|_| !begun) {
                        self.check_silence(reason, now);
                    }
                }
                ToDo::Ping => {
                    let ping = self.ping();
                    self.driver.drive.ping_sent(ping, progress.written, now);
                }
                ToDo::Drop(calls) => self.drop_received(calls),
                ToDo::ReleaseBuffers => panic!("no buffer is kept here"),
                ToDo::Over(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    /// A timer has begun the end, for this reason.
    fn check_silence(&self, reason: &CloseReason, now: Instant) {
        let (CloseReason::Idle { after } | CloseReason::PingTimeout { after }) = reason else {
            return;
        };
        let silent = now - self.driver.heard;
        let leaves = self.core.switch().is_agreed();
        assert!(leaves || silent >= *after, "whoever sends is alive: {silent:?}, {reason:?}");
    }

    /// Looks whether the ping that is outstanding was answered.
    fn poll_ping(&mut self, now: Instant) {
        if let Some(answer) = self.with_drive(|drive, core| drive.poll_ping(now, core)) {
            self.seen.push_back(Seen::Taken(self.ping_number(), Taken::Answer(answer)));
        }
    }

    /// Nobody looks any more whether the peer is alive.
    pub(super) fn stop_watching(&mut self, now: Instant) {
        self.poll_ping(now);
        let pings = self.driver.drive.ping().is_some();
        self.gone.clear();
        self.with_drive(Drive::stop_watching);
        if pings {
            let waited = std::mem::take(&mut self.gone) == [self.ping_number()];
            self.seen.push_back(Seen::PingGivenUp(self.ping_number(), waited));
        }
    }

    /// The number of the last ping.
    fn ping_number(&self) -> usize {
        PING + 2 * self.driver.pings + usize::from(self.is_far)
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
