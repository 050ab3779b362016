use amp_core::argument::{Attachment, AttachmentKind};
use amp_core::{PeerAddress, RefusedAttachment, Transport};
use bytes::BytesMut;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

use crate::in_flight::InFlight;
use crate::{DescriptorError, IUnixTransport, socket};

/// Turns anything that implements [`IUnixTransport`] into a [`Transport`] that carries descriptors as
/// attachments.
#[derive(Debug)]
pub struct UnixTransport<T> {
    inner: T,
    /// The descriptors that have just been received; empty between two calls, and kept for its
    /// allocation.
    received: Vec<OwnedFd>,
    in_flight: InFlight,
    /// Where it was made, which is where the timer of `crowded` runs.
    runtime: Option<Handle>,
    /// Set while too many descriptors are on their way.
    crowded: Option<Box<Crowded>>,
}

/// The time that a connection waits while too many descriptors are on their way.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time that it waits before it tries again to send some.
const PAUSE: Duration = Duration::from_millis(20);

/// A wait until fewer descriptors are on their way, of which no event tells.
#[derive(Debug)]
struct Crowded {
    pause: Pin<Box<Sleep>>,
    /// When the descriptors are refused.
    deadline: Instant,
}

impl<T: IUnixTransport> UnixTransport<T> {
    /// Creates a connection's transport over `inner`.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            received: Vec::new(),
            in_flight: InFlight::default(),
            runtime: Handle::try_current().ok(),
            crowded: None,
        }
    }

    /// Returns the stream that it was made of.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Waits for a while, or refuses what is to be sent once it has waited for long enough. `Ready` means
    /// that another attempt is due.
    fn poll_crowded(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedAttachment>> {
        let crowded = match &mut self.crowded {
            Some(crowded) => {
                if Instant::now() >= crowded.deadline {
                    self.crowded = None;
                    let error = DescriptorError::TooManyInFlight.into();
                    return Poll::Ready(Err(RefusedAttachment::for_now(error)));
                }
                crowded.pause.as_mut().reset(Instant::now() + PAUSE);
                crowded
            }
            none => {
                // A caller may send on any thread, where no timer can be made.
                let runtime = self.runtime.clone().or_else(|| Handle::try_current().ok());
                let Some(runtime) = runtime else {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                };
                let _entered = runtime.enter();
                let deadline = Instant::now() + PATIENCE;
                none.insert(Box::new(Crowded { pause: Box::pin(sleep(PAUSE)), deadline }))
            }
        };
        crowded.pause.as_mut().poll(cx).map(Ok)
    }
}

/// The methods of [`IUnixTransport`] do not ask for the transport to be pinned.
impl<T> Unpin for UnixTransport<T> {}

impl<T: IUnixTransport> Transport for UnixTransport<T> {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let result = this.inner.poll_receive(cx, buffer, &mut this.received);
        if let Poll::Ready(Err(_)) = result {
            this.received.clear();
        }
        attachments.extend(this.received.drain(..).map(|fd| Arc::new(fd) as Attachment));
        result
    }

    /// Sends all descriptors with the first byte, as far as they fit beside one message. What does
    /// not fit goes ahead with one byte for each message. That never sends the last byte of a box
    /// before its descriptors, because a box spends several bytes on naming each of them.
    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        if attachments.is_empty() {
            let sent = ready!(self.inner.poll_send(cx, bytes, &[]))?;
            self.in_flight.sent(sent, 0, false);
            return Poll::Ready(Ok(sent));
        }
        if let Some(crowded) = &mut self.crowded {
            ready!(crowded.pause.as_mut().poll(cx));
        }
        let count = attachments.len().min(self.inner.max_descriptors());
        if let Some(most) = self.in_flight.lacks_room_for(count) {
            if self.inner.poll_received(cx, most)?.is_pending() {
                // It waits for something else.
                self.crowded = None;
                return Poll::Pending;
            }
            self.in_flight.received();
        }
        // A connection seldom sends more at once.
        let mut descriptors = SmallVec::<[BorrowedFd<'_>; 128]>::new();
        for attachment in attachments.iter().take(count) {
            descriptors.push(descriptor(attachment)?);
        }
        let first = [first_byte(bytes)];
        let bytes = if count == attachments.len() { bytes } else { &first };
        let sent = loop {
            let polled = self.inner.poll_send(cx, bytes, &descriptors);
            let Poll::Ready(result) = polled else {
                // It waits for something else.
                self.crowded = None;
                return Poll::Pending;
            };
            match result {
                Err(error) if is_too_many_in_flight(&error) => ready!(self.poll_crowded(cx))?,
                Err(error) if is_refusal(&error) => {
                    return Poll::Ready(Err(refused(&descriptors, &error).into()));
                }
                result => break result?,
            }
        };
        self.crowded = None;
        drop(descriptors);
        // Closes those that nobody else holds.
        attachments.drain(..count);
        self.in_flight.sent(sent, count, !attachments.is_empty());
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_shutdown(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        self.inner.sends_on_any_task()
    }

    fn has_peer_closed(&self) -> bool {
        self.inner.has_peer_closed()
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        Some(attachment_kind())
    }

    fn peer_address(&self) -> PeerAddress {
        self.inner.peer_address()
    }
}

/// Returns the attachments of a Unix transport.
pub(crate) fn attachment_kind() -> AttachmentKind {
    AttachmentKind::of::<OwnedFd>("a file descriptor")
}

fn descriptor(attachment: &Attachment) -> io::Result<BorrowedFd<'_>> {
    attachment.downcast_ref::<OwnedFd>().map(AsFd::as_fd).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "an attachment is not a file descriptor")
    })
}

/// Returns whether a message with descriptors fails so because of them, and not of the stream.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

/// Which of these descriptors the kernel refuses to send, or that it refuses to send any to this
/// peer. It does not say, so each is sent over a socket of its own, which no peer has a say in.
fn refused(descriptors: &[BorrowedFd<'_>], error: &io::Error) -> RefusedAttachment {
    // A descriptor that has arrived at the far end is closed with that. The near one is harmless
    // then: it gives nothing and takes nothing.
    let pair = UnixStream::pair();
    if let Ok((near, _far)) = &pair {
        for (index, descriptor) in descriptors.iter().enumerate() {
            match socket::send(near, &[IoSlice::new(b"x")], &[*descriptor]) {
                Err(error) if is_refusal(&error) => {
                    let text = format!("the kernel does not send this file descriptor: {error}");
                    let error = io::Error::new(error.kind(), text);
                    let stand_in = pair.map(|(near, _far)| OwnedFd::from(near));
                    return match stand_in {
                        Ok(stand_in) => RefusedAttachment::one(index, error, Arc::new(stand_in)),
                        Err(_) => RefusedAttachment::all(error),
                    };
                }
                _ => {}
            }
        }
    }
    let what = match pair {
        Ok(_) => "no file descriptor can be sent to the peer",
        // It cannot be found out which, or whether all.
        Err(_) => "a file descriptor cannot be sent",
    };
    let text = format!("{what}: {error}");
    RefusedAttachment::all(io::Error::new(error.kind(), text))
}

fn is_too_many_in_flight(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    error == Some(&DescriptorError::TooManyInFlight)
}

fn first_byte<'a>(bytes: &'a [IoSlice<'_>]) -> IoSlice<'a> {
    IoSlice::new(bytes.iter().find_map(|slice| slice.get(..1)).unwrap_or_default())
}
