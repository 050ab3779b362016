/// One thing that an attack has cost, and how much of it it may.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) seen: f64,
    pub(crate) bound: f64,
    pub(crate) unit: &'static str,
    /// What an attack costs that has not missed.
    least: f64,
}

impl Figure {
    pub(crate) fn is_within(&self) -> bool {
        self.seen <= self.bound
    }

    pub(crate) fn new(what: &str, seen: f64, bound: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), seen, bound, unit, least: 0.0 }
    }

    /// Says what is seen of an attack that reaches what it is aimed at. Less means that nothing was
    /// attacked, which would be within every bound.
    pub(crate) fn at_least(self, least: f64) -> Self {
        Self { least, ..self }
    }

    pub(crate) fn has_missed(&self) -> bool {
        self.seen < self.least
    }

    /// Whether what else the machine has to do makes it larger.
    pub(crate) fn is_a_time(&self) -> bool {
        matches!(self.unit, "s" | "ms" | "times")
    }

    /// Whether `table` has a row with what this is and its bound.
    pub(crate) fn is_in(&self, table: &str, attack: &str) -> bool {
        // What was the worst of many is measured anew each time.
        let what = self.what.split(", as ").next().unwrap_or_default();
        let begin = format!("| {attack} | {what}");
        let bound = format!("{} {}", self.bound, self.unit);
        let end = format!("| {} |", bound.trim_end());
        table.lines().any(|line| line.starts_with(&begin) && line.ends_with(&end))
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
