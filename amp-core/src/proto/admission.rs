//! Whether a call of the peer is begun or refused.

use super::together::Together;
use super::{CloseReason, LimitKind, Limits};

/// What a connection answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Admission {
    /// How many responders have been started and are not done.
    pub(crate) running: usize,
    /// How many futures run after an answer, or wait until that is written.
    pub(crate) following: usize,
    /// How many bytes the calls of both take: as boxes, or once they are decoded if that is more.
    pub(crate) bytes: usize,
}

/// Why a call is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The connection is about to end.
    Closing,
    /// So many of these are there already.
    TooMany { what: LimitKind, limit: usize },
}

impl Refusal {
    /// What the refusal of a call means for the connection. A caller is told of it. Nobody can be told
    /// that a one-way command is lost, so the connection ends when there are too many.
    ///
    /// # Errors
    ///
    /// When it ends.
    pub(crate) fn check(self, requires_answer: bool) -> Result<(), CloseReason> {
        match self {
            Refusal::TooMany { what, limit } if !requires_answer => {
                Err(CloseReason::Limit { what, limit })
            }
            _ => Ok(()),
        }
    }
}

/// What a connection answers, as it was when the reader last looked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    admission: Admission,
    /// Whether it answers as many calls as it may by its own limits.
    full: bool,
    /// Whether it is about to end, and answers nothing more.
    closing: bool,
}

impl Busy {
    pub(super) fn new(admission: Admission, closing: bool, limits: &Limits) -> Self {
        Self { admission, full: admission.is_full(limits, None), closing }
    }

    /// Whether as many responders run as may before no more calls are read.
    #[inline]
    pub(crate) fn is_full(&self, together: Option<&Together>) -> bool {
        self.full || together.is_some_and(|together| self.admission.is_full_among(together))
    }

    /// Whether the next call is begun, of so many bytes: see [`Admission::admit`].
    pub(crate) fn admit(
        &self,
        bytes: usize,
        limits: &Limits,
        together: Option<&Together>,
    ) -> Result<(), Refusal> {
        self.admission.admit(bytes, self.closing, limits, together)
    }
}

impl Admission {
    /// Whether as many responders run as may before no more calls are read.
    pub(crate) fn is_full(self, limits: &Limits, together: Option<&Together>) -> bool {
        self.all() >= limits.running_responders
            || self.bytes >= limits.running_bytes
            || together.is_some_and(|together| self.is_full_among(together))
    }

    /// Whether the connections of its server leave no room for more.
    pub(crate) fn is_full_among(self, together: &Together) -> bool {
        together.is_full_for(self.all(), self.bytes)
    }

    /// How many responders run, with what runs after answers.
    fn all(self) -> usize {
        self.running + self.following
    }

    /// Decides on the call whose turn it is, of so many bytes. What its [refusal](Refusal::check) means for
    /// the connection depends on whether it wants an answer.
    pub(crate) fn admit(
        self,
        bytes: usize,
        closing: bool,
        limits: &Limits,
        together: Option<&Together>,
    ) -> Result<(), Refusal> {
        let over = if closing {
            return Err(Refusal::Closing);
        } else if self.all() >= limits.running_responders_max {
            Some((LimitKind::RunningResponders, limits.running_responders_max))
        } else if self.bytes >= limits.running_bytes_max {
            Some((LimitKind::RunningBytes, limits.running_bytes_max))
        } else {
            together.and_then(|together| together.reached(self.all(), self.bytes, bytes))
        };
        over.map_or(Ok(()), |(what, limit)| Err(Refusal::TooMany { what, limit }))
    }

    /// Counts that a call which was begun takes so many bytes more, now that it is decoded; or says what
    /// there is too much of already, and how much there may be.
    pub(crate) fn grow(
        &mut self,
        more: usize,
        limits: &Limits,
        together: Option<&Together>,
    ) -> Result<(), (LimitKind, usize)> {
        if self.bytes >= limits.running_bytes_max {
            return Err((LimitKind::RunningBytes, limits.running_bytes_max));
        }
        if let Some(together) = together {
            together.add_bytes(self.all(), self.bytes, more)?;
        }
        self.bytes += more;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            running_responders: 2,
            running_responders_max: 4,
            running_bytes: 100,
            running_bytes_max: 200,
            ..Limits::default()
        }
    }

    #[test]
    fn a_call_is_begun_waits_or_is_refused() {
        for (running, bytes, full, refusal) in [
            (0, 0, false, None),
            (1, 99, false, None),
            (2, 0, true, None),
            (1, 100, true, None),
            (3, 199, true, None),
            (4, 0, true, Some((LimitKind::RunningResponders, 4))),
            (3, 200, true, Some((LimitKind::RunningBytes, 200))),
        ] {
            let admission = Admission { running, following: 0, bytes };
            let behind = Admission { running: 0, following: running, bytes };
            assert_eq!(behind.is_full(&limits(), None), full, "{behind:?}");
            assert_eq!(admission.is_full(&limits(), None), full, "{admission:?}");
            let refusal = refusal.map(|(what, limit)| Refusal::TooMany { what, limit });
            assert_eq!(admission.admit(1, false, &limits(), None).err(), refusal, "{admission:?}");
            assert_eq!(admission.admit(1, true, &limits(), None), Err(Refusal::Closing));
        }
    }

    #[test]
    fn a_one_way_command_that_is_refused_ends_the_connection_where_there_are_too_many() {
        let many = Refusal::TooMany { what: LimitKind::RunningResponders, limit: 3 };
        assert!(many.check(true).is_ok() && Refusal::Closing.check(false).is_ok());
        assert!(matches!(many.check(false), Err(CloseReason::Limit { limit: 3, .. })));
    }

    #[test]
    fn others_of_a_server_leave_room_or_do_not() {
        let together = Together::new(1 << 20, 100);
        let one = Admission { running: 1, following: 0, bytes: 10 };
        (0..79).for_each(|_| together.begin_call(10));
        let many = Admission { running: 20, following: 0, bytes: 10 };
        let limits = Limits { running_responders_max: 50, ..limits() };
        assert_eq!(many.admit(1, false, &limits, Some(&together)), Ok(()));
        (0..20).for_each(|_| together.begin_call(10));
        assert!(one.is_full(&limits, Some(&together)));
        assert!(!Admission::default().is_full(&limits, Some(&together)));
        assert!(many.admit(1, false, &limits, Some(&together)).is_err(), "others have more left");
        together.begin_call(10);
        assert!(many.admit(1, false, &limits, Some(&together)).is_err());
        assert_eq!(one.admit(1, false, &limits, Some(&together)), Ok(()), "a few are spared");
    }

    #[test]
    fn a_call_grows_unless_too_much_is_there_already() {
        let mut admission = Admission { running: 1, following: 0, bytes: 199 };
        // One goes over it, whatever it takes.
        assert_eq!(admission.grow(1000, &limits(), None), Ok(()));
        assert_eq!(admission.bytes, 1199);
        assert_eq!(admission.grow(1, &limits(), None), Err((LimitKind::RunningBytes, 200)));
        assert_eq!(admission.bytes, 1199);
        let together = Together::new(100_000, 10);
        let mut admission = Admission { running: 1, following: 0, bytes: 0 };
        assert!(admission.grow(100_001, &limits(), Some(&together)).is_err());
        assert_eq!(admission.grow(100_000, &limits(), Some(&together)), Ok(()));
        assert_eq!(admission.bytes, 100_000);
    }
}
