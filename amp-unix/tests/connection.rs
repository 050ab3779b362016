//! Descriptors as arguments of calls over real sockets.

mod support;

use amp_core::{AmpBox, Arguments, Command, Limits, Responders};
use amp_unix::{Descriptor, PeerCredentials, UnixTransport};
use std::fmt;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use support::{attachments, receive_all, send_all, tag, tagged};
use tokio::net::UnixStream;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

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
    // Spans that nobody wants where they are first made may be noted as such while another test subscribes.
    let _guard = tracing::subscriber::set_default(Spans::default());
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

/// Keeps what is said in the spans of connections.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl Spans {
    fn say(&self, field: &Field, value: &dyn fmt::Debug) {
        self.0.lock().unwrap().push(format!("{}={value:?}", field.name()));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "connection"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut |field: &Field, value: &dyn fmt::Debug| self.say(field, value));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut |field: &Field, value: &dyn fmt::Debug| self.say(field, value));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn the_span_of_a_connection_says_which_process_the_peer_is() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let (near, _far) = UnixStream::pair().unwrap();
    let peer = amp_unix::connection(near).unwrap().spawn();
    let credentials = peer.get::<PeerCredentials>().unwrap();
    let said = spans.0.lock().unwrap().join(" ");
    let pid = credentials.pid.unwrap();
    assert!(said.starts_with(&format!("id={} peer=", peer.id())), "{said}");
    assert!(said.ends_with(&format!(" uid={} pid={pid}", credentials.uid)), "{said}");
}
