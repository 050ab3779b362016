use tokio::io::DuplexStream;

use super::boxes::body_of;
use super::pair;
use crate::argument::EncodeError;
use crate::boxes::AmpBox;
use crate::command::{Command, OneWay};
use crate::connection::{Connection, Peer};
use crate::error::CallError;
use crate::proto::{Core, Event, NotQueued, ProtocolLimits};
use crate::responder::{Question, Responders};

/// Calls one of `responders` in memory, and waits for its answer.
///
/// The command and its answer are encoded, sent and decoded, as over a connection. There is one difference: a failure that
/// the command does not declare comes with its cause, as by [`Responders::tell_causes`]. If the responder calls back, it
/// gets `UNHANDLED`. To answer such calls, use [`pair`](super::pair).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use amp_core::{Arguments, CallError, Command, CommandError, Context, Responders, testing};
///
/// #[derive(Command)]
/// #[amp(response = Quotient, error = DivideError)]
/// struct Divide {
///     numerator: i64,
///     denominator: i64,
/// }
///
/// #[derive(Arguments, Debug, PartialEq)]
/// struct Quotient {
///     result: f64,
/// }
///
/// #[derive(CommandError, Debug, thiserror::Error)]
/// enum DivideError {
///     #[error("division by zero")]
///     ZeroDivision,
/// }
///
/// async fn divide(_: Context, command: Divide) -> Result<Quotient, DivideError> {
///     match command.denominator {
///         0 => Err(DivideError::ZeroDivision),
///         denominator => Ok(Quotient { result: command.numerator as f64 / denominator as f64 }),
///     }
/// }
///
/// let responders = Responders::new(()).respond(divide);
/// let quotient = testing::call_remote(&responders, Divide { numerator: 1, denominator: 4 }).await;
/// assert_eq!(quotient.unwrap(), Quotient { result: 0.25 });
/// let error = testing::call_remote(&responders, Divide { numerator: 1, denominator: 0 }).await;
/// assert!(matches!(error, Err(CallError::Command(DivideError::ZeroDivision))));
/// # }
/// ```
///
/// # Errors
///
/// As [`Peer::call_remote`].
///
/// # Panics
///
/// Outside of a tokio runtime.
///
/// # Cancel safety
///
/// Dropping the future leaves the responder running.
pub async fn call_remote<S, C: Command>(
    responders: &Responders<S>,
    command: C,
) -> Result<C::Response, CallError<C::Error>> {
    let (peer, _called) = pair(Responders::new(()), responders.clone().tell_causes());
    peer.call_remote(command).await
}

/// Calls one of `responders` by the name of a command, with arguments as they are on the wire: see
/// [`call_remote`].
///
/// # Errors
///
/// As [`Peer::call_by_name`].
///
/// # Panics
///
/// Outside of a tokio runtime.
///
/// # Cancel safety
///
/// Dropping the future leaves the responder running.
pub async fn call_by_name<S, K, V>(
    responders: &Responders<S>,
    command: impl AsRef<[u8]>,
    arguments: impl IntoIterator<Item = (K, V)>,
) -> Result<AmpBox, CallError>
where
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let (peer, _called) = pair(Responders::new(()), responders.clone().tell_causes());
    peer.call_by_name(command, arguments).await
}

/// Hands a one-way command to its responder among `responders`, and waits until the responder is done. As over a
/// connection, nothing tells whether it has succeeded.
///
/// The command is encoded and decoded. A responder that panics panics here.
///
/// # Errors
///
/// When an argument cannot be written, or needs a connection.
///
/// # Panics
///
/// Outside of a tokio runtime.
///
/// # Cancel safety
///
/// Dropping the future drops the responder's.
pub async fn notify<S, C: OneWay>(
    responders: &Responders<S>,
    command: C,
) -> Result<(), EncodeError> {
    let (here, there) = tokio::io::duplex(64 << 10);
    let (_caller, called): (DuplexStream, Peer) = (here, Connection::new(there).spawn());
    let mut ampbox = AmpBox::new();
    let mut core = Core::<()>::new(ProtocolLimits::default());
    let queued = core.notify(C::NAME.as_bytes(), &mut body_of(&command)?);
    if let Err(NotQueued::TooLarge(error)) = queued {
        return Err(error.into());
    }
    let mut bytes = core.outgoing().take_bytes().into();
    if let Ok(parsed) = AmpBox::parse(&mut bytes, crate::boxes::BoxLimits::default()) {
        ampbox = parsed;
    }
    if let Ok(Event::Called(call)) = core.handle_box(ampbox) {
        let question = Question::new(called.into(), &call, None, false);
        let locator = responders.clone().into_locator();
        if let Some(responding) = locator.respond(question, call.command(), call.ampbox()) {
            responding.await;
        }
    }
    Ok(())
}
