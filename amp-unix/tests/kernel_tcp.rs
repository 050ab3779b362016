//! As `kernel.rs`, for TCP and for clients that block.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use amp_core::tcp::KeepaliveListener;
use amp_core::{CallError, CloseReason, Listener, blocking, tcp};
use nix::libc::{self, c_long};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;
use support::kernel::{
    assert_failed, assert_outlives, failing, failing_with, in_filtering_process, keeps_nothing,
    runtime,
};
use tokio::net::{TcpListener, TcpStream};

/// So long without a sign of the peer.
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_of_tcp_that_cannot_connect_leaves_nothing_open() {
    in_filtering_process("a_client_of_tcp_that_cannot_connect_leaves_nothing_open", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cases: [(c_long, i32); 9] = [
            (libc::SYS_socket, libc::EMFILE),
            (libc::SYS_socket, libc::ENOBUFS),
            (libc::SYS_connect, libc::EACCES),
            (libc::SYS_connect, libc::ENETUNREACH),
            (libc::SYS_connect, libc::EADDRNOTAVAIL),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
            (libc::SYS_epoll_ctl, libc::ENOMEM),
            (libc::SYS_getsockopt, libc::ENOBUFS),
            (libc::SYS_getpeername, libc::ENOTCONN),
        ];
        for (call, errno) in cases {
            let what = format!("{call} with {errno}");
            let before = support::open_descriptors();
            let runtime = runtime();
            failing(&[call], errno, || {
                keeps_nothing(&what, || {
                    assert_failed(runtime.block_on(tcp::connect(address)), errno, &what);
                });
            });
            drop(runtime);
            assert_eq!(support::open_descriptors(), before, "{what}");
        }
    });
}

/// It drops such clients, and serves the next.
#[test]
fn a_server_over_tcp_outlives_what_fails_with_each_of_its_clients() {
    let name = "a_server_over_tcp_outlives_what_fails_with_each_of_its_clients";
    in_filtering_process(name, || {
        let cases: [(c_long, i32); 7] = [
            (libc::SYS_accept4, libc::ECONNABORTED),
            (libc::SYS_accept4, libc::EMFILE),
            (libc::SYS_accept4, libc::ENOBUFS),
            (libc::SYS_epoll_ctl, libc::ENOSPC),
            (libc::SYS_setsockopt, libc::ENOBUFS),
            (libc::SYS_recvfrom, libc::ECONNRESET),
            (libc::SYS_recvfrom, libc::ENOMEM),
        ];
        for (call, errno) in cases {
            let before = support::open_descriptors();
            let runtime = runtime();
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"\0").unwrap();
            client.set_nonblocking(true).unwrap();
            assert_outlives(&runtime, listener, (call, errno), client, tcp::connect(address));
            drop(runtime);
            assert_eq!(support::open_descriptors(), before, "{call} with {errno}");
        }
    });
}

/// What goes over a stream says so as the reason for the end.
#[test]
fn a_stream_of_tcp_that_fails_ends_its_connection_with_the_error() {
    let name = "a_stream_of_tcp_that_fails_ends_its_connection_with_the_error";
    in_filtering_process(name, || {
        let send: &[c_long] = &[libc::SYS_sendmsg, libc::SYS_sendto];
        let receive: &[c_long] = &[libc::SYS_recvfrom];
        let cases: [(&[c_long], i32); 6] = [
            (send, libc::ENOMEM),
            (send, libc::EPIPE),
            (send, libc::ECONNRESET),
            (receive, libc::ECONNRESET),
            (receive, libc::ETIMEDOUT),
            (receive, libc::ENOMEM),
        ];
        for (calls, errno) in cases {
            let what = format!("{calls:?} with {errno}");
            let before = support::open_descriptors();
            let runtime = runtime();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let connection = runtime.block_on(tcp::connect(address)).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            far.write_all(b"\0").unwrap();
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
            drop((far, listener, runtime));
            assert_eq!(support::open_descriptors(), before, "{what}");
        }
    });
}

/// That the peer cannot be told of the end keeps nobody from coming to it.
#[test]
fn a_stream_of_tcp_that_cannot_be_shut_down_is_closed() {
    in_filtering_process("a_stream_of_tcp_that_cannot_be_shut_down_is_closed", || {
        for errno in [libc::ENOTCONN, libc::ENOBUFS] {
            let before = support::open_descriptors();
            let runtime = runtime();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let connection = runtime.block_on(tcp::connect(address)).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            failing(&[libc::SYS_shutdown], errno, || {
                runtime.block_on(async {
                    let peer = connection.spawn();
                    peer.close().await;
                    let reason = peer.closed().await;
                    assert!(matches!(reason, CloseReason::Local), "{reason}");
                });
            });
            assert_eq!(far.read(&mut [0]).unwrap(), 0, "it is closed");
            drop((far, listener, runtime));
            assert_eq!(support::open_descriptors(), before);
        }
    });
}

/// Linux sets the options of a stream that its client has reset, and macOS refuses them all.
#[test]
fn a_client_that_resets_at_once_concerns_no_other() {
    in_filtering_process("a_client_that_resets_at_once_concerns_no_other", || {
        let before = support::open_descriptors();
        let runtime = runtime();
        let listening = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (mut plain, other) = (listening(), listening());
        let addresses = [&plain, &other].map(|listener| listener.local_addr().unwrap());
        let mut kept_alive = KeepaliveListener::new(other, SECOND, SECOND).user_timeout(SECOND);
        for address in addresses {
            let client = runtime.block_on(TcpStream::connect(address)).unwrap();
            client.set_zero_linger().unwrap();
        }
        failing(&[libc::SYS_setsockopt], libc::EINVAL, || {
            let accepted = [
                runtime.block_on(Listener::accept(&mut plain)),
                runtime.block_on(Listener::accept(&mut kept_alive)),
            ];
            for accepted in accepted {
                let error = accepted.expect_err("it is gone");
                assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
                assert_failed::<()>(Err(error), libc::EINVAL, "a stream that was reset");
            }
        });
        drop((plain, kept_alive, runtime));
        assert_eq!(support::open_descriptors(), before);
    });
}

/// One that would not notice that its peer is gone is none.
#[test]
fn a_stream_that_cannot_be_kept_alive_is_closed() {
    in_filtering_process("a_stream_that_cannot_be_kept_alive_is_closed", || {
        let options =
            [libc::SO_KEEPALIVE, libc::TCP_KEEPIDLE, libc::TCP_KEEPINTVL, libc::TCP_USER_TIMEOUT];
        for option in options {
            let before = support::open_descriptors();
            let runtime = runtime();
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut listener =
                KeepaliveListener::new(listener, SECOND, SECOND).user_timeout(SECOND);
            failing_with(libc::SYS_setsockopt, 2, option, libc::ENOBUFS, || {
                let accepted = runtime.block_on(Listener::accept(&mut listener));
                assert_failed(accepted, libc::ENOBUFS, &format!("option {option}"));
            });
            assert!(!matches!(client.read(&mut [0]), Ok(1..)), "it is closed");
            drop((client, listener, runtime));
            assert_eq!(support::open_descriptors(), before);
        }
    });
}

#[test]
fn a_client_that_blocks_says_what_has_failed() {
    in_filtering_process("a_client_that_blocks_says_what_has_failed", || {
        let before = support::open_descriptors();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cases: [(c_long, i32); 4] = [
            (libc::SYS_socket, libc::EMFILE),
            (libc::SYS_connect, libc::ECONNREFUSED),
            (libc::SYS_setsockopt, libc::ENOBUFS),
            (libc::SYS_getpeername, libc::ENOTCONN),
        ];
        for (call, errno) in cases {
            failing(&[call], errno, || {
                let connected = blocking::Connection::connect(address);
                assert_failed(connected, errno, &format!("{call}"));
            });
        }
        let cases: [(&[c_long], i32); 3] = [
            (&[libc::SYS_setsockopt], libc::ENOBUFS),
            (
                &[libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_write, libc::SYS_writev],
                libc::EPIPE,
            ),
            (&[libc::SYS_recvfrom, libc::SYS_read, libc::SYS_readv], libc::ECONNRESET),
        ];
        for (calls, errno) in cases {
            let connection = blocking::Connection::connect(address).unwrap();
            let mut client = connection.call_timeout(60 * SECOND).start();
            failing(calls, errno, || {
                let error = client.call_by_name("A", [("a", "b")]).unwrap_err();
                let CallError::Closed(CloseReason::Io(error)) = error else {
                    panic!("{calls:?}: {error:?}");
                };
                assert_eq!(error.raw_os_error(), Some(errno), "{calls:?}");
            });
        }
        drop(listener);
        assert_eq!(support::open_descriptors(), before);
    });
}

/// Over TCP, a stream whose options cannot be set is closed, on either side.
#[test]
fn a_tcp_stream_whose_options_cannot_be_set_is_closed() {
    in_filtering_process("a_tcp_stream_whose_options_cannot_be_set_is_closed", || {
        for errno in [libc::ENOBUFS, libc::ENOMEM] {
            let before = support::open_descriptors();
            let runtime = runtime();
            let entered = runtime.enter();
            let listening = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let mut listener = listening();
            let address = listener.local_addr().unwrap();
            let clients = [(); 4].map(|()| std::net::TcpStream::connect(address).unwrap());
            let kept_alive = listening();
            let at = kept_alive.local_addr().unwrap();
            let client_kept_alive = std::net::TcpStream::connect(at).unwrap();
            failing(&[libc::SYS_setsockopt], errno, || {
                for _ in &clients {
                    let accepted = runtime.block_on(amp_core::Listener::accept(&mut listener));
                    assert_failed(accepted, errno, "a stream that was accepted");
                }
                let connected = runtime.block_on(tcp::connect(address));
                assert_failed(connected, errno, "a stream that is to connect");
                let (stream, _) = runtime.block_on(kept_alive.accept()).unwrap();
                let kept = tcp::set_keepalive(&stream, SECOND, SECOND);
                assert_failed(kept, errno, "keepalive");
                assert_failed(tcp::connection(stream), errno, "a stream that is connected");
            });
            for mut client in clients {
                assert!(!matches!(client.read(&mut [0]), Ok(1..)), "it is closed");
            }
            drop((listener, kept_alive, client_kept_alive));
            drop(entered);
            drop(runtime);
            assert_eq!(support::open_descriptors(), before);
        }
    });
}
