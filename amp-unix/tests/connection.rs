//! Descriptors as arguments of calls over real sockets.

mod support;

use amp_core::{AmpBox, Arguments, Command, Limits, Responders};
use amp_unix::{Descriptor, UnixTransport};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use support::{attachments, receive_all, send_all, tag, tagged};
use tokio::net::UnixStream;

/// Gives back what it gets, in the opposite order.
#[derive(Command, Debug)]
#[amp(response = Turned)]
struct Turn {
    files: Vec<Descriptor>,
}

#[derive(Arguments, Debug)]
struct Turned {
    files: Vec<Descriptor>,
}

#[test]
fn a_call_and_its_answer_carry_any_number_of_descriptors_and_leave_none_open() {
    let name = "a_call_and_its_answer_carry_any_number_of_descriptors_and_leave_none_open";
    support::in_own_process(name, || {
        support::limit_open_files(8192);
        let before = support::open_descriptors();
        support::block_on(async {
            let (near, far) = UnixStream::pair().unwrap();
            let limits = Limits::default().unclaimed_attachments(1024).attachments_in_all(4096);
            let peer = amp_unix::connection(near).unwrap().limits(limits).spawn();
            let responders = Responders::new(()).respond(|_, Turn { mut files }| async move {
                files.reverse();
                Ok(Turned { files })
            });
            let far = amp_unix::connection(far).unwrap().responders(responders).limits(limits);
            let _far = far.spawn();
            for count in [1, 16, 253, 254, 1000] {
                let files = (0..count).map(|n| tagged(n).into()).collect();
                let Turned { files } = peer.call_remote(Turn { files }).await.unwrap();
                let tags: Vec<_> = files.iter().map(tag).collect();
                assert_eq!(tags, (0..count).rev().collect::<Vec<_>>());
            }
        });
        assert_eq!(support::open_descriptors(), before);
    });
}

/// Asks for one file.
#[derive(Command, Debug)]
#[amp(response = Opened)]
struct Open;

#[derive(Arguments, Debug)]
struct Opened {
    file: Descriptor,
}

#[tokio::test]
async fn an_answer_that_came_with_the_end_has_its_descriptor() {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = amp_unix::connection(near).unwrap().spawn();
    let call = tokio::spawn({
        let peer = peer.clone();
        async move { peer.call_remote(Open).await }
    });
    let mut far = UnixTransport::new(far);
    receive_all(&mut far, 1).await;
    let answer = AmpBox::from_pairs([("_answer", "1"), ("file", "0")]).unwrap().to_bytes();
    let (mut unnamed, other) = std::io::pipe().unwrap();
    let mut attachments = attachments([7]);
    attachments.push_back(Arc::new(OwnedFd::from(other)));
    send_all(&mut far, &answer, attachments).await;
    drop(far);
    assert_eq!(tag(call.await.unwrap().unwrap().file), 7);
    peer.closed().await;
    assert_eq!(unnamed.read(&mut [0]).unwrap(), 0, "what nothing named is closed");
}
