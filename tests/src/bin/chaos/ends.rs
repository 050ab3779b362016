//! The near ends of the well-behaved clients' connections.

use amp_core::reconnect::{Backoff, Client as Reconnecting, Connector, Jitter};
use amp_core::{Connection, Context, Limits, NoError, Peer, Responders};
use amp_tests::Address;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use crate::commands::{Confirm, Done, Heed, Hello};
use crate::ledger::CallId;
use crate::plan::{ClientKind, ClientPlan};
use crate::server::CLOSE_TIMEOUT;
use crate::world::World;

/// How long a plain client waits before it connects again.
const AGAIN: Duration = Duration::from_millis(30);

/// A near end that calls are made on.
#[derive(Clone)]
pub(crate) enum Handle {
    Peer(Peer),
    Client(Reconnecting),
}

/// The near ends of a client's connections, one after the other.
pub(crate) struct Ends {
    connect: Connect,
    kind: Kind,
}

enum Kind {
    Plain(tokio::sync::Mutex<Option<Peer>>),
    Reconnecting(Reconnecting),
}

#[derive(Clone)]
struct Connect {
    world: Arc<World>,
    address: Address,
    limits: Limits,
}

impl Ends {
    pub(crate) fn new(world: &Arc<World>, client: u32, plan: ClientPlan, address: Address) -> Self {
        let mut limits = Limits::default().close_timeout(CLOSE_TIMEOUT);
        if plan.tight {
            limits = limits.outstanding_calls(2).send_queue(100);
        }
        let connect = Connect { world: Arc::clone(world), address, limits };
        let kind = match plan.kind {
            ClientKind::Plain => Kind::Plain(tokio::sync::Mutex::default()),
            kind => Kind::Reconnecting(reconnecting(&connect, client, kind)),
        };
        Self { connect, kind }
    }

    /// Returns the end to call on; `None` when everybody is to come to an end.
    pub(crate) async fn handle(&self) -> Option<Handle> {
        match &self.kind {
            Kind::Reconnecting(client) => Some(Handle::Client(client.clone())),
            Kind::Plain(peer) => {
                let mut peer = peer.lock().await;
                loop {
                    if !self.connect.world.is_everybody() {
                        return None;
                    }
                    if let Some(peer) = peer.as_ref().filter(|peer| !peer.is_closed()) {
                        return Some(Handle::Peer(peer.clone()));
                    }
                    sleep(AGAIN).await;
                    if let Ok(connection) = self.connect.connect().await {
                        *peer = Some(connection.spawn());
                    }
                }
            }
        }
    }

    pub(crate) async fn close(&self) {
        match &self.kind {
            Kind::Reconnecting(client) => client.close().await,
            Kind::Plain(peer) => {
                if let Some(peer) = peer.lock().await.take() {
                    peer.close().await;
                }
            }
        }
    }
}

impl Connect {
    async fn connect(&self) -> io::Result<Connection> {
        let connection = self.address.connect().await?;
        let responders = Responders::new(Arc::clone(&self.world)).respond(heed).respond(confirm);
        Ok(connection.limits(self.limits).responders(responders))
    }
}

fn reconnecting(connect: &Connect, client: u32, kind: ClientKind) -> Reconnecting {
    let address = connect.address.clone();
    let connect = connect.clone();
    let connector = Connector::new(move || {
        let connect = connect.clone();
        async move { connect.connect().await }
    });
    let backoff = Backoff::default()
        .base(Duration::from_millis(5))
        .cap(Duration::from_millis(200))
        .jitter(Jitter::Full)
        .reset_after(Duration::from_millis(100));
    let connector = connector
        .address(address)
        .backoff(backoff)
        .on_connect(move |peer| async move { peer.call_remote(Hello { client }).await });
    if kind == ClientKind::Waiting {
        connector.wait_for_connection().spawn()
    } else {
        connector.spawn()
    }
}

async fn heed(context: Context<Arc<World>>, Heed { call }: Heed) -> Result<(), NoError> {
    context.state().check(context.state().ledger.heed(CallId(call)));
    Ok(())
}

async fn confirm(
    context: Context<Arc<World>>,
    Confirm { call, want }: Confirm,
) -> Result<Done, NoError> {
    context.state().check(context.state().ledger.confirm(CallId(call)));
    Ok(Done::with(call, want))
}
