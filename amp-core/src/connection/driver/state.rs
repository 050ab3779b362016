use bytes::BytesMut;
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
use super::buffers::Buffers;
use super::clock::now;
use super::pinger::{Pinger, Watching};
use super::running::Busy;
use super::stint::Stint;
use crate::argument::Attachment;
use crate::error::CloseReason;
use crate::observing;
use crate::proto::{Inbound, Liveness, Share, Situation, Timer, Timers};
use crate::responder::Locator;

/// How many bytes a read asks for at first, and at most. It asks for more when it gets all it
/// asked for.
pub(super) const READ_MIN: usize = 8 << 10;
pub(super) const READ_MAX: usize = 256 << 10;

/// How many reads or writes follow each other before other tasks have their turn; see [`Stint`] for
/// what else bounds them.
pub(super) const TURNS: usize = 32;

/// Drives one connection: a future that resolves when it has ended, to the reason.
///
/// Who wakes it: the transport, when there is something to read or room to write; whoever changes the
/// core so that it wants something, through [`Shared::with`]; and its timer, when the next of
/// [`Timers`] is due.
pub(crate) struct Driver {
    pub(super) shared: Arc<Shared>,
    /// What is done is done within it.
    pub(super) span: Span,
    /// While the line is left to callers, one in its place that leads nowhere.
    pub(super) line: Box<Line>,
    /// That one, while the driver has the line, once there was need for it.
    pub(super) stand_in: Option<Box<Line>>,
    pub(super) lending: Lending,
    /// As it was when the driver last waited, unless that is with the state.
    pub(super) waker: Option<Waker>,
    /// Of the peer that responders are given.
    pub(super) handle: Weak<Handle>,
    pub(super) locator: Arc<Locator>,
    pub(super) busy: Busy,
    pub(super) input: Input,
    pub(super) inbound: Inbound<Waker>,
    pub(super) stint: Stint,
    /// Whether anything is to run when what is being written has been written.
    pub(super) awaited: bool,
    /// Whether something may be queued: something was when the driver last looked, or the driver has
    /// done since then what queues something. It looks at all that is queued before it waits.
    pub(super) queued: bool,
    /// Whether the driver has let the other tasks run once since it last wrote.
    pub(super) yielded: bool,
    pub(super) timers: Timers,
    pub(super) due: Due,
    /// Whether the peer is alive, where somebody asks.
    pub(super) liveness: Option<Liveness>,
    pub(super) pinger: Option<Pinger>,
    /// How often somebody had found room when somebody was last told of it.
    pub(super) passed: u64,
    /// How many bytes are held for the peer, as far as the server knows.
    pub(super) held: Share,
    /// How many bytes were queued when that was counted.
    pub(super) counted: usize,
    /// Why nothing can be written any more. What the peer sent before it went is still read.
    pub(super) broken: Option<CloseReason>,
    pub(super) upgrading: Option<Upgrading>,
    pub(super) ending: Option<Ending>,
    /// Its place among the connections of a server. Given back after the stream is closed.
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

/// What was received and is not decoded.
pub(super) struct Input {
    pub(super) buffer: BytesMut,
    pub(super) buffers: Buffers,
    pub(super) attachments: Vec<Attachment>,
    /// How many bytes the next read asks for.
    pub(super) ask: usize,
    /// Whether the peer has closed its side.
    pub(super) over: bool,
}

/// How the connection ends, once that has begun.
pub(super) struct Ending {
    pub(super) reason: CloseReason,
    /// Whether the peer was told that nothing more will be sent.
    pub(super) shut_down: bool,
    /// Whether the peer has closed its side.
    pub(super) peer_done: bool,
    /// How many bytes are still read from it.
    pub(super) left: usize,
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
        let input = Input {
            buffer: BytesMut::new(),
            buffers: Buffers::default(),
            attachments: Vec::new(),
            ask: READ_MIN,
            over: false,
        };
        let mut timers = Timers::default();
        let Watching { idle, first_box, pinger } = watching;
        let pings = pinger.as_ref().map(Pinger::pings);
        let now = now();
        let span = observing::span(shared.id, &shared.address, shared.settings.process);
        Self {
            span,
            lending: if transport.sends_on_any_task() { Lending::Kept } else { Lending::Never },
            line: Line::new(transport),
            stand_in: None,
            waker: None,
            handle: peer.handle(),
            locator,
            busy: Busy::default(),
            input,
            inbound: Inbound::new(shared.settings.limits.boxes),
            stint: Stint::default(),
            awaited: false,
            queued: true,
            yielded: false,
            liveness: Liveness::new(idle, first_box, pings, now, &mut timers),
            timers,
            due: Due::default(),
            pinger,
            passed: 0,
            held,
            counted: 0,
            broken: None,
            upgrading: None,
            ending: None,
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
        let ping = self.liveness.as_ref().and_then(Liveness::ping);
        Situation {
            writing: self.line.writing.len(),
            counted: self.counted,
            calls: self.inbound.calls_size(),
            received: self.received(),
            ahead: self.inbound.ahead(),
            paused: self.inbound.is_paused(),
            left: self.inbound.has_left(),
            boundary: self.inbound.is_at_switch(),
            pings: usize::from(ping.is_some()),
            draining: self.timers.is_set(Timer::Drain),
            ending: self.ending.is_some(),
            silent: self.sends_nothing(),
            refused: self.line.failed.is_some(),
            line: false,
        }
    }

    /// How many bytes wait that were received and are not dealt with.
    pub(super) fn received(&self) -> usize {
        self.inbound.calls_size() + self.input.buffer.len()
    }

    /// Whether nothing is sent any more.
    pub(super) fn sends_nothing(&self) -> bool {
        self.broken.is_some() || self.ending.as_ref().is_some_and(|ending| ending.shut_down)
    }
}
