use bytes::Bytes;

use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxError, BoxWriter};
use crate::command::Command;
use crate::connection::check_command;

/// What a call sends, perhaps more than once: it is written for each connection anew, since what a
/// command is on the wire may depend on that.
pub(super) struct Request {
    command: Bytes,
    typed: bool,
    write: Box<Write>,
    written: bool,
}

type Write = dyn FnMut(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send;

impl Request {
    pub(super) fn typed<C: Command>(command: C) -> Self {
        Self {
            command: Bytes::from_static(C::NAME.as_bytes()),
            typed: true,
            write: Box::new(move |out, proto| command.write_to(out, proto)),
            written: false,
        }
    }

    pub(super) fn by_name(command: &[u8], arguments: Result<AmpBox, BoxError>) -> Self {
        Self::by_name_with(command, move |out, _| {
            Ok(out.put_box(arguments.as_ref().map_err(Clone::clone)?)?)
        })
    }

    pub(super) fn by_name_with(
        command: &[u8],
        mut write: impl FnMut(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>
        + Send
        + 'static,
    ) -> Self {
        let command = Bytes::copy_from_slice(command);
        let name = command.clone();
        Self {
            command,
            typed: false,
            write: Box::new(move |out, proto| {
                check_command(&name)?;
                write(out, proto)
            }),
            written: false,
        }
    }

    /// Returns the name of the command.
    pub(super) fn command(&self) -> Bytes {
        self.command.clone()
    }

    /// Returns whether the command is the program's own, not a name.
    pub(super) fn is_typed(&self) -> bool {
        self.typed
    }

    pub(super) fn write(
        &mut self,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<(), EncodeError> {
        self.written = true;
        (self.write)(out, proto)
    }

    /// Returns whether it was written at least once: before that, nothing of it can have been sent.
    pub(super) fn was_written(&self) -> bool {
        self.written
    }
}
