//! Whatever two sides do, and whatever the stream between them does, the invariants of
//! ARCHITECTURE.md hold that are of the protocol alone.
//!
//! `PROPTEST_CASES` says how many cases are tried. One that fails is made as short as possible, and
//! shown as a list of steps.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::command::Then;
use super::pair::Which;
use super::reached::Reached;
use super::way::{Vigil, Way};
use super::world::{Step, World};
use crate::proto::wants::Wants;
use crate::proto::{FailurePolicy, Limits, Together};

fn step() -> impl Strategy<Value = Step> {
    let which = || prop_oneof![Just(Which::Near), Just(Which::Far)];
    let size =
        || prop_oneof![40 => 0_usize..60, 1 => 16_300_usize..16_400, 1 => 19_900_usize..20_000];
    let attachments = || prop_oneof![6 => Just(0_usize), 3 => 1_usize..4, 1 => 60_usize..70];
    let call = || 0_usize..8;
    let bytes = || prop_oneof![1_usize..20, 20_usize..400, Just(1 << 20)];
    let then = prop_oneof![1 => Just(Then::HandOver), 3 => Just(Then::StartTls)];
    let time = prop_oneof![
        6 => 1_u64..300,
        3 => 300_u64..7000,
        1 => 7000_u64..120_000,
    ];
    let end = prop_oneof![
        which().prop_map(|by| Step::Close { by }),
        which().prop_map(|by| Step::Drain { by }),
        which().prop_map(|of| Step::Deafen { of }),
        Just(Step::Break),
    ];
    prop_oneof![
        12 => (which(), size(), attachments())
            .prop_map(|(by, size, attachments)| Step::Call { by, size, attachments }),
        5 => (which(), size(), attachments())
            .prop_map(|(by, size, attachments)| Step::Notify { by, size, attachments }),
        4 => (which(), call()).prop_map(|(by, call)| Step::Drop { by, call }),
        2 => which().prop_map(|by| Step::OpenStream { by }),
        1 => which().prop_map(|by| Step::EndStream { by }),
        3 => (which(), size(), attachments())
            .prop_map(|(by, size, attachments)| Step::SendItems { by, size, attachments }),
        2 => (which(), then, attachments())
            .prop_map(|(by, then, attachments)| Step::AskSwitch { by, then, attachments }),
        10 => (which(), call(), size(), attachments(), any::<bool>()).prop_map(
            |(by, call, size, attachments, then)| Step::Answer { by, call, size, attachments, then }
        ),
        4 => (which(), call()).prop_map(|(by, call)| Step::Fail { by, call }),
        10 => (which(), bytes()).prop_map(|(of, bytes)| Step::Take { of, bytes }),
        12 => (which(), bytes()).prop_map(|(of, bytes)| Step::Deliver { of, bytes }),
        2 => (which(), 0_usize..80).prop_map(|(of, attachment)| Step::Refuse { of, attachment }),
        20 => which().prop_map(|of| Step::Run { of }),
        8 => which().prop_map(|of| Step::Callers { of }),
        6 => time.prop_map(|millis| Step::Pass { time: Duration::from_millis(millis) }),
        6 => which().prop_map(|by| Step::WriteLent { by }),
        2 => (which(), any::<bool>()).prop_map(|(by, begins)| Step::Encode { by, begins }),
        1 => which().prop_map(|of| Step::FailUpgrade { of }),
        1 => (which(), 0_u64..4).prop_map(|(of, millis)| Step::Slow {
            of,
            each: Duration::from_millis(millis)
        }),
        1 => which().prop_map(|by| Step::KeepRoom { by }),
        1 => end,
    ]
}

/// How a side finds out whether its peer is alive.
fn watched() -> impl Strategy<Value = Vigil> {
    let seconds = |within: std::ops::Range<u64>| within.prop_map(Duration::from_secs);
    let often = (seconds(1..20), seconds(1..10));
    (weighted(0.2, seconds(5..40)), weighted(0.1, seconds(1..20)), weighted(0.3, often))
        .prop_map(|(idle, first_box, ping)| Vigil { idle, first_box, ping })
}

/// How much may wait to be sent, and how many calls both sides answer together.
fn limits() -> impl Strategy<Value = (usize, Option<usize>)> {
    let usual = Limits::default().send_queue_max;
    (prop_oneof![3 => Just(usual), 1 => Just(15_000)], weighted(0.2, 1_usize..6))
}

fn way() -> impl Strategy<Value = Way> {
    let policy = prop_oneof![4 => Just(FailurePolicy::Stay), 1 => Just(FailurePolicy::Close)];
    let both = any::<[bool; 2]>();
    (watched(), policy, both).prop_map(|(watched, policy, [lends, shares_threads])| Way {
        watched,
        policy,
        lends,
        shares_threads,
        counts_all: true,
    })
}

/// What wakes a driver that waits, and whether its end has begun by then. What no turn takes away keeps a
/// side from coming to rest, which each case does in the end. What few cases come to is in `conversations.rs`.
const WAKING: &[(Wants, bool)] = &[
    (Wants::WRITE, false),
    (Wants::READ, false),
    (Wants::START, false),
    (Wants::CLOSE, false),
    (Wants::DRAIN, false),
    (Wants::TAKE_BACK, false),
    (Wants::LINE, false),
    (Wants::LIMIT, false),
    (Wants::COUNT, false),
    (Wants::WRITE, true),
];

/// How many cases are tried where nothing else is said.
const CASES: u32 = 10_000;

/// How many steps a case has at most.
const STEPS: usize = 60;

#[test]
fn whatever_happens_the_invariants_hold() {
    let cases = std::env::var("PROPTEST_CASES").map(|cases| cases.parse().expect("a number"));
    let cases = cases.unwrap_or(CASES);
    let config = Config {
        cases,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        // The usual one takes most of the time where it is not optimised.
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    let reached = RefCell::new(BTreeMap::<Reached, usize>::new());
    let woken_for = Cell::new([Wants::NOTHING; 2]);
    let steps =
        (vec(step(), 0..STEPS), 1_usize..6, 1_usize..4, any::<bool>(), [way(), way()], limits());
    let checked = TestRunner::new(config).run(
        &steps,
        |(steps, calls, responders, stalled, ways, (send_queue_max, together))| {
            let limits = Limits {
                outstanding_calls: calls,
                running_responders: responders,
                running_responders_max: responders + 2,
                send_queue: 600,
                send_queue_boxes: 6,
                send_queue_max,
                unclaimed_attachments: 150,
                attachments_in_all: 1 << 20,
                ..Limits::default()
            };
            let together = together.map(|calls| Arc::new(Together::new(1 << 20, calls)));
            let mut world = World::of(limits, together.as_ref(), ways);
            let switches = steps.iter().any(|step| matches!(step, Step::AskSwitch { .. }));
            for which in Which::BOTH {
                world.pair.side(which).expects_switches = switches;
            }
            if !stalled {
                for which in Which::BOTH {
                    world.pair.pipe(which).open();
                }
            }
            for step in &steps {
                world.take(step);
            }
            world.finish();
            for which in Which::BOTH {
                let (before, now) = (woken_for.get(), world.pair.side(which).woken_for);
                woken_for.set([before[0] | now[0], before[1] | now[1]]);
            }
            for reached_now in world.model.reached {
                *reached.borrow_mut().entry(reached_now).or_default() += 1;
            }
            Ok(())
        },
    );
    if let Err(error) = checked {
        panic!("{error}");
    }
    // What no case reaches is not tested.
    let reached = reached.into_inner();
    println!("{reached:#?}");
    for (wants, ending) in WAKING {
        let woken_for = woken_for.get()[usize::from(*ending)];
        assert!(
            woken_for.any(*wants) || cases < CASES,
            "no driver is woken for {wants:?}, {ending}"
        );
    }
    for rare in Reached::ALL {
        assert!(reached.contains_key(rare) || cases < CASES, "no case reaches {rare:?}");
    }
}
