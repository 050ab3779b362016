//! Loads a server with calls, checks every answer, and says how fast it was and what it cost.
//!
//! This runs a server and a client process over a Unix socket, and can print a line of JSON:
//!
//! ```text
//! cargo run --release --example load -- run --work sum --in-flight 64 --seconds 5
//! cargo run --release --example load -- run tcp:127.0.0.1:0 --work echo --in-flight 16 --json
//! ```
//!
//! Each side can also run alone. So you can load another program's server that answers the same command, such as
//! `tests/python/peer.py` on Twisted. What the process of such a server uses is not known, and is `null` in the output.
//!
//! ```text
//! cargo run --release --example load -- serve unix:/tmp/load.socket
//! cargo run --release --example load -- call unix:/tmp/load.socket --work fd --in-flight 16
//! ```
//!
//! `load raw` measures as many tasks that call over a Unix socket without any protocol. The difference to `load run` is
//! the cost of calls.
//!
//! `load streams` measures streams, both sides in one process, beside calls and beside the socket alone.
//!
//! `--paced` adds a caller that calls once a millisecond beside the others, and shows what a single
//! call has to wait on a busy connection.
//!
//! With both processes on one core, results are most repeatable, since the number of calls a second then depends only on
//! the cost of a call:
//!
//! ```text
//! taskset --cpu-list 0 target/release/examples/load run --work sum --in-flight 64
//! ```
//!
//! Read `commands.rs` first, which has the commands, then `work.rs` and `client.rs`. The callers are those of
//! `ampctl bench`, in `amp-probe/src/load`.

mod arguments;
mod client;
mod commands;
mod counted;
mod process;
mod raw;
mod report;
mod server;
mod streams;
mod work;

use std::env;
use std::io::{self, IsTerminal};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::signal::ctrl_c;
use tokio::sync::oneshot;

use amp_probe::Address;
use amp_probe::load::AnyError;

use crate::arguments::{Action, Options, Runtime};
use crate::report::Report;
use crate::server::Server;
use crate::work::Work;

fn main() -> ExitCode {
    let action = match arguments::parse(env::args_os().skip(1)) {
        Ok(action) => action,
        Err(error) => {
            eprintln!("load: {error}\nload --help says how it is used");
            return ExitCode::from(2);
        }
    };
    match run(action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {}", amp_core::Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<(), AnyError> {
    process::allow_many_open_files()?;
    match action {
        Action::Help => {
            println!("{}", arguments::USAGE);
            Ok(())
        }
        Action::Check => on(Runtime::default(), check()),
        Action::Raw { address: Some(Address::Unix(path)), options } => {
            on(options.runtime, raw::call(&path, &options))
        }
        Action::Raw { address: None, options } => on(options.runtime, raw::both(&options)),
        Action::Raw { .. } => Err("raw is over Unix sockets alone".into()),
        Action::Streams => on(Runtime::default(), streams::run()),
        Action::Serve { address, runtime } => on(runtime, serve(&address)),
        Action::Call { address, options } => on(options.runtime, call(&address, &options)),
        Action::Run { address, options } => on(options.runtime, both(address, &options)),
    }
}

/// Runs to the end on a runtime of this kind, which is otherwise as tokio makes it.
fn on<T>(
    runtime: Runtime,
    future: impl Future<Output = Result<T, AnyError>>,
) -> Result<T, AnyError> {
    let mut builder = match runtime {
        Runtime::MultiThread => Builder::new_multi_thread(),
        Runtime::CurrentThread => Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(future)
}

async fn serve(address: &Address) -> Result<(), AnyError> {
    let server = Server::listen(address).await?;
    println!("listening at {}, until Ctrl-C", server.address()?);
    server
        .run(async {
            if let Err(error) = ctrl_c().await {
                eprintln!("load: cannot wait for Ctrl-C: {error}");
            }
        })
        .await;
    Ok(())
}

async fn call(address: &Address, options: &Options) -> Result<(), AnyError> {
    let progress = options.progress || io::stderr().is_terminal();
    let report = client::run(address, options, progress).await?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

/// Serves here, and calls in a process of its own.
async fn both(address: Option<Address>, options: &Options) -> Result<(), AnyError> {
    with_server(address, async |address: &Address| {
        let status = caller(address, options)?.status().await?;
        if status.success() { Ok(()) } else { Err("the calling process failed".into()) }
    })
    .await
}

/// A moment of each work over each kind of address, each with a process that calls.
async fn check() -> Result<(), AnyError> {
    let works = [
        Work::Sum,
        Work::Echo { bytes: 60_000 },
        Work::Fd,
        Work::Pairs { pairs: 100 },
        Work::List { elements: 100 },
    ];
    for address in [None, Some(Address::Tcp("127.0.0.1:0".to_owned()))] {
        with_server(address, async |address: &Address| {
            let works =
                works.iter().filter(|&&work| address.carries_descriptors() || work != Work::Fd);
            for &work in works {
                check_one(address, work).await?;
            }
            Ok(())
        })
        .await?;
    }
    println!("every answer was right; load --help says what else there is");
    Ok(())
}

async fn check_one(address: &Address, work: Work) -> Result<(), AnyError> {
    let options = Options {
        work,
        in_flight: 16,
        duration: Duration::from_millis(100),
        warm_up: Duration::from_millis(20),
        json: true,
        ..Options::default()
    };
    let mut caller = caller(address, &options)?;
    let output = caller.stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err(format!("--work {} failed at {address}", work.name()).into());
    }
    let report: Report = serde_json::from_slice(&output.stdout)?;
    println!("{:<6} {:>8.0} calls/s at {address}", work.name(), report.calls_per_s);
    Ok(())
}

/// Runs a server while `load` runs, which gets its address.
async fn with_server(
    address: Option<Address>,
    load: impl AsyncFnOnce(&Address) -> Result<(), AnyError>,
) -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let address = address.unwrap_or_else(|| Address::Unix(folder.path().join("socket")));
    let server = Server::listen(&address).await?;
    let address = server.address()?;
    let (stop, stopped) = oneshot::channel::<()>();
    // `stopped` resolves, to an error, when `stop` is dropped.
    let server = tokio::spawn(server.run(stopped));

    tokio::select! {
        done = load(&address) => done?,
        // So that the temporary folder is removed.
        _ = ctrl_c() => return Err("interrupted".into()),
    }
    drop(stop);
    Ok(server.await?)
}

/// A process that calls, and ends with this one: its connections do.
fn caller(address: &Address, options: &Options) -> io::Result<Command> {
    let mut caller = Command::new(env::current_exe()?);
    caller.arg("call").arg(address.to_string()).args(options.words()).kill_on_drop(true);
    Ok(caller)
}
