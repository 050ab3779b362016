//! A server that admits its own user only, and tells callers who they are.
//!
//! ```text
//! cargo run --example own_user
//! ```
//!
//! The mode of a socket's file can keep others out already. Here everybody may reach the socket, as under an abstract name,
//! and the server asks the kernel who connects. It starts a client as its own user. If it runs as root, it also starts one
//! as another user, which only root can do.

use amp_core::{Arguments, CallError, Context, NoError, Responders};
use amp_unix::{PeerCredentials, UnixSocketListener};
use nix::unistd::geteuid;
use std::env;
use std::error::Error;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// By custom the user that owns nothing, and its group.
const OTHER: u32 = 65534;

type AnyError = Box<dyn Error + Send + Sync>;

/// Asks who is calling.
#[derive(amp_core::Command)]
#[amp(response = Caller)]
struct WhoAmI {}

#[derive(Arguments)]
struct Caller {
    uid: u32,
}

/// A responder finds the caller's credentials in its context: to answer some callers and not
/// others, or to write down who did what.
async fn who_am_i(context: Context, _: WhoAmI) -> Result<Caller, NoError> {
    let caller = context.get::<PeerCredentials>().expect("a listener should say who has connected");
    Ok(Caller { uid: caller.uid })
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    // This program is its own client.
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = async {
        match &arguments[..] {
            [] => serve_and_call().await,
            [command, path] if command == "call" => call(Path::new(path)).await,
            _ => Err("it takes no arguments".into()),
        }
    };
    timeout(Duration::from_secs(60), done).await?
}

async fn serve_and_call() -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    // For everybody, so that only the server's own check is left.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let path = folder.path().join("socket");
    let listener = UnixSocketListener::bind_with_mode(&path, 0o666)?.only_own_user();
    let server = amp_core::serve(listener, Responders::new(()).respond(who_am_i));
    let server = tokio::spawn(server);

    let own = geteuid().as_raw();
    let expected = format!("user {own}");
    check("own user", &client(Command::new(env::current_exe()?), &path).await?, &expected)?;
    if own == 0 {
        // A copy of this program, which is perhaps in a folder that the other user may not enter.
        let program = folder.path().join("client");
        fs::copy(env::current_exe()?, &program)?;
        let mut other = Command::new(program);
        other.uid(OTHER).gid(OTHER);
        match client(other, &path).await {
            Ok(answer) => check("other user", &answer, "refused")?,
            // Some containers have no other user, or no right to become one.
            Err(error) if error.is::<io::Error>() => println!("other user: not tried: {error}"),
            Err(error) => return Err(error),
        }
    } else {
        println!("other user: not tried: only root can start a program as somebody else");
    }
    // A client that was refused is no reason to stop.
    check("own user", &client(Command::new(env::current_exe()?), &path).await?, &expected)?;
    server.abort();
    Ok(())
}

/// What the client says that `program` is. An [`io::Error`] is that it could not be started.
async fn client(mut program: Command, path: &Path) -> Result<String, AnyError> {
    program.arg("call").arg(path).kill_on_drop(true);
    let output = program.output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the client failed with {}: {said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The client: asks who it is, and says what came of it.
async fn call(path: &Path) -> Result<(), AnyError> {
    let peer = amp_unix::connect(path).await?.spawn();
    match peer.call_remote(WhoAmI {}).await {
        Ok(Caller { uid }) if uid == geteuid().as_raw() => println!("user {uid}"),
        Ok(Caller { uid }) => return Err(format!("taken for user {uid}").into()),
        // The connection was accepted by the kernel, and closed by the server.
        Err(CallError::Closed(_)) => println!("refused"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn check(who: &str, answer: &str, expected: &str) -> Result<(), AnyError> {
    if answer != expected {
        return Err(format!("{who}: {answer:?}, and not {expected:?}").into());
    }
    println!("{who}: {answer}");
    Ok(())
}
