//! How many writes a connection needs: each is a system call.

mod support;

use amp_core::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::double::Double;
use support::{echoing, numbered};

/// Makes so many rounds of so many calls at once; how many writes the callers' side and the
/// answering side needed.
async fn writes(rounds: usize, at_once: usize) -> (usize, usize) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let counters = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let counting = |stream, side: usize| {
        let double = Double::over(stream).counts_sends(&counters[side]);
        Connection::with_transport(double)
    };
    let peer = counting(near, 0).spawn();
    let _far = counting(far, 1).responders(echoing()).spawn();
    for _ in 0..rounds {
        let calls: Vec<_> = (0..at_once)
            .map(|n| {
                let peer = peer.clone();
                tokio::spawn(async move { peer.call_by_name("Echo", numbered(n)).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    }
    (counters[0].load(Ordering::Relaxed), counters[1].load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_lone_call_is_one_write_on_each_side() {
    assert_eq!(writes(10, 1).await, (10, 10));
}

/// By a clock that stands still: a driver that has been at work for long lets others have their turn, and
/// writes what it has by then.
#[tokio::test(start_paused = true)]
async fn calls_made_at_once_share_a_write() {
    let (asking, answering) = writes(10, 1000).await;
    assert!(asking <= 20, "{asking} writes for 10 times 1000 calls");
    assert!(answering <= 20, "{answering} writes for 10 times 1000 answers");
}
