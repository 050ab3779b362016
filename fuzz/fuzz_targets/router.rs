//! Routes on a stream whose peer speaks bytes. Each gets boxes of its own name only and in their order,
//! what it sends arrives in its order and under the other's name, and everything ends.

#![no_main]

use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::router::{Route, RouteName, Router, RouterLimits, Routes};
use amp_core::{AmpBox, Transport, keys};
use amp_fuzz::Input;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

const FOR_EVER: Duration = Duration::from_secs(60 * 60);

/// How many steps are taken at most, so that no input takes long.
const STEPS: usize = 150;

/// How many names there are. The first one is that of the default route.
const NAMES: usize = 4;

fn name(number: usize) -> RouteName {
    match number % NAMES {
        0 => RouteName::DEFAULT,
        number => RouteName::from(number.to_string()),
    }
}

/// A box with its number and the name that it is for.
fn numbered(n: u64, name: usize, size: usize) -> AmpBox {
    let text = [n.to_string(), name.to_string(), "-".repeat(size)];
    AmpBox::from_pairs(["n", "to", "padding"].into_iter().zip(&text)).expect("a box")
}

fn number(ampbox: &AmpBox, key: &str) -> Option<u64> {
    str::from_utf8(ampbox.get(key)?).ok()?.parse().ok()
}

/// A side that reads boxes, each later than the one before.
struct Reader {
    buffer: BytesMut,
    decoder: Decoder,
    last: [Option<u64>; NAMES],
}

impl Reader {
    fn new() -> Self {
        let decoder = Decoder::new(BoxLimits::default());
        Self { buffer: BytesMut::new(), decoder, last: [None; NAMES] }
    }

    /// Looks at the boxes that have come, which are for these names.
    fn look(&mut self, names: impl Fn(&AmpBox) -> usize) {
        while let Some(ampbox) = self.decoder.decode(&mut self.buffer).expect("boxes") {
            let numbers = [number(&ampbox, "n"), number(&ampbox, "to")];
            let [n, to] = numbers.map(|number| number.expect("a number"));
            let name = names(&ampbox);
            assert_eq!(usize::try_from(to).expect("small"), name, "it is for whom it says");
            let before = self.last[name].replace(n);
            assert!(before < Some(n), "{n} came behind {before:?}");
        }
    }
}

struct Bound {
    name: usize,
    route: Pin<Box<Route>>,
    reader: Reader,
    /// What it has begun to send.
    sending: Bytes,
}

impl Bound {
    async fn send(&mut self, most: usize) {
        let Self { route, sending, .. } = self;
        let bytes = sending.slice(..most.min(sending.len()));
        let mut none = VecDeque::new();
        let sent = poll_fn(|cx| route.as_mut().poll_send(cx, &[IoSlice::new(&bytes)], &mut none));
        if let Ok(Ok(sent)) = timeout(Duration::from_millis(1), sent).await {
            *sending = sending.split_off(sent);
        }
    }

    /// What it gets of a peer that keeps to boxes is looked at.
    async fn receive(&mut self, most: usize, cut: bool) {
        let Self { route, reader, name, .. } = self;
        let mut part = BytesMut::with_capacity(most.max(1));
        let mut none = Vec::new();
        let received = poll_fn(|cx| route.as_mut().poll_receive(cx, &mut part, &mut none));
        let _ = timeout(Duration::from_millis(1), received).await;
        if !cut {
            reader.buffer.extend_from_slice(&part);
            reader.look(|ampbox| {
                assert!(!ampbox.contains_key(keys::ROUTE));
                *name
            });
        }
    }
}

struct World {
    routes: Option<Routes>,
    bound: Vec<Bound>,
    raw: Option<DuplexStream>,
    reader: Reader,
    next: u64,
    /// Whether the peer has sent what need not end where a box does.
    cut: bool,
}

impl World {
    async fn raw_send(&mut self, bytes: &[u8]) {
        let Some(raw) = &mut self.raw else { return };
        // What there is no room for is lost, and what follows is not what it was.
        if !matches!(timeout(Duration::from_millis(1), raw.write_all(bytes)).await, Ok(Ok(()))) {
            self.raw_end().await;
        }
    }

    /// The peer sends nothing more.
    async fn raw_end(&mut self) {
        if let Some(raw) = &mut self.raw {
            let _ = raw.shutdown().await;
        }
    }

    /// Whether there may be more.
    async fn raw_receive(&mut self, most: usize) -> bool {
        let Some(raw) = &mut self.raw else { return false };
        let mut part = raw.take(most as u64);
        let read = timeout(Duration::from_millis(1), part.read_buf(&mut self.reader.buffer)).await;
        self.reader.look(|ampbox| match ampbox.get(keys::ROUTE) {
            None => 0,
            Some(name) => str::from_utf8(name).expect("text").parse().expect("a number"),
        });
        matches!(read, Ok(Ok(1..)))
    }

    fn bind(&mut self, number: usize) {
        let Some(routes) = &self.routes else { return };
        let bound = routes.bind(name(number)).and_then(|bound| bound.connect_to(name(number)));
        let Ok(route) = bound else { return };
        let (route, sending) = (Box::pin(route), Bytes::new());
        self.bound.push(Bound { name: number % NAMES, route, reader: Reader::new(), sending });
    }

    async fn step(&mut self, what: u8, input: &mut Input<'_>) -> Option<()> {
        let at = input.number()?;
        let count = self.bound.len().max(1);
        match what % 16 {
            0 | 1 => self.bind(at),
            2 => {
                if at % count < self.bound.len() {
                    self.bound.swap_remove(at % count);
                }
            }
            3 | 4 => {
                let (most, size) = (input.number()?, input.number()?);
                self.next += 1;
                let n = self.next;
                if let Some(bound) = self.bound.get_mut(at % count) {
                    if bound.sending.is_empty() {
                        bound.sending = numbered(n, bound.name, size).to_bytes();
                    }
                    bound.send(most + 1).await;
                }
            }
            5 | 6 => {
                let most = input.number()?;
                if let Some(bound) = self.bound.get_mut(at % count) {
                    bound.receive(most, self.cut).await;
                }
            }
            7..=9 => {
                let size = input.number()?;
                self.next += 1;
                let mut ampbox = numbered(self.next, at % NAMES, size);
                if let Some(name) = name(at).as_str() {
                    ampbox.insert(keys::ROUTE, name).expect("it is short");
                }
                self.raw_send(&ampbox.to_bytes()).await;
            }
            10 => {
                self.cut = true;
                let bytes = input.take(at % 32);
                self.raw_send(bytes).await;
            }
            11 | 12 => _ = self.raw_receive(at * 4).await,
            13 => {
                for _ in 0..at % 16 {
                    yield_now().await;
                }
            }
            14 => sleep(Duration::from_millis(1 << (at % 14))).await,
            _ => match at % 16 {
                0 => self.routes = None,
                1 => self.raw = None,
                2 => self.raw_end().await,
                3 => {
                    if let Some(routes) = self.routes.clone() {
                        let _ = timeout(Duration::from_secs(1), routes.close()).await;
                    }
                }
                _ => {
                    if let Some(bound) = self.bound.get_mut(at % count) {
                        let route = &mut bound.route;
                        let flushed = poll_fn(|cx| route.as_mut().poll_flush(cx));
                        let _ = timeout(Duration::from_millis(1), flushed).await;
                    }
                }
            },
        }
        Some(())
    }
}

async fn run(input: &mut Input<'_>) -> Option<()> {
    let (room, receive, send) = (input.number()?, input.number()?, input.number()?);
    let limits = RouterLimits::default()
        .boxes(BoxLimits::default().max_bytes(1000).max_pairs(6))
        .routes(3)
        .receive_queue(receive)
        .receive_queue_in_all(receive * 2)
        .send_queue(send);
    let (stream, raw) = tokio::io::duplex(room + 1);
    let router = Router::new(stream).limits(limits);
    let mut world = World {
        routes: Some(router.routes()),
        bound: Vec::new(),
        raw: Some(raw),
        reader: Reader::new(),
        next: 0,
        cut: false,
    };
    let driver = tokio::spawn(router.run());
    for _ in 0..STEPS {
        let Some(what) = input.byte() else { break };
        if world.step(what, input).await.is_none() {
            break;
        }
    }
    for bound in &mut world.bound {
        bound.receive(1 << 16, world.cut).await;
    }
    (world.routes, world.bound) = (None, Vec::new());
    while world.raw_receive(1 << 16).await {}
    world.raw = None;
    let ended = timeout(FOR_EVER, driver).await.expect("a router ends when its peer has gone");
    ended.expect("it does not panic");
    Some(())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    amp_fuzz::in_virtual_time(run(&mut Input(bytes)));
});
