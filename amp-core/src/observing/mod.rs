//! Observing connections: spans and events of `tracing`, counters, metrics, and a log of the boxes.
//!
//! The spans, the metrics, the events from `WARN` on, and their fields are stable: changing one is a
//! breaking change. Events at the levels `DEBUG` and `TRACE`, including the lines of a [`WireLog`], are for
//! people, and may change in any version. None of this shows the values of arguments, with two exceptions: a
//! [`WireLog`] that you have enabled, and the texts of errors that come from your own code: those that a responder or a
//! hook returns, those of JSON, and those of argument types of your own. The error of a call whose answer does not fit
//! shows up to 40 bytes of that value. So if a responder returns that error, they are in the log.
//!
//! # A span for each connection
//!
//! Its name is `connection`, its target `amp_core::connection` and its level `DEBUG`. It contains
//! everything that the connection's own task does: the events below that concern one connection, and the
//! spans of the calls that it answers.
//!
//! | field | |
//! |---|---|
//! | `id` | a number that is unique in this process: [`Peer::id`](crate::Peer::id) |
//! | `peer` | the address of the peer |
//! | `uid`, `pid` | the user and the process of the peer on a Unix socket, as far as the kernel provides them |
//!
//! # A span for each call
//!
//! Each side has a span for each call, with the name `call`, the target `amp_core::call` and the level
//! `DEBUG`. If nobody subscribes to it, it costs a call one check of the level. The feature `log` of
//! tracing passes on events, but not these spans.
//!
//! | field | |
//! |---|---|
//! | `side` | `asking` or `answering` |
//! | `command` | the name of the command, escaped and cut to 80 bytes |
//! | `peer` | the address of the peer |
//! | `connection` | the `id` of its connection |
//! | `tag` | the tag, escaped and cut as `command` is; one-way commands have none |
//! | `outcome` | see below; set when the call is over |
//! | `code` | the error code of a failed call, escaped and cut as `command` is |
//! | `duration_us` | microseconds from the first poll of the call, or from its arrival, until it was over |
//!
//! | outcome | side | |
//! |---|---|---|
//! | `answered` | both | the responder has succeeded, or a protocol switch was agreed to |
//! | `failed` | both | it was answered with the error `code`; a one-way command would have been |
//! | `sent` | asking | a one-way command was queued |
//! | `done` | answering | the responder of a one-way command has succeeded |
//! | `unreadable` | asking | the answer does not match the command's response |
//! | `not_sent` | asking | it could not be encoded, or a limit was reached |
//! | `timed_out` | asking | its timeout was over |
//! | `closed` | both | the connection has ended; on the answering side, before the call was begun, or before it was answered by a responder that ends with its connection |
//! | `dropped` | asking | its future was dropped |
//!
//! The span of a responder is entered whenever the responder runs, even on a task of its own, so its own
//! events and spans are inside it. The span of a call that is made is a child of the span in which the
//! call was first polled.
//!
//! # Events
//!
//! A field that is an error has all its causes, as [`Report`](crate::Report) shows them: on one line,
//! with control characters escaped.
//!
//! A peer can cause any number of some events. Those are the ones with the field `unsaid`. They are
//! logged at most five times for a connection, for all connections of a server together, for a listener,
//! or for all routers, and after that at most once a second. `unsaid` tells how many were left out since the
//! last one. Those are logged with the same message at the level `DEBUG`.
//!
//! | level | message | fields | target |
//! |---|---|---|---|
//! | `ERROR` | `a TLS handshake failed` (it panicked) | `error`, `unsaid` | `amp_core::tls` |
//! | `ERROR` | `a signal to a server failed` (it panicked) | `error` | `amp_core::server` |
//! | `WARN` | `a call failed` in a way that its command does not declare | `command`, `reference`, `error`, `unsaid` | `amp_core::responder` |
//! | `WARN` | `passing on a call failed`, so that a proxy has no answer of its backend | `command`, `error`, `unsaid` | `amp_core::responder` |
//! | `WARN` | `more calls failed` on a connection, or all those of a server, than were said before the end | `unsaid` | `amp_core::connection`, `amp_core::server` |
//! | `WARN` | `a ping cannot be sent` | `error`, `unsaid` | `amp_core::connection` |
//! | `WARN` | `cannot accept a connection` | `error`, `pause`, `unsaid` | `amp_core::server` |
//! | `WARN` | `a connection was dropped` by a server, since `prepare` or `on_connect` panicked | `error`, `unsaid` | `amp_core::server` |
//! | `WARN` | `a route has ended` because it stalled | `error`, `unsaid` | `amp_core::router` |
//! | `WARN` | `a routed connection carries no attachments` | `dropped`, `unsaid` | `amp_core::router` |
//! | `WARN` | `a box lost its argument _route, which routes use themselves` | `unsaid` | `amp_core::router` |
//! | `WARN` | `a box came for a route that is not bound` | `unsaid` | `amp_core::router` |
//! | `WARN` | `attachments were refused` by the transport, and their boxes not sent | `boxes`, `reference`, `error`, `unsaid` | `amp_core::connection` |
//! | `WARN` | `dropped attachments of those who have most`, since all connections hold too many | `count`, `in_all`, `unsaid` | `amp_core::connection` |
//! | `WARN` | `dropped one-way commands that were not begun` when their connection has ended | `dropped`, `unsaid` | `amp_core::connection` |
//! | `WARN` | `a client was not admitted` to a Unix socket | `uid`, `gid`, `pid`, `path`; `error`, if there was one; `unsaid` | `amp_unix::listener` |
//! | `DEBUG` | `dropped calls that nobody waits for any more` | `dropped` | `amp_core::connection` |
//! | `DEBUG` | `a connection was lost before it was accepted` | `error` | `amp_core::server` |
//! | `DEBUG` | `a TLS handshake failed` | `peer`, `error` | `amp_core::tls` |
//! | `DEBUG` | `no responder for a call` | `command` | `amp_core::responder` |
//! | `DEBUG` | `a call failed as declared`, by a cause of the error | `command`, `error` | `amp_core::responder` |
//! | `DEBUG` | `a responder was dropped before it had answered`, as when the runtime shuts down | `command`; `reference`, if the peer was answered | `amp_core::responder` |
//! | `DEBUG` | `a peer has failed to log in` as often as it may | `peer`, `attempts` | `amp_core::login` |
//! | `DEBUG` | `a call came too late to be answered` | `command` | `amp_core::responder` |
//! | `DEBUG` | `a switch that wants no answer is not made` | `command` | `amp_core::responder` |
//! | `DEBUG` | `ignored answers to calls that are not outstanding` | `ignored` | `amp_core::connection` |
//! | `DEBUG` | `dropped attachments that nothing has claimed` | `count` | `amp_core::connection` |
//! | `DEBUG` | `responders have not answered before a graceful end` | `within` | `amp_core::connection` |
//! | `DEBUG` | `the connection did not end in time` | | `amp_core::connection`, `amp_core::router` |
//! | `DEBUG` | `a stream was broken off`, since the peer has done what it may not | `error` | `amp_core::streams` |
//! | `DEBUG` | `the peer was not told of a stream, since no more is sent` | `command` | `amp_core::streams` |
//! | `DEBUG` | `the connection has ended` | `reason` | `amp_core::connection` |
//! | `DEBUG` | `a routed connection has ended` | `reason` | `amp_core::router` |
//! | `DEBUG` | `connected` | `address`, `attempt` | `amp_core::reconnect` |
//! | `DEBUG` | `not connected` | `address`, `attempt`, `wait`, `cause` | `amp_core::reconnect` |
//! | `DEBUG` | `the client is closed` | `address` | `amp_core::reconnect` |
//! | `TRACE` | a line of a [`WireLog`] | `peer` | `amp_core::wire` |
//!
//! A target in this table is the beginning of the full target.
//!
//! # Counters
//!
//! [`Peer::counters`](crate::Peer::counters) returns the counters of one connection. They cost nothing.
//!
//! # Metrics
//!
//! With the feature `metrics`, the recorder of the crate [`metrics`](https://docs.rs/metrics) gets the
//! following metrics, for all connections of the process together. Install it before the first
//! connection, since each connection gets its handles from it only once. For the same reason, it must
//! not be set to forget metrics that have been idle for a while.
//!
//! | name | | labels |
//! |---|---|---|
//! | `amp_calls_total` | counter: calls that are over | `side`, `command`, `outcome` |
//! | `amp_call_duration_seconds` | histogram | `side`, `command` |
//! | `amp_calls_running` | gauge: on the side `asking`, calls that are not over; on the side `answering`, responders that have not answered yet | `side` |
//! | `amp_connections_open` | gauge | |
//! | `amp_responders_outliving` | gauge: see [`outliving_responders`] | |
//! | `amp_boxes_total`, `amp_bytes_total` | counters: boxes, and their bytes | `direction`: `sent` or `received` |
//! | `amp_late_answers_total`, `amp_unknown_answers_total` | counters: see [`Counters`](crate::proto::Counters) | |
//!
//! `side` and `outcome` are those of the spans. `command` is a name that the program itself knows, because
//! the call is typed or the command has a responder. Calls by name, and those that the fallback answers,
//! have `(other)`, since a peer could make up any number of names.

mod connection;
#[cfg(feature = "metrics")]
mod metrics;
mod outcome;
pub(crate) mod outliving;
mod watch;
pub(crate) mod wire_log;

pub(crate) use connection::{Process, next_id, span, span_of_router};
#[cfg(feature = "metrics")]
pub(crate) use metrics::{MeasuredConnection, Measures};
pub(crate) use outcome::{Outcome, Side};
pub use outliving::outliving_responders;
pub(crate) use watch::{Plain, Watch};
pub use wire_log::WireLine;
pub(crate) use wire_log::WireLog;

/// Nothing is measured of calls without the feature `metrics`.
#[cfg(not(feature = "metrics"))]
pub(crate) struct Measures;

#[cfg(not(feature = "metrics"))]
impl Measures {
    pub(crate) fn new() -> Self {
        Self
    }
}
