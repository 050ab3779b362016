use super::*;
use crate::proto::timers::Timer;
use crate::proto::{Body, ProtocolLimits};

const SECOND: Duration = Duration::from_secs(1);

pub(in crate::proto) fn inbound<W>() -> Inbound<W> {
    Inbound::new(BoxLimits::default())
}

fn boxes<const N: usize>(pairs: [&[(&str, &str)]; N]) -> BytesMut {
    let bytes = pairs.map(|pairs| AmpBox::from_pairs(pairs.to_vec()).unwrap().to_bytes());
    BytesMut::from(&bytes.concat()[..])
}

pub(in crate::proto) fn calls(count: usize) -> BytesMut {
    let call = boxes([&[("_ask", "1"), ("_command", "A")]]);
    BytesMut::from(&call.repeat(count)[..])
}

fn outstanding(core: &mut Core<usize>, count: usize) {
    for n in 0..count {
        core.call(b"A", &mut Body::default(), n).unwrap();
    }
    core.outgoing().take_bytes();
}

/// Decodes and sorts out what is there until others have their turn.
pub(in crate::proto) fn receive(
    inbound: &mut Inbound<usize>,
    core: &mut Core<usize>,
    bytes: &[u8],
) {
    inbound.input.buffer().extend_from_slice(bytes);
    loop {
        let (_, more) = inbound.decode(false);
        inbound.sort(core, false).1.unwrap();
        if !more.unwrap() || inbound.gives_way(false) {
            return;
        }
    }
}

/// Answers to the first calls.
fn answers(count: usize) -> Vec<u8> {
    (1..=count).flat_map(|tag| boxes([&[("_answer", &format!("{tag:x}"))]]).to_vec()).collect()
}

/// One call with these keys, as on the wire.
fn call_of(keys: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut call = boxes([&[("_ask", "1"), ("_command", "A")]]).to_vec();
    call.truncate(call.len() - 2);
    call.extend(keys.flat_map(|key| {
        let [first, second] = key.to_be_bytes();
        [0, 2, first, second, 0, 0]
    }));
    call.extend([0; 2]);
    call
}

#[test]
fn a_call_that_waits_counts_with_the_index_of_its_pairs() {
    const INDEX: usize = 1000 * 8;
    // Sorted, the other way round, and keys that come twice: of those the index has no room any more.
    let sorted = 0x6000_u16..0x6000 + 1000;
    for (call, has_index) in [
        (call_of(sorted.clone()), true),
        (call_of(sorted.rev()), true),
        (call_of(std::iter::repeat_n(0x6000, 1000)), false),
    ] {
        let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
        receive(&mut inbound, &mut core, &call);
        let beside_bytes = inbound.calls_size() - call.len();
        assert_eq!(beside_bytes >= INDEX, has_index, "{beside_bytes}");
        assert!(beside_bytes < INDEX + 1000, "{beside_bytes}");
        assert!(inbound.next_call().is_some());
        assert_eq!(inbound.calls_size(), 0);
    }
}

#[test]
fn many_callers_on_several_threads_are_answered_a_few_at_a_time() {
    for (count, is_among_many, turn) in
        [(300, true, 24), (100, true, 20), (33, true, 8), (32, false, 8), (16, false, 8)]
    {
        let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
        inbound.share_threads();
        assert!(!inbound.is_among_many(), "nobody has called");
        outstanding(&mut core, count);
        receive(&mut inbound, &mut core, &answers(1));
        assert_eq!(inbound.is_among_many(), is_among_many, "{count} call");
        inbound.callers.clear();
        receive(&mut inbound, &mut core, &answers(count)[answers(1).len()..]);
        assert_eq!(inbound.callers.len(), turn, "of {count}");
        inbound.callers.clear();
    }
}

#[test]
fn many_callers_on_one_task_are_answered_half_at_a_time() {
    for (count, is_beside_one_task, turn) in
        [(1000, true, 128), (256, true, 128), (128, true, 64), (127, false, 24), (32, false, 8)]
    {
        let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
        outstanding(&mut core, count);
        inbound.on_tasks = false;
        inbound.share_threads();
        receive(&mut inbound, &mut core, &answers(1));
        inbound.callers.clear();
        receive(&mut inbound, &mut core, &answers(count)[answers(1).len()..]);
        assert_eq!(inbound.is_beside_one_task(), is_beside_one_task, "{count} calls");
        assert_eq!(inbound.callers.len(), turn, "of {count}");
        inbound.callers.clear();
    }
}

#[test]
fn answers_are_given_out_in_turns() {
    for (count, turn) in [(40, 16), (24, 12), (16, 8), (10, 8), (1, 1)] {
        let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
        outstanding(&mut core, count);
        let answers = answers(count);
        receive(&mut inbound, &mut core, &answers);
        assert_eq!(inbound.callers.len(), turn, "of {count}");
        assert_eq!(inbound.has_left(), turn < count);
        let mut given: Vec<usize> = inbound.callers.drain(..).collect();
        while inbound.take_left() {
            receive(&mut inbound, &mut core, b"");
            given.append(&mut inbound.callers);
        }
        assert_eq!(given, (0..count).collect::<Vec<_>>());
        assert_eq!(inbound.decoded(), count as u64);
    }
}

#[test]
fn no_more_calls_are_left_than_may_be() {
    let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
    receive(&mut inbound, &mut core, &calls(10));
    let each = inbound.calls_size() / 10;
    assert_eq!(inbound.take_calls_over(10 * each).len(), 0);
    assert_eq!(inbound.take_calls_over(4 * each - 1).len(), 7);
    assert_eq!((inbound.calls_size(), inbound.take_calls().len()), (3 * each, 3));
}

#[test]
fn calls_wait_with_what_they_take_in_memory() {
    let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
    receive(&mut inbound, &mut core, &calls(5));
    let one = size_of::<WaitingCall>() + calls(1).len();
    assert_eq!(inbound.calls_size(), 5 * one);
    assert!(inbound.next_call().is_some());
    assert_eq!(inbound.calls_size(), 4 * one);
    let one_way = boxes([&[("_command", "B")]]);
    receive(&mut inbound, &mut core, &one_way);
    assert_eq!(inbound.take_unanswerable().len(), 4);
    assert_eq!(inbound.next_call().unwrap().call.command(), b"B");
    assert!(inbound.is_idle() && inbound.calls_size() == 0);
}

#[test]
fn behind_a_call_that_asks_for_a_switch_nothing_is_decoded() {
    let (mut inbound, mut core) = (inbound(), Core::<usize>::new(ProtocolLimits::default()));
    *inbound.input.buffer() = calls(2);
    let (boxes, more) = inbound.decode(true);
    assert!(boxes.len() == 1 && more.unwrap());
    inbound.sort(&mut core, true).1.unwrap();
    assert!(core.switch().is_deciding());
    inbound.stop();
    assert!(inbound.has_left() && inbound.is_at_switch());
    core.fail(b"1", b"NO", "no");
    assert!(inbound.take_left());
    assert!(!inbound.has_left() && !inbound.is_at_switch());
    // This side has asked by then, and neither may answer.
    let mut core = Core::<usize>::new(ProtocolLimits::default());
    let then = &mut Some(crate::proto::switch::Then::HandOver);
    core.ask_switch(b"A", &mut Body::default(), 0, then).unwrap();
    let _ = inbound.decode(true);
    let (_, sorted) = inbound.sort(&mut core, true);
    assert_eq!(sorted, Err(ProtocolError::SwitchesCross));
}

#[test]
fn what_a_box_names_that_is_a_mistake_is_let_go_at_the_end() {
    let then = &mut Some(crate::proto::switch::Then::HandOver);
    for (mistake, crosses) in [(boxes([&[("x", "y")]]), false), (calls(1), true)] {
        let (mut inbound, mut core) = (inbound(), Core::<usize>::new(ProtocolLimits::default()));
        if crosses {
            core.ask_switch(b"A", &mut Body::default(), 0, then).unwrap();
        }
        let attachments = (0..3).map(|n| std::sync::Arc::new(n) as crate::argument::Attachment);
        core.handle_attachments(attachments, Instant::now());
        *inbound.input.buffer() = mistake;
        let _ = inbound.decode(true);
        assert!(inbound.sort(&mut core, true).1.is_err());
        core.handle_end(CloseReason::Local);
        assert_eq!(core.take_released().unwrap().unclaimed.len(), 3, "{crosses}");
    }
}

#[test]
fn the_boxes_before_a_mistake_are_good() {
    let (mut inbound, mut core) = (inbound(), Core::<usize>::new(ProtocolLimits::default()));
    *inbound.input.buffer() = calls(3);
    inbound.input.buffer().extend_from_slice(b"\x01\0");
    let (boxes, more) = inbound.decode(false);
    assert!(boxes.len() == 3 && more.is_err());
    inbound.sort(&mut core, false).1.unwrap();
    assert_eq!(inbound.take_calls().len(), 3);
    assert!(inbound.is_idle());
}

#[test]
fn a_box_that_has_begun_has_its_time() {
    let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
    let (mut timers, start) = (Timers::default(), Instant::now());
    *inbound.input.buffer() = BytesMut::from(&b"\0"[..]);
    inbound.watch_box(SECOND, &mut timers, || start);
    assert!(!timers.is_set(Timer::Box), "there may be more to read");
    inbound.set_reading(Reading::Done);
    let begun = inbound.input.take();
    inbound.watch_box(SECOND, &mut timers, || start);
    assert!(!timers.is_set(Timer::Box), "none has begun");
    *inbound.input.buffer() = begun.clone();
    inbound.watch_box(SECOND, &mut timers, || start);
    assert_eq!(timers.take_due(start + SECOND), Some(Timer::Box));
    // The box was finished, and another one has begun.
    inbound.input.take();
    receive(&mut inbound, &mut core, &calls(1));
    *inbound.input.buffer() = begun;
    let due = |inbound: &mut Inbound<usize>, timers: &mut Timers| {
        inbound.handle_box_timeout(SECOND, timers, start + SECOND)
    };
    due(&mut inbound, &mut timers).unwrap();
    assert_eq!(timers.next(), Some(start + 2 * SECOND));
    // Nothing was read meanwhile, so the time does not count.
    inbound.set_reading(Reading::Paused);
    inbound.watch_box(SECOND, &mut timers, || start);
    inbound.set_reading(Reading::Done);
    due(&mut inbound, &mut timers).unwrap();
    assert!(matches!(due(&mut inbound, &mut timers), Err(CloseReason::BoxTimeout { .. })));
}

/// What follows comes over another transport.
#[cfg(feature = "tokio")]
#[test]
fn a_box_that_has_begun_is_none_of_what_follows_once_its_bytes_are_taken() {
    let (mut inbound, mut core) = (inbound(), Core::new(ProtocolLimits::default()));
    let begun = &calls(1)[..20];
    receive(&mut inbound, &mut core, begun);
    assert_eq!(inbound.take_unread(), begun);
    let short = boxes([&[("_command", "A")]]);
    receive(&mut inbound, &mut core, &short);
    assert_eq!(inbound.take_calls().len(), 1);
}
