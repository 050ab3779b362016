//! A transport that does all that [`IUnixTransport`] allows, as its script has it.

use amp_unix::IUnixTransport;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::random::Random;

/// How many bytes one direction holds.
const ROOM: usize = 3000;

/// One direction.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// How many bytes were taken out.
    taken: usize,
    /// Each with the position of the byte that it was sent with.
    descriptors: VecDeque<(usize, OwnedFd)>,
    closed: bool,
    /// Whether nobody will read.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(waker: &mut Option<Waker>) {
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }
}

/// What a side does, beside sending and receiving what it should.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) max_descriptors: usize,
    /// After so many sends that took something, they fail.
    pub(crate) sends: usize,
    /// After so many receives that gave something, they fail.
    pub(crate) receives: usize,
}

impl Script {
    pub(crate) fn new(seed: u64, max_descriptors: usize) -> Self {
        Self { seed, max_descriptors, sends: usize::MAX, receives: usize::MAX }
    }
}

/// One side of a connection in memory.
///
/// A send takes any number of bytes, at least one. A receive gives any number, with each
/// descriptor at the last moment or before, even without a byte. Either may be `Pending` at any
/// time.
pub(crate) struct Scripted {
    script: Script,
    random: Random,
    to_peer: Arc<Mutex<Pipe>>,
    from_peer: Arc<Mutex<Pipe>>,
    steps: Arc<Mutex<usize>>,
}

impl Scripted {
    /// Two sides, and how many times anything was done on either.
    pub(crate) fn pair(scripts: [Script; 2]) -> ([Self; 2], Arc<Mutex<usize>>) {
        let pipes = [Arc::<Mutex<Pipe>>::default(), Arc::default()];
        let steps = Arc::<Mutex<usize>>::default();
        let side = |script: Script, to: usize| Self {
            script,
            random: Random::new(script.seed),
            to_peer: Arc::clone(&pipes[to]),
            from_peer: Arc::clone(&pipes[1 - to]),
            steps: Arc::clone(&steps),
        };
        ([side(scripts[0], 0), side(scripts[1], 1)], steps)
    }

    /// Whether this step is one on which nothing is done, without a reason.
    fn hesitates(&mut self, cx: &mut Context<'_>) -> bool {
        *self.steps.lock().unwrap() += 1;
        let hesitates = self.random.below(3) == 0;
        if hesitates {
            cx.waker().wake_by_ref();
        }
        hesitates
    }
}

impl IUnixTransport for Scripted {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        let hesitates = self.hesitates(cx);
        let Self { script, random, from_peer, .. } = self;
        let mut pipe: MutexGuard<'_, Pipe> = from_peer.lock().unwrap();
        if random.below(4) == 0 {
            let early = random.below(pipe.descriptors.len() + 1);
            descriptors.extend(pipe.descriptors.drain(..early).map(|(_, fd)| fd));
        }
        if hesitates {
            return Poll::Pending;
        }
        if script.receives == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let room = buffer.capacity() - buffer.len();
        assert_ne!(room, 0);
        if pipe.bytes.is_empty() {
            if pipe.closed {
                return Poll::Ready(Ok(0));
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = room.min(pipe.bytes.len()).min(random.choose([1, 7, 300, usize::MAX]));
        let count = 1 + random.below(most);
        buffer.extend(pipe.bytes.drain(..count));
        pipe.taken += count;
        while pipe.descriptors.front().is_some_and(|(position, _)| *position < pipe.taken) {
            descriptors.extend(pipe.descriptors.pop_front().map(|(_, fd)| fd));
        }
        Pipe::wake(&mut pipe.writer);
        script.receives -= 1;
        Poll::Ready(Ok(count))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        let hesitates = self.hesitates(cx);
        let Self { script, random, to_peer, .. } = self;
        let offered: usize = bytes.iter().map(|slice| slice.len()).sum();
        assert_ne!(offered, 0);
        assert!(descriptors.len() <= script.max_descriptors);
        if hesitates {
            return Poll::Pending;
        }
        if script.sends == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut pipe = to_peer.lock().unwrap();
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = ROOM - pipe.bytes.len();
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let position = pipe.taken + pipe.bytes.len();
        for fd in descriptors {
            pipe.descriptors.push_back((position, fd.try_clone_to_owned().unwrap()));
        }
        let most = room.min(offered).min(random.choose([1, 7, 300, usize::MAX]));
        let count = 1 + random.below(most);
        let all = bytes.iter().flat_map(|slice| slice.iter().copied());
        pipe.bytes.extend(all.take(count));
        Pipe::wake(&mut pipe.reader);
        script.sends -= 1;
        Poll::Ready(Ok(count))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.to_peer.lock().unwrap();
        pipe.closed = true;
        Pipe::wake(&mut pipe.reader);
        Poll::Ready(Ok(()))
    }

    fn max_descriptors(&self) -> usize {
        self.script.max_descriptors
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let mut pipe = self.to_peer.lock().unwrap();
        pipe.closed = true;
        Pipe::wake(&mut pipe.reader);
        drop(pipe);
        let mut pipe = self.from_peer.lock().unwrap();
        pipe.broken = true;
        Pipe::wake(&mut pipe.writer);
    }
}
