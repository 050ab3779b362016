//! Two sides without input or output, driven by what is public alone.

use amp_core::argument::Attachment;
use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::proto::{Body, CallId, Event, NotQueued, Protocol, ProtocolLimits};
use amp_core::{AmpBox, CloseReason, keys};
use bytes::BytesMut;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

/// A side, the name of each of its calls that waits, and what it has received of a box.
struct Side {
    protocol: Protocol<&'static str>,
    decoder: Decoder,
    received: BytesMut,
}

impl Side {
    fn new() -> Self {
        Self {
            protocol: Protocol::new(ProtocolLimits::default()),
            decoder: Decoder::new(BoxLimits::default()),
            received: BytesMut::new(),
        }
    }

    fn call(&mut self, command: &'static str) -> CallId {
        self.protocol.call(command.as_bytes(), &mut Body::default(), command).unwrap()
    }

    fn receive(&mut self) -> Option<Event<&'static str>> {
        let ampbox = self.decoder.decode(&mut self.received).unwrap()?;
        Some(self.protocol.handle_box(ampbox).unwrap())
    }

    /// The tags of the calls that came.
    fn received_calls(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.receive())
            .map(|event| match event {
                Event::Called(call) => call.tag().expect("it wants an answer").to_vec(),
                event => panic!("{event:?}"),
            })
            .collect()
    }

    /// The waiters of the calls that have an answer now.
    fn answered(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.receive())
            .map(|event| match event {
                Event::Answered { waiter, .. } => waiter,
                event => panic!("{event:?}"),
            })
            .collect()
    }
}

/// Sends what one side has to send, a few bytes at a time, as a stream that is slow.
fn deliver(from: &mut Side, to: &mut Side) {
    let outgoing = from.protocol.outgoing();
    while !outgoing.is_empty() {
        let mut slices = [IoSlice::new(&[]); 4];
        let (count, _) = outgoing.parts(&mut slices);
        assert!(count > 0, "something is left to be sent");
        let part = &slices[0][..slices[0].len().min(7)];
        let sent = part.len();
        to.received.extend_from_slice(part);
        outgoing.advance(sent);
    }
}

#[test]
fn a_drained_end_answers_what_came_before_it() {
    let (mut asking, mut answering) = (Side::new(), Side::new());
    let calls = [asking.call("a"), asking.call("b")];
    deliver(&mut asking, &mut answering);
    let tags = answering.received_calls();
    assert_eq!(tags.len(), 2);
    assert!(!answering.protocol.has_drained(), "nobody has asked for that");
    answering.protocol.drain();

    // Calls that cross the end are refused, and one-way ones have no effect.
    let late = asking.call("late");
    asking.protocol.notify(b"note", &mut Body::default()).unwrap();
    deliver(&mut asking, &mut answering);
    for _ in 0..2 {
        assert!(matches!(answering.receive(), Some(Event::Ignored)));
    }
    deliver(&mut answering, &mut asking);
    assert_eq!(asking.answered(), ["late"]);
    let refused = asking.protocol.take_answer(late).unwrap().unwrap_err();
    assert_eq!(refused.code, keys::CLOSING);

    answering.protocol.answer(&tags[0], &mut Body::default()).unwrap();
    assert!(!answering.protocol.has_drained(), "one call is not answered");
    answering.protocol.fail(&tags[1], b"NO", "not that one");
    assert!(answering.protocol.has_drained());
    assert!(answering.protocol.end_reason().is_none());
    assert_eq!(answering.protocol.close(CloseReason::Local), [""; 0]);
    assert!(matches!(answering.protocol.end_reason(), Some(CloseReason::Local)));

    // What was queued when the end began still goes.
    deliver(&mut answering, &mut asking);
    assert_eq!(asking.answered(), ["a", "b"]);
    assert!(asking.protocol.take_answer(calls[0]).unwrap().is_ok());
    assert!(asking.protocol.take_answer(calls[1]).unwrap().is_err());
    assert_eq!(answering.protocol.handle_end(CloseReason::Peer), [""; 0]);
    assert!(matches!(answering.protocol.end_reason(), Some(CloseReason::Local)), "the first");
    assert_eq!(asking.protocol.handle_end(CloseReason::Peer), [""; 0]);
    assert!(matches!(asking.protocol.end_reason(), Some(CloseReason::Peer)));
    for side in [&asking, &answering] {
        assert_eq!((side.protocol.outstanding(), side.protocol.queued()), (0, 0));
    }
}

#[test]
fn an_abrupt_end_tells_who_waits_and_lets_go_of_what_was_not_sent() {
    let (mut asking, mut answering) = (Side::new(), Side::new());
    let answered = asking.call("answered");
    let waiting = asking.call("waiting");
    deliver(&mut asking, &mut answering);
    let tags = answering.received_calls();
    answering.protocol.answer(&tags[0], &mut Body::default()).unwrap();
    deliver(&mut answering, &mut asking);
    assert_eq!(asking.answered(), ["answered"]);

    // The stream breaks with a call in the queue, which names something.
    let named: Attachment = Arc::new(7_u8);
    let dropped = Arc::downgrade(&named);
    let mut body = Body::default();
    body.attachments.push(named);
    asking.protocol.call(b"queued", &mut body, "queued").unwrap();
    assert!(asking.protocol.queued() > 0);
    let broken = || CloseReason::Io(Arc::new(io::Error::from(ErrorKind::ConnectionReset)));
    let mut told = asking.protocol.handle_end(broken());
    told.sort_unstable();
    assert_eq!(told, ["queued", "waiting"]);
    assert!(dropped.upgrade().is_none(), "what was not sent is let go of");
    assert_eq!(asking.protocol.handle_end(CloseReason::Local), [""; 0], "each is told once");
    assert!(matches!(asking.protocol.end_reason(), Some(CloseReason::Io(_))));

    // An answer that was there is still to be had, and nothing else is.
    assert!(asking.protocol.take_answer(answered).unwrap().is_ok());
    assert!(asking.protocol.take_answer(waiting).is_none());
    let refused = asking.protocol.call(b"more", &mut Body::default(), "more");
    assert!(matches!(refused, Err(NotQueued::Closed(CloseReason::Io(_)))));
    let call = AmpBox::from_pairs([("_ask", "1"), ("_command", "a")]).unwrap();
    assert!(matches!(asking.protocol.handle_box(call), Ok(Event::Ignored)));
    asking.protocol.answer(b"1", &mut Body::default()).unwrap();
    asking.protocol.fail(b"1", b"NO", "no");
    assert_eq!((asking.protocol.outstanding(), asking.protocol.queued()), (0, 0));
}

#[test]
fn a_side_that_closes_sends_what_is_queued_and_takes_no_more_calls() {
    let (mut asking, mut answering) = (Side::new(), Side::new());
    asking.call("a");
    deliver(&mut asking, &mut answering);
    let tags = answering.received_calls();
    asking.call("b");
    assert_eq!(asking.protocol.close(CloseReason::Local), ["a", "b"]);
    assert_eq!(asking.protocol.close(CloseReason::Peer), [""; 0]);
    assert!(matches!(asking.protocol.end_reason(), Some(CloseReason::Local)));
    assert!(asking.protocol.notify(b"c", &mut Body::default()).is_err());

    // The peer may be answering, and calls.
    answering.protocol.answer(&tags[0], &mut Body::default()).unwrap();
    answering.call("back");
    deliver(&mut answering, &mut asking);
    assert!(matches!(asking.receive(), Some(Event::Late { answer: Ok(_), .. })));
    assert!(matches!(asking.receive(), Some(Event::Ignored)));
    deliver(&mut asking, &mut answering);
    assert_eq!(answering.received_calls().len(), 1, "b was queued before");
    assert_eq!(answering.protocol.handle_end(CloseReason::Peer), ["back"]);
}

#[test]
fn the_stream_is_handed_over_or_goes_on_over_another_transport() {
    for upgrades in [false, true] {
        let (mut asking, mut answering) = (Side::new(), Side::new());
        let mut body = Body::default();
        let id = if upgrades {
            asking.protocol.ask_upgrade(b"S", &mut body, "switch").unwrap()
        } else {
            asking.protocol.ask_switch(b"S", &mut body, "switch").unwrap()
        };
        asking.call("held");
        deliver(&mut asking, &mut answering);
        assert!(asking.protocol.holds() && asking.protocol.queued() > 0, "it is held back");
        let tags = answering.received_calls();
        answering.protocol.handle_switch(&tags[0]).unwrap();
        answering.protocol.drain();
        if upgrades {
            answering.protocol.accept_upgrade(&tags[0]).unwrap();
        } else {
            answering.protocol.accept_switch(&tags[0]).unwrap();
        }
        assert!(answering.protocol.has_drained(), "agreeing is an answer");
        deliver(&mut answering, &mut asking);
        assert!(matches!(asking.receive(), Some(Event::Switched(Some("switch")))));
        assert!(asking.protocol.take_answer(id).unwrap().is_ok());
        if upgrades {
            asking.protocol.resume();
            answering.protocol.resume();
            deliver(&mut asking, &mut answering);
            assert!(matches!(answering.receive(), Some(Event::Ignored)), "it is drained");
            deliver(&mut answering, &mut asking);
            assert_eq!(asking.answered(), ["held"]);
            let again = asking.protocol.ask_upgrade(b"S", &mut body, "again");
            assert_eq!(again.unwrap_err().to_string(), "TLS has been started before");
        } else {
            assert_eq!(asking.protocol.handle_end(CloseReason::Switched), ["held"]);
            assert_eq!(answering.protocol.handle_end(CloseReason::Switched), [""; 0]);
        }
    }
}

#[test]
fn a_switch_that_is_refused_leaves_the_boxes() {
    let (mut asking, mut answering) = (Side::new(), Side::new());
    asking.protocol.ask_switch(b"S", &mut Body::default(), "switch").unwrap();
    asking.call("behind");
    deliver(&mut asking, &mut answering);
    let tags = answering.received_calls();
    answering.protocol.handle_switch(&tags[0]).unwrap();
    answering.protocol.fail(&tags[0], b"NO", "not now");
    deliver(&mut answering, &mut asking);
    assert_eq!(asking.answered(), ["switch"]);
    deliver(&mut asking, &mut answering);
    assert_eq!(answering.received_calls().len(), 1);
    assert!(asking.protocol.outgoing().is_empty() && !asking.protocol.holds());
}
