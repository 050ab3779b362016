use super::call::check_command;
use super::peer::Peer;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxWriter};
use crate::command::OneWay;
use crate::error::CallError;
use crate::observing::{Outcome, Side};

impl Peer {
    /// Sends a command that wants no answer. Resolves once the command is queued; that it
    /// arrives is as certain as with any bytes written to a socket, and that it succeeds is not
    /// known at all.
    ///
    /// Commands keep their order: a call made after this one is read by the peer after it.
    ///
    /// It waits for room in the queue for as long as that takes: the time that a call may take
    /// ([`call_timeout`](crate::Connection::call_timeout)) does not apply.
    ///
    /// # Back-pressure
    ///
    /// There is none that can be relied upon. A peer of this implementation that cannot keep up stops
    /// to read at its [`running_responders`](field@crate::Limits::running_responders), and this waits once what is
    /// between the two is full. But while the peer waits for the answer to a call of its own it has to
    /// read on, since that may be behind the commands; it begins these in their order, up to its
    /// [`running_responders_max`](field@crate::Limits::running_responders_max), and one more ends the
    /// connection: a command that wants no answer cannot be told to wait, and none may be lost unseen.
    /// Twisted reads on and on. So what is sent often, or to whoever may be slow, is for a
    /// [stream](crate::streams), whose items wait for their receiver.
    ///
    /// # Errors
    ///
    /// When an argument cannot be written, when the command is over a limit of this side
    /// ([`BoxLimits`](crate::BoxLimits)), or when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// A future that was dropped has either queued the command or not; it never queues a part.
    #[doc(alias("callRemote", "event", "publish"))]
    pub async fn notify<C: OneWay>(&self, command: C) -> Result<(), CallError> {
        let write = |out: &mut BoxWriter<'_>, proto: &mut Proto<'_>| command.to_box(out, proto);
        self.notify_when_room(C::NAME.as_bytes(), true, write).await
    }

    /// Sends a command by its name that wants no answer.
    ///
    /// # Errors
    ///
    /// As [`notify`](Peer::notify).
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Peer::notify).
    pub async fn notify_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), CallError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let command = command.as_ref();
        let arguments = AmpBox::from_pairs(arguments);
        let write = |out: &mut BoxWriter<'_>, _: &mut Proto<'_>| {
            let arguments = arguments.as_ref().map_err(Clone::clone)?;
            check_command(command)?;
            Ok(out.put_box(arguments)?)
        };
        self.notify_when_room(command, false, write).await
    }

    /// Sends a command that wants no answer once the queue has room.
    pub(crate) async fn notify_when_room(
        &self,
        command: &[u8],
        typed: bool,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), CallError> {
        let mut watch = self.shared().watch(Side::Asking, command, typed);
        let queued = async {
            let mut waited = false;
            while let Some(room) = self.shared().room(waited).map_err(CallError::Closed)? {
                room.await;
                waited = true;
            }
            let mut encoded = self.shared().encode(write).map_err(CallError::Encode)?;
            Ok(self.shared().with(|state| state.core.notify(command, &mut encoded.body))?)
        }
        .await;
        watch.end(
            match &queued {
                Ok(()) => Outcome::Sent,
                Err(CallError::Closed(_)) => Outcome::Closed,
                Err(_) => Outcome::NotSent,
            },
            None,
        );
        queued
    }
}
