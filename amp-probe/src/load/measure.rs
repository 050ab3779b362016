use amp_core::Peer;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::Latencies;
use super::latencies::Latency;

/// The reason that a caller has stopped for.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// The time that calls may take which are not answered when the time is over.
const GRACE: Duration = Duration::from_secs(30);

/// The time between two calls of the paced caller.
const PACE: Duration = Duration::from_millis(1);

/// The time that calls which are due may wait to be begun when the time is over.
const BEHIND: Duration = Duration::from_secs(5);

/// A call that is made again and again.
pub trait Repeated: Send + Sync + 'static {
    /// Makes it once, the `count`th time for this caller, and checks its answer.
    ///
    /// # Errors
    ///
    /// When the caller is to stop, and all others with it.
    fn call(
        &self,
        peer: &Peer,
        caller: usize,
        count: u64,
    ) -> impl Future<Output = Result<(), AnyError>> + Send;
}

/// The callers of a measurement, and what they do.
pub struct Callers<C> {
    /// The call that each of them makes.
    pub load: Arc<C>,
    /// The peers that they call, in turn.
    pub peers: Vec<Peer>,
    /// The number of callers that each connection has; with a rate, of calls that are under way on it at
    /// most.
    pub in_flight: usize,
    /// The number of calls that begin in a second, whether others are answered or not. Without one, each
    /// caller calls again as soon as it was answered.
    pub rate: Option<f64>,
    /// True if all callers of a connection are on one task, and not each on a task of its own.
    pub together: bool,
    /// True if there is one more caller, who calls every millisecond.
    pub paced: bool,
}

impl<C> fmt::Debug for Callers<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peers, in_flight, rate, together, paced, .. } = self;
        f.debug_struct("Callers")
            .field("peers", &peers.len())
            .field("in_flight", in_flight)
            .field("rate", rate)
            .field("together", together)
            .field("paced", paced)
            .finish_non_exhaustive()
    }
}

/// The times that were measured.
#[derive(Debug)]
pub struct Measured {
    /// The latencies of all callers but the paced one.
    pub latencies: Arc<Latencies>,
    /// The latencies of the caller who calls every millisecond.
    pub paced: Option<Arc<Latencies>>,
    /// The time from the first call to the last answer.
    pub elapsed: Duration,
}

impl Measured {
    /// Returns how many calls were answered.
    pub fn all_calls(&self) -> u64 {
        self.latencies.calls() + self.paced.as_ref().map_or(0, |paced| paced.calls())
    }
}

impl<C: Repeated> Callers<C> {
    /// Has everybody call until `duration` is over, and waits for the last answers.
    ///
    /// While that goes on, `progress` is called each second with the number of seconds and of
    /// calls since the last time.
    ///
    /// # Errors
    ///
    /// When a call has failed for which its caller stops, when calls are not answered half a minute later, and
    /// when the duration is over the end of the clock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops all callers.
    pub async fn run(
        &self,
        duration: Duration,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Measured, AnyError> {
        let latencies = Arc::new(Latencies::new());
        let paced = self.paced.then(|| Arc::new(Latencies::new()));
        let begun = Instant::now();
        let until =
            begun.checked_add(duration).ok_or("there is no such time that it could end at")?;
        let mut callers = JoinSet::new();
        if let Some(rate) = self.rate {
            let (load, peers) = (Arc::clone(&self.load), self.peers.clone());
            let open = Open { load, peers, at_most: self.in_flight, rate };
            callers.spawn(open.run(begun, until, Arc::clone(&latencies)));
        }
        let closed = if self.rate.is_none() { self.in_flight } else { 0 };
        let connections = self.peers.len();
        let caller = |number: usize| {
            let (load, peer) = (Arc::clone(&self.load), self.peers[number % connections].clone());
            closed_loop(load, peer, number, until, Latency::new(&latencies))
        };
        if self.together {
            for first in 0..connections {
                let numbers = (0..closed).map(|nth| first + nth * connections);
                let mut all: FuturesUnordered<_> = numbers.map(caller).collect();
                callers.spawn(async move {
                    while let Some(done) = all.next().await {
                        done?;
                    }
                    Ok(())
                });
            }
        } else {
            for number in 0..connections * closed {
                callers.spawn(caller(number));
            }
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
        match timeout(duration.saturating_add(GRACE), all_done).await {
            Ok(done) => done?,
            Err(_) => {
                return Err(format!("calls are not answered {} s later", GRACE.as_secs()).into());
            }
        }
        Ok(Measured { latencies, paced, elapsed: begun.elapsed() })
    }
}

/// Calls again as soon as the call before is answered.
async fn closed_loop<C: Repeated>(
    load: Arc<C>,
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
async fn paced_loop<C: Repeated>(
    load: Arc<C>,
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

/// Calls that begin at a rate.
struct Open<C> {
    load: Arc<C>,
    peers: Vec<Peer>,
    /// The number that is under way at most on each connection. A call that waits for others counts as one
    /// that waits for its answer.
    at_most: usize,
    rate: f64,
}

impl<C: Repeated> Open<C> {
    async fn run(
        self,
        begun: Instant,
        until: Instant,
        latencies: Arc<Latencies>,
    ) -> Result<(), AnyError> {
        let mut calls: JoinSet<Result<(), AnyError>> = JoinSet::new();
        // A rate that is none, or so low, has no second call.
        let every = Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or(Duration::MAX);
        let mut next = Some(begun);
        for number in 0.. {
            let Some(due) = next.filter(|due| *due < until) else { break };
            if begun.elapsed() > until.duration_since(begun) + BEHIND {
                let all = until.duration_since(begun).as_secs_f64() * self.rate;
                let why = format!("{number} of {all:.0} calls that were due by then are begun");
                return Err(why.into());
            }
            sleep_until(due.into()).await;
            while let Some(done) = calls.try_join_next() {
                done??;
            }
            while calls.len() >= self.at_most * self.peers.len() {
                if let Some(done) = calls.join_next().await {
                    done??;
                }
            }
            let (load, latencies) = (Arc::clone(&self.load), Arc::clone(&latencies));
            let peer = self.peers[number % self.peers.len()].clone();
            let asked = due;
            calls.spawn(async move {
                load.call(&peer, number, 0).await?;
                latencies.record(asked.elapsed());
                Ok(())
            });
            next = due.checked_add(every.max(Duration::from_nanos(1)));
        }
        while let Some(done) = calls.join_next().await {
            done??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amp_core::Responders;
    use amp_core::testing::pair;

    struct Nothing;

    impl Repeated for Nothing {
        async fn call(&self, _: &Peer, _: usize, _: u64) -> Result<(), AnyError> {
            Ok(())
        }
    }

    async fn run(rate: f64, duration: Duration) -> Result<Measured, AnyError> {
        let (peer, _other) = pair(Responders::new(()), Responders::new(()));
        let (load, peers) = (Arc::new(Nothing), vec![peer]);
        Callers { load, peers, in_flight: 1, rate: Some(rate), together: false, paced: false }
            .run(duration, |_, _| {})
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_panics_or_goes_on_for_ever() {
        let short = Duration::from_millis(1);
        for rate in [1e-300, 1e-20, 1e-19, 1e-3, 0.0, -1.0, f64::NAN] {
            assert_eq!(run(rate, short).await.unwrap().all_calls(), 1, "{rate}");
        }
        // No two calls are due at once, so time goes on however high the rate is.
        for rate in [1e10, f64::INFINITY] {
            assert_eq!(
                run(rate, Duration::from_micros(2)).await.unwrap().all_calls(),
                2000,
                "{rate}"
            );
        }
    }
}
