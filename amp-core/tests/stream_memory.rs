//! What streams keep in memory, counted by the system: a test alone in its process.

#![cfg(target_os = "linux")]

use amp_core::streams::StreamOf;
use amp_core::{AmpBox, Command, Connection, Context, Limits, NoError, Responders};
use bytes::Bytes;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{self, UnboundedSender};

#[derive(Command)]
struct Upload {
    items: StreamOf<Bytes>,
}

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// What finds the pairs of a box is no part of what is kept of it.
#[tokio::test(start_paused = true)]
async fn items_of_many_pairs_keep_no_more_than_their_bytes() {
    // An index takes more than the bytes of such a box.
    const STREAMS: usize = 2;
    const CALLS: usize = 60;
    let (streams, mut received) = mpsc::unbounded_channel();
    let upload = async |context: Context<UnboundedSender<StreamOf<Bytes>>>,
                        Upload { items }: Upload| {
        context.state().send(items).expect("the test waits");
        Ok::<_, NoError>(())
    };
    let responders = Responders::new(streams).respond(upload);
    let limits = Limits::default().stream_bytes(64 << 20);
    let (near, mut far) = tokio::io::duplex(64 << 10);
    let _ours = Connection::new(near).limits(limits).responders(responders).spawn();
    let mut taken = Vec::new();
    let mut calls = Vec::new();
    for number in 0..STREAMS {
        let number = (2 * number).to_string();
        let upload = [("_command", "Upload"), ("_ask", "1"), ("items", &*number)];
        far.write_all(&AmpBox::from_pairs(upload).unwrap().to_bytes()).await.unwrap();
        taken.push(received.recv().await.unwrap());
        let mut call = AmpBox::new();
        for (key, value) in [("_command", "_StreamItems"), ("stream", &*number), ("item", "x")] {
            call.insert(key, value).unwrap();
        }
        for n in 0..16_000 {
            call.insert(format!("{n:03x}"), "").unwrap();
        }
        calls.push(call.to_bytes());
    }
    let before = resident();
    for call in &calls {
        for _ in 0..CALLS {
            far.write_all(call).await.unwrap();
        }
    }
    // The time is that of the test: it passes once all was read.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = resident().saturating_sub(before);
    let bytes = CALLS * calls.iter().map(Bytes::len).sum::<usize>();
    assert!(held < bytes + bytes / 2, "{held} are held of {bytes}");
    for mut stream in taken {
        for _ in 0..CALLS {
            assert_eq!(stream.next().await.unwrap().unwrap(), "x");
        }
    }
}
