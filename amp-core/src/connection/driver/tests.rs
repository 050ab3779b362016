use super::state::Driver;
use crate::AmpBox;
use crate::argument::Attachment;
use crate::connection::double::Double;
use crate::connection::wakes::Wakes;
use crate::connection::{Connection, Peer};
use crate::error::CloseReason;
use crate::proto::Limits;
use crate::proto::{Body, Portions, Together};
use crate::responder::Responders;
use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const READ_MIN: usize = 8 << 10;
const READ_MAX: usize = 256 << 10;

fn start() -> (Peer, Driver, tokio::io::DuplexStream) {
    let (near, far) = tokio::io::duplex(1000);
    let limits = Limits { running_responders: 1, ..Limits::default() };
    let (peer, driver) = Connection::new(near).limits(limits).start();
    (peer, driver, far)
}

/// On a runtime of several threads a driver that wakes itself wakes another thread for nothing.
#[tokio::test]
async fn responders_that_answer_at_once_do_not_wake_the_driver_that_runs_them() {
    let (near, mut far) = tokio::io::duplex(1000);
    let responders = Responders::new(()).respond_ping();
    let (peer, mut driver) = Connection::new(near).responders(responders).start();
    let count = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    for round in 1..=3 {
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
        let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "Ping")]).unwrap().to_bytes();
        far.write_all(&call.repeat(3)).await.unwrap();
        assert_eq!(count.count(), round, "the bytes wake it");
    }
    assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    assert_eq!(peer.counters().answers_sent, 9);
    assert_eq!(count.count(), 3);
}

/// Another thread would take a driver that is woken at once from the thread of those it has woken.
#[tokio::test]
async fn a_driver_gives_way_to_many_callers_on_one_task() {
    let own_task = Waker::from(Arc::new(Wakes::default()));
    for (caller, gives_way) in [(Waker::noop(), true), (&own_task, false)] {
        let (peer, mut driver) =
            Connection::with_transport(giving(vec![(answers(1..=200), 0)])).start();
        driver.drive.inbound.share_threads();
        let _calls = outstanding(&peer, 200, caller);
        let count = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut poll = || {
            assert!(Pin::new(&mut driver).poll(&mut Context::from_waker(&waker)).is_pending());
        };
        poll();
        assert_eq!((peer.counters().answers_received, count.count()), (24, 1), "nobody knows yet");
        poll();
        let (answered, woken) = if gives_way { (24 + 100, 1) } else { (24 + 24, 2) };
        assert_eq!((peer.counters().answers_received, count.count()), (answered, woken));
    }
}

/// The peer is at work on the first answers before the last call is begun. Who has calls of its own sends all at
/// once, when those who made them have had their turn.
#[tokio::test]
async fn calls_that_come_at_once_are_answered_in_portions() {
    for (asks, expected) in [(false, 4), (true, 1)] {
        let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "Ping")]).unwrap().to_bytes();
        let sends = Arc::default();
        let transport = giving(vec![(call.repeat(8), 0)]).counts_sends(&sends);
        let responders = Responders::new(()).respond_ping();
        let connection = Connection::with_transport(transport).responders(responders);
        let (peer, mut driver) = connection.start();
        driver.drive.portions = Portions::cutting();
        let mut own = pin!(peer.call_by_name("A", [("", ""); 0]));
        if asks {
            assert!(own.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let count = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&count));
        assert!(Pin::new(&mut driver).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(peer.counters().answers_sent, 8);
        assert_eq!(sends.load(Ordering::Relaxed), expected);
        assert_eq!(count.count(), 0, "all within one turn of its task");
    }
}

/// The stream breaks right behind what was received.
#[tokio::test]
async fn calls_before_a_mistake_are_all_begun_whatever_is_cut() {
    let one_way = AmpBox::from_pairs([("_command", "Count")]).unwrap().to_bytes();
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let responders = Responders::new(()).respond_by_name("Count", move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(AmpBox::new()) }
    });
    let mut bytes = Some([&one_way.repeat(8)[..], b"\xff\xff"].concat());
    let transport = Double::new().receives(move |buffer, _| match bytes.take() {
        Some(bytes) => {
            buffer.extend_from_slice(&bytes);
            Poll::Ready(Ok(bytes.len()))
        }
        None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
    });
    let connection = Connection::with_transport(transport).responders(responders);
    let (_peer, mut driver) = connection.start();
    driver.drive.portions = Portions::cutting();
    let reason = driver.await;
    assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
    assert_eq!(begun.load(Ordering::Relaxed), 8);
}

/// That the peer has gone is read only after the answers that wait for a later turn.
#[tokio::test]
async fn answers_are_given_out_in_turns_and_none_is_lost_when_the_peer_goes() {
    for (calls, turn) in [(40, 16), (24, 12), (16, 8), (10, 8)] {
        give_out_answers(calls, turn).await;
    }
}

async fn give_out_answers(count: usize, turn: usize) {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let (peer, mut driver) = Connection::new(near).start();
    let given = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&given));
    let mut none = Context::from_waker(Waker::noop());
    let no_pairs: [(&str, &str); 0] = [];
    let mut calls: Vec<_> = (0..count).map(|_| peer.call_by_name("A", no_pairs)).collect();
    for call in &mut calls {
        assert!(Pin::new(call).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    for tag in 1..=count {
        let answer = AmpBox::from_pairs([("_answer", format!("{tag:x}"))]).unwrap();
        far.write_all(&answer.to_bytes()).await.unwrap();
    }
    drop(far);
    for given_out in (turn..count).step_by(turn) {
        assert!(Pin::new(&mut driver).poll(&mut none).is_pending());
        assert_eq!(given.count(), given_out);
    }
    while Pin::new(&mut driver).poll(&mut none).is_pending() {}
    assert_eq!(given.count(), count);
    for mut call in calls {
        assert!(matches!(Pin::new(&mut call).poll(&mut none), Poll::Ready(Ok(_))));
    }
}

/// Other threads do not see a task that gives way. So the driver is woken after a while too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_is_woken_in_time_while_it_gives_way() {
    for (count, is_due) in [(1100, true), (1000, false)] {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let (_peer, driver) = Connection::new(near).start();
        far.write_all(&answers(1..=count)).await.unwrap();
        let mut driver = pin!(driver);
        assert!(driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(driver.drive.next_due().is_some(), is_due, "{count} boxes");
        let come = std::future::poll_fn(|cx| {
            assert!(driver.as_mut().poll(cx).is_pending());
            if driver.drive.next_due().is_none() { Poll::Ready(()) } else { Poll::Pending }
        });
        come.await;
    }
}

/// What few have called waits for what others are about to call. Many who have got their answers have had their
/// turn when the driver comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_callers_call_in_their_turn_is_written_behind_it() {
    for (count, given, is_written) in [(60, 12, true), (32, 8, false)] {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let (peer, mut driver) = Connection::new(near).start();
        let mut calls = outstanding(&peer, count, Waker::noop());
        let mut none = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(Pin::new(&mut driver).poll(&mut none).is_pending());
        }
        let mut sent = vec![0; 1 << 16];
        assert!(far.read(&mut sent).await.unwrap() > 0, "the first calls");
        far.write_all(&answers(1..=count)).await.unwrap();
        assert!(Pin::new(&mut driver).poll(&mut none).is_pending());
        calls.retain_mut(|call| Pin::new(call).poll(&mut none).is_pending());
        assert_eq!(calls.len(), count - given);
        calls.extend(outstanding(&peer, given, Waker::noop()));
        assert!(Pin::new(&mut driver).poll(&mut none).is_pending());
        let is_there = pin!(far.read(&mut sent)).poll(&mut none).is_ready();
        assert_eq!(is_there, is_written, "of {count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_called_long_after_the_turn_of_many_waits_for_others() {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let (peer, mut driver) = Connection::new(near).start();
    let calls = outstanding(&peer, 40, Waker::noop());
    let mut none = Context::from_waker(Waker::noop());
    let mut poll = || assert!(Pin::new(&mut driver).poll(&mut none).is_pending());
    (0..2).for_each(|_| poll());
    let mut sent = vec![0; 1 << 16];
    assert!(far.read(&mut sent).await.unwrap() > 0, "the first calls");
    far.write_all(&answers(1..=40)).await.unwrap();
    (0..8).for_each(|_| poll());
    drop(calls);
    let _later = outstanding(&peer, 2, Waker::noop());
    let mut is_there = || {
        let mut none = Context::from_waker(Waker::noop());
        pin!(far.read(&mut sent)).poll(&mut none).is_ready()
    };
    poll();
    assert!(!is_there());
    poll();
    assert!(is_there());
}

#[tokio::test]
async fn the_room_of_a_large_box_is_not_kept() {
    let value = vec![0; 65_535];
    let mut pairs: Vec<_> = (0..80).map(|n| (format!("{n:02}"), &value[..])).collect();
    pairs.push(("_answer".into(), b"none"));
    let bytes = AmpBox::from_pairs(pairs).unwrap().to_bytes();
    let pieces = bytes.chunks(100_000).map(|piece| (piece.to_vec(), 0)).collect();
    let (peer, mut driver) = Connection::with_transport(giving(pieces)).start();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..60 {
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    }
    assert_eq!(peer.counters().unknown_answers, 1);
    assert!(driver.drive.inbound.input.capacity() <= 2 * READ_MAX);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_keeps_no_large_buffers() {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let (_peer, mut driver) = Connection::new(near).start();
    let value = vec![0; 65_535];
    let answer = AmpBox::from_pairs([("_answer", &b"none"[..]), ("data", &value)]).unwrap();
    for _ in 0..3 {
        far.write_all(&answer.to_bytes().repeat(15)).await.unwrap();
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut driver).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(driver.drive.inbound.input.is_large(), "much has come in");
        // Time goes on where nothing but timers is left to wake anyone.
        let released = std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut driver).poll(cx).is_pending());
            if driver.drive.inbound.input.is_large() { Poll::Pending } else { Poll::Ready(()) }
        });
        released.await;
        assert!(driver.drive.inbound.input.capacity() <= READ_MIN);
    }
}

/// A call takes more memory than its few bytes on the wire.
#[tokio::test]
async fn small_calls_that_are_not_answered_yet_take_no_more_memory_than_the_limit_says() {
    let (near, mut far) = tokio::io::duplex(8 << 10);
    let send_queue_max = 1 << 20;
    let limits = Limits { send_queue: 1, send_queue_max, ..Limits::default() };
    let (_peer, mut driver) = Connection::new(near).limits(limits).start();
    let call = b"\0\x04_ask\0\x011\0\x08_command\0\0\0\0".repeat(1000);
    let flood = async { while far.write_all(&call).await.is_ok() {} };
    let mut flood = pin!(flood);
    let mut most = 0;
    std::future::poll_fn(|cx| {
        let _ = flood.as_mut().poll(cx);
        let polled = Pin::new(&mut driver).poll(cx).is_ready();
        most = most.max(driver.drive.inbound.calls_size());
        // Nobody reads: once it ends, it waits for that.
        if polled || driver.drive.is_ending() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert!(most < send_queue_max, "{most} bytes of calls wait");
}

#[tokio::test]
async fn responders_that_answer_nothing_more_are_dropped_with_the_connection() {
    // As a session does that knows whom it is of.
    let log_in = |peer: &Peer| {
        let session = Arc::new(peer.clone());
        let dropped = Arc::downgrade(&session);
        peer.replace_responders(crate::Responders::new(()).respond_by_name("A", move |_| {
            let peer = Arc::clone(&session);
            async move { Err(crate::RemoteError::new("A", peer.peer_address().to_string())) }
        }))
        .unwrap();
        dropped
    };
    let (peer, driver, _far) = start();
    let before = log_in(&peer);
    drop(driver);
    assert!(before.upgrade().is_none());
    let after = log_in(&peer);
    assert!(after.upgrade().is_none());
    let shared = Arc::downgrade(peer.shared());
    drop(peer);
    assert!(shared.upgrade().is_none());
}

fn outstanding(peer: &Peer, count: usize, caller: &Waker) -> Vec<crate::connection::NamedCall> {
    let no_pairs: [(&str, &str); 0] = [];
    let mut calls: Vec<_> = (0..count).map(|_| peer.call_by_name("A", no_pairs)).collect();
    for call in &mut calls {
        assert!(Pin::new(call).poll(&mut Context::from_waker(caller)).is_pending());
    }
    calls
}

fn answers(tags: std::ops::RangeInclusive<usize>) -> Vec<u8> {
    let answer = |tag| AmpBox::from_pairs([("_answer", format!("{tag:x}"))]).unwrap().to_bytes();
    tags.map(answer).collect::<Vec<_>>().concat()
}

/// Gives what it was given, one by one: bytes, and how many attachments come with them.
fn giving(script: Vec<(Vec<u8>, usize)>) -> Double {
    let mut script = script.into_iter();
    Double::new().receives(move |buffer, attachments| {
        let Some((bytes, count)) = script.next() else { return Poll::Pending };
        buffer.extend_from_slice(&bytes);
        attachments.extend((0..count).map(|n| Arc::new(n) as Attachment));
        Poll::Ready(Ok(bytes.len()))
    })
}

/// Those whose answers name attachments have their turn before more attachments come: also when
/// the answer was given out later than these came, or its end came without any.
#[tokio::test]
async fn attachments_are_claimed_before_more_are_received() {
    let mut cx = Context::from_waker(Waker::noop());
    let answer = answers(1..=1);
    let late = vec![(answers(1..=17), 6), (answers(18..=18), 6)];
    let apart = vec![(answer[..5].to_vec(), 6), (answer[5..].to_vec(), 0), (answers(2..=2), 6)];
    for (script, naming) in [(late, 17), (apart, 1)] {
        let limits = Limits { unclaimed_attachments: 10, ..Limits::default() };
        let connection = Connection::with_transport(giving(script)).limits(limits);
        let (peer, mut driver) = connection.start();
        let _calls = outstanding(&peer, 18, Waker::noop());
        for _ in 0..10 {
            assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
            assert!(!driver.drive.is_ending(), "over the limit");
            if peer.counters().answers_received >= naming {
                // The caller that got the answer claims what it names.
                drop(driver.around.shared.with(|state| state.core.take_unclaimed()));
            }
        }
        assert_eq!(peer.counters().answers_received, if naming == 1 { 2 } else { 18 });
    }
}

#[tokio::test]
async fn what_was_received_with_many_answers_is_dealt_with_before_a_graceful_end() {
    let mut cx = Context::from_waker(Waker::noop());
    let (peer, mut driver, mut far) = start();
    let calls = outstanding(&peer, 40, Waker::noop());
    assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    far.write_all(&answers(1..=40)).await.unwrap();
    let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "B")]).unwrap();
    far.write_all(&call.to_bytes()).await.unwrap();
    driver.around.shared.drain(std::time::Duration::from_secs(1));
    while !driver.drive.is_ending() {
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    }
    assert_eq!(peer.counters().errors_sent, 1, "the call is answered");
    for mut call in calls {
        assert!(matches!(Pin::new(&mut call).poll(&mut cx), Poll::Ready(Ok(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn the_buffers_of_a_burst_are_not_kept() {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let (peer, driver) = Connection::new(near).start();
    let shared = Arc::clone(peer.shared());
    let driver = std::cell::RefCell::new(driver);
    let poll = || {
        let mut driver = driver.borrow_mut();
        let _ = Pin::new(&mut *driver).poll(&mut Context::from_waker(Waker::noop()));
    };
    for _ in 0..4 {
        for _ in 0..12 {
            let mut body = Body { pairs: BytesMut::from(&[0; 12_000][..]), ..Body::default() };
            shared.with(|state| state.core.notify(b"A", &mut body)).unwrap();
        }
        poll();
        poll();
    }
    let mut received = vec![0; 500_000];
    tokio::io::AsyncReadExt::read_exact(&mut far, &mut received).await.unwrap();
    poll();
    assert!(driver.borrow_mut().drive.line.writing.is_empty());
    let is_kept = || {
        let queued = shared.with(|state| {
            let lent = state.parking.line().is_some_and(|line| line.writing.is_large());
            lent || state.core.outgoing().is_large()
        });
        queued || driver.borrow_mut().drive.line.writing.is_large()
    };
    assert!(is_kept(), "it may be of use again");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    poll();
    assert!(!is_kept());
}

/// What is wanted while the end goes on has to be dealt with then, or the driver never waits.
#[tokio::test]
async fn what_is_queued_behind_a_blocked_write_at_the_end_does_not_keep_the_driver_at_work() {
    let mut cx = Context::from_waker(Waker::noop());
    let (near, _far) = tokio::io::duplex(10);
    let together = Arc::new(Together::new(1 << 20, 10));
    let (peer, mut driver) = Connection::new(near).together(together).start();
    let shared = Arc::clone(peer.shared());
    let mut poll = || assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    let mut body = Body { pairs: BytesMut::from(&[0; 100][..]), ..Body::default() };
    shared.with(|state| state.core.notify(b"A", &mut body)).unwrap();
    poll();
    shared.close(&CloseReason::Local);
    poll();
    for _ in 0..3 {
        shared.with(|state| state.core.fail(b"1", b"NO", "no"));
        poll();
        let waits = shared.with(|state| state.parking.situation().is_some());
        assert!(waits, "nothing is left to be done");
    }
}

/// Receives these bytes, and then that the peer has gone: from then on nothing can be flushed.
fn gone_behind(bytes: Vec<u8>) -> Double {
    let is_over = Arc::new(AtomicBool::new(false));
    let (mut bytes, over) = (Some(bytes), Arc::clone(&is_over));
    let receive = move |buffer: &mut BytesMut, _: &mut Vec<Attachment>| {
        let bytes = bytes.take();
        over.store(bytes.is_none(), Ordering::SeqCst);
        let bytes = bytes.unwrap_or_default();
        buffer.extend_from_slice(&bytes);
        Poll::Ready(Ok(bytes.len()))
    };
    let broken = || Err(io::ErrorKind::BrokenPipe.into());
    Double::new().receives(receive).flushes(move || {
        if is_over.load(Ordering::SeqCst) { Poll::Ready(broken()) } else { Poll::Pending }
    })
}

/// In one turn the driver sees that the peer has gone and that nothing can be sent.
#[tokio::test(start_paused = true)]
async fn one_way_commands_of_a_peer_that_has_gone_are_begun_although_nothing_can_be_sent() {
    let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "Wait")]).unwrap().to_bytes();
    let one_way = AmpBox::from_pairs([("_command", "Count")]).unwrap().to_bytes();
    let bytes = [&call[..], &one_way, &one_way].concat();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let begun = Arc::new(tokio::sync::Semaphore::new(0));
    let failure = || crate::RemoteError::new("NO", "no");
    let (pass, count) = (Arc::clone(&gate), Arc::clone(&begun));
    let responders = Responders::new(())
        .respond_by_name("Wait", move |_| {
            let pass = Arc::clone(&pass);
            async move {
                drop(pass.acquire().await);
                Err(failure())
            }
        })
        .respond_by_name("Count", move |_| {
            count.add_permits(1);
            async move { Err(failure()) }
        });
    let limits = Limits { running_responders: 1, ..Limits::default() };
    let connection = Connection::with_transport(gone_behind(bytes));
    let (peer, driver) = connection.responders(responders).limits(limits).start();
    peer.shared().with(|state| state.core.notify(b"A", &mut Body::default())).unwrap();
    let reason = driver.await;
    assert!(matches!(reason, CloseReason::Peer), "{reason}");
    assert_eq!(begun.available_permits(), 0, "the first still runs");
    gate.add_permits(1);
    let both = begun.acquire_many(2);
    let both = tokio::time::timeout(std::time::Duration::from_secs(1), both).await;
    assert!(both.is_ok(), "they are begun once the first is done");
}

/// What was received before is: also where only a part of it was decoded by then.
#[tokio::test]
async fn what_was_received_is_dealt_with_although_the_end_has_begun() {
    let mut cx = Context::from_waker(Waker::noop());
    let (peer, mut driver, mut far) = start();
    let calls = outstanding(&peer, 40, Waker::noop());
    assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    far.write_all(&answers(1..=40)).await.unwrap();
    let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "B")]).unwrap().to_bytes();
    far.write_all(&call).await.unwrap();
    assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    assert!(peer.counters().answers_received < 40, "callers have their turn before the rest");
    driver.around.shared.close(&CloseReason::Local);
    far.write_all(&call).await.unwrap();
    while !driver.drive.is_ending() {
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    }
    let counters = peer.counters();
    assert_eq!((counters.answers_received, counters.errors_sent), (40, 1));
    for mut call in calls {
        assert!(matches!(Pin::new(&mut call).poll(&mut cx), Poll::Ready(Ok(_))));
    }
}

/// A responder whose failure closes the connection may have to wait or not: what was received behind
/// its call, which asks for a switch, is answered all the same.
#[tokio::test(start_paused = true)]
async fn what_is_behind_a_switch_that_is_refused_is_answered_although_that_is_the_end() {
    let call = |tag, command| {
        AmpBox::from_pairs([("_ask", tag), ("_command", command)]).unwrap().to_bytes()
    };
    for waits in [false, true] {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let responders =
            Responders::new(()).respond_switch_by_name("Switch", move |_| async move {
                if waits {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
                let refused: Result<(), _> = Err(crate::RemoteError::new("NO", "no"));
                assert!(refused.is_ok(), "a panic is declared by nobody");
                refused.map(|()| |_| std::future::ready(()))
            });
        let connection = Connection::new(near).responders(responders);
        let peer = connection.failure_policy(crate::FailurePolicy::Close).spawn();
        far.write_all(&[call("1", "Switch"), call("2", "B")].concat()).await.unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), peer.closed());
        assert!(matches!(ended.await, Ok(CloseReason::Failed { .. })));
        assert_eq!(peer.counters().errors_sent, 2, "{waits}");
    }
}

/// What answers those of streams is made on another thread.
#[tokio::test]
async fn a_call_of_the_connections_own_is_answered_before_there_is_anything_that_answers_those() {
    let (peer, mut driver, mut far) = start();
    peer.shared().with(|state| state.core.set_own(|_| true));
    let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "Own")]).unwrap().to_bytes();
    far.write_all(&call).await.unwrap();
    assert!(Pin::new(&mut driver).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(peer.counters().errors_sent, 1);
}
