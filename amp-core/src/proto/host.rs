/// What a [`Core`](super::Core) keeps for whoever drives it, and hands back without looking at it.
///
/// `()` is for those who have nothing of that to be kept: who make and answer calls.
pub trait Host {
    /// What is to run when an answer has been written.
    type After;
    /// What speaks on the stream when this side has agreed to a protocol switch.
    type Successor;
    /// What makes another transport of the stream: TLS, say.
    type Upgrade;
    /// The stream, once it is handed over.
    type Stream;
    /// How the answer to a call that was given up is dropped, with the attachments that it names.
    type Discard;
}

impl Host for () {
    type After = ();
    type Successor = ();
    type Upgrade = ();
    type Stream = ();
    type Discard = ();
}
