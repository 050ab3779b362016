use amp_core::streams::{ByteSink, ByteStream, StreamError};
use amp_core::{Command, Context, Limits, NoError, RemoteError, Responders, testing};
use bytes::Bytes;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::{nothing, pair_with, settle};

#[derive(Command)]
struct Store {
    contents: ByteStream,
}

#[derive(Command)]
struct Load {
    to: ByteSink,
}

async fn stored() -> (ByteSink, ByteStream, amp_core::Peer, amp_core::Peer) {
    let (streams, mut taken) = mpsc::unbounded_channel();
    let store = async |context: Context<mpsc::UnboundedSender<ByteStream>>, call: Store| {
        context.state().send(call.contents).expect("the test waits");
        Ok::<_, NoError>(())
    };
    let (peer, there) = testing::pair(nothing(), Responders::new(streams).respond(store));
    let (sink, contents) = ByteStream::pair();
    peer.call_remote(Store { contents }).await.unwrap();
    (sink, taken.recv().await.unwrap(), peer, there)
}

#[tokio::test(start_paused = true)]
async fn bytes_come_as_they_were_written_in_whatever_pieces() {
    let (mut sink, mut stream, _here, _there) = stored().await;
    let mut random = fastrand::Rng::with_seed(7);
    let all: Bytes = (0..3_000_000).map(|_| random.u8(..)).collect();
    let written = all.clone();
    let writes = tokio::spawn(async move {
        let mut rest = written;
        while !rest.is_empty() {
            let len = *random.choice(&[1, 100, 4095, 4096, 60_000, 200_000]).unwrap();
            let piece = rest.split_to(len.min(rest.len()));
            if random.bool() {
                sink.write_all(&piece).await?;
            } else {
                sink.write_bytes(piece).await?;
            }
        }
        sink.shutdown().await
    });
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    assert!(read == all);
    writes.await.unwrap().unwrap();
    assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_holds_back_who_writes() {
    let (mut sink, mut stream, _here, _there) = stored().await;
    let writes = tokio::spawn(async move {
        let mut written = 0;
        let stopped = sink.stopped();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return written,
                done = sink.write_all(&[1; 10_000]) => done.unwrap(),
            }
            written += 10_000;
        }
    });
    settle().await;
    stream.read_exact(&mut [0; 5]).await.unwrap();
    settle().await;
    drop(stream);
    let written = writes.await.unwrap();
    assert!((200_000..400_000).contains(&written), "{written}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_bytes_fails_as_its_sink_does() {
    let (mut sink, mut stream, _here, _there) = stored().await;
    sink.write_all(b"some").await.unwrap();
    drop(sink);
    let mut read = Vec::new();
    let error = stream.read_to_end(&mut read).await.unwrap_err();
    assert_eq!((&read[..], error.kind()), (&b"some"[..], io::ErrorKind::UnexpectedEof));
    // Reading on does not take it for the end.
    assert_eq!(stream.read(&mut [0; 10]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(stream.next_piece().await.is_err());

    let (mut sink, mut stream, _here, _there) = stored().await;
    sink.write_all(b"some").await.unwrap();
    sink.fail_with(RemoteError::new("DISK", "the disk is on fire"));
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    let error = error.downcast::<StreamError>().unwrap();
    assert!(matches!(error, StreamError::Failed(error) if error.code == "DISK"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_bytes_in_a_command() {
    let load = async |_: Context, Load { mut to }: Load| {
        to.write_all(&vec![3; 500_000]).await.expect("somebody reads");
        to.shutdown().await.expect("all is read");
        Ok::<_, NoError>(())
    };
    let (peer, _there) = testing::pair(nothing(), Responders::new(()).respond(load));
    let (to, mut stream) = ByteStream::pair();
    let call = tokio::spawn(peer.call_remote(Load { to }));
    let mut read = 0;
    while let Some(piece) = stream.next_piece().await.unwrap() {
        assert!(piece.iter().all(|byte| *byte == 3));
        read += piece.len();
    }
    assert_eq!(read, 500_000);
    call.await.unwrap().unwrap();
}

/// However little the receiver lets come.
#[tokio::test(start_paused = true)]
async fn bytes_come_through_windows_of_any_size() {
    for window in [3, 4, 63, 64, 255, 256, 257, 4095, 4096, 4224, 16_895, 16_896, 300_000] {
        // A few windows, and more than a piece may have.
        let len = if window < 255 { 700 } else { 70_000 };
        let load = move |_: Context, Load { mut to }: Load| async move {
            to.write_all(&[3; 300]).await.expect("somebody reads");
            to.write_bytes(vec![3; len].into()).await.expect("somebody reads");
            to.shutdown().await.expect("all is read");
            Ok::<_, NoError>(())
        };
        let limits = Limits::default().stream_bytes(window);
        let (peer, _there) = pair_with(limits, nothing(), Responders::new(()).respond(load));
        let (to, mut stream) = ByteStream::pair();
        let call = tokio::spawn(peer.call_remote(Load { to }));
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert!(read.len() == 300 + len && read.iter().all(|byte| *byte == 3), "{window}");
        call.await.unwrap().unwrap();
    }
}
