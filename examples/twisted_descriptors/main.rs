//! File descriptors between Rust and Twisted, in both directions.
//!
//! This program starts `peer.py` with a Unix socket as its standard input, and speaks AMP over that:
//!
//! ```text
//! cargo run --example twisted_descriptors
//! ```
//!
//! It needs a Python that has Twisted, such as the one that the tests install. `AMP_PYTHON` names
//! another. Without any, this program says how to get one.
//!
//! Read `commands.rs` and `peer.py`, the two sides of each command; then this file.

mod commands;
#[path = "../python.rs"]
mod python;

use amp_core::{Context, Failure, NoError, Peer, Report, Responders};
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::commands::{Greet, ReadFile, SendFile, Text, WriteInto};

type AnyError = Box<dyn Error + Send + Sync>;

/// Twisted's side.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/twisted_descriptors/peer.py");

/// How long it may take. It needs a second, most of it to start Python; this is for a machine that
/// is very busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    match timeout(DEADLINE, run()).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("twisted_descriptors: {}", Report::new(&*error));
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("twisted_descriptors: not done in {DEADLINE:?}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), AnyError> {
    let (connection, end) = amp_unix::socketpair()?;
    let mut process = start_twisted(end)?;
    let responders = Responders::new(()).try_respond(read_file);
    let twisted = connection.responders(responders).spawn();

    hand_over_pipe(&twisted).await?;
    hand_over_client(&twisted).await?;
    receive_file(&twisted).await?;

    twisted.close().await;
    let status = process.wait().await?;
    if status.success() { Ok(()) } else { Err(format!("Twisted has failed: {status}").into()) }
}

/// Starts Twisted with `socket` as its standard input. It ends when the connection does.
fn start_twisted(socket: OwnedFd) -> Result<Child, AnyError> {
    let mut command = Command::new(python::with_twisted()?);
    // The sources may be on a disk that cannot be written to.
    command.arg(PEER).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command.stdin(Stdio::from(socket)).kill_on_drop(true).spawn()?)
}

/// One end of a pipe.
async fn hand_over_pipe(twisted: &Peer) -> Result<(), AnyError> {
    let (reader, writer) = io::pipe()?;
    let text = "through a pipe".to_owned();
    twisted.call_remote(WriteInto { file: writer.into(), text }).await?;
    // To the end, which comes once nobody has the other end of the pipe: it is closed on this side
    // when it has been sent.
    let text = spawn_blocking(|| io::read_to_string(reader)).await??;
    check("Twisted has written into a pipe that it was handed", &text, "through a pipe")
}

/// A client that was accepted here, and that is Twisted's from then on.
async fn hand_over_client(twisted: &Peer) -> Result<(), AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    let (accepted, _) = listener.accept().await?;
    twisted.call_remote(Greet { client: accepted.try_into()? }).await?;
    let mut greeting = String::new();
    client.read_to_string(&mut greeting).await?;
    check("Twisted has greeted a client that it was handed", &greeting, "hello from Twisted")
}

/// A file of Twisted's.
async fn receive_file(twisted: &Peer) -> Result<(), AnyError> {
    let text = "from a file of Twisted's".to_owned();
    let Text { text } = twisted.call_remote(SendFile { text }).await?;
    check("Twisted has handed over a file, which reads", &text, "from a file of Twisted's")
}

/// Answers Twisted, which makes this call while it is asked for a file. Reading blocks, so it runs
/// on a thread for that.
async fn read_file(_: Context, ReadFile { file }: ReadFile) -> Result<Text, Failure<NoError>> {
    let text = spawn_blocking(|| io::read_to_string(File::try_from(file)?)).await??;
    Ok(Text { text })
}

/// Says what came back, unless it is wrong.
fn check(what: &str, text: &str, expected: &str) -> Result<(), AnyError> {
    if text != expected {
        return Err(format!("{what}: {text:?}, which should be {expected:?}").into());
    }
    println!("{what}: {text:?}");
    Ok(())
}
