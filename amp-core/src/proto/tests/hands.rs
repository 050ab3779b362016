//! What a side does with: its core, two pipes, and the responders around it.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::command::Command;
use super::driver::Driver;
use super::pipe::Pipe;
use super::seen::{Seen, TakenBack};
use super::side::{DRIVER, Hosted, PINGER, Running, Side, asks, number};
use crate::argument::Attachment;
use crate::boxes::{AmpBox, Decoder};
use crate::keys;
use crate::proto::admission::{Busy, Refusal};
use crate::proto::calls::Tagged;
use crate::proto::inbound::{Inbound, Sorted, WaitingCall};
use crate::proto::switch::Leaving;
use crate::proto::wants::Public;
use crate::proto::{
    AnsweredBy, BoxNumber, CloseReason, Core, Hands, Leftover, Note, Parking, Rest, Timer,
};

/// A side that has its turn, what it receives from, and what it sends to.
pub(super) struct AtWork<'a> {
    pub(super) side: &'a mut Side,
    pub(super) incoming: &'a mut Pipe,
    pub(super) outgoing: &'a mut Pipe,
    pub(super) now: Instant,
}

impl Hands for AtWork<'_> {
    type Caller = usize;
    type Host = Hosted;
    type Stream = ();

    fn with<R>(&mut self, change: impl FnOnce(&mut Core<usize, Hosted>) -> R) -> R {
        let before = self.side.core.end().begun().is_some();
        let (sent, tag) = (self.side.core.counters().calls_sent, self.side.core.next_tag());
        let pinged = self.side.driver.ping;
        let is_answered = pinged.is_some_and(|id| self.side.core.waiter_mut(id).is_none());
        let result = self.side.with(change);
        if self.side.core.counters().calls_sent > sent {
            self.pinged(tag);
        }
        if let Some(id) = pinged
            && !self.side.core.is_outstanding(id)
        {
            self.side.driver.ping = None;
            let waited = self.side.gone.pop() == Some(PINGER);
            let seen =
                if is_answered { Seen::PingTaken(id) } else { Seen::PingGivenUp(id, waited) };
            self.side.seen.push_back(seen);
        }
        let due = self.side.driver.due.take();
        if let Some(reason) = self.side.core.end().begun().filter(|_| !before)
            && let Some(timer) = due
        {
            self.check_end_by(timer, reason);
        }
        result
    }

    fn with_parking<R>(
        &mut self,
        change: impl FnOnce(&Core<usize, Hosted>, &mut Parking<usize, ()>) -> R,
    ) -> R {
        change(&self.side.core, &mut self.side.parking)
    }

    fn public(&self) -> Public {
        self.side.public
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn due(&mut self, next: Option<Instant>) -> Option<Instant> {
        next.filter(|next| *next <= self.now).map(|_| self.now)
    }

    fn waker(&mut self, (): &mut (), last: Option<usize>) -> usize {
        last.unwrap_or(DRIVER)
    }

    fn receive(
        &mut self,
        (): &mut (),
        bytes: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        if self.incoming.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.side.core.end().begun().is_some() {
            self.end_begins();
        }
        let driver = &mut self.side.driver;
        let before = driver.marks.len();
        let received = self.incoming.receive(&mut driver.marks);
        let arrived = driver.marks[before..].iter();
        attachments.extend(arrived.map(|(_, mark)| Arc::new(*mark) as Attachment));
        let before = bytes.len();
        bytes.extend_from_slice(&std::mem::take(&mut driver.behind));
        bytes.extend_from_slice(&received);
        let received = &bytes[before..];
        let count = received.len();
        driver.received += count as u64;
        driver.unread.extend_from_slice(received);
        if count == 0 && !self.incoming.is_at_end() {
            driver.waits_to_read = true;
            return Poll::Pending;
        }
        if count > 0 {
            driver.heard = self.now;
        }
        Poll::Ready(Ok(count))
    }

    fn send(
        &mut self,
        (): &mut (),
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        self.side.driver.send(self.outgoing, bytes, attachments, self.now)
    }

    fn flush(&mut self, (): &mut ()) -> Poll<io::Result<()>> {
        self.side.driver.flush(self.outgoing)
    }

    /// It takes room to say so.
    fn shut_down(&mut self, (): &mut ()) -> Poll<io::Result<()>> {
        if self.outgoing.room == 0 {
            self.side.driver.waits_to_write = true;
            return Poll::Pending;
        }
        self.outgoing.closed = true;
        Poll::Ready(Ok(()))
    }

    fn has_peer_closed(&self, (): &()) -> bool {
        self.incoming.closed || self.incoming.broken
    }

    fn leave(&mut self, (): &mut (), leaving: Leaving<Hosted>, rest: Rest) {
        let silent = rest.bytes.is_empty() && self.incoming.is_empty();
        let accepted = std::mem::take(&mut self.side.accepted);
        let wanted = matches!(leaving, Leaving::HandOver)
            && self.side.with(|core| core.hand_over(())).is_none();
        if accepted || wanted {
            assert!(silent, "nothing is sent behind a switch that both sides do not know of");
        }
        if matches!(leaving, Leaving::Upgrade(())) {
            // The other transport has these bytes, and the connection receives them from it.
            let Driver { behind, received, unread, .. } = &mut self.side.driver;
            *behind = rest.bytes;
            *received -= behind.len() as u64;
            unread.truncate(unread.len() - behind.len());
        }
    }

    /// It takes a turn until another transport is made, or cannot be.
    fn upgrade(&mut self, (): &mut ()) -> Poll<Result<(), CloseReason>> {
        let driver = &mut self.side.driver;
        driver.upgrades = !driver.upgrades;
        if driver.upgrades {
            return Poll::Pending;
        }
        if driver.fails_upgrade {
            driver.upgrade_failed = true;
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()));
        }
        driver.switches += 1;
        self.outgoing.switch();
        Poll::Ready(Ok(()))
    }

    fn with_ordinal<R>(&mut self, run: impl FnOnce(&mut Self, &mut u64) -> R) -> Option<R> {
        if self.side.encoding {
            self.side.with(|core| core.await_ordinals(true));
            return None;
        }
        let mut next_ordinal = self.side.next_ordinal as u64;
        let result = run(self, &mut next_ordinal);
        self.side.next_ordinal = usize::try_from(next_ordinal).expect("it is small");
        Some(result)
    }

    fn take_news(&mut self) -> (Busy, bool) {
        (self.side.with(Core::take_news), self.side.expects_switches)
    }

    fn decoded(&mut self, boxes: &[AmpBox]) -> bool {
        self.side.decoded =
            boxes.iter().map(|ampbox| (ampbox.clone(), self.tagged(ampbox))).collect();
        self.side.counted = self.side.core.counters();
        boxes.first().is_some_and(|ampbox| asks(ampbox).is_some())
    }

    /// Notes what the core says of each box.
    fn sorted(&mut self, sorted: &Sorted<()>, inbound: &Inbound<usize>) {
        let Side { driver, seen, core, decoded, counted, .. } = &mut *self.side;
        let boxes = std::mem::take(decoded);
        let mut callers = inbound.callers[driver.told..].iter().copied();
        driver.told = inbound.callers.len();
        let mut end = driver.received - inbound.input.len() as u64;
        if let Some(last) = driver.received_by_end {
            assert!(end <= last || boxes.is_empty(), "nothing is read that came after the end");
        }
        end -= boxes.iter().map(|(ampbox, _)| ampbox.size() as u64).sum::<u64>();
        let (mut late, mut called) = (0, 0);
        for (ampbox, tagged) in &boxes {
            let start = end;
            end += ampbox.size() as u64;
            let _ = driver.unread.split_to(ampbox.size());
            let transports = [start, end - 1].map(|place| self.incoming.switches_before(place));
            let expected = [driver.switches; 2];
            assert_eq!(transports, expected, "nothing is sent behind a switch too early");
            let arrived = driver.marks.partition_point(|(place, _)| *place <= start);
            let carried = driver.switches == 0;
            seen.push_back(Seen::Box { ampbox: ampbox.clone(), arrived, carried });
            let well = ampbox.get(keys::ANSWER).is_some();
            seen.push_back(match *tagged {
                None => {
                    called += 1;
                    Seen::Called
                }
                Some((Tagged::Outstanding(_), true)) if well => Seen::Switched(callers.next()),
                Some((Tagged::Outstanding(_), asked)) => match callers.next() {
                    Some(n) => Seen::Answered(n),
                    None if asked => Seen::Ignored,
                    None => panic!("an answer whose caller is not told"),
                },
                Some((Tagged::Past(id), _)) => {
                    late += 1;
                    Seen::Late(id, well)
                }
                Some((Tagged::Unknown, _)) => panic!("an answer to a call that was never made"),
            });
        }
        assert_eq!(callers.next(), None, "nobody is told but whose answer has come");
        let (before, counters) = (*counted, core.counters());
        assert_eq!(counters.late_answers - before.late_answers, late);
        assert_eq!(counters.calls_received - before.calls_received, called);
        let crosses = core.switch().is_asked();
        driver.called += called;
        driver.dealt_with += inbound.own.len() + sorted.unanswerable;
        let dealt_with = (driver.dealt_with + inbound.waiting()) as u64;
        assert!(driver.called == dealt_with || crosses, "calls wait to be begun");
    }

    fn wake(&mut self, callers: &mut Vec<usize>) -> bool {
        self.side.driver.told = 0;
        for caller in callers.drain(..) {
            self.side.wake_caller(caller);
        }
        true
    }

    fn begin(&mut self, received: &WaitingCall, _asks_switch: bool, by: AnsweredBy) -> bool {
        self.now += self.side.driver.each_call;
        if let AnsweredBy::Own = by {
            self.answer_own(received);
            return false;
        }
        self.side.driver.dealt_with += 1;
        match by {
            AnsweredBy::Refusal(refusal) => self.side.refuse(received, refusal),
            _ => self.side.begin(received),
        }
        false
    }

    fn share_attachments(&mut self, _first: bool, _now: Instant) {}

    fn discard(&mut self, (): (), answer: &AmpBox, number_of_box: BoxNumber) {
        // That to a ping or to items has none, and names nothing.
        let n = number(answer).unwrap_or_default();
        self.side.claim(n, answer, Some(number_of_box));
    }

    fn begin_later(&mut self, leftover: Leftover) {
        self.side.leftover_is_woken = true;
        self.side.driver.dealt_with += leftover.len();
        assert!(self.side.leftover.replace(leftover).is_none(), "it is left behind once");
    }

    fn run(&mut self, after: usize) {
        self.side.finish_after();
        let written = self.side.driver.written;
        self.side.seen.push_back(Seen::After(after, written));
    }

    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::Taken(writing, len) => {
                assert!(0 < len && len <= writing.len(), "something was queued");
            }
            Note::TakenBack { boxes, .. } => {
                let boxes = boxes.iter().map(|(removed, was)| {
                    let (key, value) = removed.first_pair().expect("a box begins with a pair");
                    TakenBack { key: key.to_vec(), value: value.to_vec(), was: *was }
                });
                self.side.seen.push_back(Seen::TakenBack(boxes.collect()));
            }
            Note::Due(timer) => {
                self.side.driver.due = Some(timer);
                self.side.claims_are_late |= timer == Timer::Unclaimed;
            }
            Note::Dropped(calls) => {
                self.side.driver.dealt_with += calls.len();
                let one_way = |received: &&WaitingCall| received.call.tag().is_none();
                self.side.driver.dropped += calls.iter().filter(one_way).count();
            }
            Note::NotPinged { .. } => self.side.driver.not_pinged = true,
            Note::Unwanted { .. } => {}
        }
    }
}

impl AtWork<'_> {
    /// From here on what comes is dropped: what had come by then is read.
    pub(super) fn end_begins(&mut self) {
        let Side { core, driver, .. } = &mut *self.side;
        if driver.received_by_end.is_some() {
            return;
        }
        driver.received_by_end = Some(driver.received);
        // Behind a mistake nothing is, nor what is of another protocol.
        let mistaken = core.end().begun().is_some_and(CloseReason::is_fault_of_peer);
        if mistaken || core.switch().ends_boxes() {
            return;
        }
        let mut decoder = Decoder::new(core.limits().boxes);
        let left = decoder.decode(&mut driver.unread.clone());
        assert!(!matches!(left, Ok(Some(_))), "what came before the end is read: {left:?}");
    }

    fn answer_own(&mut self, WaitingCall { call, number: number_of_box }: &WaitingCall) {
        let n = number(call.ampbox()).expect("a number");
        self.side.claim(n, call.ampbox(), *number_of_box);
        self.side.pong(call.tag().expect("items want an answer"));
    }

    /// A ping was sent, with this tag.
    fn pinged(&mut self, tag: u64) {
        let Tagged::Outstanding(id) = self.side.core.find(format!("{tag:x}").as_bytes()) else {
            panic!("it is outstanding")
        };
        self.side.driver.ping = Some(id);
        self.side.seen.push_back(Seen::Pinged(id));
    }

    /// Which call of this side a box answers, if any, and whether that asks for a switch.
    fn tagged(&self, ampbox: &AmpBox) -> Option<(Tagged, bool)> {
        let tag = ampbox.get(keys::ANSWER).or_else(|| ampbox.get(keys::ERROR))?;
        let core = &self.side.core;
        let tagged = core.find(tag);
        let asked = matches!(tagged, Tagged::Outstanding(id) if core.switch().is_asked_by(id));
        Some((tagged, asked))
    }

    /// A timer has begun the end, for this reason.
    fn check_end_by(&self, timer: Timer, reason: &CloseReason) {
        let after = match (timer, reason) {
            (Timer::Idle, CloseReason::Idle { after })
            | (Timer::Ping, CloseReason::PingTimeout { after }) => *after,
            (Timer::FirstBox | Timer::Box, CloseReason::BoxTimeout { .. })
            | (Timer::Look, CloseReason::Peer)
            | (Timer::Drain, CloseReason::Local) => return,
            other => panic!("{other:?}"),
        };
        // While what comes before a switch is not written nothing is read.
        let leaves = self.side.core.switch().is_agreed()
            && self.side.core.end_of_outgoing() > self.side.driver.flushed;
        let silent = self.now - self.side.driver.heard;
        assert!(leaves || silent >= after, "whoever sends is alive: {silent:?}, {reason:?}");
    }
}

impl Side {
    pub(super) fn begin(&mut self, WaitingCall { call, number: number_of_box }: &WaitingCall) {
        if call.command() == Command::Ping.name().as_bytes() {
            self.pong(call.tag().expect("a ping wants an answer"));
            self.leave_box(*number_of_box);
            return;
        }
        let n = number(call.ampbox()).expect("a number");
        self.claim(n, call.ampbox(), *number_of_box);
        let (tag, bytes) = (call.tag().map(<[u8]>::to_vec), call.ampbox().memory());
        self.with(|core| core.begin_responder(bytes, false));
        let asks = asks(call.ampbox());
        let place = self.enter_lane(n, asks, tag.is_some());
        self.running.push(Running { n, tag, asks, bytes, place });
        assert!(
            self.running.len() <= self.core.limits().running_responders_max,
            "no more responders run than may"
        );
    }

    fn refuse(
        &mut self,
        WaitingCall { call, number: number_of_box }: &WaitingCall,
        refusal: Refusal,
    ) {
        self.leave_box(*number_of_box);
        if let Some(tag) = call.tag() {
            self.with(|core| match refusal {
                Refusal::Closing => core.refuse(tag),
                Refusal::TooMany { .. } => core.fail(tag, b"UNKNOWN", "refused"),
            });
            self.seen.push_back(Seen::Refused(String::from_utf8_lossy(tag).into_owned()));
        }
    }
}
