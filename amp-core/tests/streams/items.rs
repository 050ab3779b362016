use amp_core::argument::Numbered;
use amp_core::streams::{SinkError, StreamError, StreamOf};
use amp_core::{Argument, CallError, Command, Context, Limits, NoError, Ping, ReceivedCall};
use amp_core::{Responders, testing};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

use super::raw::uploads_of;
use super::{Get, Upload, Work, all, downloads, nothing, pair_with, settle};

#[tokio::test(start_paused = true)]
async fn a_stream_in_an_answer_keeps_its_order_and_ends() {
    let (responders, mut sinks) = downloads();
    let (peer, _there) = testing::pair(nothing(), responders);
    let download = peer.call_remote(Get {}).await.unwrap();
    let mut sink = sinks.recv().await.unwrap();
    let sends = tokio::spawn(async move {
        for n in 0..100_000 {
            sink.send(n).await?;
        }
        sink.close().await
    });
    let (items, error) = all(download.items).await;
    assert!(error.is_none(), "{error:?}");
    assert!(items.into_iter().eq(0..100_000));
    sends.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_a_command_goes_on_behind_its_answer() {
    let (responders, mut streams) = uploads_of::<String>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let stream = streams.recv().await.unwrap();
    let sends = tokio::spawn(async move {
        for n in 0..10 {
            sink.send(n.to_string()).await?;
            settle().await;
        }
        sink.close().await
    });
    // As any stream of futures.
    let items: Vec<_> = stream.try_collect().await.unwrap();
    assert!(items.into_iter().eq((0..10).map(|n| n.to_string())));
    sends.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sink_in_a_command_sends_before_the_answer_and_behind_it() {
    let work = async |_: Context, Work { mut progress }: Work| {
        for n in 0..6000 {
            progress.send(n).await.expect("somebody receives");
        }
        tokio::spawn(async move {
            progress.send(6000).await?;
            progress.close().await
        });
        Ok::<_, NoError>(())
    };
    let (peer, _there) = testing::pair(nothing(), Responders::new(()).respond(work));
    let (progress, mut received) = StreamOf::pair();
    let call = tokio::spawn(peer.call_remote(Work { progress }));
    for n in 0..2000 {
        assert_eq!(received.next().await.unwrap().unwrap(), n);
    }
    assert!(!call.is_finished(), "the rest does not fit into a window");
    let (rest, error) = all(received).await;
    call.await.unwrap().unwrap();
    assert!(rest.into_iter().eq(2000..=6000) && error.is_none());
}

#[tokio::test(start_paused = true)]
async fn sinks_are_those_of_futures() {
    let (responders, mut streams) = uploads_of::<u64>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (sink, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let received = tokio::spawn(all(streams.recv().await.unwrap()));
    let mut numbers = futures_util::stream::iter((0..5000).map(Ok::<_, SinkError>));
    let mut sink = sink;
    sink.send_all(&mut numbers).await.unwrap();
    SinkExt::close(&mut sink).await.unwrap();
    assert!(matches!(SinkExt::send(&mut sink, 1).await, Err(SinkError::Ended)));
    let (items, error) = received.await.unwrap();
    assert!(items.into_iter().eq(0..5000) && error.is_none());
}

/// It is stopped, and nothing else on the connection, whether it waits for calls of its own or not.
#[tokio::test(start_paused = true)]
async fn a_slow_consumer_stops_its_producer_and_nothing_else() {
    let limits = Limits::default().stream_items(100);
    let (responders, mut sinks) = downloads();
    let there = responders.respond_ping();
    let (peer, _there) = pair_with(limits, nothing(), there);
    let mut slow = peer.call_remote(Get {}).await.unwrap().items;
    let sent = Arc::new(AtomicUsize::new(0));
    let mut sink = sinks.recv().await.unwrap();
    let counts = Arc::clone(&sent);
    let sends = tokio::spawn(async move {
        for n in 0..100_000 {
            sink.send(n).await?;
            counts.fetch_add(1, Ordering::SeqCst);
        }
        sink.close().await
    });
    settle().await;
    let first = sent.load(Ordering::SeqCst);
    // The window, and what waits in the sink.
    assert!((100..=200 + 100).contains(&first), "{first}");
    for _ in 0..100 {
        peer.call_remote(amp_core::Ping).await.unwrap();
    }
    let other = peer.call_remote(Get {}).await.unwrap().items;
    let mut sink = sinks.recv().await.unwrap();
    tokio::spawn(async move {
        for n in 0..10_000 {
            sink.send(n).await?;
        }
        sink.close().await
    });
    assert_eq!(all(other).await.0.len(), 10_000);
    assert_eq!(sent.load(Ordering::SeqCst), first);
    for n in 0..50_000 {
        assert_eq!(slow.next().await.unwrap().unwrap(), n);
        if n % 10_000 == 0 {
            peer.call_remote(amp_core::Ping).await.unwrap();
            settle().await;
            let ahead = sent.load(Ordering::SeqCst) - usize::try_from(n).unwrap();
            assert!(ahead <= 300, "{ahead}");
        }
    }
    assert!(all(slow).await.0.into_iter().eq(50_000..100_000));
    sends.await.unwrap().unwrap();
}

/// More of them wait for items than may run before nothing is read.
#[tokio::test(start_paused = true)]
async fn responders_that_wait_for_items_do_not_stop_the_reading() {
    let limits = Limits::default().running_responders(2).running_responders_max(200);
    let sum = async |_: Context, Upload { items }: Upload<u64>| {
        let (items, error) = all(items).await;
        assert!(error.is_none() && items.len() == 10_000);
        Ok::<_, NoError>(())
    };
    let (peer, _there) = pair_with(limits, nothing(), Responders::new(()).respond(sum));
    let (mut calls, mut sinks) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let (sink, items) = StreamOf::pair();
        calls.push(tokio::spawn(peer.call_remote(Upload { items })));
        sinks.push(sink);
    }
    // Two run at a time, and the calls of the others wait.
    for mut sink in sinks {
        for n in 0..10_000 {
            sink.send(n).await.unwrap();
        }
        sink.close().await.unwrap();
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

/// An open stream does not let the peer make more calls, in either direction.
#[tokio::test(start_paused = true)]
async fn an_open_stream_lets_no_more_responders_run() {
    #[derive(Command)]
    #[amp(one_way)]
    struct Push {}

    type State = (mpsc::UnboundedSender<StreamOf<u64>>, Arc<Semaphore>, Arc<AtomicUsize>);
    let (streams, mut taken) = mpsc::unbounded_channel();
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let upload = async |context: Context<State>, Upload { items }: Upload<u64>| {
        context.state().0.send(items).expect("the test waits");
        Ok::<_, NoError>(())
    };
    let push = |context: Context<State>, _: Push| async move {
        let (_, gate, done) = context.state();
        gate.acquire().await.expect("it is open").forget();
        done.fetch_add(1, Ordering::SeqCst);
        Ok::<_, NoError>(())
    };
    let state = (streams, Arc::clone(&gate), Arc::clone(&done));
    let responders = Responders::new(state).respond(upload).respond(push);
    let limits = Limits::default().running_responders(8).running_responders_max(20);
    let (peer, there) = pair_with(limits, nothing(), responders);
    let (mut sink, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let mut stream = taken.recv().await.unwrap();
    for _ in 0..2000 {
        peer.notify(Push {}).await.unwrap();
    }
    settle().await;
    assert_eq!(there.running_responders(), 8);
    // Items come all the same.
    for n in 0..5000 {
        sink.send(n).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), n);
    }
    assert_eq!(there.running_responders(), 8);
    gate.add_permits(2000);
    settle().await;
    assert_eq!(done.load(Ordering::SeqCst), 2000);
    assert!(!there.is_closed());
}

/// What a stream's responder waits for may be behind more calls than may wait.
#[tokio::test(start_paused = true)]
async fn items_behind_many_calls_come_all_the_same() {
    #[derive(Command)]
    #[amp(one_way)]
    struct Push {}

    type State = (Arc<Semaphore>, Arc<AtomicUsize>);
    let upload = async |_: Context<State>, Upload { items }: Upload<u64>| {
        let (items, error) = all(items).await;
        assert!(error.is_none() && items.len() == 5000, "{error:?} {}", items.len());
        Ok::<_, NoError>(())
    };
    let push = |context: Context<State>, _: Push| async move {
        let (gate, done) = context.state();
        gate.acquire().await.expect("it is open").forget();
        done.fetch_add(1, Ordering::SeqCst);
        Ok::<_, NoError>(())
    };
    let limits = Limits::default().running_responders(1).running_bytes(20_000);
    for (permits, most, ends) in [(500, 100, false), (0, 600, false), (0, 100, true)] {
        let (gate, done) = (Arc::new(Semaphore::new(permits)), Arc::new(AtomicUsize::new(0)));
        let state = (Arc::clone(&gate), Arc::clone(&done));
        let responders = Responders::new(state).respond(upload).respond(push);
        let limits = limits.running_responders_max(most);
        let (peer, there) = pair_with(limits, nothing(), responders);
        let (mut sink, items) = StreamOf::pair();
        let call = tokio::spawn(peer.call_remote(Upload { items }));
        sink.send(0).await.unwrap();
        for _ in 0..500 {
            peer.notify(Push {}).await.unwrap();
        }
        let sends = async {
            for n in 1..5000 {
                sink.send(n).await?;
            }
            sink.close().await
        };
        let sent = tokio::time::timeout(Duration::from_secs(60), sends).await;
        let sent = sent.expect("nothing stands still");
        if ends {
            sent.unwrap_err();
            let reason = there.closed().await.to_string();
            assert!(reason.contains("100 running responders"), "{reason}");
            continue;
        }
        sent.unwrap();
        call.await.unwrap().unwrap();
        gate.add_permits(500);
        settle().await;
        assert_eq!(done.load(Ordering::SeqCst), 500);
    }
}

/// A responder that may finish does, also if it reads a stream.
#[tokio::test(start_paused = true)]
async fn a_graceful_end_waits_for_responders_that_read() {
    let count = async |_: Context, Upload { items }: Upload<u64>| {
        let (items, error) = all(items).await;
        assert!(error.is_none() && items.len() == 5000, "{error:?} {}", items.len());
        Ok::<_, NoError>(())
    };
    let (peer, there) = testing::pair(nothing(), Responders::new(()).respond(count));
    let (mut sink, items) = StreamOf::pair();
    let call = tokio::spawn(peer.call_remote(Upload { items }));
    sink.send(0).await.unwrap();
    let closing = tokio::spawn(async move {
        there.close_gracefully(Duration::from_secs(100)).await;
    });
    settle().await;
    for n in 1..5000 {
        sink.send(n).await.unwrap();
    }
    sink.close().await.unwrap();
    call.await.unwrap().unwrap();
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn small_items_share_boxes() {
    let (responders, mut streams) = uploads_of::<u8>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let received = tokio::spawn(all(streams.recv().await.unwrap()));
    for n in (0..=255).cycle().take(50_000) {
        sink.send(n).await.unwrap();
    }
    sink.close().await.unwrap();
    assert_eq!(received.await.unwrap().0.len(), 50_000);
    let boxes = peer.counters().boxes_sent;
    assert!(boxes < 500, "{boxes}");
}

async fn come_through<T: Argument + Send + Clone + Debug + PartialEq + 'static>(items: Vec<T>) {
    let (responders, mut streams) = uploads_of::<T>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, stream) = StreamOf::pair();
    peer.call_remote(Upload { items: stream }).await.unwrap();
    let received = tokio::spawn(all(streams.recv().await.unwrap()));
    for item in items.clone() {
        sink.send(item).await.unwrap();
    }
    sink.close().await.unwrap();
    let (received, error) = received.await.unwrap();
    assert!(error.is_none(), "{error:?}");
    assert_eq!(received, items);
}

/// Those that need several keys too, or none.
#[tokio::test(start_paused = true)]
async fn any_argument_is_an_item() {
    let piece = |len: usize| Bytes::from(vec![7; len]);
    come_through(vec![1.5_f64, -2.0]).await;
    come_through(vec![vec!["a".to_owned()], vec![], vec!["b".to_owned(), "c".to_owned()]]).await;
    come_through([0, 1, 4096, 65_533, 65_534, 65_535].map(piece).to_vec()).await;
    come_through(vec![Some(1), None, Some(2), None, None]).await;
    let large = [0, 10, 65_535, 65_536, 200_000, 1];
    come_through(large.map(|len| Numbered(piece(len))).to_vec()).await;
}

/// A number that is not written if it is even, and not read if it is five.
#[derive(Clone, Debug, PartialEq)]
struct Odd(i64);

impl Argument for Odd {
    fn to_string_proto(
        &self,
        proto: &mut amp_core::Proto<'_>,
        out: &mut amp_core::ValueWriter<'_>,
    ) -> Result<(), amp_core::EncodeError> {
        if self.0 % 2 == 0 {
            return Err(amp_core::EncodeError::custom("it is even"));
        }
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(
        value: amp_core::Value<'_>,
        proto: &mut amp_core::Proto<'_>,
    ) -> Result<Self, amp_core::DecodeError> {
        match i64::from_string_proto(value, proto)? {
            5 => Err(amp_core::DecodeError::custom("it is five")),
            odd => Ok(Self(odd)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_sent_costs_no_other() {
    let (responders, mut streams) = uploads_of::<Numbered<Bytes>>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, stream) = StreamOf::pair();
    peer.call_remote(Upload { items: stream }).await.unwrap();
    let received = tokio::spawn(all(streams.recv().await.unwrap()));
    sink.send(Numbered(Bytes::from_static(b"first"))).await.unwrap();
    let error = sink.send(Numbered(Bytes::from(vec![0; 300_000]))).await.unwrap_err();
    let message = "an item has 300178 bytes, over the peer's limit of 262144 for one stream";
    assert_eq!(error.to_string(), message);
    sink.send(Numbered(Bytes::from_static(b"last"))).await.unwrap();
    sink.close().await.unwrap();
    let received: Vec<_> = received.await.unwrap().0.into_iter().map(|item| item.0).collect();
    assert_eq!(received, [&b"first"[..], b"last"]);

    let (responders, mut streams) = uploads_of::<Odd>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, stream) = StreamOf::pair();
    peer.call_remote(Upload { items: stream }).await.unwrap();
    let mut stream = streams.recv().await.unwrap();
    for n in 1..=7 {
        assert_eq!(sink.send(Odd(n)).await.is_ok(), n % 2 == 1);
    }
    let closed = tokio::spawn(sink.close());
    let mut received = Vec::new();
    while let Some(item) = StreamExt::next(&mut stream).await {
        received
            .push(item.map(|odd| odd.0).map_err(|error| amp_core::Report::new(&error).to_string()));
    }
    let five = Err("an item cannot be read: it is five".to_owned());
    assert_eq!(received, [Ok(1), Ok(3), five, Ok(7)]);
    closed.await.unwrap().unwrap();
}

/// Streams of streams: each is opened when its item is taken.
#[tokio::test(start_paused = true)]
async fn items_may_be_streams() {
    let (responders, mut streams) = uploads_of::<StreamOf<u64>>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let mut outer = streams.recv().await.unwrap();
    for n in 0..5 {
        let (mut inner, items) = StreamOf::pair();
        sink.send(items).await.unwrap();
        let sends = tokio::spawn(async move {
            for m in 0..100 {
                inner.send(n * 1000 + m).await?;
            }
            inner.close().await
        });
        let received = all(outer.next().await.unwrap().unwrap()).await.0;
        assert!(received.into_iter().eq(n * 1000..n * 1000 + 100));
        sends.await.unwrap().unwrap();
    }
    drop(sink);
    assert!(outer.next().await.unwrap().is_err());
}

/// An item that shows only when its box is written that it cannot be: the sink is told in any case, and the
/// receiver does not take what is left for all.
#[tokio::test(start_paused = true)]
async fn an_item_that_is_lost_late_is_missed_by_both() {
    for takes_the_report in [false, true] {
        let (responders, mut streams) = uploads_of::<StreamOf<u64>>();
        let (peer, _there) = pair_with(Limits::default().streams(2), nothing(), responders);
        let (mut sink, items) = StreamOf::<StreamOf<u64>>::pair();
        peer.call_remote(Upload { items }).await.unwrap();
        let mut outer = streams.recv().await.unwrap();
        let mut inner = Vec::new();
        for _ in 0..2 {
            let (sink_of_it, items) = StreamOf::pair();
            inner.push(sink_of_it);
            sink.send(items).await.unwrap();
        }
        // There may be one of them at a time.
        let first = outer.next().await.unwrap().unwrap();
        settle().await;
        if takes_the_report {
            assert!(matches!(SinkExt::flush(&mut sink).await, Err(SinkError::Encode(_))));
            SinkExt::flush(&mut sink).await.unwrap();
        }
        let closed = tokio::spawn(sink.close());
        let end = outer.next().await;
        match closed.await.unwrap() {
            Err(SinkError::Encode(_)) => {
                assert!(!takes_the_report && matches!(end, Some(Err(StreamError::Unfinished))));
            }
            other => assert!(takes_the_report && other.is_ok() && end.is_none(), "{other:?}"),
        }
        drop(first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_was_sent_and_for_nothing_else() {
    let (responders, mut streams) = uploads_of::<u64>();
    let (peer, _there) = testing::pair(nothing(), responders);
    let (mut sink, items) = StreamOf::pair();
    SinkExt::flush(&mut sink).await.unwrap();
    peer.call_remote(Upload { items }).await.unwrap();
    let stream = streams.recv().await.unwrap();
    let before = peer.counters().boxes_sent;
    sink.send(1).await.unwrap();
    SinkExt::flush(&mut sink).await.unwrap();
    assert_eq!(peer.counters().boxes_sent, before + 1);
    let received = tokio::spawn(all(stream));
    SinkExt::close(&mut sink).await.unwrap();
    SinkExt::flush(&mut sink).await.unwrap();
    assert!(matches!(SinkExt::feed(&mut sink, 2).await, Err(SinkError::Ended)));
    assert_eq!(received.await.unwrap().0, [1]);
}

/// A responder that waits for its sink to be opened is not stopped by its own call, which fills the connection.
#[tokio::test(start_paused = true)]
async fn a_responder_that_waits_for_its_sink_is_not_held_up() {
    let work = async |_: Context, Work { mut progress }: Work| {
        progress.send(7).await.expect("somebody receives");
        Ok::<_, NoError>(())
    };
    let limits = Limits::default().running_responders(1);
    let (peer, _there) = pair_with(limits, nothing(), Responders::new(()).respond(work));
    let began = tokio::time::Instant::now();
    for _ in 0..10 {
        let (progress, mut received) = StreamOf::pair();
        let call = tokio::spawn(peer.call_remote(Work { progress }));
        assert_eq!(received.next().await.unwrap().unwrap(), 7);
        call.await.unwrap().unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Neither a program that makes as many calls as may be nor a consumer that takes nothing leaves the other none.
#[tokio::test(start_paused = true)]
async fn calls_and_streams_have_places_of_their_own() {
    let (responders, mut streams) = uploads_of::<u64>();
    let waits = responders.respond_ping().respond_by_name("Wait", |_: ReceivedCall| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(amp_core::AmpBox::new())
    });
    let limits = Limits::default().outstanding_calls(2);
    let (peer, _there) = pair_with(limits, nothing(), waits);
    let (mut slow, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let not_read = streams.recv().await.unwrap();
    for n in 0..50 {
        slow.send(n).await.unwrap();
        SinkExt::flush(&mut slow).await.unwrap();
    }
    peer.call_remote(Ping).await.unwrap();

    let (mut sink, items) = StreamOf::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let received = tokio::spawn(all(streams.recv().await.unwrap()));
    let call = || tokio::spawn(peer.call_by_name("Wait", [("", ""); 0]));
    let calls = [call(), call()];
    settle().await;
    let began = tokio::time::Instant::now();
    for n in 0..5000 {
        sink.send(n).await.unwrap();
    }
    sink.close().await.unwrap();
    let (items, error) = received.await.unwrap();
    assert!(items.len() == 5000 && error.is_none(), "{} {error:?}", items.len());
    let over = peer.call_remote(Ping).await;
    assert!(matches!(over, Err(CallError::TooManyCalls(_))), "{over:?}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    drop(not_read);
}

/// As many calls are outstanding as may be, and each waits for the items of its own stream.
#[tokio::test(start_paused = true)]
async fn calls_that_are_as_many_as_may_be_leave_room_for_their_own_items() {
    let limits = Limits::default().outstanding_calls(2);
    let receive = async |_: Context, Upload { items }: Upload<u64>| {
        let (items, error) = all(items).await;
        assert!(error.is_none() && items.into_iter().eq(0..1000));
        Ok::<_, NoError>(())
    };
    let (peer, _there) = pair_with(limits, nothing(), Responders::new(()).respond(receive));
    let uploads = [(); 2].map(|()| {
        let (mut sink, items) = StreamOf::pair();
        let call = tokio::spawn(peer.call_remote(Upload { items }));
        let sent = tokio::spawn(async move {
            for n in 0..1000 {
                sink.send(n).await?;
            }
            sink.close().await
        });
        (call, sent)
    });
    for (call, sent) in uploads {
        sent.await.unwrap().unwrap();
        call.await.unwrap().unwrap();
    }
}
