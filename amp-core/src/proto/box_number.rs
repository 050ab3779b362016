use std::num::NonZeroU64;

/// A received box that may name an attachment, counted from the beginning of the connection.
///
/// A box that was received while no attachment waited has no number: an attachment never comes
/// later than the box that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BoxNumber(NonZeroU64);

impl BoxNumber {
    /// A question keeps an `Option` of it in the space of the number alone.
    pub(super) fn new(number: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(number))
    }

    pub(super) fn get(self) -> u64 {
        self.0.get() - 1
    }
}
