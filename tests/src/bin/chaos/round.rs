use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::resources::Held;
use crate::world::{Stage, World};
use crate::{HANGS_AFTER, client, hooligan, server};

/// Lets everybody loose for `time`, and a while longer if it has to go on, brings everybody to an end, and looks
/// at what is left.
pub(crate) async fn run(
    world: Arc<World>,
    time: Duration,
    goes_on: impl Fn() -> bool,
) -> io::Result<()> {
    let before = Held::now(&Handle::current())?;
    let round = world.round;
    world.progress.phase(format!("round {round} runs"));
    // Whatever fails ends the round for all.
    let mut server = JoinSet::new();
    server.spawn(server::run(Arc::clone(&world)));
    let mut clients = JoinSet::new();
    for client in 0..world.clients {
        clients.spawn(client::run(Arc::clone(&world), client));
    }
    let mut hooligans = JoinSet::new();
    for hooligan in 0..world.hooligans {
        let world = Arc::clone(&world);
        hooligans.spawn(async move {
            hooligan::run(world, hooligan).await;
            Ok(())
        });
    }
    let end = async {
        let begun = Instant::now();
        sleep(time).await;
        while goes_on() && begun.elapsed() < HANGS_AFTER {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let early = tokio::select! {
        () = end => None,
        Some(ended) = server.join_next() => Some(ended),
        Some(ended) = clients.join_next() => Some(ended),
    };
    if let Some(ended) = early {
        world.violation(format!("something ended ahead of time: {ended:?}"));
    }

    world.set_stage(Stage::ServerAlone);
    for (name, tasks) in
        [("client", &mut clients), ("raw peer", &mut hooligans), ("server", &mut server)]
    {
        world.progress.phase(format!("round {round}: waiting for every {name}"));
        if name == "server" {
            world.set_stage(Stage::Nobody);
        }
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    failed => world.violation(format!("a {name} failed: {failed:?}")),
                }
            }
        };
        if timeout(2 * HANGS_AFTER, ended).await.is_err() {
            world.violation(format!("a {name} does not end: {}", world.progress));
            tasks.shutdown().await;
        }
    }
    world.progress.phase(format!("round {round}: waiting for responders"));
    given_back(&world, before).await
}

/// Responders run to their end, whoever still waits for them.
async fn given_back(world: &World, before: Held) -> io::Result<()> {
    let deadline = Instant::now() + HANGS_AFTER;
    let mut after = Held::now(&Handle::current())?;
    while !after.is_within(before) && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
        after = Held::now(&Handle::current())?;
    }
    if !after.is_within(before) {
        world.violation(format!("{before:?} before the round, and {after:?} after it"));
    }
    Ok(())
}
