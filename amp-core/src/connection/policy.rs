/// What becomes of a connection on which a responder fails with an error that its command does
/// not declare, or on which a call cannot be decoded or its response not encoded.
///
/// The peer gets an answer with the code `UNKNOWN` either way. The cause stays on this side: it is
/// in a `tracing` event at the level `WARN`, `a call failed`, with the fields `command`,
/// `reference` and `error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It goes on. A one-way call that fails is logged. The answer's description is
    /// `Unknown Error (reference 1f2e3d4c)`, with the reference of the event.
    #[default]
    Stay,
    /// It is closed once the answer, and the answers to what had been received by then, are
    /// sent; a one-way call that fails closes it too. This is what Twisted does.
    Close,
}
