//! How a driver waits, and what it leaves behind for others meanwhile: itself, and the stream.

use super::Drive;
use super::hands::Hands;
use super::line::{Lending, Line};

impl<W: Clone, S: Default> Drive<W, S> {
    /// Goes to work: from here on nobody else has the line, and nobody wakes the driver, since it looks at
    /// everything before it waits. `false` while a caller has the line, who wakes the driver when that is
    /// back.
    #[inline]
    pub(crate) fn go_to_work(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) -> bool {
        if !self.parked {
            // It has left nothing, and whatever may be queued is found when it is written.
            self.queued = true;
            return true;
        }
        self.try_to_work(&mut None, hands) || self.ask_for_line(hands)
    }

    /// Asks the caller that has the line to wake the driver, unless the line has just come back.
    #[cold]
    fn ask_for_line(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) -> bool {
        // Wakers are cloned and dropped with nothing locked.
        let mut driver = Some(hands.waker(&mut self.line.stream, None));
        self.try_to_work(&mut driver, hands)
    }

    #[inline]
    fn try_to_work(
        &mut self,
        driver: &mut Option<W>,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> bool {
        hands.with_parking(|core, parking| {
            if self.lending == Lending::Lent {
                let Some(line) = parking.take_line(driver) else { return false };
                self.stand_in = Some(std::mem::replace(&mut self.line, line));
                self.lending = Lending::Kept;
            }
            self.queued = core.has_to_send();
            self.waker = parking.go_to_work();
            self.parked = false;
            true
        })
    }

    /// Waits, unless there is something to do already: what came while the driver was at work has woken
    /// nobody. Whether it waits. It leaves its [`situation`](Self::situation) for others to see by whether
    /// there is something to do, and its line, if they may write.
    #[inline]
    pub(super) fn park(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) -> bool {
        let driver = hands.waker(&mut self.line.stream, self.waker.take());
        let situation = self.situation();
        hands.with_parking(|core, parking| {
            if !core.driver_wants(&situation).is_nothing() {
                self.queued = true;
                self.waker = Some(driver);
                return false;
            }
            parking.wait(driver, situation);
            self.parked = true;
            // A reader that has paused is to hear of a call: from then on it may read, and begin what it
            // has read ahead. And where a switch was asked for, or has replaced the transport, only the
            // driver writes.
            if self.lending == Lending::Kept && self.is_idle() && core.is_uneventful() {
                let stand_in = self.stand_in.take().unwrap_or_else(|| Line::new(S::default()));
                parking.offer_line(std::mem::replace(&mut self.line, stand_in));
                self.lending = Lending::Lent;
            }
            true
        })
    }

    /// All is over: whoever hears of that finds the line with the driver, unless a caller is just writing to
    /// it, who closes it then. What was received is dropped, and nobody asks any more whether the peer is
    /// alive.
    pub(crate) fn end(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        if let Some(line) = hands.with_parking(|_, parking| parking.end()) {
            self.line = line;
        }
        let calls = self.inbound.take_calls();
        Self::drop_calls(&calls, hands);
        self.stop_watching(hands);
    }
}
