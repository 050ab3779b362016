/// One thing that an attack has cost, and how much of it it may.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) seen: f64,
    pub(crate) bound: f64,
    pub(crate) unit: &'static str,
}

impl Figure {
    pub(crate) fn is_within(&self) -> bool {
        self.seen <= self.bound
    }

    pub(crate) fn new(what: &str, seen: f64, bound: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), seen, bound, unit }
    }

    /// Bytes, as MiB of which `bound` are allowed.
    #[allow(clippy::cast_precision_loss, reason = "these are small numbers")]
    pub(crate) fn mib(what: &str, bytes: u64, bound: f64) -> Self {
        Self::new(what, bytes as f64 / f64::from(1 << 20), bound, "MiB")
    }

    /// A number of something.
    #[allow(clippy::cast_precision_loss, reason = "these are small numbers")]
    pub(crate) fn count(what: &str, seen: usize, bound: f64) -> Self {
        Self::new(what, seen as f64, bound, "")
    }
}
