use super::*;
use crate::connection::call::NamedCall;
use crate::connection::double::Double;
use crate::connection::wakes::Wakes;
use crate::connection::{Connection, Driver, Peer};
use crate::error::{CallError, CloseReason};
use crate::observing::WireLog;
use crate::proto::Limits;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, ready};

/// What becomes of one attempt to send so many bytes.
type Sending = Box<dyn FnOnce(usize) -> Poll<io::Result<usize>> + Send>;

/// The other side of a transport that takes everything, unless it was told otherwise.
#[derive(Default)]
pub(super) struct Far {
    pub(super) sent: Mutex<Vec<u8>>,
    next: Mutex<VecDeque<Sending>>,
    pub(super) receives: AtomicUsize,
    /// Whether what is sent stays where it is.
    stuck: AtomicBool,
}

/// The transport that has this at its other side. Callers send on it too.
fn near(far: &Arc<Far>) -> Double {
    let [receiving, sending, flushing] = [(); 3].map(|()| Arc::clone(far));
    Double::new()
        .on_any_task(true)
        .receives(move |_, _| {
            receiving.receives.fetch_add(1, Ordering::SeqCst);
            Poll::Pending
        })
        .takes(move |_, bytes, _| {
            let bytes: Vec<u8> = bytes.iter().flat_map(|slice| slice.iter().copied()).collect();
            let next = sending.next.lock().unwrap().pop_front();
            let all = Poll::Ready(Ok(bytes.len()));
            let sent = ready!(next.map_or(all, |next| next(bytes.len())))?;
            sending.sent.lock().unwrap().extend_from_slice(&bytes[..sent]);
            Poll::Ready(Ok(sent))
        })
        .flushes(move || {
            let stuck = flushing.stuck.load(Ordering::SeqCst);
            if stuck { Poll::Pending } else { Poll::Ready(Ok(())) }
        })
}

/// A connection whose driver runs when it is told to.
pub(super) struct Sides {
    pub(super) far: Arc<Far>,
    pub(super) peer: Peer,
    pub(super) driver: Arc<Mutex<Option<Driver>>>,
    pub(super) wakes: Arc<Wakes>,
}

impl Sides {
    pub(super) fn new() -> Self {
        Self::with(|connection| connection)
    }

    fn with_limits(limits: Limits) -> Self {
        Self::with(|connection| connection.limits(limits))
    }

    fn with(configure: impl FnOnce(Connection) -> Connection) -> Self {
        let far = Arc::new(Far::default());
        let connection = Connection::with_transport(near(&far));
        let (peer, driver) = configure(connection).start();
        let driver = Arc::new(Mutex::new(Some(driver)));
        let sides = Self { far, peer, driver, wakes: Arc::new(Wakes::default()) };
        sides.drive();
        sides
    }

    fn drive(&self) {
        drive(&self.driver, &Waker::from(Arc::clone(&self.wakes)));
    }

    pub(super) fn next(
        &self,
        sending: impl FnOnce(usize) -> Poll<io::Result<usize>> + Send + 'static,
    ) {
        self.far.next.lock().unwrap().push_back(Box::new(sending));
    }

    pub(super) fn wakes(&self) -> usize {
        self.wakes.count()
    }

    /// How many boxes were sent, the last of them whole.
    fn sent(&self) -> usize {
        let sent = self.far.sent.lock().unwrap();
        assert!(sent.is_empty() || sent.ends_with(CALL_BEHIND_TAG));
        sent.windows(CALL_BEHIND_TAG.len()).filter(|bytes| *bytes == CALL_BEHIND_TAG).count()
    }

    /// Why nothing can be sent any more.
    pub(super) fn broken(&self) -> String {
        let reason = self.peer.shared().with(|state| state.core.end().refusal().cloned());
        reason.map(|reason| reason.to_string()).unwrap_or_default()
    }
}

fn drive(driver: &Mutex<Option<Driver>>, waker: &Waker) {
    let mut driver = driver.lock().unwrap();
    let driver = Pin::new(driver.as_mut().expect("it was not dropped"));
    assert!(driver.poll(&mut Context::from_waker(waker)).is_pending());
}

const CALL_BEHIND_TAG: &[u8] = b"\0\x08_command\0\x01A\0\0";

/// A call that was polled once, and so is on its way.
fn call(peer: &Peer) -> NamedCall {
    let no_pairs: [(&str, &str); 0] = [];
    let mut call = peer.call_by_name("A", no_pairs);
    assert!(poll(&mut call).is_pending());
    call
}

fn poll(call: &mut NamedCall) -> Poll<<NamedCall as Future>::Output> {
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_lone_call_is_written_without_the_driver_and_another_by_it() {
    let sides = Sides::new();
    let first = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes()), (1, 0));
    let second = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes()), (1, 1));
    sides.drive();
    // It lets others call too before it writes.
    assert_eq!((sides.sent(), sides.wakes()), (1, 2));
    sides.drive();
    assert_eq!((sides.sent(), sides.wakes()), (2, 2));
    drop((first, second));
    let _third = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes()), (3, 2));
}

#[tokio::test]
async fn a_driver_that_has_something_to_write_writes() {
    let sides = Sides::new();
    let mut notified = std::pin::pin!(sides.peer.notify_by_name("A", [("a", "b")]));
    assert!(notified.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(sides.wakes(), 1);
    let _call = call(&sides.peer);
    assert_eq!((sides.far.sent.lock().unwrap().len(), sides.wakes()), (0, 1));
    sides.drive();
    assert!(sides.far.sent.lock().unwrap().ends_with(CALL_BEHIND_TAG));
}

#[tokio::test]
async fn what_the_transport_has_not_taken_is_sent_before_a_lone_call() {
    let sides = Sides::new();
    let mut notified = std::pin::pin!(sides.peer.notify_by_name("A", [("a", "b")]));
    assert!(notified.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    sides.next(|_| Poll::Pending);
    sides.drive();
    let _call = call(&sides.peer);
    assert!(sides.far.sent.lock().unwrap().is_empty(), "the driver is not done");
    sides.drive();
    sides.drive();
    let sent = sides.far.sent.lock().unwrap();
    assert!(sent.starts_with(b"\0\x08_command\0\x01A\0\x01a") && sent.ends_with(CALL_BEHIND_TAG));
}

#[tokio::test]
async fn a_call_that_is_refused_writes_nothing() {
    let sides = Sides::with_limits(Limits { outstanding_calls: 1, ..Limits::default() });
    let _call = call(&sides.peer);
    let mut refused = sides.peer.call_by_name("A", [("a", "b")]);
    sides.next(|len| panic!("{len} bytes are written"));
    assert!(matches!(poll(&mut refused), Poll::Ready(Err(CallError::TooManyCalls { .. }))));
}

/// It is the user's, and may do what a caller's task is not made for.
#[tokio::test]
async fn the_log_is_written_by_the_driver() {
    let lines = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lines);
    let log = WireLog::new().to(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let sides = Sides::with(|connection| connection.wire_log(log));
    let _call = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes(), lines.load(Ordering::SeqCst)), (0, 1, 0));
    sides.drive();
    assert_eq!((sides.sent(), sides.wakes(), lines.load(Ordering::SeqCst)), (1, 1, 1));
}

#[tokio::test]
async fn what_cannot_be_written_at_once_is_left_to_the_driver() {
    for taken in [Poll::Pending, Poll::Ready(3)] {
        let sides = Sides::new();
        sides.next(move |_| taken.map(Ok));
        let _call = call(&sides.peer);
        assert_eq!(sides.wakes(), 1);
        sides.drive();
        assert_eq!((sides.sent(), sides.wakes()), (1, 1));
    }
}

#[tokio::test]
async fn what_cannot_be_flushed_at_once_is_left_to_the_driver() {
    let sides = Sides::new();
    sides.far.stuck.store(true, Ordering::SeqCst);
    let first = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes()), (1, 1));
    sides.drive();
    drop(first);
    // It is still to be flushed, and so the driver writes this one too.
    let _second = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes()), (1, 2));
    sides.far.stuck.store(false, Ordering::SeqCst);
    sides.drive();
    assert_eq!((sides.sent(), sides.wakes()), (2, 2));
}

#[tokio::test]
async fn a_write_that_fails_breaks_the_connection_as_one_of_the_driver_does() {
    let sides = Sides::new();
    sides.next(|_| Poll::Ready(Err(io::Error::other("no more"))));
    let _call = call(&sides.peer);
    assert_eq!(sides.wakes(), 1);
    sides.drive();
    assert!(sides.broken().ends_with("no more"), "{}", sides.broken());
}

#[tokio::test]
async fn a_transport_that_panics_breaks_the_connection() {
    let sides = Sides::new();
    sides.next(|_| panic!("a mistake in a transport"));
    assert!(catch_unwind(AssertUnwindSafe(|| call(&sides.peer))).is_err());
    assert_eq!(sides.wakes(), 1);
    sides.drive();
    assert!(sides.broken().ends_with("the transport panicked"), "{}", sides.broken());
}

#[tokio::test]
async fn a_driver_that_comes_while_a_caller_writes_has_its_turn_behind_it() {
    let sides = Sides::new();
    // Where it comes may be another task than the one it was in.
    let other = Arc::new(Wakes::default());
    let (driver, waker) = (Arc::clone(&sides.driver), Waker::from(Arc::clone(&other)));
    let (far, before) = (Arc::clone(&sides.far), sides.far.receives.load(Ordering::SeqCst));
    sides.next(move |len| {
        drive(&driver, &waker);
        assert_eq!(far.receives.load(Ordering::SeqCst), before);
        Poll::Ready(Ok(len))
    });
    let _call = call(&sides.peer);
    assert_eq!((other.count(), sides.wakes(), sides.sent()), (1, 0, 1));
    sides.drive();
    assert!(sides.far.receives.load(Ordering::SeqCst) > before);
}

#[tokio::test]
async fn what_is_queued_while_a_caller_writes_is_written_by_the_driver() {
    let sides = Sides::new();
    let (peer, calls) = (sides.peer.clone(), Arc::new(Mutex::new(Vec::new())));
    let during = Arc::clone(&calls);
    sides.next(move |len| {
        during.lock().unwrap().push(call(&peer));
        Poll::Ready(Ok(len))
    });
    let _call = call(&sides.peer);
    assert_eq!((sides.sent(), sides.wakes()), (1, 1));
    sides.drive();
    sides.drive();
    assert_eq!(sides.sent(), 2);
}

#[tokio::test]
async fn a_driver_that_is_dropped_while_a_caller_writes_leaves_nothing_behind() {
    let sides = Sides::new();
    let driver = Arc::clone(&sides.driver);
    sides.next(move |len| {
        drop(driver.lock().unwrap().take());
        Poll::Ready(Ok(len))
    });
    let mut call = call(&sides.peer);
    assert!(
        matches!(poll(&mut call), Poll::Ready(Err(error)) if error.to_string().contains("closed"))
    );
    assert_eq!(Arc::strong_count(&sides.far), 1, "the transport is dropped");
}

#[tokio::test]
async fn a_driver_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let sides = Sides::new();
    drop(sides.driver.lock().unwrap().take());
    assert_eq!(Arc::strong_count(&sides.far), 1, "the transport is dropped");
    let mut call = sides.peer.call_by_name("A", [("a", "b")]);
    assert!(matches!(poll(&mut call), Poll::Ready(Err(CallError::Closed(_)))));
    assert!(matches!(sides.peer.closed().await, CloseReason::Local));
}

/// A reader pauses while enough responders run and this side waits for nothing.
#[tokio::test]
async fn a_driver_that_has_paused_reading_hears_of_a_call() {
    let sides = Sides::with_limits(Limits { running_responders: 1, ..Limits::default() });
    sides.peer.shared().with(|state| state.core.begin_responder(0, false));
    sides.drive();
    let (wakes, receives) = (sides.wakes(), sides.far.receives.load(Ordering::SeqCst));
    let _call = call(&sides.peer);
    assert_eq!(sides.wakes(), wakes + 1);
    sides.drive();
    assert!(sides.far.receives.load(Ordering::SeqCst) > receives);
}

/// As with anything else, a waker's last reference may hold what locks the state.
#[tokio::test]
async fn wakers_are_dropped_with_nothing_locked() {
    struct Holds(Peer);

    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Holds {
        fn drop(&mut self) {
            assert!(self.0.shared().is_unlocked(), "the state is locked");
        }
    }

    let sides = Sides::new();
    let holding = || Waker::from(Arc::new(Holds(sides.peer.clone())));
    drive(&sides.driver, &holding());
    drive(&sides.driver, &holding());
    let (driver, wakers) = (Arc::clone(&sides.driver), [holding(), holding()]);
    sides.next(move |len| {
        for waker in wakers {
            drive(&driver, &waker);
        }
        Poll::Ready(Ok(len))
    });
    let _call = call(&sides.peer);
    sides.drive();
}
