//! The server that is attacked: default settings, and commands that cost it something.

use amp_core::login::{Login, same_secret};
use amp_core::{Connection, Context, NoError, Peer, Responders, serve, serve_with};
use amp_tests::workload;
use amp_unix::UnixSocketListener;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};

use crate::commands::{Authenticate, Held, Keep, Refused, Status, Wait};
use crate::target::login_path;

/// Listens at `path` until the process is killed, and prints `listening PATH` once it does.
pub(crate) fn run(path: &Path) -> io::Result<()> {
    // What most systems give, by which a server bounds its connections and descriptors.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most.min(1024), most)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = UnixSocketListener::bind(path)?;
        let with_login = UnixSocketListener::bind(login_path(path))?;
        println!("listening {}", path.display());
        tokio::join!(serve(listener, responders()), serve_login(with_login));
        Ok(())
    })
}

async fn serve_login(listener: UnixSocketListener) {
    let prepare = |connection: Connection| {
        let login = Login::within(Duration::from_secs(10));
        let before = Responders::new(login.clone()).respond(authenticate);
        connection.responders(before).data(login)
    };
    let watch = |peer: Peer| {
        if let Some(login) = peer.get::<Login>().cloned() {
            login.watch(peer);
        }
    };
    serve_with(listener, prepare).on_connect(watch).await;
}

async fn authenticate(context: Context<Login>, call: Authenticate) -> Result<(), Refused> {
    let attempt = context.state().attempt(context.peer()).await;
    let attempt = attempt.map_err(|_| Refused::TooManyAttempts)?;
    if !same_secret(&call.password, b"xyzzy") {
        return Err(Refused::WrongPassword);
    }
    attempt.succeed(responders());
    Ok(())
}

fn responders() -> Responders {
    workload::responders().respond(status).respond(wait).respond(keep)
}

async fn status(_: Context, _: Status) -> Result<Held, NoError> {
    let tasks = Handle::current().metrics().num_alive_tasks();
    Ok(Held { tasks: tasks as u64 })
}

async fn wait(context: Context, _: Wait) -> Result<(), NoError> {
    context.closed().await;
    Ok(())
}

async fn keep(context: Context, Keep { data }: Keep) -> Result<(), NoError> {
    context.closed().await;
    drop(data);
    Ok(())
}
