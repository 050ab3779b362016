use amp_core::tls::{TlsError, rustls};
use amp_core::{CloseReason, LimitKind};
use amp_tests::{Address, Transport};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

use crate::ledger::{CallId, Ledger};
use crate::options::Options;
use crate::plan::{For, Kind, WORKERS, Way, random};
use crate::report::{Group, Tally, Violations};
use crate::secrets::Secrets;
use crate::service::Addresses;

/// What all parts of one round share.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) round: u32,
    pub(crate) clients: u32,
    pub(crate) hooligans: u32,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Arc<Tally>,
    pub(crate) violations: Arc<Violations>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) secrets: Secrets,
    folder: PathBuf,
    /// Where the server listens, while it does.
    server: Mutex<Option<Addresses>>,
    stage: watch::Sender<Stage>,
}

/// How far a round is. The server outlives all who may wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Everybody,
    /// Only the server goes on.
    ServerAlone,
    Nobody,
}

impl World {
    pub(crate) fn new(
        options: &Options,
        round: u32,
        folder: &Path,
        tally: &Arc<Tally>,
        violations: &Arc<Violations>,
        progress: &Arc<Progress>,
        secrets: &Secrets,
    ) -> Arc<Self> {
        let Options { seed, clients, .. } = *options;
        let hooligans = clients.div_ceil(20);
        let books = clients * WORKERS + hooligans;
        Arc::new(Self {
            seed,
            round,
            clients,
            hooligans,
            ledger: Ledger::new(usize::try_from(books).expect("there are few books")),
            tally: Arc::clone(tally),
            violations: Arc::clone(violations),
            progress: Arc::clone(progress),
            secrets: secrets.clone(),
            folder: folder.to_owned(),
            server: Mutex::default(),
            stage: watch::Sender::new(Stage::Everybody),
        })
    }

    pub(crate) fn random(&self, part: For) -> fastrand::Rng {
        random(self.seed, self.round, part)
    }

    /// Where something is to listen that is called `name`.
    pub(crate) fn address(&self, transport: Transport, name: &str) -> Address {
        match transport {
            Transport::Unix => Address::Unix(self.folder.join(name)),
            Transport::Tcp => Address::Tcp("127.0.0.1:0".into()),
        }
    }

    /// The server is at these addresses, or nowhere.
    pub(crate) fn set_server(&self, addresses: Option<Addresses>) {
        *lock(&self.server) = addresses;
    }

    /// Where the server listens, if it does. Nobody connects to a port that it has left: the
    /// system might give that to the one who connects, as its own.
    pub(crate) fn server(&self, transport: Transport, way: Way) -> Option<Address> {
        lock(&self.server).as_ref().map(|addresses| addresses.of(transport, way).clone())
    }

    /// The book of a client's worker, and of a raw peer.
    pub(crate) fn book(client: u32, worker: u32) -> usize {
        (client * WORKERS + worker) as usize
    }

    pub(crate) fn hooligans_book(&self, hooligan: u32) -> usize {
        (self.clients * WORKERS + hooligan) as usize
    }

    /// The client that has made a call, unless a raw peer has.
    pub(crate) fn client_of(&self, call: CallId) -> Option<u32> {
        let client = u32::try_from(call.book()).ok()? / WORKERS;
        (client < self.clients).then_some(client)
    }

    /// Tasks that do not belong to the stage are to come to an end.
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    pub(crate) fn is_everybody(&self) -> bool {
        *self.stage.borrow() == Stage::Everybody
    }

    pub(crate) fn is_nobody(&self) -> bool {
        *self.stage.borrow() == Stage::Nobody
    }

    /// Resolves when the round is as far as that.
    pub(crate) async fn reaches(&self, stage: Stage) {
        // The sender is here.
        let _ = self.stage.subscribe().wait_for(|reached| *reached >= stage).await;
    }

    pub(crate) fn count(&self, group: Group, what: &str) {
        self.tally.count(group, what);
    }

    pub(crate) fn check(&self, checked: Result<(), String>) {
        self.violations.check(checked.map_err(|what| format!("round {}: {what}", self.round)));
    }

    pub(crate) fn violation(&self, what: impl fmt::Display) {
        self.check(Err(what.to_string()));
    }
}

/// The kind of a connection's end, to be counted, and whether it may end so with a well-behaved
/// peer.
pub(crate) fn kind_of_end(reason: &CloseReason) -> (&'static str, bool) {
    match reason {
        CloseReason::Local => ("closed by this side", true),
        CloseReason::Peer => ("closed by the peer", true),
        CloseReason::Truncated { .. } => ("closed by the peer, inside of a box", true),
        // Nothing changes what is sent, so no record of TLS is wrong.
        CloseReason::Io(error) if is_of_tls(error) => ("closed for a breach of TLS", false),
        CloseReason::Io(_) => ("broken", true),
        CloseReason::Tls(error) => match error.downcast_ref() {
            Some(TlsError::Io(_)) => ("broken while TLS was started", true),
            Some(TlsError::Timeout { .. }) => ("closed as TLS took too long to start", true),
            _ => ("closed as TLS could not be started", false),
        },
        CloseReason::Idle { .. } => ("closed for silence", true),
        CloseReason::PingTimeout { .. } => ("closed as a ping was not answered", true),
        CloseReason::Failed { .. } => ("closed after a failure", true),
        CloseReason::Protocol(_) => ("closed for a breach of the protocol", false),
        CloseReason::Limit { what: LimitKind::SendQueue, .. } => {
            ("closed for what the peer does not read", true)
        }
        CloseReason::Limit { .. } => ("closed at another limit", false),
        _ => ("closed for another reason", false),
    }
}

fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}

/// What is under way, for whoever asks why it takes so long.
#[derive(Default)]
pub(crate) struct Progress {
    phase: Mutex<String>,
    calls: Mutex<std::collections::BTreeMap<u64, (Kind, Instant)>>,
}

impl Progress {
    pub(crate) fn phase(&self, phase: impl Into<String>) {
        *lock(&self.phase) = phase.into();
    }

    pub(crate) fn begin(&self, call: CallId, kind: Kind) {
        lock(&self.calls).insert(call.0, (kind, Instant::now()));
    }

    pub(crate) fn end(&self, call: CallId) {
        lock(&self.calls).remove(&call.0);
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", lock(&self.phase))?;
        let calls = lock(&self.calls);
        writeln!(f, "{} calls are outstanding", calls.len())?;
        for (call, (kind, since)) in calls.iter() {
            writeln!(f, "  {}, {kind:?}, for {:.1?}", CallId(*call), since.elapsed())?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
