//! The line between a client and the server, on which things go wrong.

use amp_tests::Address;
use bytes::{Buf, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::plan::{ClientPlan, DirectionPlan, Fault, For, LinkPlan};
use crate::report::Group;
use crate::stream::{Stream, StreamListener};
use crate::world::World;

/// How many bytes are read at once.
const READ: usize = 16 << 10;

/// What a client connects to: it passes on what comes, as the plan says, to the server that is
/// there at the moment. It knows nothing of AMP. Dropped, all of it ends at once.
pub(crate) struct Line {
    pub(crate) address: Address,
    tasks: JoinSet<()>,
}

impl Line {
    pub(crate) async fn open(
        world: &Arc<World>,
        client: u32,
        plan: ClientPlan,
    ) -> io::Result<Self> {
        let address = world.address(plan.transport, &format!("line-{client}"));
        let (listener, address) = StreamListener::bind(address).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(Arc::clone(world), client, plan, listener));
        Ok(Self { address, tasks })
    }

    /// Ends all of it, and waits until it has.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(world: Arc<World>, client: u32, plan: ClientPlan, listener: StreamListener) {
    let ClientPlan { transport, way, .. } = plan;
    let mut links = JoinSet::new();
    for link in 0.. {
        let near = loop {
            tokio::select! {
                Some(_) = links.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok(near) => break near,
                    Err(error) => {
                        world.violation(format!("line {client} cannot accept: {error}"));
                        return;
                    }
                },
            }
        };
        // A call that waits for a connection gets one at the end.
        let plan = if world.is_everybody() {
            LinkPlan::new(&mut world.random(For::Link(client, link)))
        } else {
            LinkPlan::without_faults()
        };
        let world = Arc::clone(&world);
        links.spawn(async move {
            let Some(server) = world.server(transport, way) else {
                world.count(Group::Faults, "connection while the server is away");
                return;
            };
            let Ok(far) = Stream::connect(&server).await else {
                world.count(Group::Faults, "connection while the server goes");
                return;
            };
            pass_both_ways(&world, &near, &far, &plan).await;
        });
    }
}

/// Until both directions have ended, or one of them takes the other with it.
async fn pass_both_ways(world: &World, near: &Stream, far: &Stream, plan: &LinkPlan) {
    let [up, down] = &plan.directions;
    let passed = tokio::try_join!(pass(world, near, far, up), pass(world, far, near, down));
    if let Err(End::Reset) = passed {
        // What fails here is closed in another way.
        let _ = (near.reset_on_close(), far.reset_on_close());
    }
}

/// How a direction ends that ends both.
enum End {
    Close,
    Reset,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        End::Close
    }
}

/// One direction. When its sender ends it, the receiver is told, and the other direction goes on.
async fn pass(world: &World, from: &Stream, to: &Stream, plan: &DirectionPlan) -> Result<(), End> {
    let mut faults = plan.faults.iter().copied().peekable();
    let mut buffer = BytesMut::new();
    let mut descriptors = Vec::new();
    let mut passed: u64 = 0;
    loop {
        while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= passed) {
            if !happen(world, fault).await? {
                to.shutdown()?;
                return Ok(());
            }
        }
        if buffer.is_empty() {
            buffer.reserve(READ);
            if from.receive(&mut buffer, &mut descriptors).await? == 0 {
                to.shutdown()?;
                return Ok(());
            }
        }
        let grain = if passed < plan.fine_until { plan.grain } else { usize::MAX };
        let room = faults.peek().map_or(u64::MAX, |(at, _)| at - passed);
        let len = buffer.len().min(grain).min(usize::try_from(room).unwrap_or(usize::MAX));
        let sent = to.send(&buffer[..len], &mut descriptors).await?;
        buffer.advance(sent);
        passed += sent as u64;
    }
}

/// Lets a fault happen; whether anything more is passed on afterwards.
async fn happen(world: &World, fault: Fault) -> Result<bool, End> {
    let (name, stall) = match fault {
        Fault::Stall(stall) => ("stall", stall),
        Fault::Close => ("cut, as an end", Duration::ZERO),
        Fault::Reset => ("cut, as a reset", Duration::ZERO),
        Fault::HalfClose => ("end of one direction", Duration::ZERO),
        Fault::Vanish(silence) => ("silence, and then a cut", silence),
    };
    world.count(Group::Faults, name);
    if !stall.is_zero() {
        sleep(stall).await;
    }
    match fault {
        Fault::Stall(_) => Ok(true),
        Fault::HalfClose => Ok(false),
        Fault::Close | Fault::Vanish(_) => Err(End::Close),
        Fault::Reset => Err(End::Reset),
    }
}
