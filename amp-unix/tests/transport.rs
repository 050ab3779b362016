//! Bytes and descriptors over tokio's `UnixStream`, the transport polled by hand.

mod support;

use amp_core::argument::Attachment;
use amp_core::{PeerAddress, Transport};
use amp_unix::{UnixSocketListener, UnixTransport};
use bytes::BytesMut;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use support::{attachments, receive_all, receive_some, send_all, send_some, tagged, tags};
use tokio::net::UnixStream;

type Unix = UnixTransport<UnixStream>;

fn pair() -> (Unix, Unix) {
    let (a, b) = UnixStream::pair().unwrap();
    (UnixTransport::new(a), UnixTransport::new(b))
}

#[tokio::test]
async fn any_number_of_descriptors_arrives_in_order() {
    support::limit_open_files(8192);
    for count in [1, 16, 253, 254, 1000] {
        let (mut here, mut there) = pair();
        let bytes = vec![7; 8 * count];
        let sending = send_all(&mut here, &bytes, attachments(0..count));
        let ((), (received, descriptors)) =
            tokio::join!(sending, receive_all(&mut there, 8 * count));
        assert_eq!(received, bytes);
        assert_eq!(tags(&descriptors), (0..count).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_does_not_fit_beside_one_message_goes_ahead_with_single_bytes() {
    support::limit_open_files(8192);
    let (mut here, _there) = pair();
    let file: Attachment = Arc::new(tagged(0));
    let mut descriptors: VecDeque<Attachment> = std::iter::repeat_n(file, 600).collect();
    let mut taken = Vec::new();
    for _ in 0..3 {
        let sent = send_some(&mut here, &[7; 4800], &mut descriptors).await.unwrap();
        taken.push((sent, descriptors.len()));
    }
    assert_eq!(taken, [(1, 347), (1, 94), (4800, 0)]);
}

#[tokio::test]
async fn a_received_descriptor_is_closed_when_a_program_is_started() {
    let (mut here, mut there) = pair();
    send_all(&mut here, b"x", attachments([1])).await;
    let (_, descriptors) = receive_all(&mut there, 1).await;
    let fd = descriptors[0].downcast_ref::<OwnedFd>().unwrap();
    let flags = FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD).unwrap());
    assert!(flags.contains(FdFlag::FD_CLOEXEC));
}

#[tokio::test]
async fn a_descriptor_is_open_until_it_is_sent_and_closed_then() {
    let (mut here, mut there) = pair();
    let file = Arc::new(tagged(5));
    let watch = Arc::downgrade(&file);
    let mut queue: VecDeque<Attachment> = VecDeque::from([file as Attachment]);
    assert!(watch.upgrade().is_some());
    send_some(&mut here, b"x", &mut queue).await.unwrap();
    assert!(watch.upgrade().is_none());
    let (_, descriptors) = receive_all(&mut there, 1).await;
    assert_eq!(tags(&descriptors), [5]);
}

#[tokio::test]
async fn little_room_cuts_writes_and_loses_nothing() {
    let (mut here, mut there) = pair();
    setsockopt(here.inner(), sockopt::SndBuf, &1).unwrap();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let sending = async {
        let mut at = 0;
        let mut most = 0;
        for n in 0.. {
            let mut descriptors = attachments([n]);
            let sent = send_some(&mut here, &bytes[at..], &mut descriptors).await.unwrap();
            assert!(descriptors.is_empty());
            (at, most) = (at + sent, most.max(sent));
            if at == bytes.len() {
                assert!(most < bytes.len(), "no write was cut");
                return n + 1;
            }
        }
        unreachable!()
    };
    let (count, (received, descriptors)) =
        tokio::join!(sending, receive_all(&mut there, bytes.len()));
    assert!(received == bytes);
    assert_eq!(tags(&descriptors), (0..count).collect::<Vec<_>>());
}

#[tokio::test]
async fn slices_are_sent_as_one_message() {
    let (mut here, mut there) = pair();
    let slices = [b"one ", b"two ", b"six "].map(|bytes| io::IoSlice::new(bytes));
    let mut none = VecDeque::new();
    let sent = poll_fn(|cx| Pin::new(&mut here).poll_send(cx, &slices, &mut none)).await.unwrap();
    assert_eq!(sent, 12);
    assert_eq!(receive_all(&mut there, 12).await.0, "one two six ");
}

#[tokio::test]
async fn more_slices_than_fit_in_one_message_are_sent_in_part() {
    let (mut here, mut there) = pair();
    let bytes: Vec<u8> = (0..200).collect();
    let slices: Vec<_> = bytes.chunks(1).map(io::IoSlice::new).collect();
    let mut at = 0;
    while at < slices.len() {
        let mut none = VecDeque::new();
        let rest = &slices[at..];
        at += poll_fn(|cx| Pin::new(&mut here).poll_send(cx, rest, &mut none)).await.unwrap();
    }
    assert_eq!(receive_all(&mut there, 200).await.0, bytes);
}

#[tokio::test]
async fn a_message_that_ended_at_a_descriptor_does_not_hide_the_next() {
    let (mut here, mut there) = pair();
    for n in 0..10 {
        send_all(&mut here, b"plain", VecDeque::new()).await;
        send_all(&mut here, b"with one", attachments([n])).await;
    }
    let (received, descriptors) = receive_all(&mut there, 130).await;
    assert_eq!(received, "plainwith one".repeat(10));
    assert_eq!(tags(&descriptors), (0..10).collect::<Vec<_>>());
}

/// Each of these spares a system call that would only say `EAGAIN`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stream_that_is_known_to_be_exhausted_is_not_asked_again() {
    use tokio::io::Interest;

    let is_asked = |transport: &Unix, interest| {
        let mut asked = false;
        let _ = transport.inner().try_io(interest, || {
            asked = true;
            Ok(())
        });
        asked
    };
    let (mut here, mut there) = pair();
    send_all(&mut here, b"plain", VecDeque::new()).await;
    receive_all(&mut there, 5).await;
    assert!(!is_asked(&there, Interest::READABLE), "a short read empties the stream");

    send_all(&mut here, b"with one", attachments([1])).await;
    receive_all(&mut there, 8).await;
    assert!(is_asked(&there, Interest::READABLE), "more may wait behind a descriptor");

    assert!(is_asked(&here, Interest::WRITABLE));
    let much = vec![0; 4_000_000];
    let sent = send_some(&mut here, &much, &mut VecDeque::new()).await.unwrap();
    assert!(sent < much.len());
    assert!(!is_asked(&here, Interest::WRITABLE), "a short write fills the stream");

    // Both are woken nevertheless.
    tokio::join!(
        send_all(&mut here, &much[sent..], VecDeque::new()),
        receive_all(&mut there, much.len())
    );
}

/// The kernel then puts credentials beside each message, before its descriptors.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn other_control_data_takes_no_room_from_descriptors() {
    let (mut here, mut there) = pair();
    setsockopt(there.inner(), sockopt::PassCred, &true).unwrap();
    send_all(&mut here, b"x", attachments(0..253)).await;
    let (_, descriptors) = receive_all(&mut there, 1).await;
    assert_eq!(tags(&descriptors), (0..253).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_attachment_that_is_no_descriptor_is_refused() {
    let (mut here, mut there) = pair();
    let mut queue: VecDeque<Attachment> = VecDeque::from([Arc::new(5_u8) as Attachment]);
    let error = send_some(&mut here, b"x", &mut queue).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "an attachment is not a file descriptor");
    drop(here);
    let nothing = receive_some(&mut there, &mut BytesMut::new(), &mut Vec::new()).await;
    assert_eq!(nothing.unwrap(), 0);
}

#[tokio::test]
async fn shutting_down_ends_one_direction() {
    let (mut here, mut there) = pair();
    poll_fn(|cx| Pin::new(&mut here).poll_shutdown(cx)).await.unwrap();
    let end = receive_some(&mut there, &mut BytesMut::new(), &mut Vec::new()).await.unwrap();
    assert_eq!(end, 0);
    send_all(&mut there, b"still", attachments([3])).await;
    let (bytes, descriptors) = receive_all(&mut here, 5).await;
    assert_eq!(bytes, "still");
    assert_eq!(tags(&descriptors), [3]);
}

#[tokio::test]
async fn a_peer_that_is_gone_is_an_error() {
    let (mut here, there) = pair();
    drop(there);
    let mut queue = attachments([1]);
    let error = send_some(&mut here, b"x", &mut queue).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(queue.len(), 1);
}

/// Rust's runtime ignores the signal, but a program may turn it on again. While it is blocked,
/// one that was raised is pending for the thread.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_is_gone_raises_no_signal() {
    use nix::sys::signal::{SigSet, Signal};

    SigSet::from(Signal::SIGPIPE).thread_block().unwrap();
    let (mut here, there) = pair();
    drop(there);
    send_some(&mut here, b"x", &mut VecDeque::new()).await.unwrap_err();
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
    assert_eq!(pending.trim(), "0000000000000000");
}

#[tokio::test]
async fn the_end_is_seen_after_what_was_sent_before_it() {
    let (mut here, mut there) = pair();
    send_all(&mut here, b"last", attachments([9])).await;
    drop(here);
    let (bytes, descriptors) = receive_all(&mut there, 4).await;
    assert_eq!((&bytes[..], &tags(&descriptors)[..]), (&b"last"[..], &[9][..]));
    let end = receive_some(&mut there, &mut BytesMut::new(), &mut Vec::new()).await.unwrap();
    assert_eq!(end, 0);
}

#[tokio::test]
async fn the_peer_is_named_by_the_path_of_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixSocketListener::bind(&path).unwrap();
    let client = UnixTransport::new(UnixStream::connect(&path).await.unwrap());
    let server = UnixTransport::new(listener.accept_stream().await.unwrap());
    assert_eq!(client.peer_address(), PeerAddress::Name(path.to_str().unwrap().into()));
    assert_eq!(server.peer_address(), PeerAddress::Name("".into()));
}

#[test]
fn no_descriptor_stays_open() {
    support::in_own_process("no_descriptor_stays_open", || {
        support::limit_open_files(8192);
        support::block_on(async {
            let before = support::open_descriptors();
            for _ in 0..3 {
                let (mut here, mut there) = pair();
                let bytes = [0; 4000];
                // Received and dropped.
                let sending = send_all(&mut here, &bytes, attachments(0..500));
                let ((), received) = tokio::join!(sending, receive_all(&mut there, 4000));
                drop(received);
                // Sent and never received; never sent.
                send_all(&mut here, b"x", attachments(0..10)).await;
                drop(attachments(0..10));
            }
            assert_eq!(support::open_descriptors(), before);
        });
    });
}
