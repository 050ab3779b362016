//! A server is replaced while its clients go on calling, and none of their calls fails.
//!
//! The new process gets the listening socket of the old one as a descriptor. So it accepts at the
//! same address, from the same queue, and there is no moment at which nobody listens.
//!
//! Without arguments it starts a server and some clients, replaces the server again and again, and counts which server
//! answered:
//!
//! ```text
//! cargo run --example socket_handoff
//! ```
//!
//! By hand, each of these in a terminal of its own; the last as often as you like:
//!
//! ```text
//! cargo run --example socket_handoff serve 127.0.0.1:1234 /tmp/handoff.socket
//! cargo run --example socket_handoff call 127.0.0.1:1234
//! cargo run --example socket_handoff take-over /tmp/handoff.socket
//! ```
//!
//! Read `server.rs` for how one server takes over from another, and `client.rs` for how a client
//! follows.

mod client;
mod commands;
mod server;

use std::env;
use std::error::Error;
use std::io;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::ctrl_c;
use tokio::time::timeout;

use crate::client::Clients;

type AnyError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
usage: socket_handoff                           replace a server under load, and count
       socket_handoff serve HOST:PORT SOCKET    run a server, until another one takes over
       socket_handoff take-over SOCKET          take over from it
       socket_handoff call HOST:PORT            run the clients, until Ctrl-C

SOCKET is the path of the Unix socket at which a server hands over.";

/// How often the server is replaced.
const HAND_OVERS: usize = 3;

/// How many calls each server has to answer before it is replaced.
const CALLS: u64 = 1000;

/// How long it may take. It needs two seconds; this is for a machine that is very busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => tokio::select! {
            done = timeout(DEADLINE, replace_under_load()) => {
                done.unwrap_or_else(|_| Err(format!("not done in {DEADLINE:?}").into()))
            }
            // So that the temporary folder is removed.
            _ = ctrl_c() => Err("interrupted".into()),
        },
        ["serve", address, control] => server::start(address, Path::new(control)).await,
        ["take-over", control] => server::take_over(Path::new(control)).await,
        ["call", address] => call(address).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("socket_handoff: {}", amp_core::Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn replace_under_load() -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let control = folder.path().join("control.socket");
    let control = control.to_str().ok_or("the path of the temporary folder is not UTF-8")?;

    let mut server = program(&["serve", "127.0.0.1:0", control])?.stdout(Stdio::piped()).spawn()?;
    let address = address_of(&mut server).await?;
    let mut pids = vec![pid_of(&server)?];
    let mut clients = Clients::start(&address).await?;
    clients.answered_by(pids[0], CALLS).await?;

    for _ in 0..HAND_OVERS {
        let mut successor = program(&["take-over", control])?.spawn()?;
        let pid = pid_of(&successor)?;
        let status = tokio::select! {
            status = server.wait() => status?,
            _ = successor.wait() => return Err("the new server has not taken over".into()),
        };
        if !status.success() {
            return Err(format!("the server that was replaced ended with {status}").into());
        }
        clients.answered_by(pid, CALLS).await?;
        pids.push(pid);
        server = successor;
    }

    let tally = clients.stop().await?;
    println!("{tally}");
    let all_answered = pids.iter().all(|pid| tally.answered_by(*pid) >= CALLS);
    if !all_answered || tally.failed() > 0 {
        return Err("every server should have answered, and no call failed".into());
    }
    // Nobody calls the last one any more, and no successor comes.
    server.kill().await?;
    Ok(())
}

/// This program as another process, which does not outlive the [`Child`].
fn program(arguments: &[&str]) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).kill_on_drop(true);
    Ok(command)
}

fn pid_of(server: &Child) -> Result<u32, AnyError> {
    server.id().ok_or_else(|| "a server has ended too soon".into())
}

/// The address that the first server prints. The system has chosen its port.
async fn address_of(server: &mut Child) -> Result<String, AnyError> {
    let stdout = server.stdout.take().ok_or("the output of the server is not piped")?;
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    stdout.read_line(&mut line).await?;
    print!("{line}");
    // What it prints later is passed on.
    tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::stdout()).await });
    let address = line.trim_end().strip_prefix("listening at ");
    Ok(address.ok_or("the server should print where it listens")?.to_owned())
}

async fn call(address: &str) -> Result<(), AnyError> {
    let clients = Clients::start(address).await;
    let mut clients = clients.map_err(|error| format!("cannot connect to {address}: {error}"))?;
    println!("calling {address}, until Ctrl-C");
    tokio::select! {
        interrupted = ctrl_c() => interrupted?,
        failed = clients.failed() => failed?,
    }
    let tally = clients.stop().await?;
    println!("{tally}");
    if tally.failed() == 0 { Ok(()) } else { Err("no call should have failed".into()) }
}
