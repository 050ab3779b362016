//! The server that is attacked: default settings, and commands that cost it something.

use amp_core::login::{Login, same_secret};
use amp_core::router::Router;
use amp_core::streams::StreamOf;
use amp_core::tls::{
    AcceptStream, ClientCertificates, Identity, TlsListener, rustls, server_config,
};
use amp_core::{
    Connection, Context, Failure, NoError, PeerAddress, Responders, Switched, serve, serve_with,
};
use amp_tests::workload;
use amp_unix::UnixSocketListener;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Handle};

use crate::commands::{
    Authenticate, Held, Hold, Keep, Leave, Open, Opened, Refused, Status, Subscribe, Subscribed,
    Take, Wait,
};
use crate::target::beside;

/// How many routes there are on a stream.
pub(crate) const ROUTES: usize = 64;

/// Listens at `path` until the process is killed, and prints `listening PATH` once it does.
pub(crate) fn run(path: &Path) -> io::Result<()> {
    // What most systems give, by which a server bounds its connections and descriptors.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most.min(1024), most)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = UnixSocketListener::bind(path)?;
        let with_login = UnixSocketListener::bind(beside(path, "login"))?;
        let over_tls = TlsListener::new(Streams(UnixListener::bind(beside(path, "tls"))?), tls()?);
        let routed = UnixListener::bind(beside(path, "routes"))?;
        println!("listening {}", path.display());
        tokio::join!(
            serve(listener, responders()),
            serve_login(with_login),
            serve(over_tls, responders()),
            route(routed),
        );
        Ok(())
    })
}

async fn serve_login(listener: UnixSocketListener) {
    let prepare = |connection: Connection| {
        let login = Login::within(Duration::from_secs(10));
        let before = Responders::new(login.clone()).respond(authenticate);
        connection.responders(before).login(login)
    };
    serve_with(listener, prepare).await;
}

/// Sockets of Unix, as what TLS is spoken over.
struct Streams(UnixListener);

impl AcceptStream for Streams {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, PeerAddress)> {
        Ok((self.0.accept().await?.0, PeerAddress::Unknown))
    }
}

fn tls() -> io::Result<Arc<rustls::ServerConfig>> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let own = own.map_err(io::Error::other)?;
    let pem = own.cert.pem() + &own.signing_key.serialize_pem();
    let identity = Identity::from_pem(pem).map_err(io::Error::other)?;
    server_config(identity, ClientCertificates::NotAsked).map_err(io::Error::other)
}

/// Routes that nobody reads from, on each stream.
async fn route(listener: UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let router = Router::new(stream);
        let handle = router.routes();
        let bound: Vec<_> = (0..ROUTES).map(|name| handle.bind(name.to_string())).collect();
        tokio::spawn(async move {
            router.run().await;
            drop(bound);
        });
    }
}

async fn authenticate(context: Context<Login>, call: Authenticate) -> Result<(), Refused> {
    let attempt = context.state().attempt(context.peer()).await;
    let attempt = attempt.map_err(|_| Refused::TooManyAttempts)?;
    if !same_secret(&call.password, b"xyzzy") {
        return Err(Refused::WrongPassword);
    }
    attempt.succeed(responders()).map_err(|_| Refused::CameBeforeTls)
}

fn responders() -> Responders {
    let others = workload::responders().respond(status).respond(wait).respond(keep);
    others.respond(hold).try_respond(open).respond(take).respond(subscribe).respond_switch(leave)
}

async fn status(_: Context, _: Status) -> Result<Held, NoError> {
    let tasks = Handle::current().metrics().num_alive_tasks();
    Ok(Held { tasks: tasks as u64 })
}

async fn wait(context: Context, _: Wait) -> Result<(), NoError> {
    context.closed().await;
    Ok(())
}

async fn hold(context: Context, Hold { file }: Hold) -> Result<(), NoError> {
    context.closed().await;
    drop(file);
    Ok(())
}

async fn open(_: Context, _: Open) -> Result<Opened, Failure<NoError>> {
    Ok(Opened { file: std::fs::File::open("/dev/null")?.into() })
}

async fn take(context: Context, Take { items }: Take) -> Result<(), NoError> {
    context.closed().await;
    drop(items);
    Ok(())
}

async fn subscribe(_: Context, _: Subscribe) -> Result<Subscribed, NoError> {
    let (sink, items) = StreamOf::pair();
    tokio::spawn(sink.close());
    Ok(Subscribed { items })
}

async fn leave(
    _: Context,
    _: Leave,
) -> Result<impl FnOnce(Switched) -> Pin<Box<dyn Future<Output = ()> + Send>>, NoError> {
    Ok(|mut stream: Switched| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
    })
}

async fn keep(context: Context, Keep { data }: Keep) -> Result<(), NoError> {
    context.closed().await;
    drop(data);
    Ok(())
}
