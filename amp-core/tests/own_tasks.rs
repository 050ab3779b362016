//! Responders that run on tasks of their own from the beginning, and may block their thread.

use amp_core::argument::Zlib;
use amp_core::testing::pair;
use amp_core::{
    AmpBox, Arguments, CallError, Command, Connection, Context, Failure, Limits, NoError, Peer,
    ReceivedCall, RemoteError, Responders, Switched,
};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// Longer than any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Command)]
struct Back {}

#[derive(Command)]
struct Relay {}

#[derive(Command)]
struct Block {}

#[derive(Command)]
struct Release {}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    n: usize,
}

#[derive(Command)]
#[amp(response = Task)]
struct Where {}

#[derive(Command)]
#[amp(response = Task)]
struct WhereElse {}

#[derive(Arguments, PartialEq, Debug)]
struct Task {
    id: String,
}

/// What releases, and who waits for it.
type State = (mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);

#[derive(Command)]
#[amp(switch)]
struct Switch {}

/// Calls the peer back, and blocks the thread until it has answered.
fn call_back(peer: &Peer) {
    block_in_place(|| Handle::current().block_on(peer.call_remote(Back {}))).unwrap();
}

async fn relay(context: Context, _: Relay) -> Result<(), NoError> {
    call_back(context.peer());
    Ok(())
}

async fn relay_by_name(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    call_back(&call.peer);
    Ok(AmpBox::new())
}

/// A set for which calling back is a way to wait for ever, unless it does so on a task of its own.
fn sets() -> Vec<(&'static str, Responders)> {
    let empty = || Responders::new(());
    let own = || empty().respond(relay).on_own_tasks();
    let all = vec![
        ("a responder", own()),
        ("twice", own().on_own_tasks()),
        (
            "one that may fail",
            empty().try_respond(|context: Context, _: Relay| async move {
                call_back(context.peer());
                Ok::<(), Failure<NoError>>(())
            }),
        ),
        (
            "one that does something afterwards",
            empty().respond_then(|context: Context, _: Relay| async move {
                call_back(context.peer());
                Ok::<_, NoError>(((), async {}))
            }),
        ),
        (
            "a function that is not async",
            empty().respond(|context: Context, _: Relay| {
                call_back(context.peer());
                std::future::ready(Ok::<(), NoError>(()))
            }),
        ),
        ("one by its name", empty().respond_by_name("Relay", relay_by_name).on_own_tasks()),
        ("a fallback", empty().fallback(relay_by_name).on_own_tasks()),
        ("a part of a set", empty().respond_ping().merge(own()).unwrap()),
        ("a lane of them", own().one_at_a_time()),
        ("those of a lane", empty().respond(relay).one_at_a_time().on_own_tasks()),
        (
            "a lane among others",
            empty().group(|group| group.respond(relay).on_own_tasks().one_at_a_time()),
        ),
    ];
    #[cfg(feature = "tower")]
    let all = {
        use tower::limit::ConcurrencyLimitLayer;
        let mut all = all;
        let limit = || ConcurrencyLimitLayer::new(10);
        all.push(("middleware around them", own().layer(limit())));
        all.push(("within middleware", empty().respond(relay).layer(limit()).on_own_tasks()));
        all
    };
    all.into_iter().map(|(what, set)| (what, set.on_own_tasks())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_may_block_its_thread_until_the_peer_has_answered() {
    for (what, set) in sets() {
        let answering = Responders::new(()).respond(|_, _: Back| async { Ok::<(), NoError>(()) });
        let (peer, _there) = pair(answering, set);
        let answer = tokio::time::timeout(PATIENCE, peer.call_remote(Relay {})).await;
        answer.expect(what).expect(what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_that_blocks_its_thread_does_not_hold_up_the_others() {
    let (release, blocked) = mpsc::channel();
    let state = (release, Mutex::new(blocked));
    let responders = Responders::new(state)
        .respond(|context: Context<State>, _: Block| async move {
            context.state().1.lock().unwrap().recv().unwrap();
            Ok::<(), NoError>(())
        })
        .on_own_tasks()
        .respond(|context: Context<State>, _: Release| async move {
            context.state().0.send(()).unwrap();
            Ok::<(), NoError>(())
        });
    let (peer, _there) = pair(Responders::new(()), responders);
    let both = async { tokio::join!(peer.call_remote(Block {}), peer.call_remote(Release {})) };
    let (block, release) = tokio::time::timeout(PATIENCE, both).await.expect("it holds them up");
    block.unwrap();
    release.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_keeps_its_order() {
    const NOTES: usize = 1000;
    type Notes = Mutex<Vec<usize>>;
    async fn note(context: Context<Notes>, note: Note) -> Result<(), NoError> {
        context.state().lock().unwrap().push(note.n);
        Ok(())
    }
    async fn last(context: Context<Notes>, _: Back) -> Result<(), NoError> {
        let notes = context.state().lock().unwrap();
        assert!(notes.iter().copied().eq(0..NOTES), "they were begun in another order");
        Ok(())
    }
    let set = || Responders::new(Notes::default()).respond(note).respond(last);
    for set in [set().one_at_a_time().on_own_tasks(), set().on_own_tasks().one_at_a_time()] {
        let (peer, _there) = pair(Responders::new(()), set);
        for n in 0..NOTES {
            peer.notify(Note { n }).await.unwrap();
        }
        peer.call_remote(Back {}).await.unwrap();
    }
}

/// The driver is a task of its own too.
#[tokio::test]
async fn each_begins_on_a_task_of_its_own_if_it_is_told_so() {
    fn task() -> Task {
        Task { id: tokio::task::id().to_string() }
    }
    let (decided, switched) = mpsc::channel();
    let own = Responders::new(decided)
        .respond(|_, _: WhereElse| async { Ok::<_, NoError>(task()) })
        .respond_switch(|context: Context<mpsc::Sender<Task>>, _: Switch| async move {
            context.state().send(task()).unwrap();
            Ok::<_, NoError>(|_: Switched| async {})
        })
        .on_own_tasks();
    let responders = Responders::new(())
        .respond(|_, _: Where| async { Ok::<_, NoError>(task()) })
        .merge(own)
        .unwrap();
    let (peer, _there) = pair(Responders::new(()), responders);
    let driver = peer.call_remote(Where {}).await.unwrap();
    assert_eq!(peer.call_remote(Where {}).await.unwrap(), driver);
    let first = peer.call_remote(WhereElse {}).await.unwrap();
    let second = peer.call_remote(WhereElse {}).await.unwrap();
    assert!(first != driver && second != driver && first != second);
    drop(peer.switch_protocol(Switch {}).await.unwrap());
    assert_ne!(switched.recv().unwrap(), driver);
}

#[derive(Command)]
struct Unpack {
    data: Zlib<Vec<u8>>,
}

/// They are decoded once all of them have begun, so none was decoded when they were let in.
#[tokio::test]
async fn what_calls_are_decoded_to_is_bounded_there_too() {
    // A few megabytes take seconds to be packed and unpacked where nothing is optimised.
    const EACH: usize = 70_000;
    let gate = Arc::new(Semaphore::new(0));
    let unpack = |context: Context<Arc<Semaphore>>, Unpack { data }: Unpack| async move {
        context.state().acquire().await.unwrap().forget();
        drop(data);
        Ok::<_, NoError>(())
    };
    let responders = Responders::new(Arc::clone(&gate)).respond(unpack).on_own_tasks();
    let limits = Limits::default().running_bytes(1 << 18).running_bytes_max(1 << 18);
    let (near, far) = tokio::io::duplex(1 << 20);
    let peer = Connection::new(near).spawn();
    let _there = Connection::new(far).limits(limits).responders(responders).spawn();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..12 {
        calls.spawn(peer.call_remote(Unpack { data: Zlib(vec![0; EACH]) }));
    }
    // Four of them go over the limit at the latest, and the others are refused.
    for _ in 0..8 {
        let refused = tokio::time::timeout(PATIENCE, calls.join_next()).await;
        let error = refused.expect("all of them run").unwrap().unwrap().unwrap_err();
        assert!(matches!(&error, CallError::Remote(error) if error.code == "UNKNOWN"), "{error}");
    }
    gate.add_permits(4);
    let answers = calls.join_all().await;
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() >= 2, "{answers:?}");
}
