use crate::mistakes::Mistakes;

/// The two ways in which an item is expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// As its author meant it.
    Working,
    /// With mistakes, which the compiler reports: the impls are there so that it does not also
    /// report that they are missing.
    Stubs,
}

impl Bodies {
    /// Returns `Stubs` if there are mistakes.
    pub(crate) fn unless(mistakes: &Mistakes) -> Self {
        if mistakes.is_empty() { Bodies::Working } else { Bodies::Stubs }
    }
}
