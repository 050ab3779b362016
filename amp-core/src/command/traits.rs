use super::{Arguments, CommandError};

/// A call that one side makes to the other: its name, its arguments, its response and its errors.
///
/// Use the derive macro of the same name, which documents its attributes.
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

    /// Says whether the caller wants an answer, as Twisted's `requiresAnswer`. Commands for which this is
    /// `false` implement [`OneWay`] as well.
    const REQUIRES_ANSWER: bool = true;

    /// Says whether a call may be sent again on another connection if its own was lost before the
    /// answer came. The peer may then act on it twice. This is not on the wire. Only code that sends
    /// calls again uses it, such as a [`reconnect::Client`](crate::reconnect::Client).
    const IS_IDEMPOTENT: bool = false;

    /// Says whether a call asks for a protocol switch, as one of Twisted's `ProtocolSwitchCommand` does.
    /// Commands for which this is `true` implement [`ProtocolSwitch`] as well. This is not on the wire.
    const IS_SWITCH: bool = false;

    /// A description of the command, for its [schema](crate::schema). The derive macro uses the doc
    /// comment.
    const DOCS: &'static str = "";

    /// The response, which is the contents of a successful answer, or `()` if it has none.
    type Response: Arguments + Send + 'static;

    /// The errors that the command declares, or [`NoError`](crate::NoError) if it declares none.
    type Error: CommandError;
}

/// A command that asks for a protocol switch, as Twisted's `ProtocolSwitchCommand`.
///
/// `#[derive(Command)]` with `#[amp(switch)]` implements it.
/// [`Peer::switch_protocol`](crate::Peer::switch_protocol) asks, and
/// [`Responders::respond_switch`](crate::Responders::respond_switch) agrees or refuses. Neither compiles for
/// a command whose [`IS_SWITCH`](Command::IS_SWITCH) is `false`, since schemas would have it as an ordinary
/// one:
///
#[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
#[cfg_attr(feature = "tokio", doc = "```compile_fail")]
/// # use amp_core::{Command, NoError, ProtocolSwitch, Responders, Switched};
/// #[derive(Command)]
/// struct SwitchToEcho {}
///
/// impl ProtocolSwitch for SwitchToEcho {}
///
/// Responders::new(()).respond_switch(async |_, _: SwitchToEcho| Ok(async |_: Switched| {}));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command that switches the protocol",
    label = "does not switch the protocol",
    note = "mark it `#[amp(switch)]`"
)]
#[doc(alias = "ProtocolSwitchCommand")]
pub trait ProtocolSwitch: Command<Response = ()> {}

/// Does not compile for a command that schemas would have as an ordinary one.
#[cfg(feature = "tokio")]
pub(crate) const fn check_switch<C: ProtocolSwitch>() {
    assert!(
        C::IS_SWITCH,
        "a `ProtocolSwitch` says so in `Command::IS_SWITCH`, as by `#[amp(switch)]`"
    );
}

/// A command that has no answer, as with Twisted's `requiresAnswer = False`.
///
/// `#[derive(Command)]` with `#[amp(one_way)]` implements it. To ask for an answer all the same, call it as
/// [`Answered`](crate::Answered).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a one-way command",
    label = "wants an answer",
    note = "mark it `#[amp(one_way)]`, or call it with `call_remote` and await the answer"
)]
#[doc(alias("fire and forget", "notification", "requiresAnswer"))]
pub trait OneWay: Command<Response = ()> {}
