//! What several test programs need; each of them uses a part.
#![allow(dead_code, reason = "every test program compiles this file for itself")]

pub(crate) mod blocking_double;
pub(crate) mod double;
pub(crate) mod scripted;
pub(crate) mod subscribing;

use amp_core::ReceivedCall;
use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::{AmpBox, Connection, Peer, RemoteError, Responders};
use bytes::BytesMut;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Semaphore;

/// Answers with the arguments.
pub(crate) async fn echo(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    Ok(call.arguments)
}

pub(crate) fn echoing() -> Responders {
    Responders::new(()).respond_by_name("Echo", echo)
}

/// A responder that waits until the gate gives it a permit, and then echoes.
pub(crate) fn gated(
    gate: Arc<Semaphore>,
) -> impl Fn(ReceivedCall) -> std::pin::Pin<Box<dyn Future<Output = Result<AmpBox, RemoteError>> + Send>>
+ Send
+ Sync {
    move |call| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.expect("the gate stays open").forget();
            Ok(call.arguments)
        })
    }
}

/// One pair of arguments.
pub(crate) fn numbered(n: usize) -> [(&'static str, String); 1] {
    [("n", n.to_string())]
}

/// The other end of a connection, which speaks bytes.
pub(crate) struct Script {
    stream: DuplexStream,
    buffer: BytesMut,
    decoder: Decoder,
}

impl Script {
    /// A connection as `prepare` says, and the script at its other end.
    pub(crate) fn start(prepare: impl FnOnce(Connection) -> Connection) -> (Peer, Self) {
        Self::with_room(1 << 20, prepare)
    }

    /// With room for so many bytes between the two.
    pub(crate) fn with_room(
        room: usize,
        prepare: impl FnOnce(Connection) -> Connection,
    ) -> (Peer, Self) {
        let (near, stream) = tokio::io::duplex(room);
        (prepare(Connection::new(near)).spawn(), Self::of(stream))
    }

    /// The other end of a stream on which there is a connection already.
    pub(crate) fn of(stream: DuplexStream) -> Self {
        let decoder = Decoder::new(BoxLimits::default());
        Self { stream, buffer: BytesMut::new(), decoder }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection reads");
    }

    pub(crate) async fn send_box<const N: usize>(&mut self, pairs: [(&str, &str); N]) {
        let ampbox = AmpBox::from_pairs(pairs).expect("a box");
        self.send(&ampbox.to_bytes()).await;
    }

    /// The next box, or `None` at the end of the stream.
    pub(crate) async fn receive(&mut self) -> Option<AmpBox> {
        loop {
            if let Some(ampbox) = self.decoder.decode(&mut self.buffer).expect("a box") {
                return Some(ampbox);
            }
            let received = self.stream.read_buf(&mut self.buffer).await.expect("the stream works");
            if received == 0 {
                assert!(self.buffer.is_empty(), "the stream ends within a box");
                return None;
            }
        }
    }

    /// Receives a box and checks all of it.
    pub(crate) async fn expect<const N: usize>(&mut self, pairs: [(&str, &str); N]) {
        let expected = AmpBox::from_pairs(pairs).expect("a box");
        assert_eq!(self.receive().await, Some(expected));
    }

    /// Receives the failure of a call that its command does not declare, and checks that it has
    /// a reference.
    pub(crate) async fn expect_unknown(&mut self, tag: &str) -> String {
        let ampbox = self.receive().await.expect("a failure");
        assert_eq!(ampbox.get("_error"), Some(tag.as_bytes()));
        assert_eq!(ampbox.get("_error_code"), Some(&b"UNKNOWN"[..]));
        let description = ampbox.get("_error_description").expect("a description").to_vec();
        let description = String::from_utf8(description).expect("text");
        let reference = description.strip_prefix("Unknown Error (reference ");
        let reference = reference.and_then(|rest| rest.strip_suffix(")"));
        assert!(reference.is_some_and(|reference| reference.len() == 8), "{description}");
        description
    }

    /// Receives a call and gives its tag.
    pub(crate) async fn expect_call(&mut self, command: &str) -> String {
        let ampbox = self.receive().await.expect("a call");
        assert_eq!(ampbox.get("_command"), Some(command.as_bytes()));
        String::from_utf8(ampbox.get("_ask").expect("a tag").to_vec()).expect("our tags are text")
    }

    /// Receives so many bytes, which are not boxes.
    pub(crate) async fn receive_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let received = self.stream.read_buf(&mut self.buffer).await.expect("the stream works");
            assert_ne!(received, 0, "the stream ends after {:?}", self.buffer);
        }
        self.buffer.split_to(count).to_vec()
    }

    /// Sends nothing more.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("the stream works");
    }
}

/// Waits until every other task of this runtime waits for something that does not come by itself: the
/// clock is paused, and goes on, by a millisecond, only when nobody has anything left to do.
///
/// # Panics
///
/// When the clock is not paused.
pub(crate) async fn settled() {
    tokio::time::advance(Duration::ZERO).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Three of these calls are read, and what they take is as much as there may be. Once one of them is answered there
/// is room for the next, and they are answered when `gate` lets them.
pub(crate) async fn three_are_read_at_once(
    call: &[u8],
    gate: &Semaphore,
    peer: &Peer,
    script: &mut Script,
) {
    for _ in 0..3 {
        script.send(call).await;
    }
    tokio::select! {
        biased;
        () = script.send(call) => panic!("the connection read on"),
        () = settled() => {}
    }
    assert_eq!(peer.counters().calls_received, 3);
    gate.add_permits(1);
    assert!(script.receive().await.is_some());
    settled().await;
    // What the first one took is free again: it has read on, and stands within the next call.
    gate.add_permits(2);
    assert!(script.receive().await.is_some() && script.receive().await.is_some());
}

/// Lets others run for a while, at the same moment of a paused clock: for tests of exact times.
pub(crate) async fn turns_taken() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
