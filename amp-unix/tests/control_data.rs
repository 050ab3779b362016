//! What options of a socket make the kernel add to each message: nothing of it stays open, and no
//! descriptor of the peer's is lost to it.
#![cfg(target_os = "linux")]

mod support;

use amp_core::{Arguments, Command, Connection, Responders, Switched, blocking};
use amp_unix::socket::{self, MAX_DESCRIPTORS};
use amp_unix::{Descriptor, UnixSocketListener, take_descriptors};
use bytes::BytesMut;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use support::numbered::{number, numbered};
use support::{block_on, in_own_process, open_descriptors};
use tokio::io::AsyncReadExt;

/// The C library does not know these.
const SO_PASSPIDFD: libc::c_int = 76;
const SO_PASSSEC: libc::c_int = 34;

#[derive(Clone, Copy, Debug)]
struct PassPidfd;
nix::setsockopt_impl!(
    PassPidfd,
    libc::SOL_SOCKET,
    SO_PASSPIDFD,
    bool,
    nix::sys::socket::sockopt::SetBool
);

#[derive(Clone, Copy, Debug)]
struct PassSecurity;
nix::setsockopt_impl!(
    PassSecurity,
    libc::SOL_SOCKET,
    SO_PASSSEC,
    bool,
    nix::sys::socket::sockopt::SetBool
);

/// Each message to this socket, or to one that it accepts, opens a descriptor. Whether the kernel
/// can do that: Linux 6.5 and later.
fn pass_pidfds(socket: &impl AsFd) -> bool {
    match setsockopt(socket, PassPidfd, &true) {
        Err(Errno::ENOPROTOOPT) => {
            println!("skipped: this kernel has no SO_PASSPIDFD, which came with Linux 6.5");
            false
        }
        result => {
            result.unwrap();
            true
        }
    }
}

/// Passes a descriptor, and gets another.
#[derive(Command)]
#[amp(response = Passed)]
struct Pass {
    n: u64,
    file: Option<Descriptor>,
}

#[derive(Arguments)]
struct Passed {
    n: u64,
    file: Option<Descriptor>,
}

#[derive(Command)]
#[amp(switch)]
struct Raw;

fn responders() -> Responders {
    Responders::new(()).respond(|_, Pass { n, file }| async move {
        let file = file.map(|file| {
            assert_eq!(number(file), n);
            numbered(!n)
        });
        Ok(Passed { n, file })
    })
}

/// More calls than the process may have files.
const CALLS: u64 = 300;

#[test]
fn a_server_whose_sockets_pass_pidfds_keeps_none() {
    in_own_process("a_server_whose_sockets_pass_pidfds_keeps_none", || {
        support::limit_open_files(256);
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let listener = UnixSocketListener::bind(&path).unwrap();
            if !pass_pidfds(&listener) {
                return;
            }
            tokio::spawn(amp_core::serve(listener, responders()));
            let peer = amp_unix::connect(&path).await.unwrap().spawn();
            let call = async |n: u64| {
                let file = n.is_multiple_of(2).then(|| numbered(n));
                let passed = peer.call_remote(Pass { n, file }).await.unwrap();
                assert_eq!(passed.n, n);
                if let Some(file) = passed.file {
                    assert_eq!(number(file), !n);
                }
            };
            call(0).await;
            let before = open_descriptors();
            for n in 1..=CALLS {
                call(n).await;
            }
            assert_eq!(open_descriptors(), before);
        });
    });
}

/// `read`, which takes no control data, leaves it to the kernel to drop it.
#[test]
fn plain_streams_and_blocking_clients_keep_no_pidfd() {
    in_own_process("plain_streams_and_blocking_clients_keep_no_pidfd", || {
        support::limit_open_files(256);
        let (near, far) = UnixStream::pair().unwrap();
        if !pass_pidfds(&near) || !pass_pidfds(&far) {
            return;
        }
        let calling = std::thread::spawn(move || {
            let mut client = blocking::Connection::new(near).start();
            for n in 0..CALLS {
                assert_eq!(client.call_remote(Pass { n, file: None }).unwrap().n, n);
            }
            open_descriptors()
        });
        let before = open_descriptors();
        block_on(async {
            far.set_nonblocking(true).unwrap();
            let far = tokio::net::UnixStream::from_std(far).unwrap();
            Connection::new(far).responders(responders()).run().await;
        });
        assert!(calling.join().unwrap() < before + 20);
    });
}

#[test]
fn what_a_switch_hands_over_keeps_no_pidfd() {
    in_own_process("what_a_switch_hands_over_keeps_no_pidfd", || {
        support::limit_open_files(256);
        block_on(async {
            let (near, far) = tokio::net::UnixStream::pair().unwrap();
            if !pass_pidfds(&near) {
                return;
            }
            let responders = Responders::new(()).respond_switch(|_, _: Raw| async {
                Ok(|stream: Switched| async {
                    let mut transport = stream.into_parts().transport;
                    for _ in 0..CALLS {
                        let attachments = support::attachments([1]);
                        support::send_all(&mut transport, b"x", attachments).await;
                    }
                })
            });
            let _far = amp_unix::connection(far).unwrap().responders(responders).spawn();
            let near = amp_unix::connection(near).unwrap().spawn();
            let mut stream = near.switch_protocol(Raw).await.unwrap();
            let before = open_descriptors();
            for _ in 0..CALLS {
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
                drop(take_descriptors(&mut stream));
            }
            assert!(open_descriptors() < before + 20);
        });
    });
}

/// All that one message can bring, and all that the kernel can add to it.
#[test]
fn the_most_descriptors_arrive_beside_all_that_the_kernel_adds() {
    let name = "the_most_descriptors_arrive_beside_all_that_the_kernel_adds";
    in_own_process(name, || {
        let (near, far) = UnixStream::pair().unwrap();
        if !pass_pidfds(&near) {
            return;
        }
        setsockopt(&near, sockopt::PassCred, &true).unwrap();
        setsockopt(&near, PassSecurity, &true).unwrap();
        let file = support::tagged(1);
        let files: [BorrowedFd<'_>; MAX_DESCRIPTORS] = [file.as_fd(); MAX_DESCRIPTORS];
        let before = open_descriptors();
        for _ in 0..3 {
            socket::send(&far, &[IoSlice::new(b"x")], &files).unwrap();
            let (mut buffer, mut descriptors) = (BytesMut::with_capacity(10), Vec::new());
            socket::receive(&near, &mut buffer, &mut descriptors).unwrap();
            assert_eq!(descriptors.len(), MAX_DESCRIPTORS);
            drop(descriptors);
            assert_eq!(open_descriptors(), before);
        }
    });
}

/// The kernel gives an error's number then, which is no descriptor and must not be closed.
#[test]
fn a_pidfd_that_cannot_be_opened_costs_nothing() {
    in_own_process("a_pidfd_that_cannot_be_opened_costs_nothing", || {
        let (near, mut far) = UnixStream::pair().unwrap();
        if !pass_pidfds(&near) {
            return;
        }
        far.write_all(b"x").unwrap();
        let mut fillers = Vec::new();
        support::limit_open_files(64);
        while let Ok(filler) = near.try_clone() {
            fillers.push(filler);
        }
        let mut buffer = BytesMut::with_capacity(10);
        let moved = socket::receive(&near, &mut buffer, &mut Vec::new()).unwrap();
        assert_eq!(moved.bytes, 1);
    });
}
