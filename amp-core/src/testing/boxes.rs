//! The boxes of a command, as the bytes that a connection sends and receives.

use bytes::Bytes;

use crate::argument::budget::LEAST;
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxError, BoxLimits};
use crate::command::{Arguments, Command, CommandError, read_arguments};
use crate::error::CallError;
use crate::keys;
use crate::proto::{Body, Core, NotQueued, ProtocolLimits, RemoteError};
use crate::shorten::Shortened;

/// The tag of the boxes: the first one that a side gives.
const TAG: &str = "1";

/// Returns the box of the first call that a side makes: its tag is `1`, and a one-way command has
/// none.
///
/// ```
/// use amp_core::Command;
/// use amp_core::testing::{ask_box, read_ask_box};
///
/// #[derive(Command, Debug, PartialEq)]
/// struct Greet {
///     name: String,
/// }
///
/// let greet = Greet { name: "Ann".to_owned() };
/// let bytes = ask_box(&greet)?;
/// assert_eq!(&bytes[..], b"\0\x04_ask\0\x011\0\x08_command\0\x05Greet\0\x04name\0\x03Ann\0\0");
/// assert_eq!(read_ask_box::<Greet>(bytes)?, greet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When an argument cannot be written, or needs a connection.
pub fn ask_box<C: Command>(command: &C) -> Result<Bytes, EncodeError> {
    let mut body = body_of(command)?;
    let name = C::NAME.as_bytes();
    sent(|core| {
        let queued = if C::REQUIRES_ANSWER {
            core.call(name, &mut body, ()).map(|_| ())
        } else {
            core.notify(name, &mut body)
        };
        match queued {
            Err(NotQueued::TooLarge(error)) => Err(error),
            // It is the only call, and one is always possible.
            _ => Ok(()),
        }
    })
}

/// Returns the box of the answer to the call of [`ask_box`].
///
/// # Errors
///
/// When an argument cannot be written, or needs a connection.
pub fn answer_box<C: Command>(response: &C::Response) -> Result<Bytes, EncodeError> {
    let mut body = body_of(response)?;
    sent(|core| core.answer(TAG.as_bytes(), &mut body))
}

/// Returns the box of the failure of the call of [`ask_box`].
pub fn error_box<C: Command>(error: &C::Error) -> Bytes {
    let mut core = Core::<()>::new(ProtocolLimits::default());
    core.fail(TAG.as_bytes(), error.code().as_bytes(), &error.describe());
    core.outgoing().take_bytes().into()
}

/// Reads a call of the command `C`, with any tag.
///
/// # Errors
///
/// When the bytes are not one box, or not a call of this command, or when an argument cannot be
/// read.
pub fn read_ask_box<C: Command>(bytes: Bytes) -> Result<C, DecodeError> {
    let ampbox = one_box(bytes)?;
    let name = ampbox.get(keys::COMMAND).ok_or_else(|| DecodeError::missing().at("_command"))?;
    if name != C::NAME.as_bytes() {
        let seen = Shortened::new(name);
        return Err(DecodeError::custom(format!("{seen} is not {:?}", C::NAME)).at("_command"));
    }
    match (ampbox.contains_key(keys::ASK), C::REQUIRES_ANSWER) {
        (true, false) => Err(DecodeError::custom("the command wants no answer").at("_ask")),
        (false, true) => Err(DecodeError::missing().at("_ask")),
        _ => Proto::detached_within(LEAST, |proto| read_arguments(&ampbox, proto)),
    }
}

/// Reads an answer to the command `C`, with any tag.
///
/// # Errors
///
/// The error with which the answer fails the call, and [`CallError::Decode`] when the bytes are not one box, or are neither
/// an answer nor a failure.
pub fn read_answer_box<C: Command>(bytes: Bytes) -> Result<C::Response, CallError<C::Error>> {
    let ampbox = one_box(bytes).map_err(CallError::Decode)?;
    if ampbox.contains_key(keys::ERROR) {
        return Err(CallError::of(RemoteError::of(&ampbox), C::NAME.as_bytes()));
    }
    if !ampbox.contains_key(keys::ANSWER) {
        return Err(CallError::Decode(DecodeError::missing().at("_answer")));
    }
    Proto::detached_within(LEAST, |proto| read_arguments(&ampbox, proto)).map_err(CallError::Decode)
}

/// Returns what a side sends that does this and nothing else.
fn sent(act: impl FnOnce(&mut Core<()>) -> Result<(), BoxError>) -> Result<Bytes, EncodeError> {
    let mut core = Core::new(ProtocolLimits::default());
    act(&mut core)?;
    Ok(core.outgoing().take_bytes().into())
}

pub(super) fn body_of(arguments: &impl Arguments) -> Result<Body, EncodeError> {
    let mut body = Body::default();
    let mut writer = body.writer();
    Proto::detached(|proto| arguments.write_to(&mut writer, proto))?;
    writer.finish()?;
    Ok(body)
}

fn one_box(mut bytes: Bytes) -> Result<AmpBox, DecodeError> {
    let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())?;
    if bytes.is_empty() {
        Ok(ampbox)
    } else {
        Err(crate::argument::DecodeErrorKind::Trailing { len: bytes.len() }.into())
    }
}
