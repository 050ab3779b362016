//! Streams with a peer that speaks their calls, and keeps to nothing of what they are.

use amp_core::Responders;
use amp_core::{AmpBox, CallError, Connection, Limits, Peer, ReceivedCall, RemoteError};
use bytes::Bytes;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream as Socket;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::figure::Figure;
use crate::options::Options;
use crate::target::Target;

/// How many calls with items each stream gets, and what comes beside the items of each.
const CALLS: usize = 64;
const JUNK: usize = 40_000;

/// So long a server may take for one step.
const STEP: Duration = Duration::from_secs(60);

pub(super) fn badly_spoken(options: &Options) -> io::Result<Vec<Figure>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (rounds, streams) = if options.small { (1000, 200) } else { (20_000, 250) };
    let mut target = Target::start()?;
    let tasks = target.status()?.tasks;
    let before = target.usage()?;
    let socket = target.connect()?;
    let (peer, mut ends) = runtime.block_on(async { connect(socket) })?;
    runtime.block_on(stop_behind_the_end(&peer, &mut ends, rounds))?;
    // That of its connection is left.
    let left = target.status()?.tasks.saturating_sub(tasks + 1);
    let left = usize::try_from(left).map_err(io::Error::other)?;
    runtime.block_on(send_and_send(&peer, streams))?;
    let held = target.usage()?.resident.saturating_sub(before.resident);
    Ok(vec![
        Figure::count("tasks left of streams that were stopped", left, 8.0),
        Figure::mib("held for items that nobody takes", held, 16.0).at_least(1.0),
    ])
}

/// A connection that answers the end of no stream, and tells of each.
fn connect(socket: Socket) -> io::Result<(Peer, UnboundedReceiver<()>)> {
    socket.set_nonblocking(true)?;
    let (told, ends) = unbounded_channel();
    let silent = Responders::new(()).respond_by_name("_StreamEnd", move |_: ReceivedCall| {
        let _ = told.send(());
        pending::<Result<AmpBox, RemoteError>>()
    });
    // None of them is answered.
    let limits = Limits::default().running_responders(1 << 20).running_responders_max(1 << 20);
    let connection = Connection::new(UnixStream::from_std(socket)?).limits(limits);
    Ok((connection.responders(silent).spawn(), ends))
}

async fn call(peer: &Peer, command: &str, pairs: &[(&str, &[u8])]) -> io::Result<AmpBox> {
    let called = peer.call_by_name(command, pairs.iter().copied()).timeout(STEP).await;
    called.map_err(io::Error::other)
}

async fn tell(peer: &Peer, command: &str, pairs: &[(&str, &[u8])]) -> io::Result<()> {
    let told: Result<(), CallError> =
        peer.notify_by_name(command, pairs.iter().copied()).timeout(STEP).await;
    told.map_err(io::Error::other)
}

/// Asks for streams that end at once, and stops each when its end has come, which is not answered.
async fn stop_behind_the_end(
    peer: &Peer,
    ends: &mut UnboundedReceiver<()>,
    rounds: usize,
) -> io::Result<()> {
    for round in 0..rounds {
        let number = (2 * round).to_string();
        call(peer, "Subscribe", &[]).await?;
        let open = [("stream", number.as_bytes()), ("items", b"1000"), ("bytes", b"100000")];
        tell(peer, "_StreamOpen", &open).await?;
        timeout(STEP, ends.recv()).await.map_err(io::Error::other)?;
        tell(peer, "_StreamStop", &[("stream", number.as_bytes())]).await?;
    }
    call(peer, "Status", &[]).await?;
    Ok(())
}

/// Sends streams, and of each as many calls with items as may wait, with much beside those. Then what is
/// too much, and is no stream.
async fn send_and_send(peer: &Peer, streams: usize) -> io::Result<()> {
    let junk = Bytes::from(vec![b'j'; JUNK]);
    let items: Vec<u8> = b"\0\x01x".repeat(15);
    for stream in 0..streams {
        let number = (2 * stream).to_string();
        call_later(peer, "Take", &[("items", number.as_bytes())]);
        for _ in 0..CALLS {
            let pairs = [("stream", number.as_bytes()), ("items", &items), ("junk", &junk)];
            tell(peer, "_StreamItems", &pairs).await?;
        }
    }
    for wrong in ["1", "x", "18446744073709551614"] {
        for command in ["_StreamItems", "_StreamEnd", "_StreamOpen", "_StreamTaken", "_StreamStop"]
        {
            tell(peer, command, &[("stream", wrong.as_bytes()), ("items", &junk)]).await?;
        }
    }
    call(peer, "Status", &[]).await?;
    Ok(())
}

/// Makes a call that is not answered.
fn call_later(peer: &Peer, command: &str, pairs: &[(&str, &[u8])]) {
    tokio::spawn(peer.call_by_name(command, pairs.iter().copied()));
}
