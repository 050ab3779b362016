//! Whoever is never without work lets others have their turn, and whoever keeps a thread holds up nobody on
//! another. All but the last is on one thread.
#![cfg(unix)]

mod support;

use amp_core::router::Router;
use amp_core::{AmpBox, Connection, ReceivedCall, RemoteError, Responders};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;
use support::Script;
use support::double::Double;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::io::InspectReader;

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

/// More than are few, so the driver gives way behind some of their answers.
const CALLERS: usize = 40;

/// Longer than it takes. Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_task_that_keeps_its_thread_keeps_no_answer_from_tasks_of_another() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let blocked = (0..20).filter(|_| answer_beside_a_blocked_thread(&runtime)).count();
    assert!(blocked > 0, "no caller was on the thread of the driver");
}

#[derive(Default)]
struct State {
    /// Whether a caller has blocked the thread of the driver.
    blocked: bool,
    /// Whether all have their answers, or that takes too long.
    over: bool,
}

/// What those who call have in common.
#[derive(Default)]
struct Round {
    /// On which thread the driver has read.
    driver: Mutex<Option<ThreadId>>,
    state: Mutex<State>,
    over: Condvar,
}

impl Round {
    /// The first who is on the thread of the driver blocks it, until all others have their answers.
    fn handle_answer(&self) {
        let here = Some(thread::current().id());
        let mut state = self.state.lock().unwrap();
        if !state.blocked && *self.driver.lock().unwrap() == here {
            state.blocked = true;
            drop(self.over.wait_while(state, |state| !state.over));
        }
    }
}

/// All answers come at once. Whether a caller has blocked the thread of the driver meanwhile.
fn answer_beside_a_blocked_thread(runtime: &Runtime) -> bool {
    let round = Arc::new(Round::default());
    let (near, far) = tokio::io::duplex(1 << 16);
    let reads = Arc::clone(&round);
    let near = InspectReader::new(near, move |_: &[u8]| {
        *reads.driver.lock().unwrap() = Some(thread::current().id());
    });
    let _entered = runtime.enter();
    let peer = Connection::new(near).spawn();
    let (answered, answers) = mpsc::channel();
    for _ in 0..CALLERS {
        let (peer, round, answered) = (peer.clone(), Arc::clone(&round), answered.clone());
        tokio::spawn(async move {
            peer.call_by_name("A", [("", ""); 0]).await.unwrap();
            answered.send(()).unwrap();
            round.handle_answer();
        });
    }
    runtime.block_on(async {
        let (mut script, mut bytes) = (Script::of(far), Vec::new());
        for _ in 0..CALLERS {
            let call = script.receive().await.unwrap();
            let answer = AmpBox::from_pairs([("_answer", call.get("_ask").unwrap())]).unwrap();
            bytes.extend_from_slice(&answer.to_bytes());
        }
        script.send(&bytes).await;
    });
    let all = (0..CALLERS).all(|_| answers.recv_timeout(LONG).is_ok());
    // Whether or not they have, or nothing could be torn down.
    let mut state = round.state.lock().unwrap();
    state.over = true;
    round.over.notify_all();
    assert!(all, "a caller has no answer while another blocks its own thread");
    // Who comes later finds that it is over.
    state.blocked
}
