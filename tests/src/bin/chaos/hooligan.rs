//! Peers that do not behave, and speak bytes.

use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::{AmpBox, Arguments};
use amp_tests::{Address, Transport};
use bytes::BytesMut;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

use crate::commands::{Act, Done, content};
use crate::ledger::CallId;
use crate::pipes::holding;
use crate::plan::{For, Way};
use crate::report::Group;
use crate::stream::Stream;
use crate::world::{Stage, World};

/// How long one of them keeps at one thing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does one thing after the other to the server, until everybody is to come to an end.
pub(crate) async fn run(world: Arc<World>, number: u32) {
    let mut random = world.random(For::Hooligan(number));
    while world.is_everybody() {
        let transport = if random.bool() { Transport::Unix } else { Transport::Tcp };
        let (deed, way) = (Deed::any(&mut random), Way::any(&mut random));
        // Of its own, so that the plan does not depend on how far the deed gets.
        let of_deed = random.fork();
        let Some(server) = world.server(transport, way) else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        world.count(Group::Faults, deed.name());
        let book = world.hooligans_book(number);
        let mut hooligan = Hooligan { world: &world, book, random: of_deed };
        // That the server closes the connection is right, and that it makes one wait is too.
        tokio::select! {
            _ = timeout(PATIENCE, hooligan.does(deed, &server)) => {}
            () = world.reaches(Stage::ServerAlone) => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Deed {
    /// Calls as fast as it can, and reads nothing.
    Flood,
    /// Calls a lot, and reads the answers slowly.
    SlowReader,
    /// Sends bytes that are no boxes.
    Garbage,
    /// Sends boxes that are neither calls nor the answers to any.
    Nonsense,
    /// Sends a part of a box, and waits.
    Silence,
    /// Sends descriptors that nothing names.
    Descriptors,
}

impl Deed {
    fn any(random: &mut Rng) -> Self {
        match random.u32(..6) {
            0 => Self::Flood,
            1 => Self::SlowReader,
            2 => Self::Garbage,
            3 => Self::Nonsense,
            4 => Self::Silence,
            _ => Self::Descriptors,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::SlowReader => "slow reader",
            Self::Garbage => "garbage",
            Self::Nonsense => "nonsense",
            Self::Silence => "silence inside of a box",
            Self::Descriptors => "flood of descriptors",
        }
    }
}

struct Hooligan<'a> {
    world: &'a World,
    book: usize,
    random: Rng,
}

impl Hooligan<'_> {
    async fn does(&mut self, deed: Deed, server: &Address) -> io::Result<()> {
        let stream = Stream::connect(server).await?;
        match deed {
            Deed::Flood => self.flood(&stream).await,
            Deed::SlowReader => self.read_slowly(&stream).await,
            Deed::Garbage => self.send_garbage(&stream).await,
            Deed::Nonsense => self.send_nonsense(&stream).await,
            Deed::Silence => self.fall_silent(&stream).await,
            Deed::Descriptors => send_descriptors(&stream).await,
        }
    }

    async fn flood(&mut self, stream: &Stream) -> io::Result<()> {
        loop {
            let (_, call) = self.call(1000, 2000);
            stream.send_all(&call).await?;
        }
    }

    /// Each call is answered once at most, and with its own answer.
    async fn read_slowly(&mut self, stream: &Stream) -> io::Result<()> {
        const WANT: usize = 1500;
        let mut outstanding = BTreeMap::new();
        for _ in 0..100 {
            let (id, call) = self.call(10, WANT);
            outstanding.insert(id.0.to_string().into_bytes(), id);
            stream.send_all(&call).await?;
        }
        let mut decoder = Decoder::new(BoxLimits::default());
        let (mut buffer, mut received) = (BytesMut::new(), BytesMut::new());
        while !outstanding.is_empty() {
            received.reserve(1 + self.random.usize(..4000));
            if stream.receive(&mut received, &mut Vec::new()).await? == 0 {
                return Ok(());
            }
            buffer.unsplit(received.split());
            while let Some(answer) = decoder.decode(&mut buffer).map_err(io::Error::other)? {
                // The server may look whether anybody is there. It does not learn that.
                if answer.get("_command") == Some(b"Ping") {
                    continue;
                }
                let tag = answer.get("_answer").or(answer.get("_error")).unwrap_or_default();
                let right =
                    outstanding.remove(tag).is_some_and(|id| self.may_end(&answer, id, WANT));
                if !right {
                    self.world.violation(format!("a slow reader was sent {answer:?}"));
                }
            }
            sleep(Duration::from_millis(self.random.u64(..5))).await;
        }
        Ok(())
    }

    async fn send_garbage(&mut self, stream: &Stream) -> io::Result<()> {
        let mut garbage = vec![0; self.random.usize(1..5000)];
        self.random.fill(&mut garbage);
        stream.send_all(&garbage).await?;
        await_end(stream).await
    }

    async fn send_nonsense(&mut self, stream: &Stream) -> io::Result<()> {
        let nonsense: [&[(&str, &str)]; 7] = [
            &[("_answer", "1")],
            &[("_error", "7f"), ("_error_code", "UNKNOWN"), ("_error_description", "?")],
            &[("_ask", "1"), ("_command", "")],
            &[("_ask", ""), ("_command", "Tell")],
            &[("_command", "Missing")],
            &[("_ask", "1"), ("_answer", "1"), ("_command", "Pass"), ("pipe", "0")],
            &[("key", "value")],
        ];
        for _ in 0..100 {
            let pairs = nonsense[self.random.usize(..nonsense.len())];
            stream.send_all(&encoded(pairs)).await?;
        }
        await_end(stream).await
    }

    async fn fall_silent(&mut self, stream: &Stream) -> io::Result<()> {
        let (_, call) = self.call(100, 0);
        // Without its last byte it is no call yet.
        let len = self.random.usize(..call.len());
        stream.send_all(&call[..len]).await?;
        sleep(Duration::from_millis(self.random.u64(..2000))).await;
        Ok(())
    }

    /// Whether it is the call's own answer; or says, when the server goes, that there was none.
    fn may_end(&self, answer: &AmpBox, id: CallId, want: usize) -> bool {
        match answer.get("_error_code") {
            None => Done::decode(answer.to_bytes()).is_ok_and(|done| done.is_of(id.0, want)),
            Some(code) => {
                code == b"CLOSING"
                    && answer.get("_not_acted_upon") == Some(b"True")
                    && self.world.ledger.not_acted(id).is_ok()
            }
        }
    }

    /// A new call, and its bytes. It is answered by the server as anybody's.
    fn call(&self, load: usize, want: usize) -> (CallId, Vec<u8>) {
        let id = self.world.ledger.begin(self.book, 1);
        let load = content(id.0, load).into();
        let act = Act { call: id.0, load, pause: 0, want };
        let arguments = act.encode().unwrap_or_default();
        let mut bytes = Vec::new();
        for value in [&b"_ask"[..], id.0.to_string().as_bytes(), b"_command", b"Act"] {
            let len = u16::try_from(value.len()).expect("these are short");
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(value);
        }
        bytes.extend_from_slice(&arguments);
        (id, bytes)
    }
}

async fn send_descriptors(stream: &Stream) -> io::Result<()> {
    let Stream::Unix(_) = stream else { return Ok(()) };
    let bytes = encoded(&[("_ask", "1"), ("_command", "Missing")]);
    for _ in 0..30 {
        let mut descriptors = Vec::new();
        for _ in 0..40 {
            descriptors.push(holding(0)?.into_owned()?);
        }
        stream.send(&bytes[..1], &mut descriptors).await?;
        stream.send_all(&bytes[1..]).await?;
    }
    await_end(stream).await
}

/// Reads until the server ends the connection, or the patience does.
async fn await_end(stream: &Stream) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.clear();
        buffer.reserve(1000);
        if stream.receive(&mut buffer, &mut Vec::new()).await? == 0 {
            return Ok(());
        }
    }
}

fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
    let ampbox = AmpBox::from_pairs(pairs.iter().copied()).expect("the pairs are short");
    ampbox.to_bytes().to_vec()
}
