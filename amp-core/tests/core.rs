//! The protocol core as a pair of peers, without any input or output: whatever way their bytes
//! are cut, the same is said.

use amp_core::proto::{Body, CallId, Core, CoreLimits, Event};
use amp_core::{AmpBox, BoxLimits, Decoder, RemoteError};
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One side: a core, and the responder `Echo`, which answers; `Fail`, which fails; and `Note`,
/// which counts.
struct Side {
    core: Core<usize>,
    decoder: Decoder,
    buffer: BytesMut,
    notes: usize,
    calls: BTreeMap<usize, CallId>,
    answers: BTreeMap<usize, Result<AmpBox, RemoteError>>,
}

impl Side {
    fn new() -> Self {
        Self {
            core: Core::new(CoreLimits::default()),
            decoder: Decoder::new(BoxLimits::default()),
            buffer: BytesMut::new(),
            notes: 0,
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    fn call(&mut self, command: &str, n: usize) {
        let mut body = body([("n", n.to_string())]);
        let id = self.core.call(command.as_bytes(), &mut body, n).unwrap();
        self.calls.insert(n, id);
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(ampbox) = self.decoder.decode(&mut self.buffer).unwrap() {
            match self.core.handle_box(ampbox).unwrap() {
                Event::Answered { waiter: n, .. } => {
                    let answer = self.core.take_answer(self.calls[&n]).expect("it is there");
                    assert!(self.answers.insert(n, answer).is_none(), "answered once");
                }
                Event::Called(call) => match (call.command(), call.tag()) {
                    (b"Echo", Some(tag)) => {
                        let n = call.ampbox().get("n").unwrap();
                        self.core.answer(tag, &mut body([("n", n)])).unwrap();
                    }
                    (b"Fail", Some(tag)) => self.core.fail(tag, b"NO", "no"),
                    (b"Note", None) => self.notes += 1,
                    other => panic!("{other:?}"),
                },
                Event::Switched(_) | Event::Late { .. } | Event::Ignored => {
                    panic!("nothing was made up")
                }
            }
        }
    }
}

fn body<const N: usize, V: AsRef<[u8]>>(pairs: [(&str, V); N]) -> Body {
    let mut body = Body::default();
    let mut writer = body.writer();
    for (key, value) in pairs {
        writer.put(key.as_bytes(), value.as_ref()).unwrap();
    }
    writer.finish().unwrap();
    body
}

/// Hands bytes over in pieces as `cut` says until both sides have said everything.
fn talk(near: &mut Side, far: &mut Side, mut cut: impl FnMut(usize) -> usize) {
    let mut pipes = [Vec::new(), Vec::new()];
    loop {
        pipes[0].extend(near.core.outgoing().take_bytes());
        pipes[1].extend(far.core.outgoing().take_bytes());
        if pipes.iter().all(Vec::is_empty) {
            return;
        }
        for (pipe, to) in pipes.iter_mut().zip([&mut *far, &mut *near]) {
            let size = cut(pipe.len()).min(pipe.len());
            to.receive(&pipe.drain(..size).collect::<Vec<_>>());
        }
    }
}

fn conversation() -> (Side, Side) {
    let (mut near, mut far) = (Side::new(), Side::new());
    for n in 0..20 {
        near.call("Echo", n);
        far.call("Fail", n);
        near.core.notify(b"Note", &mut Body::default()).unwrap();
    }
    (near, far)
}

fn check(near: &Side, far: &Side) {
    assert_eq!((near.notes, far.notes), (0, 20));
    for n in 0..20 {
        let answer = near.answers[&n].as_ref().unwrap();
        assert_eq!(answer.get("n"), Some(n.to_string().as_bytes()));
        assert_eq!(far.answers[&n], Err(RemoteError::new("NO", "no")));
    }
    assert_eq!(near.core.outstanding() + far.core.outstanding(), 0);
    assert_eq!(near.core.counters().calls_sent, 40);
    assert_eq!(far.core.counters().calls_received, 40);
}

#[test]
fn pieces_of_every_size_say_the_same() {
    for size in 1..100 {
        let (mut near, mut far) = conversation();
        talk(&mut near, &mut far, |_| size);
        check(&near, &far);
    }
}

#[test]
fn every_single_cut_says_the_same() {
    let (mut near, _) = conversation();
    let length = near.core.outgoing().len();
    for first in 0..=length {
        let (mut near, mut far) = conversation();
        let mut first = Some(first);
        talk(&mut near, &mut far, |all| first.take().unwrap_or(all));
        check(&near, &far);
    }
}

proptest! {
    #[test]
    fn any_cuts_say_the_same(sizes in vec(0_usize..200, 1..50)) {
        let (mut near, mut far) = conversation();
        let mut sizes = sizes.into_iter();
        talk(&mut near, &mut far, |all| sizes.next().unwrap_or(all));
        check(&near, &far);
    }
}

#[test]
fn a_call_that_was_given_up_is_answered_to_nobody() {
    let mut near = Core::new(CoreLimits { outstanding_calls: 1, ..CoreLimits::default() });
    let call = near.call(b"A", &mut Body::default(), ()).unwrap();
    assert!(near.call(b"A", &mut Body::default(), ()).is_err());
    near.forget(call);
    let answer = AmpBox::from_pairs([("_answer", "1")]).unwrap();
    assert!(matches!(near.handle_box(answer.clone()), Ok(Event::Late { id, .. }) if id == call));
    assert_eq!(near.counters().late_answers, 1);
    // The next call, in the same place, has another tag.
    let next = near.call(b"A", &mut Body::default(), ()).unwrap();
    assert!(matches!(near.handle_box(answer), Ok(Event::Late { id, .. }) if id == call));
    assert!(near.take_answer(next).is_none());
    assert!(near.waiter_mut(next).is_some());
}

#[test]
fn texts_of_errors_are_cut_to_what_fits() {
    let mut core = Core::<()>::new(CoreLimits::default());
    core.fail(b"1", b"CODE", &"ä".repeat(40_000));
    let bytes = core.outgoing().take_bytes();
    let ampbox = AmpBox::parse(&mut bytes.into(), BoxLimits::default()).unwrap();
    // 65 535 is odd, and no character is cut in two.
    assert_eq!(ampbox.get("_error_description").unwrap().len(), 65_534);
}

#[test]
fn a_switch_that_is_given_up_gives_back_who_waited_for_it() {
    for (kind, agreed) in [("_answer", true), ("_error", false)] {
        let mut core = Core::<&str>::new(CoreLimits::default());
        let id = core.ask_switch(b"Switch", &mut Body::default(), "who asked").unwrap();
        assert_eq!(core.forget(id), Some("who asked"));
        assert_eq!(core.forget(id), None);
        assert_eq!(core.waiters().count(), 0);
        assert!(core.is_switching(), "the answer says which protocol the peer speaks");
        let event = core.handle_box(AmpBox::from_pairs([(kind, "1")]).unwrap()).unwrap();
        assert_eq!(matches!(event, Event::Switched(None)), agreed, "{event:?}");
        assert_eq!((core.outstanding(), core.holds()), (0, agreed));
    }
}
