/// A side of a call, as this side sees it. The words are documented, and stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Asking,
    Answering,
}

/// The way in which a call is over. The words are documented, and stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Failed,
    /// One-way commands only: queued on the asking side.
    Sent,
    /// One-way commands only: dealt with on the answering side.
    Done,
    Unreadable,
    NotSent,
    TimedOut,
    Closed,
    Dropped,
}

#[cfg(feature = "metrics")]
impl Outcome {
    /// The number of outcomes. `Dropped` is the last.
    pub(super) const COUNT: usize = Outcome::Dropped as usize + 1;
}

impl Side {
    pub(super) fn word(self) -> &'static str {
        match self {
            Side::Asking => "asking",
            Side::Answering => "answering",
        }
    }
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Failed => "failed",
            Outcome::Sent => "sent",
            Outcome::Done => "done",
            Outcome::Unreadable => "unreadable",
            Outcome::NotSent => "not_sent",
            Outcome::TimedOut => "timed_out",
            Outcome::Closed => "closed",
            Outcome::Dropped => "dropped",
        }
    }
}
