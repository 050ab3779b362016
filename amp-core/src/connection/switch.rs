use super::call::Exchange;
use super::peer::Peer;
#[cfg(feature = "tls")]
use super::shared::Upgrade;
use super::shared::{Shared, Then, seen};
use super::switched::Switched;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxWriter};
use crate::command::{CommandError, ProtocolSwitch};
use crate::error::{CallError, CloseReason};

impl Peer {
    /// Asks for a protocol switch, and gives the stream once the peer has agreed: from then on
    /// the two speak another protocol over it, and this connection is over
    /// ([`CloseReason::Switched`](crate::CloseReason::Switched)).
    ///
    /// Until the peer has answered nothing else is sent: calls and answers wait. When it refuses
    /// they are sent, and the connection goes on. When it agrees they fail, as does every call
    /// that is not answered by then.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Peer::call_remote), and
    /// [`CallError::SwitchUnderWay`] while another switch is.
    ///
    /// # Cancel safety
    ///
    /// Once the call is sent, the peer decides which protocol is spoken: if it agrees and the
    /// future was dropped, or its [`call_timeout`](crate::Connection::call_timeout) was over, the
    /// connection is closed. Nothing else can be sent before the peer has answered, also after
    /// such a timeout: where that is too long, close the connection.
    pub async fn switch_protocol<C: ProtocolSwitch>(
        &self,
        command: C,
    ) -> Result<Switched, CallError<C::Error>> {
        let exchange = Exchange::for_switch(self.clone(), true, Then::HandOver);
        ask_switch(exchange, C::NAME.as_bytes(), |out, proto| command.to_box(out, proto)).await?;
        Wanted(self.shared()).stream().await.map_err(CallError::Closed)
    }

    /// Asks for a protocol switch by the name of its command, with arguments as they are on the wire:
    /// as [`switch_protocol`](Peer::switch_protocol), for a command whose type is not known.
    ///
    /// The peer has to know the command as one that switches: an answer to any other is not told
    /// from one that agrees, and the stream is handed over all the same.
    ///
    /// # Errors
    ///
    /// As [`switch_protocol`](Peer::switch_protocol), but no error is typed.
    ///
    /// # Cancel safety
    ///
    /// As [`switch_protocol`](Peer::switch_protocol).
    pub async fn switch_protocol_by_name<K, V>(
        &self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Switched, CallError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let arguments = AmpBox::from_pairs(arguments);
        self.switch_protocol_by_name_with(command, |out, _| Ok(out.put_box(&arguments?)?)).await
    }

    /// Asks for a protocol switch by the name of its command, with what `write` writes as arguments:
    /// as [`switch_protocol_by_name`](Peer::switch_protocol_by_name), for arguments that may be
    /// attachments.
    ///
    /// # Errors
    ///
    /// As [`switch_protocol_by_name`](Peer::switch_protocol_by_name).
    ///
    /// # Cancel safety
    ///
    /// As [`switch_protocol`](Peer::switch_protocol).
    pub async fn switch_protocol_by_name_with(
        &self,
        command: impl AsRef<[u8]>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<Switched, CallError> {
        let command = command.as_ref();
        let exchange = Exchange::for_switch(self.clone(), false, Then::HandOver);
        ask_switch(exchange, command, |out, proto| {
            super::call::check_command(command)?;
            write(out, proto)
        })
        .await?;
        Wanted(self.shared()).stream().await.map_err(CallError::Closed)
    }

    /// Asks for a switch that `upgrade` makes a transport of, and waits until the connection goes on
    /// over that.
    #[cfg(feature = "tls")]
    pub(crate) async fn upgrade<C: ProtocolSwitch>(
        &self,
        command: C,
        upgrade: Upgrade,
    ) -> Result<(), CallError<C::Error>> {
        let exchange = Exchange::for_switch(self.clone(), true, Then::Upgrade(upgrade));
        ask_switch(exchange, C::NAME.as_bytes(), |out, proto| command.to_box(out, proto)).await?;
        let shared = self.shared();
        seen(&shared.changed, || {
            if shared.peek(|state| state.core.switch().has_upgraded()) {
                return Some(Ok(()));
            }
            shared.over().map(|reason| Err(CallError::Closed(reason)))
        })
        .await
    }
}

/// Asks for a switch, and waits until the peer has agreed.
async fn ask_switch<E: CommandError>(
    mut exchange: Exchange,
    command: &[u8],
    write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
) -> Result<(), CallError<E>> {
    match exchange.ask(command, write).await.map_err(CallError::widen)? {
        Ok(_) => {
            exchange.ended(true);
            Ok(())
        }
        Err(error) => Err(CallError::of(error, command)),
    }
}

/// Waits for the stream that the driver hands over. When it is dropped, the stream is closed.
struct Wanted<'a>(&'a Shared);

impl Wanted<'_> {
    async fn stream(self) -> Result<Switched, CloseReason> {
        seen(&self.0.changed, || {
            // One look at both: the connection ends right after it has handed over the stream.
            let (stream, over) =
                self.0.with(|state| (state.core.take_stream(), state.core.end().over().cloned()));
            stream.map(Ok).or_else(|| over.map(Err))
        })
        .await
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        // The stream is dropped with nothing locked.
        drop(self.0.with(|state| state.core.forget_stream()));
    }
}
