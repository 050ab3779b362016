//! Calls that tower balances over several server processes. One of these is killed under load and started
//! again, and no call fails.
//!
//! ```text
//! cargo run --example balance
//! ```
//!
//! - `calls.rs` has the client: a connection to each server that comes back by itself, tower's
//!   balancer over them, and tower's retry around that.
//! - `server.rs` has the server, which knows nothing of all this, and its process.

mod calls;
mod server;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::calls::Calls;
use crate::server::{Process, Square};

type AnyError = Box<dyn Error + Send + Sync>;

const SERVERS: usize = 3;

/// How many tasks call at the same time.
const CALLERS: i64 = 16;

/// How many calls each server answers in each act, at least.
const ENOUGH: u64 = 500;

/// How long the tour may take. It needs a few seconds; this is for a machine that is very busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    // This program is its own servers.
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [] => timeout(DEADLINE, tour())
            .await
            .unwrap_or_else(|_| Err(format!("not done in {DEADLINE:?}").into())),
        [serve, number, address] if serve == "serve" => server::run(number, address).await,
        _ => Err("it takes no arguments".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("balance: {}", amp_core::Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn tour() -> Result<(), AnyError> {
    let mut servers = Vec::new();
    for number in 0..SERVERS {
        servers.push(Process::start(number, "127.0.0.1:0").await?);
    }
    let calls = Calls::to(servers.iter().map(Process::address));
    let load = Load::start(&calls);

    load.wait_for(&[0, 1, 2], ENOUGH).await;
    load.report("three servers");

    let address = servers[1].address().to_owned();
    servers.remove(1).kill().await?;
    load.wait_for(&[0, 2], ENOUGH).await;
    load.report("server 1 was killed");

    let _again = Process::start(1, &address).await?;
    load.wait_for(&[0, 1, 2], ENOUGH).await;
    load.report("server 1 is back");

    let made = load.stop().await?;
    calls.close().await;
    println!("{made} calls, none failed, {} were sent again", calls.repeated());
    Ok(())
}

/// Tasks that call all the time.
struct Load {
    shared: Arc<Shared>,
    callers: JoinSet<Result<u64, AnyError>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How many calls each server has answered.
    answered: [AtomicU64; SERVERS],
}

impl Load {
    fn start(calls: &Calls) -> Self {
        let shared = Arc::<Shared>::default();
        let mut callers = JoinSet::new();
        for n in 0..CALLERS {
            callers.spawn(call(calls.clone(), n, Arc::clone(&shared)));
        }
        Self { shared, callers }
    }

    /// Waits until each of these servers has answered so many calls more.
    async fn wait_for(&self, servers: &[usize], more: u64) {
        let answered = self.answered();
        let enough = |now: [u64; SERVERS]| servers.iter().all(|&n| now[n] >= answered[n] + more);
        while !enough(self.answered()) && !self.callers.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn report(&self, what: &str) {
        println!("{what}: they have answered {:?} calls so far", self.answered());
    }

    fn answered(&self) -> [u64; SERVERS] {
        std::array::from_fn(|n| self.shared.answered[n].load(Ordering::Relaxed))
    }

    /// Ends the tasks, and gives the number of calls; or the first error there was.
    async fn stop(mut self) -> Result<u64, AnyError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut made = 0;
        while let Some(caller) = self.callers.join_next().await {
            made += caller??;
        }
        Ok(made)
    }
}

async fn call(calls: Calls, n: i64, shared: Arc<Shared>) -> Result<u64, AnyError> {
    let mut made = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let answer = calls.call(Square { n }).await?;
        if answer.square != n * n {
            return Err(
                format!("server {} says that {n}² is {}", answer.server, answer.square).into()
            );
        }
        shared.answered[answer.server].fetch_add(1, Ordering::Relaxed);
        made += 1;
    }
    Ok(made)
}
