//! A connection whose driver is polled by hand, and the other side of its stream.

#[cfg(not(feature = "shuttle"))]
pub use loom::{future::block_on, thread};
#[cfg(feature = "shuttle")]
pub use shuttle::{future::block_on, thread};

use amp_core::argument::{Attachment, AttachmentKind};
use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::modelled::start;
use amp_core::{
    AmpBox, CallError, CloseReason, Connection, Limits, Peer, RefusedAttachment, Transport,
};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Runtime;

/// Has the timers of connections. Nobody drives it, so no time passes.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());

/// The other side, which answers each call as soon as that is sent, and closes when this side does.
/// Nothing of the checker's is used while it is locked.
#[derive(Default)]
pub struct Far {
    state: Mutex<FarState>,
}

#[derive(Default)]
struct FarState {
    received: BytesMut,
    /// How many boxes came whole, that wanted an answer or none.
    calls: usize,
    notes: usize,
    sends: BytesMut,
    closed: bool,
    reader: Option<Waker>,
}

struct Near {
    far: Arc<Far>,
    lends: bool,
}

impl Far {
    /// Changes what there is, and wakes who reads if that is another now.
    fn change(&self, change: impl FnOnce(&mut FarState)) {
        let reader = {
            let mut state = self.state.lock().unwrap();
            change(&mut state);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        assert!(state.received.is_empty(), "a box is cut off");
        (state.calls, state.notes)
    }
}

impl FarState {
    fn answer(&mut self) {
        let mut decoder = Decoder::new(BoxLimits::default());
        while let Some(ampbox) = decoder.decode(&mut self.received).unwrap() {
            match ampbox.get("_ask") {
                Some(tag) => {
                    let echo = ampbox.get("a").unwrap_or_default();
                    let answer = [(&b"_answer"[..], tag), (b"a", echo)];
                    let answer = AmpBox::from_pairs(answer).unwrap();
                    self.sends.extend_from_slice(&answer.to_bytes());
                    self.calls += 1;
                }
                None => self.notes += 1,
            }
        }
    }
}

impl Transport for Near {
    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        _: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        let (received, _stale) = {
            let mut state = self.far.state.lock().unwrap();
            match state.sends.len() {
                0 if state.closed => (Poll::Ready(Ok(0)), None),
                0 => (Poll::Pending, state.reader.replace(waker)),
                len => {
                    buffer.extend_from_slice(&state.sends.split());
                    (Poll::Ready(Ok(len)), None)
                }
            }
        };
        received
    }

    fn poll_send(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        if !attachments.is_empty() {
            let error = RefusedAttachment::all(io::Error::other("not this one"));
            return Poll::Ready(Err(error.into()));
        }
        let count = bytes.iter().map(|slice| slice.len()).sum();
        self.far.change(|state| {
            for slice in bytes {
                state.received.extend_from_slice(slice);
            }
            state.answer();
        });
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.far.change(|state| state.closed = true);
        Poll::Ready(Ok(()))
    }

    fn sends_on_any_task(&self) -> bool {
        self.lends
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        Some(kind())
    }
}

pub fn kind() -> AttachmentKind {
    AttachmentKind::of::<u8>("a byte")
}

pub type Driver = Pin<Box<dyn Future<Output = CloseReason> + Send>>;

/// A connection, whose driver may leave its stream to callers.
pub fn sides(lends: bool, limits: Limits) -> (Peer, Driver, Arc<Far>) {
    let far = Arc::<Far>::default();
    let near = Near { far: Arc::clone(&far), lends };
    let (peer, driver) = start(Connection::with_transport(near).limits(limits));
    (peer, Box::pin(driver), far)
}

/// Calls with a number, which the answer has too.
pub async fn call(peer: &Peer, n: usize) -> Result<(), CallError> {
    let n = n.to_string();
    let answer = peer.call_by_name("A", [("a", &n)]).await?;
    assert_eq!(answer.get("a"), Some(n.as_bytes()), "it is the answer to another call");
    Ok(())
}

pub async fn note(peer: &Peer) -> Result<(), CallError> {
    peer.notify_by_name("A", [("a", "b")]).await
}

/// As [`note`], with what the other side's transport refuses.
pub async fn note_with_attachment(peer: &Peer) -> Result<(), CallError> {
    peer.notify_by_name_with("A", |out, proto| {
        let ordinal = proto.attach(kind(), Arc::new(7_u8))?;
        Ok(out.put(b"a", ordinal.to_string().as_bytes())?)
    })
    .await
}

/// Polls once, for nobody.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
