//! Callers that keep calling, and what they find.

use amp_core::Peer;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::AnyError;
use crate::work::Load;

/// How long calls may take that are not answered when the time is over.
const GRACE: Duration = Duration::from_secs(30);

/// How often the paced caller calls.
pub(crate) const PACE: Duration = Duration::from_millis(1);

/// How many latencies a caller keeps before it hands them in.
const BATCH: usize = 32;

/// How long a caller keeps latencies at most, so that progress can be seen.
const HAND_IN: Duration = Duration::from_millis(200);

/// The longest latency that is told apart from longer ones, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// What calls took, in nanoseconds, and how many there were.
pub(crate) struct Latencies {
    histogram: Mutex<Histogram<u64>>,
    calls: AtomicU64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_max(LONGEST, 3).expect("the range can be had");
        Self { histogram: Mutex::new(histogram), calls: AtomicU64::new(0) }
    }

    /// How many calls were handed in so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The latency that this part of all calls kept below, in microseconds.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        microseconds(self.histogram.lock().unwrap().value_at_quantile(quantile))
    }

    /// The longest latency, in microseconds.
    pub(crate) fn max_us(&self) -> f64 {
        microseconds(self.histogram.lock().unwrap().max())
    }

    fn hand_in(&self, batch: &mut Vec<u64>) {
        self.calls.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut histogram = self.histogram.lock().unwrap();
        for nanoseconds in batch.drain(..) {
            histogram.saturating_record(nanoseconds);
        }
    }
}

/// The latencies of one caller, who hands them in a batch at a time: a lock for each call would
/// cost as much as the call.
struct Latency {
    all: Arc<Latencies>,
    batch: Vec<u64>,
    handed_in: Instant,
}

impl Latency {
    fn new(all: &Arc<Latencies>) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self { all: Arc::clone(all), batch, handed_in: Instant::now() }
    }

    fn record(&mut self, begun: Instant, now: Instant) {
        let nanoseconds = now.duration_since(begun).as_nanos();
        self.batch.push(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
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

/// What is to be done, by whom.
pub(crate) struct Callers {
    pub(crate) load: Arc<Load>,
    pub(crate) peers: Vec<Peer>,
    /// On each connection.
    pub(crate) in_flight: usize,
    /// Whether there is one more that calls every [`PACE`].
    pub(crate) paced: bool,
}

/// What was measured.
pub(crate) struct Measured {
    pub(crate) latencies: Arc<Latencies>,
    /// Of the caller who calls every [`PACE`], which are not among the others.
    pub(crate) paced: Option<Arc<Latencies>>,
    /// From the first call to the last answer.
    pub(crate) elapsed: Duration,
}

impl Measured {
    pub(crate) fn all_calls(&self) -> u64 {
        self.latencies.calls() + self.paced.as_ref().map_or(0, |paced| paced.calls())
    }
}

impl Callers {
    /// Has everybody call until `duration` is over, and waits for the last answers.
    ///
    /// While that goes on, `progress` is called each second with the number of seconds and of
    /// calls since the last time.
    pub(crate) async fn run(
        &self,
        duration: Duration,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Measured, AnyError> {
        let latencies = Arc::new(Latencies::new());
        let paced = self.paced.then(|| Arc::new(Latencies::new()));
        let begun = Instant::now();
        let until = begun + duration;
        let mut callers = JoinSet::new();
        for number in 0..self.peers.len() * self.in_flight {
            let peer = self.peers[number % self.peers.len()].clone();
            let latency = Latency::new(&latencies);
            callers.spawn(closed_loop(Arc::clone(&self.load), peer, number, until, latency));
        }
        if let Some(paced) = &paced {
            let (load, peer) = (Arc::clone(&self.load), self.peers[0].clone());
            callers.spawn(paced_loop(load, peer, until, Latency::new(paced)));
        }

        let mut seconds = interval(Duration::from_secs(1));
        seconds.tick().await;
        let (mut second, mut before) = (0, 0);
        let all_done = async {
            loop {
                tokio::select! {
                    done = callers.join_next() => match done {
                        Some(done) => done??,
                        None => return Ok::<(), AnyError>(()),
                    },
                    _ = seconds.tick() => {
                        second += 1;
                        let calls = latencies.calls();
                        progress(second, calls - before);
                        before = calls;
                    }
                }
            }
        };
        match timeout(duration + GRACE, all_done).await {
            Ok(done) => done?,
            Err(_) => {
                return Err(format!("calls are not answered {} s later", GRACE.as_secs()).into());
            }
        }
        Ok(Measured { latencies, paced, elapsed: begun.elapsed() })
    }
}

/// Calls again as soon as the call before is answered.
async fn closed_loop(
    load: Arc<Load>,
    peer: Peer,
    number: usize,
    until: Instant,
    mut latency: Latency,
) -> Result<(), AnyError> {
    let mut begun = Instant::now();
    let mut count = 0;
    while begun < until {
        load.call(&peer, number, count).await?;
        let now = Instant::now();
        latency.record(begun, now);
        begun = now;
        count += 1;
    }
    Ok(())
}

/// Calls every [`PACE`].
async fn paced_loop(
    load: Arc<Load>,
    peer: Peer,
    until: Instant,
    mut latency: Latency,
) -> Result<(), AnyError> {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut free = Instant::now();
    for count in 0.. {
        let due = ticks.tick().await.into_std();
        // A timer is late, up to a millisecond, which says nothing of the calls. Only a call that
        // had to wait for one that took long has waited since it was due.
        let begun = if free > due + PACE { due } else { Instant::now() };
        if begun >= until {
            break;
        }
        load.call(&peer, 0, count).await?;
        free = Instant::now();
        latency.record(begun, free);
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a latency is no longer than some hours")]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}
