//! Typed calls of a peer of the compliance suite: the same program of calls for Twisted's peer and
//! for our own.

mod support;

use amp_core::argument::{DateTime, Decimal, EncodeErrorKind};
use amp_core::boxes::BoxError;
use amp_core::{
    CallError, CloseReason, Command, FailurePolicy, NoError, Peer, RemoteError, Responders,
};
use amp_tests::commands::{
    CallBack, Concatenate, ConcatenateFiles, Content, Count, CountNotes, Divide, DivideError,
    EchoLists, EchoScalars, Fail, FailError, FileSize, Note, OpenTemporary, Opened, Point, Polygon,
    Size, Sum, SwitchError, SwitchToEcho, Total, Wait, Waited, Who, WhoAmI,
};
use amp_tests::{Address, DEADLINE, Transport};
use amp_unix::Descriptor;
use bytes::Bytes;
use num_bigint::BigInt;
use std::fmt::Debug;
use std::fs::File;
use std::io::{Read, Seek, Write};
use support::{ours, twisted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

#[tokio::test]
async fn twisted_over_a_unix_socket() {
    let peer = twisted(Transport::Unix);
    call_everything(peer.address(), FailurePolicy::Close).await;
    pass_descriptors(peer.address()).await;
}

#[tokio::test]
async fn twisted_over_tcp() {
    let peer = twisted(Transport::Tcp);
    call_everything(peer.address(), FailurePolicy::Close).await;
    pass_no_descriptors(peer.address(), FailurePolicy::Close).await;
}

#[tokio::test]
async fn ours_over_a_unix_socket() {
    let peer = ours(Transport::Unix, FailurePolicy::Close);
    call_everything(peer.address(), FailurePolicy::Close).await;
    pass_descriptors(peer.address()).await;
}

#[tokio::test]
async fn ours_over_tcp() {
    let peer = ours(Transport::Tcp, FailurePolicy::Close);
    call_everything(peer.address(), FailurePolicy::Close).await;
    pass_no_descriptors(peer.address(), FailurePolicy::Close).await;
}

#[tokio::test]
async fn ours_that_stays() {
    let peer = ours(Transport::Tcp, FailurePolicy::Stay);
    call_everything(peer.address(), FailurePolicy::Stay).await;
    pass_no_descriptors(peer.address(), FailurePolicy::Stay).await;
}

/// The program of calls that needs no descriptors, with a peer of this policy.
async fn call_everything(address: &Address, policy: FailurePolicy) {
    sum(&connected(address).await).await;
    divide(&connected(address).await).await;
    concatenate(&connected(address).await).await;
    echo_scalars(&connected(address).await).await;
    echo_long_values(&connected(address).await).await;
    echo_lists(&connected(address).await).await;
    fail_in_declared_ways(&connected(address).await).await;
    for how in ["undeclared", "bad-response"] {
        let peer = connected(address).await;
        fails_unknown(&peer, Fail { how: how.into(), text: "secret".into() }, policy).await;
    }
    notes(&connected(address).await).await;
    answers_overtake(&connected(address).await).await;
    call_back(&connected(address).await).await;
    call_back_unanswered(address, policy).await;
    unhandled(&connected(address).await).await;
    switch_to_echo(&connected(address).await).await;
    switch_refused(&connected(address).await).await;
}

async fn pass_descriptors(address: &Address) {
    who_am_i(&connected(address).await, "UNIXAddress(").await;
    file_size(&connected(address).await).await;
    open_temporary(&connected(address).await).await;
    concatenate_files(&connected(address).await).await;
    many_files(&connected(address).await).await;
}

/// Where the transport carries no descriptors, both sides say so.
async fn pass_no_descriptors(address: &Address, policy: FailurePolicy) {
    let peer = connected(address).await;
    who_am_i(&peer, "IPv4Address(type='TCP', host='127.0.0.1', port=").await;
    let error = peer.call_remote(FileSize { file: file_of(b"") }).await.unwrap_err();
    let CallError::Encode(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.kind(), EncodeErrorKind::NotCarried { .. }), "{error:?}");
    assert_eq!(error.argument(), "file");
    still_open(&peer).await;

    fails_unknown(&peer, OpenTemporary { content: Bytes::new() }, policy).await;
    let peer = connected(address).await;
    let error = peer.call_by_name("FileSize", [("file", "0")]).await.unwrap_err();
    assert_unknown(&error);
    after_unknown(&peer, policy).await;
}

/// A connection of its own, whose calls all have a deadline, and which answers `Sum`.
async fn connected(address: &Address) -> Peer {
    let responders = Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) });
    let connection = address.connect().await.expect("the peer listens");
    connection.responders(responders).call_timeout(DEADLINE).spawn()
}

async fn sum(peer: &Peer) {
    let pairs = [(13, 81), (-5, 5), (i128::MAX, 0), (i128::MIN, i128::MIN), (i128::MIN, i128::MAX)];
    let huge = BigInt::from(10).pow(4000);
    let pairs = pairs.map(|(a, b)| (a.into(), b.into())).into_iter();
    for (a, b) in pairs.chain([(huge, BigInt::from(-1))]) {
        let total = &a + &b;
        assert_eq!(peer.call_remote(Sum { a, b }).await.unwrap(), Total { total });
    }
    let mut calls = JoinSet::new();
    for a in 0..1000 {
        let peer = peer.clone();
        calls.spawn(async move {
            let call = Sum { a: a.into(), b: 1.into() };
            assert_eq!(peer.call_remote(call).await.unwrap().total, (a + 1).into());
        });
    }
    calls.join_all().await;
}

async fn divide(peer: &Peer) {
    for (numerator, denominator, quotient) in [(1, 4, 0.25), (-6, 3, -2.0), (2, 3, 2.0 / 3.0)] {
        let answer = peer.call_remote(Divide { numerator, denominator }).await.unwrap();
        assert_eq!(answer.result.to_bits(), f64::to_bits(quotient));
    }
    let error = peer.call_remote(Divide { numerator: 1, denominator: 0 }).await.unwrap_err();
    assert!(matches!(error, CallError::Command(DivideError::ZeroDivision)), "{error:?}");
    still_open(peer).await;
}

async fn concatenate(peer: &Peer) {
    for (left, right) in [("foo", "bar"), ("", ""), ("Grüße, ", "世界 🦀"), ("a\0b", "\n")] {
        let call = Concatenate { left_hand: left.into(), right_hand: right.into() };
        let answer = peer.call_remote(call).await.unwrap();
        assert_eq!(answer.both, format!("{left}{right}"));
    }
}

async fn echo_scalars(peer: &Peer) {
    let all = EchoScalars {
        integer: Some((-7).into()),
        string: Some(Bytes::from_static(b"\0\xff")),
        unicode: Some("ü".into()),
        float: Some(1.5e-7),
        boolean: Some(true),
        decimal: Some(decimal("-1.50")),
        datetime: Some(DATE_TIME),
        path: Some("/tmp/Grüße".into()),
        zone: Some("UTC".into()),
    };
    // Each subset, and what is there once full and once empty.
    for subset in 0..512 {
        let has = |bit: u32| subset & (1 << bit) != 0;
        let some = EchoScalars {
            integer: all.integer.clone().filter(|_| has(0)),
            string: all.string.clone().filter(|_| has(1)),
            unicode: all.unicode.clone().filter(|_| has(2)),
            float: all.float.filter(|_| has(3)),
            boolean: all.boolean.filter(|_| has(4)),
            decimal: all.decimal.clone().filter(|_| has(5)),
            datetime: all.datetime.filter(|_| has(6)),
            path: all.path.clone().filter(|_| has(7)),
            zone: all.zone.clone().filter(|_| has(8)),
        };
        echoes(peer, some.clone()).await;
        echoes(
            peer,
            EchoScalars {
                integer: some.integer.and(Some(BigInt::ZERO)),
                string: some.string.and(Some(Bytes::new())),
                unicode: some.unicode.and(Some(String::new())),
                float: some.float.and(Some(-0.0)),
                boolean: some.boolean.and(Some(false)),
                decimal: some.decimal.and(Some(decimal("-0"))),
                datetime: some.datetime.and(Some(DateTime { offset_minutes: 0, ..DATE_TIME })),
                path: some.path.and(Some("/".into())),
                zone: some.zone.and(Some(String::new())),
            },
        )
        .await;
    }
    for integer in integers() {
        echoes(peer, EchoScalars { integer: Some(integer), ..EchoScalars::default() }).await;
    }
    for float in [0.1, 1e15, 1e16, 5e-324, f64::MAX, f64::NEG_INFINITY, f64::NAN] {
        echoes(peer, EchoScalars { float: Some(float), ..EchoScalars::default() }).await;
    }
    for decimal in decimals() {
        echoes(peer, EchoScalars { decimal: Some(decimal), ..EchoScalars::default() }).await;
    }
    for datetime in date_times() {
        echoes(peer, EchoScalars { datetime: Some(datetime), ..EchoScalars::default() }).await;
    }
}

fn integers() -> Vec<BigInt> {
    let huge = BigInt::from(10).pow(4000);
    vec![BigInt::ZERO, (-1).into(), i64::MAX.into(), i128::MAX.into(), -&huge, huge + 7]
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("it is a Decimal")
}

fn decimals() -> Vec<Decimal> {
    let all = "0 -0 1 1.0 123.4500 1E+2 1.5E+2 1E-7 0.000001 0E-7 1E+999999 Infinity -Infinity \
               NaN -NaN sNaN -sNaN NaN123 -sNaN7";
    all.split_whitespace().map(decimal).collect()
}

const DATE_TIME: DateTime = DateTime {
    year: 2010,
    month: 6,
    day: 25,
    hour: 16,
    minute: 46,
    second: 37,
    microsecond: 1,
    offset_minutes: -330,
};

fn date_times() -> Vec<DateTime> {
    vec![
        DATE_TIME,
        DateTime { offset_minutes: 0, ..DATE_TIME },
        DateTime { offset_minutes: -1, ..DATE_TIME },
        DateTime { offset_minutes: 840, ..DATE_TIME },
        DateTime { year: 2000, month: 2, day: 29, microsecond: 999_999, ..DATE_TIME },
        // In UTC, the first is before the year 1 and the second behind the year 9999.
        DateTime { year: 1, month: 1, day: 1, hour: 0, offset_minutes: 1439, ..DATE_TIME },
        DateTime { year: 9999, month: 12, day: 31, hour: 23, offset_minutes: -1439, ..DATE_TIME },
    ]
}

async fn echo_long_values(peer: &Peer) {
    let of = |length| EchoScalars {
        string: Some(vec![0xa5; length].into()),
        unicode: Some("x".repeat(length)),
        ..EchoScalars::default()
    };
    echoes(peer, of(65_535)).await;
    let error = peer.call_remote(of(65_536)).await.unwrap_err();
    let CallError::Encode(error) = error else { panic!("{error:?}") };
    let kind = error.kind();
    assert!(matches!(kind, EncodeErrorKind::Box(BoxError::ValueTooLong { len: 65_536, .. })));
    still_open(peer).await;
}

async fn echo_lists(peer: &Peer) {
    let point = |x: i128, y, label: Option<&str>| {
        let label = label.map(str::to_owned);
        Point { x: x.into(), y, label }
    };
    let corners = vec![point(0, 0.0, None), point(1, -0.5, Some("ü")), point(-1, 1e16, Some(""))];
    let polygons = vec![
        Polygon { name: "triangle".into(), points: corners.clone() },
        Polygon { name: String::new(), points: Vec::new() },
        Polygon { name: "point".into(), points: vec![point(i128::MIN, f64::INFINITY, None)] },
    ];
    let full = EchoLists {
        integers: Some(integers()),
        strings: Some(vec![Bytes::new(), Bytes::from_static(b"\0\xff"), vec![b'x'; 5000].into()]),
        texts: Some(vec![String::new(), "Grüße 世界 🦀".into()]),
        floats: Some(vec![0.0, -0.0, 0.1, f64::NEG_INFINITY]),
        booleans: Some(vec![true, false, true]),
        decimals: Some(decimals()),
        datetimes: Some(date_times()),
        nested: Some(vec![vec![1.into()], vec![], integers()]),
        points: Some(corners),
        polygons: Some(polygons),
    };
    echoes(peer, full.clone()).await;
    echoes(peer, EchoLists::default()).await;
    let empty = EchoLists {
        integers: Some(Vec::new()),
        strings: Some(Vec::new()),
        texts: Some(Vec::new()),
        floats: Some(Vec::new()),
        booleans: Some(Vec::new()),
        decimals: Some(Vec::new()),
        datetimes: Some(Vec::new()),
        nested: Some(Vec::new()),
        points: Some(Vec::new()),
        polygons: Some(Vec::new()),
    };
    echoes(peer, empty).await;
    echoes(peer, EchoLists { nested: Some(vec![vec![]]), ..EchoLists::default() }).await;
    echoes(peer, EchoLists { polygons: full.polygons, ..EchoLists::default() }).await;
    let many = (0..5000).map(BigInt::from).collect();
    echoes(peer, EchoLists { integers: Some(many), ..EchoLists::default() }).await;
    let long = vec![Bytes::from(vec![b'y'; 65_533])];
    echoes(peer, EchoLists { strings: Some(long), ..EchoLists::default() }).await;
}

async fn echoes<C>(peer: &Peer, sent: C)
where
    C: Command<Response = C, Error = NoError> + Clone + Debug,
{
    let answer = peer.call_remote(sent.clone()).await.unwrap();
    // As text, 0.0 is not -0.0, and NaN is itself.
    assert_eq!(format!("{answer:?}"), format!("{sent:?}"));
}

async fn fail_in_declared_ways(peer: &Peer) {
    for text in ["no", "", "Grüße 世界"] {
        let error = failure(peer, "friendly", text).await;
        let CallError::Command(FailError::Friendly(seen)) = error else { panic!("{error:?}") };
        assert_eq!(seen, text);
    }
    still_open(peer).await;
    let error = failure(peer, "deadly", "good-bye").await;
    let CallError::Command(FailError::Deadly(seen)) = error else { panic!("{error:?}") };
    assert_eq!(seen, "good-bye");
    closed_by_peer(peer).await;
}

async fn failure(peer: &Peer, how: &str, text: &str) -> CallError<FailError> {
    let call = peer.call_remote(Fail { how: how.into(), text: text.into() });
    call.await.expect_err("`Fail` always does")
}

/// A call that fails in a way that its command does not declare, and what follows it.
async fn fails_unknown<C: Command>(peer: &Peer, call: C, policy: FailurePolicy)
where
    C::Response: Debug,
{
    assert_unknown(&peer.call_remote(call).await.unwrap_err());
    after_unknown(peer, policy).await;
}

fn assert_unknown<E: Debug>(error: &CallError<E>) {
    let CallError::Remote(error) = error else { panic!("{error:?}") };
    assert!(error.is_unknown(), "{error:?}");
    // Ours that stays says where to look in its log.
    assert!(error.description.starts_with("Unknown Error"), "{error:?}");
}

async fn after_unknown(peer: &Peer, policy: FailurePolicy) {
    if policy == FailurePolicy::Stay {
        still_open(peer).await;
    } else {
        closed_by_peer(peer).await;
    }
}

async fn notes(peer: &Peer) {
    for n in 0..100 {
        peer.notify(Note { text: format!("note {n}") }).await.unwrap();
    }
    assert_eq!(peer.call_remote(CountNotes).await.unwrap(), Count { count: 100 });
    peer.notify(Note { text: String::new() }).await.unwrap();
    assert_eq!(peer.call_remote(CountNotes).await.unwrap(), Count { count: 101 });
}

async fn answers_overtake(peer: &Peer) {
    let wait = |seconds, token: String| Wait { seconds, token: token.into() };
    let never = peer.clone();
    let never = tokio::spawn(async move {
        never.call_remote(wait(36_000.0, "never".into())).timeout(10 * DEADLINE).await
    });
    let mut calls = JoinSet::new();
    for n in 0..100 {
        let peer = peer.clone();
        calls.spawn(async move {
            // Every other one waits, and the next one overtakes it.
            let seconds = if n % 2 == 0 { 0.01 } else { 0.0 };
            let answer = peer.call_remote(wait(seconds, format!("{n}"))).await.unwrap();
            assert_eq!(answer, Waited { token: format!("{n}").into() });
        });
    }
    calls.join_all().await;
    assert!(!never.is_finished());
    peer.close().await;
    let error = never.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Local)), "{error:?}");
}

async fn call_back(peer: &Peer) {
    let mut calls = JoinSet::new();
    for a in 0..100 {
        let peer = peer.clone();
        calls.spawn(async move {
            let call = CallBack { a: a.into(), b: i128::MIN.into() };
            let answer = peer.call_remote(call).await.unwrap();
            assert_eq!(answer.total, (a + i128::MIN).into());
        });
    }
    calls.join_all().await;
}

/// A peer that calls back a side without responders.
async fn call_back_unanswered(address: &Address, policy: FailurePolicy) {
    let connection = address.connect().await.expect("the peer listens");
    let peer = connection.call_timeout(DEADLINE).spawn();
    fails_unknown(&peer, CallBack { a: 1.into(), b: 2.into() }, policy).await;
}

async fn unhandled(peer: &Peer) {
    #[derive(Command)]
    struct NobodyKnows;

    let error = peer.call_remote(NobodyKnows).await.unwrap_err();
    assert!(error.is_unhandled(), "{error:?}");
    // Whatever the name, it is shown as Python shows bytes.
    let ascii = (0..=127).map(|byte: u8| vec![byte]);
    let others = ["Nobody knows", "", "it's", "\"it\"", "'\"", "\"'", r"\'", "\r\n\t\0\x7f"];
    for name in ascii.chain(others.map(|name| name.as_bytes().to_vec())) {
        let error = peer.call_by_name(&name, [("a", "1")]).await.unwrap_err();
        assert!(error.is_unhandled() && error.is_safe_to_retry(), "{error:?}");
        let CallError::Remote(error) = error else { panic!("{error:?}") };
        assert_eq!(error, RemoteError::unhandled(&name));
    }
    still_open(peer).await;
}

async fn switch_to_echo(peer: &Peer) {
    let asked = peer.clone();
    let unanswered = tokio::spawn(async move {
        asked.call_remote(Wait { seconds: 36_000.0, token: Bytes::new() }).await
    });
    still_open(peer).await;
    let stream = peer.switch_protocol(SwitchToEcho { refuse: None }).await.unwrap();
    let error = unanswered.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Switched)), "{error:?}");
    let reason = timeout(DEADLINE, peer.closed()).await.expect("the switch ends the calls");
    assert!(matches!(reason, CloseReason::Switched), "{reason:?}");

    // More than the sockets hold, so that it must be written and read at once. Some of it looks
    // like boxes.
    let sent = [&b"\0\0\0\x04_ask"[..], &[0xff; 100], &b"bytes ".repeat(500_000)].concat();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut received = vec![0; sent.len()];
    let echo =
        async { tokio::try_join!(writer.write_all(&sent), reader.read_exact(&mut received)) };
    timeout(DEADLINE, echo).await.expect("the peer should echo").unwrap();
    assert!(received == sent, "the echo differs");
    writer.shutdown().await.unwrap();
    let mut more = Vec::new();
    let end = timeout(DEADLINE, reader.read_to_end(&mut more)).await;
    end.expect("the peer should end what we ended").unwrap();
    assert!(more.is_empty(), "{more:?}");
}

async fn switch_refused(peer: &Peer) {
    for _ in 0..2 {
        let error = peer.switch_protocol(SwitchToEcho { refuse: Some(true) }).await.unwrap_err();
        let CallError::Command(error) = error else { panic!("{error:?}") };
        assert_eq!(error, SwitchError::Friendly("not today".into()));
        still_open(peer).await;
    }
    let mut stream = peer.switch_protocol(SwitchToEcho { refuse: Some(false) }).await.unwrap();
    let mut received = [0; 5];
    let echo = async {
        stream.write_all(b"hello").await?;
        stream.read_exact(&mut received).await
    };
    timeout(DEADLINE, echo).await.expect("the peer should echo").unwrap();
    assert_eq!(&received, b"hello");
}

async fn who_am_i(peer: &Peer, expected: &str) {
    let Who { peer } = peer.call_remote(WhoAmI).await.unwrap();
    assert!(peer.starts_with(expected), "{peer}");
}

async fn file_size(peer: &Peer) {
    for size in [0, 1, 100_000] {
        let answer = peer.call_remote(FileSize { file: file_of(&vec![b'x'; size]) }).await;
        assert_eq!(answer.unwrap(), Size { size: size as u64 });
    }
}

async fn open_temporary(peer: &Peer) {
    for content in [Bytes::new(), Bytes::from_static(b"x"), vec![0xff; 60_000].into()] {
        let answer = peer.call_remote(OpenTemporary { content: content.clone() }).await.unwrap();
        assert_eq!(read(answer.file), content);
    }
}

async fn concatenate_files(peer: &Peer) {
    let lists: [&[&str]; 4] = [&[], &["a"], &["first, ", "", "second, ", "third"], &["x"; 250]];
    for contents in lists {
        let files = contents.iter().map(|content| Opened { file: file_of(content.as_bytes()) });
        let answer = peer.call_remote(ConcatenateFiles { files: files.collect() }).await.unwrap();
        assert_eq!(answer, Content { content: contents.concat().into() });
    }
}

/// Descriptors both ways at the same time, among boxes that take many writes: each must arrive
/// with the box that names it.
async fn many_files(peer: &Peer) {
    // Few enough for the 1024 open files that a process may have on many systems.
    let mut calls = JoinSet::new();
    for n in 0..100 {
        let peer = peer.clone();
        calls.spawn(async move {
            let (first, second) = (format!("first of {n}, "), format!("second of {n}"));
            let files =
                [&first, &second].map(|content| Opened { file: file_of(content.as_bytes()) });
            let answer = peer.call_remote(ConcatenateFiles { files: files.into() }).await.unwrap();
            assert_eq!(answer.content, format!("{first}{second}"));
        });
    }
    for n in 0..100 {
        let peer = peer.clone();
        calls.spawn(async move {
            let content = Bytes::from(format!("file {n}"));
            let answer =
                peer.call_remote(OpenTemporary { content: content.clone() }).await.unwrap();
            assert_eq!(read(answer.file), content);
        });
    }
    for n in 0..50 {
        let peer = peer.clone();
        calls.spawn(async move {
            let string = Some(vec![n; 65_535].into());
            echoes(&peer, EchoScalars { string, ..EchoScalars::default() }).await;
        });
    }
    calls.join_all().await;
}

async fn still_open(peer: &Peer) {
    let call = Sum { a: 13.into(), b: 81.into() };
    assert_eq!(peer.call_remote(call).await.unwrap(), Total { total: 94.into() });
}

async fn closed_by_peer(peer: &Peer) {
    let reason = timeout(DEADLINE, peer.closed()).await.expect("the peer should close");
    assert!(matches!(reason, CloseReason::Peer), "{reason:?}");
    let error = peer.call_remote(Sum { a: 1.into(), b: 2.into() }).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
}

/// A file that holds `content`, at its start.
fn file_of(content: &[u8]) -> Descriptor {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file.into()
}

fn read(file: Descriptor) -> Vec<u8> {
    let mut content = Vec::new();
    File::try_from(file).unwrap().read_to_end(&mut content).unwrap();
    content
}
