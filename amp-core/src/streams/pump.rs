//! The task that sends what a sink was given.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::SinkError;
use super::hub::Hub;
use super::sending::{Next, Sending};
use super::wire::{self, CALLS, Ending, Items, NO_STREAM, Window};
use crate::argument::EncodeError;
use crate::connection::{Call, Peer};
use crate::error::{CallError, CloseReason};

/// How many calls are made before other tasks have their turn.
const AT_ONCE: usize = 16;

/// Sends what a sink was given, as the receiver's answers make room for it: a future that resolves
/// when the receiver has taken all, or nothing more can be sent.
pub(super) struct Pump {
    peer: Peer,
    number: u64,
    sending: Arc<Sending>,
    window: Window,
    /// The calls that are not answered, in the order in which they are sent.
    calls: VecDeque<Sent>,
    /// How much they bring.
    load: Window,
    /// Whether the end is among them.
    ending: bool,
}

struct Sent {
    call: Bringing,
    load: Window,
}

enum Bringing {
    Items(Call<Items>),
    End(Call<Ending>),
}

impl Bringing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        match self {
            Self::Items(call) => Pin::new(call).poll(cx),
            Self::End(call) => Pin::new(call).poll(cx),
        }
    }

    fn is_queued(&self) -> bool {
        match self {
            Self::Items(call) => call.is_queued(),
            Self::End(call) => call.is_queued(),
        }
    }
}

impl Pump {
    pub(super) fn new(peer: Peer, number: u64, sending: Arc<Sending>, window: Window) -> Self {
        let load = Window { items: 0, bytes: 0 };
        // Until it is dropped.
        peer.shared().with(|state| state.core.await_stream(true));
        Self { peer, number, sending, window, calls: VecDeque::new(), load, ending: false }
    }

    /// Takes the answers that have come. Whether that of the end was among them.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> Result<bool, SinkError> {
        while let Some(first) = self.calls.front_mut() {
            let Poll::Ready(answer) = first.call.poll(cx) else { break };
            self.answered(true, answer)?;
            if self.ending && self.calls.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first or the last call was answered.
    fn answered(&mut self, first: bool, answer: Result<(), CallError>) -> Result<(), SinkError> {
        let sent = if first { self.calls.pop_front() } else { self.calls.pop_back() };
        if let Some(Sent { load, .. }) = sent {
            self.peer.shared().with(|state| state.core.await_items(0, 1));
            self.load.items -= load.items;
            self.load.bytes -= load.bytes;
        }
        match answer {
            Ok(()) => Ok(()),
            // It was left out, and nothing was sent.
            Err(CallError::Encode(error)) => {
                self.sending.report(Arc::new(error));
                Ok(())
            }
            Err(error @ CallError::NotSent(_)) => {
                self.sending.report(Arc::new(EncodeError::custom(error)));
                Ok(())
            }
            Err(CallError::Remote(error)) if error.code == NO_STREAM => Err(SinkError::Stopped),
            Err(CallError::Remote(error)) => Err(SinkError::Refused(error)),
            Err(CallError::Closed(reason)) => Err(SinkError::Closed(reason)),
            Err(error) => Err(SinkError::Encode(Arc::new(EncodeError::custom(error)))),
        }
    }

    /// Whether so much more may be on its way. One call may always be.
    fn fits(&self, more: Window) -> bool {
        self.calls.is_empty()
            || self.calls.len() < CALLS
                && self.load.items + more.items <= self.window.items
                && self.load.bytes + more.bytes <= self.window.bytes
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        for _ in 0..AT_ONCE {
            if self.take_answers(cx)? {
                return Poll::Ready(Ok(()));
            }
            // Items keep their order, so the next call waits until this one is queued.
            if let Some(last) = self.calls.back_mut()
                && !last.call.is_queued()
            {
                if let Poll::Ready(answer) = last.call.poll(cx) {
                    self.answered(false, answer)?;
                } else if !self.calls.back().is_some_and(|last| last.call.is_queued()) {
                    return Poll::Pending;
                }
            }
            if self.ending {
                return Poll::Pending;
            }
            let next = ready!(self.sending.poll_next(cx, |load| self.fits(load)));
            let (call, load) = match next {
                Next::Parcel(parcel) => {
                    let load = parcel.load;
                    let items = Items { number: self.number, content: parcel.into_content() };
                    (Bringing::Items(self.peer.call_remote(items).without_timeout()), load)
                }
                Next::End(end) => {
                    self.ending = true;
                    let ending = Ending { number: self.number, end };
                    let call = self.peer.call_remote(ending).without_timeout();
                    (Bringing::End(call), Window { items: 0, bytes: 0 })
                }
                Next::Over => return Poll::Ready(Err(SinkError::Ended)),
            };
            self.load.items += load.items;
            self.load.bytes += load.bytes;
            self.peer.shared().with(|state| state.core.await_items(1, 0));
            self.calls.push_back(Sent { call, load });
            if let Some(last) = self.calls.back_mut()
                && let Poll::Ready(answer) = last.call.poll(cx)
            {
                self.answered(false, answer)?;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.poll_all(cx)) {
            Ok(()) => self.sending.finish(),
            Err(error) => {
                Hub::of(&self.peer).forget_sending(self.number, &self.sending);
                // The receiver knows of what it has said itself, and of the end of the connection.
                if matches!(error, SinkError::Refused(_) | SinkError::Encode(_)) {
                    wire::tell_dropped(&self.peer, self.number);
                }
                self.sending.fail(error);
            }
        }
        Poll::Ready(())
    }
}

/// However it ends, also with its runtime.
impl Drop for Pump {
    fn drop(&mut self) {
        let calls = self.calls.len();
        self.calls.clear();
        self.peer.shared().with(|state| {
            state.core.await_items(0, calls);
            state.core.await_stream(false);
        });
        Hub::of(&self.peer).forget_sending(self.number, &self.sending);
        self.sending.fail(SinkError::Closed(CloseReason::Local));
    }
}
