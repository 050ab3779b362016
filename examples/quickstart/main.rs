//! The tour: a server and a client process that call each other, and pass file descriptors.
//!
//! Alone it runs both sides over a Unix socket in a temporary folder, and says what happens:
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! To play with the two sides, run each in a terminal of its own. Descriptors travel over Unix
//! sockets only; over TCP the client shows how they are refused.
//!
//! ```text
//! cargo run --example quickstart serve unix:/tmp/quickstart.socket
//! cargo run --example quickstart call unix:/tmp/quickstart.socket
//!
//! cargo run --example quickstart serve tcp:127.0.0.1:1234
//! cargo run --example quickstart call tcp:127.0.0.1:1234
//! ```
//!
//! Read `commands.rs` first, what the two sides say to each other; then `server.rs` and
//! `client.rs`.

mod address;
mod client;
mod commands;
mod server;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use tokio::process::Command;
use tokio::signal::ctrl_c;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::address::Address;

type AnyError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
usage: quickstart                  run a server and a client process, and see what they do
       quickstart serve ADDRESS    run the server alone, until Ctrl-C
       quickstart call ADDRESS     run the client alone

ADDRESS is unix:PATH or tcp:HOST:PORT";

/// How long the tour may take. It needs milliseconds; this is for a machine that is very busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => in_time(both()).await,
        ["serve", address] => match address.parse() {
            Ok(address) => serve(&address).await,
            Err(error) => return wrong_usage(error),
        },
        ["call", address] => match address.parse() {
            Ok(address) => in_time(client::run(&address)).await,
            Err(error) => return wrong_usage(error),
        },
        _ => return wrong_usage("these are not its arguments"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {}", amp_core::Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

fn wrong_usage(mistake: &str) -> ExitCode {
    eprintln!("quickstart: {mistake}\n\n{USAGE}");
    ExitCode::from(2)
}

/// Runs the server here and the client in a process of its own.
async fn both() -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let (listener, address) = server::listen(&Address::Unix(folder.path().join("socket"))).await?;
    println!("server: listening at {address}");

    let (stop, stopped) = oneshot::channel::<()>();
    // `stopped` resolves, to an error, when `stop` is dropped.
    let server = amp_core::serve(listener, server::responders()).shutdown_on(stopped);
    let server = tokio::spawn(server);

    let mut client = Command::new(env::current_exe()?);
    client.arg("call").arg(address.to_string()).kill_on_drop(true);
    let status = tokio::select! {
        status = client.status() => status?,
        // So that the temporary folder is removed.
        _ = ctrl_c() => return Err("interrupted".into()),
    };

    drop(stop);
    server.await?;
    println!("server: stopped");
    if status.success() { Ok(()) } else { Err(format!("the client failed: {status}").into()) }
}

async fn serve(address: &Address) -> Result<(), AnyError> {
    let (listener, address) = server::listen(address).await?;
    println!("server: listening at {address}, until Ctrl-C");
    amp_core::serve(listener, server::responders())
        .shutdown_on(async {
            if let Err(error) = ctrl_c().await {
                eprintln!("quickstart: cannot wait for Ctrl-C: {error}");
            }
        })
        .await;
    println!("server: stopped");
    Ok(())
}

async fn in_time(tour: impl Future<Output = Result<(), AnyError>>) -> Result<(), AnyError> {
    timeout(DEADLINE, tour)
        .await
        .unwrap_or_else(|_| Err(format!("not done in {DEADLINE:?}").into()))
}
