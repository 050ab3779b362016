/// The outcome of a graceful end, by which a program sees whether the time for it was long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// The number of responders that had not answered when their connection began to close, and of a router
    /// the number of routes that were not over. Zero if the time was long enough.
    pub cut_off: usize,
}
