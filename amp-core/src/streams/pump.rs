//! The task that sends what a sink was given.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::awaited::Awaited;
use super::error::SinkError;
use super::hub::Hub;
use super::sending::{Next, Parcel, Sending};
use super::wire::{self, CALLS, Ending, Items, NO_STREAM, Window};
use crate::argument::{EncodeError, EncodeErrorKind};
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
    hub: Arc<Hub>,
    window: Window,
    /// The calls that are not answered, in the order in which they are sent.
    calls: VecDeque<Sent>,
    /// How much they bring.
    load: Window,
    /// What is sent next, until it is queued.
    next: Option<Stage>,
    /// Whether the end is among them.
    ending: bool,
    /// Until it is dropped.
    _awaited: Awaited,
}

struct Sent {
    call: Bringing,
    load: Window,
}

/// How far the next call is.
enum Stage {
    /// There are as many attachments on their way as may be.
    Waits(Parcel),
    /// There is no room in the queue.
    Made(Sent),
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
    pub(super) fn new(
        peer: Peer,
        number: u64,
        sending: Arc<Sending>,
        mut window: Window,
        awaited: Awaited,
    ) -> Self {
        let hub = Hub::of(&peer);
        // They are open on this side until they are sent, so there are not as many as a peer likes.
        window.attachments = window.attachments.min(hub.window().attachments);
        let (calls, load) = (VecDeque::new(), Window::NOTHING);
        let (next, ending) = (None, false);
        Self { peer, number, sending, hub, window, calls, load, next, ending, _awaited: awaited }
    }

    /// Takes the answers that have come. Whether that of the end was among them.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> Result<bool, SinkError> {
        while let Some(first) = self.calls.front_mut() {
            let Poll::Ready(answer) = first.call.poll(cx) else { break };
            if let Some(Sent { load, .. }) = self.calls.pop_front() {
                self.give_back(load);
            }
            self.answered(answer)?;
            if self.ending && self.calls.is_empty() && self.next.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn give_back(&mut self, load: Window) {
        self.load.remove(load);
        self.hub.on_their_way().remove(load.attachments, self.load.attachments);
    }

    fn answered(&mut self, answer: Result<(), CallError>) -> Result<(), SinkError> {
        match answer {
            Ok(()) => Ok(()),
            // It was left out, and nothing was sent.
            Err(CallError::Encode(error)) => {
                self.sending.report(not_written(error));
                Ok(())
            }
            Err(error @ CallError::NotSent(_)) => {
                self.sending.report(not_written(EncodeError::custom(error)));
                Ok(())
            }
            Err(CallError::Remote(error)) if error.code == NO_STREAM => Err(SinkError::Stopped),
            Err(CallError::Remote(error)) => Err(SinkError::Refused(error)),
            Err(CallError::Closed(reason)) => Err(SinkError::Closed(reason)),
            Err(error) => Err(SinkError::Failed(Arc::new(error))),
        }
    }

    /// Whether so much more may be on its way. One call may always be.
    fn fits(&self, more: Window) -> bool {
        self.calls.is_empty()
            || self.calls.len() < CALLS
                && self.load.items + more.items <= self.window.items
                && self.load.bytes + more.bytes <= self.window.bytes
    }

    /// Takes what is to be sent next.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stage, SinkError>> {
        if self.ending {
            // The answer to the end may never come.
            return self.sending.poll_over(cx).map(|()| Err(SinkError::Ended));
        }
        // What is wrong with an item that has attachments may show late, and the end says it.
        let may_end = self.load.attachments == 0;
        Poll::Ready(match ready!(self.sending.poll_next(cx, |load| self.fits(load), may_end)) {
            Next::Parcel(parcel) if parcel.load.attachments > 0 => Ok(Stage::Waits(parcel)),
            Next::Parcel(parcel) => Ok(self.made_of(parcel)),
            Next::End(end) => {
                self.ending = true;
                let most = self.hub.limits().boxes.max_bytes / 4;
                let ending = Ending { number: self.number, end, most };
                let call = Bringing::End(self.peer.call_remote(ending).of_stream());
                Ok(Stage::Made(Sent { call, load: Window::NOTHING }))
            }
            Next::Over => Err(SinkError::Ended),
        })
    }

    fn made_of(&self, parcel: Parcel) -> Stage {
        let load = parcel.load;
        let items = Items { number: self.number, content: parcel.into_content() };
        let call = Bringing::Items(self.peer.call_remote(items).of_stream());
        Stage::Made(Sent { call, load })
    }

    /// Brings what is sent next as far as it comes: until it is queued.
    fn poll_queued(&mut self, cx: &mut Context<'_>, stage: Stage) -> Result<(), SinkError> {
        let mut stage = stage;
        loop {
            stage = match stage {
                Stage::Waits(parcel) => {
                    let (own, more) = (self.load.attachments, parcel.load.attachments);
                    let limit = self.window.attachments;
                    if self.hub.on_their_way().poll_add(cx, own, more, limit).is_pending() {
                        self.next = Some(Stage::Waits(parcel));
                        return Ok(());
                    }
                    // From here on they are given back with the load.
                    self.load.attachments += more;
                    self.made_of(parcel)
                }
                Stage::Made(mut sent) => {
                    let answer = sent.call.poll(cx);
                    match answer {
                        Poll::Pending if sent.call.is_queued() => {
                            let Window { items, bytes, .. } = sent.load;
                            // The attachments count already.
                            self.load.add(Window { items, bytes, attachments: 0 });
                            self.calls.push_back(sent);
                        }
                        Poll::Pending => self.next = Some(Stage::Made(sent)),
                        // Nothing is left to be sent of a stream whose end cannot be.
                        Poll::Ready(Err(error)) if self.ending => {
                            return Err(match error {
                                CallError::Closed(reason) => SinkError::Closed(reason),
                                error => SinkError::Failed(Arc::new(error)),
                            });
                        }
                        Poll::Ready(answer) => {
                            let attachments = sent.load.attachments;
                            self.give_back(Window { attachments, ..Window::NOTHING });
                            return self.answered(answer);
                        }
                    }
                    return Ok(());
                }
            };
        }
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        for _ in 0..AT_ONCE {
            if self.take_answers(cx)? {
                return Poll::Ready(Ok(()));
            }
            // Items keep their order, so the next call waits until this one is queued.
            let next = match self.next.take() {
                Some(next) => next,
                None => ready!(self.poll_next(cx))?,
            };
            self.poll_queued(cx, next)?;
            if self.next.is_some() {
                // A stream that is over takes nothing more with it.
                return self.sending.poll_over(cx).map(|()| Err(SinkError::Ended));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What the sink is told of an item that could not be written.
fn not_written(error: EncodeError) -> SinkError {
    if let EncodeErrorKind::Custom(cause) = error.kind()
        && let Some(too_large @ SinkError::TooLarge { .. }) = cause.downcast_ref()
    {
        return too_large.clone();
    }
    SinkError::Encode(Arc::new(error))
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.poll_all(cx)) {
            Ok(()) => {
                self.hub.forget_sending(self.number, &self.sending);
                self.sending.finish();
            }
            Err(error) => {
                self.hub.forget_sending(self.number, &self.sending);
                // The receiver knows of what it has said itself, and of the end of the connection.
                if matches!(error, SinkError::Refused(_) | SinkError::Failed(_)) {
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
        self.calls.clear();
        self.next = None;
        self.hub.on_their_way().remove(self.load.attachments, 0);
        self.hub.forget_sending(self.number, &self.sending);
        self.sending.fail(SinkError::Closed(CloseReason::Local));
    }
}
