//! Calls by name whose bodies are written and read by closures, so that they can hold attachments.

use super::call::{Exchange, check_command};
use super::peer::Peer;
use crate::argument::{DecodeError, EncodeError, Proto, read_keys};
use crate::boxes::{BoxReader, BoxWriter};
use crate::error::CallError;

impl Peer {
    /// Calls a command by its name, with what `write` writes as arguments, and returns what `read`
    /// reads from the answer: as [`call_by_name`](Peer::call_by_name), for values that need the
    /// connection, such as attachments.
    ///
    /// ```
    /// # async fn f(peer: &amp_core::Peer) -> Result<(), Box<dyn std::error::Error>> {
    /// use amp_core::dynamic::Values;
    /// use amp_core::schema::Schema;
    ///
    /// let schema: Schema = std::fs::read_to_string("calculator.schema")?.parse()?;
    /// let divide = schema.command("Divide").ok_or("there is no Divide")?;
    /// # #[cfg(feature = "json")] {
    /// let arguments =
    ///     Values::from_json(&divide.arguments, r#"{"numerator": 1, "denominator": 4}"#)?;
    /// let (write, read) = (arguments.writing(&divide.arguments), Values::reading(&divide.response));
    /// let quotient = peer.call_by_name_with("Divide", write, read).await?;
    /// assert_eq!(quotient.to_json(), r#"{"result": 0.25}"#);
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`call_by_name`](Peer::call_by_name), and what the closures return.
    ///
    /// # Cancel safety
    ///
    /// As [`call_remote`](Peer::call_remote). Attachments of an answer that comes when the future was
    /// dropped are dropped once later ones have been claimed, or after a minute.
    pub async fn call_by_name_with<T>(
        &self,
        command: impl AsRef<[u8]>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        read: impl FnOnce(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, CallError> {
        let command = command.as_ref();
        let write = |out: &mut BoxWriter<'_>, proto: &mut Proto<'_>| {
            check_command(command)?;
            write(out, proto)
        };
        let read = |ampbox: &_, proto: &mut Proto<'_>| read_keys(ampbox, proto, false, read);
        Exchange::new(self.clone(), false, None).make(command, write, read).await
    }

    /// Sends a command by its name that wants no answer, with what `write` writes as arguments: as
    /// [`notify_by_name`](Peer::notify_by_name), for values that need the connection.
    ///
    /// # Errors
    ///
    /// As [`notify`](Peer::notify), and what `write` returns.
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Peer::notify).
    pub async fn notify_by_name_with(
        &self,
        command: impl AsRef<[u8]>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), CallError> {
        let command = command.as_ref();
        let write = |out: &mut BoxWriter<'_>, proto: &mut Proto<'_>| {
            check_command(command)?;
            write(out, proto)
        };
        self.notify_when_room(command, false, None, write).await
    }
}
