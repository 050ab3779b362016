//! Whether the peer is alive: how long nothing may come from it, and pings.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

use super::super::shared::Shared;
use super::{Driver, Progress, Reading};
use crate::command::{Command, NoError};
use crate::error::{CallError, CloseReason};
use crate::proto::{CallId, Wants};
use crate::report::Report;
use crate::restraint::{Restraint, restrained};

/// Pings follow each other no faster, whatever was asked for: tokio's timers count milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// What is wrong with the pings of one connection is mostly wrong with those of all.
static UNSENT: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// What a connection does to learn whether its peer is alive.
#[derive(Default)]
pub(crate) struct Liveness {
    pub(crate) idle: Option<Duration>,
    pub(crate) first_box: Option<Duration>,
    pub(crate) pings: Option<Pings>,
}

pub(crate) struct Pings {
    every: Duration,
    /// How long the answer may take. Without an answer there is nothing to wait for.
    timeout: Duration,
    send: SendPing,
}

/// Queues a ping; gives the call if that wants an answer.
type SendPing = Box<dyn Fn(&Shared) -> Result<Option<CallId>, CallError<NoError>> + Send>;

impl Pings {
    pub(crate) fn new<C: Command>(command: C, every: Duration, timeout: Duration) -> Self {
        let send = move |shared: &Shared| {
            let name = C::NAME.as_bytes();
            let encoded = shared.encode(|out, proto| command.to_box(out, proto));
            let mut encoded = encoded.map_err(CallError::Encode)?;
            if !C::REQUIRES_ANSWER {
                shared.with(|state| state.core.notify(name, &mut encoded.body))?;
                return Ok(None);
            }
            // Nobody is to be woken: whoever receives the answer looks for it.
            let nobody = Waker::noop().clone();
            let id = shared.with(|state| state.core.call(name, &mut encoded.body, nobody))?;
            Ok(Some(id))
        };
        Self { every: every.max(SHORTEST), timeout, send: Box::new(send) }
    }
}

/// Watches the peer of one connection.
pub(super) struct Watch {
    /// When something was received last, as far as this side has looked.
    received: Instant,
    /// How many bytes were written by the last look, before a switch that is agreed to.
    leaving: Option<u64>,
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Runs until the first box has come.
    first_box: Option<(Duration, Pin<Box<Sleep>>)>,
    pinging: Option<Pinging>,
}

struct Pinging {
    pings: Pings,
    /// Whether it was said that one could not be sent: the next is no better.
    complained: bool,
    /// Runs until the next ping, or until there must be an answer.
    timer: Pin<Box<Sleep>>,
    outstanding: Option<Outstanding>,
}

/// A ping that is not answered.
struct Outstanding {
    id: CallId,
    /// The place of its end among all bytes that this side sends.
    end: u64,
    /// How many of them were written when the timer was last set.
    written: u64,
}

impl Watch {
    /// Whether a ping is among the calls that are outstanding.
    pub(super) fn awaits_answer(&self) -> bool {
        self.pinging.as_ref().is_some_and(|pinging| pinging.outstanding.is_some())
    }

    pub(super) fn received(&mut self) {
        self.received = Instant::now();
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let Some((after, timer)) = &mut self.idle else { return Ok(()) };
        // What was received since the timer was set puts it off only here, and not each time.
        while timer.as_mut().poll(cx).is_ready() {
            if self.received.elapsed() >= *after {
                return Err(CloseReason::Idle { after: *after });
            }
            timer.as_mut().reset(self.received + *after);
        }
        Ok(())
    }
}

impl Watch {
    fn poll_first_box(&mut self, cx: &mut Context<'_>, decoded: u64) -> Result<(), CloseReason> {
        if decoded > 0 {
            self.first_box = None;
        }
        let Some((after, timer)) = &mut self.first_box else { return Ok(()) };
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Err(CloseReason::BoxTimeout { after: *after }),
            Poll::Pending => Ok(()),
        }
    }
}

impl Pinging {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        received: Instant,
        written: u64,
        leaving: bool,
    ) -> Result<(), CloseReason> {
        let Self { pings: Pings { every, timeout, send }, complained, timer, outstanding } = self;
        if let Some(Outstanding { id, .. }) = outstanding
            && take_answer(shared, *id)
        {
            *outstanding = None;
            timer.as_mut().set(sleep(*every));
        }
        while timer.as_mut().poll(cx).is_ready() {
            let Some(ping) = outstanding else {
                if leaving && received.elapsed() >= every.saturating_add(*timeout) {
                    // A ping would be held back.
                    return Err(CloseReason::PingTimeout { after: *timeout });
                }
                *outstanding = send_ping(shared, send, written, complained);
                let next = if outstanding.is_some() { *timeout } else { *every };
                timer.as_mut().set(sleep(next));
                continue;
            };
            let left = timeout.saturating_sub(received.elapsed());
            if !left.is_zero() {
                // Whoever sends is alive. The answer may be behind what has come.
                timer.as_mut().set(sleep(left));
            } else if written < ping.end && written > ping.written {
                // It is still on its way, and the peer takes what is before it.
                timer.as_mut().set(sleep(*timeout));
            } else {
                return Err(CloseReason::PingTimeout { after: *timeout });
            }
            ping.written = written;
        }
        Ok(())
    }
}

impl Driver {
    pub(super) fn watch(liveness: Liveness) -> Option<Box<Watch>> {
        let Liveness { idle, first_box, pings } = liveness;
        if idle.is_none() && first_box.is_none() && pings.is_none() {
            return None;
        }
        let idle = idle.map(|after| (after, Box::pin(sleep(after))));
        let first_box = first_box.map(|after| (after, Box::pin(sleep(after))));
        let pinging = pings.map(|pings| Pinging {
            timer: Box::pin(sleep(pings.every)),
            pings,
            complained: false,
            outstanding: None,
        });
        Some(Box::new(Watch { received: Instant::now(), leaving: None, idle, first_box, pinging }))
    }

    /// Fails when nothing has come for too long.
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        match self.poll_timers(cx) {
            // What it finds counts from now on, and when it finds nothing the time is over.
            Err(_) if self.look_further() => Ok(Progress::More),
            alive => alive.map(|()| Progress::Waiting),
        }
    }

    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        if self.broken.is_some() {
            // The end has a reason already.
            return Ok(());
        }
        let (boundary, agreed) = if self.shared.wants(Wants::BOUNDARY) {
            (true, self.shared.with(|state| state.core.switch.is_agreed()))
        } else {
            (false, false)
        };
        let leaving = agreed.then_some(self.line.written);
        let before = std::mem::replace(&mut watch.leaving, leaving);
        let alive = if leaving.is_some() {
            // Nothing more is read: what is left is that the peer takes what is sent.
            leaving != before
        } else {
            // What is about to be read may be from just now. What waits behind calls is read right
            // after them.
            let waits = !boundary && !self.input.calls.is_empty();
            self.reading == Reading::Behind && !waits
        };
        if alive {
            watch.received();
        }
        watch.poll_first_box(cx, self.input.decoded)?;
        watch.poll_idle(cx)?;
        match &mut watch.pinging {
            Some(pinging) => {
                let leaving = leaving.is_some();
                pinging.poll(cx, &self.shared, watch.received, self.line.written, leaving)
            }
            None => Ok(()),
        }
    }

    /// The timers end, and the ping that may be outstanding does.
    pub(super) fn stop_watching(&mut self) {
        if let Some(watch) = self.watch.take()
            && let Some(Outstanding { id, .. }) = watch.pinging.and_then(|p| p.outstanding)
            && !take_answer(&self.shared, id)
        {
            drop(self.shared.with(|state| state.core.forget(id)));
        }
    }
}

/// Whether the ping was answered, with whatever. Then it is over.
fn take_answer(shared: &Shared, id: CallId) -> bool {
    let (answer, number) =
        shared.with(|state| (state.core.take_answer(id), state.core.unclaimed.take_answer(id)));
    if let Some(number) = number {
        shared.leave(number);
    }
    answer.is_some()
}

fn send_ping(
    shared: &Shared,
    send: &SendPing,
    written: u64,
    complained: &mut bool,
) -> Option<Outstanding> {
    if shared.with(|state| state.core.holds()) {
        // It would be held back behind a protocol switch.
        return None;
    }
    match send(shared) {
        Ok(id) => {
            let end = shared.with(|state| state.core.end_of_queue());
            id.map(|id| Outstanding { id, end, written })
        }
        Err(error) => {
            let error = Report(&error);
            if std::mem::replace(complained, true) {
                tracing::debug!(%error, "a ping cannot be sent");
            } else {
                restrained!(UNSENT, warn, "a ping cannot be sent", %error);
            }
            None
        }
    }
}
