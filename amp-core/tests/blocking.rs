//! The client that blocks: over a double of a stream, and over TCP.

#[path = "support/blocking_double.rs"]
mod blocking_double;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use amp_core::argument::{
    Attachment, AttachmentKind, EncodeErrorKind, FromConnection, UnknownKeys,
};
use amp_core::blocking::{Client, Connection};
use amp_core::boxes::{BoxError, BoxLimits, BoxReader, BoxWriter};
use amp_core::proto::ProtocolError;
use amp_core::{
    AmpBox, Argument, Arguments, CallError, CloseReason, Command, CommandError, DecodeError,
    EncodeError, Limits, PeerAddress, Proto, RemoteError, Value, ValueWriter, keys,
};
use blocking_double::BlockingDouble;

#[derive(Command)]
#[amp(response = Total, error = SumError)]
struct Sum {
    a: i64,
    b: i64,
}

#[derive(Arguments, Debug, PartialEq)]
struct Total {
    total: i64,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum SumError {
    #[error("overflow")]
    Overflow,
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    text: String,
}

const SUM: Sum = Sum { a: 13, b: 81 };

fn wire(pairs: &[(&str, &str)]) -> Vec<u8> {
    AmpBox::from_pairs(pairs.iter().copied()).unwrap().to_bytes().to_vec()
}

fn total(tag: &str, total: &str) -> Vec<u8> {
    wire(&[("_answer", tag), ("total", total)])
}

fn sum(tag: &str) -> Vec<u8> {
    wire(&[("_ask", tag), ("_command", "Sum"), ("a", "13"), ("b", "81")])
}

#[test]
fn a_large_box_may_come_in_small_pieces() {
    let text = "x".repeat(60_000);
    let keys: Vec<_> = (0..50).map(|n| format!("key{n}")).collect();
    let values = keys.iter().map(|key| (key.as_str(), text.as_str()));
    let pairs: Vec<_> = [("_answer", "1")].into_iter().chain(values).collect();
    let answer = wire(&pairs);
    let pieces: Vec<_> = answer.chunks(1000).collect();
    let mut client = started(BlockingDouble::of(&pieces));
    let answer = client.call_by_name("A", [("a", "b")]).unwrap();
    assert_eq!(answer.len(), 50);
}

fn started(double: BlockingDouble) -> Client<BlockingDouble> {
    Connection::new(double).start()
}

#[test]
fn calls_are_answered_however_the_bytes_come() {
    let answers = [total("1", "94"), total("2", "5")].concat();
    for cut in 0..=answers.len() {
        let mut client = started(BlockingDouble::of(&[&answers[..cut], &answers[cut..]]));
        if cut == 0 || cut == answers.len() {
            // An empty read would be the end.
            client = started(BlockingDouble::of(&[&answers]));
        }
        assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 94 });
        assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 5 });
        assert_eq!(client.stream().written, [sum("1"), sum("2")].concat());
    }
}

#[test]
fn errors_are_typed_where_they_are_declared() {
    let declared = wire(&[("_error", "1"), ("_error_code", "OVERFLOW")]);
    let description = ("_error_description", "Unhandled Command: b'Sum'");
    let other = wire(&[("_error", "2"), ("_error_code", "UNHANDLED"), description]);
    let wrong = total("3", "x");
    let mut client = started(BlockingDouble::of(&[&declared, &other, &wrong, &total("4", "1")]));
    let error = client.call_remote(SUM).unwrap_err();
    assert!(matches!(error, CallError::Command(SumError::Overflow)));
    assert!(client.call_remote(SUM).unwrap_err().is_unhandled());
    let error = client.call_remote(SUM).unwrap_err();
    assert_eq!(
        amp_core::Report::new(&error).to_string(),
        "the answer cannot be read: argument total: \"x\" is not an Integer"
    );
    assert!(client.call_remote(SUM).is_ok(), "the connection has gone on");
}

#[test]
fn commands_can_be_called_by_name() {
    let answer = wire(&[("_answer", "1"), ("x", "y")]);
    let mut client = started(BlockingDouble::of(&[&answer]));
    let answer = client.call_by_name("Sum", [("a", "13"), ("b", "81")]).unwrap();
    assert_eq!(answer, AmpBox::from_pairs([("x", "y")]).unwrap());
    assert_eq!(client.stream().written, sum("1"));

    let name = "n".repeat(65_536);
    for error in [
        client.call_by_name(&name, [("a", "1")]).unwrap_err(),
        client.call_by_name("Sum", [("a", &name)]).unwrap_err(),
        client.call_by_name("Sum", [("_ask", "1")]).unwrap_err(),
        client.call_by_name("Sum", [("a", "1"), ("a", "2")]).unwrap_err(),
    ] {
        assert!(matches!(error, CallError::Encode(_)), "{error}");
    }
    assert_eq!(client.stream().written, sum("1"), "nothing more was sent");
}

#[test]
fn one_way_commands_are_sent_and_not_waited_for() {
    let mut client = started(BlockingDouble::default());
    client.notify(Note { text: "x".to_owned() }).unwrap();
    assert_eq!(client.stream().written, wire(&[("_command", "Note"), ("text", "x")]));
    assert_eq!(client.stream().flushed, client.stream().written.len());
}

#[test]
fn one_way_commands_by_name_are_those_of_types() {
    let mut typed = started(BlockingDouble::default());
    typed.notify(Note { text: "x".to_owned() }).unwrap();
    let mut named = started(BlockingDouble::default());
    named.notify_by_name("Note", [("text", "x")]).unwrap();
    assert_eq!(named.stream().written, typed.stream().written);

    let written = named.stream().written.len();
    let too_long = "x".repeat(65_536);
    for (command, text) in [("Note", &*too_long), (&*too_long, "x")] {
        let error = named.notify_by_name(command, [("text", text)]).unwrap_err();
        assert!(matches!(error, CallError::Encode(_)), "{error}");
    }
    assert_eq!(named.stream().written.len(), written, "nothing more was sent");
}

#[test]
fn calls_of_the_peer_are_unhandled_unless_somebody_answers_them() {
    let call = wire(&[("_ask", "p"), ("_command", "Echo"), ("x", "1")]);
    let one_way = wire(&[("_command", "Echo"), ("x", "2")]);
    let reads: &[&[u8]] = &[&[&call[..], &one_way].concat(), &call, &total("1", "94")];

    let mut client = started(BlockingDouble::of(reads));
    client.call_remote(SUM).unwrap();
    let unhandled = wire(&[
        ("_error", "p"),
        ("_error_code", "UNHANDLED"),
        ("_error_description", "Unhandled Command: b'Echo'"),
    ]);
    assert_eq!(client.stream().written, [sum("1"), unhandled.clone(), unhandled].concat());

    let (seen, calls) = std::sync::mpsc::channel();
    let mut client = Connection::new(BlockingDouble::of(reads))
        .responder(move |call| {
            seen.send(call.clone()).unwrap();
            Ok(call.arguments)
        })
        .start();
    client.call_remote(SUM).unwrap();
    let echoed = wire(&[("_answer", "p"), ("x", "1")]);
    assert_eq!(client.stream().written, [sum("1"), echoed.clone(), echoed].concat());
    drop(client);
    let calls: Vec<_> = calls.iter().collect();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1].command, "Echo");
    assert_eq!(calls[1].arguments, AmpBox::from_pairs([("x", "2")]).unwrap());
    assert_eq!([0, 1, 2].map(|at: usize| calls[at].requires_answer), [true, false, true]);
}

#[test]
fn a_responder_that_fails_is_answered_for() {
    let reads = [
        wire(&[("_ask", "a"), ("_command", "Fail")]),
        wire(&[("_ask", "b"), ("_command", "Wrong")]),
        total("1", "94"),
    ]
    .concat();
    let mut client = Connection::new(BlockingDouble::of(&[&reads]))
        .responder(|call| match &call.command[..] {
            b"Fail" => Err(RemoteError::new("NO", "not today")),
            _ => Ok(AmpBox::from_pairs([("_ask", "reserved")]).unwrap()),
        })
        .start();
    client.call_remote(SUM).unwrap();
    let failed =
        wire(&[("_error", "a"), ("_error_code", "NO"), ("_error_description", "not today")]);
    let unknown = wire(&[
        ("_error", "b"),
        ("_error_code", keys::UNKNOWN),
        ("_error_description", "Unknown Error"),
    ]);
    assert_eq!(client.stream().written, [sum("1"), failed, unknown].concat());
}

#[test]
fn every_end_has_its_reason_and_stays() {
    let check = |double: BlockingDouble, is_reason: fn(&CloseReason) -> bool| {
        let mut client = Connection::new(double)
            .limits(Limits::default().boxes(BoxLimits::default().max_bytes(100).max_pairs(10)))
            .start();
        for _ in 0..2 {
            let CallError::Closed(reason) = client.call_remote(SUM).unwrap_err() else { panic!() };
            assert!(is_reason(&reason), "{reason}");
            let error = client.notify(Note { text: String::new() });
            assert!(error.unwrap_err().is_closed());
        }
        assert!(sum("1").starts_with(&client.stream().written), "nothing is sent afterwards");
    };
    check(BlockingDouble::default(), |reason| matches!(reason, CloseReason::Peer));
    check(BlockingDouble::of(&[b"\0\x01a"]), |reason| {
        matches!(reason, CloseReason::Truncated { received: 3 })
    });
    check(BlockingDouble::of(&[b"HTTP/1.1 400 Bad Request"]), |reason| {
        matches!(
            reason,
            CloseReason::Protocol(ProtocolError::Box(BoxError::NotAmp {
                protocol: Some("HTTP"),
                ..
            }))
        )
    });
    check(BlockingDouble::of(&[b"\0\x01a\xff\xff"]), |reason| {
        matches!(
            reason,
            CloseReason::Protocol(ProtocolError::Box(BoxError::BoxTooLong { limit: 100, .. }))
        )
    });
    check(BlockingDouble::of(&[b"\0\0"]), |reason| {
        matches!(reason, CloseReason::Protocol(ProtocolError::NoKind { pairs: 0 }))
    });
    let mut broken = BlockingDouble::default();
    broken.reads.push_back(Err(ErrorKind::ConnectionReset.into()));
    check(
        broken,
        |reason| matches!(reason, CloseReason::Io(error) if error.kind() == ErrorKind::ConnectionReset),
    );
    let mut full = BlockingDouble::default();
    full.writes.extend([Ok(5), Ok(0)]);
    check(
        full,
        |reason| matches!(reason, CloseReason::Io(error) if error.kind() == ErrorKind::WriteZero),
    );
}

#[test]
fn a_timeout_costs_one_call() {
    for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
        let late = total("1", "1");
        let mut double = BlockingDouble::of(&[&late[..7]]);
        double.reads.push_back(Err(kind.into()));
        double.reads.push_back(Ok([&late[7..], &total("2", "2")].concat()));
        let mut client = started(double);
        assert!(client.call_remote(SUM).unwrap_err().is_timeout());
        assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 2 });

        // Half of a call was sent; the next one sends the other half first.
        let mut double = BlockingDouble::of(&[&total("2", "2")]);
        double.writes.extend([Ok(5), Err(kind.into())]);
        let mut client = started(double);
        assert!(client.call_remote(SUM).unwrap_err().is_timeout());
        assert_eq!(client.stream().written, sum("1")[..5]);
        assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 2 });
        assert_eq!(client.stream().written, [sum("1"), sum("2")].concat());
    }
}

/// Else each would leave as much behind as it has bytes, for as long as the peer reads nothing.
#[test]
fn what_finds_no_room_in_its_time_is_not_sent_later() {
    let note = |text: &str| wire(&[("_command", "Note"), ("text", text)]);
    let mut double = BlockingDouble::of(&[&total("1", "94")]);
    double.writes.push_back(Ok(5));
    double.writes.extend((0..4).map(|_| Err(ErrorKind::WouldBlock.into())));
    // One that has sent what was left has no room for itself.
    double.writes.extend([Ok(usize::MAX), Err(ErrorKind::TimedOut.into())]);
    let mut client = started(double);
    for text in ["first", "second", "third"] {
        assert!(client.notify(Note { text: text.into() }).unwrap_err().is_timeout());
    }
    assert!(client.call_remote(SUM).unwrap_err().is_timeout());
    assert_eq!(client.stream().written, note("first")[..5]);
    assert!(client.notify(Note { text: "fifth".into() }).unwrap_err().is_timeout());
    assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 94 });
    assert_eq!(client.stream().written, [note("first"), note("fifth"), sum("1")].concat());
}

#[test]
fn an_interrupted_stream_is_tried_again() {
    let mut double = BlockingDouble::of(&[]);
    double.reads.push_back(Err(ErrorKind::Interrupted.into()));
    double.reads.push_back(Ok(total("1", "94")));
    double.writes.extend([Ok(3), Err(ErrorKind::Interrupted.into()), Ok(1)]);
    let mut client = started(double);
    assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 94 });
    assert_eq!(client.stream().written, sum("1"));
}

#[test]
fn unknown_keys_can_be_refused() {
    let answer = wire(&[("_answer", "1"), ("more", ""), ("total", "1")]);
    assert!(started(BlockingDouble::of(&[&answer])).call_remote(SUM).is_ok());
    let mut client =
        Connection::new(BlockingDouble::of(&[&answer])).unknown_keys(UnknownKeys::Reject).start();
    assert!(matches!(client.call_remote(SUM), Err(CallError::Decode(_))));
}

/// An argument that travels beside the bytes.
struct Beside;

impl Argument for Beside {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let attachment: Attachment = std::sync::Arc::new(());
        proto.attach(AttachmentKind::of::<()>("a thing"), attachment).map(|_| ())
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Beside)
    }

    fn from_box(_: &str, _: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Beside)
    }

    fn to_box(
        &self,
        name: &str,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<(), EncodeError> {
        out.put_with(name.as_bytes(), |out| self.to_string_proto(proto, out))
    }
}

#[derive(Command)]
struct Take {
    thing: Beside,
}

#[test]
fn attachments_are_refused() {
    let mut client = started(BlockingDouble::default());
    let CallError::Encode(error) = client.call_remote(Take { thing: Beside }).unwrap_err() else {
        panic!()
    };
    assert!(matches!(error.kind(), EncodeErrorKind::NotCarried { what: "a thing" }));
    assert!(client.stream().written.is_empty());
}

#[test]
fn large_boxes_go_both_ways_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut call = Vec::new();
        // The end of a box, after values that have no two zeros in a row.
        while !call.ends_with(b"\0\0") {
            let mut bytes = [0; 10_000];
            let count = stream.read(&mut bytes).unwrap();
            call.extend_from_slice(&bytes[..count]);
        }
        let mut call = AmpBox::parse(&mut call.into(), BoxLimits::default()).unwrap();
        let tag = call.value("_ask").unwrap().to_bytes();
        call.insert("_answer", tag).unwrap();
        stream.write_all(&call.to_bytes()).unwrap();
    });
    let pairs: Vec<_> = (0..100).map(|n| (format!("k{n}"), vec![b'x'; 65_000])).collect();
    let mut client = Connection::connect(address).unwrap().start();
    client.stream().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let answer = client.call_by_name("Echo", pairs.clone()).unwrap();
    assert_eq!(answer.len(), 100);
    assert!(pairs.iter().all(|(key, value)| answer.get(key) == Some(value)));
    echo.join().unwrap();
    let client: Client<TcpStream> = client;
    assert!(client.stream().nodelay().unwrap());
    assert!(format!("{client:?}").contains("127.0.0.1"));
}

#[cfg(feature = "tokio")]
#[test]
fn it_calls_a_server_of_this_crate() {
    use amp_core::{Context, Responders, serve};

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let responders = Responders::new(()).respond(|_: Context, Sum { a, b }: Sum| async move {
        a.checked_add(b).map(|total| Total { total }).ok_or(SumError::Overflow)
    });
    runtime.spawn(serve(listener, responders));

    let mut client = Connection::connect(address).unwrap().start();
    assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 94 });
    let error = client.call_remote(Sum { a: i64::MAX, b: 1 }).unwrap_err();
    assert!(matches!(error, CallError::Command(SumError::Overflow)));
    assert!(client.call_by_name("Nope", [("", ""); 0]).unwrap_err().is_unhandled());
}

#[test]
fn what_is_over_the_limits_is_never_sent() {
    let limits = Limits::default().boxes(BoxLimits::default().max_bytes(100).max_pairs(4));
    let called = wire(&[("_ask", "a"), ("_command", "Large")]);
    let unknown = wire(&[
        ("_error", "a"),
        ("_error_code", keys::UNKNOWN),
        ("_error_description", "Unknown Error"),
    ]);
    let answer = wire(&[("_answer", "1"), ("total", "94")]);
    let mut client = Connection::new(BlockingDouble::of(&[&called, &answer]))
        .limits(limits)
        .responder(|_| Ok(AmpBox::from_pairs([("x", "x".repeat(100))]).unwrap()))
        .start();
    for (error, len) in [
        (client.notify(Note { text: "x".repeat(104) }).unwrap_err(), 130),
        (client.call_by_name("A", [("x", "x".repeat(99))]).unwrap_err(), 128),
    ] {
        assert!(matches!(error, CallError::Encode(_)), "{error}");
        let message = format!("a box of at least {len} bytes is over the limit of 100");
        let error = amp_core::Report::new(&error).to_string();
        assert!(error.ends_with(&message), "{error}");
    }
    let error = client.call_by_name("A", ["a", "b", "c"].map(|key| (key, ""))).unwrap_err();
    assert!(
        amp_core::Report::new(&error)
            .to_string()
            .ends_with("a box of at least 5 pairs is over the limit of 4")
    );
    assert!(client.stream().written.is_empty());
    client.call_remote(SUM).unwrap();
    assert_eq!(client.stream().written, [sum("1"), unknown].concat());
}

#[derive(Command)]
#[amp(response = Seen)]
struct See {}

#[derive(Arguments)]
struct Seen {
    level: FromConnection<u32>,
    peer: PeerAddress,
}

#[test]
fn arguments_have_the_data_and_the_address_of_the_connection() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1234));
    let double = BlockingDouble::of(&[&wire(&[("_answer", "1")])]);
    let mut client = Connection::new(double).data(7_u32).peer_address(address).start();
    let Seen { level, peer } = client.call_remote(See {}).unwrap();
    assert_eq!((level.0, peer), (7, address.into()));
    assert_eq!(*client.peer_address(), address.into());
    assert_eq!(client.into_inner().written, wire(&[("_ask", "1"), ("_command", "See")]));
}

/// One byte at a time, boxes that are no answer: each read has something before its own timeout.
#[test]
fn a_peer_that_sends_other_things_does_not_put_off_the_end_of_a_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let trickling = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let note = AmpBox::from_pairs([("_command", "Note")]).unwrap().to_bytes();
        for byte in note.iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    let timeout = Duration::from_millis(200);
    let mut client = Connection::connect(address).unwrap().call_timeout(timeout).start();
    for _ in 0..2 {
        let error = client.call_remote(SUM).unwrap_err();
        assert!(matches!(error, CallError::Timeout { after } if after >= timeout), "{error:?}");
    }
    // Nobody reads them, and what the two sockets hold is soon full.
    let mut notes = (0..10_000).map(|_| client.notify(Note { text: "x".repeat(60_000) }));
    let error = notes.find_map(Result::err).expect("there is no room for so many");
    assert!(matches!(error, CallError::Timeout { after } if after >= timeout), "{error:?}");
    drop(client);
    trickling.join().unwrap();
}

/// One call in a client without a time of its own has one, and the next does not.
#[test]
fn a_timeout_of_one_call_is_not_that_of_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go_on, gone_on) = std::sync::mpsc::channel();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        gone_on.recv().unwrap();
        stream.write_all(&total("2", "2")).unwrap();
        gone_on.recv().unwrap_err();
    });
    let timeout = Duration::from_millis(20);
    let mut client = Connection::connect(address).unwrap().start();
    assert_eq!(client.peer_address().to_string(), address.to_string());
    let error = client.timeout(timeout).call_remote(SUM).unwrap_err();
    assert!(matches!(error, CallError::Timeout { after } if after >= timeout), "{error:?}");
    assert!(client.stream().read_timeout().unwrap().is_some());
    // A call that is not made has used its time up as well.
    let error = client.timeout(Duration::ZERO).call_by_name("A", [("", "")]).unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error:?}");
    go_on.send(()).unwrap();
    assert_eq!(client.call_remote(SUM).unwrap(), Total { total: 2 });
    assert_eq!(client.stream().read_timeout().unwrap(), None);
    drop((client, go_on));
    answering.join().unwrap();
}
