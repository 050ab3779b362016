//! Descriptors that are refused among many that are not: each that arrives is the one that was sent.

mod support;

use amp_core::argument::{Attachment, AttachmentKind};
use amp_core::{
    Arguments, CallError, Command, Connection, Limits, Peer, RefusedAttachment, Responders,
    Transport,
};
use amp_unix::{Descriptor, UnixTransport, connection};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use support::numbered::{number, numbered};
use support::random::Random;
use support::without_leak;
use tokio::net::UnixStream;

/// Refuses one descriptor.
struct Picky {
    transport: UnixTransport<UnixStream>,
    refused: RawFd,
}

impl Transport for Picky {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_receive(cx, buffer, attachments)
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        let is_refused = |attachment: &Attachment| {
            attachment.downcast_ref::<OwnedFd>().unwrap().as_raw_fd() == self.refused
        };
        if let Some(index) = attachments.iter().position(is_refused) {
            let stand_in = Arc::new(OwnedFd::from(std::io::pipe().unwrap().0));
            let error = io::ErrorKind::PermissionDenied.into();
            return Poll::Ready(Err(RefusedAttachment::one(index, error, stand_in).into()));
        }
        Pin::new(&mut self.transport).poll_send(cx, bytes, attachments)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        self.transport.attachment_kind()
    }
}

#[derive(Command, Debug)]
#[amp(response = Passed)]
struct Pass {
    n: u64,
    files: Vec<Descriptor>,
    filler: Vec<u8>,
}

#[derive(Arguments, Debug)]
struct Passed {
    wrong: usize,
}

struct Sides {
    peer: Peer,
    far: Peer,
    refused: Descriptor,
}

fn sides() -> Sides {
    let (near, far) = UnixStream::pair().unwrap();
    let refused = numbered(0);
    let number_of_refused = std::os::fd::AsFd::as_fd(&refused).as_raw_fd();
    let transport = Picky { transport: UnixTransport::new(near), refused: number_of_refused };
    let limits = Limits::default().unclaimed_attachments(1024).attachments_in_all(4096);
    let responders = Responders::new(()).respond(|_, Pass { n, files, .. }| async move {
        Ok(Passed { wrong: files.into_iter().map(number).filter(|m| *m != n).count() })
    });
    Sides {
        peer: Connection::with_transport(transport).spawn(),
        far: connection(far).unwrap().responders(responders).limits(limits).spawn(),
        refused,
    }
}

impl Sides {
    /// Passes so many descriptors, and perhaps the one at `refused` that is not sent.
    async fn pass(&self, n: u64, count: usize, refused: Option<usize>, filler: usize) {
        let mut files: Vec<_> = (0..count).map(|_| numbered(n)).collect();
        if let Some(at) = refused {
            files.insert(at, self.refused.clone());
        }
        let passed = self.peer.call_remote(Pass { n, files, filler: vec![0; filler] }).await;
        match passed {
            Ok(Passed { wrong }) => assert!(refused.is_none() && wrong == 0, "{wrong} of {n}"),
            Err(CallError::NotSent(_)) => assert!(refused.is_some(), "{n}"),
            Err(error) => panic!("{n}: {error:?}"),
        }
    }

    async fn end(self) {
        self.peer.close().await;
        self.far.closed().await;
    }
}

#[test]
fn two_that_are_refused_in_one_batch_shift_no_others() {
    without_leak("two_that_are_refused_in_one_batch_shift_no_others", || async {
        let sides = sides();
        sides.pass(1, 1, None, 0).await;
        tokio::join!(sides.pass(2, 0, Some(0), 0), sides.pass(3, 0, Some(0), 0));
        tokio::join!(sides.pass(4, 1, None, 0), sides.pass(5, 1, None, 0));
        for n in 6..10 {
            sides.pass(n, 1, None, 0).await;
        }
        sides.end().await;
    });
}

#[test]
fn one_of_more_than_go_ahead_shifts_no_others() {
    without_leak("one_of_more_than_go_ahead_shifts_no_others", || async {
        for (first, second) in [(99, 100), (30, 100), (63, 2), (64, 1), (1, 64)] {
            let sides = sides();
            sides.pass(1, 1, None, 0).await;
            tokio::join!(
                sides.pass(2, first, Some(0), 60_000),
                sides.pass(3, second, None, 0),
                sides.pass(4, 1, Some(1), 0),
            );
            for n in 5..8 {
                sides.pass(n, 1, None, 0).await;
            }
            sides.end().await;
        }
    });
}

/// Whatever is refused among whatever else.
#[test]
fn any_of_any_number_shift_no_others() {
    without_leak("any_of_any_number_shift_no_others", || async {
        for seed in 0..30 {
            let sides = sides();
            let mut random = Random::new(seed);
            for round in 0..5 {
                let mut calls: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
                for n in 0..12 {
                    let count = random.choose([0, 1, 2, 40, 70]);
                    let refused = (random.below(3) == 0).then(|| random.below(count + 1));
                    let filler = random.choose([0, 10, 20_000]);
                    calls.push(Box::pin(sides.pass(100 * round + n, count, refused, filler)));
                }
                std::future::poll_fn(|cx| {
                    calls.retain_mut(|call| call.as_mut().poll(cx).is_pending());
                    if calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            sides.end().await;
        }
    });
}
