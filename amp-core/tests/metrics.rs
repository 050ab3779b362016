//! What the recorder of the crate `metrics` gets.

mod support;

use amp_core::{AmpBox, Command, Connection, Context, NoError, Peer, Responders};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use support::{Script, echo, gated, numbered, settled};
use tokio::sync::Semaphore;

/// Keeps the value of each metric; of a histogram, how many values it got.
#[derive(Default)]
struct Kept {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    histograms: Mutex<BTreeMap<String, Arc<Values>>>,
}

#[derive(Default)]
struct Values(AtomicU64);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{value} seconds");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn shown(key: &Key) -> String {
    let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
    key.name().to_owned() + &labels.collect::<String>()
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(shown(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().unwrap();
        Gauge::from_arc(Arc::clone(gauges.entry(shown(key)).or_default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut histograms = self.histograms.lock().unwrap();
        Histogram::from_arc(Arc::clone(histograms.entry(shown(key)).or_default()))
    }
}

impl Kept {
    fn gauge(&self, name: &str) -> f64 {
        let gauges = self.gauges.lock().unwrap();
        f64::from_bits(gauges.get(name).map_or(0, |gauge| gauge.load(Ordering::SeqCst)))
    }

    /// The counters that are not zero, without those of this prefix.
    fn counters(&self, without: &str) -> Vec<String> {
        let counters = self.counters.lock().unwrap();
        let counters = counters.iter().filter(|(name, _)| !name.starts_with(without));
        let counters = counters.map(|(name, value)| (name, value.load(Ordering::SeqCst)));
        let counters = counters.filter(|(_, value)| *value > 0);
        counters.map(|(name, value)| format!("{name}: {value}")).collect()
    }

    fn counter(&self, name: &str) -> u64 {
        self.counters.lock().unwrap().get(name).map_or(0, |value| value.load(Ordering::SeqCst))
    }
}

/// Runs a test on one thread, which is where the recorder is.
fn recorded(test: impl AsyncFnOnce(&Kept)) {
    let kept = Kept::default();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&kept, || runtime.block_on(test(&kept)));
}

#[derive(Command)]
struct Ping {}

async fn ping(_: Context, _: Ping) -> Result<(), NoError> {
    Ok(())
}

/// A peer whose calls are answered until the end of the stream.
fn start(responders: Responders) -> (Peer, Script) {
    Script::start(|connection: Connection| connection.responders(responders))
}

#[test]
fn calls_are_counted_by_their_command_and_outcome() {
    recorded(async |kept| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let answering = Responders::new(()).respond(ping).fallback(echo);
        let far = Connection::new(far).responders(answering).spawn();
        let near = Connection::new(near).spawn();
        for _ in 0..3 {
            near.call_remote(Ping {}).await.unwrap();
        }
        far.call_remote(Ping {}).await.unwrap_err();
        // Names that somebody makes up are no labels, on neither side.
        for name in ["A", "B", "C"] {
            near.call_by_name(name, numbered(1)).await.unwrap();
            far.notify_by_name(name, numbered(1)).await.unwrap();
        }
        settled().await;
        let calls = [
            "amp_calls_total side=answering command=(other) outcome=answered: 3",
            "amp_calls_total side=answering command=(other) outcome=failed: 4",
            "amp_calls_total side=answering command=Ping outcome=answered: 3",
            "amp_calls_total side=asking command=(other) outcome=answered: 3",
            "amp_calls_total side=asking command=(other) outcome=sent: 3",
            "amp_calls_total side=asking command=Ping outcome=answered: 3",
            "amp_calls_total side=asking command=Ping outcome=failed: 1",
        ];
        assert_eq!(kept.counters("amp_b"), calls);
        let histograms = kept.histograms.lock().unwrap();
        let values = |name: &str| histograms[name].0.load(Ordering::SeqCst);
        assert_eq!(values("amp_call_duration_seconds side=asking command=Ping"), 4);
        assert_eq!(values("amp_call_duration_seconds side=answering command=(other)"), 7);
    });
}

#[test]
fn what_is_under_way_goes_up_and_down() {
    recorded(async |kept| {
        let running = |side: &str| kept.gauge(&format!("amp_calls_running side={side}"));
        let gate = Arc::new(Semaphore::new(0));
        let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
        let (peer, mut script) = start(slow);
        let open = kept.gauge("amp_connections_open");
        assert!((open - 1.0).abs() < f64::EPSILON, "{open}");
        for tag in ["1", "2"] {
            script.send_box([("_ask", tag), ("_command", "Slow")]).await;
        }
        let call = tokio::spawn({
            let peer = peer.clone();
            async move { peer.call_remote(Ping {}).await }
        });
        script.expect_call("Ping").await;
        assert!((running("answering") - 2.0).abs() < f64::EPSILON);
        assert!((running("asking") - 1.0).abs() < f64::EPSILON);
        gate.add_permits(1);
        script.receive().await.unwrap();
        assert!((running("answering") - 1.0).abs() < f64::EPSILON);
        drop(script);
        peer.closed().await;
        call.await.unwrap().unwrap_err();
        gate.add_permits(1);
        settled().await;
        assert!(running("answering").abs() < f64::EPSILON);
        assert!(running("asking").abs() < f64::EPSILON);
        assert!(kept.gauge("amp_connections_open").abs() < f64::EPSILON);
    });
}

#[test]
fn boxes_and_bytes_are_counted_of_all_connections_together() {
    recorded(async |kept| {
        let (mut sent, mut received) = (0, 0);
        for _ in 0..2 {
            let (peer, mut script) = start(Responders::new(()).respond(ping));
            let pairs = [("_ask", "1"), ("_command", "Ping")];
            received += AmpBox::from_pairs(pairs).unwrap().encoded_len();
            script.send_box(pairs).await;
            sent += script.receive().await.unwrap().encoded_len();
            let pairs = [("_answer", "nothing")];
            received += AmpBox::from_pairs(pairs).unwrap().encoded_len();
            script.send_box(pairs).await;
            // While the connection is idle all of it is reported.
            settled().await;
            assert_eq!(kept.counter("amp_bytes_total direction=sent"), sent as u64);
            assert_eq!(kept.counter("amp_bytes_total direction=received"), received as u64);
            drop((peer, script));
            settled().await;
        }
        assert_eq!(kept.counter("amp_boxes_total direction=sent"), 2);
        assert_eq!(kept.counter("amp_boxes_total direction=received"), 4);
        assert_eq!(kept.counter("amp_unknown_answers_total"), 2);
        assert_eq!(kept.counter("amp_late_answers_total"), 0);
    });
}

#[cfg(unix)]
#[test]
fn a_call_that_its_caller_has_written_is_counted_before_its_answer() {
    recorded(async |kept| {
        let (near, _far) = tokio::net::UnixStream::pair().unwrap();
        let peer = Connection::new(near).spawn();
        settled().await;
        let _call = tokio::spawn(async move { peer.call_remote(Ping {}).await });
        settled().await;
        assert_eq!(kept.counter("amp_boxes_total direction=sent"), 1);
    });
}
