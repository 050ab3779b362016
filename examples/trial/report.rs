//! The results of tests.

use std::fmt;

/// How a test has ended, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It has raised something that is no failure.
    Erred,
    Skipped,
    /// It is marked to fail, and did.
    ExpectedFailure,
    /// It is marked to fail, and did not.
    UnexpectedSuccess,
    /// Its worker has run it, and has not said how it ended.
    Unreported,
    /// Its worker has ended before it.
    Died,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Passed,
        Self::Failed,
        Self::Erred,
        Self::Skipped,
        Self::ExpectedFailure,
        Self::UnexpectedSuccess,
        Self::Unreported,
        Self::Died,
    ];

    fn is_well(self) -> bool {
        matches!(self, Self::Passed | Self::Skipped | Self::ExpectedFailure)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Erred => "ERROR",
            Self::Skipped => "skipped",
            Self::ExpectedFailure => "failed as expected",
            Self::UnexpectedSuccess => "NOT FAILED AS EXPECTED",
            Self::Unreported => "NOT REPORTED",
            Self::Died => "WORKER DIED",
        })
    }
}

/// One thing that is said of a test.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The name of the test, or of a part of it.
    pub(crate) test: String,
    pub(crate) outcome: Outcome,
    /// Why, in any number of lines.
    pub(crate) why: String,
}

/// A test that has ended: one that fails may fail once more while it cleans up, so there may be several
/// findings, and there is one at least.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) test: String,
    pub(crate) findings: Vec<Finding>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<_> =
            self.findings.iter().map(|finding| finding.outcome.to_string()).collect();
        write!(f, "{}: {}", self.test, outcomes.join(", "))
    }
}

/// All tests of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tests: Vec<Ended>,
}

impl Report {
    /// Returns how many findings are of this kind.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.findings().filter(|finding| finding.outcome == outcome).count()
    }

    pub(crate) fn is_well(&self) -> bool {
        self.findings().all(|finding| finding.outcome.is_well())
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.tests.iter().flat_map(|ended| &ended.findings)
    }
}

/// All but what has passed, and how many there are of each kind.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// What is longer is cut: in characters.
        const SHOWN: usize = 1000;

        for Finding { test, outcome, why } in self.findings() {
            if *outcome == Outcome::Passed {
                continue;
            }
            writeln!(f, "{outcome}: {test}")?;
            let shown: String = why.chars().take(SHOWN).collect();
            for line in shown.lines() {
                writeln!(f, "    {line}")?;
            }
            if shown.len() < why.len() {
                writeln!(f, "    ... ({} bytes in all)", why.len())?;
            }
        }
        let counts = Outcome::ALL.map(|outcome| (self.count(outcome), outcome));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, outcome)| format!("{count} {outcome}")).collect();
        write!(f, "{} tests: {}", self.tests.len(), counts.join(", "))
    }
}
