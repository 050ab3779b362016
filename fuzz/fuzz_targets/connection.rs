//! A connection and its peer, which is another one or speaks bytes, over a short stream or a route of one, and
//! in virtual time. However they go on, calls get their own answers or an error, streams their items in order and
//! all of them before the end, lanes keep their order, and when all have let go everything ends.

#![no_main]

use amp_core::router::{RouteName, Router, RouterLimits};
use amp_core::streams::{SinkOf, StreamOf};
use amp_core::{
    AmpBox, Arguments, BoxLimits, CallError, Command, CommandError, Connection, Context, Decoder,
    Limits, NoError, Peer, ProtocolSwitch, Responders, Switched, keys,
};
use amp_fuzz::Input;
use bytes::BytesMut;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

/// Everything has ended after so long.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many steps are taken at most, so that no input takes long.
const STEPS: usize = 100;

/// Answers with `n` after so many turns of the others.
#[derive(Command)]
#[amp(response = Number)]
struct Echo {
    n: u8,
    turns: u8,
    padding: Vec<u8>,
}

#[derive(Arguments)]
struct Number {
    n: u8,
    padding: Vec<u8>,
}

/// Is answered when whoever asks has answered: so many times.
#[derive(Command)]
struct Back {
    times: u8,
}

/// Takes so much time, and nothing else of its lane does meanwhile.
#[derive(Command)]
struct Work {
    n: u8,
    milliseconds: u16,
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    n: u8,
}

/// As `Note`, in the lane of `Work`.
#[derive(Command)]
#[amp(one_way)]
struct Late {
    n: u8,
}

/// Goes on behind its answer.
#[derive(Command)]
struct After {
    turns: u8,
}

#[derive(Command)]
#[amp(error = Failed)]
struct Fail {
    fatal: bool,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum Failed {
    #[error("it has failed")]
    Failed,
    #[error("it has failed for good")]
    #[amp(fatal)]
    Fatally,
}

#[derive(Command, Clone)]
#[amp(error = Failed)]
struct Switch {
    refuse: bool,
}

impl ProtocolSwitch for Switch {}

/// What a sink is given, and how it ends.
#[derive(Clone, Copy)]
struct Writing {
    count: u8,
    size: u8,
    how: u8,
}

/// Brings so many items, of which so many are taken.
#[derive(Command)]
struct Upload {
    count: u8,
    take: u8,
    stream: StreamOf<Vec<u8>>,
}

#[derive(Command)]
#[amp(response = Fed)]
struct Download {
    count: u8,
    size: u8,
    how: u8,
}

#[derive(Arguments)]
struct Fed {
    stream: StreamOf<Vec<u8>>,
}

/// Sends items before it is answered.
#[derive(Command)]
struct Progress {
    count: u8,
    size: u8,
    how: u8,
    sink: SinkOf<Vec<u8>>,
}

/// Answers with a sink, of which so many items are taken.
#[derive(Command)]
#[amp(response = Opened)]
struct Open {
    count: u8,
    take: u8,
}

#[derive(Arguments)]
struct Opened {
    sink: SinkOf<Vec<u8>>,
}

/// What the responders of a connection know.
struct State {
    /// How many of the lane run.
    lane: AtomicUsize,
    /// Whether the peer sends what its commands say.
    honest: bool,
}

impl State {
    fn enter(&self) {
        assert_eq!(self.lane.fetch_add(1, Relaxed), 0, "one of a lane runs at a time");
    }

    fn leave(&self) {
        self.lane.fetch_sub(1, Relaxed);
    }
}

async fn turns(turns: u8) {
    for _ in 0..turns % 8 {
        yield_now().await;
    }
}

async fn write(writing: Writing, mut sink: SinkOf<Vec<u8>>) {
    let Writing { count, size, how } = writing;
    for at in 0..count % 32 {
        turns(how / 8).await;
        if sink.send(vec![at; 1 + usize::from(size) * 8]).await.is_err() {
            return;
        }
    }
    match how % 4 {
        0 => {}
        1 => sink.fail(&Failed::Failed),
        _ => _ = sink.close().await,
    }
}

/// Takes so many items, which come once each and in order, all of them before the end.
async fn read(honest: bool, count: u8, take: u8, mut stream: StreamOf<Vec<u8>>) {
    for at in 0..=take % 64 {
        turns(take / 64).await;
        match stream.next().await {
            Some(Ok(item)) => {
                assert!(!honest || at < count % 32 && item.iter().all(|byte| *byte == at));
            }
            Some(Err(_)) => return,
            None => {
                assert!(!honest || at == count % 32, "{at} of {}", count % 32);
                return;
            }
        }
    }
}

/// What follows a switch: as many bytes of each side, and the end.
async fn follow(stream: Switched) {
    let (mut read, mut write) = tokio::io::split(stream);
    // What was sent behind the switch by a peer that speaks bytes may be anything.
    let send = async {
        let _ = write.write_all(b"hello").await;
        let _ = write.shutdown().await;
    };
    let mut received = Vec::new();
    let _ = tokio::join!(send, read.read_to_end(&mut received));
}

fn responders(honest: bool) -> Responders<State> {
    type In = Context<State>;
    Responders::new(State { lane: AtomicUsize::new(0), honest })
        .respond(|context: In, Work { n: _, milliseconds }: Work| async move {
            let state = context.state();
            state.enter();
            sleep(Duration::from_millis(milliseconds.into())).await;
            state.leave();
            Ok::<_, NoError>(())
        })
        .respond(|context: In, Late { n }: Late| async move {
            context.state().enter();
            turns(n).await;
            context.state().leave();
            Ok::<_, NoError>(())
        })
        .one_at_a_time()
        .respond(|_: In, Echo { n, turns: count, padding }: Echo| async move {
            turns(count).await;
            Ok::<_, NoError>(Number { n, padding })
        })
        .respond(|context: In, Back { times }: Back| async move {
            let times = times % 16;
            if times > 0 {
                // It fails where the connection ends or has too much to do.
                let _ = context.peer().call_remote(Back { times: times - 1 }).await;
            }
            Ok::<_, NoError>(())
        })
        .respond(|_: In, Note { n }: Note| async move {
            turns(n).await;
            Ok::<_, NoError>(())
        })
        .respond_then(|_: In, After { turns: count }: After| async move {
            Ok::<_, NoError>(((), turns(count)))
        })
        .respond(|_: In, Fail { fatal }: Fail| async move {
            Err::<(), _>(if fatal { Failed::Fatally } else { Failed::Failed })
        })
        .respond_switch(|_: In, Switch { refuse }| async move {
            if refuse { Err(Failed::Failed) } else { Ok(follow) }
        })
        .respond(|context: In, Upload { count, take, stream }: Upload| async move {
            read(context.state().honest, count, take, stream).await;
            Ok::<_, NoError>(())
        })
        .respond(|_: In, Download { count, size, how }: Download| async move {
            let (sink, stream) = StreamOf::pair();
            tokio::spawn(write(Writing { count, size, how }, sink));
            Ok::<_, NoError>(Fed { stream })
        })
        .respond(|_: In, Progress { count, size, how, sink }: Progress| async move {
            write(Writing { count, size, how }, sink).await;
            Ok::<_, NoError>(())
        })
        .respond(|context: In, Open { count, take }: Open| async move {
            let (sink, stream) = StreamOf::pair();
            tokio::spawn(read(context.state().honest, count, take, stream));
            Ok::<_, NoError>(Opened { sink })
        })
        .respond_ping()
}

/// A connection over the only route of a stream.
fn over_a_route(stream: DuplexStream) -> Connection {
    let limits = RouterLimits::default().receive_queue(1000).send_queue(1000);
    let router = Router::new(stream).limits(limits);
    let name = RouteName::from("r");
    let bound = router.routes().bind(name.clone()).expect("there is no other");
    let route = bound.connect_to(name).expect("it is short");
    tokio::spawn(router.run());
    Connection::with_transport(route)
}

/// A connection as a byte of an input says. When nothing is left of it, `ends` is dropped.
fn connect(connection: Connection, settings: u8, honest: bool, ends: Sender<()>) -> Peer {
    let limits = Limits::default()
        .outstanding_calls(if settings & 1 == 0 { 3 } else { 1000 })
        .running_responders(1 + usize::from(settings >> 1 & 3))
        .running_responders_max(1000)
        .send_queue(64)
        .send_queue_boxes(3)
        .streams(4)
        .stream_items(if settings & 0x80 == 0 { 2 } else { 100 })
        .stream_bytes(1000);
    let mut connection = connection.limits(limits).data(ends);
    connection = if settings & 8 == 0 {
        connection.responders(responders(honest))
    } else {
        connection.responders(responders(honest).on_own_tasks())
    };
    if settings & 0x10 != 0 {
        let (every, timeout) = (Duration::from_secs(5), Duration::from_secs(60));
        connection = connection.ping(amp_core::Ping {}, every, timeout);
    }
    if settings & 0x20 != 0 {
        connection = connection.call_timeout(Duration::from_secs(7));
    }
    connection.spawn()
}

/// The calls that were made.
struct Calls {
    tasks: JoinSet<()>,
    aborts: Vec<AbortHandle>,
    /// Whether nothing was done that a connection may end by.
    calm: bool,
    /// Whether the peer answers as a responder would.
    honest: bool,
    /// Whether a call has failed by the end of its connection.
    closed: Arc<AtomicBool>,
}

impl Calls {
    fn add(&mut self, call: impl Future<Output = ()> + Send + 'static) {
        self.aborts.push(self.tasks.spawn(call));
    }

    /// Makes a call with a stream, or with a sink.
    fn stream(&mut self, peer: &Peer, what: u8, input: &mut Input<'_>) -> Option<()> {
        let (honest, peer) = (self.honest, peer.clone());
        let [count, size, how, take] = [input.byte()?, input.byte()?, input.byte()?, input.byte()?];
        let writing = Writing { count, size, how };
        match what % 4 {
            0 => {
                let (sink, stream) = StreamOf::pair();
                let call = peer.call_remote(Upload { count, take, stream });
                self.add(async move { _ = tokio::join!(call, write(writing, sink)) });
            }
            1 => self.add(async move {
                if let Ok(fed) = peer.call_remote(Download { count, size, how }).await {
                    read(honest, count, take, fed.stream).await;
                }
            }),
            2 => {
                let (sink, stream) = StreamOf::pair();
                let call = peer.call_remote(Progress { count, size, how, sink });
                self.add(async move { _ = tokio::join!(call, read(honest, count, take, stream)) });
            }
            _ => self.add(async move {
                if let Ok(opened) = peer.call_remote(Open { count, take }).await {
                    write(writing, opened.sink).await;
                }
            }),
        }
        Some(())
    }

    /// Makes a call, whose outcome is looked at, or another step that a connection takes by itself.
    fn step(&mut self, peer: &Peer, what: u8, input: &mut Input<'_>) -> Option<()> {
        if what >= 84 {
            return self.stream(peer, what, input);
        }
        let (honest, closed) = (self.honest, Arc::clone(&self.closed));
        let peer = peer.clone();
        match what % 12 {
            0 => {
                let (n, count, size) = (input.byte()?, input.byte()?, input.number()?);
                let size = if size < 200 { size } else { (size - 199) * 200 };
                let padding = vec![n; size];
                self.add(async move {
                    let call = Echo { n, turns: count, padding: padding.clone() };
                    match peer.call_remote(call).await {
                        Ok(answer) => {
                            assert!(!honest || (answer.n, answer.padding) == (n, padding));
                        }
                        Err(error) => _ = closed.fetch_or(error.is_closed(), Relaxed),
                    }
                });
            }
            1 => {
                let (n, milliseconds) = (input.byte()?, 1 << (input.byte()? % 14));
                self.add(async move { _ = peer.call_remote(Work { n, milliseconds }).await });
            }
            2 => {
                let n = input.byte()?;
                self.add(async move { _ = peer.notify(Note { n }).await });
            }
            3 => {
                let n = input.byte()?;
                self.add(async move { _ = peer.notify(Late { n }).await });
            }
            4 => {
                let times = input.byte()?;
                self.add(async move { _ = peer.call_remote(Back { times }).await });
            }
            5 => {
                let turns = input.byte()?;
                self.add(async move { _ = peer.call_remote(After { turns }).await });
            }
            6 => {
                let fatal = input.byte()? == 0;
                self.calm &= !fatal;
                self.add(async move {
                    // The side that speaks bytes may answer with anything.
                    match peer.call_remote(Fail { fatal }).await {
                        Ok(()) => assert!(!honest, "it fails"),
                        Err(CallError::Command(error)) => {
                            assert!(!honest || (error == Failed::Fatally) == fatal);
                        }
                        Err(_) => {}
                    }
                });
            }
            7 => {
                let refuse = input.byte()? % 2 == 1;
                self.calm = false;
                self.add(async move {
                    if let Ok(stream) = peer.switch_protocol(Switch { refuse }).await {
                        assert!(!honest || !refuse, "it was refused");
                        follow(stream).await;
                    }
                });
            }
            8 => {
                let after = Duration::from_millis(1 << (input.byte()? % 14));
                let call = async move { peer.call_remote(Back { times: 3 }).timeout(after).await };
                self.add(async move { _ = call.await });
            }
            9 => {
                self.calm = false;
                self.add(async move { peer.close().await });
            }
            10 => {
                self.calm = false;
                let within = Duration::from_millis(1 << (input.byte()? % 14));
                self.add(async move { peer.close_gracefully(within).await });
            }
            _ => {
                let count = self.aborts.len().max(1);
                if let Some(call) = self.aborts.get(input.number()? % count) {
                    call.abort();
                }
            }
        }
        Some(())
    }

    async fn end(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                assert!(error.is_cancelled(), "{error}");
            }
        }
    }
}

/// Lets others run, or time pass.
async fn wait(input: &mut Input<'_>) -> Option<()> {
    let how_long = input.byte()?;
    if how_long < 0x80 {
        turns(how_long).await;
    } else {
        sleep(Duration::from_millis(1 << (how_long % 16))).await;
    }
    Some(())
}

/// Nothing is left of the connections.
async fn end(mut ended: Receiver<()>) {
    timeout(FOR_EVER, ended.recv()).await.expect("connections end that nobody holds");
}

/// Two connections.
async fn converse(input: &mut Input<'_>) -> Option<()> {
    let (near, far, room) = (input.byte()?, input.byte()?, input.number()?);
    let (stream, other) = tokio::io::duplex(room + 1);
    let (ends, ended) = channel(1);
    // What stands still for long ends a route.
    let routed = near & 0x40 != 0;
    let over = |stream| if routed { over_a_route(stream) } else { Connection::new(stream) };
    let mut peers = [
        Some(connect(over(stream), near, true, ends.clone())),
        Some(connect(over(other), far, true, ends)),
    ];
    let mut calls = Calls {
        tasks: JoinSet::new(),
        aborts: Vec::new(),
        calm: !routed,
        honest: true,
        closed: Arc::default(),
    };
    for _ in 0..STEPS {
        let Some(what) = input.byte() else { break };
        let peer = &mut peers[usize::from(what & 1)];
        let went = match (peer, what >> 1) {
            (_, 100..) => wait(input).await,
            (peer, 99) => {
                // Calls that are outstanding hold it.
                *peer = None;
                calls.calm = false;
                Some(())
            }
            (Some(peer), what) => calls.step(peer, what, input),
            (None, _) => Some(()),
        };
        if went.is_none() {
            break;
        }
    }
    if calls.calm {
        // Nothing has ended them.
        let closed = Arc::clone(&calls.closed);
        timeout(FOR_EVER, calls.end()).await.expect("calls end");
        assert!(!closed.load(Relaxed), "a call has failed by the end of its connection");
        assert!(peers.iter().flatten().all(|peer| !peer.is_closed()), "a connection has ended");
        drop(peers);
    } else {
        drop(peers);
        timeout(FOR_EVER, calls.end()).await.expect("calls end when their connection does");
    }
    end(ended).await;
    Some(())
}

/// The side that speaks bytes.
struct Raw {
    stream: DuplexStream,
    read: BytesMut,
    decoder: Decoder,
    /// How many times each tag was asked with and not answered.
    asked: HashMap<Vec<u8>, usize>,
    /// Whether it may be that boxes end.
    switches: bool,
}

impl Raw {
    /// Sends what there is room for; the rest is lost.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(Duration::from_millis(1), self.stream.write_all(bytes)).await;
    }

    async fn send_box(&mut self, pairs: &[(&str, &[u8])]) {
        let bytes = AmpBox::from_pairs(pairs.iter().copied()).expect("a box").to_bytes();
        self.send(&bytes).await;
    }

    /// Reads what there is, up to so many bytes. Whether there may be more.
    async fn receive(&mut self, bytes: usize) -> bool {
        let mut part = (&mut self.stream).take(bytes as u64);
        let read = timeout(Duration::from_millis(1), part.read_buf(&mut self.read)).await;
        while !self.switches {
            let ampbox = self.decoder.decode(&mut self.read).expect("what it sends is boxes");
            let Some(ampbox) = ampbox else { break };
            let tag = ampbox.get(keys::ANSWER).or_else(|| ampbox.get(keys::ERROR));
            if let Some(tag) = tag {
                let asked = self.asked.get_mut(tag).expect("only what was asked is answered");
                *asked = asked.checked_sub(1).expect("it is answered once");
            }
        }
        matches!(read, Ok(Ok(1..)))
    }

    async fn step(&mut self, what: u8, input: &mut Input<'_>) -> Option<()> {
        match what % 8 {
            0 | 1 => {
                let (command, tag) = (input.number()?, input.byte()?);
                let value = [b'0' + input.byte()? % 10];
                let commands: [(_, &[&str]); 19] = [
                    ("Echo", &["n", "turns", "padding"]),
                    ("Work", &["n", "milliseconds"]),
                    ("Note", &["n"]),
                    ("Late", &["n"]),
                    ("Back", &["times"]),
                    ("After", &["turns"]),
                    ("Fail", &["fatal"]),
                    ("Switch", &["refuse"]),
                    ("Nothing", &[]),
                    ("Upload", &["count", "take", "stream"]),
                    ("Download", &["count", "size", "how"]),
                    ("Progress", &["count", "size", "how", "sink"]),
                    ("Open", &["count", "take"]),
                    ("_StreamOpen", &["stream", "items", "bytes"]),
                    ("_StreamTaken", &["stream"]),
                    ("_StreamItems", &["stream", "items"]),
                    ("_StreamItems", &["stream", "item"]),
                    ("_StreamEnd", &["stream", "end"]),
                    ("_StreamStop", &["stream"]),
                ];
                let (name, arguments) = commands[command % commands.len()];
                let digit = value[0];
                let value = |key| -> &[u8] {
                    match (name, key) {
                        ("Fail" | "Switch", _) if digit.is_multiple_of(2) => b"True",
                        ("Fail" | "Switch", _) => b"False",
                        // One item, several, or what is none.
                        ("_StreamItems", "items") if digit < b'4' => b"\0\x01a",
                        ("_StreamItems", "items") if digit < b'8' => b"\0\0\0\x02ab\0\0\0\0",
                        ("_StreamItems", "items") => b"\0\x01",
                        (_, "end") if digit < b'4' => b"closed",
                        (_, "end") if digit < b'8' => b"failed",
                        (_, "end") => b"dropped",
                        _ => &value,
                    }
                };
                let mut pairs: Vec<_> = arguments.iter().map(|key| (*key, value(*key))).collect();
                let one_way = tag & 0x80 != 0;
                let tag = [tag & 3];
                if !one_way {
                    pairs.push(("_ask", &tag));
                    *self.asked.entry(tag.to_vec()).or_default() += 1;
                }
                pairs.push(("_command", name.as_bytes()));
                self.switches |= name == "Switch";
                self.send_box(&pairs).await;
            }
            2 => {
                // Tags of calls are numbers, so small ones are likely to be outstanding.
                let tag = format!("{:x}", input.byte()? % 8);
                self.send_box(&[("_answer", tag.as_bytes()), ("n", b"5"), ("padding", b"")]).await;
            }
            3 => {
                let tag = format!("{:x}", input.byte()? % 8);
                let code: &[u8] = if input.byte()? % 2 == 0 { b"FAILED" } else { b"UNKNOWN" };
                let (code, why) = (("_error_code", code), ("_error_description", &b"no"[..]));
                self.send_box(&[("_error", tag.as_bytes()), code, why]).await;
            }
            4 => {
                let count = input.number()? % 64;
                let bytes = input.take(count);
                // A tag in them is any.
                self.switches |= bytes.len() >= 2;
                self.send(bytes).await;
            }
            5 | 6 => {
                let count = input.number()?;
                self.receive(if count < 0x80 { count } else { 1 << (count % 16) }).await;
            }
            _ => _ = self.stream.shutdown().await,
        }
        Some(())
    }
}

/// A connection, and a peer that speaks bytes.
async fn endure(input: &mut Input<'_>) -> Option<()> {
    let (near, room) = (input.byte()?, input.number()?);
    let (stream, other) = tokio::io::duplex(room + 1);
    let (ends, ended) = channel(1);
    let mut peer = Some(connect(Connection::new(stream), near, false, ends));
    let mut raw = Raw {
        stream: other,
        read: BytesMut::new(),
        decoder: Decoder::new(BoxLimits::default()),
        asked: HashMap::new(),
        switches: false,
    };
    let mut calls = Calls {
        tasks: JoinSet::new(),
        aborts: Vec::new(),
        calm: false,
        honest: false,
        closed: Arc::default(),
    };
    for _ in 0..STEPS {
        let Some(what) = input.byte() else { break };
        let went = match what {
            200.. => wait(input).await,
            199 => {
                peer = None;
                Some(())
            }
            100.. => raw.step(what, input).await,
            _ => match &peer {
                Some(peer) => {
                    raw.switches |= what < 84 && what % 12 == 7;
                    calls.step(peer, what, input)
                }
                None => Some(()),
            },
        };
        if went.is_none() {
            break;
        }
    }
    drop(peer);
    // It reads what there is, and goes.
    while raw.receive(1 << 16).await {}
    drop(raw);
    timeout(FOR_EVER, calls.end()).await.expect("calls end when their connection does");
    end(ended).await;
    Some(())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some(first) = input.byte() else { return };
    amp_fuzz::in_virtual_time(async {
        if first % 2 == 0 { converse(&mut input).await } else { endure(&mut input).await }
    });
});
