use super::{Arguments, Command, NoError};
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter};
use crate::schema::{BoxSchema, WireTypes};

/// Asks whether the peer is there: a command named `Ping`, without arguments and with an empty
/// response.
///
/// `Connection::ping` sends it every so often, and `Responders::respond_ping` answers it. Any
/// command can take its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ping;

impl Arguments for Ping {
    fn write_to(&self, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn schema(_: &mut WireTypes) -> BoxSchema {
        BoxSchema::new()
    }
}

impl Command for Ping {
    const NAME: &'static str = "Ping";
    const DOCS: &'static str = "Asks whether the peer is there.";

    type Response = ();
    type Error = NoError;
}
