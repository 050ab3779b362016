use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Waker;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::super::due::{Due, now};
use super::super::line::Stream;
use super::super::peer::{Handle, Peer};
use super::super::shared::{Shared, Upgrading};
use super::super::transport::Transport;
use crate::observing;
use crate::proto::{Drive, Watched};
use crate::responder::Locator;
use crate::runtime;

/// Drives one connection: a future that resolves when it has ended, to the reason.
///
/// It is woken by the transport, when there is something to read or room to write; by a change of the
/// core, through [`Shared::with`], after which the core wants something of it; and by its timer, when
/// something is [due](Drive::next_due).
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
    /// The handle of the peer that responders are given.
    pub(super) handle: Weak<Handle>,
    pub(super) locator: Arc<Locator>,
    pub(super) due: Due,
    pub(super) upgrading: Option<Upgrading>,
    /// The place of the connection among those of a server. It is given back after the stream is closed.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl Driver {
    pub(crate) fn new(
        transport: Pin<Box<dyn Transport>>,
        peer: &Peer,
        locator: Arc<Locator>,
        watched: Watched<Waker>,
    ) -> Self {
        let shared = Arc::clone(peer.shared());
        let (limits, together) = (shared.settings.limits, shared.settings.together.clone());
        // What a log does, and how long it takes, is no caller's business.
        let lends = transport.sends_on_any_task() && shared.settings.wire_log.is_none();
        let (stream, switches) = (Stream::new(transport), locator.has_switches());
        let mut drive = Drive::new(stream, lends, limits, together, switches, watched, now());
        if runtime::has_several_threads(&shared.runtime) {
            drive.inbound.share_threads();
        }
        let span = observing::span(shared.id, &shared.address, shared.settings.process);
        let around = Around {
            shared,
            span,
            handle: peer.handle(),
            locator,
            due: Due::default(),
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
