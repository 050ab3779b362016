//! Single messages, and a transport of another kind made of them.

mod support;

use amp_core::{PeerAddress, Transport};
use amp_unix::socket::{self, MAX_DESCRIPTORS};
use amp_unix::{DescriptorError, IUnixTransport, UnixTransport};
use bytes::BytesMut;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, ready};
use support::{attachments, receive_all, send_all, send_some, tags};
use tokio::io::Interest;

#[test]
fn nothing_blocks() {
    // Sockets of `std` are in blocking mode.
    let (here, there) = UnixStream::pair().unwrap();
    let mut buffer = BytesMut::with_capacity(10);
    let empty = socket::receive(&there, &mut buffer, &mut Vec::new()).unwrap_err();
    assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    let bytes = vec![0; 100_000];
    let full = loop {
        match socket::send(&here, &[IoSlice::new(&bytes)], &[]) {
            Ok(moved) => assert_eq!(moved.exhausted, moved.bytes < bytes.len()),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn what_cannot_be_sent_or_received_is_refused() {
    let (here, there) = UnixStream::pair().unwrap();
    let file = here.as_fd();
    let nothing = socket::send(&here, &[IoSlice::new(b"")], &[file]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WriteZero);

    let one = [IoSlice::new(b"x")];
    let too_many = socket::send(&here, &one, &[file; MAX_DESCRIPTORS + 1]).unwrap_err();
    assert_eq!(too_many.kind(), io::ErrorKind::InvalidInput);
    socket::send(&here, &one, &[file; MAX_DESCRIPTORS]).unwrap();

    let no_room = socket::receive(&there, &mut BytesMut::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(no_room.kind(), io::ErrorKind::InvalidInput);
}

/// Two descriptors at a time, over a socket that keeps messages apart.
struct Packets(tokio::net::UnixStream);

impl IUnixTransport for Packets {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self
                .0
                .try_io(Interest::READABLE, || socket::receive(&self.0, buffer, descriptors))
            {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result.map(|moved| moved.bytes)),
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_io(Interest::WRITABLE, || socket::send(&self.0, bytes, descriptors)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result.map(|moved| moved.bytes)),
            }
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket::shutdown(&self.0))
    }

    fn max_descriptors(&self) -> usize {
        2
    }

    fn peer_address(&self) -> PeerAddress {
        PeerAddress::Name("packets".into())
    }
}

fn packets() -> (Packets, Packets) {
    let (family, flags) = (AddressFamily::Unix, SockFlag::empty());
    let (a, b) = socketpair(family, SockType::SeqPacket, None, flags).unwrap();
    let packets = |fd| {
        let socket = UnixStream::from(fd);
        socket.set_nonblocking(true).unwrap();
        Packets(tokio::net::UnixStream::from_std(socket).unwrap())
    };
    (packets(a), packets(b))
}

#[tokio::test]
async fn a_transport_of_another_kind_carries_descriptors_behind_a_box() {
    let (here, there) = packets();
    let boxed = |packets| UnixTransport::new(Box::new(packets) as Box<dyn IUnixTransport>);
    let (mut here, mut there) = (boxed(here), boxed(there));
    assert_eq!(here.peer_address(), PeerAddress::Name("packets".into()));
    let mut queue = attachments(0..5);
    for expected in [(1, 3), (1, 1), (18, 0)] {
        let sent = send_some(&mut here, &[0; 18], &mut queue).await.unwrap();
        assert_eq!((sent, queue.len()), expected);
    }
    let (_, descriptors) = receive_all(&mut there, 20).await;
    assert_eq!(tags(&descriptors), [0, 1, 2, 3, 4]);
}

#[test]
fn a_message_that_is_too_long_is_an_error_and_its_descriptors_are_closed() {
    let name = "a_message_that_is_too_long_is_an_error_and_its_descriptors_are_closed";
    support::in_own_process(name, || {
        support::block_on(async {
            let (here, there) = packets();
            let before = support::open_descriptors();
            send_all(&mut UnixTransport::new(here), b"longer than that", attachments([1])).await;
            let (mut buffer, mut descriptors) = (BytesMut::with_capacity(4), Vec::new());
            let error = socket::receive(&there.0, &mut buffer, &mut descriptors).unwrap_err();
            let error = error.downcast::<DescriptorError>().unwrap();
            assert_eq!(error, DescriptorError::Truncated { room: 4 });
            assert!(buffer.is_empty() && descriptors.is_empty());
            assert_eq!(support::open_descriptors(), before - 1, "all but `here`");
        });
    });
}
