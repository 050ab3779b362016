//! How much a driver does before others have their turn.
//!
//! A runtime looks at its sockets when it has nothing else to do, and every so many tasks. A driver
//! that is never without work must say by itself that it has done enough, or whoever waits for a
//! socket waits for dozens of its polls.

use std::time::{Duration, Instant};

/// So many reads or writes follow each other before other tasks have their turn, whatever they bring.
pub(crate) const TURNS: usize = 32;

/// The stint ends after this many boxes received, or this many calls begun. Fewer would cut what many
/// callers have sent at once into many writes of answers.
const BOXES: usize = 1024;

/// The stint ends after this many bytes; a read that crosses the bound is still handled in full.
const BYTES: usize = 1 << 20;

/// Calls are slow when this much time has passed between two looks at the clock. One slow stretch is
/// forgiven, since the thread may have lost its processor.
const TIME: Duration = Duration::from_millis(2);

/// The clock is read after every so many bytes of calls, after the first call if a second follows, and
/// whenever the number of calls has doubled, since small ones may take long too. A look costs too much to
/// have one for each call.
const LOOK_AFTER: usize = 1024;

/// What a driver has done since others had their turn.
#[derive(Debug, Default)]
pub(crate) struct Stint {
    boxes: usize,
    calls: usize,
    bytes: usize,
    /// The bytes of the calls that were begun since the clock was looked at.
    unlooked: usize,
    /// When the clock was last looked at.
    looked: Option<Instant>,
    /// How often calls have taken long.
    long: u32,
    over: bool,
    /// Whether the calls of the last one took too long. Then the first call counts too, which may
    /// be all that there is time for.
    slow: bool,
}

impl Stint {
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The driver waits, so others have their turn anyway.
    #[inline]
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Others have their turn, although little was done.
    pub(crate) fn finish(&mut self) {
        self.over = true;
    }

    /// Begins another stint, for which the driver is woken behind all other tasks.
    pub(crate) fn give_way(&mut self) {
        *self = Self { slow: self.long > 0, ..Self::default() };
    }

    /// How many bytes were received.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn received_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.over |= self.bytes >= BYTES;
    }

    #[inline]
    pub(crate) fn received(&mut self, boxes: usize) {
        self.boxes += boxes;
        self.over |= self.boxes >= BOXES;
    }

    #[inline]
    pub(crate) fn before_call(&mut self, now: impl FnOnce() -> Instant) {
        if (self.slow || self.calls == 1) && self.looked.is_none() {
            self.looked = Some(now());
        }
    }

    /// A call of so many bytes was begun.
    #[inline]
    pub(crate) fn after_call(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        self.calls += 1;
        self.unlooked += bytes;
        self.over |= self.calls >= BOXES;
        let doubled = self.calls > 1 && self.calls.is_power_of_two();
        if self.unlooked >= LOOK_AFTER || doubled || self.slow || self.long > 0 {
            self.look(now());
        }
    }

    fn look(&mut self, now: Instant) {
        self.unlooked = 0;
        if self.looked.replace(now).is_some_and(|looked| now.duration_since(looked) >= TIME) {
            self.long += 1;
            self.over |= self.slow || self.long > 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stint(slow: bool) -> Stint {
        Stint { slow, ..Stint::default() }
    }

    #[test]
    fn boxes_calls_and_bytes_end_it() {
        let (mut many, now) = (Stint::default(), Instant::now());
        many.received(BOXES - 1);
        assert!(!many.is_over());
        many.received(1);
        assert!(many.is_over());
        many.give_way();
        many.received_bytes(BYTES - 1);
        (1..BOXES).for_each(|_| many.after_call(0, || now));
        assert!(!many.is_over());
        many.after_call(0, || now);
        assert!(many.is_over());
        many.give_way();
        assert!(!many.is_over() && !many.slow);
        many.received_bytes(BYTES);
        assert!(many.is_over());
        many.reset();
        assert!(!many.is_over());
    }

    #[test]
    fn a_large_call_that_takes_long_ends_it_and_then_each_of_them() {
        let (mut large, mut now) = (stint(false), Instant::now());
        let mut call = |large: &mut Stint, bytes| {
            large.before_call(|| now);
            now += TIME;
            large.after_call(bytes, || now);
        };
        for _ in 0..3 {
            assert!(!large.is_over());
            call(&mut large, LOOK_AFTER);
        }
        assert!(large.is_over());
        large.give_way();
        for _ in 0..3 {
            call(&mut large, 1);
            assert!(large.is_over());
            large.give_way();
        }
        assert!(large.slow);
        large.reset();
        assert!(!large.slow, "it waits for calls");
    }

    #[test]
    fn small_calls_that_take_long_end_it_too() {
        let (mut small, mut now) = (stint(false), Instant::now());
        for _ in 0..3 {
            assert!(!small.is_over());
            small.before_call(|| now);
            now += TIME;
            small.after_call(0, || now);
        }
        assert!(small.is_over());
        let mut lone = stint(false);
        lone.before_call(|| panic!("a lone call holds nobody up, and costs no look"));
        lone.after_call(0, || panic!("it costs no look"));
    }
}
