//! How the fields of a struct are read from a box: one after another, and those behind the first
//! that cannot be read too, since they may name attachments. What `#[derive(Arguments)]` expands to
//! calls these.

use crate::argument::{DecodeError, Proto};
use crate::boxes::BoxReader;

/// Returns what was read, or the `error` of it.
#[inline]
pub fn or_error<T>(read: Result<T, DecodeError>, error: &mut Option<DecodeError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(cause) => {
            *error = Some(cause);
            None
        }
    }
}

/// Reads the fields of a struct that are behind the one of this index.
type Rest = fn(usize, &mut BoxReader<'_>, &mut Proto<'_>);

/// Reads what is behind the field that failed with `error`, and fails with that.
///
/// # Errors
///
/// Always.
#[cold]
#[inline(never)]
pub fn read_on<T>(
    rest: Rest,
    failed: usize,
    error: Option<DecodeError>,
    input: &mut BoxReader<'_>,
    proto: &mut Proto<'_>,
) -> Result<T, DecodeError> {
    if proto.carries_attachments() {
        rest(failed, input, proto);
    }
    Err(error.unwrap_or_else(DecodeError::missing))
}
