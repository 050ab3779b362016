//! How many system calls a call costs each side.
//!
//! Each side has a runtime of its own, and both have turns on the thread of the test: a side waits
//! once for what there is to do (`epoll_wait`), and does all of it. So it is where both processes
//! share a core, and the figures are the same in every run. They are those of Linux, which can tell
//! from a short message that nothing more waits.
//!
//! A side's system calls are its waits, what it asks of its socket, also in vain, and a `close` for
//! each descriptor that it has received. Each bound is a little above what was measured, which
//! stands beside it: `cargo test -p amp-tests --test system_calls -- --nocapture`.
#![cfg(target_os = "linux")]

use amp_core::Peer;
use amp_tests::workload::{PassFile, at_most, echo, responders, sum};
use amp_tests::{Count, Counted, Counts};
use amp_unix::{Descriptor, connection_over};
use bytes::Bytes;
use std::fs::File;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// After so many tasks a runtime looks for what the kernel has for it, unless it is told otherwise.
const EVENT_INTERVAL: u32 = 61;

#[test]
fn one_sum_at_a_time() {
    let cost = Sides::new().cost(1, 1000, sum);
    // Measured: 3 and 3, which are a wait, a read and a write.
    cost.check("sum, 1 in flight", 3.0, 3.0);
}

#[test]
fn sums_with_64_in_flight() {
    let cost = Sides::new().cost(64, 100, sum);
    // Measured: 0.078 and 0.047, which are 5 and 3 for all 64. The caller's side writes once more
    // than it could, to let the other side begin earlier; and so many callers are more tasks than a
    // runtime serves without looking for more.
    cost.check("sum, 64 in flight", 0.08, 0.047);
}

#[test]
fn large_values_with_16_in_flight() {
    let data = Bytes::from(vec![b'x'; 60_000]);
    let cost = Sides::new().cost(16, 20, move |peer| echo(peer, data.clone()));
    // Measured: 0.89 and 1.03. It depends on how many bytes the system lets wait in a socket.
    cost.check("echo, 16 in flight", 1.5, 1.5);
}

#[test]
fn descriptors_with_16_in_flight() {
    let null = Descriptor::from(File::open("/dev/null").unwrap());
    let cost = Sides::new().cost(16, 100, move |peer| {
        let file = null.clone();
        async move { peer.call_remote(PassFile { file }).await.unwrap() }
    });
    // Measured: 0.188 and 1.2506, which are 3 and 4 for all 16, and a `close` for each. A message
    // ends behind one that carries descriptors, so the answerer asks in vain whether there is more.
    // And there is one more for the very first of the 1600 calls, which shares a write with none.
    cost.check("file, 16 in flight", 0.19, 1.25 + 1.0 / 1600.0);
}

/// The system calls that a number of calls cost.
struct Cost {
    calls: u64,
    caller: u64,
    answerer: u64,
}

impl Cost {
    /// What a call may cost at most, on average.
    fn check(&self, what: &str, caller: f64, answerer: f64) {
        at_most(what, "system calls of the caller", self.caller, self.calls, caller);
        at_most(what, "system calls of the answerer", self.answerer, self.calls, answerer);
    }
}

/// Both ends of a connection.
struct Sides {
    caller: Side,
    answerer: Side,
    peer: Peer,
}

impl Sides {
    fn new() -> Self {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let (caller, answerer) = (Side::new(), Side::new());
        let far = answerer.counted(far);
        answerer.runtime.spawn(connection_over(far).responders(responders()).run());
        let near = caller.counted(near);
        let peer = caller.runtime.block_on(async { connection_over(near).spawn() });
        Self { caller, answerer, peer }
    }

    /// What calls cost once everything has its size: each of `callers` makes so many, one after
    /// the other.
    fn cost<F>(
        mut self,
        callers: u64,
        each: u64,
        call: impl Fn(Peer) -> F + Clone + Send + 'static,
    ) -> Cost
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut run = || {
            let (peer, call, polls) =
                (self.peer.clone(), call.clone(), Arc::clone(&self.caller.polls));
            // Tasks that are spawned by a task have their turns as later ones do.
            let all = self.caller.runtime.spawn(async move {
                let mut tasks = JoinSet::new();
                for _ in 0..callers {
                    let (peer, call, polls) = (peer.clone(), call.clone(), Arc::clone(&polls));
                    tasks.spawn(counting(polls, async move {
                        for _ in 0..each {
                            call(peer.clone()).await;
                        }
                    }));
                }
                while let Some(done) = tasks.join_next().await {
                    done.unwrap();
                }
            });
            self.caller.until_idle();
            let mut turns = 0;
            while !all.is_finished() {
                assert!(turns < 100 * each, "a call is not answered");
                turns += 1;
                self.answerer.turn();
                self.caller.turn();
            }
            self.caller.runtime.block_on(all).unwrap();
            (self.caller.system_calls(), self.answerer.system_calls())
        };
        let before = run();
        let after = run();
        Cost { calls: callers * each, caller: after.0 - before.0, answerer: after.1 - before.1 }
    }
}

/// One end of a connection, on a runtime of its own.
struct Side {
    runtime: Runtime,
    /// Notified when no task can go on.
    idle: Arc<Notify>,
    counts: Arc<Counts>,
    /// How often tasks were polled that are not the connection's.
    polls: Arc<Count>,
    waits: u64,
}

impl Side {
    fn new() -> Self {
        let idle = Arc::new(Notify::new());
        let notify = Arc::clone(&idle);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(EVENT_INTERVAL)
            .on_thread_park(move || notify.notify_one())
            .build()
            .unwrap();
        Self { runtime, idle, counts: Arc::default(), polls: Arc::default(), waits: 0 }
    }

    fn counted(&self, stream: std::os::unix::net::UnixStream) -> Counted {
        let _inside = self.runtime.enter();
        stream.set_nonblocking(true).unwrap();
        Counted::new(UnixStream::from_std(stream).unwrap(), &self.counts)
    }

    /// Waits once for what there is to do, and does all of it.
    fn turn(&mut self) {
        self.until_idle();
        self.waits += 1;
        self.until_idle();
    }

    /// Does what is known to be done. Then looks for more, without waiting: what is found is known
    /// the next time. In a process of its own it would wait instead, which is the wait of its next
    /// turn.
    fn until_idle(&mut self) {
        let before = self.polled();
        self.runtime.block_on(self.idle.notified());
        self.waits += (self.polled() - before) / u64::from(EVENT_INTERVAL);
    }

    /// How often tasks were polled, at most: a connection tries to read whenever it is.
    fn polled(&self) -> u64 {
        self.polls.get() + self.counts.polls.get()
    }

    fn system_calls(&self) -> u64 {
        let Counts { writes, reads, blocked, descriptors, .. } = &*self.counts;
        self.waits + writes.get() + reads.get() + blocked.get() + descriptors.get()
    }
}

/// The same task, whose polls are counted.
fn counting(
    polls: Arc<Count>,
    task: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let mut task = Box::pin(task);
    poll_fn(move |cx| {
        polls.add(1);
        task.as_mut().poll(cx)
    })
}
