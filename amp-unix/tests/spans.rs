//! The spans of connections. One test alone, since `tracing` may note for all threads that nobody wants what a
//! thread without a subscriber meets first.

use amp_unix::PeerCredentials;
use std::fmt;
use std::sync::{Arc, Mutex};
use tokio::net::UnixStream;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

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
