//! A server, and the process that it runs in.

use amp_core::{Arguments, Command, Context, NoError, Responders};
use std::env;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command as Program};
use tokio::time::sleep;

use crate::AnyError;

/// May be sent again: to square a number twice does no harm.
#[derive(Command)]
#[amp(response = Squared, idempotent)]
pub(crate) struct Square {
    pub(crate) n: i64,
}

#[derive(Arguments)]
pub(crate) struct Squared {
    pub(crate) square: i64,
    /// The number of the server that answers.
    pub(crate) server: usize,
}

/// Serves until the process is killed.
pub(crate) async fn run(number: &str, address: &str) -> Result<(), AnyError> {
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    let responders = Responders::new(number.parse()?).respond(square);
    amp_core::serve(listener, responders).await;
    Ok(())
}

async fn square(context: Context<usize>, Square { n }: Square) -> Result<Squared, NoError> {
    // The work that it is.
    sleep(Duration::from_millis(1)).await;
    Ok(Squared { square: n * n, server: *context.state() })
}

/// A server process.
pub(crate) struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts one that listens at this address, or at a port of the system's choice for port 0.
    pub(crate) async fn start(number: usize, address: &str) -> Result<Self, AnyError> {
        let mut child = Program::new(env::current_exe()?)
            .args(["serve", &number.to_string(), address])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address).await?;
        if address.is_empty() {
            return Err(format!("server {number} does not start: {}", child.wait().await?).into());
        }
        Ok(Self { child, address: address.trim_end().to_owned() })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn kill(mut self) -> Result<(), AnyError> {
        Ok(self.child.kill().await?)
    }
}
