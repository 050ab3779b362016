//! Peers that call as much as they may, and go: nothing of them stays.
#![cfg(target_os = "linux")]

use amp_core::{AmpBox, Connection, Peer, ReceivedCall, RemoteError, Responders, serve};
use amp_tests::DEADLINE;
use amp_unix::UnixSocketListener;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, mpsc};

/// How many peers there are at once, and how many calls are answered of each at once.
const PEERS: usize = 10;
const CALLS: usize = 1024;

/// So many that their end is behind more than is read ahead, and so few that a socket takes them.
const MORE_CALLS: usize = CALLS + 1600;

/// So many that a window of TCP does not take them, and the end waits at the peer's.
const MANY_CALLS: usize = CALLS + 10_000;

/// One test, since it counts what the process has.
#[test]
fn nothing_stays_of_peers_that_have_gone_while_as_many_responders_run_as_may() {
    let server = Server::start();
    server.outlast("TCP", CALLS, |calls| server.tcp(calls), drop);
    server.outlast("TCP, with more calls", MORE_CALLS, |calls| server.tcp(calls), drop);
    server.outlast("TCP, with a window full", MANY_CALLS, |calls| server.tcp(calls), drop);
    let reset = |streams: Vec<TcpStream>| {
        for stream in streams {
            let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&stream.as_fd(), Linger, &at_once).unwrap();
        }
    };
    server.outlast("TCP, reset", MORE_CALLS, |calls| server.tcp(calls), reset);
    server.outlast("Unix", CALLS, |calls| server.unix(calls), drop);
    server.outlast("Unix, with more calls", MORE_CALLS, |calls| server.unix(calls), drop);
    server.outlast("a stream of bytes", CALLS, |calls| server.plain(calls), drop);
}

/// Calls that are answered when their connection has ended.
async fn wait(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    call.peer.closed().await;
    Ok(AmpBox::new())
}

struct Server {
    runtime: Runtime,
    tcp: SocketAddr,
    folder: tempfile::TempDir,
    peers: Mutex<mpsc::UnboundedReceiver<Peer>>,
    accepted: mpsc::UnboundedSender<Peer>,
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (accepted, peers) = mpsc::unbounded_channel();
        let responders = || Responders::new(()).respond_by_name("Wait", wait);
        let tcp = runtime.block_on(async {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = tcp.local_addr().unwrap();
            let unix = UnixSocketListener::bind(socket(folder.path())).unwrap();
            let keep = accepted.clone();
            let server = serve(tcp, responders()).on_connect(move |peer| keep.send(peer).unwrap());
            tokio::spawn(server);
            let keep = accepted.clone();
            let server = serve(unix, responders()).on_connect(move |peer| keep.send(peer).unwrap());
            tokio::spawn(server);
            address
        });
        Self { runtime, tcp, folder, peers: peers.into(), accepted }
    }

    /// Peers that come, call and go, of which the server has nothing when this returns.
    fn outlast<S>(
        &self,
        what: &str,
        calls: usize,
        come: impl FnOnce(&[u8]) -> Vec<S>,
        go: impl FnOnce(Vec<S>),
    ) {
        let before = self.held();
        let call = [("_ask", "1"), ("_command", "Wait")];
        let call = AmpBox::from_pairs(call).unwrap().to_bytes();
        let streams = come(&call.repeat(calls));
        let all = async {
            let mut peers = Vec::new();
            for _ in 0..PEERS {
                peers.push(self.peers.lock().await.recv().await.unwrap());
            }
            while peers.iter().any(|peer| peer.running_responders() < CALLS) {
                tokio::task::yield_now().await;
            }
            go(streams);
            let gone = Instant::now();
            for peer in peers {
                peer.closed().await;
            }
            println!("{what}: all connections have ended after {:?}", gone.elapsed());
            while self.held() != before {
                tokio::task::yield_now().await;
            }
            println!("{what}: everything is given back after {:?}", gone.elapsed());
        };
        self.runtime.block_on(async {
            if tokio::time::timeout(DEADLINE, all).await.is_err() {
                let (tasks, files) = self.held();
                panic!("{what}: {tasks} tasks and {files} descriptors are left, not {before:?}");
            }
        });
    }

    /// How many tasks and how many descriptors there are.
    fn held(&self) -> (usize, usize) {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
        (self.runtime.metrics().num_alive_tasks(), files)
    }

    fn tcp(&self, calls: &[u8]) -> Vec<TcpStream> {
        calling(calls, || TcpStream::connect(self.tcp).unwrap())
    }

    fn unix(&self, calls: &[u8]) -> Vec<UnixStream> {
        calling(calls, || UnixStream::connect(socket(self.folder.path())).unwrap())
    }

    /// Connections whose transport knows nothing of its peer but what it receives.
    fn plain(&self, calls: &[u8]) -> Vec<UnixStream> {
        calling(calls, || {
            let (near, far) = UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            let _inside = self.runtime.enter();
            let (reader, writer) = tokio::net::UnixStream::from_std(far).unwrap().into_split();
            let responders = Responders::new(()).respond_by_name("Wait", wait);
            let peer = Connection::from_halves(reader, writer).responders(responders).spawn();
            self.accepted.send(peer).unwrap();
            near
        })
    }
}

fn socket(folder: &Path) -> std::path::PathBuf {
    folder.join("socket")
}

/// Streams that are all connected before any of them goes.
fn calling<S: Write>(calls: &[u8], connect: impl Fn() -> S) -> Vec<S> {
    let connect = |_| {
        let mut stream = connect();
        stream.write_all(calls).unwrap();
        stream
    };
    (0..PEERS).map(connect).collect()
}
