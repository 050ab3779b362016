//! Privilege separation: a helper that may read everything opens files for a worker that may read
//! nothing.
//!
//! The worker does the work that is hard to get right, such as parsing, or talking to strangers. If somebody takes it over,
//! it can only ask the helper. The helper is small and has a policy: only files below one folder, and only for reading. If
//! root starts the helper, the worker runs as the user `nobody`. No other user can do that, so otherwise both run as the
//! same user. Then the policy can be seen at work, but protects nothing.
//!
//! Without arguments it fills a temporary folder, and lets a worker try which files it can get:
//!
//! ```text
//! cargo run --example privsep
//! ```
//!
//! By hand, to read one file by way of a worker:
//!
//! ```text
//! cargo run --example privsep cat /etc hostname
//! ```
//!
//! Read `commands.rs` first, then `helper.rs`, with the policy in `folder.rs`, and `worker.rs`.

mod commands;
mod folder;
mod helper;
mod worker;

use std::env;
use std::error::Error;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tempfile::Builder;
use tokio::signal::ctrl_c;
use tokio::time::timeout;

type AnyError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
usage: privsep                     let a worker try what it can get at
       privsep cat FOLDER NAME     write a file below a folder to the standard output";

/// How long it may take. It needs milliseconds; this is for a machine that is very busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => tokio::select! {
            done = timeout(DEADLINE, try_everything()) => {
                done.unwrap_or_else(|_| Err(format!("not done in {DEADLINE:?}").into()))
            }
            // So that the temporary folder is removed.
            _ = ctrl_c() => Err("interrupted".into()),
        },
        ["cat", folder, name] => helper::run(Path::new(folder), &["worker", "cat", name]).await,
        // These are what the helper starts.
        ["worker", "check", folder] => worker::check(Path::new(folder)).await,
        ["worker", "cat", name] => worker::cat(name).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("privsep: {}", amp_core::Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn try_everything() -> Result<(), AnyError> {
    match helper::worker_user()? {
        Some(user) => println!("helper: is root, and makes the worker the user {}", user.name),
        None => println!("helper: is not root, so the worker is the same user as the helper"),
    }
    // For the helper's user alone.
    let parent = Builder::new().permissions(Permissions::from_mode(0o700)).tempdir()?;
    let folder = parent.path().join("folder");
    fill(&folder)?;
    let path = folder.to_str().ok_or("the path of the temporary folder is not UTF-8")?;
    helper::run(&folder, &["worker", "check", path]).await
}

/// Makes the folder that the helper opens files of, and things beside it that it must not open.
fn fill(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("letters"))?;
    fs::write(folder.join("greeting.txt"), "hello")?;
    fs::write(folder.join("letters/first.txt"), "dear worker")?;
    fs::write(folder.join("../secret.txt"), "not for the worker")?;
    symlink("../secret.txt", folder.join("link.txt"))?;
    symlink("..", folder.join("upwards"))
}
