//! Our peer of the compliance suite, the counterpart of `python/peer.py`.
//!
//! It prints `listening ADDRESS` on standard output once it accepts connections, and serves the
//! commands of the suite until it gets SIGTERM or SIGINT.

mod options;
mod start_tls;

use amp_core::{Connection, serve_with};
use amp_tests::Address;
use amp_tests::responders::{self, Notes};
use amp_unix::UnixSocketListener;
use std::io;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::{Options, USAGE};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("{mistake}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(Options { listen, policy, tls }: Options) -> io::Result<()> {
    // Before anybody is told that this listens, and may send a signal.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let mut responders = responders::all();
    if let Some(certificate_and_key) = tls {
        let start_tls = start_tls::responder(&std::fs::read(certificate_and_key)?)?;
        responders = responders.merge(start_tls).map_err(io::Error::other)?;
    }
    let prepare = move |connection: Connection| {
        connection.responders(responders.clone()).failure_policy(policy).data(Notes::default())
    };
    match listen {
        Address::Unix(path) => {
            let listener = UnixSocketListener::bind(&path)?;
            println!("listening {}", path.display());
            serve_with(listener, prepare).shutdown_on(stop).await;
        }
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address).await?;
            println!("listening {}", listener.local_addr()?);
            serve_with(listener, prepare).shutdown_on(stop).await;
        }
    }
    Ok(())
}
