//! Peers that pass descriptors which nothing takes, or which are held for long: they cost the process
//! a bounded number of files, for a bounded time. Each test has a process of its own, where it alone
//! counts.

mod support;

use amp_core::{CallError, CloseReason, Command, Context, Limits, NoError, Peer, Responders};
use amp_unix::{Descriptor, UnixSocketListener, UnixTransport, connection};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use support::numbered::Far;
use support::{ask, open_descriptors, receive_all, send_all, without_leak};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{self, Receiver};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long what nothing names may wait here.
const WHILE: Duration = Duration::from_secs(3);

/// A descriptor, and what sees the end once the last copy of it is closed.
fn end_of_pipe() -> (OwnedFd, Receiver) {
    let (writer, reader) = pipe::pipe().unwrap();
    (writer.into_blocking_fd().unwrap(), reader)
}

async fn closed(reader: &Receiver) {
    loop {
        reader.readable().await.unwrap();
        match reader.try_read(&mut [0]) {
            Ok(0) => return,
            Ok(_) => panic!("nobody writes"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

fn is_open(reader: &Receiver) -> bool {
    matches!(reader.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Sends these with a call that nobody knows, and reads the answer: they are there then.
async fn leave(far: &mut UnixTransport<UnixStream>, descriptors: Vec<OwnedFd>) {
    let attachments =
        descriptors.into_iter().map(|fd| Arc::new(fd) as amp_core::argument::Attachment);
    send_all(far, &ask("1", "Nobody", &[]), attachments.collect::<VecDeque<_>>()).await;
    receive_all(far, 20).await;
}

/// A pipe that is left with the peer.
async fn leave_pipe(far: &mut UnixTransport<UnixStream>) -> Receiver {
    let (descriptor, reader) = end_of_pipe();
    leave(far, vec![descriptor]).await;
    reader
}

/// Each client passes its own end of the connection over it and is gone: the server has both ends,
/// and no end of the stream is ever seen.
#[test]
fn sockets_that_are_passed_over_themselves_do_not_fill_a_server() {
    let name = "sockets_that_are_passed_over_themselves_do_not_fill_a_server";
    without_leak(name, || async {
        support::limit_open_files(1024);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixSocketListener::bind(&path).unwrap();
        let limits = Limits::default().unclaimed_timeout(WHILE);
        let server = amp_core::serve_with(listener, move |connection| connection.limits(limits));
        let server = tokio::spawn(server);
        let before = open_descriptors();
        for _ in 0..600 {
            let stream = UnixStream::connect(&path).await.unwrap();
            let itself = stream.as_fd().try_clone_to_owned().unwrap();
            leave(&mut UnixTransport::new(stream), vec![itself]).await;
            let open = open_descriptors() - before;
            assert!(open <= 2 * 256 + 10, "{open} are open");
        }
        // Nobody else does anything, and they go.
        tokio::time::pause();
        while open_descriptors() > before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn what_nothing_names_goes_after_a_while() {
    without_leak("what_nothing_names_goes_after_a_while", || async {
        tokio::time::pause();
        let (near, far) = UnixStream::pair().unwrap();
        let limits = Limits::default().unclaimed_timeout(WHILE);
        let _peer = connection(near).unwrap().limits(limits).spawn();
        let mut far = UnixTransport::new(far);
        let began = Instant::now();
        let goes_after = async |reader: &Receiver, begun: Instant| {
            closed(reader).await;
            let passed = begun.elapsed();
            assert!(passed >= WHILE && passed < WHILE + Duration::from_millis(50), "{passed:?}");
        };
        let first = leave_pipe(&mut far).await;
        tokio::time::sleep(WHILE / 3 * 2).await;
        let began_later = Instant::now();
        let second = leave_pipe(&mut far).await;
        goes_after(&first, began).await;
        assert!(is_open(&second));
        goes_after(&second, began_later).await;
        // It begins again.
        let began = Instant::now();
        let third = leave_pipe(&mut far).await;
        goes_after(&third, began).await;
    });
}

/// They are closed when they come, and the connection goes on.
#[test]
fn over_the_limit_the_last_are_closed() {
    without_leak("over_the_limit_the_last_are_closed", || async {
        let limits = Limits::default().unclaimed_attachments(3);
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection(near).unwrap().limits(limits).spawn();
        let mut far = UnixTransport::new(far);
        let (descriptors, readers): (Vec<_>, Vec<_>) = (0..4).map(|_| end_of_pipe()).unzip();
        let attachments =
            descriptors.into_iter().map(|fd| Arc::new(fd) as amp_core::argument::Attachment);
        send_all(&mut far, b"\0", attachments.collect()).await;
        closed(&readers[3]).await;
        assert!(readers[..3].iter().all(is_open));
        drop(far);
        assert!(matches!(peer.closed().await, CloseReason::Truncated { .. }));
    });
}

/// Holds files until it is told to let go.
#[derive(Command, Debug)]
struct Hold {
    files: Vec<Descriptor>,
}

fn holding(release: &Arc<Notify>) -> Responders<Arc<Notify>> {
    Responders::new(Arc::clone(release)).respond(|context, Hold { files }| async move {
        context.state().notified().await;
        drop(files);
        Ok(())
    })
}

fn files(count: usize) -> (Hold, Vec<Receiver>) {
    let (descriptors, readers): (Vec<_>, Vec<_>) = (0..count).map(|_| end_of_pipe()).unzip();
    (Hold { files: descriptors.into_iter().map(Descriptor::from).collect() }, readers)
}

/// A call whose files are held.
async fn hold(
    peer: &Peer,
    count: usize,
) -> (tokio::task::JoinHandle<Result<(), CallError>>, Vec<Receiver>) {
    let (command, readers) = files(count);
    let call = tokio::spawn(peer.call_remote(command));
    // It is behind that one.
    let unhandled = peer.call_by_name("Nobody", [("", ""); 0]).await.unwrap_err();
    assert!(unhandled.is_unhandled());
    assert!(!call.is_finished() && readers.iter().all(is_open));
    (call, readers)
}

async fn refused(peer: &Peer, count: usize) {
    let (command, readers) = files(count);
    let error = peer.call_remote(command).await.unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.code == "UNKNOWN"), "{error}");
    for reader in &readers {
        closed(reader).await;
    }
}

#[test]
fn what_running_responders_hold_counts() {
    without_leak("what_running_responders_hold_counts", || async {
        let release = Arc::<Notify>::default();
        let limits = Limits::default().unclaimed_attachments(10);
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection(near).unwrap().spawn();
        let _far = connection(far).unwrap().responders(holding(&release)).limits(limits).spawn();
        for _ in 0..3 {
            let (first, _) = hold(&peer, 6).await;
            let (second, _) = hold(&peer, 3).await;
            refused(&peer, 2).await;
            let (third, readers) = hold(&peer, 1).await;
            refused(&peer, 1).await;
            release.notify_waiters();
            for call in [first, second, third] {
                call.await.unwrap().unwrap();
            }
            closed(&readers[0]).await;
        }
    });
}

/// What runs after an answer may keep what the call brought.
#[test]
fn what_is_held_after_an_answer_counts() {
    without_leak("what_is_held_after_an_answer_counts", || async {
        let release = Arc::<Notify>::default();
        let limits = Limits::default().unclaimed_attachments(10);
        let (near, far) = UnixStream::pair().unwrap();
        let peer = connection(near).unwrap().spawn();
        let responders = Responders::new(Arc::clone(&release)).respond_then(
            |context: Context<Arc<Notify>>, Hold { files }: Hold| async move {
                let keep = async move {
                    context.state().notified().await;
                    drop(files);
                };
                Ok::<_, NoError>(((), keep))
            },
        );
        let _far = connection(far).unwrap().responders(responders).limits(limits).spawn();
        for _ in 0..3 {
            let (first, second) = (files(6), files(4));
            peer.call_remote(first.0).await.unwrap();
            refused(&peer, 5).await;
            peer.call_remote(second.0).await.unwrap();
            refused(&peer, 1).await;
            release.notify_waiters();
            for reader in first.1.iter().chain(&second.1) {
                closed(reader).await;
            }
        }
    });
}

/// As many as a call may bring that is held, up to `most`. Whether any.
async fn hold_all(peer: &Peer, most: usize) -> usize {
    let mut held = 0;
    let mut count = most;
    while count > 0 {
        let (command, readers) = files(count);
        let call = tokio::spawn(peer.call_remote(command));
        let unhandled = peer.call_by_name("Nobody", [("", ""); 0]).await.unwrap_err();
        assert!(unhandled.is_unhandled());
        if readers.iter().all(is_open) {
            held += count;
        } else {
            assert!(call.await.unwrap().is_err());
            count /= 2;
        }
    }
    held
}

#[test]
fn what_running_responders_hold_counts_over_all_connections() {
    without_leak("what_running_responders_hold_counts_over_all_connections", || async {
        let release = Arc::<Notify>::default();
        let limits = Limits::default().attachments_in_all(64);
        let pair = || {
            let (near, far) = UnixStream::pair().unwrap();
            let far = connection(far).unwrap().responders(holding(&release)).limits(limits);
            (connection(near).unwrap().spawn(), far.spawn())
        };
        let ((first, first_far), (second, _second_far)) = (pair(), pair());
        // One alone has half of all.
        let (one, readers) = hold(&first, 32).await;
        refused(&first, 1).await;
        // Of the 48 that responders may hold a third is left: a ninth of that.
        let (other, _) = hold(&second, 3).await;
        refused(&second, 1).await;
        // What outlives its connection counts.
        first.close().await;
        first_far.closed().await;
        assert!(one.await.unwrap().unwrap_err().is_closed());
        assert!(readers.iter().all(is_open));
        refused(&second, 1).await;
        release.notify_waiters();
        other.await.unwrap().unwrap();
        for reader in &readers {
            closed(reader).await;
        }
        let (last, _) = hold(&second, 32).await;
        release.notify_waiters();
        last.await.unwrap().unwrap();
    });
}

/// A dozen clients hold all they can, in responders and for boxes that they do not finish, and another
/// still passes some, with its box and before it.
#[test]
fn those_who_hold_all_they_can_leave_some_for_others() {
    without_leak("those_who_hold_all_they_can_leave_some_for_others", || async {
        let release = Arc::<Notify>::default();
        let limits = Limits::default().attachments_in_all(256);
        let connect = || {
            let (near, far) = UnixStream::pair().unwrap();
            let take = |_, Take { file }| async {
                drop(file);
                Ok(())
            };
            let responders = holding(&release).respond(take);
            let near = connection(near).unwrap().responders(responders).limits(limits).spawn();
            (near, far)
        };
        let mut hostile = Vec::new();
        let mut held = 0;
        for _ in 0..12 {
            let (near, far) = connect();
            let peer = connection(far).unwrap().spawn();
            held += hold_all(&peer, 128).await;
            hostile.push((near, peer));
        }
        assert!(held < 192, "{held} are held");
        let mut leaving = Vec::new();
        let (_near, honest) = connect();
        let mut honest = Far::new(honest);
        let whole = ask("1", "Take", &[("file", "0")]);
        honest.send(&whole[..10], 1).await;
        for _ in 0..12 {
            let (near, far) = connect();
            let mut far = UnixTransport::new(far);
            for _ in 0..30 {
                leave_pipe(&mut far).await;
            }
            leaving.push((near, far));
        }
        honest.send(&whole[10..], 0).await;
        assert!(honest.receive().await.unwrap().contains_key("_answer"));
        let (near, far) = connect();
        let honest = connection(far).unwrap().spawn();
        let (call, _) = hold(&honest, 1).await;
        release.notify_waiters();
        call.await.unwrap().unwrap();
        drop((near, hostile));
    });
}

/// Among those who have as many, the oldest go. What is claimed at once is none of those.
#[test]
fn the_oldest_go_when_all_connections_together_have_too_many() {
    without_leak("the_oldest_go_when_all_connections_together_have_too_many", || async {
        let limits = Limits::default().attachments_in_all(12);
        let connect = |responders| {
            let (near, far) = UnixStream::pair().unwrap();
            let near = connection(near).unwrap().responders(responders).limits(limits).spawn();
            (near, UnixTransport::new(far))
        };
        let release = Arc::<Notify>::default();
        let (_hoarder, mut far) = connect(holding(&release));
        let (_other, mut other_far) = connect(holding(&release));
        let mut readers = Vec::new();
        for _ in 0..6 {
            readers.push(leave_pipe(&mut far).await);
            readers.push(leave_pipe(&mut other_far).await);
        }
        assert!(readers.iter().all(is_open));

        let (near, served) = UnixStream::pair().unwrap();
        let responders = holding(&release);
        let _served = connection(served).unwrap().responders(responders).limits(limits).spawn();
        let peer = connection(near).unwrap().spawn();
        let (call, held) = hold(&peer, 2).await;
        for reader in &readers[..5] {
            closed(reader).await;
        }
        assert!(readers[5..].iter().all(is_open) && held.iter().all(is_open));
        release.notify_waiters();
        call.await.unwrap().unwrap();
        let youngest = readers.pop().unwrap();
        // Those of the hoarder go with it, and the other one's stay.
        drop((far, readers));
        assert!(is_open(&youngest));
    });
}

/// One client leaves as many as it can, and another, whose box is not there as a whole, loses nothing.
#[test]
fn whoever_has_most_loses_his_own() {
    without_leak("whoever_has_most_loses_his_own", || async {
        let limits = Limits::default().attachments_in_all(40);
        let connect = || {
            let (near, far) = UnixStream::pair().unwrap();
            let responders = Responders::new(()).respond(|_, Take { file }| async {
                drop(file);
                Ok(())
            });
            let near = connection(near).unwrap().responders(responders).limits(limits).spawn();
            (near, far)
        };
        let (_first, honest) = connect();
        let mut honest = Far::new(honest);
        let whole = ask("1", "Take", &[("file", "0")]);
        honest.send(&whole[..10], 1).await;
        let (_second, hoarder) = connect();
        let mut hoarder = UnixTransport::new(hoarder);
        for _ in 0..200 {
            leave_pipe(&mut hoarder).await;
        }
        honest.send(&whole[10..], 0).await;
        assert!(honest.receive().await.unwrap().contains_key("_answer"));
    });
}

/// Takes a file.
#[derive(Command, Debug)]
struct Take {
    file: Descriptor,
}

/// While a peer is not read from, a little is read ahead to learn whether it is there: not so much that
/// what it passes is too much.
#[test]
fn calls_that_are_read_ahead_do_not_bring_too_many() {
    without_leak("calls_that_are_read_ahead_do_not_bring_too_many", || async {
        let release = Arc::<Notify>::default();
        let responders = holding(&release).respond(|_, Take { file }| async {
            drop(file);
            Ok(())
        });
        let limits = Limits::default().unclaimed_attachments(20).running_responders(1);
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = connection(near).unwrap().responders(responders).limits(limits).spawn();
        let mut far = Far::new(far);
        far.send(&ask("0", "Hold", &[("files", "\0\x010")]), 1).await;
        // As many as may be on their way to a peer that does not read.
        for ordinal in 1..128 {
            far.send(&ask("1", "Take", &[("file", &ordinal.to_string())]), 1).await;
        }
        tokio::time::pause();
        tokio::time::sleep(Duration::from_secs(2)).await;
        release.notify_waiters();
        for _ in 0..128 {
            assert!(far.receive().await.unwrap().contains_key("_answer"));
        }
    });
}
