use amp_probe::load::Measured;
use serde_json::json;
use std::fmt;

/// What was measured.
pub(super) struct Report {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) seconds: f64,
    pub(super) calls_per_s: f64,
    /// What parts of all calls kept below, and the longest, in microseconds.
    pub(super) latencies: [(&'static str, f64); 5],
}

impl Report {
    pub(super) fn new(measured: &Measured, errors: u64) -> Self {
        let latencies = &measured.latencies;
        let (calls, seconds) = (latencies.calls(), measured.elapsed.as_secs_f64());
        let of = |quantile| rounded(latencies.quantile_us(quantile));
        Self {
            calls,
            errors,
            seconds: rounded(seconds),
            calls_per_s: rounded(as_f64(calls) / seconds),
            latencies: [
                ("p50", of(0.5)),
                ("p90", of(0.9)),
                ("p99", of(0.99)),
                ("p999", of(0.999)),
                ("max", rounded(latencies.max_us())),
            ],
        }
    }

    /// One JSON object on one line.
    pub(super) fn json(&self) -> String {
        let Self { calls, errors, seconds, calls_per_s, latencies } = self;
        let mut json = json!({
            "calls": calls,
            "errors": errors,
            "seconds": seconds,
            "calls_per_s": calls_per_s,
        });
        for (name, micros) in latencies {
            json[format!("{name}_us")] = (*micros).into();
        }
        json.to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, errors, seconds, calls_per_s, latencies } = self;
        write!(
            f,
            "{calls} calls in {seconds} s, {errors} errors\n{calls_per_s:.0} calls per second\n"
        )?;
        let parts: Vec<_> =
            latencies.iter().map(|(name, micros)| format!("{name} {micros} us")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// To two digits after the point.
fn rounded(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}
