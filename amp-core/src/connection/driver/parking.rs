//! How the driver waits, and what it leaves behind for others meanwhile: its waker, and the stream.

use std::task::{Context, Waker};

use super::super::line::{Line, Stream};
use super::state::{Around, Lending};
use crate::proto::Drive;

impl Around {
    /// Goes to work: from here on nobody else has the line, and nobody wakes the driver, since it
    /// looks at everything before it waits. `false` while a caller has the line, who wakes the driver
    /// when that is back.
    pub(super) fn go_to_work(
        &mut self,
        drive: &mut Drive<Waker, Stream>,
        cx: &Context<'_>,
    ) -> bool {
        let Self { shared, lending, stand_in, waker, .. } = self;
        // Wakers are dropped with nothing locked.
        let (works, _stale) = shared.with(|state| {
            if *lending == Lending::Lent {
                match state.parking.take_line(|| cx.waker().clone()) {
                    Ok(line) => *stand_in = Some(std::mem::replace(&mut drive.line, line)),
                    Err(stale) => return (false, stale),
                }
                *lending = Lending::Kept;
            }
            drive.go_to_work(&state.core);
            let waker = state.parking.go_to_work().map(|driver| waker.replace(driver));
            (true, waker.flatten())
        });
        works
    }

    /// Waits, unless there is something to do already: what came while the driver was at work has
    /// woken nobody. Whether it waits.
    pub(super) fn park(&mut self, drive: &mut Drive<Waker, Stream>, cx: &Context<'_>) -> bool {
        let mut waker = self.waker.take();
        let _stale = waker.take_if(|waker| !waker.will_wake(cx.waker()));
        let waker = waker.unwrap_or_else(|| cx.waker().clone());
        let situation = drive.situation();
        let Self { shared, lending, stand_in, waker: kept, .. } = self;
        shared.with(|state| {
            if !drive.may_wait(&situation, &state.core) {
                *kept = Some(waker);
                return false;
            }
            state.parking.wait(waker, situation);
            // A reader that has paused is to hear of a call: from then on it may read, and begin
            // what it has read ahead. And where a switch was asked for, or has replaced the
            // transport, only the driver writes.
            if *lending == Lending::Kept && drive.is_idle() && state.core.is_uneventful() {
                let stand_in = stand_in.take().unwrap_or_else(|| Line::new(Stream::dead()));
                state.parking.leave_line(std::mem::replace(&mut drive.line, stand_in));
                *lending = Lending::Lent;
            }
            true
        })
    }
}
