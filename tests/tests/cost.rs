//! What a call costs in figures that are the same on every machine and in every run: allocations,
//! the bytes they ask for, and how often the socket is read and written.
//!
//! Both ends of a connection run on the thread of the test, so the figures are those of both sides
//! together. A buffer that grows counts as another allocation.
//!
//! Each bound is a little above what was measured, which stands beside it: a change that goes over
//! one has made every call dearer, and one that stays far below has earned a lower bound. To see
//! what is measured: `cargo test -p amp-tests --test cost -- --nocapture`. With the feature `metrics`
//! each side keeps the beginning and the labels of a call, which is an allocation more.

use allocation_counter::{AllocationInfo, measure};

use amp_core::boxes::BoxLimits;
use amp_core::{AmpBox, Arguments, Peer, blocking};
use amp_tests::workload::{PassFile, Sum, Total, at_most, echo, responders, sum};
use amp_tests::{Count, Counted, Counts};
use amp_unix::{Descriptor, connection_over};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

#[test]
fn a_command_is_encoded_and_decoded() {
    const TIMES: u64 = 100;
    let sum = Sum { a: 13, b: 81 };
    let bytes = sum.encode().unwrap();
    let encode = measure(|| {
        for _ in 0..TIMES {
            drop(sum.encode().unwrap());
        }
    });
    let decode = measure(|| {
        for _ in 0..TIMES {
            Sum::decode(bytes.clone()).unwrap();
        }
    });
    // Measured: 1 and 16, which are the bytes of the box.
    check("encode", encode, TIMES, 1.0, 16.0);
    // Measured: 0.01 and 0.24, of the first one alone.
    check("decode", decode, TIMES, 0.02, 0.5);
}

#[test]
fn a_pair_that_is_received_is_not_allocated() {
    let pairs = (0..1000).map(|n| (format!("key{n:05}"), "value"));
    let bytes = AmpBox::from_pairs(pairs).unwrap().to_bytes();
    let parse = measure(|| {
        let ampbox = AmpBox::parse(&mut bytes.clone(), BoxLimits::default()).unwrap();
        assert_eq!(ampbox.len(), 1000);
    });
    // Measured: 3 and 8144. The index of the pairs has its size from the beginning.
    check("box of 1000 pairs", parse, 1, 3.0, 8200.0);
}

#[test]
fn one_sum_at_a_time() {
    let cost = Pair::new().cost(1, 1000, sum);
    // Measured: 1.003, 177, 2, 2 and 4, which are two for each side: the caller writes.
    let bounds = Bounds { allocations: 1.05, bytes: 190.0, writes: 2.0, reads: 2.0, polls: 4.0 };
    cost.check("sum, 1 in flight", &bounds);
}

#[test]
fn sums_with_64_in_flight() {
    let cost = Pair::new().cost(64, 100, sum);
    // Measured: 1.020, 181, 0.047, 0.032 and 0.08. A side that has many answers to give out lets
    // those who got the first ones call before it goes on, and writes twice.
    let bounds =
        Bounds { allocations: 1.05, bytes: 195.0, writes: 0.05, reads: 0.04, polls: 0.085 };
    cost.check("sum, 64 in flight", &bounds);
}

#[test]
fn large_values_with_16_in_flight() {
    let data = Bytes::from(vec![b'x'; 60_000]);
    let cost = Pair::new().cost(16, 20, move |peer| echo(peer, data.clone()));
    // Measured: 6.89, 399, 0.81, 0.78 and 1.86.
    let bounds = Bounds { allocations: 7.3, bytes: 450.0, writes: 0.9, reads: 0.85, polls: 2.1 };
    cost.check("echo, 16 in flight", &bounds);
}

#[test]
fn descriptors_with_16_in_flight() {
    let null = Arc::new(File::open("/dev/null").unwrap());
    let cost = Pair::new().cost(16, 100, move |peer| {
        let file = Descriptor::duplicate(&*null).unwrap();
        async move { peer.call_remote(PassFile { file }).await.unwrap() }
    });
    // Measured: 3.02, 204, 0.126, 0.126 and 0.314.
    let bounds = Bounds { allocations: 3.1, bytes: 220.0, writes: 0.15, reads: 0.15, polls: 0.33 };
    cost.check("file, 16 in flight", &bounds);
}

#[test]
fn sums_of_a_client_that_blocks() {
    const TIMES: u64 = 1000;
    let mut client = blocking::Connection::new(Answering::default()).start();
    let mut run = || {
        for _ in 0..TIMES {
            let Total { total } = client.call_remote(Sum { a: 13, b: 81 }).unwrap();
            assert_eq!(total, 94);
        }
    };
    run();
    // Measured: 0 and 0. Whatever is sent or received goes through buffers that are there.
    check("sum, blocking", measure(run), TIMES, 0.01, 1.0);
}

/// A peer that answers every sum with 94, and allocates nothing for that.
#[derive(Default)]
struct Answering(VecDeque<u8>);

impl Write for Answering {
    /// Each call comes in one piece.
    fn write(&mut self, call: &[u8]) -> io::Result<usize> {
        let tag = call.strip_prefix(b"\0\x04_ask\0").expect("it begins with its tag");
        let tag = &tag[..=usize::from(tag[0])];
        for part in [b"\0\x07_answer\0", tag, b"\0\x05total\0\x0294\0\0"] {
            self.0.extend(part);
        }
        Ok(call.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Answering {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// What a call may cost at most, on average and on both sides together. In the comments, what was
/// measured stands in the same order.
struct Bounds {
    allocations: f64,
    /// That the allocations ask for.
    bytes: f64,
    writes: f64,
    reads: f64,
    /// How often the transport is asked for what was received, also in vain: twice for each time
    /// that a driver is woken to read, and once more for each that it is woken by something else.
    polls: f64,
}

/// What a number of calls cost.
struct Cost {
    calls: u64,
    allocations: AllocationInfo,
    writes: u64,
    reads: u64,
    polls: u64,
}

/// What metrics add to a call on both sides together. Measured: 2 and 176.
const METRICS: (f64, f64) = if cfg!(feature = "metrics") { (2.0, 176.0) } else { (0.0, 0.0) };

impl Cost {
    fn check(&self, what: &str, bounds: &Bounds) {
        let (allocations, bytes) = (bounds.allocations + METRICS.0, bounds.bytes + METRICS.1);
        check(what, self.allocations, self.calls, allocations, bytes);
        at_most(what, "writes", self.writes, self.calls, bounds.writes);
        at_most(what, "reads", self.reads, self.calls, bounds.reads);
        at_most(what, "polls", self.polls, self.calls, bounds.polls);
    }
}

fn check(what: &str, info: AllocationInfo, times: u64, allocations: f64, bytes: f64) {
    at_most(what, "allocations", info.count_total, times, allocations);
    at_most(what, "bytes", info.bytes_total, times, bytes);
}

/// Two ends of a connection over a socket, on a runtime of this thread.
struct Pair {
    runtime: Runtime,
    peer: Peer,
    counts: Arc<Counts>,
}

impl Pair {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let inside = runtime.enter();
        let counts = Arc::default();
        let (near, far) = UnixStream::pair().unwrap();
        let far = connection_over(Counted::new(far, &counts)).responders(responders());
        tokio::spawn(far.run());
        let peer = connection_over(Counted::new(near, &counts)).spawn();
        drop(inside);
        Self { runtime, peer, counts }
    }

    /// What calls cost once everything has its size: each of `callers` makes so many, one after
    /// the other. Those are fewer than there are before a side tries by the clock whether to send its answers
    /// in portions (`amp-core/src/proto/portions.rs`), which takes more writes.
    fn cost<F>(
        &self,
        callers: u64,
        each: u64,
        call: impl Fn(Peer) -> F + Clone + Send + 'static,
    ) -> Cost
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let run = || {
            self.runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for _ in 0..callers {
                    let (peer, call) = (self.peer.clone(), call.clone());
                    tasks.spawn(async move {
                        for _ in 0..each {
                            call(peer.clone()).await;
                        }
                    });
                }
                while let Some(done) = tasks.join_next().await {
                    done.unwrap();
                }
            });
        };
        run();
        let Counts { writes, reads, polls, .. } = &*self.counts;
        let before = [writes, reads, polls].map(Count::get);
        let allocations = measure(run);
        let after = [writes, reads, polls].map(Count::get);
        let [writes, reads, polls] = std::array::from_fn(|index| after[index] - before[index]);
        Cost { calls: callers * each, allocations, writes, reads, polls }
    }
}
