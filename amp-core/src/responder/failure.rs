use std::error::Error;
use std::io;
use std::iter::successors;

use crate::error::CallError;

pub(super) type BoxedError = Box<dyn Error + Send + Sync>;

/// The failure of a responder that may fail in ways its command does not declare.
///
/// `?` makes one of any error, of a `Box<dyn Error + Send + Sync>`, of an `anyhow::Error`, and of a
/// text. If that is an error which the command declares, or one of its causes is, the call is
/// answered with the declared one: with its code and its description.
///
/// ```
/// use amp_core::{CommandError, Failure};
///
/// #[derive(CommandError, Debug, thiserror::Error)]
/// enum ReadError {
///     #[error("no such file")]
///     NoSuchFile,
/// }
///
/// fn check(path: &str) -> Result<(), ReadError> {
///     if path.is_empty() { Err(ReadError::NoSuchFile) } else { Ok(()) }
/// }
///
/// fn read(path: &str) -> Result<String, Failure<ReadError>> {
///     check(path)?; // is answered with NO_SUCH_FILE
///     Ok(std::fs::read_to_string(path)?) // with UNKNOWN
/// }
/// # assert!(matches!(read("").unwrap_err().declared(), Some(ReadError::NoSuchFile)));
/// # assert!(read("/no/such/file").unwrap_err().declared().is_none());
/// ```
///
/// So if a responder makes the same call to another peer and uses `?`, the error that the other peer declared
/// ([`CallError::Command`]) is passed on.
///
/// A declared error keeps its code when other errors are wrapped around it. Such context, as
/// `while opening the index`, goes to this side's log only. The peer gets the code and the description of the
/// declared error, and nothing else.
///
/// With `anyhow`, a declared error is found if context was added to it. Without context, `?` hides what the
/// `anyhow::Error` was made of, so take the declared error out first:
///
/// ```
/// # use amp_core::{CommandError, Failure};
/// # #[derive(CommandError, Debug, thiserror::Error)]
/// # enum ReadError { #[error("no such file")] NoSuchFile }
/// # fn check(path: &str) -> anyhow::Result<()> { Err(ReadError::NoSuchFile)? }
/// fn read(path: &str) -> Result<String, Failure<ReadError>> {
///     check(path).map_err(|error| error.downcast().map_or_else(Failure::other, Failure::Declared))?;
///     Ok(std::fs::read_to_string(path)?)
/// }
/// # assert!(matches!(read("").unwrap_err().declared(), Some(ReadError::NoSuchFile)));
/// ```
#[derive(Debug)]
pub enum Failure<E> {
    /// The failure is an error that the command declares: it is answered with its code.
    Declared(E),
    /// The failure is any other error. Unless the command declares it or one of its causes, it is
    /// logged here and answered with `UNKNOWN`, and the connection's
    /// [`FailurePolicy`](crate::FailurePolicy) says what follows.
    Other(Box<dyn Error + Send + Sync>),
}

impl<E> Failure<E> {
    /// Creates a failure from any error or a text, as `?` makes it.
    pub fn other(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Failure::Other(cause.into())
    }
}

impl<E: Error + 'static> Failure<E> {
    /// Returns the error that the command declares: this one, or the first of its causes that is
    /// one.
    pub fn declared(&self) -> Option<&E> {
        match self {
            Failure::Declared(error) => Some(error),
            Failure::Other(error) => {
                let error: &(dyn Error + 'static) = &**error;
                successors(Some(error), |&error| below(error))
                    .find_map(|error| error.downcast_ref::<E>().or_else(|| answered(error)))
            }
        }
    }
}

/// The error that this one is about. An `io::Error` that was made of another shows that as itself,
/// and so not among its causes.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The error that another call was answered with: a [`CallError`] shows it as itself, and so not
/// among its causes.
fn answered<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    match error.downcast_ref() {
        Some(CallError::Command(error)) => Some(error),
        _ => None,
    }
}

impl<E, X: Into<Box<dyn Error + Send + Sync>>> From<X> for Failure<E> {
    fn from(error: X) -> Self {
        Failure::Other(error.into())
    }
}
