//! How long one client waits for its answers while others send without end.

use amp_core::{AmpBox, serve};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::workload::responders;

/// How often the innocent client calls.
const EVERY: Duration = Duration::from_millis(2);

/// How many bytes a flooder offers at once.
const FLOOD: usize = 64 << 10;

/// What a server is, and so what its clients send and wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It answers the calls of [`workload`](crate::workload).
    Amp,
    /// It sends back what it gets: the least that a server on tokio can do.
    Echo,
}

/// How long calls took, in the order of their times.
#[derive(Clone, Debug)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// The time that this share of the calls took at most, from 0 to 1.
    ///
    /// # Panics
    ///
    /// When there was no call.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "there are few calls"
    )]
    pub fn at(&self, share: f64) -> Duration {
        self.0[((self.0.len() - 1) as f64 * share) as usize]
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| self.at(share));
        write!(f, "p50 {p50:.0?}, p90 {p90:.0?}, p99 {p99:.0?} of {} calls", self.0.len())
    }
}

/// Starts a server of this kind on threads of its own, one with a runtime of one thread or that
/// many of a runtime of several, and measures a client that calls for so long beside flooders.
///
/// # Errors
///
/// When a client or the server fails.
pub fn measure(
    kind: Kind,
    workers: Option<usize>,
    flooders: usize,
    time: Duration,
) -> io::Result<Latencies> {
    let (started, address) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = thread::spawn(move || {
        let runtime = match workers {
            None => Builder::new_current_thread().enable_all().build(),
            Some(count) => Builder::new_multi_thread().worker_threads(count).enable_all().build(),
        }?;
        serve_until(&runtime, kind, &started, stopped)
    });
    let address = address.recv().map_err(io::Error::other)?;
    let measured = measure_beside(address, kind, flooders, time);
    drop(stop);
    server.join().map_err(|_| io::Error::other("the server panicked"))??;
    measured
}

/// Measures a client of a server that runs elsewhere, which calls for so long beside flooders.
///
/// # Errors
///
/// When a client fails.
pub fn measure_beside(
    address: SocketAddr,
    kind: Kind,
    flooders: usize,
    time: Duration,
) -> io::Result<Latencies> {
    let over = Arc::new(AtomicBool::new(false));
    let flooding = Arc::clone(&over);
    // One thread for all of them, or they would be who keeps the client from its processor.
    let flood = thread::spawn(move || flood(address, flooders, &flooding));
    let measured = innocent(address, kind, time);
    over.store(true, Ordering::Relaxed);
    flood.join().map_err(|_| io::Error::other("a flooder panicked"))??;
    measured
}

fn serve_until(
    runtime: &Runtime,
    kind: Kind,
    started: &mpsc::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let _ = started.send(listener.local_addr()?);
        // Connections are tasks in both, so that none of it runs elsewhere than the rest.
        match kind {
            Kind::Amp => drop(tokio::spawn(serve(listener, responders()))),
            Kind::Echo => drop(tokio::spawn(echo(listener))),
        }
        let _ = stopped.await;
        Ok(())
    })
}

async fn echo(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buffer = vec![0; 8 << 10];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok::<_, io::Error>(()),
                    count => stream.write_all(&buffer[..count]).await?,
                }
            }
        });
    }
}

fn call() -> Vec<u8> {
    let call = [("_ask", "1"), ("_command", "Sum"), ("a", "13"), ("b", "81")];
    AmpBox::from_pairs(call).map(|call| call.to_bytes().to_vec()).unwrap_or_default()
}

/// Connections that send calls as fast as they are taken, and read what comes.
fn flood(address: SocketAddr, count: usize, over: &AtomicBool) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let calls: Arc<[u8]> = call().repeat(FLOOD / call().len()).into();
    runtime.block_on(async {
        for _ in 0..count {
            let (mut reader, mut writer) =
                tokio::net::TcpStream::connect(address).await?.into_split();
            let calls = Arc::clone(&calls);
            tokio::spawn(async move { while writer.write_all(&calls).await.is_ok() {} });
            tokio::spawn(async move {
                let mut buffer = vec![0; FLOOD];
                while reader.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            });
        }
        while !over.load(Ordering::Relaxed) {
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    })
}

/// A client that calls now and then, and waits for each answer.
fn innocent(address: SocketAddr, kind: Kind, time: Duration) -> io::Result<Latencies> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let call = call();
    let answer = match kind {
        Kind::Amp => AmpBox::from_pairs([("_answer", "1"), ("total", "94")])
            .map(|answer| answer.to_bytes().to_vec())
            .unwrap_or_default(),
        Kind::Echo => call.clone(),
    };
    let mut received = vec![0; answer.len()];
    let mut latencies = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        thread::sleep(EVERY);
        let called = Instant::now();
        stream.write_all(&call)?;
        stream.read_exact(&mut received)?;
        latencies.push(called.elapsed());
        if received != answer {
            return Err(io::Error::other("the answer is another one"));
        }
    }
    latencies.sort();
    Ok(Latencies(latencies))
}
