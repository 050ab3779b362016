//! Responders in lanes: begun one after the other, whatever becomes of the one before.

mod support;

use amp_core::{AmpBox, Command, Connection, Context, Limits, NoError, Peer, Responders, Switched};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Script, echo, gated, settled, three_are_read_at_once};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::Id;

/// What the responders of a test have done, and a gate that some of them wait at.
struct Log {
    lines: Mutex<Vec<String>>,
    tasks: Mutex<Vec<Option<Id>>>,
    gate: Semaphore,
}

impl Log {
    fn new() -> Arc<Self> {
        Arc::new(Self { lines: Mutex::default(), tasks: Mutex::default(), gate: Semaphore::new(0) })
    }

    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    async fn pass_gate(&self) {
        self.gate.acquire().await.expect("the gate stays open").forget();
    }
}

type State = Context<Arc<Log>>;

/// Takes so many turns of the other tasks.
#[derive(Command)]
struct Work {
    n: usize,
    turns: usize,
}

async fn work(context: State, Work { n, turns }: Work) -> Result<(), NoError> {
    context.state().push(format!("begin {n}"));
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    context.state().push(format!("end {n}"));
    Ok(())
}

/// Waits at the gate.
#[derive(Command)]
struct Wait {
    n: usize,
}

async fn wait(context: State, Wait { n }: Wait) -> Result<(), NoError> {
    context.state().tasks.lock().unwrap().push(tokio::task::try_id());
    context.state().push(format!("begin {n}"));
    context.state().pass_gate().await;
    context.state().push(format!("end {n}"));
    Ok(())
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    n: usize,
}

async fn note(context: State, Note { n }: Note) -> Result<(), NoError> {
    context.state().push(format!("note {n}"));
    Ok(())
}

#[derive(Command)]
struct Panic {
    early: bool,
}

/// Panics before there is a future, or in it.
fn panic(_: State, Panic { early }: Panic) -> impl Future<Output = Result<(), NoError>> {
    assert!(!early, "early, as the test wants it");
    async {
        tokio::task::yield_now().await;
        panic!("late, as the test wants it")
    }
}

fn in_lane(log: &Arc<Log>) -> Responders<Arc<Log>> {
    Responders::new(Arc::clone(log))
        .respond(work)
        .respond(wait)
        .respond(note)
        .respond(panic)
        .one_at_a_time()
        .respond_by_name("Echo", echo)
}

fn start(log: &Arc<Log>) -> (Peer, Script) {
    Script::start(|connection| connection.responders(in_lane(log)))
}

fn work_box(tag: &str, n: usize, turns: usize) -> Vec<u8> {
    let (n, turns) = (n.to_string(), turns.to_string());
    let pairs = [("_ask", tag), ("_command", "Work"), ("n", &n), ("turns", &turns)];
    AmpBox::from_pairs(pairs).unwrap().to_bytes().to_vec()
}

async fn ask(script: &mut Script, tag: &str, command: &str, n: usize) {
    script.send_box([("_ask", tag), ("_command", command), ("n", &n.to_string())]).await;
}

fn lines<const N: usize>(lines: [&str; N]) -> Vec<String> {
    lines.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn calls_of_a_lane_are_answered_in_their_order_however_long_each_takes() {
    let log = Log::new();
    let (_peer, mut script) = start(&log);
    // In several writes of several calls.
    for chunk in (0..300).collect::<Vec<usize>>().chunks(7) {
        let calls = chunk.iter().flat_map(|n| work_box(&n.to_string(), *n, n * 7 % 5));
        script.send(&calls.collect::<Vec<u8>>()).await;
    }
    for n in 0..300 {
        script.expect([("_answer", &*n.to_string())]).await;
    }
    let expected = (0..300).flat_map(|n| [format!("begin {n}"), format!("end {n}")]);
    assert_eq!(log.lines(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn other_commands_are_not_held_up() {
    let log = Log::new();
    let (_peer, mut script) = start(&log);
    ask(&mut script, "1", "Wait", 1).await;
    ask(&mut script, "2", "Wait", 2).await;
    script.send_box([("_ask", "3"), ("_command", "Echo")]).await;
    script.expect([("_answer", "3")]).await;
    assert_eq!(log.lines(), lines(["begin 1"]));
    log.gate.add_permits(2);
    script.expect([("_answer", "1")]).await;
    script.expect([("_answer", "2")]).await;
}

#[tokio::test]
async fn one_way_commands_keep_their_place() {
    let log = Log::new();
    let (_peer, mut script) = start(&log);
    script.send_box([("_command", "Note"), ("n", "1")]).await;
    script.send(&work_box("2", 2, 3)).await;
    script.send_box([("_command", "Note"), ("n", "3")]).await;
    script.send(&work_box("4", 4, 0)).await;
    script.expect([("_answer", "2")]).await;
    script.expect([("_answer", "4")]).await;
    let expected = lines(["note 1", "begin 2", "end 2", "note 3", "begin 4", "end 4"]);
    assert_eq!(log.lines(), expected);
}

#[tokio::test]
async fn a_responder_that_panics_or_cannot_be_decoded_holds_up_nobody() {
    let log = Log::new();
    let (_peer, mut script) = start(&log);
    // First in the lane, where the connection's own task polls them, then behind others.
    for first in [true, false] {
        for early in ["True", "False", "neither"] {
            if !first {
                ask(&mut script, "1", "Wait", 1).await;
            }
            script.send_box([("_ask", "2"), ("_command", "Panic"), ("early", early)]).await;
            script.send(&work_box("3", 3, 1)).await;
            log.gate.add_permits(usize::from(!first));
            if !first {
                script.expect([("_answer", "1")]).await;
            }
            script.expect_unknown("2").await;
            script.expect([("_answer", "3")]).await;
        }
    }
}

#[tokio::test]
async fn the_first_of_a_lane_gets_no_task_before_it_waits() {
    let log = Log::new();
    let (_peer, mut script) = start(&log);
    log.gate.add_permits(2);
    ask(&mut script, "1", "Wait", 1).await;
    script.expect([("_answer", "1")]).await;
    ask(&mut script, "2", "Wait", 2).await;
    script.expect([("_answer", "2")]).await;
    let tasks = log.tasks.lock().unwrap().clone();
    assert!(tasks[0].is_some());
    assert_eq!(tasks[0], tasks[1], "both ran on the connection's own task");
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_are_running_responders() {
    let log = Log::new();
    let limits = Limits::default().running_responders(3);
    let prepare = |connection: Connection| connection.limits(limits).responders(in_lane(&log));
    // So little room that each call is read on its own.
    let (peer, mut script) = Script::with_room(40, prepare);
    let calls = (0..20).flat_map(|n| {
        let n = n.to_string();
        let pairs = [("_ask", &*n), ("_command", "Wait"), ("n", &n)];
        AmpBox::from_pairs(pairs).unwrap().to_bytes().to_vec()
    });
    let calls: Vec<u8> = calls.collect();
    tokio::select! {
        biased;
        () = script.send(&calls) => panic!("the connection read on"),
        () = settled() => {}
    }
    assert!(peer.counters().calls_received < 20);
    assert_eq!(log.lines(), lines(["begin 0"]));
}

/// Its tag is there once more, and the name of its command twice.
#[tokio::test(start_paused = true)]
async fn what_a_call_in_a_lane_takes_beside_its_box_counts() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = Responders::new(()).fallback(gated(Arc::clone(&gate))).one_at_a_time();
    let limits = Limits::default().running_bytes(400_000);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    // So little room that each call is read on its own.
    let (peer, mut script) = Script::with_room(40, prepare);
    let long = "x".repeat(30_000);
    let call = AmpBox::from_pairs([("_ask", &long), ("_command", &long)]).unwrap().to_bytes();
    three_are_read_at_once(&call, &gate, &peer, &mut script).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_connection_ends_only_one_way_commands_still_have_their_turn() {
    let log = Log::new();
    let (peer, mut script) = start(&log);
    ask(&mut script, "1", "Wait", 1).await;
    ask(&mut script, "2", "Wait", 2).await;
    script.send_box([("_command", "Note"), ("n", "3")]).await;
    script.send(&work_box("4", 4, 0)).await;
    script.send_box([("_command", "Note"), ("n", "5")]).await;
    settled().await;
    drop(script);
    peer.closed().await;
    drop(peer);
    settled().await;
    assert_eq!(log.lines(), lines(["begin 1"]));
    log.gate.add_permits(2);
    settled().await;
    assert_eq!(log.lines(), lines(["begin 1", "end 1", "note 3", "note 5"]));
    assert_eq!(Arc::strong_count(&log), 1, "nothing of the connection is left");
}

/// On a thread that polls who was woken last first: then what was left behind enters the lane, and then
/// the other looks who has no turn any more.
#[test]
fn what_was_left_behind_takes_nobodys_place() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let log = Log::new();
    runtime.block_on(async {
        let limits = Limits::default().running_responders(3);
        let prepare = |connection: Connection| connection.limits(limits).responders(in_lane(&log));
        let (peer, mut script) = Script::start(prepare);
        let calls = ["1", "2", "3"].map(|n| {
            let pairs = [("_ask", n), ("_command", "Wait"), ("n", n)];
            AmpBox::from_pairs(pairs).unwrap().to_bytes()
        });
        let note = AmpBox::from_pairs([("_command", "Note"), ("n", "4")]).unwrap().to_bytes();
        script.send(&[calls.concat(), note.to_vec()].concat()).await;
        drop(script);
        peer.closed().await;
        drop(peer);
        log.gate.add_permits(1);
        let is_over = async {
            while Arc::strong_count(&log) > 1 {
                tokio::task::yield_now().await;
            }
        };
        // It takes no time, unless somebody waits for ever.
        let is_over = tokio::time::timeout(Duration::from_secs(60), is_over).await;
        assert_eq!(log.lines(), lines(["begin 1", "end 1", "note 4"]));
        is_over.expect("nothing of the connection is left");
    });
}

#[tokio::test(start_paused = true)]
async fn the_lanes_of_two_connections_are_two() {
    let log = Log::new();
    // Of one set, as those of a server are.
    let set = in_lane(&log);
    let (_near, mut first) = Script::start(|connection| connection.responders(set.clone()));
    let (_far, mut second) = Script::start(|connection| connection.responders(set.clone()));
    ask(&mut first, "1", "Wait", 1).await;
    settled().await;
    second.send(&work_box("1", 2, 3)).await;
    second.expect([("_answer", "1")]).await;
    log.gate.add_permits(1);
    first.expect([("_answer", "1")]).await;
}

#[tokio::test(start_paused = true)]
async fn two_lanes_of_one_connection_are_two() {
    let log = Log::new();
    let responders = Responders::new(Arc::clone(&log))
        .group(|group| group.respond(wait).respond(note).one_at_a_time())
        .group(|group| group.respond(work).fallback(echo).one_at_a_time())
        .respond_by_name("Echo", echo);
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    ask(&mut script, "1", "Wait", 1).await;
    script.send_box([("_command", "Note"), ("n", "2")]).await;
    script.send(&[work_box("3", 3, 2), work_box("4", 4, 0)].concat()).await;
    script.send_box([("_ask", "5"), ("_command", "Nobody's")]).await;
    script.expect([("_answer", "3")]).await;
    script.expect([("_answer", "4")]).await;
    // The fallback is in the lane too.
    script.expect([("_answer", "5")]).await;
    assert_eq!(log.lines(), lines(["begin 1", "begin 3", "end 3", "begin 4", "end 4"]));
    log.gate.add_permits(1);
    script.expect([("_answer", "1")]).await;
    settled().await;
    assert_eq!(log.lines()[5..], lines(["end 1", "note 2"]));
}

#[derive(Command)]
#[amp(switch)]
struct SwitchToNothing {
    refuse: bool,
}

fn with_switch(log: &Arc<Log>, in_the_lane: bool) -> Responders<Arc<Log>> {
    let switching = Responders::new(Arc::clone(log)).respond_switch(
        |context: State, SwitchToNothing { refuse }| async move {
            context.state().push("switch".to_owned());
            assert!(!refuse, "refused, as the test wants it");
            Ok::<_, NoError>(|stream: Switched| async { drop(stream) })
        },
    );
    let lane = |lane: Responders<Arc<Log>>| lane.respond(wait).respond(work).respond(note);
    if in_the_lane {
        lane(Responders::new(Arc::clone(log))).merge(switching).unwrap().one_at_a_time()
    } else {
        switching.group(|group| lane(group).one_at_a_time())
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_in_a_lane_is_decided_in_its_turn() {
    let log = Log::new();
    let responders = with_switch(&log, true);
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    for refuse in ["True", "False"] {
        ask(&mut script, "1", "Wait", 1).await;
        let switch = [("_ask", "2"), ("_command", "SwitchToNothing"), ("refuse", refuse)];
        script.send_box(switch).await;
        if refuse == "True" {
            // Read as a box only once the switch is refused.
            script.send(&work_box("3", 3, 0)).await;
        }
        settled().await;
        assert_eq!(log.lines(), lines(["begin 1"]));
        log.gate.add_permits(1);
        script.expect([("_answer", "1")]).await;
        if refuse == "True" {
            script.expect_unknown("2").await;
            script.expect([("_answer", "3")]).await;
            let expected = lines(["begin 1", "end 1", "switch", "begin 3", "end 3"]);
            assert_eq!(std::mem::take(&mut *log.lines.lock().unwrap()), expected);
        } else {
            script.expect([("_answer", "2")]).await;
        }
    }
    assert_eq!(script.receive().await, None, "the successor drops the stream");
    peer.closed().await;
    assert_eq!(log.lines(), lines(["begin 1", "end 1", "switch"]));
}

#[tokio::test(start_paused = true)]
async fn a_switch_leaves_those_behind_that_wait_in_a_lane() {
    let log = Log::new();
    let responders = with_switch(&log, false);
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    ask(&mut script, "1", "Wait", 1).await;
    ask(&mut script, "2", "Wait", 2).await;
    script.send_box([("_command", "Note"), ("n", "3")]).await;
    script.send_box([("_ask", "4"), ("_command", "SwitchToNothing"), ("refuse", "False")]).await;
    script.expect([("_answer", "4")]).await;
    assert_eq!(script.receive().await, None);
    peer.closed().await;
    log.gate.add_permits(2);
    settled().await;
    assert_eq!(log.lines(), lines(["begin 1", "switch", "end 1", "note 3"]));
}
