use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Waker;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::super::due::Due;
use super::super::line::Line;
use super::super::peer::{Handle, Peer};
use super::super::shared::{Shared, Upgrading};
use super::super::transport::Transport;
use super::clock::now;
use super::pinger::{Pinger, Watching};
use crate::observing;
use crate::proto::{Drive, Share, Situation, Watched};
use crate::responder::Locator;

/// How many reads or writes follow each other before other tasks have their turn; see `Stint` for
/// what else bounds them.
pub(super) const TURNS: usize = 32;

/// Drives one connection: a future that resolves when it has ended, to the reason.
///
/// Who wakes it: the transport, when there is something to read or room to write; whoever changes the
/// core so that it wants something, through [`Shared::with`]; and its timer, when something is
/// [due](Drive::next_due).
pub(crate) struct Driver {
    pub(super) shared: Arc<Shared>,
    /// What is done is done within it.
    pub(super) span: Span,
    /// While the line is left to callers, one in its place that leads nowhere.
    pub(super) line: Box<Line>,
    /// The stand-in, kept for the next time; `None` until the line was lent once.
    pub(super) stand_in: Option<Box<Line>>,
    pub(super) lending: Lending,
    /// The waker of the last wait, kept to be used again; `None` while it is in `State::driver`.
    pub(super) waker: Option<Waker>,
    /// The handle of the peer that responders are given.
    pub(super) handle: Weak<Handle>,
    pub(super) locator: Arc<Locator>,
    pub(super) drive: Drive<Waker>,
    /// Whether something may be queued: something was when the driver last looked, or the driver has
    /// done since then what queues something. So a turn that has nothing to write need not lock the state
    /// to find that out. The driver looks at all that is queued before it waits.
    pub(super) queued: bool,
    /// Whether the driver has let the other tasks run once since it last wrote.
    pub(super) yielded: bool,
    pub(super) due: Due,
    pub(super) pinger: Option<Pinger>,
    /// How many bytes are held for the peer, as far as the server knows.
    pub(super) held: Share,
    /// How many bytes were queued when that was counted.
    pub(super) counted: usize,
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
        let held = Share::new(shared.settings.together.clone());
        let Watching { idle, first_box, pinger } = watching;
        let watched = Watched { idle, first_box, pings: pinger.as_ref().map(Pinger::pings) };
        let drive = Drive::new(&shared.settings.limits, watched, now());
        let span = observing::span(shared.id, &shared.address, shared.settings.process);
        Self {
            span,
            lending: if transport.sends_on_any_task() { Lending::Kept } else { Lending::Never },
            line: Line::new(transport),
            stand_in: None,
            waker: None,
            handle: peer.handle(),
            locator,
            drive,
            queued: true,
            yielded: false,
            due: Due::default(),
            pinger,
            held,
            counted: 0,
            upgrading: None,
            place: None,
            shared,
        }
    }

    /// The connection has this place until its stream is closed, whatever is spoken on that.
    pub(crate) fn take_place(&mut self, place: Option<OwnedSemaphorePermit>) {
        self.place = place;
    }

    /// What the driver knows alone, by which others see whether there is something for it to do.
    pub(super) fn situation(&self) -> Situation {
        let Self { drive, line, counted, .. } = self;
        Situation {
            counted: *counted,
            refused: line.failed.is_some(),
            ..drive.situation(line.writing.len())
        }
    }
}
