use amp_core::PeerAddress;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use crate::socket::MAX_DESCRIPTORS;

/// A stream of bytes that carries file descriptors beside them. Twisted's interface has the same name.
///
/// [`UnixTransport`](crate::UnixTransport) turns anything that implements this into a transport for
/// connections, over which a [`Descriptor`](crate::Descriptor) can be sent. tokio's
/// [`UnixStream`](tokio::net::UnixStream) implements it.
///
/// # What a connection relies on
///
/// - **Order.** Bytes arrive in the order in which they were sent, and so do descriptors. AMP
///   identifies a descriptor only by its place in that order.
/// - **Never late.** A descriptor arrives with the first byte that it was sent with, or before it,
///   and never after it. It may arrive together with bytes that were sent before it.
/// - **Never lost.** If a descriptor may have been lost, receiving fails, and keeps failing.
/// - **Wake-ups.** When a method returns [`Poll::Pending`], it has arranged for the task of its
///   context to be woken as soon as it is worth calling again. One task polls both receiving and
///   sending, but independently: each needs its own wake-up, and neither may wait for the other. The
///   task of a caller sends only where [`sends_on_any_task`](Self::sends_on_any_task) allows it.
///
/// # Implementing it
///
/// Over a socket, [`socket::receive`](crate::socket::receive) and
/// [`socket::send`](crate::socket::send) make the system calls. This is a complete transport over
/// sockets that preserve message boundaries:
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
    /// Receives some bytes, and the descriptors that arrive with them.
    ///
    /// This appends the bytes to `buffer`, which has spare capacity, and the descriptors to
    /// `descriptors`, in the order in which they were sent. It resolves to the number of bytes. That is at least one,
    /// or 0 once the peer sends nothing more.
    ///
    /// It may append descriptors whatever it returns, so a transport on which they arrive apart from bytes need not
    /// keep them. After an error they are closed.
    ///
    /// Each descriptor must be close-on-exec, or every program that this process starts inherits it.
    /// Let the kernel set that flag as the descriptor arrives (`MSG_CMSG_CLOEXEC`). If it is set
    /// later, a program may start in between.
    ///
    /// Always use `recvmsg`: a plain `read` on a Unix socket silently drops the descriptors that wait
    /// in it. Also close what the kernel adds: with `SO_PASSPIDFD`, each message opens a descriptor
    /// for its sender (`SCM_PIDFD`).
    ///
    /// # Errors
    ///
    /// When the stream broke, and [`DescriptorError::Lost`](crate::DescriptorError::Lost) when a
    /// descriptor may have been lost. The connection then ends with this error as its reason. If a
    /// signal interrupts the call, try again instead of failing.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>>;

    /// Sends some of `bytes`, and all of `descriptors`. There is at least one byte, and there are at
    /// most [`max_descriptors`](Self::max_descriptors) descriptors, usually none.
    ///
    /// This resolves to the number of bytes that were taken, counted from the first, which is at least
    /// one. All descriptors were then taken too, and the caller may close its own. If nothing can be
    /// taken now, the result is `Pending`, and no descriptor was taken either. The next call may have
    /// other bytes and descriptors.
    ///
    /// # Errors
    ///
    /// When the stream broke. The connection then ends with this error as its reason. The call must
    /// not raise a signal (`SIGPIPE`).
    ///
    /// Two kinds of errors mean that the stream works, but the descriptors cannot be sent:
    ///
    /// - After [`DescriptorError::TooManyInFlight`](crate::DescriptorError::TooManyInFlight), the
    ///   connection waits and tries again, for up to 10 seconds. Then all queued calls that have
    ///   descriptors fail, as below.
    /// - If there are descriptors, [`PermissionDenied`](io::ErrorKind::PermissionDenied),
    ///   [`InvalidInput`](io::ErrorKind::InvalidInput) and
    ///   [`Unsupported`](io::ErrorKind::Unsupported) mean that the kernel refuses them. The call
    ///   whose descriptor is refused fails with
    ///   [`CallError::NotSent`](amp_core::CallError::NotSent). If the kernel would accept each of
    ///   them alone, all queued calls that have descriptors fail. Bytes without descriptors are still
    ///   sent.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Waits until the messages that the peer has not received yet take at most this much memory in the kernel. Count
    /// the bytes of each message and 512 more. A connection waits so before it has more than 128 descriptors on their
    /// way. It does not rely on an `Ok`: if something is wrong with the stream, the next send says so. The default
    /// implementation does not wait.
    ///
    /// # Errors
    ///
    /// When the stream broke.
    fn poll_received(&mut self, _: &mut Context<'_>, _most: usize) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Hands to the peer what was taken and held back. The default implementation does nothing.
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
    /// [`Transport::sends_on_any_task`](amp_core::Transport::sends_on_any_task). `false` by default.
    fn sends_on_any_task(&self) -> bool {
        false
    }

    /// Returns whether the peer has closed its side, if that is known before all that it sent was received: see
    /// [`Transport::has_peer_closed`](amp_core::Transport::has_peer_closed). `false` by default.
    fn has_peer_closed(&self) -> bool {
        false
    }

    /// Returns how many descriptors one call of [`poll_send`](Self::poll_send) takes, which is at least
    /// one. By default, it is the number that Linux takes in one message.
    fn max_descriptors(&self) -> usize {
        MAX_DESCRIPTORS
    }

    /// Returns the address of the other side. Unknown by default.
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

    fn poll_received(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        (**self).poll_received(cx, most)
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
