//! What happens at the kernel's limits. Each test has a process of its own, whose limits it lowers.

mod support;

use amp_core::{
    Argument, CallError, CloseReason, Command, DecodeError, EncodeError, Proto, Responders, Value,
    ValueWriter,
};
use amp_unix::{Descriptor, DescriptorError, UnixSocketListener, UnixTransport};
use bytes::BytesMut;
use nix::libc::{self, rlim_t};
use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use support::numbered::{Far, number, numbered};
use support::{ask, attachments, receive_some, send_all};
use tokio::net::UnixStream;
use tokio::sync::mpsc::unbounded_channel;

/// Whatever number of the descriptors still fits under the limit, none stays open.
#[test]
fn descriptors_lost_to_the_limit_on_open_files_end_the_stream_and_are_closed() {
    let name = "descriptors_lost_to_the_limit_on_open_files_end_the_stream_and_are_closed";
    support::in_own_process(name, || {
        support::block_on(async {
            for fitting in [0, 1, 15] {
                let (here, there) = UnixStream::pair().unwrap();
                let (mut here, mut there) = (UnixTransport::new(here), UnixTransport::new(there));
                send_all(&mut here, b"sixteen", attachments(0..16)).await;

                let before = support::open_descriptors();
                let fillers = fill(100);
                support::limit_open_files(100 + fitting);
                let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
                let result = receive_some(&mut there, &mut buffer, &mut received).await;
                support::limit_open_files(8192);

                let error = result.unwrap_err();
                assert!(error.to_string().starts_with("file descriptors were lost on arrival"));
                assert_eq!(error.downcast::<DescriptorError>().unwrap(), DescriptorError::Lost);
                assert!(buffer.is_empty() && received.is_empty());
                drop(fillers);
                assert_eq!(support::open_descriptors(), before);
            }
        });
    });
}

/// Takes some descriptors.
#[derive(Command, Debug)]
struct Take {
    files: Vec<Shared>,
}

/// A descriptor that its sender keeps.
#[derive(Clone, Debug)]
struct Shared(Arc<Descriptor>);

impl Shared {
    fn numbered(n: u64) -> Self {
        Self(Arc::new(numbered(n)))
    }

    fn into_descriptor(self) -> Descriptor {
        Arc::into_inner(self.0).unwrap()
    }
}

impl Argument for Shared {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Descriptor::from_string_proto(value, proto).map(|descriptor| Self(Arc::new(descriptor)))
    }
}

/// What a connection ended with.
fn descriptor_error(reason: &CloseReason) -> DescriptorError {
    let CloseReason::Io(error) = reason else { panic!("{reason:?}") };
    assert_eq!(error.to_string(), reason.to_string());
    *error.get_ref().unwrap().downcast_ref().unwrap()
}

/// What arrived before is answered, what came behind is not: it would be taken for another.
#[test]
fn a_connection_that_lost_descriptors_ends_and_says_so() {
    let name = "a_connection_that_lost_descriptors_ends_and_says_so";
    support::in_own_process(name, || {
        support::block_on(async {
            for fitting in 0..=16 {
                let before = support::open_descriptors();
                let (near, far) = UnixStream::pair().unwrap();
                let mut far = Far::new(far);
                far.send(&ask("1", "Take", &[("files", "\0\x010")]), 1).await;
                let files: Vec<_> =
                    (1..16).map(|n| format!("\0{}{n}", ["\x01", "\x02"][n / 10])).collect();
                far.send(&ask("2", "Take", &[("files", &files.concat())]), 15).await;
                far.send(&ask("3", "Take", &[("files", "\0\x0216")]), 1).await;

                let (take, mut taken) = unbounded_channel();
                let responders = Responders::new(()).respond(move |_, Take { files }| {
                    let files = files.into_iter().map(Shared::into_descriptor).map(number);
                    take.send(files.collect::<Vec<_>>()).unwrap();
                    async { Ok(()) }
                });
                let peer = amp_unix::connection(near).unwrap().responders(responders).spawn();
                let mut call = Box::pin(peer.call_remote(Take { files: Vec::new() }));
                assert!(poll_once(&mut call).await.is_pending());
                let fillers = fill(100);
                support::limit_open_files(100 + fitting);
                if fitting < 15 {
                    let reason = peer.closed().await;
                    support::limit_open_files(8192);
                    assert_eq!(descriptor_error(&reason), DescriptorError::Lost);
                    let error = call.await.unwrap_err();
                    assert_eq!(error.source().unwrap().to_string(), reason.to_string());
                } else {
                    for _ in 0..3 {
                        far.receive().await.unwrap();
                    }
                    support::limit_open_files(8192);
                    drop(call);
                }
                let taken: Vec<_> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
                let expected = [vec![0], (1..16).collect(), vec![16]];
                let count = match fitting {
                    0 => 0,
                    1..15 => 1,
                    _ => 3,
                };
                assert_eq!(taken, expected[..count], "{fitting} fit");
                drop((far, fillers));
                peer.closed().await;
                assert_eq!(support::open_descriptors(), before, "{fitting} fit");
            }
        });
    });
}

#[test]
fn a_descriptor_that_cannot_be_duplicated_is_an_error_and_its_box_is_sent_all_the_same() {
    let name =
        "a_descriptor_that_cannot_be_duplicated_is_an_error_and_its_box_is_sent_all_the_same";
    support::in_own_process(name, || {
        support::block_on(async {
            let before = support::open_descriptors();
            let (near, far) = UnixStream::pair().unwrap();
            let responders = Responders::new(()).respond(|_, Take { files }| async {
                let files = files.into_iter().map(Shared::into_descriptor).map(number);
                assert_eq!(files.collect::<Vec<_>>(), [5]);
                Ok(())
            });
            let peer = amp_unix::connection(near).unwrap().spawn();
            let far = amp_unix::connection(far).unwrap().responders(responders).spawn();
            let kept = Shared::numbered(5);
            let mut call = Box::pin(peer.call_remote(Take { files: vec![kept.clone()] }));
            assert!(poll_once(&mut call).await.is_pending(), "it is queued, and not sent");

            let fillers = fill(100);
            support::limit_open_files(100);
            let duplicate = Descriptor::duplicate(&*kept.0).unwrap_err();
            let owned = kept.into_descriptor().into_owned().unwrap_err();
            support::limit_open_files(8192);
            drop(fillers);
            for error in [duplicate, owned] {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
            call.await.unwrap();
            peer.close().await;
            far.closed().await;
            assert_eq!(support::open_descriptors(), before);
        });
    });
}

/// Polls once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Opens descriptors until every number below `limit` is taken.
fn fill(limit: rlim_t) -> Vec<OwnedFd> {
    support::limit_open_files(limit);
    let stdin = io::stdin();
    let fillers = std::iter::from_fn(|| stdin.as_fd().try_clone_to_owned().ok()).collect();
    support::limit_open_files(8192);
    fillers
}

/// Linux counts what a user has sent and nobody has received yet, unless it is root.
#[cfg(target_os = "linux")]
#[test]
fn too_many_descriptors_on_their_way_are_an_error_that_says_so() {
    let name = "too_many_descriptors_on_their_way_are_an_error_that_says_so";
    support::in_own_process(name, || {
        use amp_unix::socket;
        use std::io::IoSlice;
        use std::os::unix::net::UnixStream;

        if nix::unistd::geteuid().is_root() {
            nix::unistd::setuid(54_321.into()).unwrap();
        }
        support::limit_open_files(64);
        let (here, there) = UnixStream::pair().unwrap();
        let file = there.as_fd();
        let mut sent = 0;
        let error = loop {
            match socket::send(&here, &[IoSlice::new(b"x")], &[file; 50]) {
                Ok(_) => sent += 50,
                Err(error) => break error,
            }
        };
        // It checks before it adds, and other processes of this user may have sent some too.
        assert!(sent <= 100);
        assert!(error.to_string().starts_with("too many file descriptors are on their way"));
        let error = error.downcast::<DescriptorError>().unwrap();
        assert_eq!(error, DescriptorError::TooManyInFlight);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn calls_that_send_too_many_to_a_peer_that_does_not_read_fail_and_say_so() {
    let name = "calls_that_send_too_many_to_a_peer_that_does_not_read_fail_and_say_so";
    support::in_own_process(name, || {
        if nix::unistd::geteuid().is_root() {
            nix::unistd::setuid(54_322.into()).unwrap();
        }
        support::limit_open_files(64);
        let before = free();
        for _ in 0..2 {
            support::block_on(async {
                // It waits for a while.
                tokio::time::pause();
                let (near, far) = UnixStream::pair().unwrap();
                let peer = amp_unix::connection(near).unwrap().spawn();
                let connected = free();
                let mut calls = Vec::new();
                // Each is sent before the next, so that few are open here.
                while free() == connected && calls.len() < 200 {
                    let files = vec![Shared::numbered(calls.len() as u64)];
                    let mut call = Box::pin(peer.call_remote(Take { files }));
                    assert!(poll_once(&mut call).await.is_pending());
                    calls.push(call);
                    settle().await;
                }
                // Other processes of this user may have sent some too.
                assert!(calls.len() <= 66, "{}", calls.len());
                let CallError::NotSent(error) = calls.pop().unwrap().await.unwrap_err() else {
                    panic!()
                };
                assert_eq!(error.to_string(), DescriptorError::TooManyInFlight.to_string());
                // Those that were sent wait for their answers.
                for call in &mut calls {
                    assert!(poll_once(call).await.is_pending());
                }
                drop(far);
                for call in calls {
                    assert!(call.await.unwrap_err().is_closed());
                }
            });
            // The next connection can send as many again.
            assert_eq!(free(), before);
        }
    });
}

/// How many descriptors this process may still open. Unlike the list of those that are open, this
/// can be had after a change of user.
#[cfg(target_os = "linux")]
fn free() -> usize {
    let stdin = io::stdin();
    std::iter::from_fn(|| stdin.as_fd().try_clone_to_owned().ok()).collect::<Vec<_>>().len()
}

/// Lets the other tasks get on.
#[cfg(target_os = "linux")]
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// What makes descriptors without a message: each is an error at the limit, leaves nothing behind,
/// and works again later.
#[test]
fn nothing_is_lost_where_no_more_files_can_be_opened() {
    support::in_own_process("nothing_is_lost_where_no_more_files_can_be_opened", || {
        support::block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let listener = UnixSocketListener::bind(&path).unwrap();
            let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            let file = Descriptor::from(support::tagged(1));
            let before = support::open_descriptors();

            let fillers = fill(100);
            support::limit_open_files(100);
            let errors = [
                listener.accept_stream().await.map(drop).unwrap_err(),
                amp_unix::socketpair().map(drop).unwrap_err(),
                amp_unix::inherited::take(0).map(drop).unwrap_err(),
                Descriptor::duplicate(&file).map(drop).unwrap_err(),
            ];
            support::limit_open_files(8192);
            drop(fillers);
            let reason = io::Error::from_raw_os_error(libc::EMFILE).to_string();
            for error in errors {
                assert!(error.to_string().ends_with(&reason), "{error}");
            }
            assert_eq!(support::open_descriptors(), before);

            let served = listener.accept_stream().await.unwrap();
            let pair = amp_unix::socketpair().unwrap();
            let inherited = amp_unix::inherited::take(0).unwrap();
            let duplicate = Descriptor::duplicate(&file).unwrap();
            assert_eq!(support::tag(&duplicate), 1);
            drop((served, client, pair, inherited, duplicate));
        });
    });
}
