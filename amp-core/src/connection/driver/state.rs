use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Waker;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::super::due::Due;
use super::super::line::{Line, Stream};
use super::super::peer::{Handle, Peer};
use super::super::shared::{Shared, Upgrading};
use super::super::transport::Transport;
use super::clock::now;
use super::pinger::{Pinger, Watching};
use crate::observing;
use crate::proto::{Drive, Watched};
use crate::responder::Locator;

/// Drives one connection: a future that resolves when it has ended, to the reason.
///
/// Who wakes it: the transport, when there is something to read or room to write; whoever changes the
/// core so that it wants something, through [`Shared::with`]; and its timer, when something is
/// [due](Drive::next_due).
pub(crate) struct Driver {
    /// What decides what is done.
    pub(super) drive: Drive<Waker, Stream>,
    pub(super) around: Around,
}

/// What a driver does things with.
pub(super) struct Around {
    pub(super) shared: Arc<Shared>,
    /// What is done is done within it.
    pub(super) span: Span,
    /// The line that leads nowhere, which is with the driver while its own is left to callers. It is kept for
    /// the next time; `None` until the line was lent once, and while it is.
    pub(super) stand_in: Option<Box<Line>>,
    pub(super) lending: Lending,
    /// The waker of the last wait, kept to be used again; `None` while it is in `State::driver`.
    pub(super) waker: Option<Waker>,
    /// The handle of the peer that responders are given.
    pub(super) handle: Weak<Handle>,
    pub(super) locator: Arc<Locator>,
    pub(super) due: Due,
    pub(super) pinger: Option<Pinger>,
    pub(super) upgrading: Option<Upgrading>,
    /// The place of the connection among those of a server. It is given back after the stream is closed.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// Whether callers may write while the driver waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lending {
    /// Not over this transport.
    Never,
    /// The driver has the line.
    Kept,
    /// The line is with the state, or a caller has it.
    Lent,
}

impl Driver {
    pub(crate) fn new(
        transport: Pin<Box<dyn Transport>>,
        peer: &Peer,
        locator: Arc<Locator>,
        watching: Watching,
    ) -> Self {
        let shared = Arc::clone(peer.shared());
        let Watching { idle, first_box, pinger } = watching;
        let watched = Watched { idle, first_box, pings: pinger.as_ref().map(Pinger::pings) };
        let lending = if transport.sends_on_any_task() { Lending::Kept } else { Lending::Never };
        let (limits, together) = (shared.settings.limits, shared.settings.together.clone());
        let (stream, switches) = (Stream::new(transport), locator.has_switches());
        let drive = Drive::new(stream, limits, together, switches, watched, now());
        let span = observing::span(shared.id, &shared.address, shared.settings.process);
        let around = Around {
            shared,
            span,
            stand_in: None,
            lending,
            waker: None,
            handle: peer.handle(),
            locator,
            due: Due::default(),
            pinger,
            upgrading: None,
            place: None,
        };
        Self { drive, around }
    }

    /// The connection has this place until its stream is closed, whatever is spoken on that.
    pub(crate) fn take_place(&mut self, place: Option<OwnedSemaphorePermit>) {
        self.around.place = place;
    }
}
