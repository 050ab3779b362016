//! Descriptors between this side and Twisted, which sends one with each of the first bytes of all that it has
//! queued: many at once, among large boxes, and however the stream is cut.
//!
//! This is one test, so that nothing else in its process opens descriptors while it counts them.

use amp_core::argument::Attachment;
use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::{AmpBox, Arguments, Command, CommandError, Peer, Responders, Transport as _};
use amp_tests::{Address, DEADLINE, Python, Transport};
use amp_unix::{Descriptor, IUnixTransport, UnixTransport, connection_over};
use bytes::{Bytes, BytesMut};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Seek, Write};
use std::iter::{Cycle, Skip};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Passes a file that holds `number`, and gets one that holds `number + 1`.
#[derive(Command, Debug)]
#[amp(response = Passed, error = PassError)]
struct Pass {
    number: u64,
    file: Descriptor,
    filler: Bytes,
}

#[derive(Arguments, Debug)]
struct Passed {
    file: Descriptor,
    filler: Bytes,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum PassError {
    /// A descriptor is not the one that it should be.
    #[error("{0}")]
    Mismatch(String),
}

/// The peer calls `Pass` so many times at once, with fillers of 0 and 60 000 bytes.
#[derive(Command, Debug)]
#[amp(error = PassError)]
struct PassBack {
    count: u64,
}

/// What a list of descriptors is to the peer.
#[derive(Command, Debug)]
#[amp(response = Seen)]
struct PassList {
    files: Vec<Descriptor>,
}

#[derive(Arguments, Debug)]
struct Seen {
    seen: String,
}

/// The peer calls `PassList`, and answers with how that fails.
#[derive(Command, Debug)]
#[amp(response = Failed)]
struct PassListBack;

#[derive(Arguments, Debug)]
struct Failed {
    code: Bytes,
}

#[tokio::test]
async fn descriptors_go_both_ways_and_none_stays_open() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 1024, hard).unwrap();
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let twisted = amp_tests::Peer::start(python.program("descriptors.py"), Transport::Unix);
    let before = open_descriptors();
    let all = async {
        pass_both_ways(&connected(twisted.address()).await).await;
        for skip in 0..ODD_SIZES.len() {
            let stream = stream(twisted.address()).await;
            let odd = Odd { stream, sizes: odd_sizes(skip) };
            pass_both_ways(&connection_over(odd).responders(responders()).spawn()).await;
        }
        pass_lists(&connected(twisted.address()).await).await;
        pass_many(&connected(twisted.address()).await).await;
        let recorded = record(twisted.address()).await;
        for skip in 0..ODD_SIZES.len() {
            replay(&recorded, odd_sizes(skip)).await;
        }
    };
    timeout(DEADLINE, all).await.expect("it should not hang");
    assert_eq!(open_descriptors(), before);
}

/// As many in flight in each direction.
const IN_FLIGHT: u64 = 24;

async fn pass_both_ways(peer: &Peer) {
    let mut calls = JoinSet::new();
    for (number, len) in (0..IN_FLIGHT).zip([60_000, 0, 1].into_iter().cycle()) {
        let filler = Bytes::from(vec![b'x'; len]);
        let file = file_of(number);
        let call = peer.call_remote(Pass { number, file, filler: filler.clone() });
        calls.spawn(async move {
            let passed = call.await.unwrap();
            assert_eq!(content(passed.file), (number + 1).to_string());
            assert_eq!(passed.filler, filler);
        });
    }
    for _ in 0..2 {
        let call = peer.call_remote(PassBack { count: IN_FLIGHT / 2 });
        calls.spawn(async move { call.await.unwrap() });
    }
    calls.join_all().await;
    peer.close().await;
}

/// So many in one turn of Twisted's reactor, first as answers and then as calls, are nearly all there before the
/// boxes that name them. A process may have 1024 files.
async fn pass_many(peer: &Peer) {
    const MANY: u64 = 150;
    let mut calls = JoinSet::new();
    for number in 0..MANY {
        let call = peer.call_remote(Pass { number, file: file_of(number), filler: Bytes::new() });
        calls.spawn(async move {
            assert_eq!(content(call.await.unwrap().file), (number + 1).to_string());
        });
    }
    calls.join_all().await;
    peer.call_remote(PassBack { count: MANY }).await.unwrap();
    peer.close().await;
}

/// Twisted takes a list of descriptors for a list of numbers, and sends nothing beside it. That
/// fails where it must, and does not shift the descriptors of other boxes.
async fn pass_lists(peer: &Peer) {
    let files = vec![file_of(0), file_of(1)];
    let Seen { seen } = peer.call_remote(PassList { files }).await.unwrap();
    assert_eq!(seen, "[0, 1]", "ordinals");
    let Failed { code } = peer.call_remote(PassListBack).await.unwrap();
    assert_eq!(code, "UNKNOWN");
    pass_both_ways(peer).await;
}

fn responders() -> Responders {
    Responders::new(())
        .respond(|_, Pass { number, file, filler }| async move {
            let content = content(file);
            if content == number.to_string() {
                Ok(Passed { file: file_of(number + 1), filler })
            } else {
                Err(PassError::Mismatch(content))
            }
        })
        .respond(|_, PassList { files }| async move {
            Ok(Seen { seen: format!("{} descriptors", files.len()) })
        })
}

async fn connected(address: &Address) -> Peer {
    address.connect().await.expect("the peer listens").responders(responders()).spawn()
}

async fn stream(address: &Address) -> UnixStream {
    let Address::Unix(path) = address else { panic!("{address} is no Unix socket") };
    UnixStream::connect(path).await.expect("the peer listens")
}

/// What Twisted has sent.
struct Recorded {
    bytes: Vec<u8>,
    /// Each with how many bytes had come before it.
    descriptors: Vec<(usize, OwnedFd)>,
}

/// Records the calls that Twisted makes when it is asked for them.
async fn record(address: &Address) -> Recorded {
    let mut transport = UnixTransport::new(stream(address).await);
    let count = IN_FLIGHT.to_string();
    let ask = [("_ask", "1"), ("_command", "PassBack"), ("count", &count)];
    let ask = AmpBox::from_pairs(ask).unwrap().to_bytes();
    assert_eq!(send(&mut transport, &ask, Vec::new()).await, ask.len());

    let mut recorded = Recorded { bytes: Vec::new(), descriptors: Vec::new() };
    let mut boxes = Boxes::default();
    while boxes.count < IN_FLIGHT {
        let before = recorded.bytes.len();
        let (bytes, descriptors) = receive(&mut transport).await;
        assert!(descriptors.len() <= 1, "Twisted sends one with a byte");
        recorded.bytes.extend_from_slice(&bytes);
        recorded.descriptors.extend(descriptors.into_iter().map(|fd| (before, fd)));
        boxes.add(&bytes);
    }
    assert_eq!(recorded.descriptors.len() as u64, IN_FLIGHT);
    recorded
}

/// Sends what was recorded in pieces of these sizes, each with its descriptors ahead of it.
async fn replay(recorded: &Recorded, sizes: Sizes) {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = amp_unix::connection(near).unwrap().responders(responders()).spawn();
    let mut far = UnixTransport::new(far);
    let (mut at, mut next) = (0, 0);
    let mut answers = Boxes::default();
    for size in sizes {
        if at == recorded.bytes.len() {
            break;
        }
        let piece = &recorded.bytes[at..recorded.bytes.len().min(at + size)];
        let due = recorded.descriptors[next..].iter();
        let due = due.take_while(|(position, _)| *position < at + piece.len());
        let due: Vec<_> = due.map(|(_, fd)| fd.try_clone().unwrap()).collect();
        next += due.len();
        at += send(&mut far, piece, due).await;
        // The side that answers must not wait for this one.
        while let Some(bytes) = receive_now(&mut far).await {
            answers.add(&bytes);
        }
    }
    assert_eq!((at, next), (recorded.bytes.len(), recorded.descriptors.len()));
    while answers.count < IN_FLIGHT {
        answers.add(&receive(&mut far).await.0);
    }
    assert_eq!(answers.failures, 0);
    drop(far);
    peer.closed().await;
}

/// Counts boxes.
struct Boxes {
    decoder: Decoder,
    buffer: BytesMut,
    count: u64,
    failures: u64,
}

impl Default for Boxes {
    fn default() -> Self {
        let decoder = Decoder::new(BoxLimits::default());
        Self { decoder, buffer: BytesMut::new(), count: 0, failures: 0 }
    }
}

impl Boxes {
    fn add(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(ampbox) = self.decoder.decode(&mut self.buffer).unwrap() {
            self.count += 1;
            self.failures += u64::from(ampbox.contains_key("_error"));
        }
    }
}

type Unix = UnixTransport<UnixStream>;

/// Sends some of `bytes`, and all descriptors with the first.
async fn send(transport: &mut Unix, bytes: &[u8], descriptors: Vec<OwnedFd>) -> usize {
    let mut attachments: VecDeque<_> =
        descriptors.into_iter().map(|fd| Arc::new(fd) as Attachment).collect();
    let slices = [IoSlice::new(bytes)];
    let sent = poll_fn(|cx| Pin::new(&mut *transport).poll_send(cx, &slices, &mut attachments));
    let sent = sent.await.unwrap();
    assert!(attachments.is_empty());
    sent
}

async fn receive(transport: &mut Unix) -> (BytesMut, Vec<OwnedFd>) {
    let received = poll_fn(|cx| poll_receive(transport, cx)).await;
    assert!(!received.0.is_empty(), "the stream ended");
    received
}

/// What is there already.
async fn receive_now(transport: &mut Unix) -> Option<BytesMut> {
    let received = poll_fn(|cx| Poll::Ready(poll_receive(transport, cx))).await;
    match received {
        Poll::Ready((bytes, _)) => Some(bytes),
        Poll::Pending => None,
    }
}

fn poll_receive(transport: &mut Unix, cx: &mut Context<'_>) -> Poll<(BytesMut, Vec<OwnedFd>)> {
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    let mut attachments = Vec::new();
    let received = Pin::new(transport).poll_receive(cx, &mut buffer, &mut attachments);
    received.map(|received| {
        received.unwrap();
        let owned = attachments.into_iter().map(|attachment| {
            let fd = attachment.downcast::<OwnedFd>().unwrap();
            Arc::into_inner(fd).unwrap()
        });
        (buffer, owned.collect())
    })
}

/// In bytes. Their sum is odd as well, so that pieces end at other places.
const ODD_SIZES: [usize; 7] = [1, 3, 7, 11, 997, 29_999, 60_001];

type Sizes = Skip<Cycle<vec::IntoIter<usize>>>;

fn odd_sizes(skip: usize) -> Sizes {
    ODD_SIZES.to_vec().into_iter().cycle().skip(skip)
}

/// Reads as many bytes at a time as `sizes` say.
struct Odd {
    stream: UnixStream,
    sizes: Sizes,
}

impl IUnixTransport for Odd {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        let room = buffer.capacity() - buffer.len();
        let size = self.sizes.next().map_or(room, |size| size.min(room));
        let mut some = BytesMut::with_capacity(size);
        let received = self.stream.poll_receive(cx, &mut some, descriptors);
        buffer.extend_from_slice(&some);
        received
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_send(cx, bytes, descriptors)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }
}

fn file_of(number: u64) -> Descriptor {
    let mut file = tempfile::tempfile().unwrap();
    write!(file, "{number}").unwrap();
    file.rewind().unwrap();
    file.into()
}

/// What a file holds, from its beginning.
fn content(file: Descriptor) -> String {
    let mut file = File::try_from(file).unwrap();
    file.rewind().unwrap();
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    content
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}
