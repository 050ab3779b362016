//! What a [`Drive`](super::Drive) needs others for: the core behind its lock, the stream, the time, and whoever
//! answers calls.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::Poll;
use std::time::Instant;

use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::proto::admission::{Busy, Refusal};
use crate::proto::box_number::BoxNumber;
use crate::proto::core::WasRemoved;
use crate::proto::inbound::{Inbound, Sorted, WaitingCall};
use crate::proto::leftover::Leftover;
use crate::proto::parking::Parking;
use crate::proto::switch::Leaving;
use crate::proto::timers::Timer;
use crate::proto::together::Share;
use crate::proto::wants::Public;
use crate::proto::{CloseReason, Core, Host, NotQueued, Outgoing, Removed};

/// The operations of whoever drives a connection. None of them decides anything: each does one thing, when
/// the turn of a [`Drive`](super::Drive) says so. A driver has a transport, tasks and a runtime to do them
/// with, and the model of the tests two pipes and a clock.
pub(crate) trait Hands {
    /// A caller that is told that its answer has come, or a driver that is to go to work.
    type Caller: Clone;
    type Host: Host;
    /// The stream, of which this half knows nothing. That by default leads nowhere.
    type Stream: Default;

    /// Changes the core behind the lock, and tells whom that concerns.
    fn with<R>(&mut self, change: impl FnOnce(&mut Core<Self::Caller, Self::Host>) -> R) -> R;

    /// Changes what the driver leaves beside the core, by a look at that. It concerns nobody.
    fn with_parking<R>(
        &mut self,
        change: impl FnOnce(
            &Core<Self::Caller, Self::Host>,
            &mut Parking<Self::Caller, Self::Stream>,
        ) -> R,
    ) -> R;

    /// Looks at the core, and changes nothing.
    #[inline]
    fn peek<R>(&mut self, look: impl FnOnce(&Core<Self::Caller, Self::Host>) -> R) -> R {
        self.with_parking(|core, _| look(core))
    }

    /// What the core has made public.
    fn public(&self) -> Public;

    fn now(&self) -> Instant;

    /// The time, if the `next` is due; else another turn follows when it is.
    fn due(&mut self, next: Option<Instant>) -> Option<Instant>;

    /// The driver is about to wait, and others may have the stream meanwhile. Who wakes it: the `last` who did,
    /// if that still does.
    fn waker(&mut self, stream: &mut Self::Stream, last: Option<Self::Caller>) -> Self::Caller;

    /// Receives behind what there is already: bytes, and the attachments that came with them. None at all
    /// are the end.
    fn receive(
        &mut self,
        stream: &mut Self::Stream,
        bytes: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>>;

    /// Sends some bytes, and all attachments with the first of them.
    fn send(
        &mut self,
        stream: &mut Self::Stream,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>>;

    fn flush(&mut self, stream: &mut Self::Stream) -> Poll<io::Result<()>>;

    /// Says that nothing more is sent.
    fn shut_down(&mut self, stream: &mut Self::Stream) -> Poll<io::Result<()>>;

    /// Whether the stream knows that the peer has closed it, behind what was not received.
    fn has_peer_closed(&self, stream: &Self::Stream) -> bool;

    /// The stream leaves after a protocol switch, with the rest of what was received.
    fn leave(&mut self, stream: &mut Self::Stream, leaving: Leaving<Self::Host>, rest: Rest);

    /// Puts another transport in the place of a stream that has left for an upgrade, once it is made.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    fn upgrade(&mut self, stream: &mut Self::Stream) -> Poll<Result<(), CloseReason>>;

    /// Runs this with the ordinal of the next attachment. `None` while a box with attachments is being
    /// encoded: then the core [is told](Core::await_ordinals) to say when that is over.
    fn with_ordinal<R>(&mut self, run: impl FnOnce(&mut Self, &mut u64) -> R) -> Option<R>;

    /// Looks at what has changed: how much is answered, and what by. Whether any responder makes switches.
    fn take_news(&mut self) -> (Busy, bool);

    /// These boxes were received. Whether the first asks for a protocol switch, if it is a call.
    fn decoded(&mut self, boxes: &[AmpBox]) -> bool;

    /// What was decoded was sorted out. That is nobody's business but the model's of the tests.
    #[inline]
    fn sorted(&mut self, _: &Sorted<<Self::Host as Host>::Discard>, _: &Inbound<Self::Caller>) {}

    /// Begins to answer a call, which may be one that `asks_switch`. Whether it can be gone on with only once
    /// others have had their turn.
    fn begin(&mut self, received: &WaitingCall, asks_switch: bool, by: AnsweredBy) -> bool;

    /// Drops an answer that nobody waits for, as the core was told to.
    fn discard(
        &mut self,
        discard: <Self::Host as Host>::Discard,
        answer: &AmpBox,
        number: BoxNumber,
    );

    /// Attachments were received and kept `now`, the `first` ones of the connection. When all connections of the
    /// process keep too many, those who keep most give some up.
    fn share_attachments(&mut self, first: bool, now: Instant);

    /// Wakes callers whose answers have come. Whether any of them is known to be a task of its own; otherwise they
    /// may all be on one.
    fn wake(&mut self, callers: &mut Vec<Self::Caller>) -> bool;

    /// Begins later, as responders are done, what a peer has left behind that has gone.
    fn begin_later(&mut self, leftover: Leftover);

    /// Runs what was to run when an answer is written.
    fn run(&mut self, after: <Self::Host as Host>::After);

    /// Takes note of what is of interest to whoever watches.
    fn note(&mut self, note: Note<'_>);
}

/// What a received call is answered by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AnsweredBy {
    /// The responder for its command.
    Responder,
    /// What answers the commands of the connection's own, once there is something. Before, as any other.
    Own,
    /// Nobody: it is refused.
    Refusal(Refusal),
}

/// What came in before the stream has left, beside boxes.
pub(crate) struct Rest {
    pub(crate) bytes: BytesMut,
    /// Those that nothing has claimed; none where the connection goes on.
    pub(crate) attachments: Vec<Attachment>,
    /// What it counts as among all that the server holds; nothing where the connection goes on.
    pub(crate) share: Share,
}

/// What is of interest to whoever watches.
pub(crate) enum Note<'a> {
    /// So many bytes at the end of this are about to be written.
    Taken(&'a Outgoing, usize),
    /// These boxes were taken back, since the stream refuses what they name. Whoever is told of that is
    /// told this reference.
    TakenBack { boxes: &'a [(Removed, WasRemoved)], error: &'a io::Error, reference: &'a str },
    /// So many answers came to calls that are not outstanding, and so many calls nobody waits for any more.
    Unwanted { ignored: usize, unanswerable: usize },
    /// These calls were received, and are dropped before they are begun.
    Dropped(&'a VecDeque<WaitingCall>),
    /// A ping cannot be queued; the `first` that cannot.
    NotPinged { error: NotQueued, first: bool },
    /// Something was due.
    Due(Timer),
}
