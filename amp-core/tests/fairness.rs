//! A driver that is never without work lets other tasks have their turn, and a task that keeps its thread holds up
//! no task of another thread. All but the last two tests run on one thread.
#![cfg(unix)]

mod support;

use amp_core::router::Router;
use amp_core::{
    AmpBox, CloseReason, Connection, Context, Listener, NoError, Ping, ReceivedCall, RemoteError,
    Responders, serve,
};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;
use support::Script;
use support::double::Double;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

#[tokio::test]
async fn a_socket_is_looked_at_while_one_peer_calls_without_end() {
    let answered = Arc::new(AtomicUsize::new(0));
    let flood = self::flood([("_ask", "1"), ("_command", "Count")], &Arc::default());
    tokio::spawn(Connection::with_transport(flood).responders(counting(&answered, None)).run());
    let calls = until_readable(&answered, 10_000).await;
    assert!(calls <= 4 * 512, "{calls} calls were answered before");
}

#[tokio::test]
async fn a_socket_is_looked_at_between_calls_that_take_long() {
    let answered = Arc::new(AtomicUsize::new(0));
    let text = "x".repeat(600);
    let call = [("_ask", "1"), ("_command", "Count"), ("text", &*text)];
    let flood = self::flood(call, &Arc::default());
    let responders = counting(&answered, Some(Duration::from_millis(3)));
    tokio::spawn(Connection::with_transport(flood).responders(responders).run());
    let calls = until_readable(&answered, 10).await;
    assert!(calls <= 4, "{calls} calls were answered before");
}

#[tokio::test]
async fn a_socket_is_looked_at_while_a_router_is_flooded() {
    let bytes = Arc::new(AtomicUsize::new(0));
    let flood = self::flood([("_command", "Count"), ("_route", "nowhere")], &bytes);
    let router = Router::with_transport(flood);
    let _routes = router.spawn();
    let bytes = until_readable(&bytes, 1 << 20).await;
    assert!(bytes <= 2 << 20, "{bytes} bytes were read before");
}

/// Accepts one connection, at which the same command comes without end.
struct Flooding(Option<Double>);

impl Listener for Flooding {
    async fn accept(&mut self) -> io::Result<Connection> {
        match self.0.take() {
            Some(flood) => Ok(Connection::with_transport(flood)),
            None => std::future::pending().await,
        }
    }
}

/// The responder uses up what tokio grants a task, which are 128 locks, before that lets others have their turn.
#[tokio::test]
async fn a_server_stops_while_one_peer_calls_what_takes_a_lock() {
    let (locked, begun) = (Arc::new(tokio::sync::Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&begun);
    let responders = Responders::new(()).respond_by_name("Lock", move |_: ReceivedCall| {
        let (locked, begun) = (Arc::clone(&locked), Arc::clone(&count));
        async move {
            *locked.lock().await += 1;
            begun.fetch_add(1, Ordering::Relaxed);
            Ok::<_, RemoteError>(AmpBox::new())
        }
    });
    let flood = self::flood([("_command", "Lock")], &Arc::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let server = serve(Flooding(Some(flood)), responders).shutdown_on(shutdown);
    let server = tokio::spawn(server.drain_timeout(Duration::ZERO));
    while begun.load(Ordering::Relaxed) < 10_000 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    let before = begun.load(Ordering::Relaxed);
    server.await.unwrap();
    let calls = begun.load(Ordering::Relaxed) - before;
    assert!(calls <= 3 * 128, "{calls} calls were begun since it was told to stop");
}

/// How far `count` gets, once it is past `warm`, until a socket that has something to be read is
/// seen to have it.
async fn until_readable(count: &AtomicUsize, warm: usize) -> usize {
    let (here, there) = UnixStream::pair().unwrap();
    here.writable().await.unwrap();
    while count.load(Ordering::Relaxed) < warm {
        tokio::task::yield_now().await;
    }
    here.try_write(b"x").unwrap();
    let before = count.load(Ordering::Relaxed);
    there.readable().await.unwrap();
    count.load(Ordering::Relaxed) - before
}

/// Counts the calls, each of which takes the thread for so long.
fn counting(answered: &Arc<AtomicUsize>, work: Option<Duration>) -> Responders {
    let answered = Arc::clone(answered);
    Responders::new(()).respond_by_name("Count", move |_: ReceivedCall| {
        work.into_iter().for_each(std::thread::sleep);
        answered.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<_, RemoteError>(AmpBox::new()))
    })
}

/// A stream on which the same call comes again and again, and that takes all that is sent.
fn flood<const N: usize>(call: [(&str, &str); N], received: &Arc<AtomicUsize>) -> Double {
    let received = Arc::clone(received);
    let call = AmpBox::from_pairs(call).unwrap().to_bytes();
    Double::flood(call, move |count| {
        received.fetch_add(count, Ordering::Relaxed);
    })
}

/// As callers, these are so many that the driver gives way after some of their answers, and again after the next.
const TASKS: usize = 100;

/// So many tasks block the thread of the driver, one after the other: each time another thread goes on with it.
const BLOCKED: usize = 2;

/// Longer than it takes. Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_task_that_keeps_its_thread_keeps_no_answer_from_tasks_of_another() {
    block_threads_of_a_driver(answer_beside_blocked_threads);
}

#[test]
fn a_task_that_keeps_its_thread_keeps_no_call_from_routes_of_another() {
    block_threads_of_a_driver(route_beside_blocked_threads);
}

fn block_threads_of_a_driver(blocks: impl Fn(&Runtime) -> usize) {
    let workers = BLOCKED + 1;
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    let all = (0..20).filter(|_| blocks(&runtime) == BLOCKED).count();
    assert!(all > 0, "not enough other tasks were on the thread of the driver");
}

#[derive(Default)]
struct State {
    /// How many tasks have blocked the thread of the driver.
    blocked: usize,
    /// Whether all tasks have what they wait for, or that takes too long.
    over: bool,
}

/// The tasks that wait for something from one driver have this in common.
#[derive(Default)]
struct Round {
    /// On which thread the driver has run.
    driver: Mutex<Option<ThreadId>>,
    state: Mutex<State>,
    over: Condvar,
}

impl Round {
    /// Runs the driver on a task, and notes on which thread that is.
    fn spawn(self: &Arc<Self>, driver: impl Future<Output = CloseReason> + Send + 'static) {
        let (round, mut driver) = (Arc::clone(self), Box::pin(driver));
        tokio::spawn(poll_fn(move |cx| {
            *round.driver.lock().unwrap() = Some(thread::current().id());
            driver.as_mut().poll(cx)
        }));
    }

    /// A task that gets something on the thread of the driver blocks that thread until all others have theirs,
    /// unless enough do already.
    fn block(&self) {
        let here = Some(thread::current().id());
        let mut state = self.state.lock().unwrap();
        if state.blocked < BLOCKED && *self.driver.lock().unwrap() == here {
            state.blocked += 1;
            drop(self.over.wait_while(state, |state| !state.over));
        }
    }

    /// Waits until all tasks have what they wait for. How many of them have blocked the thread of the driver
    /// meanwhile.
    fn finish(&self, told: &mpsc::Receiver<()>) -> usize {
        let all = (0..TASKS).all(|_| told.recv_timeout(LONG).is_ok());
        // Whether or not they have, or nothing could be torn down.
        let mut state = self.state.lock().unwrap();
        state.over = true;
        let blocked = state.blocked;
        drop(state);
        self.over.notify_all();
        assert!(all, "a task has nothing while others block their own threads");
        blocked
    }
}

/// All answers come at once. How many callers have blocked the thread of the driver meanwhile.
fn answer_beside_blocked_threads(runtime: &Runtime) -> usize {
    let round = Arc::new(Round::default());
    let (near, far) = tokio::io::duplex(1 << 16);
    let (give, given) = mpsc::channel();
    let responders = Responders::new(()).respond(move |context: Context, _: Ping| {
        give.send(context.peer().clone()).unwrap();
        std::future::ready(Ok::<_, NoError>(()))
    });
    let _entered = runtime.enter();
    round.spawn(Connection::new(near).responders(responders).run());
    let mut script = Script::of(far);
    runtime.block_on(script.send_box([("_command", "Ping")]));
    let peer = given.recv_timeout(LONG).expect("the connection runs");
    let (answered, answers) = mpsc::channel();
    for _ in 0..TASKS {
        let (peer, round, answered) = (peer.clone(), Arc::clone(&round), answered.clone());
        tokio::spawn(async move {
            peer.call_by_name("A", [("", ""); 0]).await.unwrap();
            let _ = answered.send(());
            round.block();
        });
    }
    runtime.block_on(async {
        let mut bytes = Vec::new();
        for _ in 0..TASKS {
            let call = script.receive().await.unwrap();
            let answer = AmpBox::from_pairs([("_answer", call.get("_ask").unwrap())]).unwrap();
            bytes.extend_from_slice(&answer.to_bytes());
        }
        script.send(&bytes).await;
    });
    round.finish(&answers)
}

/// One-way calls arrive for routes, each in a read of its own. No answer to them wakes the router. How many
/// responders have blocked the thread of the router meanwhile.
fn route_beside_blocked_threads(runtime: &Runtime) -> usize {
    let round = Arc::new(Round::default());
    let names: Vec<_> = (0..TASKS).map(|n| n.to_string()).collect();
    let call = |name| AmpBox::from_pairs([("_command", "A"), ("_route", name)]);
    let mut calls: VecDeque<_> = names.iter().map(|name| call(name).unwrap().to_bytes()).collect();
    let transport = Double::new().receives(move |buffer, _| {
        let Some(call) = calls.pop_front() else { return Poll::Pending };
        buffer.extend_from_slice(&call);
        Poll::Ready(Ok(call.len()))
    });
    let _entered = runtime.enter();
    let router = Router::with_transport(transport);
    let (begun, calls) = mpsc::channel();
    let bind = |name: &String| {
        let (round, begun) = (Arc::clone(&round), begun.clone());
        let responders = Responders::new(()).respond_by_name("A", move |_: ReceivedCall| {
            let _ = begun.send(());
            round.block();
            std::future::ready(Ok::<_, RemoteError>(AmpBox::new()))
        });
        let route = router.routes().bind(name.as_str()).unwrap().connect_to(name.as_str()).unwrap();
        Connection::with_transport(route).responders(responders).spawn()
    };
    let _peers: Vec<_> = names.iter().map(bind).collect();
    round.spawn(router.run());
    round.finish(&calls)
}
