//! What calls that wait keep in memory, counted by the system: a test alone in its process.

#![cfg(target_os = "linux")]

use amp_core::{AmpBox, Connection, ReceivedCall, RemoteError, Responders};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tower::limit::ConcurrencyLimitLayer;

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

async fn wait(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    std::future::pending::<()>().await;
    Ok(call.arguments)
}

/// Each small call is a part of a buffer of its own, since the answers behind it are to nothing.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_keep_no_more_than_a_few_times_their_bytes() {
    const CALLS: usize = 1000;
    let by_name = || Responders::new(()).respond_by_name("Wait", wait);
    let mut peers = Vec::new();
    for responders in [by_name(), by_name().layer(ConcurrencyLimitLayer::new(1))] {
        let (near, mut far) = tokio::io::duplex(64 << 10);
        let peer = Connection::new(near).responders(responders).spawn();
        let before = resident();
        for n in 0..CALLS {
            let tag = n.to_string();
            let mut call = AmpBox::from_pairs([("_command", "Wait"), ("_ask", &*tag)]).unwrap();
            call.insert("a", "x".repeat(40)).unwrap();
            far.write_all(&call.to_bytes()).await.unwrap();
            let junk = AmpBox::from_pairs([("_answer", "zzzz"), ("junk", &*"j".repeat(15_000))]);
            far.write_all(&junk.unwrap().to_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let held = resident().saturating_sub(before);
        assert!(held < CALLS * 4096, "{held} are held of {CALLS} calls");
        peers.push((peer, far));
    }
}
