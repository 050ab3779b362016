use bytes::Bytes;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::call::check_command;
use super::peer::Peer;
use super::waiting::Waiting;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxError, BoxWriter};
use crate::command::OneWay;
use crate::error::CallError;
use crate::observing::{Outcome, Side, Watch};
use crate::shorten::Shortened;

impl Peer {
    /// Sends a one-way command, which has no answer. Resolves once the command is queued. It is as
    /// likely to arrive as any bytes that are written to a socket, and nothing tells whether it
    /// succeeds.
    ///
    /// Commands keep their order: the peer reads this one before a call that is made after it.
    ///
    /// This waits for room in the queue, after those who wait already and after answers to calls of the
    /// peer, for as long as a call may take: the connection's
    /// [`call_timeout`](crate::Connection::call_timeout), or a [`timeout`](Notification::timeout) of
    /// its own.
    ///
    /// # Back-pressure
    ///
    /// There is none that you can rely on. A peer that runs this implementation and cannot keep up
    /// stops reading at its [`running_responders`](field@crate::Limits::running_responders). This
    /// then waits as soon as all buffers in between are full. But the peer has to go on reading while
    /// it waits for an answer to a call of its own, since the answer may be behind these commands, and
    /// while a stream is open, since the stream's items may be. It then begins the commands in their
    /// order (while a stream is open, only once
    /// [`running_bytes`](field@crate::Limits::running_bytes) of them wait), up to its
    /// [`running_responders_max`](field@crate::Limits::running_responders_max). One more ends the
    /// connection, because a one-way command cannot be refused and must not be lost unnoticed.
    /// Twisted never stops reading. So for what is sent often, or to a peer that may be slow, use a
    /// [stream](crate::streams): its items wait for their receiver.
    ///
    /// # Errors
    ///
    /// When an argument cannot be encoded, when the command exceeds a limit of this side
    /// ([`BoxLimits`](crate::boxes::BoxLimits)), when there was no room in time, or when the connection has
    /// ended. In each case nothing is sent.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the command has either been queued as a whole or not at all.
    #[doc(alias("callRemote", "event", "publish"))]
    pub fn notify<C: OneWay>(&self, command: C) -> Notification<C> {
        Notification { command: Some(command), queueing: Queueing::new(self.clone(), true) }
    }

    /// Sends a one-way command by its name.
    ///
    /// # Errors
    ///
    /// As [`notify`](Peer::notify).
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Peer::notify).
    pub fn notify_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> NamedNotification
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        NamedNotification {
            command: Bytes::copy_from_slice(command.as_ref()),
            arguments: AmpBox::from_pairs(arguments),
            queueing: Queueing::new(self.clone(), false),
        }
    }

    /// Sends a one-way command by its name, as [`notify_by_name`](Peer::notify_by_name) does, for values that need the
    /// connection. `write` writes the arguments.
    ///
    /// # Errors
    ///
    /// As [`notify`](Peer::notify), and the errors of `write`.
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Peer::notify).
    pub fn notify_by_name_with<W>(
        &self,
        command: impl AsRef<[u8]>,
        write: W,
    ) -> NamedNotificationWith<W>
    where
        W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    {
        NamedNotificationWith {
            command: Bytes::copy_from_slice(command.as_ref()),
            write: Some(write),
            queueing: Queueing::new(self.clone(), false),
        }
    }

    /// Sends a command that wants no answer once the queue has room, but within this time, or else
    /// within the connection's own.
    pub(crate) async fn notify_when_room(
        &self,
        command: &[u8],
        typed: bool,
        timeout: Option<Duration>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), CallError> {
        let mut queueing = Queueing::new(self.clone(), typed);
        if timeout.is_some() {
            queueing.waiting.set_timeout(timeout);
        }
        poll_fn(|cx| queueing.poll_room(cx, command)).await?;
        queueing.queue(command, write)
    }
}

/// A typed one-way command that is about to be sent. Await it to have it queued.
///
/// [`Peer::notify`] returns it, and describes its errors and its cancel safety.
#[must_use = "a command is not sent before it is awaited"]
pub struct Notification<C: OneWay> {
    command: Option<C>,
    queueing: Queueing,
}

impl<C: OneWay> Notification<C> {
    /// Sets how long it may wait for room in the queue, counted from its first poll. This replaces
    /// the connection's [`call_timeout`](crate::Connection::call_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.queueing.waiting.set_timeout(Some(timeout));
        self
    }
}

// The command is never pinned: it is encoded, and dropped.
impl<C: OneWay> Unpin for Notification<C> {}

impl<C: OneWay> Future for Notification<C> {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, queueing } = &mut *self;
        let name = C::NAME.as_bytes();
        ready!(queueing.poll_room(cx, name))?;
        // There is a command until it is over. It is dropped where nothing is locked.
        let Some(command) = command.take() else { return Poll::Pending };
        Poll::Ready(queueing.queue(name, |out, proto| command.write_to(out, proto)))
    }
}

impl<C: OneWay> fmt::Debug for Notification<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("command", &C::NAME).finish_non_exhaustive()
    }
}

/// A command by its name that wants no answer, on its way: await it to have it queued.
///
/// [`Peer::notify_by_name`] makes it.
#[must_use = "a command is not sent before it is awaited"]
pub struct NamedNotification {
    command: Bytes,
    arguments: Result<AmpBox, BoxError>,
    queueing: Queueing,
}

impl NamedNotification {
    /// Sets how long it may wait for room in the queue: see [`Notification::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.queueing.waiting.set_timeout(Some(timeout));
        self
    }
}

impl Future for NamedNotification {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, arguments, queueing } = &mut *self;
        ready!(queueing.poll_room(cx, command))?;
        Poll::Ready(queueing.queue(command, |out, _| {
            let arguments = std::mem::replace(arguments, Ok(AmpBox::new()))?;
            check_command(command)?;
            Ok(out.put_box(&arguments)?)
        }))
    }
}

impl fmt::Debug for NamedNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = Shortened::new(&self.command);
        f.debug_struct("NamedNotification").field("command", &command).finish_non_exhaustive()
    }
}

/// A one-way command by its name that is about to be sent, and whose body is written by a closure. Await
/// it to have it queued.
///
/// [`Peer::notify_by_name_with`] returns it.
#[must_use = "a command is not sent before it is awaited"]
pub struct NamedNotificationWith<W> {
    command: Bytes,
    /// `None` once it has written.
    write: Option<W>,
    queueing: Queueing,
}

impl<W> NamedNotificationWith<W> {
    /// Sets how long it may wait for room in the queue: see [`Notification::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.queueing.waiting.set_timeout(Some(timeout));
        self
    }
}

// The closure is never pinned: it is called, and dropped.
impl<W> Unpin for NamedNotificationWith<W> {}

impl<W> Future for NamedNotificationWith<W>
where
    W: FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
{
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { command, write, queueing } = &mut *self;
        ready!(queueing.poll_room(cx, command))?;
        let Some(write) = write.take() else { return Poll::Pending };
        Poll::Ready(queueing.queue(command, |out, proto| {
            check_command(command)?;
            write(out, proto)
        }))
    }
}

impl<W> fmt::Debug for NamedNotificationWith<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = Shortened::new(&self.command);
        f.debug_struct("NamedNotificationWith").field("command", &command).finish_non_exhaustive()
    }
}

/// A one-way command that waits for room in the queue.
///
/// A call waits in the same way before it is queued, and both leave that to [`Waiting`]. But a call goes on behind
/// that: its [`Exchange`](super::call::Exchange) waits for an answer, and gives the call up when it is dropped. This
/// is over once it is queued.
struct Queueing {
    peer: Peer,
    /// Whether the command is the program's own, not a name.
    typed: bool,
    waiting: Waiting,
    /// From the first poll on.
    watch: Option<Watch>,
    over: bool,
}

impl Queueing {
    fn new(peer: Peer, typed: bool) -> Self {
        let waiting = Waiting::new(peer.shared());
        Self { peer, typed, waiting, watch: None, over: false }
    }

    /// Waits until the box can be [queued](Self::queue), which is to be done at once.
    ///
    /// A command that is over stays pending for ever, as a future that is polled again after it was
    /// ready may.
    fn poll_room(&mut self, cx: &mut Context<'_>, command: &[u8]) -> Poll<Result<(), CallError>> {
        if self.over {
            return Poll::Pending;
        }
        let Self { watch, typed, peer, waiting, .. } = self;
        watch.get_or_insert_with(|| peer.shared().watch(Side::Asking, command, *typed));
        let room = ready!(waiting.poll_room(peer.shared(), cx));
        // This also holds when writing panics.
        self.over = true;
        Poll::Ready(room.inspect_err(|error| self.end_failed(error)))
    }

    /// Encodes the box by what `write` writes, and queues it.
    fn queue(
        &mut self,
        command: &[u8],
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), CallError> {
        let queued = self.try_queue(command, write);
        match &queued {
            Ok(()) => {
                if let Some(watch) = &mut self.watch {
                    watch.end(Outcome::Sent, None);
                }
            }
            Err(error) => self.end_failed(error),
        }
        queued
    }

    fn try_queue(
        &self,
        command: &[u8],
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), CallError> {
        let shared = self.peer.shared();
        let mut encoded = shared.encode(write).map_err(CallError::Encode)?;
        Ok(shared.with(|state| state.core.notify(command, &mut encoded.body))?)
    }

    fn end_failed(&mut self, error: &CallError) {
        if let Some(watch) = &mut self.watch {
            watch.end_failed(error);
        }
    }
}
