//! The unprivileged side: all that it can read is what the helper opens for it.

use amp_core::{CallError, Peer};
use amp_unix::{Descriptor, PeerCredentials, inherited};
use nix::unistd::geteuid;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::AnyError;
use crate::commands::{Open, OpenError, Opened};

/// The helper, which is at the other end of the standard input.
fn helper() -> io::Result<Peer> {
    Ok(inherited::socket(0)?.spawn())
}

/// Writes the file of this name to the standard output.
pub(crate) async fn cat(name: &str) -> Result<(), AnyError> {
    let helper = helper()?;
    let mut file = File::try_from(open(&helper, name).await?)?;
    io::copy(&mut file, &mut io::stdout())?;
    helper.close().await;
    Ok(())
}

/// Checks what the helper opens and what not. `folder` is its folder, as `fill` in `main.rs` made it.
pub(crate) async fn check(folder: &Path) -> Result<(), AnyError> {
    let helper = helper()?;
    try_alone(&helper, &folder.join("greeting.txt"))?;

    for (name, content) in [("greeting.txt", "hello"), ("letters/first.txt", "dear worker")] {
        let mut file = File::try_from(open(&helper, name).await?)?;
        let text = io::read_to_string(&file)?;
        if text != content {
            return Err(format!("{name} should read {content:?}, not {text:?}").into());
        }
        if file.write(b"!").is_ok() {
            return Err(format!("{name} should be open for reading only").into());
        }
        println!("worker: {name:?} reads {text:?}, and cannot be written");
    }

    for name in [
        "../secret.txt",
        "letters/../../secret.txt",
        "/etc/passwd",
        "link.txt",
        "upwards/secret.txt",
        "letters",
        "letters/",
        "",
        "greeting.txt\0",
        "greeting.txt/first.txt",
    ] {
        match open(&helper, name).await {
            Err(CallError::Command(error @ OpenError::Refused(_))) => {
                println!("worker: {name:?} is refused: {error}");
            }
            other => return Err(format!("{name:?} should be refused: {other:?}").into()),
        }
    }
    match open(&helper, "nothing.txt").await {
        Err(CallError::Command(error @ OpenError::NotFound)) => {
            println!("worker: \"nothing.txt\": {error}");
        }
        other => return Err(format!("nothing.txt should not be found: {other:?}").into()),
    }
    helper.close().await;
    Ok(())
}

async fn open(helper: &Peer, name: &str) -> Result<Descriptor, CallError<OpenError>> {
    let Opened { file } = helper.call_remote(Open { name: name.to_owned() }).await?;
    Ok(file)
}

/// What the worker can do without the helper.
fn try_alone(helper: &Peer, file: &Path) -> Result<(), AnyError> {
    let same_user = helper.get().is_some_and(|of: &PeerCredentials| of.uid == geteuid().as_raw());
    match File::open(file) {
        Err(error) if !same_user && error.kind() == ErrorKind::PermissionDenied => {
            println!("worker: cannot open a file itself: {error}");
            Ok(())
        }
        Ok(_) if same_user && !geteuid().is_root() => {
            println!("worker: could open the files itself, as the same user");
            Ok(())
        }
        other => {
            Err(format!("{} should open for its user alone: {other:?}", file.display()).into())
        }
    }
}
