//! What the kernel refuses for the moment, without an event that says when it no longer does: a
//! full backlog, and too many descriptors on their way.
#![cfg(target_os = "linux")]

mod support;

use amp_core::{CallError, CloseReason, Command, Report, Responders};
use amp_unix::{Descriptor, DescriptorError, connection_over, socket};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use support::numbered::{number, numbered};
use support::over::Over;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};

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
    assert_eq!(Report(&error).to_string(), expected);
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

/// The kernel takes descriptors again after so many attempts. Calls meet that too, outside of the
/// connection's task.
fn full(stream: UnixStream, mut attempts: usize) -> Over {
    let over = Over::new(stream, move |_, descriptors| {
        if descriptors == 0 || attempts == 0 {
            return None;
        }
        attempts -= 1;
        Some(Poll::Ready(Err(DescriptorError::TooManyInFlight.into())))
    });
    over.on_any_task()
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_until_descriptors_can_be_sent_again() {
    for attempts in [1, 2, 100] {
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection_over(full(near, attempts)).spawn();
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
        (connection_over(full(near, 3)).spawn(), far)
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
    let peer = connection_over(full(near, usize::MAX)).spawn();
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

/// Too many are on their way; then the socket is full for 30 seconds, since the peer does not read;
/// then too many are on their way again.
fn alternating(stream: UnixStream) -> Over {
    let mut attempts = 0;
    let mut full: Option<Pin<Box<Sleep>>> = None;
    Over::new(stream, move |cx, _| {
        if attempts == 1 {
            let full = full.get_or_insert_with(|| Box::pin(sleep(Duration::from_secs(30))));
            if full.as_mut().poll(cx).is_pending() {
                return Some(Poll::Pending);
            }
            attempts = 2;
        }
        if attempts > 2 {
            return None;
        }
        attempts += 1;
        Some(Poll::Ready(Err(DescriptorError::TooManyInFlight.into())))
    })
}

/// What it waits for meanwhile does not count.
#[tokio::test(start_paused = true)]
async fn each_wait_for_others_has_its_own_time() {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = connection_over(alternating(near)).spawn();
    let _far = amp_unix::connection(far).unwrap().responders(take()).spawn();
    let began = Instant::now();
    peer.call_remote(Take { n: 1, file: numbered(1) }).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(30));
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
            let attempts = Arc::<AtomicUsize>::default();
            let counted = Arc::clone(&attempts);
            let counting = Over::new(near, move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
                None
            });
            let peer = connection_over(counting).spawn();
            let _far = amp_unix::connection(far).unwrap().responders(take()).spawn();
            let call = tokio::spawn(peer.call_remote(Take { n: 7, file: numbered(7) }));
            while attempts.load(Ordering::Relaxed) < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!call.is_finished());
            drop((filling, filled));
            call.await.unwrap().unwrap();
        });
    });
}
