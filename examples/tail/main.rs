//! Follows a log file for any number of watchers, as `tail -f` does: each has a stream of lines.
//!
//! ```text
//! cargo run --example tail                            run it all, with a slow watcher among others
//! cargo run --example tail serve unix:PATH FILE       let others follow FILE
//! cargo run --example tail follow unix:PATH           follow it
//! ```
//!
//! If a watcher reads slowly, the server reads the file slowly for it, and for nobody else. Each watcher has its own place
//! in the file, and the server holds no more than a window of lines for it.

use amp_core::streams::{SinkOf, StreamOf};
use amp_core::{Arguments, Command, Context, NoError, Peer, RemoteError, Report, Responders};
use amp_unix::UnixSocketListener;
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{sleep, timeout};

type AnyError = Box<dyn Error + Send + Sync>;

/// How often it is looked whether the file has grown.
const LOOK: Duration = Duration::from_millis(20);

/// Asks for the lines of the log, from its beginning, and for those that will be in it.
#[derive(Command)]
#[amp(response = Following)]
struct Follow {}

#[derive(Arguments)]
struct Following {
    lines: StreamOf<String>,
}

async fn follow(context: Context<PathBuf>, _: Follow) -> Result<Following, NoError> {
    let (sink, lines) = StreamOf::pair();
    let path = context.state().clone();
    tokio::spawn(async move {
        let stopped = sink.stopped();
        tokio::select! {
            // A client that drops the stream gets nothing more, also while nothing is written to the file.
            _ = stopped => {}
            () = send_lines(&path, sink) => {}
        }
    });
    Ok(Following { lines })
}

/// Sends lines until they cannot be read, which the watcher is told.
async fn send_lines(path: &Path, mut sink: SinkOf<String>) {
    let error = match send_read(path, &mut sink).await {
        // Nobody follows any more.
        Ok(()) => return,
        Err(error) => format!("{}: {error}", path.display()),
    };
    eprintln!("tail: {error}");
    sink.fail_with(RemoteError::new("FILE", error));
}

async fn send_read(path: &Path, sink: &mut SinkOf<String>) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path).await?);
    let mut line = String::new();
    loop {
        // A line that is not finished stays until it is.
        if file.read_line(&mut line).await? == 0 || !line.ends_with('\n') {
            sleep(LOOK).await;
            continue;
        }
        line.pop();
        if sink.send(std::mem::take(&mut line)).await.is_err() {
            return Ok(());
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => all().await,
        ["serve", address, file] => serve(address, file.into()).await,
        ["follow", address] => watch(address).await,
        _ => Err("usage: tail [serve unix:PATH FILE | follow unix:PATH]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail: {}", Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

fn socket(address: &str) -> Result<&str, AnyError> {
    address.strip_prefix("unix:").ok_or_else(|| "an address is unix:PATH".into())
}

async fn serve(address: &str, file: PathBuf) -> Result<(), AnyError> {
    let listener = UnixSocketListener::bind(socket(address)?)?;
    println!("following {} at {address}", file.display());
    amp_core::serve(listener, Responders::new(file).respond(follow)).await;
    Ok(())
}

async fn watch(address: &str) -> Result<(), AnyError> {
    let peer = amp_unix::connect(socket(address)?).await?.spawn();
    let Following { mut lines } = peer.call_remote(Follow {}).await?;
    while let Some(line) = lines.next().await {
        println!("{}", line?);
    }
    Ok(())
}

/// How many lines are written, and how many of them the slow watcher takes.
const LINES: usize = 20_000;
const TAKEN: usize = 10;

/// A server, and watchers of a file that grows meanwhile, one of which hardly reads.
async fn all() -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    let (path, log) = (folder.path().join("socket"), folder.path().join("log"));
    let mut file = std::fs::File::create(&log)?;
    let listener = UnixSocketListener::bind(&path)?;
    let server = amp_core::serve(listener, Responders::new(log).respond(follow));
    let server = tokio::spawn(server);

    // All over one connection, since one stream holds up no other.
    let peer = amp_unix::connect(&path).await?.spawn();
    let Following { lines: mut slow } = peer.call_remote(Follow {}).await?;
    let watchers: Vec<_> = (0..3).map(|n| tokio::spawn(quick(n, peer.clone()))).collect();
    for n in 0..LINES {
        writeln!(file, "line {n}")?;
    }
    for watcher in watchers {
        timeout(Duration::from_secs(60), watcher).await???;
    }
    for n in 0..TAKEN {
        let line = slow.next().await.ok_or("the stream has ended")??;
        check(&line, n)?;
    }
    println!("the slow watcher has taken {TAKEN} lines meanwhile");
    drop(slow);
    peer.close().await;
    server.abort();
    Ok(())
}

async fn quick(number: usize, peer: Peer) -> Result<(), AnyError> {
    let Following { mut lines } = peer.call_remote(Follow {}).await?;
    for n in 0..LINES {
        check(&lines.next().await.ok_or("the stream has ended")??, n)?;
    }
    println!("watcher {number} has taken {LINES} lines");
    Ok(())
}

fn check(line: &str, n: usize) -> Result<(), AnyError> {
    if line == format!("line {n}") { Ok(()) } else { Err(format!("{line:?}, not {n}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amp_core::streams::StreamError;

    #[tokio::test]
    async fn a_slow_watcher_holds_up_no_other() {
        all().await.unwrap();
    }

    #[tokio::test]
    async fn who_follows_a_file_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixSocketListener::bind(&path).unwrap();
        let responders = Responders::new(PathBuf::from("/nowhere/log")).respond(follow);
        let server = amp_core::serve(listener, responders);
        tokio::spawn(server);
        let peer = amp_unix::connect(&path).await.unwrap().spawn();
        let Following { mut lines } = peer.call_remote(Follow {}).await.unwrap();
        let Some(Err(StreamError::Failed(error))) = lines.next().await else { panic!() };
        assert!(error.description.starts_with("/nowhere/log: "), "{error}");
    }
}
