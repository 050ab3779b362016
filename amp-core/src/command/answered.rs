use super::names::Names;
use super::{Arguments, Command, OneWay};
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter};
use crate::schema::{BoxSchema, WireTypes};

/// A one-way command that asks for an answer, for a caller that wants to know whether it has succeeded. It is the same
/// command on the wire. The peer answers it like any other, with an empty response or an error that the command declares.
/// Twisted does too.
///
/// Call it like any other command, for example with `Peer::call_remote`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use amp_core::{Answered, CallError, Command, CommandError, Responders, testing};
///
/// #[derive(Clone, Command)]
/// #[amp(one_way, error = LogError)]
/// struct Log {
///     line: String,
/// }
///
/// #[derive(CommandError, Debug, thiserror::Error)]
/// enum LogError {
///     #[error("the disk is full")]
///     DiskFull,
/// }
///
/// let server = Responders::new(()).respond(async |_, _: Log| Err(LogError::DiskFull));
/// let (peer, _server) = testing::pair(Responders::new(()), server);
/// let log = Log { line: "hello".to_owned() };
/// peer.notify(log.clone()).await.expect("it is queued, and that is all that is known");
/// let error = peer.call_remote(Answered(log)).await.unwrap_err();
/// assert!(matches!(error, CallError::Command(LogError::DiskFull)));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<C>(pub C);

impl<C: Arguments> Arguments for Answered<C> {
    const IS_STRICT: bool = C::IS_STRICT;
    const NAMES: &'static Names = C::NAMES;

    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        self.0.write_to(out, proto)
    }

    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        C::read_from(input, proto).map(Self)
    }

    fn any_in(input: &BoxReader<'_>) -> bool {
        C::any_in(input)
    }

    fn schema(types: &mut WireTypes) -> BoxSchema {
        C::schema(types)
    }
}

impl<C: OneWay> Command for Answered<C> {
    const NAME: &'static str = C::NAME;
    const IS_IDEMPOTENT: bool = C::IS_IDEMPOTENT;
    const DOCS: &'static str = C::DOCS;
    type Response = ();
    type Error = C::Error;
}
