//! Responders that end with their connection, and those that outlive it.

mod support;

use amp_core::observing::outliving_responders;
use amp_core::testing::pair;
use amp_core::{
    AmpBox, CallError, CloseReason, Command, Connection, Context, Limits, NoError, ReceivedCall,
    RemoteError, Responders, tcp,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use support::{Script, echo, gated, numbered, settled};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, mpsc};

/// All tests of the process are counted together.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Says the name of the command when it is dropped.
struct Dropped(mpsc::UnboundedSender<String>, String);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(std::mem::take(&mut self.1));
    }
}

/// Commands that never answer.
fn endless(names: &[&str], dropped: &mpsc::UnboundedSender<String>) -> Responders {
    names.iter().fold(Responders::new(()), |set, name| {
        let dropped = dropped.clone();
        set.respond_by_name(name, move |call: ReceivedCall| {
            let command = String::from_utf8(call.command.to_vec()).unwrap();
            let dropped = Dropped(dropped.clone(), command);
            async move {
                let _dropped = dropped;
                std::future::pending::<Result<AmpBox, RemoteError>>().await
            }
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_set_may_end_with_its_connection() {
    let _alone = ALONE.lock().await;
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let ending = endless(&["Plain"], &dropped)
        .merge(endless(&["OwnTask"], &dropped).on_own_tasks())
        .unwrap()
        .merge(endless(&["Lane", "Behind"], &dropped).one_at_a_time())
        .unwrap()
        .respond_by_name("Echo", echo);
    #[cfg(feature = "tower")]
    let ending = ending
        .merge(endless(&["Layer"], &dropped).layer(tower::limit::ConcurrencyLimitLayer::new(9)))
        .unwrap();
    let ending = ending.end_with_connection();
    let gate = Arc::new(Semaphore::new(0));
    let set = ending.respond_by_name("Outlives", gated(Arc::clone(&gate)));
    let (peer, mut script) = Script::start(|connection| connection.responders(set));
    let mut expected = vec!["Lane", "OwnTask", "Plain"];
    if cfg!(feature = "tower") {
        expected.insert(1, "Layer");
    }
    for command in expected.iter().copied().chain(["Outlives"]) {
        script.send_box([("_ask", command), ("_command", command)]).await;
    }
    // Its turn never comes.
    script.send_box([("_command", "Behind")]).await;
    script.send_box([("_ask", "E"), ("_command", "Echo")]).await;
    script.expect([("_answer", "E")]).await;
    settled().await;
    assert!(drops.try_recv().is_err(), "they run as long as the connection is there");
    assert_eq!(peer.running_responders(), expected.len() + 2);
    drop(script);
    peer.closed().await;
    settled().await;
    let mut ended = Vec::new();
    while let Ok(command) = drops.try_recv() {
        ended.push(command);
    }
    ended.sort();
    assert_eq!(ended, expected);
    assert_eq!((peer.running_responders(), outliving_responders()), (1, 1));
    // The count is that of the process: what this test adds to it is gone before others begin.
    gate.add_permits(1);
    settled().await;
    assert_eq!((peer.running_responders(), outliving_responders()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn those_that_outlive_their_connections_are_counted() {
    let _alone = ALONE.lock().await;
    let gate = Arc::new(Semaphore::new(0));
    let mut peers = Vec::new();
    for _ in 0..3 {
        let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
        let (near, far) = pair(Responders::new(()), slow);
        let call = |n| near.call_by_name("Slow", numbered(n));
        let (first, second) = (call(1), call(2));
        let closing = async {
            settled().await;
            near.close().await;
        };
        let (first, second, ()) = tokio::join!(first, second, closing);
        assert!(matches!((first, second), (Err(CallError::Closed(_)), Err(CallError::Closed(_)))));
        far.closed().await;
        peers.push(far);
    }
    assert_eq!(outliving_responders(), 6);
    assert!(peers.iter().all(|peer| peer.running_responders() == 2));
    gate.add_permits(5);
    settled().await;
    assert_eq!(outliving_responders(), 1);
    gate.add_permits(1);
    settled().await;
    assert_eq!(outliving_responders(), 0);
}

/// Is answered at once, and goes on for a while.
#[derive(Command)]
struct Keep {
    data: Bytes,
}

/// What goes on when its connection has ended is among the responders that do, and what never ran
/// leaves nothing.
#[tokio::test(start_paused = true)]
async fn what_runs_after_an_answer_may_outlive_its_connection() {
    let _alone = ALONE.lock().await;
    let gate = Arc::new(Semaphore::new(0));
    let keep = |context: Context<Arc<Semaphore>>, Keep { data }: Keep| async move {
        let keep = async move {
            context.state().acquire().await.unwrap().forget();
            drop(data);
        };
        Ok::<_, NoError>(((), keep))
    };
    let responders = Responders::new(Arc::clone(&gate)).respond_then(keep);
    let (near, far) = tokio::io::duplex(64);
    let peer = Connection::new(near).responders(responders).spawn();
    let mut script = Script::of(far);
    let data = "d".repeat(10);
    script.send_box([("_ask", "1"), ("_command", "Keep"), ("data", &*data)]).await;
    script.expect([("_answer", "1")]).await;
    // There is no room for this answer.
    let tag = "t".repeat(100);
    let pairs = [("_ask", &*tag), ("_command", "Keep"), ("data", &*data)];
    script.send(&AmpBox::from_pairs(pairs).unwrap().to_bytes()).await;
    settled().await;
    drop(script);
    peer.closed().await;
    settled().await;
    assert_eq!(outliving_responders(), 1);
    gate.add_permits(1);
    settled().await;
    assert_eq!(outliving_responders(), 0);
}

/// Waits until this is so. Where that never comes, the test fails and does not hang.
async fn comes(is_so: impl Fn() -> bool) {
    let comes = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), comes).await.expect("it comes in time");
}

#[tokio::test]
async fn one_way_commands_of_a_peer_that_has_gone_are_begun_as_others_are_done() {
    /// More than is read ahead, and few enough that a socket takes them.
    const NOTICES: usize = 1200;
    let _alone = ALONE.lock().await;
    let gate = Arc::new(Semaphore::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let limits = Limits::default().running_responders(4);
    let here = tcp::connection(listener.accept().await.unwrap().0).unwrap();
    let peer = here.limits(limits).responders(slow).spawn();
    for n in 0..NOTICES {
        let number = n.to_string();
        let call = AmpBox::from_pairs([("_command", "Slow"), ("n", &*number)]).unwrap();
        there.write_all(&call.to_bytes()).await.unwrap();
        let call = AmpBox::from_pairs([("_command", "Slow"), ("_ask", &*number)]).unwrap();
        if n > NOTICES / 2 {
            there.write_all(&call.to_bytes()).await.unwrap();
        }
    }
    drop(there);
    assert!(matches!(peer.closed().await, CloseReason::Peer));
    let begun = peer.running_responders();
    assert!(begun < 1000, "{begun} run at once");
    gate.add_permits(begun - 4);
    comes(|| peer.running_responders() <= 4).await;
    for _ in begun..NOTICES {
        gate.add_permits(1);
        comes(|| gate.available_permits() == 0).await;
        assert!(peer.running_responders() <= 4);
    }
    gate.add_permits(4);
    comes(|| peer.running_responders() == 0).await;
    assert_eq!((gate.available_permits(), outliving_responders()), (0, 0));
}

/// A stream that is reset says that nobody is there any more, not that what came was wrong.
#[tokio::test]
async fn one_way_commands_that_were_read_are_begun_though_the_stream_was_reset() {
    const NOTICES: usize = 20;
    let _alone = ALONE.lock().await;
    let gate = Arc::new(Semaphore::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let limits = Limits::default().running_responders(4);
    let here = tcp::connection(listener.accept().await.unwrap().0).unwrap();
    let peer = here.limits(limits).responders(slow).spawn();
    let mut notices = Vec::new();
    for n in 0..NOTICES {
        let call = AmpBox::from_pairs([("_command", "Slow"), ("n", &*n.to_string())]).unwrap();
        notices.extend(call.to_bytes());
    }
    there.write_all(&notices).await.unwrap();
    comes(|| peer.running_responders() == 4).await;
    there.set_zero_linger().unwrap();
    drop(there);
    assert!(matches!(peer.closed().await, CloseReason::Io(_)));
    gate.add_permits(NOTICES);
    comes(|| gate.available_permits() == 0 && peer.running_responders() == 0).await;
    assert_eq!(outliving_responders(), 0);
}
