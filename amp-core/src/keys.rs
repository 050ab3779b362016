//! The keys that the protocol reserves for itself.

/// The tag of a call that wants an answer.
pub const ASK: &[u8] = b"_ask";
/// The tag of the call that this box answers.
pub const ANSWER: &[u8] = b"_answer";
/// The tag of the call that this box fails.
pub const ERROR: &[u8] = b"_error";
/// The name of the command that is called.
pub const COMMAND: &[u8] = b"_command";
/// The kind of failure, for programs.
pub const ERROR_CODE: &[u8] = b"_error_code";
/// The kind of failure, for people: UTF-8.
pub const ERROR_DESCRIPTION: &[u8] = b"_error_description";
/// With the value `True` beside the code of an error, this key says that the side which sends the box has certainly not
/// acted upon the call. It belongs to this implementation; peers that do not know it ignore it. It is not reserved, since
/// boxes of errors have no arguments: a command may have an argument of this name.
pub const NOT_ACTED_UPON: &[u8] = b"_not_acted_upon";
/// The name of the conversation that the box belongs to, of many on one connection. It is not reserved: it has a meaning
/// only on connections that are [routed](crate::router), as those of epsilon.
pub const ROUTE: &[u8] = b"_route";

/// All reserved keys, in the order in which they are written. They belong to the protocol. Keys that this implementation adds
/// are not among them, since a peer may have an argument of that name.
///
/// They come before every argument. Some peers insist on `_ask` before `_command`.
pub const RESERVED: &[&[u8]] = &[ASK, ANSWER, ERROR, COMMAND, ERROR_CODE, ERROR_DESCRIPTION];

/// The error code of a failure that the command does not declare.
pub const UNKNOWN: &str = "UNKNOWN";
/// The error code of a call that no responder answers to.
pub const UNHANDLED: &str = "UNHANDLED";
/// The error code of a call that came when its connection was about to end. It belongs to this implementation; for Twisted
/// it is like any other code that a command does not declare. A command may declare it, and a responder may answer with it.
/// It comes from the connection only if [`NOT_ACTED_UPON`] is beside it.
pub const CLOSING: &str = "CLOSING";

/// The name of the command that changes a connection to TLS, with and without the feature `tls`.
#[cfg(feature = "tokio")]
pub(crate) const START_TLS: &str = "StartTLS";

/// Returns whether `key` is one of [`RESERVED`].
#[inline]
pub fn is_reserved(key: &[u8]) -> bool {
    matches!(key, ASK | ANSWER | ERROR | COMMAND | ERROR_CODE | ERROR_DESCRIPTION)
}

/// Returns whether `a` comes before `b`. Most keys differ in their first two bytes.
#[inline]
pub(crate) fn is_before(a: &[u8], b: &[u8]) -> bool {
    if let ([a0, a1, ..], [b0, b1, ..]) = (a, b) {
        let (a, b) = (u16::from_be_bytes([*a0, *a1]), u16::from_be_bytes([*b0, *b1]));
        if a != b {
            return a < b;
        }
    } else if a.first() != b.first() {
        return a.first() < b.first();
    }
    a < b
}

/// Returns the first bytes of `key` as a number. Of two keys with different numbers, the one with
/// the smaller number comes first.
#[inline]
pub(super) fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = key.len().min(first.len());
    first[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(first)
}
