//! How the descriptors that a process may have are shared out by default, among what peers can take.

#[cfg(all(unix, feature = "tokio"))]
use nix::sys::resource::{Resource, getrlimit};

/// How many of a process's descriptors there may be of what, by default. An attachment may cost two:
/// one that is the other end of its own connection keeps that open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// Attachments that all connections hold together.
    pub(crate) attachments: usize,
    /// TLS handshakes that are under way, or done and not served yet.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are none"))]
    pub(crate) handshakes: usize,
    /// Connections of a server.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "there are none"))]
    pub(crate) connections: usize,
}

/// More of these is of no use to anyone.
#[cfg_attr(not(all(unix, feature = "tokio")), allow(dead_code, reason = "no limit is known"))]
const MOST_ATTACHMENTS: usize = 1 << 16;
const MOST_HANDSHAKES: usize = 1 << 10;

impl Descriptors {
    /// Shares out what the process may have at this time.
    pub(crate) fn by_default() -> Self {
        // Miri does not know the call, and users run tests under Miri too.
        #[cfg(all(unix, feature = "tokio"))]
        if !cfg!(miri)
            && let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE)
        {
            return Self::of(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        // Where the system has no limit that is known here.
        Self { attachments: 256, handshakes: MOST_HANDSHAKES, connections: usize::MAX }
    }

    /// Shares out so many. Something is left for the program itself.
    #[cfg_attr(not(all(unix, feature = "tokio")), allow(dead_code, reason = "no limit is known"))]
    pub(crate) fn of(limit: usize) -> Self {
        let attachments = (limit / 4).clamp(1, MOST_ATTACHMENTS);
        let handshakes = (limit / 8).clamp(1, MOST_HANDSHAKES);
        let left = limit.saturating_sub(2 * attachments + handshakes);
        Self { attachments, handshakes, connections: (left / 4 * 3).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_peers_can_take_leaves_some_for_the_program() {
        for (limit, attachments, handshakes, connections) in [
            (64, 16, 8, 18),
            (256, 64, 32, 72),
            (1024, 256, 128, 288),
            (4096, 1024, 512, 1152),
            (65_536, 16_384, 1024, 23_808),
            (1 << 20, 65_536, 1024, 687_360),
        ] {
            let shared_out = Descriptors { attachments, handshakes, connections };
            assert_eq!(Descriptors::of(limit), shared_out, "of {limit}");
            assert!(2 * attachments + handshakes + connections < limit - limit / 32);
        }
        let none = Descriptors { attachments: 1, handshakes: 1, connections: 1 };
        assert_eq!(Descriptors::of(0), none);
        assert!(Descriptors::of(usize::MAX).connections > usize::MAX / 2);
    }
}
