//! Many conversations on one connection, with epsilon's router at the other end, and with what
//! Calendar Server has in its place: names that both sides know beforehand.

use amp_core::router::{BoundRoute, RouteName, Router, Routes};
use amp_core::{
    Arguments, CloseReason, Command, Connection, Context, Failure, NoError, Peer as Remote,
    Responders, tcp,
};
use amp_tests::{DEADLINE, Peer, Process, Python, Transport};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The names of routes that are agreed on beforehand: see `router.py`.
const FIXED: [&str; 2] = ["queue", "log"];

#[derive(Command)]
#[amp(response = Opened)]
struct NewRoute {
    name: String,
}

#[derive(Arguments)]
struct Opened {
    name: String,
}

#[derive(Command)]
#[amp(response = Counted)]
struct Count {}

#[derive(Arguments)]
struct Counted {
    value: i64,
}

#[derive(Command)]
#[amp(response = CountedHere)]
struct CountHere {
    times: i64,
}

#[derive(Arguments)]
struct CountedHere {
    values: Vec<i64>,
}

/// What runs over one route: a counter, which counts on the peer's when it is asked to.
fn counter() -> Responders<AtomicI64> {
    Responders::new(AtomicI64::new(0))
        .respond(async |context: Context<AtomicI64>, Count {}: Count| {
            Ok(Counted { value: context.state().fetch_add(1, Ordering::Relaxed) + 1 })
        })
        .try_respond(async |context: Context<AtomicI64>, CountHere { times }: CountHere| {
            let values = count(context.peer(), times).await;
            Ok::<_, Failure<NoError>>(CountedHere { values })
        })
}

/// What runs over the default route: it opens others.
fn opener(routes: Routes) -> Responders<Routes> {
    Responders::new(routes).try_respond(
        async |context: Context<Routes>, NewRoute { name }: NewRoute| {
            let route = context.state().bind_unused()?;
            let opened = Opened { name: name_of(&route) };
            let counter = Connection::with_transport(route.connect_to(name)?).responders(counter());
            tokio::spawn(counter.run());
            Ok::<_, Failure<NoError>>(opened)
        },
    )
}

fn name_of(route: &BoundRoute) -> String {
    route.name().as_str().expect("not the default route").to_owned()
}

/// Counts so often at once, and gives what was answered.
async fn count(peer: &Remote, times: i64) -> Vec<i64> {
    let mut values = Vec::new();
    let calls: Vec<_> = (0..times).map(|_| tokio::spawn(peer.call_remote(Count {}))).collect();
    for call in calls {
        values.push(call.await.unwrap().unwrap().value);
    }
    values.sort_unstable();
    values
}

async fn open(routes: &Routes, default: &Remote) -> Remote {
    let route = routes.bind_unused().unwrap();
    let opened = default.call_remote(NewRoute { name: name_of(&route) }).await.unwrap();
    let route = route.connect_to(opened.name).unwrap();
    Connection::with_transport(route).responders(counter()).spawn()
}

fn fixed(routes: &Routes) -> [Connection; 2] {
    FIXED.map(|name| {
        let route = routes.bind(name).unwrap().connect_to(name).unwrap();
        Connection::with_transport(route).responders(counter())
    })
}

fn default(routes: &Routes) -> Connection {
    let route = routes.bind(RouteName::DEFAULT).unwrap();
    Connection::with_transport(route.connect_to(RouteName::DEFAULT).unwrap())
}

/// Counts on each route, and has the peer count there.
async fn converse(counters: &[Remote]) {
    for (at, counter) in (1..).zip(counters) {
        let here = counter.call_remote(CountHere { times: at + 1 });
        let (ours, theirs) = tokio::join!(count(counter, at), here);
        assert_eq!(ours, (1..=at).collect::<Vec<_>>());
        assert_eq!(theirs.unwrap().values, (1..=at + 1).collect::<Vec<_>>());
    }
}

async fn connect(server: &Peer) -> Router {
    let address = server.address().to_string();
    let stream = TcpStream::connect(address.strip_prefix("tcp:").unwrap()).await.unwrap();
    Router::from(tcp::connection(stream).unwrap())
}

/// Accepts one connection, and the program's client that makes it; gives what that prints.
async fn accept(arguments: &[&str], start: impl FnOnce(&Routes)) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = python().program("router.py");
    client.args(["--connect", &format!("tcp:{}", listener.local_addr().unwrap())]).args(arguments);
    // The client's process is waited for on a thread of its own, so that ours can answer it.
    let client =
        tokio::task::spawn_blocking(|| Process::start(client).finish(Instant::now() + DEADLINE));
    let (stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    let starting = Router::from(tcp::connection(stream).unwrap());
    let routes = starting.routes();
    start(&routes);
    let ended = timeout(DEADLINE, starting.run()).await.unwrap();
    assert!(matches!(ended, CloseReason::Peer), "{ended}");
    let finished = client.await.unwrap();
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.stdout, finished.stderr);
    finished.stdout
}

#[tokio::test]
async fn ours_opens_routes_at_epsilons() {
    let server = Peer::start(python().program("router.py"), Transport::Tcp);
    let conversation = async {
        let starting = connect(&server).await;
        let default = default(&starting.routes());
        let routes = starting.spawn();
        let default = default.spawn();
        let mut counters = Vec::new();
        for _ in 0..5 {
            counters.push(open(&routes, &default).await);
        }
        converse(&counters).await;
        // The default route goes on as well.
        open(&routes, &default).await.call_remote(Count {}).await.unwrap();

        // Closing one route leaves the others.
        counters.pop().unwrap().close().await;
        counters[0].call_remote(Count {}).await.unwrap();
        routes.close().await;
        assert!(matches!(routes.closed().await, CloseReason::Local));
    };
    timeout(DEADLINE, conversation).await.unwrap();
}

#[tokio::test]
async fn epsilon_opens_routes_at_ours() {
    let printed = accept(&[], |routes| {
        tokio::spawn(default(routes).responders(opener(routes.clone())).run());
    });
    assert_eq!(printed.await, ["1 and 1 2", "1 2 and 1 2 3", "1 2 3 and 1 2 3 4"]);
}

#[tokio::test]
async fn names_agreed_on_beforehand_work_in_both_directions() {
    let mut program = python().program("router.py");
    program.arg("--fixed");
    let server = Peer::start(program, Transport::Tcp);
    let conversation = async {
        let starting = connect(&server).await;
        let counters = fixed(&starting.routes()).map(Connection::spawn);
        let routes = starting.spawn();
        converse(&counters).await;
        routes.close().await;
    };
    timeout(DEADLINE, conversation).await.unwrap();

    let printed = accept(&["--fixed"], |routes| {
        for counter in fixed(routes) {
            tokio::spawn(counter.run());
        }
    });
    assert_eq!(printed.await, ["1 and 1 2", "1 2 and 1 2 3"]);
}

/// What ours does not do: one box astray ends epsilon's connection, and with it every route.
#[tokio::test]
async fn a_route_that_epsilon_does_not_know_ends_the_connection() {
    let server = Peer::start(python().program("router.py"), Transport::Tcp);
    let conversation = async {
        let starting = connect(&server).await;
        let default = default(&starting.routes());
        let routes = starting.spawn();
        let default = default.spawn();
        let good = open(&routes, &default).await;
        let astray = routes.bind_unused().unwrap().connect_to("unknown").unwrap();
        let astray = Connection::with_transport(astray).spawn();
        let error = astray.call_remote(Count {}).await.err().unwrap();
        assert!(error.is_closed(), "{error}");
        for peer in [good, default, astray] {
            assert!(matches!(peer.closed().await, CloseReason::Peer));
        }
    };
    timeout(DEADLINE, conversation).await.unwrap();
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}
