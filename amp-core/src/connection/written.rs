//! Calls that are written by whoever makes them, and so can be made again on another connection.

use std::time::Duration;

use super::call::{Exchange, discard, without_own_keys};
use super::peer::Peer;
use crate::argument::{DecodeError, EncodeError, Proto, read_keys};
use crate::boxes::{AmpBox, BoxReader, BoxWriter};
use crate::command::{Command, read_arguments};
use crate::error::CallError;

impl Peer {
    /// Calls the peer as [`call_remote`](Peer::call_remote) does, with what `write` writes.
    pub(crate) async fn call_written<C: Command>(
        &self,
        timeout: Option<Duration>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<C::Response, CallError<C::Error>> {
        let mut exchange = Exchange::new(self.clone(), true, Some(discard::<C::Response>));
        if timeout.is_some() {
            exchange.waiting.set_timeout(timeout);
        }
        exchange.make(C::NAME.as_bytes(), write, read_arguments).await
    }

    /// Calls the peer as [`call_by_name`](Peer::call_by_name) does, with what `write` writes.
    pub(crate) async fn call_by_name_written(
        &self,
        command: &[u8],
        timeout: Option<Duration>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<AmpBox, CallError> {
        let read = |ampbox: &_, _: &mut Proto<'_>| without_own_keys(ampbox);
        self.named(timeout).make(command, write, read).await
    }

    /// Calls the peer as [`call_by_name_with`](Peer::call_by_name_with) does.
    pub(crate) async fn call_by_name_with_written<T>(
        &self,
        command: &[u8],
        timeout: Option<Duration>,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        read: impl FnOnce(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, CallError> {
        let read = |ampbox: &_, proto: &mut Proto<'_>| read_keys(ampbox, proto, false, read);
        self.named(timeout).make(command, write, read).await
    }

    fn named(&self, timeout: Option<Duration>) -> Exchange {
        let mut exchange = Exchange::new(self.clone(), false, None);
        if timeout.is_some() {
            exchange.waiting.set_timeout(timeout);
        }
        exchange
    }
}
