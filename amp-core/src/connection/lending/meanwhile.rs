//! Whatever happens while a caller has the stream. Caller and driver touch what they share only while
//! the state is locked, and a caller lets go of it once: while it writes. So all that may happen there,
//! in each order, is all that there is to be tried.

use super::tests::Sides;
use crate::boxes::{AmpBox, BoxLimits, Decoder};
use crate::connection::call::NamedCall;
use crate::connection::wakes::Wakes;
use crate::connection::{Driver, Peer};
use crate::keys;
use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// How many things happen while a caller writes, at most.
const AT_ONCE: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    /// The driver comes, woken by the transport or for nothing.
    Drive,
    /// It comes on another task than before.
    DriveElsewhere,
    Call,
    Notify,
    Close,
    DropDriver,
}

impl Meanwhile {
    const ALL: [Self; 6] = [
        Self::Drive,
        Self::DriveElsewhere,
        Self::Call,
        Self::Notify,
        Self::Close,
        Self::DropDriver,
    ];
}

/// What becomes of the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    All,
    Part,
    Nothing,
    Fails,
    Panics,
}

impl Write {
    const EACH: [Self; 5] = [Self::All, Self::Part, Self::Nothing, Self::Fails, Self::Panics];

    fn finish(self, len: usize) -> Poll<io::Result<usize>> {
        match self {
            Self::All => Poll::Ready(Ok(len)),
            Self::Part => Poll::Ready(Ok(len / 2)),
            Self::Nothing => Poll::Pending,
            Self::Fails => Poll::Ready(Err(io::Error::other("no more"))),
            Self::Panics => panic!("a mistake in a transport"),
        }
    }
}

/// Those around a connection whose driver runs only when it was woken, on the task that it was polled on
/// last.
struct Around {
    peer: Peer,
    driver: Arc<Mutex<Option<Driver>>>,
    tasks: [Arc<Wakes>; 2],
    /// On which of them the driver was polled last, and how often that had been woken by then.
    polled: Mutex<(usize, usize)>,
    /// Calls that are on their way, and those that were refused.
    calls: Mutex<Vec<NamedCall>>,
    refused: AtomicUsize,
    notified: AtomicUsize,
}

impl Around {
    fn new(sides: &Sides) -> Self {
        Self {
            peer: sides.peer.clone(),
            driver: Arc::clone(&sides.driver),
            tasks: [Arc::clone(&sides.wakes), Arc::default()],
            polled: Mutex::new((0, sides.wakes())),
            calls: Mutex::default(),
            refused: AtomicUsize::new(0),
            notified: AtomicUsize::new(0),
        }
    }

    fn drive_on(&self, task: usize) {
        let mut driver = self.driver.lock().unwrap();
        let Some(running) = &mut *driver else { return };
        *self.polled.lock().unwrap() = (task, self.tasks[task].count());
        let waker = Waker::from(Arc::clone(&self.tasks[task]));
        if Pin::new(running).poll(&mut Context::from_waker(&waker)).is_ready() {
            *driver = None;
        }
    }

    /// Runs the driver for as long as it is woken.
    fn come_to_rest(&self) {
        for _ in 0..20 {
            let (task, woken) = *self.polled.lock().unwrap();
            if self.tasks[task].count() == woken {
                return;
            }
            self.drive_on(task);
        }
        panic!("the driver does not come to rest");
    }

    fn call(&self) {
        let no_pairs: [(&str, &str); 0] = [];
        let mut call = self.peer.call_by_name("A", no_pairs);
        match Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => self.calls.lock().unwrap().push(call),
            Poll::Ready(_) => drop(self.refused.fetch_add(1, Ordering::SeqCst)),
        }
    }

    fn take(&self, meanwhile: Meanwhile) {
        match meanwhile {
            Meanwhile::Drive => {
                let (task, _) = *self.polled.lock().unwrap();
                self.drive_on(task);
            }
            Meanwhile::DriveElsewhere => {
                let (task, _) = *self.polled.lock().unwrap();
                self.drive_on(1 - task);
            }
            Meanwhile::Call => self.call(),
            Meanwhile::Notify => {
                let mut notify = std::pin::pin!(self.peer.notify_by_name("A", [("a", "b")]));
                let polled = notify.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if matches!(polled, Poll::Ready(Ok(()))) {
                    self.notified.fetch_add(1, Ordering::SeqCst);
                }
            }
            Meanwhile::Close => self.peer.shared().close(&crate::error::CloseReason::Local),
            Meanwhile::DropDriver => drop(self.driver.lock().unwrap().take()),
        }
    }
}

/// The tags of the boxes that were sent, each whole; none where no answer is wanted.
fn tags(sent: &[u8]) -> Vec<Option<String>> {
    let (mut decoder, mut sent) = (Decoder::new(BoxLimits::default()), BytesMut::from(sent));
    let mut tags = Vec::new();
    let tag = |ampbox: &AmpBox| {
        ampbox.get(keys::ASK).map(|tag| String::from_utf8_lossy(tag).into_owned())
    };
    while let Some(ampbox) = decoder.decode(&mut sent).expect("boxes") {
        tags.push(tag(&ampbox));
    }
    assert!(sent.is_empty(), "a box is cut off");
    tags
}

fn check(write: Write, meanwhile: &[Meanwhile]) {
    let sides = Sides::new();
    let around = Arc::new(Around::new(&sides));
    let (during, steps) = (Arc::clone(&around), meanwhile.to_vec());
    sides.next(move |len| {
        for step in &steps {
            during.take(*step);
        }
        write.finish(len)
    });
    let received = sides.far.receives.load(Ordering::SeqCst);
    let panicked = catch_unwind(AssertUnwindSafe(|| around.call())).is_err();
    assert_eq!(panicked, write == Write::Panics);
    around.come_to_rest();
    let comes = [Meanwhile::Drive, Meanwhile::DriveElsewhere];
    let is_dropped = meanwhile.contains(&Meanwhile::DropDriver);
    let is_over = is_dropped || meanwhile.contains(&Meanwhile::Close);
    let is_broken = matches!(write, Write::Fails | Write::Panics);
    let mut calls = around.calls.lock().unwrap();
    for call in &mut *calls {
        let polled = Pin::new(call).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled.is_ready(), is_over, "whoever waits is told of the end, and of no other");
    }
    if !is_dropped && meanwhile.iter().any(|step| comes.contains(step)) {
        let received_since = sides.far.receives.load(Ordering::SeqCst) - received;
        // Once the end has begun nothing is read, and where the stream is broken it is over at once.
        let has_ended = around.driver.lock().unwrap().is_none();
        let had_turn = received_since > 0 || has_ended;
        assert!(had_turn, "a driver that comes has its turn when the stream is back");
    }
    if is_dropped {
        let transports = Arc::strong_count(&sides.far);
        assert_eq!(transports, 1, "the transport is dropped");
    } else if is_broken {
        assert!(!sides.broken().is_empty(), "what is broken is known");
    } else {
        let tags = tags(&sides.far.sent.lock().unwrap());
        let asked: Vec<_> = tags.iter().flatten().collect();
        let expected: Vec<_> = (1..=calls.len()).map(|tag| format!("{tag:x}")).collect();
        assert!(asked.iter().copied().eq(&expected), "{asked:?} of {expected:?} were sent");
        let notified = around.notified.load(Ordering::SeqCst);
        assert_eq!(tags.len() - asked.len(), notified, "what is queued is sent");
    }
}

#[tokio::test]
async fn whatever_happens_while_a_caller_writes_nothing_is_lost() {
    let mut sequences = vec![Vec::new()];
    for len in 0..AT_ONCE {
        let longest: Vec<_> =
            sequences.iter().filter(|steps| steps.len() == len).cloned().collect();
        for steps in longest {
            sequences.extend(Meanwhile::ALL.map(|next| [&steps[..], &[next]].concat()));
        }
    }
    for write in Write::EACH {
        for meanwhile in &sequences {
            let checked = catch_unwind(AssertUnwindSafe(|| check(write, meanwhile)));
            assert!(checked.is_ok(), "{write:?} with {meanwhile:?}");
        }
    }
}
