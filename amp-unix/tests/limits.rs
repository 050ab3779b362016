//! What happens at the kernel's limits. Each test has a process of its own, whose limits it lowers.

mod support;

use amp_unix::{DescriptorError, UnixTransport};
use bytes::BytesMut;
use nix::libc::rlim_t;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use support::{attachments, receive_some, send_all};

/// Whatever number of the descriptors still fits under the limit, none stays open.
#[test]
fn descriptors_lost_to_the_limit_on_open_files_end_the_stream_and_are_closed() {
    let name = "descriptors_lost_to_the_limit_on_open_files_end_the_stream_and_are_closed";
    support::in_own_process(name, || {
        support::block_on(async {
            for fitting in [0, 1, 15] {
                let (here, there) = tokio::net::UnixStream::pair().unwrap();
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
