//! The log of boxes, on a connection.

mod support;

use amp_core::{Connection, Peer, PeerAddress, WireLog};
use std::sync::{Arc, Mutex};
use support::{Script, echoing, numbered, settled};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[tokio::test(start_paused = true)]
async fn what_is_sent_and_received_is_logged_with_nothing_locked() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    // Empty again at the end, so that the log does not keep the connection that keeps the log.
    let used: Arc<Mutex<Option<Peer>>> = Arc::default();
    let log = WireLog::new().hide(["password"]).to({
        let (lines, used) = (Arc::clone(&lines), Arc::clone(&used));
        move |line| {
            if let Some(peer) = &*used.lock().unwrap() {
                // Would hang if the state were locked.
                peer.counters();
            }
            lines.lock().unwrap().push(line.text.to_owned());
        }
    });
    let prepare = |connection: Connection| connection.wire_log(log).responders(echoing());
    let (peer, mut script) = Script::start(prepare);
    *used.lock().unwrap() = Some(peer.clone());

    script.send_box([("_ask", "7"), ("_command", "Echo"), ("password", "sesame")]).await;
    script.receive().await.unwrap();
    script.send_box([("_ask", "8"), ("_command", "Nope")]).await;
    script.receive().await.unwrap();
    peer.notify_by_name("Note", numbered(1)).await.unwrap();
    script.receive().await.unwrap();
    // Large enough to be sent from where it is.
    let large = "x".repeat(40_000);
    let call = tokio::spawn({
        let (peer, large) = (peer.clone(), large.clone());
        async move { peer.call_by_name("Put", [("large", large)]).await }
    });
    script.expect_call("Put").await;
    // In two writes.
    script.send(b"\0\x07_answer\0").await;
    settled().await;
    script.send(b"\x011\0\x01b\0\x01\xff\0\x01a\0\x012\0\0").await;
    call.await.unwrap().unwrap();

    let unhandled = "_error_code=\"UNHANDLED\" _error_description=\"Unhandled Command: b'Nope'\"";
    let expected = [
        "received call 7 Echo password=*** (6 bytes)".to_owned(),
        "sent answer 7 password=*** (6 bytes)".to_owned(),
        "received call 8 Nope".to_owned(),
        format!("sent error 8 {unhandled}"),
        "sent one-way Note n=\"1\"".to_owned(),
        format!("sent call 1 Put large=\"{}...\" (40000 bytes)", &large[..40]),
        "received answer 1 b=\"\\xff\" (1 byte) a=\"2\"".to_owned(),
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
    used.lock().unwrap().take();
}

/// Keeps the messages of events.
struct Events {
    most: Level,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "amp_core::wire" && *metadata.level() <= self.most
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        self.seen.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        write!(self.0, "{field}={value:?};").unwrap();
    }
}

/// One test, since what is enabled is remembered for all threads.
#[test]
fn lines_are_events_of_the_finest_level_where_they_were_asked_for() {
    for (most, asked, expected) in [
        (Level::TRACE, true, vec!["message=sent one-way Note n=\"1\";peer=nowhere;"]),
        (Level::TRACE, false, vec![]),
        (Level::DEBUG, true, vec![]),
    ] {
        let seen = Arc::default();
        let events = Events { most, seen: Arc::clone(&seen) };
        let _guard = support::subscribing::subscribe(events);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (peer, mut script) = Script::start(|connection| {
                let connection = connection.peer_address(PeerAddress::Name("nowhere".into()));
                if asked { connection.wire_log(WireLog::new()) } else { connection }
            });
            peer.notify_by_name("Note", numbered(1)).await.unwrap();
            script.receive().await.unwrap();
        });
        assert_eq!(*seen.lock().unwrap(), expected, "{most} {asked}");
    }
}
