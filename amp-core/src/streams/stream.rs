use futures_core::{FusedStream, Stream};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::{SinkError, StreamError};
use super::guard::{Guard, Kept};
use super::hub::Hub;
use super::receive::Receive;
use super::receiving::{Parcel, Receiving};
use super::sending::Sending;
use super::sink::SinkOf;
use super::wire::{NO_CONNECTION, named_by_peer, received};
use crate::argument::{Argument, DecodeError, EncodeError, EncodeErrorKind, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::connection::Peer;
use crate::schema::{WireType, WireTypes};

/// The end of a stream that receives items. It is an argument, and a [`Stream`] of the items.
///
/// One end of a [pair](StreamOf::pair) stays here, and the other goes to the peer as an argument: see
/// [`streams`](super).
///
/// The stream ends with `None` when the sink was closed. Every other end is an error. Nothing follows
/// an error, except after [`StreamError::Item`]. Items that arrived before the end, or before the
/// connection ended, are received first.
///
/// Dropping the stream stops the sink: its next item fails, and [`SinkOf::stopped`] resolves. Until
/// then the stream keeps its connection open, as a [`Peer`] does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use amp_core::streams::StreamOf;
/// use amp_core::{Arguments, Command, Context, NoError, Responders, testing};
///
/// #[derive(Command)]
/// #[amp(response = Watching)]
/// struct Watch {}
///
/// #[derive(Arguments)]
/// struct Watching {
///     events: StreamOf<String>,
/// }
///
/// let watch = async |_: Context, _: Watch| {
///     let (mut sink, events) = StreamOf::pair();
///     tokio::spawn(async move {
///         for event in ["opened", "changed"] {
///             sink.send(event.to_owned()).await?;
///         }
///         sink.close().await
///     });
///     Ok::<_, NoError>(Watching { events })
/// };
/// let (peer, _there) =
///     testing::pair(Responders::new(()), Responders::new(()).respond(watch));
///
/// let Watching { mut events } = peer.call_remote(Watch {}).await?;
/// assert_eq!(events.next().await.transpose()?.as_deref(), Some("opened"));
/// assert_eq!(events.next().await.transpose()?.as_deref(), Some("changed"));
/// assert!(events.next().await.is_none());
/// # Ok(()) }
/// ```
#[doc(alias("back-pressure", "events", "Receiver", "subscribe", "subscription"))]
#[must_use = "a stream that is dropped stops its sink"]
pub struct StreamOf<T> {
    receiving: Arc<Receiving<T>>,
    /// The other end, where both were made here.
    other: Option<Arc<Sending>>,
    /// The items that are being taken.
    parcel: Option<Parcel<T>>,
    over: bool,
}

impl<T> StreamOf<T> {
    /// Creates a stream: a sink that items go into, and a stream that they come out of. Send one of the
    /// two to the peer, as an argument of a call or in an answer. Items always flow from the sink to
    /// the stream.
    ///
    /// If one end is dropped before either was sent, the other fails with [`SinkError::NotSent`] or
    /// [`StreamError::NotSent`].
    #[doc(alias("channel", "new"))]
    pub fn pair() -> (SinkOf<T>, Self) {
        let (sending, receiving) = (Arc::new(Sending::new()), Arc::new(Receiving::new()));
        let sink = SinkOf::new(Arc::clone(&sending), Some(Arc::clone(&receiving)));
        (sink, Self { receiving, other: Some(sending), parcel: None, over: false })
    }

    /// Takes nothing more.
    pub(super) fn stop(&mut self) {
        self.over = true;
        self.receiving.stop();
        if let Some(parcel) = self.parcel.take() {
            parcel.refuse();
        }
    }
}

impl<T: Argument> StreamOf<T> {
    /// Receives the next item. Returns `None` when the stream has ended because its sink was closed.
    ///
    /// # Errors
    ///
    /// See [`StreamError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[allow(clippy::should_implement_trait, reason = "it is what streams have it called")]
    pub async fn next(&mut self) -> Option<Result<T, StreamError>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    fn poll_item(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, StreamError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            if let Some(parcel) = &mut self.parcel {
                let item = parcel.next();
                if parcel.is_taken()
                    && let Some(parcel) = self.parcel.take()
                {
                    // The sender may go on.
                    self.receiving.taken(parcel);
                }
                if let Some(item) = item {
                    return Poll::Ready(Some(item.map_err(StreamError::Item)));
                }
            }
            match ready!(self.receiving.poll_parcel(cx)) {
                Some(Ok(parcel)) => self.parcel = Some(parcel),
                ended => {
                    self.over = true;
                    return Poll::Ready(ended.and_then(Result::err).map(Err));
                }
            }
        }
    }
}

// Items are never pinned: they are taken out.
impl<T> Unpin for StreamOf<T> {}

impl<T: Argument> Stream for StreamOf<T> {
    type Item = Result<T, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

impl<T: Argument> FusedStream for StreamOf<T> {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<T> Drop for StreamOf<T> {
    fn drop(&mut self) {
        match &self.other {
            // This end was sent.
            Some(other) if other.other_goes() => return,
            Some(other) if !self.receiving.is_bound() => other.fail(SinkError::NotSent),
            _ => {}
        }
        self.stop();
    }
}

/// On the wire this is an Integer, the number of the stream. It is even, since the sender of the items
/// has chosen it.
impl<T: Argument + Send + 'static> Argument for StreamOf<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let what = NO_CONNECTION;
        let peer = Peer::of(proto).ok_or(EncodeErrorKind::NoForm { what })?;
        let other = self.other.as_ref().ok_or_else(received)?;
        if self.receiving.is_bound() {
            return Err(EncodeError::custom("the other end of the stream was sent"));
        }
        if !other.bind(&peer) {
            return Err(EncodeError::custom("the stream was sent before"));
        }
        let hub = Hub::of(&peer);
        let number = hub.send(Arc::clone(other)).map_err(|error| {
            other.unbind();
            EncodeError::custom(error)
        })?;
        let kept = Kept::Sending(Arc::clone(other));
        proto.carry(Box::new(Guard::new(kept, hub, number, &peer)));
        number.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let expected = "the number of a stream that the peer sends";
        let (number, peer) = named_by_peer(value, proto, 0, expected)?;
        let receiving = Arc::new(Receiving::new());
        let hub = Hub::of(&peer);
        hub.take_stream(number, Arc::clone(&receiving) as Arc<dyn Receive>)
            .map_err(DecodeError::custom)?;
        receiving.open(&hub, number, &peer);
        Ok(Self { receiving, other: None, parcel: None, over: false })
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.of::<T>().in_form("StreamOf")
    }
}

impl<T> fmt::Debug for StreamOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamOf").field("over", &self.over).finish_non_exhaustive()
    }
}
