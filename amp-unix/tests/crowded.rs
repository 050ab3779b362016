//! What the kernel refuses for the moment, without an event that says when it no longer does: a
//! full backlog, and too many descriptors on their way.
#![cfg(target_os = "linux")]

mod support;

use amp_core::testing::ask_box;
use amp_core::{Arguments, CallError, Command, Context, FailurePolicy, Report, Responders};
use amp_unix::{Descriptor, DescriptorError, connection_over, socket};
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    assert_eq!(Report::new(&error).to_string(), expected);
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

/// Others have them on their way, so it ends no connection. What waits behind it is sent then, and so are
/// descriptors once they can be.
#[tokio::test(start_paused = true)]
async fn a_call_whose_descriptor_cannot_be_sent_for_long_fails_alone() {
    let (near, far) = UnixStream::pair().unwrap();
    let is_full = Arc::new(AtomicBool::new(true));
    let full = Arc::clone(&is_full);
    let over = Over::new(near, move |_, descriptors| {
        let refuses = descriptors > 0 && full.load(Ordering::Relaxed);
        refuses.then(|| Poll::Ready(Err(DescriptorError::TooManyInFlight.into())))
    });
    let peer = connection_over(over).spawn();
    let _far = amp_unix::connection(far).unwrap().responders(take()).spawn();
    for _ in 0..2 {
        let began = Instant::now();
        let call = tokio::spawn(peer.call_remote(Take { n: 0, file: numbered(0) }));
        let behind = tokio::spawn(peer.call_by_name("Other", [("a", "b")]));
        let CallError::NotSent(error) = call.await.unwrap().unwrap_err() else { panic!() };
        assert_eq!(error.to_string(), DescriptorError::TooManyInFlight.to_string());
        assert!((10..11).contains(&began.elapsed().as_secs()));
        let CallError::Remote(error) = behind.await.unwrap().unwrap_err() else { panic!() };
        assert_eq!(error.code, "UNHANDLED");
    }
    is_full.store(false, Ordering::Relaxed);
    peer.call_remote(Take { n: 1, file: numbered(1) }).await.unwrap();
}

/// No responder has failed whose answer cannot be sent for long.
#[tokio::test(start_paused = true)]
async fn an_answer_whose_descriptor_cannot_be_sent_for_long_closes_nothing() {
    let (near, far) = UnixStream::pair().unwrap();
    let server = connection_over(full(near, usize::MAX)).failure_policy(FailurePolicy::Close);
    let server = server.responders(open()).spawn();
    let peer = amp_unix::connection(far).unwrap().spawn();
    for _ in 0..2 {
        let Err(CallError::Remote(error)) = peer.call_remote(Open {}).await else { panic!() };
        assert_eq!(error.code, "UNKNOWN");
    }
    assert!(!server.is_closed());
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

/// A call of this is answered with a file.
fn open() -> Responders<Descriptor> {
    let open = |context: Context<Descriptor>, Open {}| async move {
        Ok(Opened { file: context.state().clone() })
    };
    Responders::new(numbered(1)).respond(open)
}

#[derive(Command)]
#[amp(response = Opened)]
struct Open {}

#[derive(Arguments)]
struct Opened {
    file: Descriptor,
}

/// It has called very often, and reads nothing. Linux lets a user have so many on their way that were not
/// received as its processes may have files open.
#[test]
fn who_does_not_read_leaves_others_their_descriptors() {
    let name = "who_does_not_read_leaves_others_their_descriptors";
    support::in_own_process(name, || {
        if nix::unistd::geteuid().is_root() {
            nix::unistd::setuid(54_324.into()).unwrap();
        }
        support::limit_open_files(256);
        support::block_on(async {
            let (server, silent) = UnixStream::pair().unwrap();
            let _server = amp_unix::connection(server).unwrap().responders(open()).spawn();
            let asks = ask_box(&Open {}).unwrap();
            for _ in 0..400 {
                silent.writable().await.unwrap();
                assert_eq!(silent.try_write(&asks).unwrap(), asks.len());
                tokio::task::yield_now().await;
            }
            let (honest, far) = UnixStream::pair().unwrap();
            let _far = amp_unix::connection(far).unwrap().responders(open()).spawn();
            let honest = amp_unix::connection(honest).unwrap().spawn();
            for _ in 0..200 {
                let Opened { file } = honest.call_remote(Open {}).await.unwrap();
                drop(file);
            }
            let (mut bytes, mut files) = (BytesMut::with_capacity(64 << 10), Vec::new());
            while socket::receive(&silent, &mut bytes, &mut files).is_ok() {}
            assert!((64..=128).contains(&files.len()), "{}", files.len());
        });
    });
}

/// Counts the descriptors that are to be sent.
fn counting(stream: UnixStream, sent: &Arc<AtomicUsize>) -> Over {
    let sent = Arc::clone(sent);
    Over::new(stream, move |_, descriptors| {
        sent.fetch_add(descriptors, Ordering::Relaxed);
        None
    })
}

/// A peer that has not read for a while loses nothing, and is woken for.
#[tokio::test]
async fn what_waits_for_a_peer_that_does_not_read_goes_out_once_it_reads() {
    const CALLS: u64 = 1000;
    let (near, far) = UnixStream::pair().unwrap();
    let sent = Arc::<AtomicUsize>::default();
    let peer = connection_over(counting(near, &sent)).spawn();
    let mut calls = JoinSet::new();
    for n in 0..CALLS {
        calls.spawn(peer.call_remote(Take { n, file: numbered(n) }));
    }
    while sent.load(Ordering::Relaxed) < 64 {
        tokio::task::yield_now().await;
    }
    let _far = amp_unix::connection(far).unwrap().responders(take()).spawn();
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
}

/// Who receives no more, and has left it unread, is noticed as ever.
#[tokio::test]
async fn a_peer_that_shuts_its_side_down_ends_what_waits_for_it() {
    let (near, far) = UnixStream::pair().unwrap();
    let sent = Arc::<AtomicUsize>::default();
    let peer = connection_over(counting(near, &sent)).spawn();
    let mut calls = JoinSet::new();
    for n in 0..300 {
        calls.spawn(peer.call_remote(Take { n, file: numbered(n) }));
    }
    while sent.load(Ordering::Relaxed) < 64 {
        tokio::task::yield_now().await;
    }
    let far = far.into_std().unwrap();
    far.shutdown(std::net::Shutdown::Both).unwrap();
    while let Some(call) = calls.join_next().await {
        assert!(call.unwrap().unwrap_err().is_closed());
    }
    peer.closed().await;
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
