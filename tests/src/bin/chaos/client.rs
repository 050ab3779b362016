//! The well-behaved clients.

use std::io;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::HANGS_AFTER;
use crate::call::Caller;
use crate::ends::Ends;
use crate::line::Line;
use crate::plan::{ClientPlan, For, WORKERS};
use crate::world::World;

/// Calls until everybody is to come to an end.
pub(crate) async fn run(world: Arc<World>, client: u32) -> io::Result<()> {
    let plan = ClientPlan::new(&mut world.random(For::Client(client)), client);
    let line = Line::open(&world, client, plan).await?;
    let ends = Arc::new(Ends::new(&world, client, plan, line.address.clone()));
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(Caller::new(&world, client, worker, plan).run(Arc::clone(&ends)));
    }
    while let Some(worker) = workers.join_next().await {
        if let Err(error) = worker {
            world.violation(format!("a worker of client {client} failed: {error}"));
        }
    }
    if timeout(HANGS_AFTER, ends.close()).await.is_err() {
        world.violation(format!("client {client} did not close within {HANGS_AFTER:?}"));
    }
    line.close().await;
    Ok(())
}
