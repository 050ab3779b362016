//! Bounds that fail a measurement: `p99>5ms`.

use std::fmt;

use super::report::{Report, as_f64};
use crate::duration::duration;
use crate::mistake::Mistake;

const NAMES: &str = "p50, p90, p99, p999, max, errors, calls or rate";

/// A figure of the report, and what it must not be.
pub(super) struct Bound {
    text: String,
    name: String,
    is_above: bool,
    /// In microseconds, or the number itself.
    limit: f64,
}

impl Bound {
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let wrong = |what: &str| Mistake::new(format!("--fail-if {text:?}: {what}"));
        let form = || wrong("it is NAME>LIMIT or NAME<LIMIT, as p99>5ms or errors>0");
        let at = text.find(['<', '>']).ok_or_else(form)?;
        let (name, limit) = (text[..at].trim(), text[at + 1..].trim());
        let limit = match name {
            "p50" | "p90" | "p99" | "p999" | "max" => {
                duration(limit).map_err(|what| wrong(&what))?.as_secs_f64() * 1e6
            }
            "errors" | "calls" | "rate" => {
                limit.parse().map_err(|_| wrong(&format!("{limit:?} is no number")))?
            }
            _ => return Err(wrong(&format!("{name:?} is none of {NAMES}"))),
        };
        let is_above = text[at..].starts_with('>');
        Ok(Self { text: text.to_owned(), name: name.to_owned(), is_above, limit })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn figure(&self, report: &Report) -> f64 {
        match &*self.name {
            "errors" => as_f64(report.errors),
            "calls" => as_f64(report.calls),
            "rate" => report.calls_per_s,
            name => {
                let latency = report.latencies.iter().find(|(other, _)| *other == name);
                latency.map_or(f64::NAN, |(_, micros)| *micros)
            }
        }
    }

    pub(super) fn is_broken(&self, report: &Report) -> bool {
        let figure = self.figure(report);
        if self.is_above { figure > self.limit } else { figure < self.limit }
    }

    /// What it is, for people.
    pub(super) fn seen(&self, report: &Report) -> String {
        let figure = self.figure(report);
        match &*self.name {
            "errors" | "calls" | "rate" => figure.to_string(),
            _ => format!("{figure} us"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_say_what_must_not_be() {
        let latencies = [("p50", 1.0), ("p90", 2.0), ("p99", 5000.1), ("p999", 1e6), ("max", 2e6)];
        let report = Report { calls: 10, errors: 1, seconds: 2.0, calls_per_s: 5.0, latencies };
        for (text, is_broken) in [
            ("p99>5ms", true),
            ("p99 > 6ms", false),
            ("p50<1ms", true),
            ("max>2s", false),
            ("errors>0", true),
            ("calls<10", false),
            ("rate<5.5", true),
        ] {
            assert_eq!(Bound::parse(text).ok().unwrap().is_broken(&report), is_broken, "{text}");
        }
        for (text, said) in [
            ("p99", "--fail-if \"p99\": it is NAME>LIMIT or NAME<LIMIT, as p99>5ms or errors>0"),
            ("p98>1ms", "--fail-if \"p98>1ms\": \"p98\" is none of p50, p90,"),
            ("p99>5", "--fail-if \"p99>5\": a time is a number and ms, s, m or h"),
            ("errors>none", "--fail-if \"errors>none\": \"none\" is no number"),
        ] {
            let told = Bound::parse(text).err().unwrap().to_string();
            assert!(told.starts_with(said), "{told}");
        }
    }
}
