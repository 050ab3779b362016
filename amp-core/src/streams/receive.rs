use tokio::sync::Notify;

use super::error::StreamError;
use super::wire::End;
use crate::boxes::AmpBox;
use crate::connection::Peer;
use crate::proto::BoxNumber;
use crate::responder::Question;

/// A receiving end, whatever its items are.
pub(super) trait Receive: Send + Sync {
    /// Takes the items of a call, which is answered when they are taken. It has a number where it may
    /// claim attachments.
    fn handle_items(&self, question: Question, ampbox: &AmpBox, number: Option<BoxNumber>);

    /// The sender has ended.
    fn handle_end(&self, question: Question, end: End);

    /// The sender, which was sent to the peer, is there.
    fn handle_taken(&self, peer: &Peer);

    /// Nothing more comes, unless that was so before.
    fn fail(&self, error: StreamError);

    /// The sender has not said in time that it is there.
    fn not_taken(&self);

    /// The sender was not sent after all.
    fn unbind(&self);

    /// Whether the sender was sent, and has not said that it is there.
    fn is_awaited(&self) -> bool;

    /// Notified when that changes.
    fn changed(&self) -> &Notify;
}
