//! The pipes of a child process: two streams that make one transport.

use amp_core::{Arguments, Command, Connection, Context, NoError, Responders};
use std::env;
use std::process::{self, Stdio};

use crate::AnyError;

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

/// The child: it answers over its standard input and output until the parent closes them. They are
/// taken, so that nothing that is printed comes between the boxes.
pub(crate) async fn serve() -> Result<(), AnyError> {
    let connection = amp_unix::inherited::pipes(0, 1)?;
    connection.responders(Responders::new(()).respond(identify)).run().await;
    Ok(())
}

pub(crate) async fn demonstrate() -> Result<(), AnyError> {
    let mut child = tokio::process::Command::new(env::current_exe()?)
        .arg("child")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the child's output is not piped")?;
    let stdin = child.stdin.take().ok_or("the child's input is not piped")?;
    let peer = Connection::from_halves(stdout, stdin).spawn();

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
