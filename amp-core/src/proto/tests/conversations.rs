//! What two sides say to each other, whatever way the bytes between them are cut, delayed or stopped.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use super::command;
use super::pair::Which::{self, Far, Near};
use super::side::Running;
use super::way::{Vigil, Way};
use super::world::{Step, World};
use crate::boxes::{AmpBox, BoxLimits};
use crate::proto::drive::LOOK_EVERY;
use crate::proto::wants::Wants;
use crate::proto::{
    Body, CloseReason, Core, Event, LimitKind, Limits, ProtocolLimits, Then, Together,
};

/// How many calls each side makes.
const CALLS: usize = 20;

/// Two sides that call each other. The near one also notifies.
fn conversation() -> World {
    let mut world = World::new(Limits::default());
    for _ in 0..CALLS {
        world.take(&Step::Call { by: Near, size: 5, attachments: 0 });
        world.take(&Step::Call { by: Far, size: 5, attachments: 0 });
        world.take(&Step::Notify { by: Near, size: 0, attachments: 0 });
    }
    for which in Which::BOTH {
        world.take(&Step::Take { of: which, bytes: usize::MAX });
    }
    world
}

/// Lets each side run, and deals with what runs there: the near one fails, the far one answers.
fn go_on(world: &mut World) {
    for which in Which::BOTH {
        run(world, which);
        while let Some(call) = world.pair.side(which).running.iter().position(Running::may_go_on) {
            world.take(&match which {
                Near => Step::Fail { by: Near, call },
                Far => Step::Answer { by: Far, call, size: 5, attachments: 0, then: false },
            });
        }
        assert!(world.pair.side(which).running.is_empty(), "a turn in the lane is lost");
        run(world, which);
        world.take(&Step::Callers { of: which });
    }
}

/// Lets a side run until its driver waits.
fn run(world: &mut World, of: Which) {
    world.take(&Step::Run { of });
    while world.pair.side(of).is_at_work() {
        world.take(&Step::Run { of });
    }
}

/// Lets the bytes arrive in pieces as `cut` says, until nothing is on the way.
fn talk(world: &mut World, mut cut: impl FnMut() -> usize) {
    loop {
        go_on(world);
        if Which::BOTH.into_iter().all(|which| world.pair.pipe(which).is_empty()) {
            return;
        }
        for which in Which::BOTH {
            world.take(&Step::Deliver { of: which, bytes: cut() });
        }
    }
}

/// All that was to be said was said, and nothing is left.
fn check(mut world: World) {
    let [near, far] = Which::BOTH.map(|which| world.pair.side(which).core.counters());
    let calls = CALLS as u64;
    assert_eq!(
        (near.calls_sent, near.answers_received, near.errors_sent),
        (2 * calls, calls, calls)
    );
    assert_eq!(
        (far.calls_received, far.answers_sent, far.errors_received),
        (2 * calls, calls, calls)
    );
    world.model.check_end(&mut world.pair);
}

#[test]
fn pieces_of_every_size_say_the_same() {
    for size in 1..100 {
        let mut world = conversation();
        talk(&mut world, || size);
        check(world);
    }
}

#[test]
fn every_single_cut_says_the_same() {
    let length = conversation().pair.side(Near).core.outgoing().len();
    for first in 0..=length {
        let mut world = conversation();
        let mut first = Some(first);
        talk(&mut world, || first.take().unwrap_or(usize::MAX));
        check(world);
    }
}

proptest! {
    #[test]
    fn any_cuts_say_the_same(sizes in vec(0_usize..200, 1..50)) {
        let mut world = conversation();
        let mut sizes = sizes.into_iter();
        talk(&mut world, || sizes.next().unwrap_or(usize::MAX));
        check(world);
    }
}

/// Boxes whose attachments were refused are taken back once no other is being encoded.
#[test]
fn too_much_behind_boxes_that_wait_to_be_taken_back_ends_the_connection() {
    let mut world = World::new(Limits { send_queue_max: 15_000, ..Limits::default() });
    for of in Which::BOTH {
        world.take(&Step::Take { of, bytes: usize::MAX });
    }
    world.take(&Step::Call { by: Far, size: 0, attachments: 0 });
    run(&mut world, Far);
    world.take(&Step::Deliver { of: Far, bytes: usize::MAX });
    run(&mut world, Near);
    world.take(&Step::Notify { by: Near, size: 0, attachments: 1 });
    world.take(&Step::Refuse { of: Near, attachment: 0 });
    world.take(&Step::Encode { by: Near, begins: true });
    run(&mut world, Near);
    assert!(!world.pair.side(Near).is_at_work() && world.pair.side(Near).ended.is_none());
    world.take(&Step::Answer { by: Near, call: 0, size: 16_000, attachments: 0, then: false });
    for _ in 0..10 {
        world.take(&Step::Run { of: Near });
    }
    let ended = &world.pair.side(Near).ended;
    let is_limit = matches!(ended, Some(CloseReason::Limit { what: LimitKind::SendQueue, .. }));
    assert!(is_limit, "{ended:?}");
}

/// Items are decoded where they are sorted out, by code of a user's.
#[test]
fn items_that_take_long_leave_others_their_turn() {
    let mut world = World::new(Limits::default());
    world.take(&Step::Take { of: Near, bytes: usize::MAX });
    world.take(&Step::OpenStream { by: Near });
    for _ in 0..10 {
        world.take(&Step::SendItems { by: Near, size: 0, attachments: 0 });
    }
    run(&mut world, Near);
    world.take(&Step::Deliver { of: Near, bytes: usize::MAX });
    world.take(&Step::Slow { of: Far, each: Duration::from_millis(3) });
    let mut answered = Vec::new();
    while answered.last() != Some(&10) {
        world.take(&Step::Run { of: Far });
        answered.push(world.pair.side(Far).core.counters().answers_sent);
    }
    // One slow stretch is forgiven, unless there was one in the stint before.
    assert_eq!(answered, [3, 4, 5, 6, 7, 8, 9, 10]);
    world.finish();
}

/// Once the connection has ended, those leave the lane one by one that could not be answered, while what was
/// left behind enters it.
#[test]
fn behind_the_end_each_in_the_lane_leaves_in_its_own_time() {
    let says = prop_oneof![
        Just(Step::Call { by: Near, size: 0, attachments: 0 }),
        Just(Step::Notify { by: Near, size: 0, attachments: 0 }),
    ];
    let (size, attachments, then) = (0, 0, false);
    let does = prop_oneof![
        (0_usize..6).prop_map(move |call| Step::Answer { by: Far, call, size, attachments, then }),
        (0_usize..6).prop_map(|call| Step::Fail { by: Far, call }),
        Just(Step::Callers { of: Far }),
    ];
    let steps = (3_usize..8, vec(says, 15..40), vec(does.clone(), 0..4), vec(does, 2..12));
    let entered_late = Cell::new(false);
    let config = Config { failure_persistence: None, ..Config::with_cases(500) };
    let checked = TestRunner::new(config).run(&steps, |(responders, said, before, behind)| {
        let mut world = World::new(Limits {
            running_responders: responders,
            running_responders_max: responders,
            ..Limits::default()
        });
        world.take(&Step::Take { of: Near, bytes: usize::MAX });
        for step in &said {
            world.take(step);
        }
        run(&mut world, Near);
        world.take(&Step::Deliver { of: Near, bytes: usize::MAX });
        run(&mut world, Far);
        for step in &before {
            world.take(step);
        }
        world.take(&Step::Close { by: Near });
        while world.pair.side(Far).ended.is_none() {
            for which in Which::BOTH {
                run(&mut world, which);
                world.take(&Step::Deliver { of: which, bytes: usize::MAX });
            }
            // Nothing is read while as many run as may, but for a look now and then.
            world.take(&Step::Pass { time: LOOK_EVERY });
        }
        for step in &behind {
            world.take(step);
        }
        world.finish();
        entered_late.set(entered_late.get() | world.pair.side(Far).entered_late);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
    assert!(entered_late.get(), "no case has somebody in the lane who has yet to look");
}

#[test]
fn an_answer_takes_the_way_there_and_back() {
    const SECOND: Duration = Duration::from_secs(1);
    let mut world = conversation();
    for which in Which::BOTH {
        world.pair.pipe(which).open();
        world.pair.pipe(which).delay = 3 * SECOND;
    }
    for second in 0..6 {
        go_on(&mut world);
        assert_eq!(world.model.outstanding(Near), CALLS, "after {second} s");
        let received = world.pair.side(Far).core.counters().calls_received;
        assert_eq!(received, if second < 3 { 0 } else { 2 * CALLS as u64 }, "after {second} s");
        world.pair.pass(SECOND);
    }
    go_on(&mut world);
    check(world);
}

#[test]
fn a_side_reads_while_its_writes_are_blocked() {
    let mut world = conversation();
    world.pair.pipe(Near).room = 10;
    for _ in 0..10 {
        go_on(&mut world);
        world.take(&Step::Deliver { of: Far, bytes: usize::MAX });
    }
    let counters = world.pair.side(Near).core.counters();
    assert_eq!((counters.calls_received, counters.errors_sent), (CALLS as u64, CALLS as u64));
    assert_eq!(world.model.outstanding(Far), CALLS, "the failures are behind the calls");
    world.take(&Step::Take { of: Near, bytes: usize::MAX });
    talk(&mut world, || usize::MAX);
    check(world);
}

#[test]
fn the_stream_leaves_when_the_last_answer_is_read_that_came_before_the_switch() {
    const SECOND: Duration = Duration::from_secs(1);
    let watched = Vigil { idle: Some(5 * SECOND), ..Vigil::default() };
    let way = Way { watched, ..Way::default() };
    let mut world = World::of(Limits::default(), None, [way; 2]);
    for which in Which::BOTH {
        world.pair.pipe(which).open();
    }
    world.take(&Step::Call { by: Near, size: 0, attachments: 0 });
    world.take(&Step::AskSwitch { by: Near, then: command::Then::HandOver, attachments: 0 });
    run(&mut world, Near);
    run(&mut world, Far);
    for attachments in [2, 0] {
        world.take(&Step::Answer { by: Far, call: 0, size: 0, attachments, then: false });
    }
    run(&mut world, Far);
    run(&mut world, Near);
    // It is not the peer who keeps silent meanwhile.
    for _ in 0..10 {
        world.pair.pass(SECOND);
        run(&mut world, Near);
        assert!(world.pair.side(Near).core.switch().is_agreed(), "an answer has yet to be read");
    }
    world.take(&Step::Callers { of: Near });
    let near = world.pair.side(Near);
    assert!(near.woken_for[0].any(Wants::LEAVE) && near.is_at_work());
    run(&mut world, Near);
    assert!(matches!(world.pair.side(Near).ended, Some(CloseReason::Switched)));
    world.finish();
}

/// Nothing can be written in the turn in which the end begins, and that is the last one.
#[test]
fn what_waits_for_a_responder_is_begun_although_the_first_write_of_the_end_fails() {
    let mut world = World::new(Limits {
        running_responders: 1,
        running_responders_max: 1,
        ..Limits::default()
    });
    world.take(&Step::Take { of: Near, bytes: usize::MAX });
    for _ in 0..2 {
        world.take(&Step::Notify { by: Near, size: 0, attachments: 0 });
    }
    run(&mut world, Near);
    world.take(&Step::Deliver { of: Near, bytes: usize::MAX });
    run(&mut world, Far);
    world.take(&Step::Notify { by: Far, size: 0, attachments: 0 });
    world.take(&Step::Deafen { of: Far });
    world.take(&Step::Close { by: Far });
    world.take(&Step::Run { of: Far });
    let far = world.pair.side(Far);
    assert!(matches!(far.ended, Some(CloseReason::Local)), "{:?}", far.ended);
    let begun = far.running[0].n;
    world.take(&Step::Answer { by: Far, call: 0, size: 0, attachments: 0, then: false });
    world.take(&Step::Callers { of: Far });
    let [next] = &world.pair.side(Far).running[..] else { panic!("the second one is begun") };
    assert_eq!(next.n, begun + 1);
    world.finish();
}

/// The far side has made five calls, and what both hold counts.
fn with_five_calls_that_count() -> (Arc<Together>, World) {
    let together = Arc::new(Together::new(1 << 20, 100));
    let ways = [Way::default(); 2];
    let mut world = World::of(Limits::default(), Some(&together), ways);
    for which in Which::BOTH {
        world.pair.pipe(which).open();
    }
    for _ in 0..5 {
        world.take(&Step::Call { by: Far, size: 0, attachments: 0 });
    }
    run(&mut world, Far);
    (together, world)
}

#[test]
fn what_a_side_holds_counts_among_all_until_it_holds_it_no_more() {
    let (together, mut world) = with_five_calls_that_count();
    world.pair.pipe(Near).room = 10;
    run(&mut world, Near);
    for _ in 0..5 {
        let (size, attachments) = (19_800, 0);
        world.take(&Step::Answer { by: Near, call: 0, size, attachments, then: false });
        run(&mut world, Near);
    }
    let held = together.bytes();
    assert!(held > 90_000, "{held} bytes wait");
    // A part leaves, and what is left is too little to be counted.
    for (room, counts) in [(10_000, true), (50_000, false), (40_000, false)] {
        world.take(&Step::Take { of: Near, bytes: room });
        run(&mut world, Near);
        assert_eq!(together.bytes() > 0, counts, "{room} bytes more are taken");
    }
    assert!(world.pair.pipe(Near).room > 0 && together.bytes() == 0);
}

/// The driver has it all from the queue in the turn in which the stream takes nothing more.
#[test]
fn what_cannot_leave_counts_in_the_turn_in_which_it_was_to() {
    let (together, mut world) = with_five_calls_that_count();
    run(&mut world, Near);
    world.pair.pipe(Near).room = 10;
    for _ in 0..5 {
        let (size, attachments) = (19_800, 0);
        world.take(&Step::Answer { by: Near, call: 0, size, attachments, then: false });
    }
    run(&mut world, Near);
    let held = together.bytes();
    assert!(held > 90_000, "{held} bytes wait");
}

#[test]
fn a_stream_that_breaks_fails_all_calls_wherever_it_does() {
    for after in 0..40 {
        let mut world = conversation();
        for _ in 0..after {
            go_on(&mut world);
            for which in Which::BOTH {
                world.take(&Step::Deliver { of: which, bytes: 40 });
            }
        }
        world.take(&Step::Break);
        world.finish();
        assert!(world.model.outstanding(Near) + world.model.outstanding(Far) == 0);
    }
}

#[test]
fn a_call_that_was_given_up_is_answered_to_nobody() {
    let mut near = Core::new(ProtocolLimits { outstanding_calls: 1, ..ProtocolLimits::default() });
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
    let mut core = Core::<()>::new(ProtocolLimits::default());
    core.fail(b"1", b"CODE", &"ä".repeat(40_000));
    let bytes = core.outgoing().take_bytes();
    let ampbox = AmpBox::parse(&mut bytes.into(), BoxLimits::default()).unwrap();
    // 65 535 is odd, and no character is cut in two.
    assert_eq!(ampbox.get("_error_description").unwrap().len(), 65_534);
}

#[test]
fn a_switch_that_is_given_up_gives_back_who_waited_for_it() {
    for (kind, agreed) in [("_answer", true), ("_error", false)] {
        let mut core = Core::<&str>::new(ProtocolLimits::default());
        let id = core
            .ask_switch(b"Switch", &mut Body::default(), "who asked", &mut Some(Then::HandOver))
            .unwrap();
        assert_eq!(core.forget(id), Some("who asked"));
        assert_eq!(core.forget(id), None);
        assert!(core.waiter_mut(id).is_none());
        assert!(core.switch().is_asked(), "the answer says which protocol the peer speaks");
        let event = core.handle_box(AmpBox::from_pairs([(kind, "1")]).unwrap()).unwrap();
        assert_eq!(matches!(event, Event::Switched(None)), agreed, "{event:?}");
        assert_eq!((core.outstanding(), core.holds()), (0, agreed));
    }
}
