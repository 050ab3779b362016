//! The table in the documentation of [`Serve`](super::Serve), held against what a server has by default.

use std::fmt::Display;
use std::time::Duration;
use tokio::net::TcpListener;

use super::silent::GIVES_WAY_AFTER;
use super::{Responders, Settings, serve};
use crate::argument::budget::PER_BYTE;
use crate::descriptors::Descriptors;
use crate::proto::{HELD_UNCOUNTED, LARGE_BUFFERS, Limits, READ_AT_ONCE, SPARED};
use crate::router::RouterLimits;

/// The files that a process may have on most systems.
const FILES: usize = 1024;

/// What a task of a responder that waits takes, with what decoding may make of its call besides.
const TASK: usize = 2 << 10;

fn count(n: usize) -> String {
    if n < 10_000 { n.to_string() } else { format!("{} {:03}", n / 1000, n % 1000) }
}

fn bytes(n: usize) -> String {
    if n.is_multiple_of(1 << 20) { format!("{} MiB", n >> 20) } else { format!("{} KiB", n >> 10) }
}

fn seconds(time: Duration) -> String {
    format!("{} seconds", time.as_secs_f64())
}

/// From so long on and up to twice as long.
fn looked_at_every(time: Duration) -> String {
    format!("{} to {}", time.as_secs_f64(), seconds(2 * time))
}

/// The cells of a row, with what its links lead to taken out.
fn cells(row: &str) -> Vec<String> {
    let mut text = String::new();
    let mut rest = row;
    while let Some((before, after)) = rest.split_once("](") {
        text += before;
        rest = after.split_once(')').expect("a link ends").1;
    }
    text += rest;
    text.split('|').map(|cell| cell.replace(['[', '`'], "").trim().to_owned()).collect()
}

/// What is said of one connection, and of all together.
type Expected = (&'static str, String, String);

fn row(what: &'static str, one: impl Display, all: impl Display) -> Expected {
    (what, one.to_string(), all.to_string())
}

/// What counts among the bytes of all connections, by the words above the table.
const COUNTED: &str = "counted";

/// What calls take, and what is on its way.
fn calls(server: &Settings<TcpListener>, limits: &Limits) -> Vec<Expected> {
    let files = Descriptors::of(FILES);
    let responders = server.running_responders_in_all;
    let largest = bytes(PER_BYTE * limits.boxes.max_bytes);
    let running_max = bytes(limits.running_bytes_max);
    let calls = limits.running_responders_max;
    let held = bytes(HELD_UNCOUNTED);
    let counted_beyond = format!("{COUNTED}, once a connection holds more than {held}");
    vec![
        row(
            "connections, each of which takes a descriptor",
            "",
            format!(
                "{}, if the process may have {FILES} descriptors: max_connections",
                files.connections
            ),
        ),
        row(
            "calls that are being answered",
            format!("{}: running_responders_max", count(calls)),
            format!(
                "{}, and another {SPARED} small ones for each connection: running_responders_in_all",
                count(responders)
            ),
        ),
        row(
            "bytes of those calls",
            format!("{running_max}, and one more call of at most {largest}: running_bytes_max"),
            COUNTED,
        ),
        row(
            "memory for a box that is being decoded",
            format!(
                "{PER_BYTE} bytes for each byte of the box, but at least {}: decoded_bytes",
                bytes(limits.decoded_bytes)
            ),
            format!("one box on each thread, of at most {largest}; counted once it is decoded"),
        ),
        row(
            "bytes of an unfinished box",
            format!("{}: boxes", bytes(limits.boxes.max_bytes)),
            &counted_beyond,
        ),
        row(
            "bytes that wait to be sent",
            format!("{}: send_queue_max", bytes(limits.send_queue_max)),
            &counted_beyond,
        ),
        row(
            "items of streams that nobody has taken",
            format!(
                "{} streams with {} items and {} each: streams, stream_items, stream_bytes",
                limits.streams,
                count(limits.stream_items),
                bytes(limits.stream_bytes)
            ),
            COUNTED,
        ),
        row(
            "bytes of one-way calls",
            format!("{}: running_bytes", bytes(limits.running_bytes)),
            COUNTED,
        ),
    ]
}

/// What is not counted in bytes.
fn others(server: &Settings<TcpListener>, limits: &Limits) -> Vec<Expected> {
    let files = Descriptors::of(FILES);
    let most = Descriptors::of(usize::MAX);
    let (calls, responders) = (limits.running_responders_max, server.running_responders_in_all);
    vec![
        row(
            "small boxes and answers",
            format!("a little over {}", bytes(HELD_UNCOUNTED)),
            "as much for each connection, not counted",
        ),
        row(
            "buffers to receive into",
            format!("{}, and {}", bytes(READ_AT_ONCE), bytes(LARGE_BUFFERS)),
            "as much for each connection, not counted",
        ),
        row(
            "tasks of responders that wait",
            format!("{} for {}", bytes(calls * TASK), count(calls)),
            format!("{} for {}, not counted", bytes(responders * TASK), count(responders)),
        ),
        row(
            "descriptors that peers have passed",
            format!(
                "{} unclaimed if the process may have {FILES}, and {} that responders hold, but \
                 fewer while other connections hold some: unclaimed_attachments",
                files.attachments,
                files.attachments / 2
            ),
            format!(
                "a quarter of what the process may have ({} of {FILES}), and at most {}, of which \
                 responders hold at most three quarters: attachments_in_all",
                files.attachments,
                count(most.attachments)
            ),
        ),
        row(
            "descriptors that wait to be sent",
            format!(
                "{} if the process may have {FILES}, and more while all have fewer",
                files.attachments / 8
            ),
            format!(
                "half of what the process may have ({} of {FILES}): attachments_in_all",
                files.attachments * 2
            ),
        ),
        // `tls/` holds how long they have.
        row(
            "TLS handshakes",
            "10 seconds each: TlsListener::handshake_timeout",
            format!(
                "an eighth of the descriptors that the process may have ({} of {FILES}), including \
                 finished ones that wait to be accepted: TlsListener::max_handshakes",
                files.handshakes
            ),
        ),
    ]
}

/// How long things take, and what comes beside connections.
fn times(limits: &Limits) -> Vec<Expected> {
    let router = RouterLimits::default();
    assert_eq!(router.box_timeout, limits.box_timeout, "it has the same deadline");
    vec![
        row(
            "time that a box may be unfinished",
            format!("{}: box_timeout", looked_at_every(limits.box_timeout)),
            "",
        ),
        row(
            "time that a peer may send nothing",
            format!(
                "not limited, unless first_box_timeout, idle_timeout or a ping is set; when the \
                 server is full, {} before the first box",
                seconds(GIVES_WAY_AFTER)
            ),
            "",
        ),
        row(
            "time that a connection takes to end",
            format!(
                "{}, or one second if the peer caused the end: close_timeout",
                seconds(limits.close_timeout)
            ),
            "",
        ),
        row(
            "routes of a Router",
            format!(
                "{}, which together hold {} received; each holds up to {} of that, and {} to be \
                 sent: RouterLimits",
                count(router.routes),
                bytes(router.receive_queue_in_all),
                bytes(router.receive_queue),
                bytes(router.send_queue)
            ),
            "as much for each router, not counted",
        ),
    ]
}

#[tokio::test]
async fn the_table_has_the_defaults() {
    let documentation = include_str!("../server.rs");
    let table = documentation.lines().filter_map(|line| line.strip_prefix("/// | "));
    let rows: Vec<_> = table.skip(1).map(cells).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve(listener, Responders::new(())).settings.unwrap();
    assert_eq!(server.max_connections, None, "as many as there may be descriptors for");
    let limits = Limits::default();
    let counted = format!("towards the {} of [`bytes_in_all`]", bytes(server.bytes_in_all));
    assert!(documentation.contains(&counted), "{counted}");
    let expected = [calls(&server, &limits), others(&server, &limits), times(&limits)].concat();
    for (row, (what, one, all)) in rows.iter().zip(&expected) {
        let [first, rest @ ..] = &row[..] else { panic!("{row:?}") };
        assert!(first.starts_with(what), "{first:?} is not of {what}");
        assert_eq!(rest[..2], [one.clone(), all.clone()], "{first}");
    }
    assert_eq!(rows.len(), expected.len());
}
