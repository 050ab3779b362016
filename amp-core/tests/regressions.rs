//! Mistakes that were made once: one test for each.

mod support;

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use support::{Script, numbered};

/// Polls once, with nobody to be woken.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// With several calls outstanding, the driver lets other tasks run before it writes. It took that
/// moment, when nothing was being written, for the end of what there was to write.
#[tokio::test]
async fn what_is_queued_is_sent_before_the_end_while_calls_are_outstanding() {
    let (peer, mut script) = Script::start(|connection| connection);
    let mut first = pin!(peer.call_remote_string("A", numbered(1)));
    let mut second = pin!(peer.call_remote_string("A", numbered(2)));
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(second.as_mut()).is_pending());
    assert!(poll_once(pin!(peer.close())).is_pending());
    script.expect_call("A").await;
    script.expect_call("A").await;
    assert_eq!(script.receive().await, None);
}
