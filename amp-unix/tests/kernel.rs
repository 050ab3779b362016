//! What can fail in the kernel fails: each system call that Unix sockets and descriptors need, in turn.
//! The code that needed it gets the system's error, nothing stays open, and no file is left behind.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use amp_core::{CallError, CloseReason, Limits};
use amp_unix::{Descriptor, UnixSocketListener};
use nix::libc::{self, c_long};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use support::kernel::{
    assert_failed, assert_outlives, failing, failing_with, in_filtering_process, is_left_out,
    keeps_nothing, runtime,
};
use support::numbered::{number, numbered};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

/// The system call that changes modes since Linux 6.6, of which the C library's headers need not know.
const FCHMODAT2: c_long = 452;

fn names(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

const CHMOD: &[c_long] = &[libc::SYS_chmod, libc::SYS_fchmodat, FCHMODAT2];

/// A listener fails so while it is bound within `fails`, and nothing of it stays.
fn leaves_nothing_behind(errno: i32, what: &str, fails: impl FnOnce(&mut (dyn FnMut() + Send))) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let before = support::open_descriptors();
    let runtime = runtime();
    fails(&mut || {
        let _entered = runtime.enter();
        keeps_nothing(what, || assert_failed(UnixSocketListener::bind(&path), errno, what));
    });
    drop(runtime);
    assert_eq!(support::open_descriptors(), before, "{what}");
    assert!(names(folder.path()).is_empty(), "{what}");
}

#[test]
fn a_listener_that_cannot_be_set_up_leaves_nothing_behind() {
    in_filtering_process("a_listener_that_cannot_be_set_up_leaves_nothing_behind", || {
        let cases: [(&[c_long], i32); 10] = [
            (&[libc::SYS_socket], libc::EMFILE),
            (&[libc::SYS_socket], libc::ENOBUFS),
            (&[libc::SYS_bind], libc::EACCES),
            (&[libc::SYS_bind], libc::ENOSPC),
            (CHMOD, libc::EPERM),
            (CHMOD, libc::EROFS),
            (CHMOD, libc::EOPNOTSUPP),
            (&[libc::SYS_listen], libc::EADDRINUSE),
            (&[libc::SYS_epoll_ctl], libc::ENOSPC),
            (&[libc::SYS_epoll_ctl], libc::ENOMEM),
        ];
        for (calls, errno) in cases {
            let what = format!("{calls:?} with {errno}");
            leaves_nothing_behind(errno, &what, |bind| failing(calls, errno, bind));
        }
    });
}

/// The socket is opened and looked at by its descriptor before it gets its mode.
#[test]
fn a_socket_that_cannot_be_opened_or_looked_at_leaves_nothing_behind() {
    let name = "a_socket_that_cannot_be_opened_or_looked_at_leaves_nothing_behind";
    in_filtering_process(name, || {
        let opened = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let cases = [
            (libc::SYS_openat, opened, libc::EMFILE),
            (libc::SYS_openat, opened, libc::ENFILE),
            (libc::SYS_statx, libc::AT_EMPTY_PATH, libc::ENOMEM),
        ];
        for (call, flags, errno) in cases {
            let what = format!("{call} with {errno}");
            leaves_nothing_behind(errno, &what, |bind| failing_with(call, 2, flags, errno, bind));
        }
    });
}

#[test]
fn a_file_that_cannot_be_removed_stays_and_is_replaced_later() {
    if is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let runtime = runtime();
    let _entered = runtime.enter();
    let remove: &[c_long] = &[libc::SYS_unlink, libc::SYS_unlinkat];
    let listener = UnixSocketListener::bind(&path).unwrap();
    failing(remove, libc::EACCES, || drop(listener));
    assert_eq!(names(folder.path()), [&*path]);

    let bound = failing(remove, libc::EROFS, || {
        let _entered = runtime.enter();
        UnixSocketListener::bind(&path).map(drop)
    });
    assert_failed(bound, libc::EROFS, "what is stale cannot be removed");
    assert_eq!(names(folder.path()), [&*path]);
    drop(UnixSocketListener::bind(&path).unwrap());
    assert!(names(folder.path()).is_empty());
}

/// Whether a server has a path is asked by connecting a socket of another type to it.
#[test]
fn a_path_that_nobody_can_be_asked_about_is_not_taken() {
    if is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let runtime = runtime();
    let bind = || {
        let _entered = runtime.enter();
        UnixSocketListener::bind(&path).map(drop)
    };
    let datagram = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    let bound = failing_with(libc::SYS_socket, 1, datagram, libc::EMFILE, bind);
    assert_failed(bound, libc::EMFILE, "there is no such socket");
    assert_eq!(names(folder.path()), [&*path]);
    for errno in [libc::EACCES, libc::ENOBUFS] {
        let bound = failing(&[libc::SYS_connect], errno, bind);
        assert_failed(bound, libc::EADDRINUSE, "it may be somebody's");
        assert_eq!(names(folder.path()), [&*path]);
    }
}

#[test]
fn a_client_whom_the_system_does_not_say_is_not_admitted() {
    if is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let _entered = runtime.enter();
    let listener = UnixSocketListener::bind(folder.path().join("socket")).unwrap().admit(|_| true);
    let mut client = std::os::unix::net::UnixStream::connect(listener.path()).unwrap();
    failing(&[libc::SYS_getsockopt], libc::ENOPROTOOPT, || {
        runtime.block_on(async {
            let accepting = tokio::task::unconstrained(listener.accept_stream());
            tokio::select! {
                biased;
                _ = accepting => panic!("it is admitted"),
                () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
            }
        });
    });
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "it is closed");
}

/// Then there are as many as where the system has no limit.
#[test]
fn a_limit_of_files_that_the_system_does_not_say_is_none() {
    let name = "a_limit_of_files_that_the_system_does_not_say_is_none";
    in_filtering_process(name, || {
        support::limit_open_files(100);
        let limits =
            failing(&[libc::SYS_prlimit64, libc::SYS_getrlimit], libc::EPERM, Limits::default);
        assert_eq!((limits.attachments_in_all, limits.unclaimed_attachments), (256, 256));
    });
}

#[test]
fn a_client_that_cannot_connect_leaves_nothing_open() {
    in_filtering_process("a_client_that_cannot_connect_leaves_nothing_open", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let cases: [(c_long, i32); 7] = [
            (libc::SYS_socket, libc::EMFILE),
            (libc::SYS_connect, libc::EACCES),
            (libc::SYS_connect, libc::EPERM),
            (libc::SYS_connect, libc::ECONNREFUSED),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
            (libc::SYS_epoll_ctl, libc::ENOMEM),
            (libc::SYS_getsockopt, libc::ENOBUFS),
        ];
        for (call, errno) in cases {
            let what = format!("{call} with {errno}");
            let before = support::open_descriptors();
            let runtime = runtime();
            let listener = runtime.block_on(async { UnixSocketListener::bind(&path).unwrap() });
            failing(&[call], errno, || {
                keeps_nothing(&what, || {
                    assert_failed(runtime.block_on(amp_unix::connect(&path)), errno, &what);
                });
            });
            drop((listener, runtime));
            assert_eq!(support::open_descriptors(), before, "{what}");
        }
    });
}

/// The peer's user has to be known before anything is sent to it.
#[test]
fn a_stream_whose_peer_the_system_does_not_say_is_closed() {
    if is_left_out() {
        return;
    }
    let runtime = runtime();
    let (near, far) = runtime.block_on(async { UnixStream::pair().unwrap() });
    let connection = failing(&[libc::SYS_getsockopt], libc::ENOPROTOOPT, || {
        amp_unix::connection(near).map(drop)
    });
    assert_failed(connection, libc::ENOPROTOOPT, "getsockopt");
    runtime.block_on(async {
        far.readable().await.unwrap();
        assert_eq!(far.try_read(&mut [0]).unwrap(), 0);
    });
}

/// It drops such clients, and serves the next.
#[test]
fn a_server_outlives_what_fails_with_each_of_its_clients() {
    in_filtering_process("a_server_outlives_what_fails_with_each_of_its_clients", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let cases: [(c_long, i32); 7] = [
            (libc::SYS_accept4, libc::ECONNABORTED),
            (libc::SYS_accept4, libc::EMFILE),
            (libc::SYS_accept4, libc::ENOMEM),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
            (libc::SYS_getsockopt, libc::ENOBUFS),
            (libc::SYS_recvmsg, libc::ECONNRESET),
            (libc::SYS_recvmsg, libc::ENOMEM),
        ];
        for (call, errno) in cases {
            let before = support::open_descriptors();
            let runtime = runtime();
            let listener = runtime.block_on(async { UnixListener::bind(&path).unwrap() });
            let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            client.write_all(b"\0").unwrap();
            client.set_nonblocking(true).unwrap();
            let listener = UnixSocketListener::from(listener);
            let second = amp_unix::connect(&path);
            assert_outlives(&runtime, listener, (call, errno), client, second);
            drop(runtime);
            std::fs::remove_file(&path).unwrap();
            assert_eq!(support::open_descriptors(), before, "{call} with {errno}");
        }
    });
}

/// What goes over a stream says so as the reason for the end.
#[test]
fn a_stream_that_fails_ends_its_connection_with_the_error() {
    in_filtering_process("a_stream_that_fails_ends_its_connection_with_the_error", || {
        let send: &[c_long] = &[libc::SYS_sendmsg, libc::SYS_sendto];
        let cases: [(&[c_long], i32); 5] = [
            (send, libc::ENOMEM),
            (send, libc::EPIPE),
            (send, libc::ECONNRESET),
            (&[libc::SYS_recvmsg], libc::ECONNRESET),
            (&[libc::SYS_recvmsg], libc::ENOMEM),
        ];
        for (calls, errno) in cases {
            let what = format!("{calls:?} with {errno}");
            let before = support::open_descriptors();
            let runtime = runtime();
            let (connection, far) = runtime.block_on(async {
                let (near, mut far) = UnixStream::pair().unwrap();
                far.write_all(b"\0").await.unwrap();
                (amp_unix::connection(near).unwrap(), far)
            });
            failing(calls, errno, || {
                runtime.block_on(async {
                    let peer = connection.spawn();
                    let error = peer.call_by_name("A", [("a", "b")]).await.unwrap_err();
                    let CallError::Closed(CloseReason::Io(error)) = error else {
                        panic!("{what}: {error}");
                    };
                    assert_eq!(error.raw_os_error(), Some(errno), "{what}");
                    peer.closed().await;
                });
            });
            drop((far, runtime));
            assert_eq!(support::open_descriptors(), before, "{what}");
        }
    });
}

#[test]
fn a_descriptor_that_cannot_be_duplicated_is_still_the_one_it_was() {
    if is_left_out() {
        return;
    }
    let kept = numbered(7);
    for errno in [libc::EMFILE, libc::ENOMEM] {
        failing(&[libc::SYS_fcntl], errno, || {
            keeps_nothing("fcntl", || {
                assert_failed(Descriptor::duplicate(&kept), errno, "fcntl");
            });
        });
    }
    assert_eq!(number(kept), 7);
}

/// That the peer cannot be told of the end keeps nobody from coming to it.
#[test]
fn a_stream_that_cannot_be_shut_down_is_closed() {
    in_filtering_process("a_stream_that_cannot_be_shut_down_is_closed", || {
        for errno in [libc::ENOTCONN, libc::ENOBUFS] {
            let before = support::open_descriptors();
            let runtime = runtime();
            let (connection, far) = runtime.block_on(async {
                let (near, far) = UnixStream::pair().unwrap();
                (amp_unix::connection(near).unwrap(), far)
            });
            failing(&[libc::SYS_shutdown], errno, || {
                runtime.block_on(async {
                    let peer = connection.spawn();
                    peer.close().await;
                    let reason = peer.closed().await;
                    assert!(matches!(reason, CloseReason::Local), "{reason}");
                });
            });
            drop((far, runtime));
            assert_eq!(support::open_descriptors(), before);
        }
    });
}
