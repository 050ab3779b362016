//! How the driver waits, and what it leaves behind for others meanwhile: its waker, and the stream.

use std::task::Context;

use super::super::line::Line;
use super::state::{Driver, Lending};
use crate::proto::Reading;

impl Driver {
    /// Goes to work: from here on nobody else has the line, and nobody wakes the driver, since it
    /// looks at everything before it waits. `false` while a caller has the line, who wakes the driver
    /// when that is back.
    pub(super) fn go_to_work(&mut self, cx: &Context<'_>) -> bool {
        let Self { shared, lending, line, stand_in, waker, queued, .. } = self;
        // Wakers are dropped with nothing locked.
        let (works, _stale) = shared.with(|state| {
            if *lending == Lending::Lent {
                let Some(back) = state.line.take() else {
                    state.situation.line = true;
                    return (false, state.came.replace(cx.waker().clone()));
                };
                *stand_in = Some(std::mem::replace(line, back));
                *lending = Lending::Kept;
            }
            *queued = !state.core.outgoing().is_empty();
            let waker = state.driver.take().map(|driver| waker.replace(driver));
            (true, waker.flatten())
        });
        works
    }

    /// Waits, unless there is something to do already: what came while the driver was at work has
    /// woken nobody. Whether it waits.
    pub(super) fn park(&mut self, cx: &Context<'_>) -> bool {
        let situation = self.situation();
        let mut waker = self.waker.take();
        let _stale = waker.take_if(|waker| !waker.will_wake(cx.waker()));
        let waker = waker.unwrap_or_else(|| cx.waker().clone());
        // A reader that has paused is to hear of a call: from then on it may read, and begin
        // what it has read ahead. And where a switch was asked for, or has replaced the
        // transport, only the driver writes.
        let idle = self.drive.inbound.reading() == Reading::Done && self.drive.inbound.is_idle();
        let Self { shared, lending, line, stand_in, waker: kept, queued, .. } = self;
        shared.with(|state| {
            if !state.core.driver_wants(&situation).is_nothing() {
                *kept = Some(waker);
                *queued = true;
                return false;
            }
            state.driver = Some(waker);
            state.situation = situation;
            if *lending == Lending::Kept && idle && state.core.is_uneventful() {
                let stand_in = stand_in.take().unwrap_or_else(Line::dead);
                state.line = Some(std::mem::replace(line, stand_in));
                *lending = Lending::Lent;
            }
            true
        })
    }
}
