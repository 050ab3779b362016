use std::time::Duration;

use crate::boxes::BoxLimits;
use crate::setters::setters;

/// Limits of what a routed connection holds, beside what the connections over its routes hold by
/// their own [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterLimits {
    /// The size of a received box; room for its `_route` is added. Over it, the connection
    /// ends and all routes with it. What is larger than the limit of the connection over the route
    /// ends that one only, so this is the largest of them. A connection over a route sends no
    /// larger box either.
    pub boxes: BoxLimits,
    /// Routes that are bound at once. 1024 by default. Over it, binding fails.
    pub routes: usize,
    /// Bytes that were received for a route and that it has not read. 1 MiB by default, for each
    /// route. Over it nothing is read from the peer, which is thereby slowed down on all routes,
    /// until the route is read from. Boxes are never cut, so a box more may wait.
    pub receive_queue: usize,
    /// Bytes that were received for all routes together and that they have not read. 32 MiB by
    /// default. Over it nothing is read either, and of those that are not read from the one with
    /// the most ends first. A box more may wait.
    pub receive_queue_in_all: usize,
    /// The time for which the others wait for a route over `receive_queue`, or for any over
    /// `receive_queue_in_all`. 5 seconds by default. Then the route ends with
    /// [`RouteError::Stalled`](super::RouteError::Stalled), and the others go on.
    pub stall_timeout: Duration,
    /// Bytes that a route has queued before it has to wait for room. 64 KiB by default, for each
    /// route. Boxes are never cut, so a box more may wait.
    pub send_queue: usize,
    /// The time that a peer may take to finish a box that it has begun, while it is read from. 60
    /// seconds by default. It is looked at so often, so it may be twice as long. Over it, the connection
    /// ends with [`CloseReason::BoxTimeout`](crate::CloseReason::BoxTimeout), and all routes with it.
    pub box_timeout: Duration,
    /// The time that the end of the connection may take: sending what the routes have queued, and
    /// waiting until the peer has closed its side. 5 seconds by default, and a second at most when
    /// the peer is to blame for the end. What the peer goes on to send meanwhile is read and
    /// dropped, but no more than 16 MiB of it, and 256 KiB if it is to blame.
    pub close_timeout: Duration,
}

setters!(RouterLimits {
    boxes: BoxLimits,
    routes: usize,
    receive_queue: usize,
    receive_queue_in_all: usize,
    stall_timeout: Duration,
    send_queue: usize,
    box_timeout: Duration,
    close_timeout: Duration,
});

impl Default for RouterLimits {
    fn default() -> Self {
        Self {
            boxes: BoxLimits::default(),
            routes: 1024,
            receive_queue: 1 << 20,
            receive_queue_in_all: 32 << 20,
            stall_timeout: Duration::from_secs(5),
            send_queue: 64 << 10,
            box_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
        }
    }
}
