//! Writing to tokio's sockets so that no signal is raised.
//!
//! A write to a socket whose other end is gone raises `SIGPIPE`, unless it is told not to. The
//! runtime of Rust has that ignored, but a program that is not Rust's from its beginning may not:
//! there it ends the process. `std` tells some of its writes not to, and never those of several
//! slices.
//!
//! Only a stream that is known to be a socket can be told, or the half of one. A wrapper of one,
//! which keeps its stream to itself, writes as it likes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
#[cfg(feature = "tls")]
use tokio::io::{AsyncRead, ReadBuf};

/// Writes some of `bytes`, which are not empty.
pub(super) fn poll_write<S: AsyncWrite + 'static>(
    stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    bytes: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    if let Some(socket) = socket::Socket::of(&*stream) {
        return socket.poll_write(cx, bytes);
    }
    match bytes {
        [one] => stream.poll_write(cx, one),
        many => stream.poll_write_vectored(cx, many),
    }
}

/// A stream to which something else writes, a TLS layer, so that no signal is raised.
#[cfg(feature = "tls")]
pub(crate) struct NoSignal<S>(pub(crate) S);

#[cfg(feature = "tls")]
impl<S: AsyncRead + Unpin> AsyncRead for NoSignal<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

#[cfg(feature = "tls")]
impl<S: AsyncWrite + Unpin + 'static> AsyncWrite for NoSignal<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(Pin::new(&mut self.0), cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write(Pin::new(&mut self.0), cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Apple's systems have no such flag; there `std` sets an option of each socket that it makes.
#[cfg(all(unix, not(target_vendor = "apple")))]
mod socket {
    use libc::MSG_NOSIGNAL;
    use socket2::SockRef;
    use std::any::Any;
    use std::io::{self, IoSlice};
    use std::task::{Context, Poll, ready};
    use tokio::io::Interest;
    use tokio::net::{TcpStream, UnixStream, tcp, unix};

    /// Whether a write of less than was offered means that the next would block, as tokio has it
    /// too.
    const SHORT_IS_FULL: bool = cfg!(any(target_os = "linux", target_os = "android"));

    /// One of tokio's sockets, or what one of their halves writes to.
    pub(super) enum Socket<'a> {
        Tcp(&'a TcpStream),
        Unix(&'a UnixStream),
    }

    impl<'a> Socket<'a> {
        /// The stream, if it is one.
        pub(super) fn of(stream: &'a dyn Any) -> Option<Self> {
            if let Some(stream) = stream.downcast_ref() {
                return Some(Self::Tcp(stream));
            }
            if let Some(stream) = stream.downcast_ref() {
                return Some(Self::Unix(stream));
            }
            if let Some(half) = stream.downcast_ref::<tcp::OwnedWriteHalf>() {
                return Some(Self::Tcp(half.as_ref()));
            }
            let half = stream.downcast_ref::<unix::OwnedWriteHalf>()?;
            Some(Self::Unix(half.as_ref()))
        }

        pub(super) fn poll_write(
            &self,
            cx: &mut Context<'_>,
            bytes: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let offered: usize = bytes.iter().map(|slice| slice.len()).sum();
            loop {
                ready!(match self {
                    Self::Tcp(stream) => stream.poll_write_ready(cx),
                    Self::Unix(stream) => stream.poll_write_ready(cx),
                })?;
                let mut sent = None;
                let operation = || {
                    let count = self.send(bytes)?;
                    sent = Some(count);
                    // Said here, this saves the call that would find it out.
                    let full = count < offered && SHORT_IS_FULL;
                    if full { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
                };
                let result = match self {
                    Self::Tcp(stream) => stream.try_io(Interest::WRITABLE, operation),
                    Self::Unix(stream) => stream.try_io(Interest::WRITABLE, operation),
                };
                match (sent, result) {
                    (Some(sent), _) => return Poll::Ready(Ok(sent)),
                    (None, Err(error))
                        if !matches!(
                            error.kind(),
                            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                        ) =>
                    {
                        return Poll::Ready(Err(error));
                    }
                    (None, _) => {}
                }
            }
        }

        fn send(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
            let socket = match self {
                Self::Tcp(stream) => SockRef::from(*stream),
                Self::Unix(stream) => SockRef::from(*stream),
            };
            match bytes {
                [one] => socket.send_with_flags(one, MSG_NOSIGNAL),
                many => socket.send_vectored_with_flags(many, MSG_NOSIGNAL),
            }
        }
    }
}
