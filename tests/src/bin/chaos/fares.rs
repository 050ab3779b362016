//! How a client that connects again fares, and so how long its calls may wait.

use amp_core::reconnect::{Client, ConnectError, State};
use amp_core::tls::TlsError;
use amp_core::{CallError, Report};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

use crate::HANGS_AFTER;
use crate::plan::ClientPlan;
use crate::report::Group;
use crate::world::{World, kind_of_end};

/// Resolves when a call that waits for the connections of this client has had its time, to how it has
/// spent that.
///
/// The time does not run while there is no connection: a handshake that is passed on byte by byte is
/// as slow as the machine is busy, the server often goes before it is done, and nobody knows after how
/// many attempts there is a connection. But each of them ends, and the next one begins.
pub(crate) async fn hung(client: &Client) -> String {
    let begun = Instant::now();
    let mut state = client.watch();
    let mut left = HANGS_AFTER;
    loop {
        let is_connected = matches!(*state.borrow_and_update(), State::Connected(_));
        let since = Instant::now();
        let most = if is_connected { left } else { HANGS_AFTER };
        if !matches!(timeout(most, state.changed()).await, Ok(Ok(()))) {
            let last = if is_connected { "had a connection" } else { "did not get on" };
            let whole = begun.elapsed();
            return format!("{whole:.1?}, when its client {last} for {:.1?}", since.elapsed());
        }
        if is_connected {
            left = left.saturating_sub(since.elapsed());
        }
    }
}

/// Counts why a client is not connected, and how soon it is again, until it is closed.
pub(crate) async fn count(world: Arc<World>, client: u32, plan: ClientPlan, reconnecting: Client) {
    let mut state = reconnecting.watch();
    // It would not stop.
    drop(reconnecting);
    let mut lost = Some(Instant::now());
    loop {
        let cause = match &*state.borrow_and_update() {
            State::Connecting { cause: Some(cause), .. } => Some(cause.clone()),
            State::Connected(_) => {
                if let Some(lost) = lost.take() {
                    let soon = how_soon(lost.elapsed());
                    world.count(Group::Connections, &format!("{:?} {soon}", plan.way));
                }
                None
            }
            _ => None,
        };
        if let Some(cause) = cause {
            lost.get_or_insert_with(Instant::now);
            let (kind, is_right) = kind_of_cause(&cause);
            world.count(Group::Attempts, kind);
            if !is_right {
                let cause = Report::new(&cause);
                world.violation(format!("client {client}, {plan:?}, is not connected: {cause}"));
            }
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

fn how_soon(after: Duration) -> &'static str {
    match after.as_secs() {
        0 => "within a second",
        1..10 => "within 10 seconds",
        10..40 => "within 40 seconds",
        _ => "later",
    }
}

/// The kind of the reason why there is no connection, to be counted, and whether it may be that.
fn kind_of_cause(cause: &ConnectError) -> (&'static str, bool) {
    match cause {
        ConnectError::Connect(error) => {
            let error = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            match error.and_then(|error| error.downcast_ref()) {
                None => ("not reached", true),
                Some(TlsError::Io(_)) => ("broken while TLS was started", true),
                Some(TlsError::Timeout { .. }) => ("closed as TLS took too long to start", true),
                Some(_) => ("closed as TLS could not be started", false),
            }
        }
        ConnectError::Hook(error) => match error.downcast_ref::<CallError>() {
            Some(CallError::Closed(reason)) => kind_of_end(reason),
            Some(CallError::Remote(error)) if error.is_closing() => ("CLOSING", true),
            _ => ("not made ready", false),
        },
        ConnectError::Timeout { .. } => ("not ready in time", true),
        ConnectError::Lost(reason) => kind_of_end(reason),
        _ => ("not made ready", false),
    }
}
