//! Descriptors that arrive and that nothing takes are closed while the connection goes on.
//!
//! What is sent is the writing end of a pipe: the reading end sees the end of it once the last copy
//! is closed, on either side.

mod support;

use amp_core::{
    Argument, Arguments, CallError, Command, Connection, Context, DecodeError, EncodeError, Limits,
    NoError, Peer, Proto, Responders, Value, ValueWriter,
};
use amp_unix::{Descriptor, connection_over};
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;
use support::ask;
use support::numbered::{Far, number};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{self, Receiver};
use tokio::sync::Notify;

#[derive(Command)]
struct Take {
    count: i64,
    element: Vec<Element>,
    list: Vec<Descriptor>,
    optional: Option<Descriptor>,
    pipe: Descriptor,
}

#[derive(Arguments)]
struct Element {
    name: String,
    pipe: Descriptor,
}

/// The same on the wire, but `count` and the names are anything.
#[derive(Command)]
#[amp(name = "Take")]
struct TakeAny {
    count: String,
    element: Vec<AnyElement>,
    list: Vec<Descriptor>,
    optional: Option<Descriptor>,
    pipe: Descriptor,
}

#[derive(Arguments)]
struct AnyElement {
    name: Vec<u8>,
    pipe: Descriptor,
}

/// What a newer peer sends: an argument that is not known here.
#[derive(Command)]
#[amp(name = "Keep", response = Kept)]
struct KeepMore {
    more: Descriptor,
    pipe: Descriptor,
}

#[derive(Command)]
#[amp(response = Kept)]
struct Keep {
    pipe: Descriptor,
}

#[derive(Arguments, Debug)]
struct Kept {
    pipe: Descriptor,
}

/// Nobody answers this.
#[derive(Command)]
struct Unknown {
    pipe: Descriptor,
}

/// Is answered with a pipe, once the server is told to.
#[derive(Command)]
#[amp(response = Kept)]
struct Give {}

#[derive(Default)]
struct Server {
    asked: Notify,
    may_answer: Notify,
    given: Mutex<Vec<Pipe>>,
}

/// The reading end of a pipe whose writing end was sent.
struct Pipe(Receiver);

fn pipe() -> (Descriptor, Pipe) {
    let (writer, reader) = pipe::pipe().unwrap();
    (writer.into_blocking_fd().unwrap().into(), Pipe(reader))
}

impl Pipe {
    /// Resolves when the last copy of the writing end is closed.
    async fn closed(self) {
        loop {
            self.0.readable().await.unwrap();
            match self.0.try_read(&mut [0]) {
                Ok(0) => return,
                Ok(_) => panic!("nobody writes"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.0.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

async fn give(context: Context<Arc<Server>>, _: Give) -> Result<Kept, NoError> {
    let server = context.state();
    server.asked.notify_one();
    server.may_answer.notified().await;
    let (descriptor, reader) = pipe();
    server.given.lock().unwrap().push(reader);
    Ok(Kept { pipe: descriptor })
}

fn start() -> (Peer, Peer, Arc<Server>) {
    let server = Arc::<Server>::default();
    let responders = Responders::new(Arc::clone(&server))
        .respond(|_, take: Take| async move {
            let Take { count: _, element, list, optional, pipe } = take;
            drop((element, list, optional, pipe));
            Ok(())
        })
        .respond(|_, Keep { pipe }: Keep| async move { Ok(Kept { pipe }) })
        .respond(give);
    let (here, there) = UnixStream::pair().unwrap();
    let answering: Connection = connection_over(there).responders(responders);
    (connection_over(here).spawn(), answering.spawn(), server)
}

/// Polls a call for the first time, which sends it.
fn send(call: &mut (impl Future + Unpin)) {
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(Pin::new(call).poll(&mut cx).is_pending());
}

/// Sends a pipe and gets it back.
async fn keep(peer: &Peer) -> (Kept, Pipe) {
    let (descriptor, reader) = pipe();
    (peer.call_remote(Keep { pipe: descriptor }).await.unwrap(), reader)
}

/// A descriptor that stays open would hang the test.
async fn in_time(test: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("a descriptor stays open");
}

fn any(count: &str, names: &[&[u8]]) -> (TakeAny, Vec<Pipe>) {
    let mut readers = Vec::new();
    let mut next = || {
        let (descriptor, reader) = pipe();
        readers.push(reader);
        descriptor
    };
    let element = names.iter().map(|name| AnyElement { name: name.to_vec(), pipe: next() });
    let element = element.collect();
    let list = vec![next(), next()];
    let take = TakeAny { count: count.into(), element, list, optional: Some(next()), pipe: next() };
    (take, readers)
}

#[tokio::test]
async fn a_call_that_cannot_be_read_closes_all_it_brought() {
    in_time(async {
        let (peer, _answering, _) = start();
        for (count, names) in [
            ("not a number", &[&b"a"[..], b"b"][..]),
            ("1", &[b"a", b"not \xff text", b"c"]),
            ("neither", &[b"\xff", b"\xff"]),
        ] {
            let (take, readers) = any(count, names);
            let error = peer.call_remote(take).await.unwrap_err();
            assert!(matches!(error, CallError::Remote(_)), "{error}");
            for reader in readers {
                reader.closed().await;
            }
        }
        let (take, readers) = any("1", &[b"a"]);
        peer.call_remote(take).await.unwrap();
        for reader in readers {
            reader.closed().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_answer_to_a_call_that_was_dropped_closes_what_it_brings() {
    in_time(async {
        let (peer, _answering, server) = start();
        let mut call = peer.call_remote(Give {});
        send(&mut call);
        server.asked.notified().await;
        drop(call);
        server.may_answer.notify_one();
        // It comes before that of a later call; and the server holds the reader by then.
        keep(&peer).await;
        let reader = server.given.lock().unwrap().pop().unwrap();
        reader.closed().await;

        // The same with nothing behind it that would show which ones are left over.
        let timed_out = peer.call_remote(Give {}).timeout(Duration::from_millis(1)).await;
        assert!(timed_out.unwrap_err().is_timeout());
        server.asked.notified().await;
        server.may_answer.notify_one();
        while server.given.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let reader = server.given.lock().unwrap().pop().unwrap();
        reader.closed().await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_not_taken_is_closed_with_its_call() {
    in_time(async {
        let (peer, _answering, server) = start();
        server.may_answer.notify_one();
        let mut call = peer.call_remote(Give {});
        send(&mut call);
        // Its answer is behind the other one.
        keep(&peer).await;
        let reader = server.given.lock().unwrap().pop().unwrap();
        assert!(reader.is_open());
        drop(call);
        reader.closed().await;
    })
    .await;
}

/// A box does not say which descriptors it names, and nobody here knows this command. What it has
/// left shows when a later box is read.
#[tokio::test]
async fn a_call_without_a_responder_loses_its_own_to_the_next_call_that_brings_one() {
    in_time(async {
        let (peer, _answering, _) = start();
        for _ in 0..3 {
            let (descriptor, unknown) = pipe();
            let error = peer.call_remote(Unknown { pipe: descriptor }).await.unwrap_err();
            assert!(error.is_unhandled(), "{error}");

            let (answer, kept) = keep(&peer).await;
            unknown.closed().await;
            assert!(kept.is_open());
            drop(answer);
            kept.closed().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_argument_that_is_not_known_loses_its_own() {
    in_time(async {
        let (peer, _answering, _) = start();
        let ((more, unknown), (known, kept)) = (pipe(), pipe());
        let answer = peer.call_remote(KeepMore { more, pipe: known }).await.unwrap();
        // It came before the one that was claimed, so that shows it is left over.
        unknown.closed().await;
        assert!(kept.is_open());
        drop(answer);
        kept.closed().await;
    })
    .await;
}

/// Far more answers bring descriptors at once than may be unclaimed. Callers take theirs as they
/// come.
#[tokio::test]
async fn many_at_once_are_no_more_unclaimed_than_callers_leave_them() {
    in_time(async {
        let responders =
            Responders::new(()).respond(|_, Keep { pipe }: Keep| async move { Ok(Kept { pipe }) });
        let (here, there) = UnixStream::pair().unwrap();
        // Other tests of this process have some too.
        let limits = Limits::default().unclaimed_attachments(150).attachments_in_all(4096);
        let _answering = connection_over(there).responders(responders).limits(limits).spawn();
        let peer = connection_over(here).limits(limits).spawn();
        let calls: Vec<_> = (0..400)
            .map(|_| {
                let peer = peer.clone();
                tokio::spawn(async move { drop(keep(&peer).await) })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    })
    .await;
}

#[derive(Command)]
#[amp(response = Measured)]
struct Measure {
    pipe: Descriptor,
}

#[derive(Arguments)]
struct Measured {
    number: u64,
    much: Vec<u8>,
}

/// A peer may send its calls before it reads an answer. What they bring is more than may be
/// unclaimed, and their answers are more than is queued before responders wait.
#[tokio::test]
async fn calls_that_wait_for_room_for_their_answers_do_not_leave_too_many_unclaimed() {
    in_time(async {
        let responders = Responders::new(()).respond(|_, Measure { pipe }: Measure| async move {
            Ok(Measured { number: number(pipe), much: vec![0; 4000] })
        });
        let (here, there) = UnixStream::pair().unwrap();
        let limits = Limits::default().attachments_in_all(4096);
        let _answering = connection_over(there).responders(responders).limits(limits).spawn();
        let mut far = Far::new(here);
        for ordinal in 0..2000 {
            let call = ask(&format!("{ordinal:x}"), "Measure", &[("pipe", &ordinal.to_string())]);
            far.send(&call, 1).await;
        }
        for ordinal in 0..2000 {
            let answer = far.receive().await.expect("the connection should go on");
            assert_eq!(answer.get("number"), Some(ordinal.to_string().as_bytes()));
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_taken_as_a_box_loses_its_own_to_the_next_that_brings_one() {
    in_time(async {
        let (peer, _answering, server) = start();
        server.may_answer.notify_one();
        let answer = peer.call_by_name("Give", [("", ""); 0]).await.unwrap();
        assert_eq!(answer.get("pipe"), Some(&b"0"[..]));
        let (answer, _reader) = keep(&peer).await;
        let reader = server.given.lock().unwrap().pop().unwrap();
        reader.closed().await;
        drop(answer);
    })
    .await;
}

/// An argument that calls when it is dropped, with a descriptor, like its command before it.
struct LastWords(Descriptor, Peer);

impl Argument for LastWords {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("it is only sent"))
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let (descriptor, _reader) = pipe();
        send(&mut self.1.call_remote(Keep { pipe: descriptor }));
    }
}

#[derive(Command)]
#[amp(name = "Keep", response = Kept)]
struct KeepLastWords {
    pipe: LastWords,
}

#[test]
fn a_command_is_dropped_with_nothing_locked() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (peer, _answering, _) = start();
            let (descriptor, _reader) = pipe();
            let command = KeepLastWords { pipe: LastWords(descriptor, peer.clone()) };
            peer.call_remote(command).await.unwrap();
        });
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("the call waits for itself");
}

/// A caller may keep a call without looking for its answer.
#[tokio::test]
async fn a_peer_that_is_gone_leaves_nothing_open_whatever_waits_for_it() {
    in_time(async {
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection_over(near).spawn();
        let mut call = peer.call_remote(Give {});
        send(&mut call);
        let mut far = amp_unix::UnixTransport::new(far);
        let (descriptor, reader) = pipe();
        let attachment = std::sync::Arc::new(descriptor.into_owned().unwrap());
        let attachments = [attachment as amp_core::argument::Attachment].into();
        support::send_all(&mut far, &ask("1", "Nobody", &[]), attachments).await;
        support::receive_all(&mut far, 20).await;
        assert!(reader.is_open());
        drop(far);
        reader.closed().await;
        assert!(call.await.unwrap_err().is_closed());
    })
    .await;
}
