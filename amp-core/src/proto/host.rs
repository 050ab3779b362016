/// The things that a [`Core`](super::Core) keeps for whoever drives it, and hands back without
/// looking at them.
///
/// `()` is for those who have nothing of that to be kept: who make and answer calls.
pub(crate) trait Host {
    /// The work to be done when an answer has been written.
    type After;
    /// The protocol that speaks on the stream when this side has agreed to a switch.
    type Successor;
    /// The step that makes another transport of the stream: TLS, say.
    type Upgrade;
    /// The stream that is handed over when it has left.
    type Switched;
    /// The way to drop the answer to a call that was given up, with the attachments that it names.
    type Discard;
}

impl Host for () {
    type After = ();
    type Successor = ();
    type Upgrade = ();
    type Switched = ();
    type Discard = ();
}
