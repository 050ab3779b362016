//! As `kernel.rs`, for what a process was started with, and what it starts others with: whatever fails in
//! the kernel, the descriptor is still there to be taken, or is closed.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use amp_unix::{AnyListener, Descriptor, inherited};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc::{self, c_int, c_long};
use std::io::{self, Read};
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use support::kernel::{
    assert_failed, failing, failing_fcntl, in_filtering_process, is_left_out, keeps_nothing,
    runtime,
};
use support::{tag, tagged};

/// A descriptor that another process has left open for this one.
fn left_open(fd: impl Into<OwnedFd>) -> RawFd {
    let fd = fd.into();
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    fd.into_raw_fd()
}

#[test]
fn what_could_not_be_taken_can_be_taken_later() {
    in_filtering_process("what_could_not_be_taken_can_be_taken_later", || {
        let number = left_open(tagged(7));
        let before = support::open_descriptors();
        let take = |errno, what: &str| {
            keeps_nothing(what, || assert_failed(inherited::take(number), errno, what));
        };
        let calls: [(c_long, c_int); 4] = [
            (libc::SYS_openat, libc::EMFILE),
            (libc::SYS_openat, libc::EACCES),
            (libc::SYS_dup2, libc::EBUSY),
            (libc::SYS_dup2, libc::EMFILE),
        ];
        for (call, errno) in calls {
            failing(&[call], errno, || take(errno, &format!("{call}")));
        }
        for command in [libc::F_GETFD, libc::F_DUPFD_CLOEXEC] {
            for errno in [libc::EMFILE, libc::EPERM] {
                failing_fcntl(command, errno, || take(errno, &format!("fcntl {command}")));
            }
        }
        assert_eq!(support::open_descriptors(), before);
        let taken = inherited::take(number).unwrap();
        assert_eq!(tag(&taken), 7);
    });
}

/// By then the descriptor has moved, and what is at its number is nobody's.
#[test]
fn what_has_moved_is_taken_whatever_fails_then() {
    in_filtering_process("what_has_moved_is_taken_whatever_fails_then", || {
        let number = left_open(tagged(7));
        let taken = failing_fcntl(libc::F_SETFD, libc::EPERM, || inherited::take(number));
        assert_eq!(tag(taken.unwrap()), 7);
        let error = inherited::take(number).unwrap_err();
        assert_eq!(error.to_string(), format!("descriptor {number}: taken already"));
    });
}

/// The process that has the other end sees that.
#[test]
fn what_was_taken_and_is_of_no_use_is_closed() {
    in_filtering_process("what_was_taken_and_is_of_no_use_is_closed", || {
        let runtime = runtime();
        let cases: [(c_long, c_int); 4] = [
            (libc::SYS_getsockopt, libc::ENOBUFS),
            (libc::SYS_getpeername, libc::ENOTCONN),
            (libc::SYS_ioctl, libc::ENOMEM),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
        ];
        for (call, errno) in cases {
            let (mut near, far) = UnixStream::pair().unwrap();
            let number = left_open(far);
            failing(&[call], errno, || {
                let _entered = runtime.enter();
                assert_failed(inherited::socket(number), errno, &format!("{call}"));
            });
            near.set_nonblocking(true).unwrap();
            assert_eq!(near.read(&mut [0]).unwrap(), 0, "{call}: it is closed");
        }
        // What kind of file it is the C library asks by one of these.
        let kind: &[c_long] = &[libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx];
        let epoll: &[c_long] = &[libc::SYS_epoll_ctl];
        for (calls, errno) in [(kind, libc::ENOMEM), (epoll, libc::ENOSPC)] {
            let ((reader, mut kept), (mut kept_too, writer)) =
                (io::pipe().unwrap(), io::pipe().unwrap());
            let (reader, writer) = (left_open(reader), left_open(writer));
            failing(calls, errno, || {
                let _entered = runtime.enter();
                assert_failed(inherited::pipes(reader, writer), errno, &format!("{calls:?}"));
            });
            let broken = io::Write::write(&mut kept, b"x").unwrap_err();
            assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe, "{calls:?}: it is closed");
            // The other end was not taken yet.
            drop(inherited::take(writer).unwrap());
            assert_eq!(kept_too.read(&mut [0]).unwrap(), 0);
        }
    });
}

#[test]
fn what_a_child_cannot_be_started_with_is_closed() {
    in_filtering_process("what_a_child_cannot_be_started_with_is_closed", || {
        let runtime = runtime();
        let _entered = runtime.enter();
        let before = support::open_descriptors();
        let cases: [(c_long, c_int); 3] = [
            (libc::SYS_socketpair, libc::EMFILE),
            (libc::SYS_ioctl, libc::ENOMEM),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
        ];
        for (call, errno) in cases {
            let what = format!("socketpair, {call}");
            failing(&[call], errno, || {
                let _entered = runtime.enter();
                keeps_nothing(&what, || assert_failed(amp_unix::socketpair(), errno, &what));
            });
        }
        for (call, errno) in [
            (libc::SYS_pipe2, libc::EMFILE),
            (libc::SYS_fcntl, libc::ENOMEM),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
        ] {
            let what = format!("pipes, {call}");
            failing(&[call], errno, || {
                let _entered = runtime.enter();
                keeps_nothing(&what, || assert_failed(amp_unix::child_pipes(), errno, &what));
            });
        }
        assert_eq!(support::open_descriptors(), before);
    });
}

#[test]
fn a_socket_that_cannot_be_listened_on_is_closed() {
    in_filtering_process("a_socket_that_cannot_be_listened_on_is_closed", || {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let cases: [(c_long, c_int); 4] = [
            (libc::SYS_getsockopt, libc::ENOBUFS),
            (libc::SYS_getsockname, libc::ENOBUFS),
            (libc::SYS_ioctl, libc::ENOMEM),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
        ];
        for (at, (call, errno)) in cases.into_iter().enumerate() {
            let before = support::open_descriptors();
            let unix = UnixListener::bind(folder.path().join(at.to_string())).unwrap();
            let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            failing(&[call], errno, || {
                let _entered = runtime.enter();
                for listener in [OwnedFd::from(unix), OwnedFd::from(tcp)] {
                    assert_failed(AnyListener::try_from(listener), errno, &format!("{call}"));
                }
            });
            assert_eq!(support::open_descriptors(), before, "{call}");
        }
    });
}

/// A descriptor that came, and whose owner wants a socket of tokio's.
#[test]
fn a_descriptor_that_cannot_become_a_socket_is_closed() {
    in_filtering_process("a_descriptor_that_cannot_become_a_socket_is_closed", || {
        let runtime = runtime();
        for (call, errno) in [(libc::SYS_ioctl, libc::ENOMEM), (libc::SYS_epoll_ctl, libc::ENOSPC)]
        {
            let before = support::open_descriptors();
            let (near, far) = UnixStream::pair().unwrap();
            failing(&[call], errno, || {
                let _entered = runtime.enter();
                let descriptor = Descriptor::from(OwnedFd::from(far));
                let socket = tokio::net::UnixStream::try_from(descriptor);
                assert_failed(socket, errno, &format!("{call}"));
            });
            drop(near);
            assert_eq!(support::open_descriptors(), before, "{call}");
        }
    });
}

/// Where the system does not let threads filter their calls, that is found out.
#[test]
fn a_test_that_has_to_be_left_out_says_so() {
    if is_left_out() {
        return;
    }
    let filters = [libc::SYS_seccomp, libc::SYS_prctl];
    assert!(failing(&filters, libc::EPERM, is_left_out));
}
