//! The privileged side: it starts the worker without its own rights, and opens files for it.

use amp_core::{Context, Failure, Responders};
use nix::unistd::{User, geteuid};
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use crate::AnyError;
use crate::commands::{Open, OpenError, Opened};
use crate::folder::Folder;

/// Opens files of `folder` for a worker, which is this program with `arguments`, until it ends.
pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Result<(), AnyError> {
    let folder = Folder::new(folder)?;
    let (connection, end) = amp_unix::socketpair()?;
    let mut worker = start_worker(end, arguments)?;
    let responders = Responders::new(folder).try_respond(open);
    connection.responders(responders).run().await;

    let status = worker.wait().await?;
    if status.success() { Ok(()) } else { Err(format!("the worker failed: {status}").into()) }
}

/// Opening blocks, so it runs on a thread for that.
async fn open(context: Context<Folder>, Open { name }: Open) -> Result<Opened, Failure<OpenError>> {
    let file = spawn_blocking(move || context.state().open(&name)).await??;
    Ok(Opened { file: file.into() })
}

/// Starts a worker that has `socket` as its standard input, and nothing else of the helper's but
/// its output.
///
/// The helper's own copy of `socket` is closed with the `Command`. While it is open, the helper
/// cannot see that the worker has ended.
fn start_worker(socket: OwnedFd, arguments: &[&str]) -> Result<Child, AnyError> {
    let mut command = Command::new(this_program()?);
    command.args(arguments).stdin(Stdio::from(socket)).kill_on_drop(true);
    command.env_clear().current_dir("/");
    if let Some(user) = worker_user()? {
        // Root's other groups are dropped with this.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.spawn().map_err(|error| format!("the worker cannot be started: {error}").into())
}

/// The user of the worker, if the helper may choose one. Otherwise it is the helper's own.
pub(crate) fn worker_user() -> Result<Option<User>, AnyError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    match User::from_name("nobody")? {
        Some(user) => Ok(Some(user)),
        None => Err("there is no user nobody for the worker".into()),
    }
}

/// The program that runs, by a path that the worker's user can use too: it need not be able to
/// enter the folders above the program.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { env::current_exe() }
}
