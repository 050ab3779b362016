//! Protocol switches on sockets that carry descriptors: what nothing has claimed is handed over.

mod support;

use amp_core::{Command, Connection, Peer, Responders, Switched, SwitchedParts};
use amp_unix::{Descriptor, UnixTransport, take_descriptors};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Context;
use support::{
    answer, ask, attachments, open_descriptors, receive_all, send_all, tag, tagged, tags,
    without_leak,
};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

#[derive(Command, Clone)]
#[amp(switch)]
struct Leave;

/// Claims one descriptor.
#[derive(Command, Debug)]
struct Keep {
    file: Descriptor,
}

type Unix = UnixTransport<UnixStream>;

async fn expect(far: &mut Unix, expected: &[u8]) {
    assert_eq!(receive_all(far, expected.len()).await.0, expected);
}

/// A side that is asked to switch, with the far side driven by hand, and the stream once it has
/// agreed.
fn asked() -> (Peer, Unix, mpsc::UnboundedReceiver<Switched>) {
    let (near, far) = UnixStream::pair().unwrap();
    let (switched, streams) = mpsc::unbounded_channel();
    let responders = Responders::new(())
        .respond(|_, Keep { file }: Keep| async move {
            assert_eq!(tag(file), 1);
            Ok(())
        })
        .respond_switch(move |_, _: Leave| {
            let switched = switched.clone();
            async move { Ok(move |stream| async move { switched.send(stream).unwrap() }) }
        });
    let peer = amp_unix::connection(near).unwrap().responders(responders).spawn();
    (peer, UnixTransport::new(far), streams)
}

/// Sends descriptors 0, 1 and 2 with a call that claims 1, 3 with the call for the switch and what
/// stands right behind it, and gives the stream.
async fn leave() -> (Unix, Switched) {
    let (_peer, mut far, mut streams) = asked();
    send_all(&mut far, &ask("1", "Keep", &[("file", "1")]), attachments(0..3)).await;
    expect(&mut far, &answer("1")).await;
    let switch = [&ask("2", "Leave", &[])[..], b"behind"].concat();
    send_all(&mut far, &switch, attachments([3])).await;
    expect(&mut far, &answer("2")).await;
    (far, streams.recv().await.unwrap())
}

async fn read(stream: &mut Switched, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, expected);
}

#[test]
fn the_answering_side_gets_what_came_before_the_switch_with_it_and_behind_it() {
    let name = "the_answering_side_gets_what_came_before_the_switch_with_it_and_behind_it";
    without_leak(name, || async {
        let (mut far, mut stream) = leave().await;
        assert_eq!(tags(&stream.take_attachments()), [0, 2, 3]);
        read(&mut stream, b"behind").await;
        assert!(stream.take_attachments().is_empty());
        for n in [4, 5] {
            send_all(&mut far, b"later", attachments([n])).await;
            read(&mut stream, b"later").await;
        }
        assert_eq!(tags(&stream.take_attachments()), [4, 5]);
    });
}

#[test]
fn the_asking_side_gets_what_came_with_the_answer_and_behind_it() {
    let name = "the_asking_side_gets_what_came_with_the_answer_and_behind_it";
    without_leak(name, || async {
        let (near, far) = UnixStream::pair().unwrap();
        let mut far = UnixTransport::new(far);
        let peer = amp_unix::connection(near).unwrap().spawn();
        let answering = async {
            expect(&mut far, &ask("1", "Leave", &[])).await;
            let bytes = [&answer("1")[..], b"behind"].concat();
            send_all(&mut far, &bytes, attachments([0, 1])).await;
            send_all(&mut far, b"later", attachments([2])).await;
        };
        let (stream, ()) = tokio::join!(peer.switch_protocol(Leave), answering);
        let mut stream = stream.unwrap();
        read(&mut stream, b"behindlater").await;
        assert_eq!(tags(&stream.take_attachments()), [0, 1, 2]);
    });
}

#[test]
fn descriptors_are_taken_as_such_and_are_owned() {
    let name = "descriptors_are_taken_as_such_and_are_owned";
    without_leak(name, || async {
        let (far, mut stream) = leave().await;
        let before = support::open_descriptors();
        let taken = take_descriptors(&mut stream);
        assert!(take_descriptors(&mut stream).is_empty());
        drop((far, stream));
        // The two ends of the socket are closed, and what was taken is not.
        assert_eq!(support::open_descriptors(), before - 2);
        assert_eq!(taken.iter().map(tag).collect::<Vec<_>>(), [0, 2, 3]);
        for descriptor in taken {
            let open = support::open_descriptors();
            drop(descriptor.into_owned().unwrap());
            assert_eq!(support::open_descriptors(), open - 1, "it was no duplicate");
        }
    });
}

#[test]
fn what_is_not_taken_is_closed_with_the_stream() {
    let name = "what_is_not_taken_is_closed_with_the_stream";
    without_leak(name, || async {
        let (far, stream) = leave().await;
        let before = support::open_descriptors();
        drop(stream);
        assert_eq!(support::open_descriptors(), before - 4, "0, 2, 3 and the socket");
        drop(far);
    });
}

#[test]
fn what_comes_apart_has_its_descriptors() {
    let name = "what_comes_apart_has_its_descriptors";
    without_leak(name, || async {
        let (mut far, stream) = leave().await;
        let SwitchedParts { mut transport, read, attachments: mut unclaimed, .. } =
            stream.into_parts();
        assert_eq!(read, "behind");
        assert_eq!(tags(&unclaimed), [0, 2, 3]);
        // The transport goes on to carry them.
        send_all(&mut far, b"x", attachments([4])).await;
        let mut received = BytesMut::with_capacity(1);
        let receive = |cx: &mut Context<'_>| {
            transport.as_mut().poll_receive(cx, &mut received, &mut unclaimed)
        };
        assert_eq!(poll_fn(receive).await.unwrap(), 1);
        assert_eq!(tags(&unclaimed), [0, 2, 3, 4]);
    });
}

#[test]
fn what_is_handed_over_can_carry_boxes_again() {
    without_leak("what_is_handed_over_can_carry_boxes_again", || async {
        let (mut far, stream) = leave().await;
        let SwitchedParts { transport, read, attachments, .. } = stream.into_parts();
        assert_eq!((&read[..], tags(&attachments)), (&b"behind"[..], vec![0, 2, 3]));

        let peer = Connection::with_transport(transport).spawn();
        let call = tokio::spawn(async move {
            peer.call_remote(Keep { file: tagged(7).into() }).await.unwrap();
        });
        let expected = ask("1", "Keep", &[("file", "0")]);
        let (bytes, attachments) = receive_all(&mut far, expected.len()).await;
        assert_eq!((&bytes[..], tags(&attachments)), (&expected[..], vec![7]));
        send_all(&mut far, &answer("1"), VecDeque::new()).await;
        call.await.unwrap();
    });
}

/// The peer is there as long as somebody wants to know why the connection has ended.
#[test]
fn a_switch_without_an_answer_keeps_nothing_open() {
    without_leak("a_switch_without_an_answer_keeps_nothing_open", || async {
        let before = open_descriptors();
        let (near, far) = UnixStream::pair().unwrap();
        let peer = amp_unix::connection(near).unwrap().spawn();
        let mut far = UnixTransport::new(far);
        let (switched, ()) = tokio::join!(peer.switch_protocol(Leave), async {
            receive_all(&mut far, ask("1", "Leave", &[]).len()).await;
            // Of a call that is not outstanding.
            send_all(&mut far, &answer("77"), attachments(0..3)).await;
            drop(far);
        });
        assert!(switched.unwrap_err().is_closed());
        peer.closed().await;
        assert_eq!(open_descriptors(), before);
    });
}
