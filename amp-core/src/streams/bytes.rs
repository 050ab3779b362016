//! Streams of bytes: streams of pieces that are not told from each other.

use bytes::{Buf, Bytes, BytesMut};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::error::SinkError;
use super::sink::SinkOf;
use super::stream::StreamOf;
use super::wire::{ITEM, OVERHEAD};
use crate::argument::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{BoxWriter, MAX_VALUE, Value, ValueWriter};
use crate::command::CommandError;
use crate::proto::RemoteError;
use crate::schema::{WireType, WireTypes};

/// Pieces of so many bytes are sent in boxes of their own, without being copied into one.
const ALONE: usize = 4096;

/// Pieces are not made shorter than this.
const SHORT: usize = 64;

/// The end of a stream of bytes that is read from. It is an argument, and an [`AsyncRead`].
///
/// It is a [`StreamOf`] of pieces of bytes, and everything in that documentation applies: one end of a
/// [pair](ByteStream::pair) goes to the peer, and a reader that does not read holds up the writer.
/// The end of the bytes is the end of the stream. Nothing follows an error, even if only one piece
/// could not be read: reading again returns the same error. A stream whose sink was dropped fails
/// with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). The error inside the [`io::Error`] is the
/// [`StreamError`](super::StreamError).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use amp_core::streams::ByteStream;
/// use amp_core::{Arguments, Command, Context, Failure, NoError, Responders, testing};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// #[derive(Command)]
/// #[amp(response = Stored)]
/// struct Store {
///     contents: ByteStream,
/// }
///
/// #[derive(Arguments)]
/// struct Stored {
///     len: usize,
/// }
///
/// let store = async |_: Context, Store { mut contents }: Store| {
///     let mut all = Vec::new();
///     contents.read_to_end(&mut all).await?;
///     Ok::<_, Failure<NoError>>(Stored { len: all.len() })
/// };
/// let (peer, _there) =
///     testing::pair(Responders::new(()), Responders::new(()).try_respond(store));
///
/// let (mut sink, contents) = ByteStream::pair();
/// let call = tokio::spawn(peer.call_remote(Store { contents }));
/// sink.write_all(&vec![7; 1_000_000]).await?;
/// sink.shutdown().await?;
/// assert_eq!(call.await??.len, 1_000_000);
/// # Ok(()) }
/// ```
#[doc(alias("download", "file", "upload"))]
#[derive(Debug)]
#[must_use = "a stream that is dropped stops its sink"]
pub struct ByteStream {
    pieces: StreamOf<Bytes>,
    piece: Bytes,
    /// How it has failed, if it has.
    failed: Option<io::ErrorKind>,
}

/// The end of a stream of bytes that is written to. It is an argument, and an [`AsyncWrite`].
///
/// It is a [`SinkOf`] of pieces of bytes, and everything in that documentation applies.
/// [`shutdown`](tokio::io::AsyncWriteExt::shutdown) ends the bytes, and waits until all of them were
/// read. If the sink is dropped without that, the reader gets an error in place of the end. The error
/// inside the [`io::Error`] of a write is the [`SinkError`].
#[doc(alias("download", "file", "upload"))]
#[derive(Debug)]
#[must_use = "a sink that is dropped leaves its stream without an end"]
pub struct ByteSink {
    pieces: SinkOf<Bytes>,
}

impl ByteStream {
    /// Creates a stream of bytes. What is written to the sink is read from the stream. Send one of the
    /// two to the peer: see [`StreamOf::pair`].
    #[doc(alias("channel", "new"))]
    pub fn pair() -> (ByteSink, Self) {
        let (sink, stream) = StreamOf::pair();
        (ByteSink { pieces: sink }, Self::of(stream))
    }

    fn of(pieces: StreamOf<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new(), failed: None }
    }

    /// Reads the next piece as it arrived, without copying it. Returns `None` at the end.
    ///
    /// # Errors
    ///
    /// The same as for reading.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let some = poll_fn(|cx| self.poll_piece(cx)).await?;
        Ok(some.then(|| std::mem::take(&mut self.piece)))
    }

    /// Waits until there are bytes; whether there are, and not the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        use futures_core::Stream;

        while self.piece.is_empty() {
            if let Some(kind) = self.failed {
                return Poll::Ready(Err(io::Error::new(kind, "the stream has failed before")));
            }
            match ready!(Pin::new(&mut self.pieces).poll_next(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => {
                    let error = io::Error::from(error);
                    self.failed = Some(error.kind());
                    // What comes behind a gap is not what was sent.
                    self.pieces.stop();
                    return Poll::Ready(Err(error));
                }
                None => return Poll::Ready(Ok(false)),
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0 && ready!(self.poll_piece(cx))? {
            let len = self.piece.len().min(buf.remaining());
            buf.put_slice(&self.piece.split_to(len));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for ByteStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_piece(cx))?;
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.piece.advance(amount);
    }
}

impl ByteSink {
    /// Resolves to the reason when nothing more can be written: see [`SinkOf::stopped`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[doc(alias("cancel", "closed"))]
    pub fn stopped(&self) -> impl Future<Output = SinkError> + Send + 'static + use<> {
        self.pieces.stopped()
    }

    /// Fails the stream with an error that both sides know, after what was written. The reader finds
    /// it inside the [`io::Error`], as a [`StreamError`](super::StreamError).
    pub fn fail(self, error: &impl CommandError) {
        self.pieces.fail(error);
    }

    /// Fails the stream with this code and description, after what was written.
    pub fn fail_with(self, error: RemoteError) {
        self.pieces.fail_with(error);
    }

    /// Writes all of these bytes without copying them.
    ///
    /// # Errors
    ///
    /// The same as for writing.
    ///
    /// # Cancel safety
    ///
    /// Some of the bytes may be written when the future is dropped.
    pub async fn write_bytes(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            poll_fn(|cx| self.pieces.poll_room(cx)).await?;
            let most = self.most().min(bytes.len());
            self.put(bytes.split_to(most))?;
        }
        Ok(())
    }

    /// How many bytes go into one box. A few are on their way at a time, unless they were very short.
    fn most(&self) -> usize {
        let window = self.pieces.window_bytes();
        let most = if window / 4 < SHORT { window } else { window / 4 };
        if most < ALONE + OVERHEAD {
            most.saturating_sub(2).clamp(1, ALONE - 1)
        } else {
            (most - OVERHEAD).min(MAX_VALUE)
        }
    }

    fn put(&self, piece: Bytes) -> Result<(), SinkError> {
        if piece.len() < ALONE {
            let mut item = BytesMut::with_capacity(2 + piece.len());
            #[allow(clippy::cast_possible_truncation, reason = "it is shorter than a value")]
            item.extend_from_slice(&(piece.len() as u16).to_be_bytes());
            item.extend_from_slice(&piece);
            return self.pieces.put_shared(&item);
        }
        let len = piece.len();
        let write =
            move |out: &mut BoxWriter<'_>, proto: &mut Proto<'_>| piece.to_box(ITEM, out, proto);
        self.pieces.put_alone(len, 0, Box::new(write))
    }
}

impl AsyncWrite for ByteSink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.pieces.poll_room(cx))?;
        let len = self.most().min(bytes.len());
        if len > 0 {
            self.put(Bytes::copy_from_slice(&bytes[..len]))?;
        }
        Poll::Ready(Ok(len))
    }

    /// Waits until all bytes are on their way.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(ready!(self.pieces.poll_sent(cx))?))
    }

    /// Waits until all bytes are read, and the end.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(ready!(self.pieces.poll_closed(cx))?))
    }
}

/// On the wire this is a `StreamOf` of its pieces.
impl Argument for ByteStream {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.pieces.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        StreamOf::from_string_proto(value, proto).map(Self::of)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("ByteStream")
    }
}

/// On the wire this is a `SinkOf` of its pieces.
impl Argument for ByteSink {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.pieces.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        SinkOf::from_string_proto(value, proto).map(|pieces| Self { pieces })
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("ByteSink")
    }
}
