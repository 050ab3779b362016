//! The routes of one connection, without its input and output: who gets a received box, what waits
//! for whom, and whose turn it is to send.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::{RouteError, RouteName, RouterLimits};
use crate::boxes::{AmpBox, MAX_VALUE, keys};
use crate::error::CloseReason;

/// How much memory an empty queue keeps for what comes next.
const KEEP: usize = 64 << 10;

/// One binding of a name. The name can be bound again later, the identifier is used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteId(u64);

/// Whoever holds one of these wakes it once nothing is locked.
pub(super) type Wake = Option<Waker>;

#[derive(Default)]
pub(super) struct Table {
    pub(super) limits: RouterLimits,
    default: Option<RouteId>,
    names: HashMap<Arc<str>, RouteId>,
    routes: HashMap<RouteId, Route>,
    next_id: u64,
    next_name: u64,
    /// The routes that have something to send, in the order in which they got it.
    ready: Vec<RouteId>,
    /// How many routes are connected: may still send something.
    connected: usize,
    /// Set once nothing more is received.
    received_all: Option<CloseReason>,
    /// Set once nothing more can be sent.
    sent_all: Option<CloseReason>,
}

struct Route {
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

/// What became of a received box.
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
        self.routes.insert(id, Route::new(name.clone()));
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
        if is_over(route.inbound.len(), self.limits.receive_queue) {
            return Delivered::Full(id, ampbox);
        }
        ampbox.remove(keys::ROUTE);
        ampbox.encode(&mut route.inbound);
        Delivered::To(route.reader.take())
    }

    /// Whether the queue of a route is too full for another box.
    pub(super) fn is_full(&self, id: RouteId) -> bool {
        let limit = self.limits.receive_queue;
        self.routes.get(&id).is_some_and(|route| is_over(route.inbound.len(), limit))
    }

    /// Ends a route whose queue stayed full, for a box of `len` bytes to get past.
    pub(super) fn stall(&mut self, id: RouteId, len: usize) -> Option<(RouteError, [Wake; 2])> {
        let RouterLimits { receive_queue: limit, stall_timeout: after, .. } = self.limits;
        let route = self.routes.get_mut(&id)?;
        let waiting = route.inbound.len() + len;
        let name = route.name.clone();
        let error = RouteError::Stalled { name, waiting, limit, after };
        route.ended = Some(error.clone());
        route.inbound = BytesMut::new();
        route.outbound = BytesMut::new();
        Some((error, [route.reader.take(), route.writer.take()]))
    }

    /// Whether nothing more comes for a route, whatever it has not read.
    pub(super) fn has_ended(&self, id: RouteId) -> bool {
        self.received_all.is_some()
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

    /// Whether a route may queue more.
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

    /// Whether everything that a route has queued is written.
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

    /// What was taken of these routes is written.
    pub(super) fn written(&mut self, taken: &mut Vec<RouteId>, wakers: &mut Vec<Waker>) {
        for id in taken.drain(..) {
            if let Some(route) = self.routes.get_mut(&id) {
                route.writing = false;
                wakers.extend(route.writer.take());
            }
        }
    }

    /// Whether no route is left that may send something.
    pub(super) fn has_sent_all(&self) -> bool {
        self.connected == 0
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

    fn sender(&mut self, id: RouteId) -> io::Result<&mut Route> {
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

impl Route {
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
pub(super) struct Unbound(Option<Route>);

impl Unbound {
    /// Who waits to receive something of it.
    pub(super) fn reader(&mut self) -> Wake {
        self.0.as_mut().and_then(|route| route.reader.take())
    }
}

/// That a route's name can be written.
pub(super) fn check_length(name: &RouteName) -> Result<(), RouteError> {
    let len = name.as_str().map_or(0, str::len);
    if len > MAX_VALUE { Err(RouteError::NameTooLong { len }) } else { Ok(()) }
}

fn set(place: &mut Wake, waker: &Waker) {
    if !place.as_ref().is_some_and(|there| there.will_wake(waker)) {
        *place = Some(waker.clone());
    }
}

/// Whether a queue with so many bytes takes no further box: an empty one takes any.
fn is_over(waiting: usize, limit: usize) -> bool {
    waiting > 0 && waiting >= limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::{BoxLimits, Decoder};
    use crate::router::wire::Labeller;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn table(limits: RouterLimits) -> Table {
        Table { limits, ..Table::default() }
    }

    fn ampbox(route: Option<&str>, value: &str) -> AmpBox {
        let mut ampbox = AmpBox::from_pairs([("a", value)]).unwrap();
        if let Some(route) = route {
            ampbox.insert(keys::ROUTE, route).unwrap();
        }
        ampbox
    }

    fn deliver(table: &mut Table, route: Option<&str>, value: &str) -> Delivered {
        table.deliver(ampbox(route, value))
    }

    fn receive(table: &mut Table, id: RouteId) -> Poll<io::Result<usize>> {
        table.poll_receive(id, Waker::noop(), &mut BytesMut::with_capacity(1024))
    }

    /// The values of the boxes that a route has received.
    fn received(table: &mut Table, id: RouteId) -> Vec<String> {
        let mut bytes = BytesMut::with_capacity(1024);
        let polled = table.poll_receive(id, Waker::noop(), &mut bytes);
        assert!(!matches!(polled, Poll::Ready(Err(_))), "{polled:?}");
        let mut bytes = bytes.freeze();
        std::iter::from_fn(|| {
            let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default()).ok()?;
            assert_eq!(ampbox.len(), 1, "the route is taken off");
            Some(String::from_utf8(ampbox.get("a")?.to_vec()).unwrap())
        })
        .collect()
    }

    fn bind(table: &mut Table, name: impl Into<RouteName>) -> RouteId {
        let id = table.bind(&name.into()).unwrap();
        table.connect(id);
        id
    }

    fn take(table: &mut Table) -> (Vec<Bytes>, Vec<RouteId>) {
        let (mut writing, mut taken) = (VecDeque::new(), Vec::new());
        table.take_outbound(&mut writing, &mut taken, &mut Vec::new());
        (writing.into(), taken)
    }

    #[test]
    fn boxes_go_to_their_routes_in_order() {
        let mut table = table(RouterLimits::default());
        let default = bind(&mut table, RouteName::DEFAULT);
        let (jobs, empty) = (bind(&mut table, "jobs"), bind(&mut table, ""));
        let boxes =
            [(Some("jobs"), "1"), (None, "2"), (Some(""), "3"), (Some("jobs"), "4"), (None, "5")];
        for (route, value) in boxes {
            assert!(matches!(deliver(&mut table, route, value), Delivered::To(_)));
        }
        assert_eq!(received(&mut table, jobs), ["1", "4"]);
        assert_eq!(received(&mut table, default), ["2", "5"]);
        assert_eq!(received(&mut table, empty), ["3"]);
        assert!(receive(&mut table, jobs).is_pending());
        assert!(matches!(deliver(&mut table, Some("job"), "6"), Delivered::Nowhere));
        let mut not_text = ampbox(None, "7");
        not_text.insert(keys::ROUTE, [0xff]).unwrap();
        assert!(matches!(table.deliver(not_text), Delivered::Nowhere));
    }

    #[test]
    fn a_reader_gets_no_more_than_it_has_room_for() {
        let mut table = table(RouterLimits::default());
        let id = bind(&mut table, "jobs");
        deliver(&mut table, Some("jobs"), "123");
        let mut all = Vec::new();
        loop {
            let mut buffer = BytesMut::with_capacity(4);
            let room = buffer.capacity();
            match table.poll_receive(id, Waker::noop(), &mut buffer) {
                Poll::Ready(part) => assert!((1..=room).contains(&part.unwrap())),
                Poll::Pending => break,
            }
            all.extend_from_slice(&buffer);
        }
        assert_eq!(all, b"\0\x01a\0\x03123\0\0");
    }

    #[test]
    fn names_are_bound_once_and_given_back() {
        let mut table = table(RouterLimits { routes: 3, ..RouterLimits::default() });
        let zero = bind(&mut table, "0");
        assert_eq!(table.unused_name().as_str(), Some("1"));
        assert_eq!(table.unused_name().as_str(), Some("2"));
        let message =
            |table: &mut Table, name: &RouteName| table.bind(name).unwrap_err().to_string();
        assert_eq!(message(&mut table, &"0".into()), r#"the route "0" is bound already"#);
        bind(&mut table, RouteName::DEFAULT);
        let twice = message(&mut table, &RouteName::DEFAULT);
        assert_eq!(twice, "the default route is bound already");
        let long = message(&mut table, &"n".repeat(65_536).into());
        assert_eq!(long, "a route's name of 65536 bytes is over the limit of 65535");
        bind(&mut table, "n".repeat(65_535));
        let many = message(&mut table, &"2".into());
        assert_eq!(many, "3 routes are bound already, which is the limit");

        deliver(&mut table, Some("0"), "of the first");
        drop(table.unbind(zero));
        drop(table.unbind(zero));
        assert!(matches!(receive(&mut table, zero), Poll::Ready(Ok(0))));
        assert!(matches!(deliver(&mut table, Some("0"), "of nobody"), Delivered::Nowhere));
        let again = bind(&mut table, "0");
        deliver(&mut table, Some("0"), "of the second");
        assert_eq!(received(&mut table, again), ["of the second"]);
    }

    #[test]
    fn a_full_route_takes_no_more_and_is_ended_alone() {
        let mut table = table(RouterLimits { receive_queue: 10, ..RouterLimits::default() });
        let (slow, other) = (bind(&mut table, "slow"), bind(&mut table, "other"));
        assert!(matches!(deliver(&mut table, Some("slow"), "1"), Delivered::To(_)));
        assert!(matches!(deliver(&mut table, Some("slow"), "22"), Delivered::To(_)));
        let Delivered::Full(id, held) = deliver(&mut table, Some("slow"), "3") else {
            panic!("17 bytes are over 10");
        };
        assert!(id == slow && table.is_full(slow) && !table.is_full(other));
        assert!(matches!(deliver(&mut table, Some("other"), "4"), Delivered::To(_)));
        // A read makes room.
        assert_eq!(received(&mut table, slow), ["1", "22"]);
        assert!(matches!(table.deliver(held), Delivered::To(_)));

        deliver(&mut table, Some("slow"), "5");
        table.queue(slow, &mut b"\0\0"[..].into()).unwrap();
        let (error, _) = table.stall(slow, 12).unwrap();
        let expected = "the route \"slow\" was not read from for 5s, with 28 bytes waiting and a \
                        limit of 10";
        assert_eq!(error.to_string(), expected);
        assert!(matches!(receive(&mut table, slow), Poll::Ready(Err(_))));
        assert!(matches!(table.poll_room(slow, Waker::noop()), Poll::Ready(Err(_))));
        assert!(matches!(table.poll_flush(slow, Waker::noop()), Poll::Ready(Err(_))));
        assert!(matches!(deliver(&mut table, Some("slow"), "6"), Delivered::To(None)));
        assert!(take(&mut table).0.is_empty());
        assert_eq!(received(&mut table, other), ["4"]);
    }

    #[test]
    fn routes_take_turns_and_wait_for_room() {
        let limits = RouterLimits { send_queue: 4, ..RouterLimits::default() };
        let mut table = table(limits);
        let (a, b, c) = (bind(&mut table, "a"), bind(&mut table, "b"), bind(&mut table, "c"));
        for (id, bytes) in [(b, "b1"), (a, "a1"), (b, "b2"), (c, "c1")] {
            assert!(table.poll_room(id, Waker::noop()).is_ready());
            table.queue(id, &mut bytes.as_bytes().into()).unwrap();
        }
        assert!(table.poll_room(b, Waker::noop()).is_pending());
        assert!(table.poll_flush(a, Waker::noop()).is_pending());
        drop(table.unbind(c));
        let (writing, mut taken) = take(&mut table);
        assert_eq!(writing, ["b1b2", "a1"]);
        // Taken is not written.
        assert!(table.poll_room(b, Waker::noop()).is_ready());
        assert!(table.poll_flush(b, Waker::noop()).is_pending());
        let mut wakers = Vec::new();
        table.written(&mut taken, &mut wakers);
        assert_eq!(wakers.len(), 1, "of those that waited, one waits still");
        assert!(table.poll_flush(b, Waker::noop()).is_ready());
        assert!(table.poll_flush(a, Waker::noop()).is_ready());
        assert!(take(&mut table).0.is_empty());
    }

    #[test]
    fn the_end_is_told_behind_what_was_received() {
        let mut table = table(RouterLimits::default());
        let id = bind(&mut table, "jobs");
        let other = table.bind(&"other".into()).unwrap();
        deliver(&mut table, Some("jobs"), "1");
        let reason = CloseReason::Truncated { received: 3 };
        assert!(receive(&mut table, other).is_pending());
        assert_eq!(table.end_receiving(&reason).len(), 1);
        assert_eq!(received(&mut table, id), ["1"]);
        let Poll::Ready(Err(error)) = receive(&mut table, id) else { panic!("it has ended") };
        assert!(matches!(CloseReason::from(error), CloseReason::Truncated { received: 3 }));
        // Told once: what the route still has to send goes out, until it is done.
        assert!(matches!(receive(&mut table, id), Poll::Ready(Ok(0))));
        table.queue(id, &mut b"\0\0"[..].into()).unwrap();
        assert!(!table.has_sent_all());
        assert!(matches!(table.bind(&"new".into()), Err(RouteError::Closed(_))));
        drop(table.unbind(id));
        assert!(table.has_sent_all(), "a route that is not connected sends nothing");

        table.end_sending(&CloseReason::Local);
        let error = table.queue(other, &mut b"\0\0"[..].into()).unwrap_err();
        assert!(matches!(CloseReason::from(error), CloseReason::Local));
    }

    proptest! {
        /// What goes in at one end comes out at the other, whatever the order of sending, reading
        /// and turns, and however the stream between the two is cut.
        #[test]
        fn each_route_keeps_its_boxes_in_order(
            steps in vec((0usize..3, 0u8..4, 1usize..40), 0..200),
        ) {
            let limits =
                RouterLimits { receive_queue: 30, send_queue: 30, ..RouterLimits::default() };
            let (mut near, mut far) = (table(limits), table(limits));
            let names = [RouteName::DEFAULT, "a".into(), "b".into()];
            let ids = names.clone().map(|name| (bind(&mut near, &name), bind(&mut far, &name)));
            let mut labellers = names.clone().map(|name| Labeller::new(&name));
            let (mut sent, mut received) = ([0; 3].map(|_| Vec::new()), [0; 3].map(|_| Vec::new()));
            let (mut stream, mut cut) = (VecDeque::new(), BytesMut::new());
            let mut decoder = Decoder::new(BoxLimits::default());
            let mut held = None;
            // In the end everything is taken, carried and read.
            let rest = (0..3000).map(|n| (n % 3, [1, 2, 3][n / 3 % 3], 1000));
            for (at, step, size) in steps.into_iter().chain(rest) {
                let (here, there) = ids[at];
                match step {
                    0 if near.poll_room(here, Waker::noop()).is_ready() => {
                        let ampbox = AmpBox::from_pairs([("a", vec![b'x'; size])]).unwrap();
                        sent[at].extend_from_slice(&ampbox.to_bytes());
                        let mut out = BytesMut::new();
                        labellers[at].push(&ampbox.to_bytes());
                        labellers[at].label(&mut out).unwrap();
                        near.queue(here, &mut out).unwrap();
                    }
                    1 => {
                        let mut taken = Vec::new();
                        near.take_outbound(&mut stream, &mut taken, &mut Vec::new());
                        near.written(&mut taken, &mut Vec::new());
                    }
                    2 => {
                        let Some(bytes) = stream.front_mut() else { continue };
                        cut.extend_from_slice(&bytes.split_to(size.min(bytes.len())));
                        if bytes.is_empty() {
                            stream.pop_front();
                        }
                    }
                    3 => {
                        let mut buffer = BytesMut::with_capacity(size);
                        let _ = far.poll_receive(there, Waker::noop(), &mut buffer);
                        received[at].extend_from_slice(&buffer);
                    }
                    _ => {}
                }
                while let Some(ampbox) = held.take().or_else(|| decoder.decode(&mut cut).unwrap()) {
                    match far.deliver(ampbox) {
                        Delivered::To(_) => {}
                        Delivered::Nowhere => prop_assert!(false, "every route is bound"),
                        Delivered::Full(id, ampbox) => {
                            prop_assert!(far.is_full(id));
                            held = Some(ampbox);
                            break;
                        }
                    }
                }
            }
            prop_assert_eq!(received, sent);
        }
    }
}
