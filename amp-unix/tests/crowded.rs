//! What the kernel refuses for the moment, without an event that says when it no longer does: a
//! full backlog, and too many descriptors on their way.
#![cfg(target_os = "linux")]

mod support;

use amp_core::{CallError, CloseReason, Command, Responders};
use amp_unix::{Descriptor, DescriptorError, IUnixTransport, connection_over, socket};
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;
use support::numbered::{number, numbered};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Listens with a backlog that holds few.
fn listen(path: &Path) -> UnixListener {
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(path).unwrap();
    socket.listen(5).unwrap()
}

#[tokio::test]
async fn clients_wait_for_room_in_the_backlog() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = listen(&path);
    let mut clients = JoinSet::new();
    for _ in 0..300 {
        let path = path.clone();
        clients.spawn(async move { amp_unix::connect(&path).await.map(drop) });
    }
    // Each has tried once.
    while let Ok(Some(client)) =
        tokio::time::timeout(Duration::from_millis(1), clients.join_next()).await
    {
        client.unwrap().unwrap();
    }
    let accepting = async {
        loop {
            drop(listener.accept().await.unwrap());
        }
    };
    let connecting = async {
        while let Some(client) = clients.join_next().await {
            client.unwrap().unwrap();
        }
    };
    tokio::select! {
        () = accepting => {}
        () = connecting => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_stays_full_is_an_error_that_names_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listener = listen(&path);
    let began = Instant::now();
    let mut connected = Vec::new();
    let error = loop {
        match amp_unix::connect(&path).await {
            Ok(connection) => connected.push(connection),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let expected =
        format!("cannot connect to {}: its backlog has been full for 10s", path.display());
    assert_eq!(error.to_string(), expected);
    assert!((10..11).contains(&began.elapsed().as_secs()));
}

/// Takes a file.
#[derive(Command)]
struct Take {
    n: u64,
    file: Descriptor,
}

fn take() -> Responders {
    Responders::new(()).respond(|_, Take { n, file }| async move {
        assert_eq!(number(file), n);
        Ok(())
    })
}

/// The kernel takes descriptors again after so many attempts.
struct Full {
    stream: UnixStream,
    attempts: usize,
}

impl IUnixTransport for Full {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_receive(cx, buffer, descriptors)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        if !descriptors.is_empty() && self.attempts > 0 {
            self.attempts -= 1;
            return Poll::Ready(Err(DescriptorError::TooManyInFlight.into()));
        }
        self.stream.poll_send(cx, bytes, descriptors)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }

    /// So that calls meet it too, outside of the connection's task.
    fn sends_on_any_task(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_until_descriptors_can_be_sent_again() {
    for attempts in [1, 2, 100] {
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection_over(Full { stream: near, attempts }).spawn();
        let _far = amp_unix::connection(far).unwrap().responders(take()).spawn();
        for n in 0..2 {
            peer.call_remote(Take { n, file: numbered(n) }).await.unwrap();
        }
    }
}

/// Where a call cannot make a timer.
#[test]
fn a_call_from_outside_of_the_runtime_waits_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (peer, _far) = runtime.block_on(async {
        let (near, far) = UnixStream::pair().unwrap();
        let far = amp_unix::connection(far).unwrap().responders(take()).spawn();
        (connection_over(Full { stream: near, attempts: 3 }).spawn(), far)
    });
    std::thread::spawn(move || {
        let elsewhere = tokio::runtime::Builder::new_current_thread().build().unwrap();
        elsewhere.block_on(peer.call_remote(Take { n: 1, file: numbered(1) })).unwrap();
    })
    .join()
    .unwrap();
}

/// What the peer sent before is still read. But no call is accepted any more, and the reason stays
/// the reason when the peer goes too.
#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_send_for_long_says_why() {
    let (near, far) = UnixStream::pair().unwrap();
    let began = Instant::now();
    let peer = connection_over(Full { stream: near, attempts: usize::MAX }).spawn();
    let first = tokio::spawn(peer.call_remote(Take { n: 0, file: numbered(0) }));
    while !peer.is_closed() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((10..11).contains(&began.elapsed().as_secs()));
    let why = |error| match error {
        CallError::Closed(CloseReason::Io(error)) => error.to_string(),
        error => panic!("{error}"),
    };
    let reason = DescriptorError::TooManyInFlight.to_string();
    let second = peer.call_remote(Take { n: 1, file: numbered(1) });
    assert_eq!(why(second.await.unwrap_err()), reason);
    drop(far);
    assert_eq!(why(first.await.unwrap().unwrap_err()), reason);
    assert_eq!(peer.closed().await.to_string(), reason);
}

/// Linux counts what a user has sent and nobody has received yet, unless it is root.
#[test]
fn a_call_goes_out_once_others_have_received_what_was_on_its_way() {
    let name = "a_call_goes_out_once_others_have_received_what_was_on_its_way";
    support::in_own_process(name, || {
        if nix::unistd::geteuid().is_root() {
            nix::unistd::setuid(54_323.into()).unwrap();
        }
        support::limit_open_files(64);
        support::block_on(async {
            let (filling, filled) = std::os::unix::net::UnixStream::pair().unwrap();
            let files = [filled.as_fd(); 50];
            while socket::send(&filling, &[IoSlice::new(b"x")], &files).is_ok() {}

            let (near, far) = UnixStream::pair().unwrap();
            let peer = amp_unix::connection(near).unwrap().spawn();
            let far = amp_unix::connection(far).unwrap().responders(take()).spawn();
            let call = tokio::spawn(peer.call_remote(Take { n: 7, file: numbered(7) }));
            // It has tried: the peer has not been called.
            while far.counters().calls_received == 0 && peer.counters().calls_sent == 0 {
                tokio::task::yield_now().await;
            }
            assert!(!call.is_finished());
            drop((filling, filled));
            call.await.unwrap().unwrap();
        });
    });
}
