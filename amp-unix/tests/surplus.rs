//! Peers that pass more descriptors than may be unclaimed, and are not to blame: they come ahead of their
//! boxes, and boxes wait for this side. That costs the boxes that name what is too much, at most. Each test
//! has a process of its own, where it alone counts.

mod support;

use amp_core::argument::DecodeErrorKind;
use amp_core::{
    AmpBox, Arguments, CallError, Command, Context, FailurePolicy, Limits, NoError, Peer,
    Responders,
};
use amp_unix::{Descriptor, connection};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use support::numbered::{Far, number, numbered};
use support::{ask, without_leak};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Passes a file that says which it is.
#[derive(Command, Debug)]
#[amp(response = Taken)]
struct Take {
    file: Descriptor,
}

#[derive(Arguments, Debug)]
struct Taken {
    number: u64,
}

/// The same, but it is taken once there is leave.
#[derive(Command, Debug)]
#[amp(response = Taken)]
struct Hold {
    file: Descriptor,
}

/// Gets a file.
#[derive(Command, Debug)]
#[amp(response = Opened)]
struct Open {}

#[derive(Arguments, Debug)]
struct Opened {
    file: Descriptor,
}

/// So many may be unclaimed here.
const LIMIT: usize = 200;

fn limits() -> Limits {
    Limits::default().unclaimed_attachments(LIMIT).attachments_in_all(4096)
}

fn taking() -> Responders {
    Responders::new(())
        .respond(async |_: Context, Take { file }| Ok::<_, NoError>(Taken { number: number(file) }))
}

/// Each takes a permit for good.
fn holding(leave: &Arc<Semaphore>) -> Responders<Arc<Semaphore>> {
    Responders::new(Arc::clone(leave)).respond(
        async |context: Context<Arc<Semaphore>>, Hold { file }| {
            context.state().acquire().await.expect("it is not closed").forget();
            Ok::<_, NoError>(Taken { number: number(file) })
        },
    )
}

fn start<S>(limits: Limits, responders: Responders<S>) -> (Peer, Far) {
    let (near, far) = UnixStream::pair().unwrap();
    let near = connection(near).unwrap().responders(responders).limits(limits).spawn();
    (near, Far::new(far))
}

fn call(command: &str, ordinal: u64) -> Vec<u8> {
    ask(&format!("{ordinal:x}"), command, &[("file", &ordinal.to_string())])
}

/// The calls are read, and the responders that can have begun.
async fn settled(peer: &Peer, calls: u64) {
    while peer.counters().calls_received < calls {
        assert!(!peer.is_closed(), "the connection goes on");
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// How many of the answers that come next bring the number of their call, and how many say `UNKNOWN`.
async fn outcomes(far: &mut Far, calls: usize) -> (usize, usize) {
    let (mut taken, mut unknown) = (0, 0);
    for _ in 0..calls {
        let answer = far.receive().await.expect("the connection goes on");
        if answer.get("_error_code") == Some(b"UNKNOWN") {
            unknown += 1;
        } else {
            let text = |key| std::str::from_utf8(answer.get(key).unwrap()).unwrap();
            let tag = u64::from_str_radix(text("_answer"), 16).unwrap();
            assert_eq!(text("number").parse(), Ok(tag), "a call gets its own");
            taken += 1;
        }
    }
    (taken, unknown)
}

/// As Twisted does, which sends all that it has queued with the first bytes.
#[test]
fn a_peer_may_pass_as_many_ahead_of_their_boxes_as_may_wait() {
    without_leak("a_peer_may_pass_as_many_ahead_of_their_boxes_as_may_wait", || async {
        let (_peer, mut far) = start(limits(), taking());
        let mut pass = async |count: usize| {
            let first = far.sent;
            let boxes: Vec<_> = (first..).take(count).map(|n| call("Take", n)).collect();
            let boxes = boxes.concat();
            for byte in boxes.chunks(1).take(count) {
                far.send(byte, 1).await;
            }
            far.send(&boxes[count..], 0).await;
            outcomes(&mut far, count).await
        };
        assert_eq!(pass(LIMIT).await, (LIMIT, 0));
        // Of more, the last are lost, but for those that find room as the first boxes claim theirs.
        let (taken, unknown) = pass(2 * LIMIT).await;
        assert!(taken >= LIMIT && unknown > 0 && taken + unknown == 2 * LIMIT, "{taken} {unknown}");
        assert_eq!(pass(LIMIT).await, (LIMIT, 0), "nothing of those is left");
    });
}

/// By two sides of this implementation, of which one trusts nobody.
#[test]
fn a_peer_that_may_be_anybody_may_have_many_calls_in_flight() {
    without_leak("a_peer_that_may_be_anybody_may_have_many_calls_in_flight", || async {
        let (near, far) = UnixStream::pair().unwrap();
        let _server = connection(near).unwrap().responders(taking()).untrusted_peer().spawn();
        let peer = connection(far).unwrap().spawn();
        let mut calls = JoinSet::new();
        for n in 0..300 {
            let call = peer.call_remote(Take { file: numbered(n) });
            calls.spawn(async move { assert_eq!(call.await.unwrap().number, n) });
        }
        calls.join_all().await;
    });
}

/// A task that has many calls in flight may do something else before it looks at the answers.
#[test]
fn answers_that_are_not_taken_cost_those_calls_that_bring_too_many() {
    without_leak("answers_that_are_not_taken_cost_those_calls_that_bring_too_many", || async {
        let calls = LIMIT as u64 + 50;
        let (peer, mut far) = start(limits(), Responders::new(()));
        let mut waiting: Vec<_> = (0..calls).map(|_| peer.call_remote(Open {})).collect();
        let mut cx = std::task::Context::from_waker(Waker::noop());
        for call in &mut waiting {
            assert!(Pin::new(call).poll(&mut cx).is_pending());
        }
        let mut tags = Vec::new();
        for ordinal in 0..calls {
            let asked = far.receive().await.unwrap();
            let tag = String::from_utf8(asked.get("_ask").unwrap().to_vec()).unwrap();
            let pairs = [("_answer", tag.clone()), ("file", ordinal.to_string())];
            tags.push(AmpBox::from_pairs(pairs).unwrap().to_bytes());
        }
        for answer in tags {
            far.send(&answer, 1).await;
        }
        while peer.counters().answers_received < calls {
            assert!(!peer.is_closed(), "the connection goes on");
            tokio::task::yield_now().await;
        }
        for (n, call) in waiting.into_iter().enumerate() {
            match call.await {
                Ok(Opened { file }) => assert_eq!((number(file), n < LIMIT), (n as u64, true)),
                Err(CallError::Decode(error)) if n >= LIMIT => {
                    let kind = error.kind();
                    let too_many = matches!(
                        kind,
                        DecodeErrorKind::TooManyUnclaimed { ordinal, limit: LIMIT } if *ordinal == n as u64
                    );
                    assert!(too_many, "{error}");
                }
                Err(error) => panic!("{n}: {error}"),
            }
        }
        // The connection goes on, with what comes next.
        let call = tokio::spawn(peer.call_remote(Open {}));
        let asked = far.receive().await.unwrap();
        let pairs = [("_answer", asked.get("_ask").unwrap()), ("file", b"250")];
        far.send(&AmpBox::from_pairs(pairs).unwrap().to_bytes(), 1).await;
        assert_eq!(number(call.await.unwrap().unwrap().file), calls);
    });
}

#[test]
fn calls_that_wait_in_a_lane_keep_as_many_as_may_wait() {
    without_leak("calls_that_wait_in_a_lane_keep_as_many_as_may_wait", || async {
        let leave = Arc::new(Semaphore::new(0));
        let (peer, mut far) = start(limits(), holding(&leave).one_at_a_time());
        let calls = LIMIT as u64 + 51;
        for ordinal in 0..calls {
            far.send(&call("Hold", ordinal), 1).await;
        }
        settled(&peer, calls).await;
        leave.add_permits(1000);
        // The first has claimed its own.
        assert_eq!(outcomes(&mut far, LIMIT + 51).await, (LIMIT + 1, 50));
        far.send(&call("Hold", calls), 1).await;
        assert_eq!(outcomes(&mut far, 1).await, (1, 0));
    });
}

/// The time passes in which a box has to come, while calls that came wait for this side: in a lane, or for a place.
#[test]
fn a_call_that_this_side_makes_wait_does_not_lose_its_own() {
    without_leak("a_call_that_this_side_makes_wait_does_not_lose_its_own", || async {
        let leave = Arc::new(Semaphore::new(0));
        let limits = limits().unclaimed_timeout(Duration::from_secs(5));
        let one = limits.running_responders(1).running_responders_max(1);
        for (limits, responders, begun) in
            [(limits, holding(&leave).one_at_a_time(), 3), (one, holding(&leave), 1)]
        {
            let (peer, mut far) = start(limits, responders);
            let boxes: Vec<_> = (0..3).map(|ordinal| call("Hold", ordinal)).collect();
            far.send(&boxes.concat(), 3).await;
            settled(&peer, begun).await;
            tokio::time::pause();
            tokio::time::sleep(Duration::from_secs(12)).await;
            leave.add_permits(3);
            assert_eq!(outcomes(&mut far, 3).await, (3, 0));
            tokio::time::resume();
        }
    });
}

/// What boxes have left behind that nobody here reads does not keep others out.
#[test]
fn calls_of_unknown_commands_leave_room_for_others() {
    without_leak("calls_of_unknown_commands_leave_room_for_others", || async {
        let (_peer, mut far) = start(limits(), taking());
        for ordinal in 0..2 * LIMIT as u64 {
            far.send(&call("Nobody", ordinal), 1).await;
            assert_eq!(far.receive().await.unwrap().get("_error_code"), Some(&b"UNHANDLED"[..]));
        }
        let next = far.sent;
        far.send(&call("Take", next), 1).await;
        assert_eq!(outcomes(&mut far, 1).await, (1, 0));
    });
}

/// Others hold so much that this connection loses what it has: its peer is not to blame, whatever closes it for failures.
#[test]
fn what_gives_way_to_other_connections_costs_its_call() {
    without_leak("what_gives_way_to_other_connections_costs_its_call", || async {
        let limits = Limits::default().attachments_in_all(64);
        let start = || {
            let (near, far) = UnixStream::pair().unwrap();
            let near = connection(near).unwrap().responders(taking()).limits(limits);
            (near.failure_policy(FailurePolicy::Close).spawn(), Far::new(far))
        };
        let boxes =
            |ordinals: Range<u64>| ordinals.map(|n| call("Take", n)).collect::<Vec<_>>().concat();
        let ((_peer, mut far), (_other, mut others)) = (start(), start());
        // They are there when the call that came with them is answered.
        for first in [0, 31] {
            far.send(&boxes(first..first + 1), 31).await;
            assert_eq!(outcomes(&mut far, 1).await, (1, 0));
        }
        others.send(&boxes(0..1), 21).await;
        assert_eq!(outcomes(&mut others, 1).await, (1, 0));
        // Those that came first have gone.
        far.send(&boxes(1..31), 0).await;
        assert_eq!(outcomes(&mut far, 30).await, (0, 30));
        others.send(&boxes(1..21), 0).await;
        assert_eq!(outcomes(&mut others, 20).await, (20, 0), "they had fewer");
        // The connection goes on, but not with a peer that names one twice.
        far.send(&call("Take", 62), 1).await;
        assert_eq!(outcomes(&mut far, 1).await, (1, 0));
        far.send(&call("Take", 1), 0).await;
        assert_eq!(outcomes(&mut far, 1).await, (0, 1));
        assert!(far.receive().await.is_none(), "it is closed");
    });
}
