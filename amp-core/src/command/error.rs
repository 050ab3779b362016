use std::convert::Infallible;
use std::error::Error;

use crate::schema::ErrorSchema;

/// The errors that a command declares: Twisted's `errors` and `fatalErrors`.
///
/// Derive it for an enum whose variants are the errors. What an error displays is its description
/// on the wire, unless it has named fields: UTF-8, cut at 65 535 bytes.
///
/// ```
/// use amp_core::CommandError;
///
/// #[derive(CommandError, Debug, PartialEq, thiserror::Error)]
/// enum DivideError {
///     #[error("division by zero")]
///     ZeroDivision,
///     #[error("{0}")]
///     #[amp(code = "FIRE", fatal)]
///     OnFire(String),
/// }
///
/// assert_eq!(DivideError::ZeroDivision.code(), "ZERO_DIVISION");
/// let received = DivideError::from_wire(b"FIRE", "it burns");
/// assert_eq!(received, Some(DivideError::OnFire("it burns".into())));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of declared AMP errors",
    label = "has no codes on the wire",
    note = "derive it for an enum: `#[derive(amp_core::CommandError)]`"
)]
#[doc(alias("errors", "fatalErrors"))]
pub trait CommandError: Error + Send + Sync + 'static {
    /// Returns the code on the wire.
    fn code(&self) -> &str;

    /// Returns whether the connection is closed once this error was answered.
    fn is_fatal(&self) -> bool {
        false
    }

    /// Returns the description on the wire: what it displays, unless it says otherwise, as the derive
    /// does for variants with named fields.
    fn describe(&self) -> String {
        self.to_string()
    }

    /// Returns the error with this code, or `None` when it is not one of these.
    fn from_wire(code: &[u8], description: &str) -> Option<Self>
    where
        Self: Sized;

    /// Returns all the errors that there are, for a [schema](crate::schema); `None` when they are
    /// not known, as of an implementation by hand that does not say.
    fn schema() -> Option<Vec<ErrorSchema>>
    where
        Self: Sized,
    {
        None
    }
}

/// The errors of a command that declares none.
///
/// A closure that is bound to a name first has to say the type of its error, as in
/// `Ok::<_, NoError>(answer)`. One that is written in the call of
/// [`respond`](crate::Responders::respond) does not:
///
/// ```
/// # #[cfg(all(feature = "tokio", feature = "derive"))] {
/// # use amp_core::{Command, Context, Responders};
/// # #[derive(Command)]
/// # #[amp(one_way)]
/// # struct Log { line: String }
/// Responders::new(()).respond(async |_: Context, Log { line }: Log| {
///     println!("{line}");
///     Ok(())
/// });
/// # }
/// ```
pub type NoError = Infallible;

impl CommandError for Infallible {
    fn code(&self) -> &str {
        match *self {}
    }

    fn from_wire(_: &[u8], _: &str) -> Option<Self> {
        None
    }

    fn schema() -> Option<Vec<ErrorSchema>> {
        Some(Vec::new())
    }
}

/// Adds the errors of one enum to those of another that includes it. Where both have a code, it is the
/// outer one's.
pub fn include_errors(errors: &mut Vec<ErrorSchema>, included: Vec<ErrorSchema>) {
    for error in included {
        if !errors.iter().any(|own| own.code == error.code) {
            errors.push(error);
        }
    }
}
