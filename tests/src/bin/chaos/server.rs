//! The server: what it answers with, and how it comes and goes.

use amp_core::tls::{Role, StartTls};
use amp_core::{
    CloseReason, Connection, Context, Failure, FailurePolicy, Limits, NoError, Ping, Report,
    Responders,
};
use std::collections::BTreeMap;
use std::io;
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::HANGS_AFTER;
use crate::commands::{
    Act, CallBack, Confirm, Done, Heed, Hello, Look, Panic, Pass, Passed, Refuse, RefuseError,
    Tell, ToMisanswer, Turn, Undecodable, is_content,
};
use crate::ledger::CallId;
use crate::pipes::{held, holding};
use crate::plan::{ClientKind, ClientPlan, For, LifePlan, Way};
use crate::report::Group;
use crate::service;
use crate::streaming;
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
        let (stop, stopped) = watch::channel(());
        let mut servers = JoinSet::new();
        world.set_server(Some(service::begin(&world, &mut servers, &stopped).await?));
        drop(stopped);
        tokio::select! {
            () = sleep(life.up) => {}
            () = world.reaches(Stage::ServerAlone) => {}
        }
        // It stays for the last calls.
        if !world.is_everybody() {
            world.reaches(Stage::Nobody).await;
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

/// What the server remembers of a connection.
#[derive(Default)]
struct Known {
    /// Whether a [`Hello`] has come.
    greeted: AtomicBool,
    watched: AtomicBool,
    /// Whether TLS was asked for.
    secured: AtomicBool,
    lane: Mutex<Lane>,
}

/// The lane of one connection.
#[derive(Default)]
struct Lane {
    /// The call whose turn it is.
    turn: Option<CallId>,
    /// The last call of each book.
    last: BTreeMap<usize, u64>,
}

/// The turn of a call, until it is over or has panicked.
struct InTurn<'a>(&'a Mutex<Lane>);

impl Drop for InTurn<'_> {
    fn drop(&mut self) {
        lock(self.0).turn = None;
    }
}

/// Some connections hold little, some end at a failure, and some watch for who is gone.
pub(crate) fn prepare(
    world: &Arc<World>,
    way: Way,
) -> impl FnMut(Connection) -> Connection + Send + use<> {
    let responders = responders(world, way);
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
        let connection = match count % 4 {
            0 => connection.ping(Ping {}, Duration::from_millis(200), Duration::from_secs(1)),
            1 => connection.idle_timeout(Duration::from_secs(2)),
            _ => connection,
        };
        connection
            .responders(responders.clone())
            .limits(limits)
            .failure_policy(policy)
            .data(Known::default())
    }
}

pub(crate) type Server = Context<Arc<World>>;

fn responders(world: &Arc<World>, way: Way) -> Responders<Arc<World>> {
    let responders = Responders::new(Arc::clone(world)).respond(turn).one_at_a_time();
    // Where a switch may come, boxes are read one by one. So elsewhere nobody responds to it.
    let responders = match way {
        Way::StartTls => responders.respond_start_tls(start_tls),
        _ => responders,
    };
    responders
        .respond_ping()
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
        .try_respond(streaming::upload)
        .respond(streaming::download)
        .try_respond(streaming::store)
        .try_respond(streaming::fetch)
        .try_respond(streaming::pass_all)
}

/// Everything that is acted upon goes through here.
pub(crate) fn act(context: &Server, call: u64, load: &[u8]) {
    let world = context.state();
    let id = CallId(call);
    world.check(world.ledger.act(id));
    if !is_content(call, load.len(), load) {
        world.violation(format!("{id} came with the load of another"));
    }
    // Only the connections of well-behaved peers end for reasons that are known.
    let (Some(client), Some(known)) = (world.client_of(id), context.get::<Known>()) else { return };
    let ClientPlan { kind, way, .. } =
        ClientPlan::new(&mut world.random(For::Client(client)), client);
    if way == Way::StartTls && !known.secured.load(Ordering::Relaxed) {
        world.violation(format!("{id} came before its client had asked for TLS"));
    }
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
            Report::new(reason)
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

async fn start_tls(context: Server, StartTls: StartTls) -> Result<Role, NoError> {
    let known = context.get::<Known>();
    if known.is_none_or(|known| known.secured.swap(true, Ordering::Relaxed)) {
        context.state().violation("TLS was started twice on a connection");
    }
    Ok(Role::Server(context.state().secrets.server()))
}

async fn turn(context: Server, Turn { call, pause, want, panics }: Turn) -> Result<Done, NoError> {
    act(&context, call, &[]);
    let (id, world) = (CallId(call), context.state());
    let Some(known) = context.get::<Known>() else { return done(call, pause, want).await };
    let _turn = {
        let mut lane = lock(&known.lane);
        if let Some(other) = lane.turn.replace(id) {
            world.violation(format!("{id} has its turn during that of {other}"));
        }
        if let Some(before) = lane.last.insert(id.book(), call).filter(|before| *before >= call) {
            world.violation(format!("{id} has its turn behind {}", CallId(before)));
        }
        InTurn(&known.lane)
    };
    // The turn lasts for more than a poll.
    yield_now().await;
    let done = done(call, pause, want).await;
    if panics {
        panic_any(Deliberate)
    }
    done
}

pub(crate) async fn done(call: u64, pause: u64, want: usize) -> Result<Done, NoError> {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
