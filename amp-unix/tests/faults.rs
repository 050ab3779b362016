//! Peers that go away in the middle, and peers that are slow.

mod support;

use amp_core::{Arguments, CallError, CloseReason, Command, Limits, PeerAddress, Responders};
use amp_unix::{Descriptor, IUnixTransport, connection_over};
use bytes::{Bytes, BytesMut};
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use support::numbered::{Far, number, numbered};
use support::random::Random;
use support::{ask, without_leak};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// A peer that sends so many descriptors without a byte, and is gone.
struct OnlyDescriptors(usize);

impl IUnixTransport for OnlyDescriptors {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        assert!(support::open_descriptors() < 300, "nobody counts them");
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(Ok(0)) };
        self.0 = left;
        descriptors.push(numbered(0).into_owned().unwrap());
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        _: &[IoSlice<'_>],
        _: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn descriptors_without_bytes_are_bounded_too() {
    without_leak("descriptors_without_bytes_are_bounded_too", || async {
        let limits = Limits::default().unclaimed_attachments(100);
        let peer = connection_over(OnlyDescriptors(1000)).limits(limits).spawn();
        let reason = peer.closed().await;
        assert!(matches!(reason, CloseReason::Peer), "{reason}");
    });
}

/// Passes a descriptor among many bytes, and gets another.
#[derive(Command, Debug)]
#[amp(response = Passed)]
struct Pass {
    n: u64,
    file: Descriptor,
    filler: Bytes,
}

#[derive(Arguments, Debug)]
struct Passed {
    file: Descriptor,
}

/// `right` counts the descriptors that are those of their calls.
fn responders(right: &Arc<AtomicU64>) -> Responders<Arc<AtomicU64>> {
    Responders::new(Arc::clone(right)).respond(|context, Pass { n, file, .. }| {
        assert_eq!(number(file), n);
        context.state().fetch_add(1, Ordering::Relaxed);
        async move { Ok(Passed { file: numbered(!n) }) }
    })
}

#[test]
fn a_peer_that_closes_in_the_middle_of_a_box_leaves_nothing_open() {
    without_leak("a_peer_that_closes_in_the_middle_of_a_box_leaves_nothing_open", || async {
        let bytes = ask("1", "Pass", &[("n", "2"), ("file", "2"), ("filler", "x")]);
        for cut in 1..bytes.len() {
            let (near, far) = UnixStream::pair().unwrap();
            let right = Arc::<AtomicU64>::default();
            let peer = amp_unix::connection(near).unwrap().responders(responders(&right)).spawn();
            let mut far = Far::new(far);
            let whole = ask("1", "Pass", &[("n", "0"), ("file", "0"), ("filler", "x")]);
            far.send(&whole, 1).await;
            far.receive().await.unwrap();
            far.send(&bytes[..cut], 3).await;
            drop(far);
            let reason = peer.closed().await;
            assert!(matches!(reason, CloseReason::Truncated { received } if received == cut));
            assert_eq!(right.load(Ordering::Relaxed), 1);
        }
    });
}

/// Some of the calls are answered, some are sent and not received, some are not sent.
#[test]
fn a_peer_that_closes_while_much_waits_to_be_sent_leaves_nothing_open() {
    without_leak("a_peer_that_closes_while_much_waits_to_be_sent_leaves_nothing_open", || async {
        for received in 0..40 {
            let before = support::open_descriptors();
            let (near, far) = UnixStream::pair().unwrap();
            setsockopt(&near, sockopt::SndBuf, &1).unwrap();
            let peer = amp_unix::connection(near).unwrap().spawn();
            let mut far = Far::new(far);
            let mut calls = JoinSet::new();
            for n in 0..50 {
                let pass = Pass { n, file: numbered(n), filler: vec![0; 3000].into() };
                calls.spawn(peer.call_remote(pass));
            }
            for _ in 0..received {
                far.receive().await.unwrap();
            }
            drop(far);
            for answer in calls.join_all().await {
                let error = answer.unwrap_err();
                assert!(matches!(error, CallError::Closed(_)), "{error}");
            }
            peer.closed().await;
            assert_eq!(support::open_descriptors(), before, "{received} received");
        }
    });
}

/// Reads little at a time, and not always.
struct Slow {
    stream: UnixStream,
    random: Random,
}

impl IUnixTransport for Slow {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        if self.random.below(2) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut little = BytesMut::with_capacity(1 + self.random.below(1000));
        let received = self.stream.poll_receive(cx, &mut little, descriptors);
        buffer.extend_from_slice(&little);
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

    fn peer_address(&self) -> PeerAddress {
        self.stream.peer_address()
    }
}

#[test]
fn a_full_buffer_and_a_slow_reader_mix_nothing_up() {
    without_leak("a_full_buffer_and_a_slow_reader_mix_nothing_up", || async {
        let (near, far) = UnixStream::pair().unwrap();
        for stream in [&near, &far] {
            setsockopt(stream, sockopt::SndBuf, &1).unwrap();
        }
        let right = Arc::<AtomicU64>::default();
        let far = Slow { stream: far, random: Random::new(4) };
        let peers = [amp_unix::connection(near).unwrap(), connection_over(far)]
            .map(|connection| connection.responders(responders(&right)).spawn());
        let mut random = Random::new(5);
        let mut calls = JoinSet::new();
        for n in 0..400 {
            let filler = vec![7; random.choose([0, 10, 6000])].into();
            let pass = peers[random.below(2)].call_remote(Pass { n, file: numbered(n), filler });
            calls.spawn(async move { assert_eq!(number(pass.await.unwrap().file), !n) });
        }
        calls.join_all().await;
        assert_eq!(right.load(Ordering::Relaxed), 400);
        for peer in peers {
            peer.close().await;
        }
    });
}
