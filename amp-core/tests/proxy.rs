//! A proxy, which knows no command: it passes on calls that want no answer and protocol switches, and
//! hands on how calls end.

mod support;

use amp_core::streams::StreamOf;
use amp_core::testing::pair;
use amp_core::{
    AmpBox, CallError, CloseReason, Command, CommandError, Connection, Context, NoError, Peer,
    ReceivedCall, RemoteError, Responders, Switched,
};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use support::{Script, echo, numbered, settled};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};

#[derive(Command)]
#[amp(error = NotToday, switch)]
struct SwitchToEcho {
    refuse: bool,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum NotToday {
    #[error("not today, {0}")]
    NotToday(String),
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    text: String,
}

#[derive(Command)]
#[amp(response = AmpBox)]
struct Notes {}

#[derive(Command)]
#[amp(response = AmpBox)]
struct Audit {
    lines: StreamOf<String>,
}

/// What speaks once both connections have switched.
type Joined = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn pass_on_switch(
    backend: Peer,
    call: ReceivedCall,
) -> Result<impl FnOnce(Switched) -> Joined + Send + 'static, RemoteError> {
    let switch = backend.switch_protocol_by_name(&call.command, call.arguments.iter());
    let mut there = switch.await.map_err(|error| call.handed_on(error))?;
    Ok(move |mut here: Switched| -> Joined {
        Box::pin(async move { drop(copy_bidirectional(&mut here, &mut there).await) })
    })
}

/// Passes on everything, and knows switches by how their names begin.
fn fallbacks(backend: Peer) -> Responders {
    let other = backend.clone();
    Responders::new(()).fallback(move |call: ReceivedCall| call.pass_on(&backend)).fallback_switch(
        |command| command.starts_with(b"SwitchTo"),
        move |call| pass_on_switch(other.clone(), call),
    )
}

/// Passes on everything, and knows one switch by its name.
fn by_name(backend: Peer) -> Responders {
    let other = backend.clone();
    Responders::new(())
        .fallback(move |call: ReceivedCall| call.pass_on(&backend))
        .respond_switch_by_name("SwitchToEcho", move |call| pass_on_switch(other.clone(), call))
}

/// Writes back what it reads, in capitals, after a greeting.
async fn shout(mut stream: Switched) {
    stream.write_all(b"hello ").await.unwrap();
    let mut buffer = vec![0; 100];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        buffer[..read].make_ascii_uppercase();
        stream.write_all(&buffer[..read]).await.unwrap();
    }
}

/// A backend that knows its commands.
fn backend() -> Responders<Mutex<Vec<String>>> {
    Responders::new(Mutex::default())
        .respond_by_name("Echo", echo)
        .respond(async |context: Context<Mutex<Vec<String>>>, Note { text }: Note| {
            context.state().lock().unwrap().push(text);
            Ok::<_, NoError>(())
        })
        .respond(async |context: Context<Mutex<Vec<String>>>, Notes {}: Notes| {
            let notes = context.state().lock().unwrap().join(" ");
            Ok::<_, NoError>(AmpBox::from_pairs([("notes", notes)]).unwrap())
        })
        .respond_switch(|_, SwitchToEcho { refuse }| async move {
            if refuse { Err(NotToday::NotToday("it is late".to_owned())) } else { Ok(shout) }
        })
}

/// A client of a proxy of a backend.
fn proxied(proxy_of: fn(Peer) -> Responders) -> Peer {
    let (here, there) = pair(Responders::new(()), backend());
    let (client, proxy) = pair(Responders::new(()), proxy_of(here));
    tokio::spawn(async move { tokio::join!(there.closed(), proxy.closed()) });
    client
}

#[tokio::test]
async fn calls_that_want_no_answer_are_passed_on_without_one() {
    let (backend, mut script) = Script::start(|connection| connection);
    let (client, _proxy) = pair(Responders::new(()), fallbacks(backend));
    client.notify(Note { text: "a".to_owned() }).await.unwrap();
    script.expect([("_command", "Note"), ("text", "a")]).await;
    // Such a switch cannot be made, by anybody.
    client.notify_by_name("SwitchToEcho", numbered(1)).await.unwrap();
    script.expect([("_command", "SwitchToEcho"), ("n", "1")]).await;
    assert_eq!(client.counters().answers_received + client.counters().errors_received, 0);

    let client = proxied(fallbacks);
    for text in ["b", "c"] {
        client.notify(Note { text: text.to_owned() }).await.unwrap();
    }
    let notes = client.call_remote(Notes {}).await.unwrap();
    assert_eq!(notes.get("notes"), Some(&b"b c"[..]));
}

#[tokio::test]
async fn a_switch_is_passed_on_with_the_bytes_behind_it_in_both_directions() {
    for proxy_of in [fallbacks, by_name] {
        let client = proxied(proxy_of);
        let mut stream = client.switch_protocol(SwitchToEcho { refuse: false }).await.unwrap();
        stream.write_all(b"and back").await.unwrap();
        let mut text = [0; 14];
        stream.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"hello AND BACK");
        // The end is passed on too.
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut text).await.unwrap(), 0);
        assert!(matches!(client.closed().await, CloseReason::Switched));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_right_behind_the_call_and_the_answer_go_through_wherever_they_are_cut() {
    // What could be taken for boxes, and what could not.
    const UP: &[u8] = b"\0\x05_error\0\x01x\0\0up";
    const DOWN: &[u8] = b"\0\x08_command\0\x01x\0\0down";
    let ask = [("_ask", "7"), ("_command", "SwitchToEcho"), ("x", "y")];
    let ask = AmpBox::from_pairs(ask).unwrap().to_bytes();
    let wire = [&ask[..], UP].concat();
    for cut in 0..=wire.len() {
        let (backend, mut there) = Script::start(|connection| connection);
        let (_proxy, mut here) =
            Script::start(|connection| connection.responders(fallbacks(backend)));
        here.send(&wire[..cut]).await;
        settled().await;
        here.send(&wire[cut..]).await;
        let call = there.receive().await.unwrap();
        assert_eq!(call.get("x"), Some(&b"y"[..]));
        let tag = std::str::from_utf8(call.get("_ask").unwrap()).unwrap();
        let answer = AmpBox::from_pairs([("_answer", tag)]).unwrap().to_bytes();
        there.send(&[&answer[..], DOWN].concat()).await;
        here.expect([("_answer", "7")]).await;
        assert_eq!(here.receive_bytes(DOWN.len()).await, DOWN, "cut at {cut}");
        assert_eq!(there.receive_bytes(UP.len()).await, UP, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_refused_switch_leaves_both_connections_and_keeps_its_error() {
    for proxy_of in [fallbacks, by_name] {
        let client = proxied(proxy_of);
        let refused = client.switch_protocol(SwitchToEcho { refuse: true }).await.unwrap_err();
        let expected = NotToday::NotToday("not today, it is late".to_owned());
        assert!(matches!(refused, CallError::Command(error) if error == expected));
        let answer = client.call_by_name("Echo", numbered(1)).await.unwrap();
        assert_eq!(answer.get("n"), Some(&b"1"[..]));
        let error = client.call_by_name("Nope", numbered(1)).await.unwrap_err();
        assert!(error.is_unhandled(), "{error}");
        let refused = client.switch_protocol_by_name("SwitchToEcho", [("refuse", "maybe")]).await;
        assert!(matches!(&refused, Err(CallError::Remote(error)) if error.is_unknown()));
        // And then it is made.
        let stream = client.switch_protocol_by_name("SwitchToEcho", [("refuse", "False")]).await;
        let mut text = [0; 6];
        stream.unwrap().read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"hello ");
    }
}

#[tokio::test]
async fn a_call_that_is_passed_on_has_its_error_or_none_of_the_backend() {
    let (backend, mut there) = Script::start(|connection| connection);
    let (client, _proxy) = pair(Responders::new(()), fallbacks(backend));
    let call = client.clone();
    let call = tokio::spawn(async move { call.call_by_name("A", numbered(1)).await });
    let tag = there.expect_call("A").await;
    let error = [("_error", &*tag), ("_error_code", "SOLD_OUT"), ("_error_description", "gone")];
    there.send_box(error).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the peer answered SOLD_OUT: gone");
    drop(there);
    let error = client.call_by_name("A", numbered(2)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer answered UNKNOWN: the connection to the backend has ended"
    );
    // Nobody is told that a one-way call got no further.
    client.notify_by_name("A", numbered(3)).await.unwrap();
    assert!(!client.is_closed());
}

/// Answers with all lines once the stream has ended.
async fn audit(_: Context, Audit { mut lines }: Audit) -> Result<AmpBox, NoError> {
    let mut all = String::new();
    while let Some(line) = lines.next().await {
        all += &line.unwrap();
    }
    Ok(AmpBox::from_pairs([("lines", all)]).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_name_the_streams_of_its_proxy() {
    let backend = Responders::new(()).respond(audit).respond_by_name("Echo", echo);
    let (backend, _there) = pair(Responders::new(()), backend);
    let (client, _proxy) = pair(Responders::new(()), fallbacks(backend.clone()));
    let (mut sink, lines) = StreamOf::<String>::pair();
    let auditing = tokio::spawn(async move { backend.call_remote(Audit { lines }).await });
    sink.send("a client has come. ".to_owned()).await.unwrap();
    settled().await;
    let pairs = [("stream", "0"), ("items", "\0\x09 It paid. "), ("end", "closed")];
    for command in ["_StreamItems", "_StreamTaken", "_StreamOpen", "_StreamStop", "_StreamEnd"] {
        client.notify_by_name(command, pairs).await.unwrap();
        let error = client.call_by_name(command, pairs).await.unwrap_err();
        let expected = "the peer answered NO_STREAM: The stream is of another connection";
        assert_eq!(error.to_string(), expected, "{command}");
    }
    // Others go on.
    client.call_by_name("Echo", numbered(1)).await.unwrap();
    let error = client.call_by_name("_StreamOther", pairs).await.unwrap_err();
    assert!(error.is_unhandled(), "{error}");
    sink.send("It went.".to_owned()).await.unwrap();
    sink.close().await.unwrap();
    let lines = auditing.await.unwrap().unwrap();
    assert_eq!(lines.get("lines"), Some(&b"a client has come. It went."[..]));
}

#[tokio::test]
async fn streams_go_through_a_proxy_with_a_connection_for_each_client() {
    let to_client = Arc::new(OnceLock::<Peer>::new());
    let passed_back = Arc::clone(&to_client);
    let back = Responders::new(())
        .fallback(move |call: ReceivedCall| call.pass_on(passed_back.get().unwrap()));
    let (backend, _there) = pair(back, Responders::new(()).respond(audit));
    let (client, proxy) = pair(Responders::new(()), fallbacks(backend));
    to_client.set(proxy).unwrap();
    let (mut sink, lines) = StreamOf::<String>::pair();
    let auditing = tokio::spawn(async move { client.call_remote(Audit { lines }).await });
    for line in ["a", "b", "c"] {
        sink.send(line.to_owned()).await.unwrap();
    }
    sink.close().await.unwrap();
    let lines = auditing.await.unwrap().unwrap();
    assert_eq!(lines.get("lines"), Some(&b"abc"[..]));
}

/// A backend that agreed would expect TLS, and all clients of the proxy would lose it.
#[tokio::test(start_paused = true)]
async fn no_client_starts_tls_between_the_proxy_and_the_backend() {
    let (backend, mut there) = Script::start(|connection| connection);
    let (client, _proxy) = pair(Responders::new(()), by_name(backend));
    client.notify_by_name("StartTLS", numbered(1)).await.unwrap();
    let call = client.call_by_name("StartTLS", numbered(2)).timeout(Duration::from_secs(1));
    let error = call.await.unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.code == "UNHANDLED"), "{error}");
    client.notify_by_name("Note", numbered(3)).await.unwrap();
    there.expect([("_command", "Note"), ("n", "3")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_choose_a_route_of_the_backend() {
    let (backend, mut there) = Script::start(|connection| connection);
    let (client, _proxy) = pair(Responders::new(()), fallbacks(backend));
    let pairs = [("_route", "admin"), ("a", "b")];
    client.notify_by_name("Reset", pairs).await.unwrap();
    let call = client.call_by_name("Reset", pairs).timeout(Duration::from_secs(1));
    let error = call.await.unwrap_err();
    assert_eq!(error.to_string(), "the peer answered UNKNOWN: the call could not be passed on");
    client.notify_by_name("Note", [("text", "a")]).await.unwrap();
    there.expect([("_command", "Note"), ("text", "a")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_whose_client_or_backend_goes_lets_go_of_the_other() {
    let began = tokio::time::Instant::now();
    // The backend goes while it is asked.
    let (backend, mut there) = Script::start(|connection| connection);
    let (client, _proxy) = pair(Responders::new(()), fallbacks(backend));
    let asking = client.clone();
    let asking = tokio::spawn(async move {
        asking.switch_protocol_by_name("SwitchToEcho", numbered(1)).await.map(drop)
    });
    there.expect_call("SwitchToEcho").await;
    drop(there);
    let error = asking.await.unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.is_unknown()), "{error}");
    assert!(!client.is_closed());

    // The client goes while the backend is asked, which then agrees.
    let (backend, mut there) = Script::start(|connection| connection);
    let (proxy, mut here) = Script::start(|connection| connection.responders(fallbacks(backend)));
    here.send_box([("_ask", "1"), ("_command", "SwitchToEcho")]).await;
    let tag = there.expect_call("SwitchToEcho").await;
    drop((here, proxy));
    there.send_box([("_answer", &*tag)]).await;
    assert_eq!(there.receive().await, None, "the stream of the backend is closed");
    assert_eq!(began.elapsed(), std::time::Duration::ZERO, "at once");
}

/// Switches of names that are not known before, beside calls that are not held up.
#[tokio::test]
async fn what_is_no_switch_by_its_name_is_read_on() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let responders = Responders::new(())
        .fallback(async |call: ReceivedCall| {
            if call.command == "Never" { std::future::pending().await } else { Ok(call.arguments) }
        })
        .respond_by_name("Known", echo)
        .fallback_switch(
            move |command| {
                seen.lock().unwrap().push(String::from_utf8(command.to_vec()).unwrap());
                assert_ne!(command, b"Panic", "the user's code");
                command == b"Switch"
            },
            async |call: ReceivedCall| {
                assert!(call.requires_answer);
                Ok::<fn(Switched) -> std::future::Ready<()>, _>(|_| std::future::ready(()))
            },
        );
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    let call = |tag, command| AmpBox::from_pairs([("_ask", tag), ("_command", command)]).unwrap();
    let one_way = AmpBox::from_pairs([("_command", "Switch")]).unwrap();
    let boxes = [call("1", "Never"), call("2", "Other"), call("3", "Panic"), call("4", "Known")];
    let wire: Vec<_> = boxes.into_iter().chain([one_way, call("5", "Switch")]).collect();
    let wire = wire.iter().flat_map(|ampbox| ampbox.to_bytes().to_vec()).collect::<Vec<_>>();
    script.send(&wire).await;
    for tag in ["2", "3", "4", "5"] {
        script.expect([("_answer", tag)]).await;
    }
    assert!(matches!(peer.closed().await, CloseReason::Switched));
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.contains(&"Known".to_owned()), "it has a responder of its own: {asked:?}");
}

/// The set was replaced between the call and its answer: by one for which it is no switch.
#[tokio::test]
async fn a_switch_whose_responder_was_replaced_by_an_ordinary_one_leaves_the_boxes() {
    let replaced = Responders::new(()).fallback(echo);
    let responders = Responders::new(())
        .respond_by_name("Login", move |call: ReceivedCall| {
            call.peer.replace_responders(replaced.clone()).unwrap();
            async { Ok(AmpBox::new()) }
        })
        .respond_switch_by_name("Switch", async |_: ReceivedCall| {
            Ok::<fn(Switched) -> std::future::Ready<()>, _>(|_| panic!("it was replaced"))
        });
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    let call = |tag, command| {
        AmpBox::from_pairs([("_ask", tag), ("_command", command)]).unwrap().to_bytes()
    };
    script.send(&[call("1", "Login"), call("2", "Switch"), call("3", "Other")].concat()).await;
    for tag in ["1", "2", "3"] {
        script.expect([("_answer", tag)]).await;
    }
}

#[tokio::test]
async fn sets_with_a_fallback_for_switches_clash() {
    let set = || {
        let (peer, _) = pair(Responders::new(()), Responders::new(()));
        Responders::new(())
            .fallback_switch(|_| true, move |call| pass_on_switch(peer.clone(), call))
    };
    let clash = set().merge(set()).unwrap_err();
    let expected = "both sets have a responder for all other protocol switches";
    assert_eq!(clash.to_string(), expected);
    assert!(clash.command().is_none());
    let (_peer, mut script) = Script::start(|connection: Connection| {
        connection.responders(Responders::new(()).merge(set()).unwrap().one_at_a_time())
    });
    script.send_box([("_ask", "1"), ("_command", "Any")]).await;
    // Its own peer is gone.
    let refused = script.receive().await.unwrap();
    assert_eq!(refused.get("_error_code"), Some(&b"UNKNOWN"[..]));
}
