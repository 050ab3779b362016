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
    let message = |table: &mut Table, name: &RouteName| table.bind(name).unwrap_err().to_string();
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
    let (_, error, _) = table.stall(slow, 12).unwrap();
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
    assert!(!table.has_sent_all(&reason));
    assert!(matches!(table.bind(&"new".into()), Err(RouteError::Closed(_))));
    drop(table.unbind(id));
    assert!(table.has_sent_all(&CloseReason::Local), "a route that is not connected sends nothing");
    // It connects too late.
    table.connect(other);
    let error = table.queue(other, &mut b"\0\0"[..].into()).unwrap_err();
    assert!(matches!(CloseReason::from(error), CloseReason::Local));
    assert!(table.has_sent_all(&CloseReason::Local));
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
