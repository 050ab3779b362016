//! What a driver leaves with the state while it waits: itself, what it waits for, and the line, which a caller
//! may borrow.

use super::drive::Line;
use super::wants::Situation;
use super::{Core, Host};

/// A driver that waits, or is at work. A `W` wakes it.
pub(crate) struct Parking<W, S> {
    /// The driver, while it waits and no caller has it with the line.
    driver: Option<W>,
    /// What it waits for.
    situation: Situation,
    /// The driver, if it has come while a caller had the line.
    came: Option<W>,
    /// The line, while the driver waits and no caller has it, where callers may write.
    line: Option<Box<Line<S>>>,
}

/// What a caller is lent: the line, and the waker of the driver, which it registers with the stream.
pub(crate) type Lent<W, S> = (Box<Line<S>>, Option<W>);

impl<W, S> Default for Parking<W, S> {
    fn default() -> Self {
        Self { driver: None, situation: Situation::default(), came: None, line: None }
    }
}

impl<W, S> Parking<W, S> {
    /// What the driver waits for, while it does.
    #[inline]
    pub(crate) fn situation(&self) -> Option<&Situation> {
        self.driver.as_ref().map(|_| &self.situation)
    }

    /// The driver, if it waits and the core wants something of it.
    pub(crate) fn take_wanted<H: Host>(&mut self, core: &Core<W, H>) -> Option<W> {
        let wanted = |situation| !core.driver_wants(situation).is_nothing();
        if self.situation().is_some_and(wanted) { self.driver.take() } else { None }
    }

    /// The driver waits for this.
    #[inline]
    pub(crate) fn wait(&mut self, driver: W, situation: Situation) {
        self.driver = Some(driver);
        self.situation = situation;
    }

    /// The driver that waits leaves its line to callers.
    #[inline]
    pub(crate) fn offer_line(&mut self, line: Box<Line<S>>) {
        self.line = Some(line);
    }

    /// The driver is at work again. Returns its waker, unless that was taken to wake it.
    #[inline]
    pub(crate) fn go_to_work(&mut self) -> Option<W> {
        self.driver.take()
    }

    /// Takes the line back that was left to callers. While a caller has it there is none: then the `driver`, if
    /// any is given, is woken when that is back, and whoever was to be woken before is left in its place.
    #[inline]
    pub(crate) fn take_line(&mut self, driver: &mut Option<W>) -> Option<Box<Line<S>>> {
        if self.line.is_none() && driver.is_some() {
            self.situation.line = true;
            std::mem::swap(&mut self.came, driver);
        }
        self.line.take()
    }

    /// Whether a caller may borrow the line, as far as is known without a look at it.
    #[inline]
    pub(crate) fn has_line(&self) -> bool {
        self.line.is_some() && self.driver.is_some()
    }

    /// Lends the line to a caller, and the driver with it, with the only box in the queue, which is a call, when
    /// nothing is being written and nobody else is about to queue a box that could share the write.
    #[inline]
    pub(crate) fn lend<H: Host>(&mut self, core: &mut Core<W, H>) -> Option<Lent<W, S>> {
        if !core.has_lone_call() {
            return None;
        }
        let mut line = self.line.take_if(|line| line.is_idle())?;
        core.take_queued(&mut line.writing);
        Some((line, self.driver.take()))
    }

    /// A caller gives back what it was [lent](Self::lend). Unless `all` is written, the driver is wanted, and
    /// so it is if it has come meanwhile, on another task even. What is not needed is left where it is.
    #[inline]
    pub(crate) fn give_back(
        &mut self,
        line: &mut Option<Box<Line<S>>>,
        driver: &mut Option<W>,
        all: bool,
    ) {
        self.line = line.take();
        self.driver = self.came.take().or_else(|| driver.take());
        self.situation.line |= !all;
    }

    /// The line, while no caller has it.
    #[cfg(test)]
    pub(crate) fn line(&mut self) -> Option<&mut Line<S>> {
        self.line.as_deref_mut()
    }

    /// Takes the line, once the connection is over, if no caller has it.
    pub(crate) fn end(&mut self) -> Option<Box<Line<S>>> {
        self.line.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Body, ProtocolLimits};

    /// The driver 1 waits, and has left its line.
    fn parked() -> (Parking<u32, ()>, Core<u32>) {
        let mut parking = Parking::default();
        parking.wait(1, Situation::default());
        parking.offer_line(Line::new(()));
        (parking, Core::new(ProtocolLimits::default()))
    }

    /// It makes a call, and is lent the line for that.
    fn lend(parking: &mut Parking<u32, ()>, core: &mut Core<u32>) -> Option<Lent<u32, ()>> {
        core.call(b"A", &mut Body::default(), 0).unwrap();
        parking.lend(core)
    }

    /// All is written of what was lent.
    fn written((mut line, driver): Lent<u32, ()>) -> Lent<u32, ()> {
        line.writing = crate::proto::Outgoing::default();
        (line, driver)
    }

    #[test]
    fn a_driver_is_wanted_when_its_line_is_back_and_not_all_is_written() {
        for all in [false, true] {
            let (mut parking, mut core) = parked();
            let (line, mut driver) = written(lend(&mut parking, &mut core).unwrap());
            assert!(parking.lend(&mut core).is_none() && !parking.has_line(), "there is but one");
            assert_eq!(parking.take_wanted(&core), None, "whoever has the line has the driver");
            parking.give_back(&mut Some(line), &mut driver, all);
            assert_eq!(parking.take_wanted(&core), (!all).then_some(1));
        }
    }

    #[test]
    fn a_driver_that_has_come_meanwhile_is_woken_where_it_was_last() {
        let (mut parking, mut core) = parked();
        let (line, mut driver) = written(lend(&mut parking, &mut core).unwrap());
        for (comes, before) in [(2, None), (3, Some(2))] {
            let mut comes = Some(comes);
            assert!(parking.take_line(&mut comes).is_none());
            assert_eq!(comes, before);
        }
        assert_eq!(parking.take_wanted(&core), None);
        parking.give_back(&mut Some(line), &mut driver, true);
        assert_eq!((parking.take_wanted(&core), driver), (Some(3), Some(1)));
        assert!(parking.take_line(&mut None).is_some());
        parking.wait(3, Situation::default());
        assert_eq!(parking.take_wanted(&core), None, "it waits for nothing of that any more");
    }

    #[test]
    fn nobody_borrows_a_line_that_something_is_being_written_to() {
        let (mut parking, mut core) = parked();
        let mut line = parking.take_line(&mut None).unwrap();
        line.unflushed = true;
        parking.offer_line(line);
        assert!(parking.has_line() && lend(&mut parking, &mut core).is_none());
        assert!(parking.end().is_some());
    }
}
