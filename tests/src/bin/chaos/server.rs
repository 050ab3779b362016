//! The server: what it answers with, and how it comes and goes.

use amp_core::{
    CloseReason, Connection, Context, Failure, FailurePolicy, Limits, NoError, Report, Responders,
    serve_with,
};
use amp_tests::{Address, Transport};
use amp_unix::UnixSocketListener;
use std::io;
use std::panic::panic_any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::HANGS_AFTER;
use crate::commands::{
    Act, CallBack, Confirm, Done, Heed, Hello, Look, Panic, Pass, Passed, Refuse, RefuseError,
    Tell, ToMisanswer, Undecodable, is_content,
};
use crate::ledger::CallId;
use crate::pipes::{held, holding};
use crate::plan::{ClientKind, ClientPlan, For, LifePlan};
use crate::report::Group;
use crate::world::{Stage, World, kind_of_end};

/// What a responder panics with when it is asked to.
pub(crate) struct Deliberate;

/// How long the end of a connection may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves, goes, and comes again, until nobody is left.
pub(crate) async fn run(world: Arc<World>) -> io::Result<()> {
    let mut random = world.random(For::Server);
    while !world.is_nobody() {
        let life = LifePlan::new(&mut random);
        let unix = UnixSocketListener::bind(socket(&world))?;
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let at = tcp.local_addr()?.to_string();
        world.set_server(Some([Address::Unix(unix.path().to_owned()), Address::Tcp(at)]));

        let (stop, stopped) = watch::channel(());
        let signal = |mut stopped: watch::Receiver<()>| async move { stopped.changed().await };
        let mut servers = JoinSet::new();
        servers.spawn(
            serve_with(unix, prepare(&world)).shutdown_on(signal(stopped.clone())).into_future(),
        );
        servers.spawn(serve_with(tcp, prepare(&world)).shutdown_on(signal(stopped)).into_future());
        tokio::select! {
            () = sleep(life.up) => {}
            () = world.reaches(Stage::Nobody) => {}
        }

        world.set_server(None);
        let graceful = life.graceful || world.is_nobody();
        world.count(Group::Faults, if graceful { "graceful restart" } else { "sudden restart" });
        if graceful {
            drop(stop);
            let ended = async { while servers.join_next().await.is_some() {} };
            if timeout(HANGS_AFTER, ended).await.is_err() {
                world.violation(format!("the server did not stop within {HANGS_AFTER:?}"));
            }
        }
        servers.shutdown().await;
        tokio::select! {
            () = sleep(life.down) => {}
            () = world.reaches(Stage::Nobody) => {}
        }
    }
    Ok(())
}

fn socket(world: &World) -> impl AsRef<Path> + use<> {
    match world.address(Transport::Unix, "server") {
        Address::Unix(path) => path,
        Address::Tcp(address) => address.into(),
    }
}

/// What the server remembers of a connection.
#[derive(Default)]
struct Known {
    /// Whether a [`Hello`] has come.
    greeted: AtomicBool,
    watched: AtomicBool,
}

/// Some connections hold little, and some end at a failure.
fn prepare(world: &Arc<World>) -> impl FnMut(Connection) -> Connection + use<> {
    let responders = responders(Arc::clone(world));
    let mut count = 0_u32;
    move |connection| {
        count = count.wrapping_add(1);
        let mut limits = Limits::default().close_timeout(CLOSE_TIMEOUT).send_queue_max(4 << 20);
        if count.is_multiple_of(3) {
            limits.running_responders = 1 + count as usize % 4;
            limits.send_queue = 1000;
        }
        let policy =
            if count.is_multiple_of(7) { FailurePolicy::Close } else { FailurePolicy::Stay };
        connection
            .responders(responders.clone())
            .limits(limits)
            .failure_policy(policy)
            .data(Known::default())
    }
}

type Server = Context<Arc<World>>;

fn responders(world: Arc<World>) -> Responders<Arc<World>> {
    Responders::new(world)
        .respond(hello)
        .respond(|context: Server, Act { call, load, pause, want }| async move {
            act(&context, call, &load.0);
            done(call, pause, want).await
        })
        .respond(|context: Server, Look { call, load, pause, want }| async move {
            act(&context, call, &load.0);
            done(call, pause, want).await
        })
        .respond(|context: Server, Refuse { call }| async move {
            act(&context, call, &[]);
            Err(RefuseError::Refused(call.to_string()))
        })
        .respond(panic)
        .respond(|context: Server, ToMisanswer { call }| async move {
            act(&context, call, &[]);
            Ok(Undecodable { call: "none".into() })
        })
        .respond(|context: Server, Tell { call }| async move {
            act(&context, call, &[]);
            Ok(())
        })
        .try_respond(call_back)
        .try_respond(pass)
}

/// Everything that is acted upon goes through here.
fn act(context: &Server, call: u64, load: &[u8]) {
    let world = context.state();
    let id = CallId(call);
    world.check(world.ledger.act(id));
    if !is_content(call, load.len(), load) {
        world.violation(format!("{id} came with the load of another"));
    }
    // Only the connections of well-behaved peers end for reasons that are known.
    let (Some(client), Some(known)) = (world.client_of(id), context.get::<Known>()) else { return };
    let kind = ClientPlan::new(&mut world.random(For::Client(client)), client).kind;
    if kind != ClientKind::Plain && !known.greeted.load(Ordering::Relaxed) {
        world.violation(format!("{id} came ahead of the Hello of its client"));
    }
    if !known.watched.swap(true, Ordering::Relaxed) {
        let (peer, world) = (context.peer().clone(), Arc::clone(world));
        tokio::spawn(async move {
            let reason = peer.closed().await;
            ended(&world, client, &reason);
        });
    }
}

fn ended(world: &World, client: u32, reason: &CloseReason) {
    let (kind, is_right) = kind_of_end(reason);
    world.count(Group::Ends, kind);
    if !is_right {
        world.violation(format!(
            "the server ended a connection of client {client}: {}",
            Report(reason)
        ));
    }
}

async fn hello(context: Server, Hello { client }: Hello) -> Result<(), NoError> {
    let known = context.get::<Known>();
    if known.is_none_or(|known| known.greeted.swap(true, Ordering::Relaxed)) {
        context.state().violation(format!("client {client} said Hello twice on a connection"));
    }
    Ok(())
}

async fn done(call: u64, pause: u64, want: usize) -> Result<Done, NoError> {
    if pause > 0 {
        sleep(Duration::from_millis(pause)).await;
    }
    Ok(Done::with(call, want))
}

async fn panic(context: Server, Panic { call, late }: Panic) -> Result<(), NoError> {
    act(&context, call, &[]);
    if late {
        yield_now().await;
    }
    panic_any(Deliberate)
}

async fn call_back(
    context: Server,
    CallBack { call, want }: CallBack,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    context.peer().notify(Heed { call }).await?;
    let done = context.peer().call_remote(Confirm { call, want }).timeout(HANGS_AFTER).await;
    if done.as_ref().is_err_and(amp_core::CallError::is_timeout) {
        context.state().violation(format!("{} was not confirmed: {done:?}", CallId(call)));
    }
    let done = done?;
    if !done.is_of(call, want) {
        context.state().violation(format!("{} was confirmed with another answer", CallId(call)));
    }
    Ok(done)
}

async fn pass(context: Server, Pass { call, pipe }: Pass) -> Result<Passed, Failure<NoError>> {
    act(&context, call, &[]);
    match held(pipe) {
        Ok(number) if number == call => {}
        other => context.state().violation(format!("{} came with {other:?}", CallId(call))),
    }
    Ok(Passed { call, pipe: holding(!call)? })
}
