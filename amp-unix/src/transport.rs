use amp_core::PeerAddress;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use crate::socket::MAX_DESCRIPTORS;

/// A stream of bytes that carries file descriptors beside them: what Twisted calls by the same
/// name.
///
/// [`UnixTransport`](crate::UnixTransport) makes anything that implements it a transport for
/// connections, over which [`Descriptor`](crate::Descriptor) works. tokio's
/// [`UnixStream`](tokio::net::UnixStream) implements it.
///
/// # What a connection relies on
///
/// - **Order.** Bytes arrive in the order in which they were sent, and descriptors in the order in
///   which they were sent. AMP names a descriptor by its place in that order and by nothing else.
/// - **Never late.** A descriptor arrives with the first byte that it was sent with, or before it,
///   and never after it. It may arrive together with bytes that were sent before it.
/// - **Never lost.** When a descriptor may have been lost, receiving fails, for good.
/// - **Wake-ups.** A method that returns [`Poll::Pending`] has arranged for the task of its
///   context to be woken when it is worth calling again. Receiving and sending are polled by one
///   task, but independently: each needs a wake-up of its own, and neither may wait for the other.
///   A caller's task sends only where [`sends_on_any_task`](Self::sends_on_any_task) says so.
///
/// # Implementing it
///
/// Over a socket, [`socket::receive`](crate::socket::receive) and
/// [`socket::send`](crate::socket::send) do what the kernel asks for. This is a transport over
/// sockets that keep messages apart, which is all that one needs:
///
/// ```
/// use amp_unix::{IUnixTransport, socket};
/// use bytes::BytesMut;
/// use std::io::{self, IoSlice};
/// use std::os::fd::{BorrowedFd, OwnedFd};
/// use std::task::{Context, Poll, ready};
/// use tokio::io::Interest;
/// use tokio::net::UnixStream;
///
/// /// A `SOCK_SEQPACKET` socket. `UnixStream` only waits for it, which it can for any socket.
/// struct Packets(UnixStream);
///
/// impl Packets {
///     fn new(socket: OwnedFd) -> io::Result<Self> {
///         let socket = std::os::unix::net::UnixStream::from(socket);
///         socket.set_nonblocking(true)?;
///         UnixStream::from_std(socket).map(Self)
///     }
/// }
///
/// impl IUnixTransport for Packets {
///     fn poll_receive(
///         &mut self,
///         cx: &mut Context<'_>,
///         buffer: &mut BytesMut,
///         descriptors: &mut Vec<OwnedFd>,
///     ) -> Poll<io::Result<usize>> {
///         // Room for the longest message: what does not fit is lost.
///         buffer.reserve(64 * 1024);
///         loop {
///             ready!(self.0.poll_read_ready(cx))?;
///             let receive = || socket::receive(&self.0, buffer, descriptors);
///             match self.0.try_io(Interest::READABLE, receive) {
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
///                 result => return Poll::Ready(result.map(|moved| moved.bytes)),
///             }
///         }
///     }
///
///     fn poll_send(
///         &mut self,
///         cx: &mut Context<'_>,
///         bytes: &[IoSlice<'_>],
///         descriptors: &[BorrowedFd<'_>],
///     ) -> Poll<io::Result<usize>> {
///         // No longer message than the other side has room for.
///         let first = bytes.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
///         let message = [IoSlice::new(&first[..first.len().min(64 * 1024)])];
///         loop {
///             ready!(self.0.poll_write_ready(cx))?;
///             let send = || socket::send(&self.0, &message, descriptors);
///             match self.0.try_io(Interest::WRITABLE, send) {
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
///                 result => return Poll::Ready(result.map(|moved| moved.bytes)),
///             }
///         }
///     }
///
///     fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(socket::shutdown(&self.0))
///     }
/// }
/// ```
pub trait IUnixTransport: Send + 'static {
    /// Receives some bytes, and the descriptors that came with them.
    ///
    /// Appends the bytes to `buffer`, whose spare capacity is not empty, and appends the
    /// descriptors to `descriptors`, in the order in which they were sent. Resolves to the number
    /// of bytes. That is at least one until the peer will send nothing more, and 0 from then on.
    ///
    /// Descriptors may be appended whatever is returned, so that a transport on which they come
    /// apart from bytes need not keep them. On an error they are closed.
    ///
    /// A descriptor that is appended must be close-on-exec, or every program that this process
    /// starts inherits it. Ask the kernel to set that as it arrives (`MSG_CMSG_CLOEXEC`): done
    /// later, a program may start in between.
    ///
    /// A plain `read` on a Unix socket drops the descriptors that wait in it, without a word: use
    /// `recvmsg`, always. And close what the kernel adds: with `SO_PASSPIDFD` each message opens a
    /// descriptor for its sender (`SCM_PIDFD`).
    ///
    /// # Errors
    ///
    /// When the stream broke, and [`DescriptorError::Lost`](crate::DescriptorError::Lost) when a
    /// descriptor may have been lost. The connection then ends with this error as its reason. An
    /// interruption by a signal is no error, but a reason to try again.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>>;

    /// Sends some of `bytes`, of which there is at least one, and all of `descriptors`, of which
    /// there are at most [`max_descriptors`](Self::max_descriptors) and mostly none.
    ///
    /// Resolves to the number of bytes that were taken, from the first; at least one. All
    /// descriptors were taken with them, so that the caller may close its own. When nothing can
    /// be taken now the result is `Pending`, and no descriptor was taken either. The next call may
    /// then come with other bytes and descriptors than this one.
    ///
    /// # Errors
    ///
    /// When the stream broke. The connection then ends with this error as its reason. No signal may
    /// be raised (`SIGPIPE`).
    ///
    /// Two kinds of errors mean that the descriptors cannot be sent, over a stream that is well:
    ///
    /// - [`DescriptorError::TooManyInFlight`](crate::DescriptorError::TooManyInFlight) is waited for:
    ///   this is called again, for up to 10 seconds.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied),
    ///   [`InvalidInput`](io::ErrorKind::InvalidInput) and
    ///   [`Unsupported`](io::ErrorKind::Unsupported), where there are descriptors, are refusals. The
    ///   one that the kernel refuses fails its call, with
    ///   [`CallError::NotSent`](amp_core::CallError::NotSent); where the kernel would take each of
    ///   them, all calls fail that wait to be sent and have some. A message of bytes alone goes on.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Hands to the peer what was taken and held back; nothing, unless this is implemented.
    ///
    /// # Errors
    ///
    /// When the stream broke.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Hands over what was held back, and tells the peer that nothing more will be sent.
    /// Receiving goes on.
    ///
    /// # Errors
    ///
    /// When the stream broke.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns whether [`poll_send`](Self::poll_send) and [`poll_flush`](Self::poll_flush) may be
    /// called on the task of a caller too, which saves a lone call a wake-up: see
    /// [`Transport::sends_on_any_task`](amp_core::Transport::sends_on_any_task). No unless this is
    /// implemented.
    fn sends_on_any_task(&self) -> bool {
        false
    }

    /// Returns whether the peer has closed its side, as far as that is known without receiving what
    /// came before: see [`Transport::has_peer_closed`](amp_core::Transport::has_peer_closed). No
    /// unless this is implemented.
    fn has_peer_closed(&self) -> bool {
        false
    }

    /// Returns how many descriptors one call of [`poll_send`](Self::poll_send) takes; at least one.
    /// It is what Linux takes in one message, unless this is implemented.
    fn max_descriptors(&self) -> usize {
        MAX_DESCRIPTORS
    }

    /// Returns where the other side is; unknown unless this is implemented.
    fn peer_address(&self) -> PeerAddress {
        PeerAddress::Unknown
    }
}

impl<T: IUnixTransport + ?Sized> IUnixTransport for Box<T> {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_receive(cx, buffer, descriptors)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        (**self).poll_send(cx, bytes, descriptors)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_shutdown(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        (**self).sends_on_any_task()
    }

    fn has_peer_closed(&self) -> bool {
        (**self).has_peer_closed()
    }

    fn max_descriptors(&self) -> usize {
        (**self).max_descriptors()
    }

    fn peer_address(&self) -> PeerAddress {
        (**self).peer_address()
    }
}
