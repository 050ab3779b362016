//! What the server listens on: each way over each transport.

use amp_core::router::{Router, Routes};
use amp_core::tls::{AcceptStream, TlsListener};
use amp_core::{Connection, Drained, Listener, PeerAddress, serve_with};
use amp_tests::{Address, Transport};
use amp_unix::UnixSocketListener;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ends::over_routes;
use crate::plan::Way;
use crate::server::prepare;
use crate::world::World;

/// How long a raw peer may be silent in a handshake.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Where the server listens.
pub(crate) struct Addresses(Vec<(Transport, Way, Address)>);

impl Addresses {
    pub(crate) fn of(&self, transport: Transport, way: Way) -> &Address {
        let at = self.0.iter().find(|(of, over, _)| (*of, *over) == (transport, way));
        &at.expect("the server listens for each").2
    }
}

/// Serves on tasks of `servers` until the other end of `stopped` is dropped.
pub(crate) async fn begin(
    world: &Arc<World>,
    servers: &mut JoinSet<Drained>,
    stopped: &watch::Receiver<()>,
) -> io::Result<Addresses> {
    let mut begun = Begun { world, servers, stopped, addresses: Vec::new() };
    for way in Way::ALL {
        let Address::Unix(path) = world.address(Transport::Unix, &format!("server-{way:?}")) else {
            unreachable!("it was asked for");
        };
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let at = Address::Tcp(tcp.local_addr()?.to_string());
        match way {
            Way::Clear | Way::StartTls => {
                begun.serve(way, Address::Unix(path.clone()), UnixSocketListener::bind(path)?);
                begun.serve(way, at, tcp);
            }
            Way::Tls => {
                let unix = Unix::bind(&path)?;
                begun.serve_tls(Address::Unix(path), unix);
                begun.serve_tls(at, tcp);
            }
            Way::Routes => {
                let unix = Unix::bind(&path)?;
                begun.serve(way, Address::Unix(path), Routed::new(unix));
                begun.serve(way, at, Routed::new(tcp));
            }
        }
    }
    Ok(Addresses(begun.addresses))
}

struct Begun<'a> {
    world: &'a Arc<World>,
    servers: &'a mut JoinSet<Drained>,
    stopped: &'a watch::Receiver<()>,
    addresses: Vec<(Transport, Way, Address)>,
}

impl Begun<'_> {
    fn serve(&mut self, way: Way, address: Address, listener: impl Listener) {
        let transport = match address {
            Address::Unix(_) => Transport::Unix,
            Address::Tcp(_) => Transport::Tcp,
        };
        self.addresses.push((transport, way, address));
        let mut stopped = self.stopped.clone();
        let server = serve_with(listener, prepare(self.world, way))
            .shutdown_on(async move { stopped.changed().await });
        self.servers.spawn(server);
    }

    fn serve_tls(&mut self, address: Address, listener: impl AcceptStream) {
        let listener = TlsListener::new(listener, self.world.secrets.server());
        self.serve(Way::Tls, address, listener.handshake_timeout(HANDSHAKE));
    }
}

/// Accepts streams without descriptors. Its file is removed with it.
struct Unix {
    listener: UnixListener,
    path: PathBuf,
}

impl Unix {
    fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self { listener: UnixListener::bind(path)?, path: path.to_owned() })
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        // The next one could not listen, and would say so.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl AcceptStream for Unix {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, PeerAddress)> {
        Ok((self.listener.accept().await?.0, PeerAddress::Unknown))
    }
}

/// Accepts streams with routes, and gives the connections of each.
struct Routed<L> {
    listener: L,
    accepted: Vec<Connection>,
}

impl<L> Routed<L> {
    fn new(listener: L) -> Self {
        Self { listener, accepted: Vec::new() }
    }
}

impl<L: AcceptStream> Listener for Routed<L> {
    async fn accept(&mut self) -> io::Result<Connection> {
        loop {
            if let Some(connection) = self.accepted.pop() {
                return Ok(connection);
            }
            let (stream, address) = self.listener.accept().await?;
            let router = Router::new(stream).peer_address(address);
            let connections = over_routes(&router.routes())?.into_iter();
            let together = router.spawn();
            self.accepted.extend(connections.map(|over| over.data(Together(together.clone()))));
        }
    }
}

/// Nothing on the wire says that a route has ended. So when one has, all of its stream do.
struct Together(Routes);

impl Drop for Together {
    fn drop(&mut self) {
        // Once polled, they end by themselves.
        let _ = pin!(self.0.close()).poll(&mut Context::from_waker(Waker::noop()));
    }
}
