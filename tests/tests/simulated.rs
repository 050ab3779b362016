//! Several clients and servers on a simulated network, for hours of its own time: links break, in one
//! direction or both, and hold up what is sent; servers crash and come back; some addresses are dead.
//!
//! A seed gives the same again, call by call: faults, calls, and the lots that clients, balancers and the network
//! draw are the seed's, all hosts run on one thread and by virtual time, and amp-core draws no lots of its own for
//! who comes first. `AMP_SEED=7 cargo test -p amp-tests --test simulated` takes this one alone, and
//! `-- --nocapture` says a digest of all that has happened.

use amp_core::reconnect::{Backoff, Client, Connector};
use amp_core::streams::{SinkOf, StreamOf};
use amp_core::tower::{ClientService, NamedRequest, TypedCalls};
use amp_core::{
    AmpBox, Arguments, Command, Connection, Context, Failure, Limits, Listener, NoError, Ping,
    Responders, serve,
};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use turmoil::Sim;
use turmoil::net::{TcpListener, TcpStream};

const SERVERS: [&str; 3] = ["server-0", "server-1", "server-2"];
const CLIENTS: [&str; 3] = ["client-0", "client-1", "client-2"];
/// A host on which nobody listens.
const NOBODY: &str = "nobody";
const PORT: u16 = 1234;

/// How long there are faults, and how long what they have done may last.
const FAULTS: Duration = Duration::from_secs(60 * 60);
const RECOVERY: Duration = Duration::from_secs(3 * 60);

/// How long a call may take, and how much longer it may take to notice that.
const PATIENCE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(100);

/// How long a stream may stand still: it ends with its connection, whose peers ping each other.
const STREAM: Duration = Duration::from_secs(2 * 60);

/// Is acted upon once at most.
#[derive(Command)]
#[amp(response = Done)]
struct Once {
    n: u64,
    milliseconds: u64,
}

/// May be acted upon several times.
#[derive(Command)]
#[amp(response = Done, idempotent)]
struct Again {
    n: u64,
    milliseconds: u64,
}

#[derive(Arguments)]
struct Done {
    n: u64,
}

/// Comes in order, of one client over one connection.
#[derive(Command)]
#[amp(one_way)]
struct Note {
    client: u64,
    n: u64,
}

/// Answers with a stream of so many numbers.
#[derive(Command)]
#[amp(response = Fed)]
struct Feed {
    n: u64,
    count: u64,
}

#[derive(Arguments)]
struct Fed {
    items: StreamOf<u64>,
}

/// Brings a stream of so many numbers, and is answered when they have all come.
#[derive(Command)]
struct Give {
    n: u64,
    count: u64,
    items: StreamOf<u64>,
}

/// How a stream has ended for the one who reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    ToTheEnd,
    Broken,
}

/// What has happened, whichever servers have crashed since.
#[derive(Default)]
struct History {
    /// How many times each call was begun.
    begun: Mutex<BTreeMap<u64, u32>>,
    /// How each call has ended.
    ended: Mutex<BTreeMap<u64, Result<(), String>>>,
    /// How each stream that was read has ended for its reader, and which were taken to the end as their
    /// writers know.
    read: Mutex<BTreeMap<u64, Read>>,
    taken: Mutex<Vec<u64>>,
    /// What should not have happened, where whoever sees it cannot fail the test.
    wrong: Mutex<Vec<String>>,
    /// When each fault has begun.
    faults: Mutex<Vec<(Duration, Fault)>>,
    /// All of that in order.
    log: Mutex<Vec<String>>,
    /// The connections of servers, and those that have ended.
    connections: Mutex<[usize; 2]>,
}

impl History {
    fn begin(&self, n: u64) {
        self.log(&format!("call {n} is begun"));
        *self.begun.lock().unwrap().entry(n).or_default() += 1;
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// What is the same each time with one seed: what happens, when, and in which order.
    fn log(&self, what: &str) {
        let now = turmoil::sim_elapsed().expect("it happens on a simulated host");
        self.log.lock().unwrap().push(format!("{now:?}: {what}"));
    }
}

/// Writes the numbers from 0 on, some of them slowly.
async fn write(history: Arc<History>, n: u64, count: u64, mut sink: SinkOf<u64>) {
    let written = async {
        for at in 0..count {
            if at % 8 == 0 {
                sleep(3 * TICK).await;
            }
            sink.send(at).await?;
        }
        sink.close().await
    };
    match timeout(STREAM, written).await {
        Ok(Ok(())) => {
            history.log(&format!("stream {n} is taken"));
            history.taken.lock().unwrap().push(n);
        }
        Ok(Err(error)) => history.log(&format!("stream {n} is not taken: {error}")),
        Err(_) => history.wrong(format!("stream {n} is written for longer than {STREAM:?}")),
    }
}

/// Reads all of them; whether they came to their end.
async fn read(history: &History, n: u64, count: u64, mut items: StreamOf<u64>) -> bool {
    let mut next = 0;
    let read = loop {
        match timeout(STREAM, items.next()).await {
            Ok(Some(Ok(item))) if item == next => next += 1,
            Ok(None) if next == count => break Read::ToTheEnd,
            Ok(Some(Err(_))) => break Read::Broken,
            other => {
                history.wrong(format!("stream {n} of {count} has {other:?} at {next}"));
                break Read::Broken;
            }
        }
    };
    history.log(&format!("stream {n} is read, {read:?}"));
    history.read.lock().unwrap().insert(n, read);
    read == Read::ToTheEnd
}

/// The lots that a balancer draws.
struct Lots(Rng);

impl tower::util::rng::Rng for Lots {
    fn next_u64(&mut self) -> u64 {
        self.0.u64(..)
    }
}

/// Counts a connection of a server until nothing is left of it.
struct Counted(Arc<History>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.lock().unwrap()[1] += 1;
    }
}

/// The last note of each client on a connection.
#[derive(Default)]
struct Notes(Mutex<BTreeMap<u64, u64>>);

/// A listener on the simulated network.
struct Simulated {
    listener: TcpListener,
    history: Arc<History>,
}

impl Listener for Simulated {
    async fn accept(&mut self) -> io::Result<Connection> {
        let (stream, _) = self.listener.accept().await?;
        self.history.connections.lock().unwrap()[0] += 1;
        // Clients ping every ten seconds, so who is not heard of for a minute has gone.
        Ok(Connection::new(stream)
            .limits(Limits::default().close_timeout(Duration::from_secs(5)))
            .idle_timeout(Duration::from_secs(60))
            .data(Counted(Arc::clone(&self.history)))
            .data(Notes::default()))
    }
}

async fn run_server(history: Arc<History>) -> turmoil::Result {
    type State = Context<Arc<History>>;
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let listener = Simulated { listener, history: Arc::clone(&history) };
    let responders = Responders::new(history)
        .respond(|context: State, Note { client, n }: Note| async move {
            let notes = context.get::<Notes>().expect("each connection has them");
            let before = notes.0.lock().unwrap().insert(client, n);
            if before >= Some(n) {
                context.state().wrong(format!("note {n} of {client} comes behind {before:?}"));
            }
            Ok::<_, NoError>(())
        })
        .one_at_a_time()
        .respond(|context: State, Once { n, milliseconds }: Once| async move {
            context.state().begin(n);
            sleep(Duration::from_millis(milliseconds)).await;
            Ok::<_, NoError>(Done { n })
        })
        .respond(|context: State, Again { n, milliseconds }: Again| async move {
            context.state().begin(n);
            sleep(Duration::from_millis(milliseconds)).await;
            Ok::<_, NoError>(Done { n })
        })
        .respond(|context: State, Feed { n, count }: Feed| async move {
            let (sink, items) = StreamOf::pair();
            tokio::spawn(write(Arc::clone(context.state()), n, count, sink));
            Ok::<_, NoError>(Fed { items })
        })
        .try_respond(|context: State, Give { n, count, items }: Give| async move {
            if read(context.state(), n, count, items).await {
                Ok::<_, Failure<NoError>>(())
            } else {
                Err(Failure::other("the stream was broken"))
            }
        })
        .respond_ping();
    serve(listener, responders).await;
    Ok(())
}

/// A client of a server, one of whose addresses is dead.
fn connect_to(server: &'static str, mut rng: Rng) -> Client {
    let connect = move || {
        let host = if rng.u8(..4) == 0 { NOBODY } else { server };
        async move {
            let stream = TcpStream::connect((host, PORT)).await?;
            let (every, timeout) = (Duration::from_secs(10), Duration::from_secs(15));
            Ok::<_, io::Error>(Connection::new(stream).ping(Ping {}, every, timeout))
        }
    };
    Connector::new(connect)
        .address(server)
        .attempt_timeout(Duration::from_secs(5))
        .backoff(Backoff::default().cap(Duration::from_secs(10)))
        .call_timeout(PATIENCE)
        .wait_for_connection()
        .spawn()
}

/// Calls whichever server has least to do.
fn call_any(
    servers: TypedCalls<BoxCloneService<NamedRequest, AmpBox, BoxError>>,
    call: Once,
) -> impl Future<Output = Result<Done, BoxError>> + Send {
    servers.oneshot(call)
}

/// Calls the server by its own connection, and any of them by tower's balance.
async fn run_client(
    index: u64,
    seed: u64,
    faulty: Duration,
    history: Arc<History>,
) -> turmoil::Result {
    let mut rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(index));
    let clients: Vec<_> = SERVERS.map(|server| connect_to(server, rng.fork())).into();
    let services = clients.iter().map(|client| {
        PendingRequests::new(ClientService::new(client.clone()), CompleteOnResponse::default())
    });
    let services = ServiceList::new::<NamedRequest>(services.collect::<Vec<_>>());
    let balance = Balance::from_rng(services, Lots(rng.fork()));
    let balance = ServiceBuilder::new().boxed_clone().buffer(64).service(balance);
    let balanced = TypedCalls::new(balance);

    let start = Instant::now();
    let mut calls = JoinSet::new();
    let notifying = clients[0].clone();
    calls.spawn(async move {
        let mut n = 0;
        while start.elapsed() < faulty {
            n += 1;
            // What fails is not sent again.
            let _ = notifying.notify(Note { client: index, n }).await;
            sleep(Duration::from_secs(1)).await;
        }
    });
    calls.spawn({
        let (clients, history, mut rng) = (clients.clone(), Arc::clone(&history), rng.fork());
        async move {
            let mut streams = JoinSet::new();
            for n in ((index + 2000) << 32).. {
                sleep(Duration::from_millis(rng.u64(..20_000))).await;
                if start.elapsed() >= faulty {
                    break;
                }
                let client = clients[rng.usize(..clients.len())].clone();
                let (history, count) = (Arc::clone(&history), rng.u64(..300));
                streams.spawn(async move { stream(&client, &history, n, count).await });
            }
            while let Some(ended) = streams.join_next().await {
                ended.expect("it says what is wrong otherwise");
            }
        }
    });
    for n in (index << 32).. {
        sleep(Duration::from_millis(rng.u64(..4000))).await;
        if start.elapsed() >= faulty {
            break;
        }
        let milliseconds = if rng.u8(..4) == 0 { rng.u64(..5000) } else { 0 };
        let client = clients[rng.usize(..clients.len())].clone();
        let (balanced, history) = (balanced.clone(), Arc::clone(&history));
        let kind = n % 3;
        calls.spawn(async move {
            let begun = Instant::now();
            let answer = match kind {
                0 => client
                    .call_remote(Again { n, milliseconds })
                    .await
                    .map_err(|error| error.to_string()),
                1 => client
                    .call_remote(Once { n, milliseconds })
                    .await
                    .map_err(|error| error.to_string()),
                _ => {
                    let call = call_any(balanced, Once { n, milliseconds });
                    // A balancer waits for a server as long as it takes.
                    match timeout(PATIENCE, call).await {
                        Ok(answer) => answer.map_err(|error| error.to_string()),
                        Err(elapsed) => Err(elapsed.to_string()),
                    }
                }
            };
            assert!(begun.elapsed() <= PATIENCE + 2 * TICK, "call {n} took {:?}", begun.elapsed());
            let answer = answer.map(|done| assert_eq!(done.n, n));
            history.log(&format!("call {n} ends: {answer:?}"));
            history.ended.lock().unwrap().insert(n, answer);
        });
    }
    while let Some(call) = calls.join_next().await {
        call?;
    }
    for (at, client) in clients.iter().enumerate() {
        // Each attempt is a call of its own: one that fails may have been acted upon.
        let mut n = (index + 1000) << 32 | (at as u64) << 16;
        while let Err(error) = client.call_remote(Once { n, milliseconds: 0 }).await {
            n += 1;
            assert!(start.elapsed() < faulty + RECOVERY, "{}: {error}", SERVERS[at]);
        }
        client.close().await;
    }
    // Servers notice who has gone.
    sleep(RECOVERY).await;
    Ok(())
}

/// Takes a stream from a server, or brings one there.
async fn stream(client: &Client, history: &Arc<History>, n: u64, count: u64) {
    if n.is_multiple_of(2) {
        if let Ok(fed) = client.call_remote(Feed { n, count }).await {
            read(history, n, count, fed.items).await;
        }
        return;
    }
    let (sink, items) = StreamOf::pair();
    let written = tokio::spawn(write(Arc::clone(history), n, count, sink));
    if client.call_remote(Give { n, count, items }).await.is_ok()
        && history.read.lock().unwrap().get(&n) != Some(&Read::ToTheEnd)
    {
        history.wrong(format!("stream {n} was answered for, and not read to its end"));
    }
    written.await.expect("it says what is wrong otherwise");
}

/// Something that is wrong with the network, until it is mended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Partition(&'static str, &'static str),
    OneWay(&'static str, &'static str),
    Hold(&'static str, &'static str),
    Slow(&'static str, &'static str),
    Crash(&'static str),
}

impl Fault {
    fn any(rng: &mut Rng) -> Self {
        let server = SERVERS[rng.usize(..SERVERS.len())];
        let client = CLIENTS[rng.usize(..CLIENTS.len())];
        let (from, to) = if rng.bool() { (server, client) } else { (client, server) };
        match rng.u8(..5) {
            0 => Self::Partition(from, to),
            1 => Self::OneWay(from, to),
            2 => Self::Hold(from, to),
            3 => Self::Slow(from, to),
            _ => Self::Crash(server),
        }
    }

    fn begin(self, sim: &mut Sim<'_>) {
        match self {
            Self::Partition(from, to) => sim.partition(from, to),
            Self::OneWay(from, to) => sim.partition_oneway(from, to),
            Self::Hold(from, to) => sim.hold(from, to),
            Self::Slow(from, to) => sim.set_link_latency(from, to, Duration::from_secs(3)),
            Self::Crash(server) => sim.crash(server),
        }
    }

    fn end(self, sim: &mut Sim<'_>) {
        match self {
            Self::Partition(from, to) => sim.repair(from, to),
            Self::OneWay(from, to) => sim.repair_oneway(from, to),
            Self::Hold(from, to) => sim.release(from, to),
            Self::Slow(from, to) => sim.set_link_latency(from, to, TICK),
            Self::Crash(server) => sim.bounce(server),
        }
    }

    /// Whether both are about the same host or link, so that mending one mends the other.
    fn concerns(self, other: Self) -> bool {
        let places = |fault| match fault {
            Self::Partition(a, b) | Self::OneWay(a, b) | Self::Hold(a, b) | Self::Slow(a, b) => {
                [a.min(b), a.max(b)]
            }
            Self::Crash(server) => [server, server],
        };
        places(self) == places(other)
    }
}

/// One simulation at a time, each of which begins with a task of the same number: a runtime that is dropped drops
/// its tasks in an order that these numbers decide, and the process has one series of them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let number = || runtime.spawn(async {}).id().to_string().parse::<u64>().unwrap();
    while !number().is_multiple_of(64) {}
    alone
}

/// What has happened when the network has been `faulty` for so long, and well again.
fn simulate(seed: u64, faulty: Duration) -> Arc<History> {
    let _alone = alone();
    let history = Arc::<History>::default();
    let mut rng = Rng::with_seed(seed);
    // Clients wait before they connect again for as long as these numbers say.
    fastrand::seed(seed);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(faulty + 3 * RECOVERY)
        .max_message_latency(Duration::from_millis(300))
        .tcp_capacity(10_000)
        .build();
    for server in SERVERS {
        let history = Arc::clone(&history);
        sim.host(server, move || run_server(Arc::clone(&history)));
    }
    sim.host(NOBODY, std::future::pending);
    for (index, client) in (0..).zip(CLIENTS) {
        sim.client(client, run_client(index, seed, faulty, Arc::clone(&history)));
    }
    let mut under_way = Vec::<(Duration, Fault)>::new();
    let mut count = 0;
    while !sim.step().unwrap() {
        let now = sim.elapsed();
        under_way.retain(|(until, fault)| {
            let lasts = now < *until && now < faulty;
            if !lasts {
                fault.end(&mut sim);
            }
            lasts
        });
        // One in ten seconds.
        if now < faulty && rng.u128(..10_000) < TICK.as_millis() {
            let fault = Fault::any(&mut rng);
            if !under_way.iter().any(|(_, other)| other.concerns(fault)) {
                fault.begin(&mut sim);
                under_way.push((now + Duration::from_secs(rng.u64(1..90)), fault));
                history.faults.lock().unwrap().push((now, fault));
                count += 1;
            }
        }
    }
    assert!(faulty < FAULTS || count > 100, "there were {count} faults");
    history
}

/// What holds however the network was.
fn check(history: &History) {
    let begun = history.begun.lock().unwrap();
    let ended = history.ended.lock().unwrap();
    for (n, count) in begun.iter().filter(|(n, _)| *n % 3 != 0) {
        assert_eq!(*count, 1, "call {n} was acted upon {count} times");
    }
    for (n, _) in ended.iter().filter(|(_, answer)| answer.is_ok()) {
        assert!(begun.contains_key(n), "call {n} was answered and not begun");
    }
    assert_eq!(*history.wrong.lock().unwrap(), [""; 0]);
    let read = history.read.lock().unwrap();
    for n in &*history.taken.lock().unwrap() {
        assert_eq!(read.get(n), Some(&Read::ToTheEnd), "stream {n} was taken to the end");
    }
    let to_the_end = read.values().filter(|read| **read == Read::ToTheEnd).count();
    println!("{} streams, {to_the_end} of them read to the end", read.len());
    assert!(to_the_end > 100 && to_the_end + 20 < read.len(), "{to_the_end} of {}", read.len());
    let well = ended.values().filter(|answer| answer.is_ok()).count();
    println!("{} calls, {well} of them answered", ended.len());
    assert!(well > ended.len() / 2 && well < ended.len(), "{well} of {}", ended.len());
    let [accepted, over] = *history.connections.lock().unwrap();
    println!("{accepted} connections");
    assert_eq!(accepted, over, "connections of servers whose clients have gone");
}

#[test]
fn calls_end_as_promised_whatever_the_network_does() {
    let seeds = match std::env::var("AMP_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => vec![1, 2],
    };
    for seed in seeds {
        println!("AMP_SEED={seed}");
        let history = simulate(seed, FAULTS);
        let digest =
            BuildHasherDefault::<DefaultHasher>::new().hash_one(&*history.log.lock().unwrap());
        println!("the digest of what has happened is {digest:016x}");
        check(&history);
    }
}

#[test]
fn a_seed_gives_the_same_outcomes_again() {
    let first = simulate(3, FAULTS / 3);
    assert!(first.faults.lock().unwrap().len() > 20 && first.ended.lock().unwrap().len() > 1000);
    let log = |history: &History| history.log.lock().unwrap().clone();
    let (first, again) = (log(&first), log(&simulate(3, FAULTS / 3)));
    for (at, (before, now)) in first.iter().zip(&again).enumerate() {
        assert_eq!(before, now, "line {at} of {}", first.len());
    }
    assert_eq!(first.len(), again.len());
    assert_ne!(first, log(&simulate(4, FAULTS / 12)));
}
