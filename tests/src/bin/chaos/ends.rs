//! The near ends of the well-behaved clients' connections.

use amp_core::reconnect::{Backoff, Client as Reconnecting, Connector, Jitter};
use amp_core::router::{RouteName, Router, Routes};
use amp_core::tls::{PeerCertificates, StartTls};
use amp_core::{CallError, Connection, Context, Limits, NoError, Peer, Ping, Responders, tcp};
use amp_tests::Address;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use crate::commands::{Confirm, Done, Heed, Hello};
use crate::fares;
use crate::ledger::CallId;
use crate::plan::{ClientKind, ClientPlan, Way};
use crate::secrets::Secrets;
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
    /// Those of one stream. None has ended, or all are made anew.
    Plain(tokio::sync::Mutex<Vec<Peer>>),
    Reconnecting(Reconnecting),
}

#[derive(Clone)]
struct Connect {
    world: Arc<World>,
    address: Address,
    plan: ClientPlan,
    limits: Limits,
}

/// How many routes there are on a stream; one has the default name.
const ROUTES: usize = 3;

impl Ends {
    pub(crate) fn new(world: &Arc<World>, client: u32, plan: ClientPlan, address: Address) -> Self {
        let mut limits = Limits::default().close_timeout(CLOSE_TIMEOUT);
        if plan.tight {
            limits = limits.outstanding_calls(2).send_queue(100);
        }
        let connect = Connect { world: Arc::clone(world), address, plan, limits };
        let kind = match plan.kind {
            ClientKind::Plain => Kind::Plain(tokio::sync::Mutex::default()),
            kind => {
                let reconnecting = reconnecting(&connect, client, kind);
                tokio::spawn(fares::count(Arc::clone(world), client, plan, reconnecting.clone()));
                Kind::Reconnecting(reconnecting)
            }
        };
        Self { connect, kind }
    }

    /// Returns the end for a worker to call on; `None` when everybody is to come to an end.
    pub(crate) async fn handle(&self, worker: u32) -> Option<Handle> {
        match &self.kind {
            Kind::Reconnecting(client) => Some(Handle::Client(client.clone())),
            Kind::Plain(peers) => {
                let mut peers = peers.lock().await;
                loop {
                    if !self.connect.world.is_everybody() {
                        return None;
                    }
                    if !peers.is_empty() && peers.iter().all(|peer| !peer.is_closed()) {
                        return Some(Handle::Peer(peers[worker as usize % peers.len()].clone()));
                    }
                    peers.clear();
                    sleep(AGAIN).await;
                    if let Ok(made) = self.connect.peers().await {
                        *peers = made;
                    }
                }
            }
        }
    }

    pub(crate) async fn close(&self) {
        match &self.kind {
            Kind::Reconnecting(client) => client.close().await,
            Kind::Plain(peers) => {
                for peer in peers.lock().await.drain(..) {
                    peer.close().await;
                }
            }
        }
    }
}

impl Connect {
    /// The ends of a stream, each ready to be called on.
    async fn peers(&self) -> io::Result<Vec<Peer>> {
        let connections = self.connect().await?;
        let peers: Vec<_> = connections.into_iter().map(Connection::spawn).collect();
        for peer in &peers {
            self.secure(peer).await.map_err(io::Error::other)?;
        }
        Ok(peers)
    }

    /// The connections over a new stream.
    async fn connect(&self) -> io::Result<Vec<Connection>> {
        let streams = match self.plan.way {
            Way::Clear | Way::StartTls => vec![self.address.connect().await?],
            Way::Tls => vec![self.secrets().connect(&self.address).await?],
            Way::Routes => {
                let router = match &self.address {
                    Address::Unix(path) => Router::new(UnixStream::connect(path).await?),
                    Address::Tcp(address) => {
                        Router::from(tcp::connection(TcpStream::connect(address).await?)?)
                    }
                };
                let connections = over_routes(&router.routes())?;
                // The connections have the routes, and so the router.
                drop(router.spawn());
                connections
            }
        };
        Ok(streams.into_iter().map(|connection| self.prepare(connection)).collect())
    }

    fn prepare(&self, connection: Connection) -> Connection {
        let responders =
            Responders::new(Arc::clone(&self.world)).respond_ping().respond(heed).respond(confirm);
        let connection = connection.limits(self.limits).responders(responders);
        if self.plan.pings {
            connection.ping(Ping {}, Duration::from_millis(300), Duration::from_secs(1))
        } else {
            connection
        }
    }

    fn secrets(&self) -> &Secrets {
        &self.world.secrets
    }

    /// Starts TLS where that is the way.
    async fn secure(&self, peer: &Peer) -> Result<(), CallError> {
        if self.plan.way != Way::StartTls {
            return Ok(());
        }
        peer.start_tls(StartTls, self.secrets().client()).await?;
        if peer.get::<PeerCertificates>().is_none() {
            self.world.violation("TLS was started, and the server has no certificate");
        }
        Ok(())
    }
}

/// A connection for each route, of the same name on both sides.
pub(crate) fn over_routes(routes: &Routes) -> io::Result<Vec<Connection>> {
    let bound = (0..ROUTES).map(|number| {
        let name = match number {
            0 => RouteName::DEFAULT,
            number => RouteName::from(number.to_string()),
        };
        routes.bind(name.clone())?.connect_to(name)
    });
    let routes = bound.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    Ok(routes.into_iter().map(Connection::with_transport).collect())
}

fn reconnecting(connect: &Connect, client: u32, kind: ClientKind) -> Reconnecting {
    let address = connect.address.clone();
    let (connect, securing) = (connect.clone(), connect.clone());
    let connector = Connector::new(move || {
        let connect = connect.clone();
        // It has one connection at a time, so the other routes are left.
        async move { connect.connect().await.map(|mut connections| connections.swap_remove(0)) }
    });
    let backoff = Backoff::default()
        .base(Duration::from_millis(5))
        .cap(Duration::from_millis(200))
        .jitter(Jitter::Full)
        .reset_after(Duration::from_millis(100));
    let connector = connector.address(address).backoff(backoff).make_ready(move |peer| {
        let securing = securing.clone();
        async move {
            securing.secure(&peer).await?;
            peer.call_remote(Hello { client }).await
        }
    });
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
