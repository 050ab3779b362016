//! Descriptors in the items of streams. Each test has a process of its own, where it alone counts.

mod support;

use amp_core::streams::{SinkError, SinkOf, StreamError, StreamOf};
use amp_core::{Argument, Command, Context, Limits, NoError, Peer, Responders};
use amp_unix::Descriptor;
use bytes::Bytes;
use std::io::IoSlice;
use std::os::fd::AsFd;
use support::{DEADLINE, ask, open_descriptors, tag, tagged, without_leak};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[derive(Command)]
struct Pass<T: Send + 'static> {
    files: StreamOf<T>,
}

#[derive(Command)]
struct SendNamed {
    files: StreamOf<Option<Vec<Descriptor>>>,
}

fn pair<S>(limits: Limits, responders: Responders<S>) -> (Peer, Peer) {
    let (near, far) = UnixStream::pair().unwrap();
    let far = amp_unix::connection(far).unwrap().limits(limits).responders(responders).spawn();
    (amp_unix::connection(near).unwrap().limits(limits).spawn(), far)
}

/// A peer that hands on each stream that it is passed, and may hold so many attachments.
fn handing_on<T: Argument + Send + 'static>(
    unclaimed: usize,
) -> (Peer, Peer, mpsc::UnboundedReceiver<StreamOf<T>>) {
    let (streams, taken) = mpsc::unbounded_channel();
    let pass = async |context: Context<mpsc::UnboundedSender<StreamOf<T>>>, passed: Pass<T>| {
        context.state().send(passed.files).expect("the test waits");
        Ok::<_, NoError>(())
    };
    let limits = Limits::default().unclaimed_attachments(unclaimed);
    let (peer, far) = pair(limits, Responders::new(streams).respond(pass));
    (peer, far, taken)
}

#[test]
fn descriptors_come_in_their_order_and_few_at_a_time() {
    let name = "descriptors_come_in_their_order_and_few_at_a_time";
    without_leak(name, || async {
        let (peer, _far, mut taken) = handing_on::<Descriptor>(16);
        let (mut sink, files) = StreamOf::<Descriptor>::pair();
        peer.call_remote(Pass { files }).await.unwrap();
        let mut files = taken.recv().await.unwrap();
        let before = open_descriptors();
        let sends = tokio::spawn(async move {
            for n in 0..500 {
                sink.send(tagged(n).into()).await?;
            }
            sink.close().await
        });
        for n in 0..500 {
            assert_eq!(tag(files.next().await.unwrap().unwrap()), n);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let open = open_descriptors() - before;
            assert!(open < 40, "{open} are open");
        }
        assert!(files.next().await.is_none());
        sends.await.unwrap().unwrap();
    });
}

/// As many wait for all streams as the receiver can hold, also where nobody takes those of some.
#[test]
fn descriptors_of_slow_streams_all_arrive() {
    let name = "descriptors_of_slow_streams_all_arrive";
    without_leak(name, || async {
        let (peer, _far, mut taken) = handing_on::<Descriptor>(16);
        let (mut received, mut sends) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (mut sink, files) = StreamOf::<Descriptor>::pair();
            peer.call_remote(Pass { files }).await.unwrap();
            received.push(taken.recv().await.unwrap());
            sends.push(tokio::spawn(async move {
                for n in 0..40 {
                    sink.send(tagged(n).into()).await?;
                }
                sink.close().await
            }));
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        for mut files in received {
            for n in 0..40 {
                assert_eq!(tag(files.next().await.unwrap().unwrap()), n);
            }
            assert!(files.next().await.is_none());
        }
        for sent in sends {
            sent.await.unwrap().unwrap();
        }
    });
}

#[test]
fn items_of_many_descriptors_all_arrive() {
    let name = "items_of_many_descriptors_all_arrive";
    without_leak(name, || async {
        let (peer, _far, mut taken) = handing_on::<Vec<Descriptor>>(128);
        let (mut sink, files) = StreamOf::<Vec<Descriptor>>::pair();
        peer.call_remote(Pass { files }).await.unwrap();
        let mut files = taken.recv().await.unwrap();
        let sends = tokio::spawn(async move {
            for n in 0..12 {
                sink.send((n..n + 20).map(|tag| tagged(tag).into()).collect()).await?;
            }
            sink.close().await
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        for n in 0..12 {
            let item = files.next().await.unwrap().unwrap();
            assert!(item.into_iter().map(tag).eq(n..n + 20));
        }
        assert!(files.next().await.is_none());
        sends.await.unwrap().unwrap();
    });
}

/// Those that were not taken are closed with the stream.
#[test]
fn descriptors_in_anything_and_those_that_nobody_takes() {
    let name = "descriptors_in_anything_and_those_that_nobody_takes";
    without_leak(name, || async {
        let send = async |_: Context, SendNamed { mut files }: SendNamed| {
            for n in 0..30 {
                match files.next().await.expect("there are more").expect("it is one") {
                    Some(some) => assert!(some.into_iter().map(tag).eq(n..n + n % 3)),
                    None => assert!(n % 5 == 0),
                }
            }
            // More are on their way.
            Ok::<_, NoError>(())
        };
        let (peer, _far) = pair(Limits::default(), Responders::new(()).respond(send));
        for _ in 0..5 {
            let (mut sink, files) = StreamOf::pair();
            let call = tokio::spawn(peer.call_remote(SendNamed { files }));
            for n in 0..1000 {
                let some = (n..n + n % 3).map(|tag| tagged(tag).into()).collect();
                if sink.send((n % 5 != 0).then_some(some)).await.is_err() {
                    break;
                }
            }
            call.await.unwrap().unwrap();
            assert!(sink.is_stopped());
        }
    });
}

/// One that is read goes on beside as many as leave it one on its way.
#[test]
fn a_stream_of_descriptors_goes_on_beside_others_that_nobody_reads() {
    let name = "a_stream_of_descriptors_goes_on_beside_others_that_nobody_reads";
    without_leak(name, || async {
        let (peer, _far, mut taken) = handing_on::<Descriptor>(16);
        let (mut unread, mut unsent) = (Vec::new(), Vec::new());
        let send = |mut sink: SinkOf<Descriptor>| {
            tokio::spawn(async move {
                for n in 0..100 {
                    sink.send(tagged(n).into()).await?;
                }
                sink.close().await
            })
        };
        for _ in 0..5 {
            let (sink, files) = StreamOf::pair();
            peer.call_remote(Pass { files }).await.unwrap();
            unread.push(taken.recv().await.unwrap());
            unsent.push(send(sink));
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
        let (sink, files) = StreamOf::pair();
        peer.call_remote(Pass { files }).await.unwrap();
        let mut files = taken.recv().await.unwrap();
        let whole = send(sink);
        for n in 0..100 {
            let file = timeout(DEADLINE, files.next()).await.expect("it goes on");
            assert_eq!(tag(file.unwrap().unwrap()), n);
        }
        assert!(files.next().await.is_none());
        whole.await.unwrap().unwrap();
        drop(unread);
        for unsent in unsent {
            assert!(matches!(unsent.await.unwrap(), Err(SinkError::Stopped)));
        }
    });
}

/// What this process has in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// Items that may name a descriptor are read at once, and keep nothing of what they came in.
#[cfg(target_os = "linux")]
#[test]
fn items_beside_a_waiting_descriptor_keep_no_more_than_they_count() {
    let name = "items_beside_a_waiting_descriptor_keep_no_more_than_they_count";
    without_leak(name, || async {
        let (streams, mut taken) = mpsc::unbounded_channel();
        let pass = async |context: Context<mpsc::UnboundedSender<_>>, passed: Pass<Bytes>| {
            context.state().send(passed.files).expect("the test waits");
            Ok::<_, NoError>(())
        };
        let (mut near, far) = UnixStream::pair().unwrap();
        let responders = Responders::new(streams).respond(pass);
        let _far = amp_unix::connection(far).unwrap().responders(responders).spawn();
        let upload = ask("1", "Pass", &[("files", "0")]);
        // No box names it.
        let descriptor = tagged(1);
        near.writable().await.unwrap();
        let first = [IoSlice::new(&upload[..1])];
        let send = || amp_unix::socket::send(&near, &first, &[descriptor.as_fd()]);
        near.try_io(Interest::WRITABLE, send).unwrap();
        near.write_all(&upload[1..]).await.unwrap();
        let mut stream: StreamOf<Bytes> = taken.recv().await.unwrap();
        let junk = "j".repeat(60_000);
        let pairs = [("stream", "0"), ("items", "\0\x01x"), ("junk", &junk), ("more", &junk)];
        let items = ask("2", "_StreamItems", &pairs);
        let before = resident();
        for _ in 0..60 {
            near.write_all(&items).await.unwrap();
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let held = resident().saturating_sub(before);
        assert!(held < 3 << 20, "{held} bytes are held for 60 items of one");
        for _ in 0..60 {
            assert_eq!(stream.next().await.unwrap().unwrap(), "x");
        }
    });
}

/// A transport that carries none refuses the item, and nothing else.
#[tokio::test]
async fn an_item_that_the_transport_does_not_carry() {
    let send = async |_: Context, Pass { mut files }: Pass<Descriptor>| {
        assert!(matches!(files.next().await, Some(Err(StreamError::Unfinished))));
        Ok::<_, NoError>(())
    };
    let (peer, _far) =
        amp_core::testing::pair(Responders::new(()), Responders::new(()).respond(send));
    let (mut sink, files) = StreamOf::pair();
    let call = tokio::spawn(peer.call_remote(Pass { files }));
    let error = sink.send(Descriptor::from(tagged(1))).await.unwrap_err();
    assert!(
        amp_core::Report::new(&error).to_string().contains("cannot be sent over this transport")
    );
    drop(sink);
    call.await.unwrap().unwrap();
}
