//! What is done while nothing is read, because as many responders run as may.
//!
//! A peer that calls too much is slowed down by not being read from. But then nobody sees that it has
//! gone, and a responder that waits for just that waits for ever. So after a while a little is read
//! ahead, then more, and its calls wait to be begun. What is behind those, only the transport may know
//! of.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

use super::{Driver, Progress, Reading};
use crate::error::CloseReason;
use crate::proto::Wants;

/// How often a paused driver looks for its peer. It needs three looks to be sure that one has gone
/// which had sent too much to be read ahead, and that takes less than a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many bytes are read ahead at first, together with what the calls among them take in memory.
const AHEAD: usize = 64 << 10;

/// How much farther each further look is, and how far: about as much as a peer's system takes of it
/// before it goes, over what this side's has. One box may be larger; then a look for a sign of life
/// goes so far.
const FARTHER_TIMES: usize = 8;
const FARTHER: usize = 4 << 20;

/// Looks for the peer every now and then.
pub(super) struct Lookout {
    timer: Pin<Box<Sleep>>,
    /// Whether the peer had gone at the last look.
    gone: bool,
}

impl Driver {
    /// Whether a ping is outstanding. Nothing has to wait for its answer.
    pub(super) fn awaits_ping(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.awaits_answer())
    }

    /// Reads ahead once nothing was read for a while, and all that there is once the peer has gone
    /// and nothing goes on: the end is behind that. Calls that want an answer are dropped then. Where
    /// the peer has asked for a protocol switch what follows may be no boxes, and nothing is read ahead;
    /// nobody waits for what is decided once the peer has gone.
    pub(super) fn poll_lookout(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        let deciding = self.shared.wants(Wants::DECIDING);
        if self.reading != Reading::Paused && !deciding {
            self.lookout = None;
            return Ok(Progress::Waiting);
        }
        let first = || Lookout { timer: Box::pin(sleep(LOOK_EVERY)), gone: false };
        let mut lookout = self.lookout.take().unwrap_or_else(first);
        let looked = self.look_out(&mut lookout, deciding, cx);
        self.lookout = Some(lookout);
        looked
    }

    fn look_out(
        &mut self,
        lookout: &mut Lookout,
        deciding: bool,
        cx: &mut Context<'_>,
    ) -> Result<Progress, CloseReason> {
        while lookout.timer.as_mut().poll(cx).is_ready() {
            lookout.timer.as_mut().reset(Instant::now() + LOOK_EVERY);
            // TCP does not tell of an end that is behind more than its window takes.
            let gone = (deciding || self.input.ahead > 0) && self.line.transport.has_peer_closed();
            let went_before = std::mem::replace(&mut lookout.gone, gone);
            if !gone && !deciding && self.look_further_to(FARTHER) {
                return Ok(Progress::More);
            }
            if !gone || !went_before {
                continue;
            }
            if self.input.gone || deciding {
                // It has sent more than there is memory for, or than can be read.
                self.leave_behind();
                return Err(CloseReason::Peer);
            }
            // What the system has of it is all that comes. One-way commands are not lost.
            self.input.gone = true;
            self.input.ahead = self.furthest();
            self.drop_unanswerable();
            return Ok(Progress::More);
        }
        Ok(Progress::Waiting)
    }

    fn furthest(&self) -> usize {
        self.shared.settings.limits.running_bytes.max(AHEAD)
    }

    /// Reads further ahead, if that may be: the answer that shows that the peer is alive may be
    /// behind its calls. Each look is at much more than the one before it, since whoever asks waits as
    /// long for each that finds something.
    pub(super) fn look_further(&mut self) -> bool {
        if self.reading != Reading::Paused {
            return false;
        }
        self.look_further_to(self.shared.settings.limits.boxes.max_bytes.max(FARTHER))
    }

    /// Reads further ahead, but no further than this, and not so far that it would be too much of what
    /// is left for all connections.
    fn look_further_to(&mut self, furthest: usize) -> bool {
        let before = self.input.ahead;
        let further = match before {
            0 => AHEAD,
            before => before.saturating_mul(FARTHER_TIMES).min(furthest).min(self.furthest()),
        };
        let together = self.shared.settings.together.as_ref();
        if further <= before || together.is_some_and(|all| !all.has_room_for(further)) {
            return false;
        }
        self.input.ahead = further;
        true
    }
}
