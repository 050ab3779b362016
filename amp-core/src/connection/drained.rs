/// The outcome of a graceful end, by which a program sees whether the time for it was long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many were cut off: responders that had not answered when their connection began to close, or
    /// of a router, routes that were not over. Zero if all have answered.
    pub cut_off: usize,
}
