//! Clients that call all the time, and follow the server from process to process.

use amp_core::{Context, NoError, Peer, Report, Responders, tcp};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::AnyError;
use crate::commands::{Moving, Sum, Total};

/// How many clients there are, each with a connection.
const CLIENTS: usize = 4;

/// How many calls each client has under way at once.
const CALLERS: usize = 8;

/// How long a call may take: far longer than any does.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How the calls of all clients have ended.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    /// How many each process has answered.
    answered: BTreeMap<u32, u64>,
    /// How the others have failed, and how many in each way.
    failed: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn answered_by(&self, pid: u32) -> u64 {
        self.answered.get(&pid).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered: u64 = self.answered.values().sum();
        write!(f, "{answered} calls were answered, {} failed", self.failed())?;
        for (pid, answered) in &self.answered {
            write!(f, "\n  {answered} answered by process {pid}")?;
        }
        for (error, failed) in &self.failed {
            write!(f, "\n  {failed} failed: {error}")?;
        }
        Ok(())
    }
}

/// Clients at work.
pub(crate) struct Clients {
    tally: watch::Receiver<Tally>,
    /// Dropped to stop them.
    stop: watch::Sender<()>,
    running: JoinSet<io::Result<()>>,
}

impl Clients {
    /// Connects them to the server at `address`.
    pub(crate) async fn start(address: &str) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(());
        let (tally, tallied) = watch::channel(Tally::default());
        let mut running = JoinSet::new();
        for _ in 0..CLIENTS {
            let server = connect(address).await?;
            running.spawn(client(address.to_owned(), server, tally.clone(), stopped.clone()));
        }
        Ok(Self { tally: tallied, stop, running })
    }

    /// Waits until the process `pid` has answered so many calls, or until a call has failed.
    pub(crate) async fn answered_by(&mut self, pid: u32, calls: u64) -> Result<(), AnyError> {
        let done = |tally: &Tally| tally.answered_by(pid) >= calls || tally.failed() > 0;
        self.tally.wait_for(done).await?;
        Ok(())
    }

    /// Waits until a call has failed.
    pub(crate) async fn failed(&mut self) -> Result<(), AnyError> {
        self.tally.wait_for(|tally| tally.failed() > 0).await?;
        Ok(())
    }

    /// Makes no more calls, and says how those that were made have ended.
    pub(crate) async fn stop(self) -> Result<Tally, AnyError> {
        let Self { tally, stop, mut running } = self;
        drop(stop);
        while let Some(client) = running.join_next().await {
            client??;
        }
        let tally = tally.borrow().clone();
        Ok(tally)
    }
}

/// One client. It goes to a new connection whenever the server says that it is moving.
async fn client(
    address: String,
    (server, mut moving): (Peer, Arc<Notify>),
    tally: watch::Sender<Tally>,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let (current, _) = watch::channel(Some(server));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(call(current.subscribe(), tally.clone()));
    }
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            () = moving.notified() => {}
        }
        let (server, next) = connect(&address).await?;
        // Each outstanding call holds the peer that it was made to. When the last of them has its
        // answer the old peer is dropped, and that closes the old connection.
        current.send_replace(Some(server));
        moving = next;
    }
    current.send_replace(None);
    callers.join_all().await;
    Ok(())
}

/// A connection to the server, and what is notified when that one moves.
async fn connect(address: &str) -> io::Result<(Peer, Arc<Notify>)> {
    let moving = Arc::new(Notify::new());
    let responders = Responders::new(Arc::clone(&moving)).respond(server_moves);
    let connection = tcp::connect(address).await?;
    Ok((connection.responders(responders).call_timeout(CALL_TIMEOUT).spawn(), moving))
}

async fn server_moves(context: Context<Arc<Notify>>, _: Moving) -> Result<(), NoError> {
    context.state().notify_one();
    Ok(())
}

/// Calls whoever is the server, one call after the other, until there is none or a call fails.
async fn call(server: watch::Receiver<Option<Peer>>, tally: watch::Sender<Tally>) {
    for n in 0.. {
        let Some(server) = server.borrow().clone() else { return };
        match checked_sum(&server, n).await {
            Ok(pid) => tally.send_modify(|tally| *tally.answered.entry(pid).or_default() += 1),
            Err(error) => {
                let error = Report::new(&*error).to_string();
                tally.send_modify(|tally| *tally.failed.entry(error).or_default() += 1);
                return;
            }
        }
    }
}

/// Which process has answered, if it did so rightly.
async fn checked_sum(server: &Peer, n: i64) -> Result<u32, AnyError> {
    let Total { total, pid } = server.call_remote(Sum { a: n, b: 1 }).await?;
    if total == n + 1 { Ok(pid) } else { Err(format!("{n} + 1 is not {total}").into()) }
}
