use super::{Arguments, CommandError};

/// A call that one side makes of the other: its name, its arguments, its response, its errors.
///
/// Derive it. The attributes of the derive are documented there.
///
/// ```
/// use amp_core::{Arguments, Command};
///
/// /// Adds two integers.
/// #[derive(Command)]
/// #[amp(response = Total)]
/// struct Sum {
///     a: i64,
///     b: i64,
/// }
///
/// #[derive(Arguments)]
/// struct Total {
///     total: i64,
/// }
///
/// assert_eq!(Sum::NAME, "Sum");
/// assert!(Sum::REQUIRES_ANSWER);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an AMP command",
    label = "cannot be called",
    note = "derive it: `#[derive(amp_core::Command)]`"
)]
pub trait Command: Arguments + Send + 'static {
    /// The name on the wire.
    const NAME: &'static str;

    /// Says whether the caller wants an answer: Twisted's `requiresAnswer`. Commands for which it
    /// is false implement [`OneWay`] as well.
    const REQUIRES_ANSWER: bool = true;

    /// Says whether a call that was sent, and whose connection was lost before the answer came, may
    /// be sent again on another connection: the peer may then act on it twice. It is not on the
    /// wire: only what sends calls again asks for it, such as a
    /// [`reconnect::Client`](crate::reconnect::Client).
    const IDEMPOTENT: bool = false;

    /// Says what it does, for its [schema](crate::schema): the derive takes the doc comment.
    const DOCS: &'static str = "";

    /// The response: what a successful answer holds; `()` for nothing.
    type Response: Arguments + Send + 'static;

    /// The errors that the command declares; [`NoError`](crate::NoError) when it declares none.
    type Error: CommandError;
}

/// A command that asks for a protocol switch: Twisted's `ProtocolSwitchCommand`.
///
/// [`Peer::switch_protocol`](crate::Peer::switch_protocol) asks, and
/// [`Responders::respond_switch`](crate::Responders::respond_switch) agrees or refuses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command that switches the protocol",
    label = "does not switch the protocol",
    note = "say so: `impl amp_core::ProtocolSwitch for {Self} {{}}`"
)]
#[doc(alias = "ProtocolSwitchCommand")]
pub trait ProtocolSwitch: Command<Response = ()> {}

/// A command that wants no answer: Twisted's `requiresAnswer = False`.
///
/// `#[derive(Command)]` with `#[amp(one_way)]` implements it. Who wants an answer all the same calls it as
/// [`Answered`](crate::Answered).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a one-way command",
    label = "wants an answer",
    note = "mark it `#[amp(one_way)]`, or call it with `call_remote` and await the answer"
)]
#[doc(alias("fire and forget", "notification", "requiresAnswer"))]
pub trait OneWay: Command<Response = ()> {}
