use std::error::Error;

pub(super) type BoxedError = Box<dyn Error + Send + Sync>;

/// How a responder failed that may fail in ways its command does not declare.
///
/// `?` turns any error into an undeclared failure:
///
/// ```
/// use amp_core::{CommandError, Failure};
///
/// # #[derive(CommandError, Debug, thiserror::Error)]
/// # enum ReadError { #[error("no such file")] NoSuchFile }
/// fn read(path: &str) -> Result<String, Failure<ReadError>> {
///     if path.is_empty() {
///         return Err(Failure::Declared(ReadError::NoSuchFile));
///     }
///     Ok(std::fs::read_to_string(path)?)
/// }
/// ```
#[derive(Debug)]
pub enum Failure<E> {
    /// With an error that the command declares: it is answered with its code.
    Declared(E),
    /// With any other error: it is logged here and answered with `UNKNOWN`, and the connection's
    /// [`FailurePolicy`](crate::FailurePolicy) says what follows.
    Undeclared(BoxedError),
}

impl<E> Failure<E> {
    /// A failure that the command does not declare, from a text or an error.
    pub fn undeclared(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Failure::Undeclared(cause.into())
    }
}

impl<E, X: Error + Send + Sync + 'static> From<X> for Failure<E> {
    fn from(error: X) -> Self {
        Failure::Undeclared(error.into())
    }
}
