//! Whether a call of the peer is begun or refused.

use super::Limits;
use super::together::Together;

/// What a connection answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Admission {
    /// How many responders have been started and are not done.
    pub(crate) running: usize,
    /// How many futures run after an answer, or wait until that is written.
    pub(crate) following: usize,
    /// How many bytes the calls of both have: on the wire, or once they are decoded if that is more.
    pub(crate) bytes: usize,
}

/// Why a call is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The connection is about to end.
    Closing,
    /// So many of these are there already.
    TooMany { what: &'static str, limit: usize },
}

impl Admission {
    /// Whether as many responders run as may before no more calls are read.
    pub(crate) fn is_full(self, limits: &Limits, together: Option<&Together>) -> bool {
        self.all() >= limits.running_responders
            || self.bytes >= limits.running_bytes
            || together.is_some_and(|all| all.is_full_for(self.all(), self.bytes))
    }

    /// How many responders run, with what runs after answers.
    fn all(self) -> usize {
        self.running + self.following
    }

    /// Whether a call may be begun whose turn it is. One that is refused because there are too many
    /// ends the connection if it wants no answer.
    pub(crate) fn admit(
        self,
        closing: bool,
        limits: &Limits,
        together: Option<&Together>,
    ) -> Result<(), Refusal> {
        let over = if closing {
            return Err(Refusal::Closing);
        } else if self.all() >= limits.running_responders_max {
            Some(("running responders", limits.running_responders_max))
        } else if self.bytes >= limits.running_bytes_max {
            Some(("bytes of calls being answered", limits.running_bytes_max))
        } else {
            together.and_then(|together| together.reached(self.all(), self.bytes))
        };
        over.map_or(Ok(()), |(what, limit)| Err(Refusal::TooMany { what, limit }))
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
            (4, 0, true, Some(("running responders", 4))),
            (3, 200, true, Some(("bytes of calls being answered", 200))),
        ] {
            let admission = Admission { running, following: 0, bytes };
            let behind = Admission { running: 0, following: running, bytes };
            assert_eq!(behind.is_full(&limits(), None), full, "{behind:?}");
            assert_eq!(admission.is_full(&limits(), None), full, "{admission:?}");
            let refusal = refusal.map(|(what, limit)| Refusal::TooMany { what, limit });
            assert_eq!(admission.admit(false, &limits(), None).err(), refusal, "{admission:?}");
            assert_eq!(admission.admit(true, &limits(), None), Err(Refusal::Closing));
        }
    }

    #[test]
    fn others_of_a_server_leave_room_or_do_not() {
        let together = Together::new(1 << 20, 100);
        let one = Admission { running: 1, following: 0, bytes: 10 };
        (0..99).for_each(|_| together.begin_call(10));
        assert!(one.is_full(&limits(), Some(&together)));
        assert!(!Admission::default().is_full(&limits(), Some(&together)));
        let many = Admission { running: 20, following: 0, bytes: 10 };
        let limits = Limits { running_responders_max: 50, ..limits() };
        assert_eq!(many.admit(false, &limits, Some(&together)), Ok(()));
        together.begin_call(10);
        assert!(many.admit(false, &limits, Some(&together)).is_err());
        assert_eq!(one.admit(false, &limits, Some(&together)), Ok(()), "a few are spared");
    }
}
