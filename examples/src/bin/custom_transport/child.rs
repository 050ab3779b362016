//! The pipes of a child process: two streams that make one transport.

use amp_core::{Arguments, Command, Connection, Context, NoError, Responders};
use std::env;
use std::io;
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{self, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use crate::AnyError;

/// What the parent reads from and writes to.
///
/// `tokio::io::join(stdout, stdin)` is nearly that. But the child sees the end of a pipe once it is
/// closed, and to shut down a `ChildStdin` does not close it.
struct Pipes {
    stdout: ChildStdout,
    /// `None` when nothing more is to be written.
    stdin: Option<ChildStdin>,
}

impl AsyncRead for Pipes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Nothing is held back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

/// Asks a process who it is.
#[derive(Command)]
#[amp(response = Identity)]
struct Identify {}

#[derive(Arguments)]
struct Identity {
    pid: u32,
}

async fn identify(_: Context, _: Identify) -> Result<Identity, NoError> {
    Ok(Identity { pid: process::id() })
}

/// The child: it answers over its standard input and output until the parent closes them.
pub(crate) async fn serve() {
    let stream = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
    Connection::new(stream).responders(Responders::new(()).respond(identify)).run().await;
}

pub(crate) async fn demonstrate() -> Result<(), AnyError> {
    let mut child = tokio::process::Command::new(env::current_exe()?)
        .arg("child")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the child's output is not piped")?;
    let peer = Connection::new(Pipes { stdout, stdin: child.stdin.take() }).spawn();

    let Identity { pid } = peer.call_remote(Identify {}).await?;
    if Some(pid) != child.id() {
        return Err(format!("child: process {pid} has answered, not {:?}", child.id()).into());
    }
    println!("child: the process that was started has answered");

    peer.close().await;
    let status = child.wait().await?;
    if !status.success() {
        return Err(format!("child: ended with {status}").into());
    }
    println!("child: closing the connection has ended it");
    Ok(())
}
