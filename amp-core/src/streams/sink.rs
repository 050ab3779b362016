use bytes::BytesMut;
use futures_sink::Sink;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::{SinkError, StreamError};
use super::guard::{Guard, Kept};
use super::hub::Hub;
use super::receive::Receive;
use super::receiving::Receiving;
use super::sending::Sending;
use super::wire::{self, End, ITEM, NO_CONNECTION, OVERHEAD, Window, received};
use crate::argument::{
    Argument, Attachment, AttachmentKind, Attachments, DecodeError, DecodeErrorKind, EncodeError,
    EncodeErrorKind, Proto,
};
use crate::boxes::{BoxWriter, MAX_VALUE, Value, ValueWriter};
use crate::command::CommandError;
use crate::connection::Peer;
use crate::proto::RemoteError;
use crate::schema::{WireType, WireTypes};

/// The end of a stream that sends items. It is an argument, and a [`Sink`] for the items.
///
/// One end of a [pair](super::StreamOf::pair) stays here, and the other goes to the peer as an
/// argument: see [`streams`](super).
///
/// Close a sink with [`close`](SinkOf::close), which waits until everything was taken. If it is
/// dropped or failed instead, the stream ends with an error after the items that the sink has
/// accepted.
///
/// The sink accepts no items until the peer has the other end, nor while as much is on its way as the
/// peer allows. Once the peer has the other end, the sink keeps its connection open, as a [`Peer`]
/// does. So do items and an end that a dropped sink has left behind, until the receiver has taken
/// them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use amp_core::streams::{SinkOf, StreamOf};
/// use amp_core::{Command, Context, NoError, Responders, testing};
///
/// #[derive(Command)]
/// struct Count {
///     to: u32,
///     numbers: SinkOf<u32>,
/// }
///
/// let count = async |_: Context, Count { to, mut numbers }: Count| {
///     for n in 1..=to {
///         // The receiver has dropped the stream, and wants no more.
///         if numbers.send(n).await.is_err() {
///             break;
///         }
///     }
///     let _ = numbers.close().await;
///     Ok::<_, NoError>(())
/// };
/// let (peer, _there) =
///     testing::pair(Responders::new(()), Responders::new(()).respond(count));
///
/// let (numbers, mut received) = StreamOf::pair();
/// let call = tokio::spawn(peer.call_remote(Count { to: 1000, numbers }));
/// let mut sum = 0;
/// while let Some(n) = received.next().await {
///     sum += n?;
/// }
/// call.await??;
/// assert_eq!(sum, 500_500);
/// # Ok(()) }
/// ```
#[doc(alias("back-pressure", "events", "push", "publish", "Sender"))]
#[must_use = "a sink that is dropped leaves its stream without an end"]
pub struct SinkOf<T> {
    sending: Arc<Sending>,
    /// The other end, where both were made here.
    other: Option<Arc<Receiving<T>>>,
    /// From when the other end is known to be with the peer, and how much that takes at once.
    peer: Option<Peer>,
    window: Window,
    /// The connection that it came from, and its number there, until that is known.
    held: Option<(Peer, u64)>,
    scratch: BytesMut,
}

impl<T> SinkOf<T> {
    pub(super) fn new(sending: Arc<Sending>, other: Option<Arc<Receiving<T>>>) -> Self {
        let window = Window::NOTHING;
        Self { sending, other, peer: None, window, held: None, scratch: BytesMut::new() }
    }

    /// Resolves to the reason when nothing more can be sent, because the receiver has dropped the
    /// stream or the connection has ended. A long job can use this to notice that nobody wants its
    /// results.
    ///
    /// ```
    /// # use amp_core::streams::SinkOf;
    /// # async fn work(_: &SinkOf<u32>) {}
    /// # async fn f(progress: SinkOf<u32>) {
    /// tokio::select! {
    ///     () = work(&progress) => {}
    ///     reason = progress.stopped() => println!("given up: {reason}"),
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[doc(alias("cancel", "closed", "cancelled"))]
    pub fn stopped(&self) -> impl Future<Output = SinkError> + Send + 'static + use<T> {
        let sending = Arc::clone(&self.sending);
        async move { sending.over().await }
    }

    /// Returns whether nothing more can be sent.
    pub fn is_stopped(&self) -> bool {
        self.sending.error().is_some()
    }

    /// Ends the stream, and waits until the receiver has taken all items and the end.
    ///
    /// # Errors
    ///
    /// When the receiver drops the stream first, or the connection ends. Some items may then not have
    /// been taken.
    ///
    /// # Cancel safety
    ///
    /// Once the future has been polled, the stream ends even if the future is dropped.
    pub async fn close(self) -> Result<(), SinkError> {
        self.sending.end(End::Closed);
        poll_fn(|cx| self.sending.poll_done(cx)).await
    }

    /// Fails the stream with an error that both sides know, after the items that were sent. The
    /// receiver gets it from [`StreamError::declared`](StreamError::declared).
    pub fn fail(self, error: &impl CommandError) {
        self.fail_with(RemoteError::new(error.code().to_owned(), error.describe()));
    }

    /// Fails the stream with this code and description, after the items that were sent. At most 1000
    /// bytes of the code and 10 000 bytes of the description are sent, and of each at most a quarter of
    /// [`BoxLimits::max_bytes`](field@crate::boxes::BoxLimits::max_bytes). A code that was cut is a different
    /// code.
    pub fn fail_with(self, error: RemoteError) {
        self.sending.end(End::Failed(error));
    }

    pub(super) fn poll_room(&mut self, cx: &Context<'_>) -> Poll<Result<(), SinkError>> {
        ready!(self.sending.poll_ready(cx))?;
        if self.peer.is_none()
            && let Some((peer, window)) = self.sending.opened()
        {
            (self.peer, self.window, self.held) = (Some(peer), window, None);
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_sent(&self, cx: &Context<'_>) -> Poll<Result<(), SinkError>> {
        self.sending.poll_sent(cx)
    }

    pub(super) fn poll_closed(&self, cx: &Context<'_>) -> Poll<Result<(), SinkError>> {
        self.sending.end(End::Closed);
        self.sending.poll_done(cx)
    }

    /// The connection is kept open from here on.
    fn hold(&mut self, peer: Peer, number: u64) {
        self.held = Some((peer, number));
    }

    /// How many bytes may be on their way.
    pub(super) fn window_bytes(&self) -> usize {
        self.window.bytes
    }

    /// Takes an item of so many bytes that has a box of its own.
    pub(super) fn put_alone(
        &self,
        bytes: usize,
        attachments: usize,
        write: wire::WriteItem,
    ) -> Result<(), SinkError> {
        let limit = self.window.bytes;
        let len = bytes + OVERHEAD;
        if len > limit {
            return Err(SinkError::TooLarge { len, limit });
        }
        self.sending.push_alone(Window { items: 1, bytes: len, attachments }, write)
    }

    pub(super) fn put_shared(&self, item: &[u8]) -> Result<(), SinkError> {
        let (len, limit) = (item.len(), self.window.bytes);
        if len > limit {
            return Err(SinkError::TooLarge { len, limit });
        }
        self.sending.push_shared(item)
    }
}

impl<T: Argument + Send + 'static> SinkOf<T> {
    /// Sends an item. Resolves when the sink has accepted it, behind the items before it. This waits
    /// until the peer has the other end, so the code that sends that end must not wait for this. It
    /// also waits while as much is on its way as the peer allows. Items that are sent one after the
    /// other without a pause share boxes.
    ///
    /// # Errors
    ///
    /// When the item cannot be encoded, in which case the sink can send others, or when nothing more
    /// can be sent.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the item is either sent or dropped as a whole.
    pub async fn send(&mut self, item: T) -> Result<(), SinkError> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.put(item)
    }

    fn put(&mut self, item: T) -> Result<(), SinkError> {
        let Some(peer) = &self.peer else {
            return Err(self.sending.error().unwrap_or(SinkError::NotTaken));
        };
        let shared = peer.shared();
        let kind = shared.sent_attachment_kind();
        let mut measuring = Measuring { kind, attachments: 0, asked: Cell::new(false) };
        self.scratch.clear();
        let mut proto = Proto::new(&mut measuring, &shared.address, &shared.extensions);
        let too_long = |len| EncodeErrorKind::ElementTooLong { index: 0, len }.into();
        let written = ValueWriter::new(&mut self.scratch)
            .put_prefixed(|out| proto.nested(|proto| item.to_string_proto(proto, out)), too_long);
        if written.is_ok() && !measuring.asked.get() && self.scratch.len() <= MAX_VALUE {
            return self.put_shared(&self.scratch);
        }
        // What does not fit into a list may fit into a box.
        self.scratch.clear();
        measuring.attachments = 0;
        let mut writer = BoxWriter::new(&mut self.scratch);
        let mut proto = Proto::new(&mut measuring, &shared.address, &shared.extensions);
        let written = item
            .to_box(ITEM, &mut writer, &mut proto)
            .and_then(|()| writer.finish().map_err(EncodeError::from));
        let limit = self.window.bytes;
        let bytes = match written {
            Ok(()) => self.scratch.len(),
            // It needs the connection itself. So it is written when nothing else is on its way.
            Err(_) if measuring.asked.get() => limit.saturating_sub(OVERHEAD),
            Err(error) => return Err(SinkError::Encode(Arc::new(error))),
        };
        let write = move |out: &mut BoxWriter<'_>, proto: &mut Proto<'_>| {
            item.to_box(ITEM, out, proto)?;
            let len = out.len() + OVERHEAD;
            if len > limit {
                return Err(EncodeError::custom(SinkError::TooLarge { len, limit }));
            }
            Ok(())
        };
        self.put_alone(bytes, measuring.attachments, Box::new(write))
    }
}

/// Takes attachments that are only measured, and notes whether a value needs its connection: then it
/// is written when its box is sent.
struct Measuring {
    kind: Option<AttachmentKind>,
    /// How many a value has.
    attachments: usize,
    asked: Cell<bool>,
}

impl Attachments for Measuring {
    fn kind(&self) -> Option<AttachmentKind> {
        self.kind
    }

    fn attach(&mut self, _: Attachment) -> Result<u64, EncodeError> {
        self.asked.set(true);
        self.attachments += 1;
        // None takes more digits.
        Ok(u64::MAX)
    }

    fn claim(&mut self, _: u64) -> Result<Attachment, DecodeError> {
        Err(DecodeErrorKind::NotCarried { what: "an attachment" }.into())
    }

    fn connection(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.asked.set(true);
        None
    }
}

impl<T: Argument + Send + 'static> Sink<T> for SinkOf<T> {
    type Error = SinkError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), SinkError> {
        self.put(item)
    }

    /// Waits until all items are on their way.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll_sent(cx)
    }

    /// Waits until all items are taken, and the end.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll_closed(cx)
    }
}

impl<T> Drop for SinkOf<T> {
    fn drop(&mut self) {
        match &self.other {
            // This end was sent.
            Some(other) if other.other_goes() => return self.sending.fail(SinkError::Ended),
            Some(other) if !self.sending.is_bound() => other.fail(StreamError::NotSent),
            _ => {}
        }
        let had_end = self.sending.has_end();
        // It is told also when the other end is sent later.
        self.sending.end(End::Dropped);
        if let (None, Some((peer, number))) = (&self.other, &self.held) {
            let (hub, shared) = (Hub::of(peer), peer.shared());
            if had_end {
                let within = hub.limits().unclaimed_timeout;
                let kept = Kept::Sending(Arc::clone(&self.sending));
                kept.expire(&shared.runtime, within, hub, *number, Some(peer.clone()));
            } else if self.sending.is_awaited() {
                hub.forget_sending(*number, &self.sending);
                self.sending.fail(SinkError::Ended);
            }
        }
    }
}

/// On the wire this is an Integer, the number of the stream. It is odd, since the receiver of the items
/// has chosen it.
impl<T: Argument + Send + 'static> Argument for SinkOf<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let what = NO_CONNECTION;
        let peer = Peer::of(proto).ok_or(EncodeErrorKind::NoForm { what })?;
        let other = self.other.as_ref().ok_or_else(received)?;
        if self.sending.is_bound() {
            return Err(EncodeError::custom("the other end of the stream was sent"));
        }
        let hub = Hub::of(&peer);
        let number =
            hub.receive(Arc::clone(other) as Arc<dyn Receive>).map_err(EncodeError::custom)?;
        if !other.bind(&hub, number) {
            hub.forget_receiving(number, Arc::as_ptr(other));
            return Err(EncodeError::custom("the stream was sent before"));
        }
        let kept = Kept::Receiving(Arc::clone(other) as Arc<dyn Receive>);
        proto.carry(Box::new(Guard::new(kept, hub, number, &peer)));
        number.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let expected = "the number of a stream that the peer receives";
        let (number, peer) = wire::named_by_peer(value, proto, 1, expected)?;
        let sending = Arc::new(Sending::new());
        sending.bind(&peer);
        let hub = Hub::of(&peer);
        hub.take_sink(number, Arc::clone(&sending)).map_err(DecodeError::custom)?;
        if let Some(reason) = peer.shared().over() {
            hub.forget_sending(number, &sending);
            sending.fail(SinkError::Closed(reason));
        }
        wire::tell(&peer, wire::TAKEN, number, None);
        let mut sink = Self::new(sending, None);
        sink.hold(peer, number);
        Ok(sink)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.of::<T>().in_form("SinkOf")
    }
}

impl<T> fmt::Debug for SinkOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkOf").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
