use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The number of latencies that a caller keeps before it hands them in.
const BATCH: usize = 32;

/// The time that a caller keeps latencies at most, so that progress can be seen.
const HAND_IN: Duration = Duration::from_millis(200);

/// The longest latency that is told apart from longer ones, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// The times that calls took, and how many there were.
#[derive(Debug)]
pub struct Latencies {
    /// In nanoseconds.
    histogram: Mutex<Histogram<u64>>,
    calls: AtomicU64,
}

impl Latencies {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_max(LONGEST, 3).expect("the range can be had");
        Self { histogram: Mutex::new(histogram), calls: AtomicU64::new(0) }
    }

    fn histogram(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.histogram.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many calls were handed in so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns the latency that this part of all calls kept below, in microseconds.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        microseconds(self.histogram().value_at_quantile(quantile))
    }

    /// Returns the longest latency, in microseconds.
    pub fn max_us(&self) -> f64 {
        microseconds(self.histogram().max())
    }

    /// Adds one latency.
    pub(super) fn record(&self, latency: Duration) {
        self.hand_in(&mut vec![nanoseconds(latency)]);
    }

    fn hand_in(&self, batch: &mut Vec<u64>) {
        self.calls.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut histogram = self.histogram();
        for nanoseconds in batch.drain(..) {
            histogram.saturating_record(nanoseconds);
        }
    }
}

/// The latencies of one caller, who hands them in a batch at a time: a lock for each call would
/// cost as much as the call.
pub(super) struct Latency {
    all: Arc<Latencies>,
    batch: Vec<u64>,
    handed_in: Instant,
}

impl Latency {
    pub(super) fn new(all: &Arc<Latencies>) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self { all: Arc::clone(all), batch, handed_in: Instant::now() }
    }

    pub(super) fn record(&mut self, begun: Instant, now: Instant) {
        self.batch.push(nanoseconds(now.duration_since(begun)));
        if self.batch.len() == BATCH || now.duration_since(self.handed_in) >= HAND_IN {
            self.all.hand_in(&mut self.batch);
            self.handed_in = now;
        }
    }
}

impl Drop for Latency {
    fn drop(&mut self) {
        self.all.hand_in(&mut self.batch);
    }
}

fn nanoseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss, reason = "a latency is no longer than some hours")]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}
