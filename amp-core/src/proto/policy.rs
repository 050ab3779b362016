#[cfg(feature = "tokio")]
use std::hash::{BuildHasher, Hasher, RandomState};
#[cfg(feature = "tokio")]
use std::sync::OnceLock;
#[cfg(feature = "tokio")]
use std::sync::atomic::{AtomicU32, Ordering};

/// The fate of a connection when a responder fails with an error that its command does not declare, when a call cannot
/// be decoded, or when its response cannot be encoded.
///
/// When a [limit](crate::Limits) refuses a call that wants an answer, no responder has failed, since others may have
/// filled that limit. The same is true when an answer's attachments cannot be sent because others have too many on
/// their way. The connection goes on then.
///
/// In all these cases the peer gets an answer with the code `UNKNOWN`, with both policies. The cause stays on this side,
/// in a `tracing` event at the level `WARN`, `a call failed`, with the fields `command`, `reference` and `error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "tokio"),
    expect(unreachable_pub, reason = "connections are set up by it")
)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// The connection goes on. A one-way call that fails is logged. The answer's description is
    /// `Unknown Error (reference 1f2e3d4c)`, with the reference of the event.
    #[default]
    Stay,
    /// The connection is closed once the answer is sent, and the answers to all that had been received by then. A one-way
    /// call that fails closes it too. Twisted does the same.
    Close,
}

impl FailurePolicy {
    /// What the peer is told of a failure that its command does not declare: nothing of the cause, but
    /// where to look for it, or to the letter what Twisted says.
    pub(crate) fn describe(self, reference: &str) -> String {
        match self {
            FailurePolicy::Stay => format!("Unknown Error (reference {reference})"),
            FailurePolicy::Close => "Unknown Error".to_owned(),
        }
    }

    /// Whether a failure closes the connection: one that is not `declared` does, and so does one that
    /// nobody can be told of, since the call wants no answer.
    pub(crate) fn closes(self, declared: bool, answered: bool) -> bool {
        self == FailurePolicy::Close && !(declared && answered)
    }
}

/// Returns a number that ties an answer to the event in this side's log. The first is random, so
/// that the references of two runs are hardly ever the same.
#[cfg(feature = "tokio")]
pub(crate) fn next_reference() -> String {
    static FIRST: OnceLock<u32> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    #[allow(clippy::cast_possible_truncation, reason = "any part of it will do")]
    let first = *FIRST.get_or_init(|| RandomState::new().build_hasher().finish() as u32);
    format!("{:08x}", first.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_answered_is_not_declared() {
        use FailurePolicy::{Close, Stay};
        for (policy, declared, answered, closes) in [
            (Stay, false, false, false),
            (Stay, false, true, false),
            (Close, true, true, false),
            (Close, false, true, true),
            (Close, true, false, true),
        ] {
            assert_eq!(policy.closes(declared, answered), closes, "{policy:?}");
        }
        assert_eq!(Close.describe("1f2e3d4c"), "Unknown Error");
        assert_eq!(Stay.describe("1f2e3d4c"), "Unknown Error (reference 1f2e3d4c)");
    }
}
