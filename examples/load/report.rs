use amp_probe::Address;
use amp_probe::load::{Latencies, Measured};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::arguments::{Options, Runtime};
use crate::commands::Usage;

/// What was measured. As JSON each field is a member of one object; `null` is what is not known.
#[derive(Debug, Deserialize, Serialize)]
#[allow(non_snake_case, reason = "M is a million, and m a thousandth")]
pub(crate) struct Report {
    address: String,
    work: String,
    /// The bytes, pairs or elements of a call, where the work has them.
    units: Option<usize>,
    in_flight: usize,
    connections: usize,
    runtime: Runtime,
    seconds: f64,
    pub(crate) calls_per_s: f64,
    #[serde(flatten)]
    latency: Latency,
    /// Seconds of the processor for a million calls.
    cpu_client_s_per_M: f64,
    cpu_server_s_per_M: Option<f64>,
    /// Calls in one write to a connection, on average.
    calls_per_write: f64,
    answers_per_write: Option<f64>,
    peak_rss_bytes: u64,
    server_peak_rss_bytes: Option<u64>,
    /// Of the caller who calls every millisecond.
    paced: Option<Latency>,
}

/// What calls took, the longest included.
#[derive(Debug, Deserialize, Serialize)]
struct Latency {
    calls: u64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

/// What a process has used between two moments.
pub(crate) struct Used {
    cpu_ns: u64,
    writes: u64,
    peak_rss_bytes: u64,
}

impl Report {
    pub(crate) fn new(
        address: &Address,
        options: &Options,
        measured: &Measured,
        client: &Used,
        server: Option<&Used>,
    ) -> Self {
        let latency = Latency::of(&measured.latencies);
        let elapsed = measured.elapsed.as_secs_f64();
        let calls = measured.all_calls();
        Self {
            address: address.to_string(),
            work: options.work.name().to_owned(),
            units: options.work.units(),
            in_flight: options.in_flight,
            connections: options.connections,
            runtime: options.runtime,
            seconds: rounded(elapsed),
            calls_per_s: rounded(ratio(latency.calls, 1) / elapsed),
            latency,
            cpu_client_s_per_M: client.cpu_s_per_million(calls),
            cpu_server_s_per_M: server.map(|server| server.cpu_s_per_million(calls)),
            calls_per_write: client.per_write(calls),
            answers_per_write: server.map(|server| server.per_write(calls)),
            peak_rss_bytes: client.peak_rss_bytes,
            server_peak_rss_bytes: server.map(|server| server.peak_rss_bytes),
            paced: measured.paced.as_deref().map(Latency::of),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, connections, in_flight, runtime, seconds, .. } = self;
        write!(f, "{}", self.work)?;
        if let Some(units) = self.units {
            write!(f, " of {units}")?;
        }
        let on = if *connections == 1 { "one connection" } else { "each connection" };
        writeln!(f, ", {in_flight} in flight on {on}, {runtime} runtime, for {seconds} s")?;
        writeln!(f, "  server            {address}")?;
        if *connections > 1 {
            writeln!(f, "  connections       {connections}")?;
        }
        writeln!(f, "  calls per second  {:.0}", self.calls_per_s)?;
        writeln!(f, "  latency           {}", self.latency)?;
        if let Some(paced) = &self.paced {
            writeln!(f, "  each millisecond  {paced}")?;
        }
        let (client, server) = (self.cpu_client_s_per_M, known(self.cpu_server_s_per_M));
        writeln!(f, "  CPU, s / million  client {client}, server {server}")?;
        let (client, server) = (self.calls_per_write, known(self.answers_per_write));
        writeln!(f, "  calls per write   client {client}, server {server}")?;
        let server = self.server_peak_rss_bytes.map(mebibytes);
        let (client, server) = (mebibytes(self.peak_rss_bytes), known(server));
        write!(f, "  peak memory, MiB  client {client}, server {server}")
    }
}

impl Latency {
    fn of(latencies: &Latencies) -> Self {
        Self {
            calls: latencies.calls(),
            p50_us: rounded(latencies.quantile_us(0.5)),
            p99_us: rounded(latencies.quantile_us(0.99)),
            p999_us: rounded(latencies.quantile_us(0.999)),
            max_us: rounded(latencies.max_us()),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, p50_us, p99_us, p999_us, max_us } = self;
        write!(f, "p50 {p50_us} us, p99 {p99_us} us, p99.9 {p999_us} us, ")?;
        write!(f, "longest {max_us} us, of {calls} calls")
    }
}

impl Used {
    pub(crate) fn between(before: &Usage, after: &Usage) -> Self {
        Self {
            cpu_ns: after.cpu_ns.saturating_sub(before.cpu_ns),
            writes: after.writes.saturating_sub(before.writes),
            peak_rss_bytes: after.peak_rss_bytes,
        }
    }

    /// A nanosecond for each call is a millisecond for a million.
    fn cpu_s_per_million(&self, calls: u64) -> f64 {
        rounded(ratio(self.cpu_ns, calls) / 1000.0)
    }

    fn per_write(&self, calls: u64) -> f64 {
        rounded(ratio(calls, self.writes))
    }
}

/// At least one call was made, and one write.
#[allow(clippy::cast_precision_loss, reason = "no figure here needs 52 bits")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

fn mebibytes(bytes: u64) -> f64 {
    rounded(ratio(bytes, 1 << 20))
}

/// To two digits after the point.
fn rounded(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

fn known(x: Option<f64>) -> String {
    x.map_or_else(|| "unknown".to_owned(), |x| x.to_string())
}
