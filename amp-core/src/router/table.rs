//! The routes of one connection, without its input and output: who gets a received box, what waits
//! for whom, and whose turn it is to send.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::{RouteError, RouteName, RouterLimits};
use crate::boxes::{AmpBox, MAX_VALUE};
use crate::error::CloseReason;
use crate::keys;

/// The memory that an empty queue keeps for what comes next.
const KEEP: usize = 64 << 10;

/// One binding of a name. The name can be bound again later, the identifier is used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteId(u64);

/// A waker that its holder wakes once nothing is locked.
pub(super) type Wake = Option<Waker>;

#[derive(Default)]
pub(super) struct Table {
    pub(super) limits: RouterLimits,
    default: Option<RouteId>,
    names: HashMap<Arc<str>, RouteId>,
    routes: HashMap<RouteId, Entry>,
    next_id: u64,
    next_name: u64,
    /// The routes that have something to send, in the order in which they got it.
    ready: Vec<RouteId>,
    /// The number of routes that are connected: they may still send something.
    connected: usize,
    /// The number of bytes that all routes together have not read.
    received: usize,
    /// Whether the peer has gone, while what it sent before is not read to its end.
    pub(super) gone: bool,
    /// Set once nothing more is received.
    received_all: Option<CloseReason>,
    /// Set once nothing more can be sent.
    sent_all: Option<CloseReason>,
}

struct Entry {
    name: RouteName,
    connected: bool,
    /// Received boxes, without their `_route`.
    inbound: BytesMut,
    /// Boxes to be sent, with their `_route`.
    outbound: BytesMut,
    /// Whether some of its boxes were taken to be written, and are not known to be.
    writing: bool,
    /// Whether the route was told why nothing more will be received.
    told: bool,
    reader: Wake,
    writer: Wake,
    ended: Option<RouteError>,
}

/// The way that a received box has gone.
pub(super) enum Delivered {
    To(Wake),
    /// No such route.
    Nowhere,
    /// The queue of this route is full.
    Full(RouteId, AmpBox),
}

impl Table {
    /// Binds a name; boxes for it are kept from here on.
    pub(super) fn bind(&mut self, name: &RouteName) -> Result<RouteId, RouteError> {
        if let Some(reason) = self.received_all.as_ref().or(self.sent_all.as_ref()) {
            return Err(RouteError::Closed(reason.clone()));
        }
        let limit = self.limits.routes;
        if self.routes.len() >= limit {
            return Err(RouteError::TooMany { limit });
        }
        check_length(name)?;
        if self.find(name).is_some() {
            return Err(RouteError::Bound { name: name.clone() });
        }
        let id = RouteId(self.next_id);
        self.next_id += 1;
        match name.as_str() {
            Some(name) => _ = self.names.insert(name.into(), id),
            None => self.default = Some(id),
        }
        self.routes.insert(id, Entry::new(name.clone()));
        Ok(id)
    }

    /// A name that is not bound: a number, as epsilon's.
    pub(super) fn unused_name(&mut self) -> RouteName {
        loop {
            let name = RouteName::from(self.next_name.to_string());
            self.next_name += 1;
            if self.find(&name).is_none() {
                return name;
            }
        }
    }

    /// The route may send from here on.
    pub(super) fn connect(&mut self, id: RouteId) {
        if let Some(route) = self.routes.get_mut(&id) {
            self.connected += usize::from(!route.connected);
            route.connected = true;
        }
    }

    /// Ends a route. What it has not sent is lost.
    pub(super) fn unbind(&mut self, id: RouteId) -> Unbound {
        let route = self.routes.remove(&id);
        if let Some(route) = &route {
            self.received -= route.inbound.len();
            self.connected -= usize::from(route.connected);
            match route.name.as_str() {
                Some(name) => _ = self.names.remove(name),
                None => self.default = None,
            }
        }
        Unbound(route)
    }

    /// Gives a received box to its route.
    pub(super) fn deliver(&mut self, mut ampbox: AmpBox) -> Delivered {
        let id = match ampbox.get(keys::ROUTE) {
            None => self.default,
            Some(name) => std::str::from_utf8(name).ok().and_then(|n| self.names.get(n).copied()),
        };
        let Some((id, route)) = id.and_then(|id| Some((id, self.routes.get_mut(&id)?))) else {
            return Delivered::Nowhere;
        };
        if route.ended.is_some() {
            return Delivered::To(None);
        }
        let before = route.inbound.len();
        if is_over(before, self.limits.receive_queue)
            || is_over(self.received, self.limits.receive_queue_in_all)
        {
            return Delivered::Full(id, ampbox);
        }
        ampbox.remove(keys::ROUTE);
        ampbox.encode(&mut route.inbound);
        self.received += route.inbound.len() - before;
        Delivered::To(route.reader.take())
    }

    /// Returns whether the queue of a route is too full for another box, or all of them are.
    pub(super) fn is_full(&self, id: RouteId) -> bool {
        let RouterLimits { receive_queue, receive_queue_in_all, .. } = self.limits;
        self.routes.get(&id).is_some_and(|route| is_over(route.inbound.len(), receive_queue))
            || is_over(self.received, receive_queue_in_all)
    }

    /// Ends a route whose queue stayed full, or the one with the most while all of them are, for a
    /// box of `len` bytes to get past. Which one that is comes with the error.
    pub(super) fn stall(
        &mut self,
        id: RouteId,
        len: usize,
    ) -> Option<(RouteId, RouteError, [Wake; 2])> {
        let RouterLimits { receive_queue, receive_queue_in_all, stall_timeout: after, .. } =
            self.limits;
        let own = self.routes.get(&id).map_or(0, |route| route.inbound.len());
        let (id, waiting, limit) = if is_over(own, receive_queue) {
            (id, own + len, receive_queue)
        } else {
            let most = self.routes.iter().max_by_key(|(_, route)| route.inbound.len());
            (most.map_or(id, |(id, _)| *id), self.received + len, receive_queue_in_all)
        };
        let route = self.routes.get_mut(&id)?;
        let name = route.name.clone();
        let error = RouteError::Stalled { name, waiting, limit, after };
        route.ended = Some(error.clone());
        self.received -= std::mem::take(&mut route.inbound).len();
        route.outbound = BytesMut::new();
        Some((id, error, [route.reader.take(), route.writer.take()]))
    }

    /// Returns whether nothing more comes for a route than what was sent already, whatever it has
    /// not read.
    pub(super) fn has_ended(&self, id: RouteId) -> bool {
        self.gone
            || self.received_all.is_some()
            || self.routes.get(&id).is_none_or(|route| route.ended.is_some())
    }

    /// Moves received bytes into the spare capacity of `buffer`; 0 bytes when no more will come.
    pub(super) fn poll_receive(
        &mut self,
        id: RouteId,
        waker: &Waker,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let Some(route) = self.routes.get_mut(&id) else { return Poll::Ready(Ok(0)) };
        if let Some(error) = &route.ended {
            return Poll::Ready(Err(error.clone().into()));
        }
        let waiting = route.inbound.len();
        if waiting > 0 {
            let part = waiting.min((buffer.capacity() - buffer.len()).max(1));
            buffer.extend_from_slice(&route.inbound[..part]);
            route.inbound.advance(part);
            self.received -= part;
            if part == waiting && route.inbound.capacity() + part > KEEP {
                route.inbound = BytesMut::new();
            }
            return Poll::Ready(Ok(part));
        }
        match &self.received_all {
            None => {
                set(&mut route.reader, waker);
                Poll::Pending
            }
            Some(CloseReason::Peer) => Poll::Ready(Ok(0)),
            // Told once, so that what the route has to send still is.
            Some(_) if std::mem::replace(&mut route.told, true) => Poll::Ready(Ok(0)),
            Some(reason) => Poll::Ready(Err(io::Error::other(reason.clone()))),
        }
    }

    /// Returns whether a route may queue more.
    pub(super) fn poll_room(&mut self, id: RouteId, waker: &Waker) -> Poll<io::Result<()>> {
        let limit = self.limits.send_queue;
        let route = self.sender(id)?;
        if is_over(route.outbound.len(), limit) {
            set(&mut route.writer, waker);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Queues whole boxes of a route; `boxes` is empty then.
    pub(super) fn queue(&mut self, id: RouteId, boxes: &mut BytesMut) -> io::Result<()> {
        let route = self.sender(id)?;
        if route.outbound.is_empty() {
            std::mem::swap(&mut route.outbound, boxes);
            self.ready.push(id);
        } else {
            route.outbound.extend_from_slice(boxes);
        }
        boxes.clear();
        Ok(())
    }

    /// Returns whether everything that a route has queued is written.
    pub(super) fn poll_flush(&mut self, id: RouteId, waker: &Waker) -> Poll<io::Result<()>> {
        let route = self.sender(id)?;
        if route.writing || !route.outbound.is_empty() {
            set(&mut route.writer, waker);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what waits to be sent: of each route in turn all that it has queued, which its queue
    /// bounds. So none of them waits for more than one turn of each of the others.
    pub(super) fn take_outbound(
        &mut self,
        writing: &mut VecDeque<Bytes>,
        taken: &mut Vec<RouteId>,
        wakers: &mut Vec<Waker>,
    ) {
        for id in self.ready.drain(..) {
            // It may have ended since.
            let Some(route) = self.routes.get_mut(&id) else { continue };
            if route.outbound.is_empty() {
                continue;
            }
            writing.push_back(route.outbound.split().freeze());
            if !std::mem::replace(&mut route.writing, true) {
                taken.push(id);
            }
            wakers.extend(route.writer.take());
        }
    }

    /// Takes note that what was taken of these routes is written.
    pub(super) fn written(&mut self, taken: &mut Vec<RouteId>, wakers: &mut Vec<Waker>) {
        for id in taken.drain(..) {
            if let Some(route) = self.routes.get_mut(&id) {
                route.writing = false;
                wakers.extend(route.writer.take());
            }
        }
    }

    /// Returns whether no name is bound.
    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Returns whether no route is left that may send something. From then on nothing more can be sent, by a
    /// route either that connects only then.
    pub(super) fn has_sent_all(&mut self, reason: &CloseReason) -> bool {
        if self.connected == 0 {
            self.sent_all.get_or_insert_with(|| reason.clone());
        }
        self.sent_all.is_some()
    }

    /// Nothing more is received; the routes are told so behind what they have received.
    pub(super) fn end_receiving(&mut self, reason: &CloseReason) -> Vec<Waker> {
        self.received_all.get_or_insert_with(|| reason.clone());
        self.routes.values_mut().filter_map(|route| route.reader.take()).collect()
    }

    /// Nothing more can be sent.
    pub(super) fn end_sending(&mut self, reason: &CloseReason) -> Vec<Waker> {
        self.sent_all.get_or_insert_with(|| reason.clone());
        for route in self.routes.values_mut() {
            route.outbound = BytesMut::new();
        }
        self.routes.values_mut().filter_map(|route| route.writer.take()).collect()
    }

    fn find(&self, name: &RouteName) -> Option<RouteId> {
        match name.as_str() {
            Some(name) => self.names.get(name).copied(),
            None => self.default,
        }
    }

    fn sender(&mut self, id: RouteId) -> io::Result<&mut Entry> {
        if let Some(reason) = &self.sent_all {
            return Err(io::Error::other(reason.clone()));
        }
        let Some(route) = self.routes.get_mut(&id) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        match &route.ended {
            Some(error) => Err(error.clone().into()),
            None => Ok(route),
        }
    }
}

impl Entry {
    fn new(name: RouteName) -> Self {
        Self {
            name,
            connected: false,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            writing: false,
            told: false,
            reader: None,
            writer: None,
            ended: None,
        }
    }
}

/// A route that is over, to be dropped once nothing is locked.
pub(super) struct Unbound(Option<Entry>);

impl Unbound {
    /// Returns who waits to receive something of it.
    pub(super) fn reader(&mut self) -> Wake {
        self.0.as_mut().and_then(|route| route.reader.take())
    }
}

/// Checks that a route's name can be written.
pub(super) fn check_length(name: &RouteName) -> Result<(), RouteError> {
    let len = name.as_str().map_or(0, str::len);
    if len > MAX_VALUE { Err(RouteError::NameTooLong { len }) } else { Ok(()) }
}

fn set(place: &mut Wake, waker: &Waker) {
    if !place.as_ref().is_some_and(|there| there.will_wake(waker)) {
        *place = Some(waker.clone());
    }
}

/// Returns whether a queue with so many bytes takes no further box: an empty one takes any.
fn is_over(waiting: usize, limit: usize) -> bool {
    waiting > 0 && waiting >= limit
}

#[cfg(test)]
mod tests;
