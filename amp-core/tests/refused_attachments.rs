//! A transport that refuses single attachments: their boxes are not sent, and the others keep their
//! ordinals.

mod support;

use amp_core::argument::AttachmentKind;
use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::{
    AmpBox, Argument, Arguments, CallError, Command, Connection, DecodeError, EncodeError,
    FailurePolicy, Limits, NoError, OneWay, Peer, Proto, RefusedAttachment, Responders, Value,
    ValueWriter,
};
use bytes::BytesMut;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use support::double::{self, Double};
use support::settled;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

/// What is sent in place of what is refused.
const STAND_IN: u64 = 0;

/// From this number on, attachments are refused.
const REFUSED: u64 = 100;

/// A number that travels beside the bytes.
#[derive(Clone, Copy, Debug)]
struct Beside(u64);

impl Argument for Beside {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let ordinal = proto.attach(kind(), Arc::new(self.0))?;
        ordinal.to_string_proto(proto, out)
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("it is only sent"))
    }
}

fn kind() -> AttachmentKind {
    AttachmentKind::of::<u64>("a number")
}

#[derive(Command, Debug)]
struct Pass {
    beside: Beside,
}

#[derive(Command, Debug)]
struct Notice {
    beside: Beside,
}

impl OneWay for Notice {}

/// What was sent.
#[derive(Default)]
struct Sent {
    bytes: BytesMut,
    attachments: Vec<u64>,
    /// Whether nothing can be sent yet.
    full: bool,
    sender: Option<Waker>,
}

/// Notes what is sent, and refuses some of the attachments.
fn recording(sent: Arc<Mutex<Sent>>) -> Double {
    let double = Double::new().carries(kind());
    double.takes(move |cx, bytes, attachments| {
        let mut sent = sent.lock().unwrap();
        if sent.full {
            sent.sender = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let numbers: Vec<u64> = attachments.iter().map(|a| *a.downcast_ref().unwrap()).collect();
        if let Some(index) = numbers.iter().position(|number| *number >= REFUSED) {
            let error = io::Error::other("it is too large");
            return Poll::Ready(Err(
                RefusedAttachment::one(index, error, Arc::new(STAND_IN)).into()
            ));
        }
        attachments.clear();
        sent.attachments.extend(numbers);
        for slice in bytes {
            sent.bytes.extend_from_slice(slice);
        }
        Poll::Ready(Ok(double::len(bytes)))
    })
}

/// A side, and what it has sent.
struct Side {
    peer: Peer,
    sent: Arc<Mutex<Sent>>,
}

impl Side {
    fn new(on_any_task: bool) -> Self {
        let sent = Arc::<Mutex<Sent>>::default();
        let transport = recording(Arc::clone(&sent)).on_any_task(on_any_task);
        Self { peer: Connection::with_transport(transport).spawn(), sent }
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap()
    }

    /// A call that is queued, but has no answer.
    fn pass(&self, number: u64) -> tokio::task::JoinHandle<Result<(), CallError>> {
        tokio::spawn(self.peer.call_remote(Pass { beside: Beside(number) }))
    }

    async fn refuses(&self, number: u64) {
        assert_not_sent(self.pass(number).await.unwrap());
    }

    /// What is sent by now, as soon as there are so many boxes: their ordinals, and the attachments.
    /// And nothing counts that is not.
    async fn sends(&self, boxes: usize) -> (Vec<String>, Vec<u64>) {
        loop {
            let (bytes, attachments) = {
                let sent = self.sent();
                (sent.bytes.clone(), sent.attachments.clone())
            };
            let mut rest = bytes.clone();
            let mut decoder = Decoder::new(BoxLimits::default());
            let found: Vec<AmpBox> =
                std::iter::from_fn(|| decoder.decode(&mut rest).unwrap()).collect();
            if found.len() < boxes {
                tokio::task::yield_now().await;
                continue;
            }
            let counters = self.peer.counters();
            assert_eq!(counters.calls_sent, boxes as u64);
            assert_eq!(counters.boxes_sent, boxes as u64);
            assert_eq!(counters.bytes_sent, bytes.len() as u64);
            let ordinal =
                |ampbox: &AmpBox| String::from_utf8_lossy(ampbox.get("beside").unwrap()).into();
            return (found.iter().map(ordinal).collect(), attachments);
        }
    }
}

fn assert_not_sent(result: Result<(), CallError>) {
    let error = result.unwrap_err();
    let CallError::NotSent(cause) = &error else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "it is too large");
    assert!(error.is_safe_to_retry());
}

#[tokio::test]
async fn one_that_is_refused_alone_leaves_no_trace() {
    for on_any_task in [false, true] {
        let side = Side::new(on_any_task);
        for _ in 0..3 {
            side.refuses(REFUSED).await;
        }
        side.peer.notify(Notice { beside: Beside(REFUSED) }).await.unwrap();
        let _call = side.pass(5);
        assert_eq!(side.sends(1).await, (vec!["0".to_owned()], vec![5]));
        side.refuses(REFUSED).await;
        side.peer.notify(Notice { beside: Beside(6) }).await.unwrap();
        let expected = (vec!["0".to_owned(), "1".to_owned()], vec![5, 6]);
        assert_eq!(side.sends(2).await, expected);
    }
}

#[tokio::test]
async fn one_before_others_has_a_stand_in_and_the_last_has_none() {
    for on_any_task in [false, true] {
        let side = Side::new(on_any_task);
        let _first = side.pass(1);
        let refused = side.pass(REFUSED);
        let _third = side.pass(3);
        let last = side.pass(REFUSED + 1);
        assert_not_sent(refused.await.unwrap());
        assert_not_sent(last.await.unwrap());
        let expected = (vec!["0".to_owned(), "2".to_owned()], vec![1, STAND_IN, 3]);
        assert_eq!(side.sends(2).await, expected);
        let _next = side.pass(4);
        let (ordinals, attachments) = side.sends(3).await;
        assert_eq!((&ordinals[2][..], attachments[3]), ("3", 4));
    }
}

/// Nothing stands in for the first when the second is not sent either.
#[tokio::test]
async fn several_that_are_refused_together_leave_no_trace() {
    for on_any_task in [false, true] {
        let side = Side::new(on_any_task);
        let _first = side.pass(1);
        let refused = [REFUSED, REFUSED + 1, REFUSED + 2].map(|number| side.pass(number));
        for call in refused {
            assert_not_sent(call.await.unwrap());
        }
        assert_eq!(side.sends(1).await, (vec!["0".to_owned()], vec![1]));
        for number in 4..8 {
            let _next = side.pass(number);
            let (ordinals, attachments) = side.sends(usize::try_from(number).unwrap() - 2).await;
            assert_eq!(*attachments.last().unwrap(), number);
            assert_eq!(*ordinals.last().unwrap(), (number - 3).to_string());
        }
    }
}

/// A number that takes its time to be encoded.
#[derive(Debug)]
struct Slow(Beside, Sender<()>, Mutex<Receiver<bool>>);

impl Argument for Slow {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)?;
        self.1.send(()).unwrap();
        let goes_well = self.2.lock().unwrap().recv().unwrap();
        if goes_well { Ok(()) } else { Err(EncodeError::custom("it is no good")) }
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("it is only sent"))
    }
}

#[derive(Command, Debug)]
struct PassSlowly {
    beside: Slow,
}

/// Its ordinal is given out already when the one before it is refused. The driver waits for it, and
/// not by blocking.
#[tokio::test]
async fn a_box_that_is_being_encoded_is_waited_for() {
    for goes_well in [true, false] {
        let side = Side::new(false);
        side.sent().full = true;
        let refused = side.pass(REFUSED);
        while side.sent().sender.is_none() {
            tokio::task::yield_now().await;
        }
        let (begun, has_begun) = channel();
        let (end, may_end) = channel();
        let peer = side.peer.clone();
        let encoding = std::thread::spawn(move || {
            let beside = Slow(Beside(7), begun, Mutex::new(may_end));
            let mut call = std::pin::pin!(peer.call_remote(PassSlowly { beside }));
            let mut cx = Context::from_waker(Waker::noop());
            let polled = call.as_mut().poll(&mut cx);
            assert_eq!(polled.is_pending(), goes_well);
        });
        has_begun.recv().unwrap();
        let sender = {
            let mut sent = side.sent();
            sent.full = false;
            sent.sender.take().unwrap()
        };
        sender.wake();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(!refused.is_finished());
        end.send(goes_well).unwrap();
        assert_not_sent(refused.await.unwrap());
        encoding.join().unwrap();
        if goes_well {
            // Nobody waits for its answer any more; it was sent all the same.
            let expected = (vec!["1".to_owned()], vec![STAND_IN, 7]);
            assert_eq!(side.sends(1).await, expected);
        } else {
            let _next = side.pass(8);
            assert_eq!(side.sends(1).await, (vec!["0".to_owned()], vec![8]));
        }
    }
}

/// Asks for something beside, when it is let go.
#[derive(Command)]
#[amp(response = Besides)]
struct Ask {}

#[derive(Arguments)]
struct Besides {
    beside: Beside,
}

/// Nine calls are answered at once, to a peer that is sent nothing before all of them are. There is room for the
/// attachments of four; what others have waiting counts too, so fewer may be sent.
async fn crowded(policy: FailurePolicy) -> Peer {
    let sent = Arc::new(Mutex::new(Sent { full: true, ..Sent::default() }));
    let gate = Arc::new(Semaphore::new(0));
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let record = Arc::clone(&sent);
    let transport = Double::over(near).carries(kind()).takes(move |cx, bytes, attachments| {
        let mut sent = record.lock().unwrap();
        if sent.full {
            sent.sender = Some(cx.waker().clone());
            return Poll::Pending;
        }
        sent.attachments.extend(attachments.drain(..).map(|a| *a.downcast_ref::<u64>().unwrap()));
        for slice in bytes {
            sent.bytes.extend_from_slice(slice);
        }
        Poll::Ready(Ok(double::len(bytes)))
    });
    let responders = Responders::new(Arc::clone(&gate)).respond(
        async |context: amp_core::Context<Arc<Semaphore>>, _: Ask| {
            context.state().acquire().await.unwrap().forget();
            Ok::<_, NoError>(Besides { beside: Beside(7) })
        },
    );
    let limits = Limits::default().attachments_in_all(2);
    let connection = Connection::with_transport(transport).limits(limits).responders(responders);
    let peer = connection.failure_policy(policy).spawn();
    for tag in 1..=9 {
        let call = [("_ask", tag.to_string()), ("_command", "Ask".to_owned())];
        far.write_all(&AmpBox::from_pairs(call).unwrap().to_bytes()).await.unwrap();
    }
    settled().await;
    gate.add_permits(9);
    settled().await;
    let waiting = {
        let mut sent = sent.lock().unwrap();
        sent.full = false;
        sent.sender.take()
    };
    waiting.unwrap().wake();
    settled().await;
    let mut sent = sent.lock().unwrap();
    let mut decoder = Decoder::new(BoxLimits::default());
    let boxes: Vec<_> = std::iter::from_fn(|| decoder.decode(&mut sent.bytes).unwrap()).collect();
    let (answers, errors): (Vec<_>, Vec<_>) =
        boxes.iter().partition(|ampbox| ampbox.get("_answer").is_some());
    assert!((1..=4).contains(&answers.len()), "{answers:?}");
    assert_eq!((errors.len(), sent.attachments.len()), (9 - answers.len(), answers.len()));
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(
            answer.get("beside"),
            Some(number.to_string().as_bytes()),
            "no ordinal is left out"
        );
    }
    for error in errors {
        assert_eq!(error.get("_error_code"), Some(&b"UNKNOWN"[..]));
    }
    peer
}

/// Others may have all there may be, so that is no failure of a responder.
#[tokio::test(start_paused = true)]
async fn answers_whose_attachments_would_be_too_many_behind_others_become_errors() {
    for policy in [FailurePolicy::Stay, FailurePolicy::Close] {
        assert!(!crowded(policy).await.is_closed(), "{policy:?}");
    }
}
