//! What a connection relies on in a transport, as checks.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::connection::{Connection, Transport};
use crate::error::CloseReason;
use crate::proto::RemoteError;
use crate::responder::{ReceivedCall, Responders};

/// A check takes milliseconds. After so long, nothing more comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than there is room for on the way, so that sending has to wait.
const LONG: usize = 2 << 20;

/// What a buffer holds already when more is received into it.
const BEFORE: &[u8] = b"before";

/// How long a message is that has an attachment.
const MESSAGE: usize = 100;

/// Checks that a transport of your own does what [`Transport`] asks for. `pair` makes two connected transports, new ones for
/// each check. They may be of different types, and both are checked.
///
/// It checks that
///
/// - bytes arrive as they were sent, in any number of slices;
/// - received bytes go behind those that the buffer has;
/// - each side receives while it cannot send;
/// - no wake-up is lost;
/// - the end arrives, after everything else, and the other direction goes on;
/// - dropping one side ends the other;
/// - a transport sends on any task if [`sends_on_any_task`](Transport::sends_on_any_task) says so;
/// - calls of any length can be made over it in both directions.
///
/// [A recipe](crate::cookbook::transports) makes a transport and checks it.
///
/// If the transport carries attachments, use [`check_attachments`] too.
///
/// # Panics
///
/// When the transport does something else than it should; the message says what. When there is no tokio runtime with time
/// enabled. The clock of the runtime must not be paused if the transport waits for the system.
///
/// # Cancel safety
///
/// A check that was dropped may leave tasks behind, which hold its transports.
pub async fn check_transport<A: Transport, B: Transport>(mut pair: impl AsyncFnMut() -> (A, B)) {
    let (a, b) = pair().await;
    side_by_side("taking turns", take_turns(a, true), take_turns(b, false)).await;

    let (a, b) = pair().await;
    let (one, other) = (pattern(LONG, 1), pattern(LONG, 2));
    let talks = (talk(a, one.clone(), other.clone()), talk(b, other, one));
    side_by_side("sending in both directions at once", talks.0, talks.1).await;

    let (a, b) = pair().await;
    side_by_side("ending one direction", end_first(a), end_last(b)).await;
    let (a, b) = pair().await;
    side_by_side("ending the other direction", end_last(a), end_first(b)).await;

    let (a, b) = pair().await;
    side_by_side("dropping the first side", async move { drop(a) }, see_the_end(b)).await;
    let (a, b) = pair().await;
    side_by_side("dropping the second side", see_the_end(a), async move { drop(b) }).await;

    let (a, b) = pair().await;
    send_on_a_thread(a);
    send_on_a_thread(b);

    let (a, b) = pair().await;
    call_both_ways(a, b).await;
}

/// Holds the attachments of a transport against what [`Transport`] asks for: that they arrive, in
/// order, and each no later than the first byte of the message that it was sent with.
///
/// `attachment` makes one that says which number it has, and `number` reads that of one that was
/// received.
///
/// # Panics
///
/// As [`check_transport`].
///
/// # Cancel safety
///
/// As [`check_transport`].
pub async fn check_attachments<A: Transport, B: Transport>(
    mut pair: impl AsyncFnMut() -> (A, B),
    attachment: impl Fn(usize) -> Attachment + Clone + Send + 'static,
    number: impl Fn(Attachment) -> usize + Clone + Send + 'static,
) {
    /// More than systems take with one message.
    const MANY: usize = 300;
    for each in [1, MANY] {
        let messages = 2 * MANY / each;
        let (a, b) = pair().await;
        check_kind(&a, &attachment);
        check_kind(&b, &attachment);
        let send = send_attachments(a, messages, each, attachment.clone());
        let receive = receive_attachments(b, messages, each, number.clone());
        side_by_side("sending attachments", send, receive).await;

        let (a, b) = pair().await;
        let send = send_attachments(b, messages, each, attachment.clone());
        let receive = receive_attachments(a, messages, each, number.clone());
        side_by_side("sending attachments back", send, receive).await;
    }
}

fn check_kind(transport: &impl Transport, attachment: impl Fn(usize) -> Attachment) {
    let kind = transport.attachment_kind();
    let kind = kind.expect("a transport of attachments should have an attachment_kind");
    assert!(kind.fits(&attachment(0)), "attachment_kind should be that of the attachments");
}

/// Runs the sides of a check as two tasks, as they are when programs use them. The panic that comes
/// first is the check's: the other side may fail as well, for want of its peer.
async fn side_by_side(
    what: &str,
    one: impl Future<Output = ()> + Send + 'static,
    other: impl Future<Output = ()> + Send + 'static,
) {
    let mut sides = JoinSet::new();
    sides.spawn(one);
    sides.spawn(other);
    let both = async {
        while let Some(ended) = sides.join_next().await {
            if let Err(failed) = ended {
                resume_unwind(failed.into_panic());
            }
        }
    };
    let waits = timeout(PATIENCE, both).await.is_err();
    assert!(!waits, "{what}: both sides wait, as when a wake-up was lost or bytes were");
}

/// Bytes in which none is like those beside it, and which do not repeat for long.
fn pattern(length: usize, seed: u8) -> Vec<u8> {
    let mut byte = seed;
    let next = |n: usize| {
        byte = byte.wrapping_mul(5).wrapping_add(1 + 2 * u8::from(n.is_multiple_of(257)));
        byte
    };
    (0..length).map(next).collect()
}

fn done<T>(result: io::Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what} should not fail, as it did with: {error}"))
}

/// A transport with what the checks keep beside it.
struct Side<T> {
    transport: Pin<Box<T>>,
    received: BytesMut,
}

impl<T: Transport> Side<T> {
    fn new(transport: T) -> Self {
        assert!(!transport.has_peer_closed(), "has_peer_closed should not be true from the start");
        Self { transport: Box::pin(transport), received: BytesMut::from(BEFORE) }
    }

    /// Sends some bytes, cut in three, of which one is empty.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
        self.poll_send_with(cx, bytes, &mut VecDeque::new())
    }

    fn poll_send_with(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<usize> {
        let (head, tail) = bytes.split_at(bytes.len() / 3);
        let slices = [IoSlice::new(head), IoSlice::new(&[]), IoSlice::new(tail)];
        let sent = ready!(self.transport.as_mut().poll_send(cx, &slices, attachments));
        let sent = done(sent, "poll_send");
        assert!(sent > 0, "poll_send should take at least one byte, or return Pending");
        assert!(sent <= bytes.len(), "poll_send should not take more bytes than there are");
        Poll::Ready(sent)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_receive_with(cx, &mut Vec::new())
    }

    fn poll_receive_with(
        &mut self,
        cx: &mut Context<'_>,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        self.received.reserve(8 << 10);
        let before = self.received.len();
        let transport = self.transport.as_mut();
        let outcome = transport.poll_receive(cx, &mut self.received, attachments);
        assert!(
            self.received.starts_with(BEFORE),
            "poll_receive should leave what is in the buffer already",
        );
        let more = self.received.len() - before;
        match outcome {
            Poll::Ready(Ok(received)) => {
                assert_eq!(
                    received, more,
                    "poll_receive should say how many bytes it has appended"
                );
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                assert_eq!(more, 0, "poll_receive should append nothing when it returns Pending");
            }
        }
        outcome
    }

    async fn send_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sent = poll_fn(|cx| self.poll_send(cx, bytes)).await;
            bytes = &bytes[sent..];
        }
        done(poll_fn(|cx| self.transport.as_mut().poll_flush(cx)).await, "poll_flush");
    }

    /// Receives until there are so many bytes in all.
    async fn receive_until(&mut self, length: usize) {
        while self.received().len() < length {
            let received = done(poll_fn(|cx| self.poll_receive(cx)).await, "poll_receive");
            assert!(received > 0, "poll_receive should not tell an end that is not there");
        }
    }

    async fn receive_the_end(&mut self) {
        for _ in 0..2 {
            let received = done(poll_fn(|cx| self.poll_receive(cx)).await, "poll_receive");
            assert_eq!(received, 0, "poll_receive should tell the end, each time it is asked");
        }
    }

    async fn shut_down(&mut self) {
        done(poll_fn(|cx| self.transport.as_mut().poll_shutdown(cx)).await, "poll_shutdown");
    }

    fn received(&self) -> &[u8] {
        &self.received[BEFORE.len()..]
    }
}

/// One byte there and one back: whoever receives has to be woken by each.
async fn take_turns(transport: impl Transport, first: bool) {
    let mut side = Side::new(transport);
    for turn in 0..100_u8 {
        if first {
            side.send_all(&[turn]).await;
        }
        side.receive_until(usize::from(turn) + 1).await;
        assert_eq!(side.received().last(), Some(&turn), "bytes should arrive as they were sent");
        if !first {
            side.send_all(&[turn]).await;
        }
    }
}

/// Sends as much as the transport takes, then receives as much as there is, and again when either may
/// go on. Each side does, so both come to where neither can send.
async fn talk(transport: impl Transport, bytes: Vec<u8>, expected: Vec<u8>) {
    let mut side = Side::new(transport);
    let (mut sent, mut flushed) = (0, false);
    poll_fn(|cx| {
        while sent < bytes.len()
            && let Poll::Ready(more) = side.poll_send(cx, &bytes[sent..])
        {
            sent += more;
        }
        if sent == bytes.len()
            && !flushed
            && let Poll::Ready(result) = side.transport.as_mut().poll_flush(cx)
        {
            done(result, "poll_flush");
            flushed = true;
        }
        while side.received().len() < expected.len()
            && let Poll::Ready(received) = side.poll_receive(cx)
        {
            let received = done(received, "poll_receive");
            assert!(received > 0, "poll_receive should not tell an end that is not there");
        }
        let over = flushed && side.received().len() >= expected.len();
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert!(side.received() == expected, "bytes should arrive as they were sent, and in order");
}

/// Ends its direction, and receives what comes after that.
async fn end_first(transport: impl Transport) {
    let mut side = Side::new(transport);
    side.send_all(b"the last of it").await;
    side.shut_down().await;
    side.receive_until(5).await;
    assert_eq!(side.received(), b"later", "the other direction should go on after an end");
    side.receive_the_end().await;
}

async fn end_last(transport: impl Transport) {
    let mut side = Side::new(transport);
    side.receive_until(14).await;
    assert_eq!(side.received(), b"the last of it", "what was sent should come before the end");
    side.receive_the_end().await;
    side.send_all(b"later").await;
    side.shut_down().await;
}

/// What an end that nobody has told looks like is up to the transport; that it is seen is not.
async fn see_the_end(transport: impl Transport) {
    let mut side = Side::new(transport);
    let end = poll_fn(|cx| side.poll_receive(cx)).await;
    assert!(matches!(end, Ok(0) | Err(_)), "a side that is dropped should end the other");
}

/// Sends on a thread without a runtime, if the transport says that it can, and with a waker that
/// belongs to nobody.
fn send_on_a_thread(transport: impl Transport) {
    if transport.sends_on_any_task() {
        let sends = || {
            let mut transport = Box::pin(transport);
            let cx = &mut Context::from_waker(Waker::noop());
            // Whether there is somebody to receive it does not matter here.
            let _ =
                transport.as_mut().poll_send(cx, &[IoSlice::new(b"bytes")], &mut VecDeque::new());
            let _ = transport.as_mut().poll_flush(cx);
        };
        let done = std::thread::scope(|scope| scope.spawn(sends).join());
        assert!(done.is_ok(), "a transport that sends_on_any_task should not need a runtime's");
    }
}

async fn call_both_ways(a: impl Transport, b: impl Transport) {
    let echo = async |call: ReceivedCall| Ok::<AmpBox, RemoteError>(call.arguments);
    let echoes = Responders::new(()).respond_by_name("Echo", echo);
    let a = Connection::with_transport(a).responders(echoes.clone()).spawn();
    let b = Connection::with_transport(b).responders(echoes).spawn();
    for length in [0, 1, 1_000, 65_535] {
        let value = pattern(length, 3);
        for peer in [&a, &b] {
            let call = peer.call_by_name("Echo", [("value", &value)]).timeout(PATIENCE).await;
            let answer = call.unwrap_or_else(|error| panic!("a call should be answered: {error}"));
            assert!(answer.get("value") == Some(&value[..]), "a call should arrive as it was made");
        }
    }
    a.close().await;
    let reason = timeout(PATIENCE, b.closed()).await.expect("both sides should see the end");
    assert!(matches!(reason, CloseReason::Peer), "an end should be none that went wrong: {reason}");
}

async fn send_attachments(
    transport: impl Transport,
    messages: usize,
    each: usize,
    attachment: impl Fn(usize) -> Attachment,
) {
    let mut side = Side::new(transport);
    for message in 0..messages {
        let bytes = pattern(MESSAGE, 0);
        let mut attachments: VecDeque<_> =
            (0..each).map(|n| attachment(message * each + n)).collect();
        let mut sent = 0;
        while sent < bytes.len() {
            let more =
                poll_fn(|cx| side.poll_send_with(cx, &bytes[sent..], &mut attachments)).await;
            assert!(
                more == 1 || attachments.is_empty(),
                "poll_send should take one byte at a time while attachments are left",
            );
            sent += more;
        }
        assert!(attachments.is_empty(), "poll_send should take all attachments with a message");
    }
    done(poll_fn(|cx| side.transport.as_mut().poll_flush(cx)).await, "poll_flush");
    // What is not received yet must not be lost with this side.
    side.shut_down().await;
    side.receive_the_end().await;
}

async fn receive_attachments(
    transport: impl Transport,
    messages: usize,
    each: usize,
    number: impl Fn(Attachment) -> usize,
) {
    let mut side = Side::new(transport);
    let (mut next, mut attachments) = (0, Vec::new());
    while side.received().len() < messages * MESSAGE {
        let received = poll_fn(|cx| side.poll_receive_with(cx, &mut attachments)).await;
        assert!(done(received, "poll_receive") > 0, "poll_receive should not tell an early end");
        for attachment in attachments.drain(..) {
            assert_eq!(number(attachment), next, "attachments should arrive in order");
            next += 1;
        }
        // Many attachments of one message may go with its bytes one by one; the first is never late.
        let begun = side.received().len().div_ceil(MESSAGE);
        let due = (begun - 1) * each + 1;
        assert!(
            next >= due,
            "attachments should arrive with the first byte of theirs, or before it"
        );
    }
    assert_eq!(next, messages * each, "all attachments should arrive");
    side.shut_down().await;
}
