//! What a [`Drive`] does with: the core behind its lock, the stream, the time, and whoever
//! answers calls.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::Poll;
use std::time::Instant;

use super::Drive;
use super::line::Line;
use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::proto::admission::{Busy, Refusal};
use crate::proto::inbound::{Inbound, Sorted, WaitingCall};
use crate::proto::switch::Leaving;
use crate::proto::timers::Timer;
use crate::proto::together::Share;
use crate::proto::wants::Public;
use crate::proto::{Answer, CallId, CloseReason, Core, Host, Outgoing};

/// The operations of whoever drives a connection. None of them decides anything: each does one thing, when
/// the turn of a [`Drive`] says so. There is one for all that a driver does with anything but this half, so
/// that nothing of a turn is decided elsewhere. A driver has a transport, tasks and a runtime to do them
/// with, and the model of the tests two pipes and a clock.
pub(crate) trait Hands {
    /// Who is told that an answer has come.
    type Caller: Clone;
    type Host: Host;
    /// The stream, of which this half knows nothing.
    type Stream;

    /// Changes the core, and tells whom that concerns.
    fn with<R>(&mut self, change: impl FnOnce(&mut Core<Self::Caller, Self::Host>) -> R) -> R;

    /// Looks at the core, and changes nothing.
    fn peek<R>(&self, look: impl FnOnce(&Core<Self::Caller, Self::Host>) -> R) -> R;

    /// What the core has made public.
    fn public(&self) -> Public;

    fn now(&self) -> Instant;

    /// Waits, if [`Drive::may_wait`] says so. Whether it waits.
    fn park(&mut self, drive: &mut Drive<Self::Caller, Self::Stream>) -> bool;

    /// The time, if the `next` is due; else another turn follows when it is.
    fn due(&mut self, next: Option<Instant>) -> Option<Instant>;

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

    /// Takes the boxes back whose attachments the stream refuses by this error, and says whether somebody
    /// was told of room. `None` when that has to wait: then the line has the error again.
    ///
    /// # Errors
    ///
    /// When it is another error, or they cannot be taken back.
    fn take_back(
        &mut self,
        line: &mut Line<Self::Stream>,
        error: io::Error,
    ) -> Result<Option<bool>, CloseReason>;

    /// The stream leaves after a protocol switch, with the rest of what was received.
    fn leave(&mut self, stream: &mut Self::Stream, leaving: Leaving<Self::Host>, rest: Rest);

    /// Puts another transport in the place of a stream that has left for an upgrade, once it is made.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    fn upgrade(&mut self, stream: &mut Self::Stream) -> Poll<Result<(), CloseReason>>;

    /// Looks at what has changed: how much is answered, and what by. Whether any responder makes switches.
    fn take_news(&mut self) -> (Busy, bool);

    /// These boxes were received. Whether the first asks for a protocol switch, if it is a call.
    fn decoded(&mut self, boxes: &[AmpBox]) -> bool;

    /// They were sorted out: what nobody waits for is dropped, and the connection's own calls are answered
    /// among those that came `behind` so many others. Whether there were any.
    fn sorted(
        &mut self,
        sorted: Sorted<<Self::Host as Host>::Discard>,
        inbound: &mut Inbound<Self::Caller>,
        behind: usize,
    ) -> bool;

    /// Wakes callers whose answers have come.
    fn wake(&mut self, callers: &mut Vec<Self::Caller>);

    /// Begins to answer a call, or refuses it. It may be one that `asks_switch`.
    fn begin(&mut self, received: &WaitingCall, asks_switch: bool, refusal: Option<Refusal>);

    /// Parts with calls: they are begun `later`, as responders are done, or dropped.
    fn part_with(&mut self, calls: VecDeque<WaitingCall>, later: Option<Share>);

    /// Attachments were received and kept, the `first` ones of the connection.
    fn kept(&mut self, first: bool, now: Instant);

    /// Queues a ping. The call, if it wants an answer.
    fn ping(&mut self) -> Option<CallId>;

    /// Runs what was to run when an answer is written.
    fn run(&mut self, after: <Self::Host as Host>::After);

    /// Takes note of what is of interest to whoever watches.
    fn note(&mut self, note: Note<'_>);
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
    /// All this is about to be written.
    Taken(&'a Outgoing),
    /// Something was due.
    Due(Timer),
    /// The ping that was outstanding is answered, or given up.
    #[cfg_attr(
        not(any(test, fuzzing)),
        expect(dead_code, reason = "a driver asks only whether it came")
    )]
    Pinged(Option<&'a Answer>),
}
