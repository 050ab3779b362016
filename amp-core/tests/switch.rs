//! Protocol switches: from which byte on the other protocol is spoken, and what becomes of the
//! calls.

mod support;

use amp_core::{
    AmpBox, CallError, CloseReason, Command, CommandError, Connection, Limits, NoError, Peer,
    ReceivedCall, Responders, SwitchCall, Switched, tcp,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;
use support::double::Double;
use support::{Script, echo, numbered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

#[derive(Command, Clone)]
#[amp(error = NotToday, switch)]
struct SwitchToEcho {
    refuse: bool,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum NotToday {
    #[error("not today")]
    NotToday,
}

/// Writes back what it reads, in capitals.
async fn shout(mut stream: Switched) {
    let mut buffer = vec![0; 100];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        buffer[..read].make_ascii_uppercase();
        stream.write_all(&buffer[..read]).await.unwrap();
    }
}

fn switching() -> Responders {
    Responders::new(()).respond_by_name("Echo", echo).respond_switch(
        |_, SwitchToEcho { refuse }| async move {
            if refuse { Err(NotToday::NotToday) } else { Ok(shout) }
        },
    )
}

fn ask(tag: &str, refuse: &str) -> Vec<u8> {
    let pairs = [("_ask", tag), ("_command", "SwitchToEcho"), ("refuse", refuse)];
    AmpBox::from_pairs(pairs).unwrap().to_bytes().to_vec()
}

fn start_switch(peer: &Peer) -> JoinHandle<Result<Switched, CallError<NotToday>>> {
    let peer = peer.clone();
    tokio::spawn(async move { peer.switch_protocol(SwitchToEcho { refuse: false }).await })
}

fn start_call(peer: &Peer, command: &'static str) -> JoinHandle<Result<AmpBox, CallError>> {
    let peer = peer.clone();
    tokio::spawn(async move { peer.call_by_name(command, numbered(1)).await })
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_the_call_belongs_to_the_other_protocol_wherever_it_is_cut() {
    let mut bytes = AmpBox::from_pairs([("_ask", "0"), ("_command", "Echo")]).unwrap().to_bytes();
    let mut wire = std::mem::take(&mut bytes).to_vec();
    wire.extend(ask("1", "False"));
    // What could be taken for boxes, and what could not.
    wire.extend(b"\0\x05_error\0\x01x\0\0hello");
    for cut in 0..=wire.len() {
        let (peer, mut script) = Script::start(|connection| connection.responders(switching()));
        script.send(&wire[..cut]).await;
        support::settled().await;
        script.send(&wire[cut..]).await;
        script.expect([("_answer", "0")]).await;
        script.expect([("_answer", "1")]).await;
        let shouted = script.receive_bytes(18).await;
        assert_eq!(shouted, b"\0\x05_ERROR\0\x01X\0\0HELLO", "cut at {cut}");
        assert_eq!(peer.closed().await.to_string(), SWITCHED);
        assert!(peer.call_by_name("A", numbered(1)).await.unwrap_err().is_closed());
    }
}

const SWITCHED: &str = "the connection has switched to another protocol";

#[tokio::test]
async fn a_switch_that_is_refused_leaves_the_boxes_behind_it() {
    let (_peer, mut script) = Script::start(|connection| connection.responders(switching()));
    let echo = AmpBox::from_pairs([("_ask", "2"), ("_command", "Echo")]).unwrap().to_bytes();
    let wire = [&ask("1", "True")[..], &echo, &ask("3", "maybe"), &echo, &ask("4", "False")];
    script.send(&wire.concat()).await;
    let error = [("_error_code", "NOT_TODAY"), ("_error_description", "not today")];
    script.expect([("_error", "1"), error[0], error[1]]).await;
    script.expect([("_answer", "2")]).await;
    script.expect_unknown("3").await;
    script.expect([("_answer", "2")]).await;
    script.expect([("_answer", "4")]).await;
    script.send(b"x").await;
    assert_eq!(script.receive_bytes(1).await, b"X");
}

/// The responder that decides on the switch holds the connection, and lets go of it once it has agreed.
#[tokio::test(start_paused = true)]
async fn a_switch_that_was_agreed_to_is_made_when_nobody_holds_the_connection_any_more() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let responders = Responders::new(()).respond_switch(move |_, SwitchToEcho { .. }| {
        let opened = Arc::clone(&opened);
        async move {
            opened.acquire().await.unwrap().forget();
            Ok(shout)
        }
    });
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send(&ask("1", "False")).await;
    support::settled().await;
    drop(peer);
    gate.add_permits(1);
    script.expect([("_answer", "1")]).await;
    script.send(b"x").await;
    assert_eq!(script.receive_bytes(1).await, b"X");
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_after_the_switch_are_not_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = switching().respond_by_name("Slow", support::gated(Arc::clone(&gate)));
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    script.send(&ask("2", "False")).await;
    script.expect([("_answer", "2")]).await;
    gate.add_permits(1);
    support::settled().await;
    script.send(b"x").await;
    assert_eq!(script.receive_bytes(1).await, b"X");
}

#[tokio::test(start_paused = true)]
async fn the_asking_side_reads_what_came_with_the_answer() {
    let (peer, mut script) = Script::start(|connection| connection);
    let outstanding = start_call(&peer, "Outstanding");
    script.expect_call("Outstanding").await;
    let switch = start_switch(&peer);
    let tag = script.expect_call("SwitchToEcho").await;
    let meanwhile = start_call(&peer, "Meanwhile");
    support::settled().await;
    let answer = AmpBox::from_pairs([("_answer", &*tag)]).unwrap().to_bytes();
    script.send(&[&answer[..], b"\0\0not boxes"].concat()).await;
    let mut stream = switch.await.unwrap().unwrap();
    let mut read = vec![0; 11];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, b"\0\0not boxes");
    // Nothing came between the call and this.
    stream.write_all(b"raw").await.unwrap();
    assert_eq!(script.receive_bytes(3).await, b"raw");
    for call in [outstanding, meanwhile] {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Closed(CloseReason::Switched)), "{error}");
    }
    assert!(matches!(peer.closed().await, CloseReason::Switched));
    drop(stream);
    assert_eq!(script.receive().await, None, "the stream is the new protocol's to close");
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_a_refused_switch_is_sent_after_it() {
    let (peer, mut script) = Script::start(|connection| connection.responders(switching()));
    let switch = start_switch(&peer);
    let tag = script.expect_call("SwitchToEcho").await;
    let call = start_call(&peer, "Meanwhile");
    script.send_box([("_ask", "9"), ("_command", "Echo")]).await;
    support::settled().await;
    let error = peer.switch_protocol(SwitchToEcho { refuse: false }).await.unwrap_err();
    assert!(matches!(error, CallError::SwitchUnderWay), "{error}");
    script.send_box([("_error", &*tag), ("_error_code", "NOT_TODAY")]).await;
    let error = switch.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Command(NotToday::NotToday)), "{error}");
    let tag = script.expect_call("Meanwhile").await;
    script.expect([("_answer", "9")]).await;
    script.send_box([("_answer", &*tag)]).await;
    call.await.unwrap().unwrap();
    // And it can be asked for again.
    let switch = start_switch(&peer);
    let tag = script.expect_call("SwitchToEcho").await;
    script.send_box([("_answer", &*tag)]).await;
    drop(switch.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_for_a_switch_are_limited() {
    let limits = Limits::default().send_queue(1000).send_queue_max(10_000);
    let (peer, mut script) =
        Script::start(|connection| connection.limits(limits).responders(switching()));
    let switch = start_switch(&peer);
    let tag = script.expect_call("SwitchToEcho").await;
    let text = "x".repeat(900);
    let call = [("_ask", "1"), ("_command", "Echo"), ("text", &text)];
    for _ in 0..7 {
        script.send_box(call).await;
    }
    support::settled().await;
    script.send_box([("_error", &*tag), ("_error_code", "NOT_TODAY")]).await;
    for _ in 0..7 {
        script.expect([("_answer", "1"), call[2]]).await;
    }
    switch.await.unwrap().unwrap_err();

    let switch = start_switch(&peer);
    script.expect_call("SwitchToEcho").await;
    for _ in 0..12 {
        script.send_box(call).await;
    }
    support::settled().await;
    assert!(peer.is_closed());
    let message = "the connection is closed: the connection went over the limit of 10000 bytes waiting to be sent";
    assert_eq!(amp_core::Report::new(&switch.await.unwrap().unwrap_err()).to_string(), message);
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_not_asked_for_while_that_of_the_peer_is_decided() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let responders = Responders::new(()).respond_switch(move |_, _: SwitchToEcho| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.acquire().await.unwrap().forget();
            Ok(shout)
        }
    });
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send(&ask("1", "False")).await;
    support::settled().await;
    let switch = start_switch(&peer);
    support::settled().await;
    gate.add_permits(1);
    script.expect([("_answer", "1")]).await;
    let error = switch.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::SwitchUnderWay), "{error}");
    script.send(b"x").await;
    assert_eq!(script.receive_bytes(1).await, b"X");
}

#[tokio::test]
async fn both_ends_of_ours_switch() {
    let (near, far) = tokio::io::duplex(100);
    let asking = Connection::new(near).spawn();
    let answering = Connection::new(far).responders(switching()).spawn();
    let error = asking.switch_protocol(SwitchToEcho { refuse: true }).await.unwrap_err();
    assert!(matches!(error, CallError::Command(NotToday::NotToday)), "{error}");
    let stream = asking.switch_protocol(SwitchToEcho { refuse: false }).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let text = "what is said ".repeat(1000);
    let said = text.clone();
    tokio::spawn(async move {
        writer.write_all(said.as_bytes()).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut heard = String::new();
    reader.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, text.to_uppercase());
    assert_eq!(answering.closed().await.to_string(), SWITCHED);
}

#[tokio::test]
async fn two_sides_that_ask_at_once_are_both_told() {
    let (peer, mut script) = Script::start(|connection| connection.responders(switching()));
    let switch = start_switch(&peer);
    script.expect_call("SwitchToEcho").await;
    script.send(&ask("1", "False")).await;
    let error = switch.await.unwrap().unwrap_err();
    let message = "the connection is closed: both sides ask for a protocol switch at once";
    assert_eq!(amp_core::Report::new(&error).to_string(), message);
}

#[tokio::test]
async fn a_switch_that_nobody_waits_for_closes_the_stream_if_it_is_agreed_to() {
    let (peer, mut script) = Script::start(|connection| connection);
    let switch = start_switch(&peer);
    let tag = script.expect_call("SwitchToEcho").await;
    switch.abort();
    assert!(switch.await.unwrap_err().is_cancelled());
    script.send_box([("_answer", &*tag)]).await;
    assert_eq!(script.receive().await, None);
    assert_eq!(peer.closed().await.to_string(), SWITCHED);

    let (peer, mut script) = Script::start(|connection| connection);
    let switch = start_switch(&peer);
    let tag = script.expect_call("SwitchToEcho").await;
    switch.abort();
    assert!(switch.await.unwrap_err().is_cancelled());
    script.send_box([("_error", &*tag), ("_error_code", "NOT_TODAY")]).await;
    let call = start_call(&peer, "After");
    let tag = script.expect_call("After").await;
    script.send_box([("_answer", &*tag)]).await;
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_before_it_is_taken_is_closed() {
    let (peer, mut script) = Script::start(|connection| connection);
    let mut switch = Box::pin(peer.switch_protocol(SwitchToEcho { refuse: false }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(switch.as_mut().poll(&mut cx).is_pending());
    let tag = script.expect_call("SwitchToEcho").await;
    script.send_box([("_answer", &*tag)]).await;
    assert_eq!(peer.closed().await.to_string(), SWITCHED);
    drop(switch);
    let end = tokio::time::timeout(Duration::from_secs(1), script.receive()).await;
    assert_eq!(end, Ok(None), "the stream is still open");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_takes_too_long_is_given_up() {
    let timeout = Duration::from_secs(9);
    let (peer, mut script) = Script::start(|connection| connection.call_timeout(timeout));
    let error = peer.switch_protocol(SwitchToEcho { refuse: false }).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let tag = script.expect_call("SwitchToEcho").await;
    script.send_box([("_answer", &*tag)]).await;
    assert_eq!(script.receive().await, None);
}

/// Each has a time of its own, and goes to another task.
#[tokio::test(start_paused = true)]
async fn a_switch_that_has_a_time_of_its_own_is_given_up_then() {
    let (timeout, of_connection) = (Duration::from_secs(3), Duration::from_secs(9));
    let asks: [fn(&Peer) -> SwitchCall<'static, NoError>; 2] = [
        |peer| peer.switch_protocol_by_name("SwitchToEcho", [("refuse", "False")]),
        |peer| peer.switch_protocol_by_name_with("SwitchToEcho", |out, _| Ok(out.put(b"a", b"b")?)),
    ];
    for ask in asks {
        let (peer, mut script) = Script::start(|connection| connection.call_timeout(of_connection));
        let before = tokio::time::Instant::now();
        let asked = tokio::spawn(ask(&peer).timeout(timeout));
        let tag = script.expect_call("SwitchToEcho").await;
        let error = asked.await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(before.elapsed(), timeout, "of virtual time");
        // As the peer may not know that nobody waits for it.
        script.send_box([("_answer", &*tag)]).await;
        assert_eq!(script.receive().await, None);
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_fails_the_switch() {
    let (peer, mut script) = Script::start(|connection| connection);
    let switch = start_switch(&peer);
    script.expect_call("SwitchToEcho").await;
    drop(script);
    let error = switch.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Peer)), "{error}");
    let error = peer.switch_protocol(SwitchToEcho { refuse: false }).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_when_it_is_decided_leaves_an_ended_stream() {
    let gate = Arc::new(Semaphore::new(0));
    let (ended, end) = tokio::sync::oneshot::channel();
    let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
    let waiting = Arc::clone(&gate);
    let responders = Responders::new(()).respond_switch(move |_, _: SwitchToEcho| {
        let (waiting, ended) = (Arc::clone(&waiting), Arc::clone(&ended));
        async move {
            waiting.acquire().await.unwrap().forget();
            Ok(move |mut stream: Switched| async move {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                ended.lock().unwrap().take().unwrap().send(rest).unwrap();
            })
        }
    });
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send(&[&ask("1", "False")[..], b"last words"].concat()).await;
    script.finish().await;
    support::settled().await;
    gate.add_permits(1);
    assert_eq!(end.await.unwrap(), b"last words");
}

/// How a responder for a switch is added.
#[derive(Clone, Copy)]
enum Added {
    Typed,
    ByName,
    ByNameWith,
    Fallback,
    FallbackWith,
}

/// Counts in `asked` how often its responder is asked, and agrees.
fn counting(asked: &Arc<AtomicUsize>, added: Added) -> Responders {
    let asked = Arc::clone(asked);
    let count = move || {
        asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(shout))
    };
    let name = "SwitchToEcho";
    let is_switch = move |command: &[u8]| command == name.as_bytes();
    let echoing = Responders::new(()).respond_by_name("Echo", echo);
    match added {
        Added::Typed => echoing.respond_switch(move |_, _: SwitchToEcho| {
            let agreed = count();
            async { agreed.await.map_err(|_: amp_core::RemoteError| NotToday::NotToday) }
        }),
        Added::ByName => echoing.respond_switch_by_name(name, move |_: ReceivedCall| count()),
        Added::ByNameWith => echoing.respond_switch_by_name_with(
            name,
            |_, _, _| Ok(()),
            move |_: ReceivedCall<()>| count(),
        ),
        Added::Fallback => echoing.fallback_switch(is_switch, move |_: ReceivedCall| count()),
        Added::FallbackWith => echoing.fallback_switch_with(
            is_switch,
            |_, _, _| Ok(()),
            move |_: ReceivedCall<()>| count(),
        ),
    }
}

/// Its responder may let in who comes behind the switch, so it is not asked.
#[tokio::test]
async fn a_switch_without_a_tag_cannot_be_agreed_to() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (_peer, mut script) =
        Script::start(|connection| connection.responders(counting(&asked, Added::Typed)));
    script.send_box([("_command", "SwitchToEcho"), ("refuse", "False")]).await;
    script.send_box([("_ask", "1"), ("_command", "Echo")]).await;
    script.expect([("_answer", "1")]).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    script.send(&ask("2", "False")).await;
    script.expect([("_answer", "2")]).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn attachments_that_the_other_protocol_does_not_take_are_limited() {
    let of_all = Limits::default().attachments_in_all(7);
    for limits in [Limits::default().unclaimed_attachments(3), of_all] {
        let (near, mut far) = tokio::io::duplex(1000);
        let connection = Connection::with_transport(Double::attaching(near, || Arc::new(())));
        let _peer = connection.limits(limits).responders(switching()).spawn();
        far.write_all(&ask("1", "False")).await.unwrap();
        let mut answer = [0; 14];
        far.read_exact(&mut answer).await.unwrap();
        let mut shouted = [0];
        for _ in 0..2 {
            far.write_all(b"x").await.unwrap();
            assert_eq!(far.read(&mut shouted).await.unwrap(), 1);
        }
        far.write_all(b"x").await.unwrap();
        assert_eq!(far.read(&mut shouted).await.unwrap(), 0, "the fourth attachment");
    }
}

#[tokio::test]
async fn responders_that_were_put_in_place_later_can_switch_from_the_next_read_on() {
    use Added::{ByName, ByNameWith, Fallback, FallbackWith, Typed};
    for added in [Typed, ByName, ByNameWith, Fallback, FallbackWith] {
        let asked = Arc::new(AtomicUsize::new(0));
        let login = || {
            let asked = Arc::clone(&asked);
            Responders::new(()).respond_by_name("Login", move |call: ReceivedCall| {
                call.peer.replace_responders(counting(&asked, added)).unwrap();
                async { Ok(AmpBox::new()) }
            })
        };
        let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "Login")]).unwrap().to_bytes();

        let (_peer, mut script) = Script::start(|connection| connection.responders(login()));
        script.send(&call).await;
        script.expect([("_answer", "1")]).await;
        script.send(&[&ask("2", "False")[..], b"behind"].concat()).await;
        script.expect([("_answer", "2")]).await;
        assert_eq!(script.receive_bytes(6).await, b"BEHIND");
        assert_eq!(asked.load(Ordering::Relaxed), 1);

        // Read together with the login, it was no switch when it was read.
        let (_peer, mut script) = Script::start(|connection| connection.responders(login()));
        script.send(&[&call[..], &ask("2", "False")].concat()).await;
        script.expect([("_answer", "1")]).await;
        script.expect_unknown("2").await;
        assert_eq!(asked.load(Ordering::Relaxed), 1, "it was not asked");
        script.send(&ask("3", "False")).await;
        script.expect([("_answer", "3")]).await;
    }
}

/// The responder of a switch may take as long as it likes, and what follows may be no boxes, so nothing
/// is read meanwhile. That the peer has gone is seen all the same, over a socket.
#[tokio::test]
async fn a_peer_that_goes_while_its_switch_is_decided_is_noticed() {
    let (deciding, mut decides) = tokio::sync::mpsc::unbounded_channel();
    let responders = Responders::new(()).respond_switch(
        move |context: amp_core::Context, SwitchToEcho { .. }| {
            let deciding = deciding.clone();
            async move {
                deciding.send(()).unwrap();
                context.closed().await;
                Ok::<_, NotToday>(shout)
            }
        },
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    let peer = tcp::connection(near).unwrap().responders(responders).spawn();
    // What is behind the call hides the end of the stream.
    far.write_all(&[&ask("1", "False")[..], &[0xff; 1000]].concat()).await.unwrap();
    decides.recv().await.unwrap();
    drop(far);
    let reason = tokio::time::timeout(Duration::from_secs(60), peer.closed()).await;
    assert!(matches!(reason.expect("it waits for ever"), CloseReason::Peer));
}
