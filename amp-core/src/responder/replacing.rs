use super::Responders;
use crate::connection::Peer;

impl Peer {
    /// Replaces the responders of this connection, for example after a login. The new set applies from
    /// the next call whose responder is started. A responder that replaces the set before it first
    /// waits does so before any call that the peer has sent after its own.
    ///
    /// # Errors
    ///
    /// Anybody in between may have sent a call that came before TLS was started. So once the handshake has begun, the
    /// peer of such a call replaces nothing. See [`StartTls`](crate::tls::StartTls). Without `StartTLS`, there is no
    /// error.
    pub fn replace_responders<S>(&self, responders: Responders<S>) -> Result<(), CameBeforeTls> {
        let done = self.shared().replace_locator(responders.into_locator(), self.sees_late());
        done.then_some(()).ok_or(CameBeforeTls {})
    }
}

/// An error that says that no responders were replaced, and nobody logged in: the call that asks for it came
/// before TLS was started, and the handshake has begun since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no responders are replaced: the call that asks for it came before TLS was started")]
#[non_exhaustive]
pub struct CameBeforeTls {}
