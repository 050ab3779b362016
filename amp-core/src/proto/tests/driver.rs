//! What moves the bytes of a side, and acts only when it was woken: a connection's driver in its phases,
//! over a pipe in place of a transport, at a time that whoever tests moves on.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::pipe::Pipe;
use super::side::{LEFTOVER, Mark, Running, Seen, Side, Watched, asks, number};
use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::keys;
use crate::proto::admission::Refusal;
use crate::proto::calls::Tagged;
use crate::proto::inbound::{Inbound, Received};
use crate::proto::switch::Leaving;
use crate::proto::wants::{Public, Situation};
use crate::proto::{
    self, CloseReason, Core, Drive, LeftBehind, Limits, MayReceive, Outgoing, Pings, Reading,
    Sorted,
};

/// How many reads follow each other.
const READS: usize = 2;

/// What the driver of a side knows alone.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that it knows")]
pub(super) struct Driver {
    pub(super) drive: Drive<usize>,
    /// What was received behind a switch, which the transport gives that follows.
    behind: BytesMut,
    /// When it has received something last.
    pub(super) heard: Instant,
    /// What it has taken off the queue, and how many bytes it has written.
    pub(super) writing: Outgoing,
    pub(super) written: u64,
    /// Whether it waits for bytes, and for room to write.
    waits_to_read: bool,
    pub(super) waits_to_write: bool,
    /// Whether it has let others run before it writes.
    pub(super) waited: bool,
    /// Whether it is to have another turn.
    pub(super) more: bool,
    /// The attachments that were received, each with the place that it came with.
    marks: Vec<(u64, Mark)>,
    received: u64,
    /// How many switches to another transport were made.
    switches: usize,
    pub(super) pings: usize,
}

impl Driver {
    pub(super) fn new(limits: &Limits, watched: Watched, now: Instant) -> Self {
        let Watched { idle, first_box, ping } = watched;
        let pings = ping.map(|(every, timeout)| Pings::new(every, timeout));
        let watched = proto::Watched { idle, first_box, pings };
        Self {
            drive: Drive::new(limits, watched, now),
            behind: BytesMut::new(),
            heard: now,
            writing: Outgoing::default(),
            written: 0,
            waits_to_read: true,
            waits_to_write: false,
            waited: false,
            more: false,
            marks: Vec::new(),
            received: 0,
            switches: 0,
            pings: 0,
        }
    }

    /// The attachments that came no later than the box that was counted with `arrived`.
    pub(super) fn marks(&self, arrived: usize) -> impl Iterator<Item = Mark> {
        self.marks[..arrived].iter().map(|(_, mark)| *mark)
    }

    /// How many calls of its own are outstanding.
    pub(super) fn pings(&self) -> usize {
        usize::from(self.drive.ping().is_some())
    }
}

/// Why the driver goes on, or why the side ends.
pub(super) type Progress = Result<(), CloseReason>;

impl Side {
    /// Wakes the driver where it waits for what the pipes have, or for what is due.
    pub(super) fn notice(&mut self, incoming: &Pipe, outgoing: &Pipe, now: Instant) {
        let readable = self.driver.waits_to_read && incoming.is_readable();
        let writable =
            self.driver.waits_to_write && (outgoing.room > 0 || outgoing.refuses_bytes());
        let due = self.next_due().is_some_and(|next| next <= now);
        if readable || writable || due {
            self.parked = None;
        }
    }

    /// When something is due next, if the connection goes on.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.driver.drive.next_due().filter(|_| self.ended.is_none())
    }

    /// Whether its end is a matter of time, or that those who wait for room are all told.
    pub(super) fn waits_for_time(&self) -> bool {
        let drive = &self.driver.drive;
        drive.ends_in_time() || drive.watches_room() && !self.queueing.is_empty()
    }

    /// Runs the driver, if it was woken. Whether it was.
    pub(super) fn run(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> bool {
        if self.parked.is_some() || self.ended.is_some() {
            return false;
        }
        if let Err(reason) = self.turn(incoming, outgoing, now) {
            (outgoing.closed, incoming.deaf) = (true, true);
            if reason.is_absence() {
                self.leave_all_behind();
            }
            self.end(reason, now);
            return true;
        }
        let drive = &self.driver.drive;
        assert!(drive.next_due().is_none_or(|next| next > now), "what is due is dealt with");
        let ends = drive.is_ending() || self.core.end().broken().is_some();
        assert!(!ends || drive.ends_in_time(), "what ends or is broken is over in time");
        let situation = self.situation();
        let more = std::mem::take(&mut self.driver.more) || self.core.may_start(&situation);
        if self.core.driver_wants(&situation).is_nothing() && !more {
            self.parked = Some(situation);
        }
        true
    }

    pub(super) fn situation(&self) -> Situation {
        self.driver.drive.situation(self.driver.writing.len())
    }

    /// One turn, phase after phase. Each looks at what the core says, and waits for nothing.
    fn turn(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> Progress {
        self.close_on_error(Self::start);
        if self.driver.drive.reads(self.public) {
            match self.read(incoming, now) {
                Err(reason @ CloseReason::Io(_)) => return Err(reason),
                read => self.close_on_error(|_| read),
            }
        }
        self.look_for_end(now);
        self.write(outgoing, now)?;
        self.leave(incoming, outgoing)?;
        self.poll_ending(incoming, outgoing)?;
        self.poll_timers(incoming, now)
    }

    /// A failure of this begins the end.
    fn close_on_error(&mut self, part: impl FnOnce(&mut Self) -> Progress) {
        if let Err(reason) = part(self) {
            self.with(|core| core.close(reason));
        }
    }

    fn read(&mut self, incoming: &mut Pipe, now: Instant) -> Progress {
        self.driver.waits_to_read = false;
        self.driver.drive.inbound.set_reading(Reading::Behind);
        for _ in 0..READS {
            if self.public.any(Public::BOUNDARY) {
                return Ok(());
            }
            if !self.driver.drive.inbound.take_left() && !self.receive(incoming, now)? {
                return Ok(());
            }
            self.handle_received(incoming)?;
            self.core.check_queue(&self.situation())?;
            let hoards = self.driver.drive.inbound.is_hoarding() && self.core.is_hoarding();
            let has_left = self.driver.drive.inbound.has_left();
            if self.public.any(Public::ENDING) || hoards || has_left {
                break;
            }
        }
        self.driver.more = true;
        Ok(())
    }

    /// Receives what has arrived, if more may be read. Whether there was any.
    fn receive(&mut self, incoming: &mut Pipe, now: Instant) -> Result<bool, CloseReason> {
        if !self.driver.drive.may_receive(self.public, None) {
            let situation = self.situation();
            match self.driver.drive.look_whether_to_receive(&self.core, &situation) {
                MayReceive::Yes => {}
                MayReceive::SendFirst => {
                    self.driver.more = true;
                    return Ok(false);
                }
                MayReceive::No => return Ok(false),
            }
        }
        if incoming.broken {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        assert!(self.core.end().begun().is_none(), "nothing is received once the end has begun");
        let before = self.driver.marks.len();
        let bytes = incoming.receive(&mut self.driver.marks);
        let arrived =
            self.driver.marks[before..].iter().map(|(_, mark)| Arc::new(*mark) as Attachment);
        let Drive { inbound, .. } = &mut self.driver.drive;
        inbound.input.attachments.extend(arrived);
        if !inbound.input.attachments.is_empty() {
            let kept = self.with_drive(|drive, core| drive.handle_attachments(now, core));
            // Boxes that are read later find nothing.
            self.claims_are_late |= kept.is_err();
            kept?;
        }
        self.driver.received += bytes.len() as u64;
        let mut all = std::mem::take(&mut self.driver.behind);
        all.extend_from_slice(&bytes);
        if all.is_empty() {
            if incoming.is_at_end() {
                self.driver.drive.inbound.set_reading(Reading::Over);
                return Err(CloseReason::end_of_stream(self.buffered()));
            }
            self.driver.drive.inbound.set_reading(Reading::Done);
            self.driver.waits_to_read = true;
            return Ok(false);
        }
        let received = self.driver.drive.inbound.receive(|buffer, _| {
            buffer.extend_from_slice(&all);
            Poll::Ready(Ok(all.len()))
        });
        assert!(matches!(received, Poll::Ready(Ok(received)) if received == all.len()));
        self.driver.heard = now;
        self.driver.drive.handle_received(|| now);
        Ok(true)
    }

    fn handle_received(&mut self, incoming: &Pipe) -> Progress {
        loop {
            let decoded = self.decode(incoming);
            for caller in std::mem::take(&mut self.driver.drive.inbound.callers) {
                self.wake_caller(caller);
            }
            self.start()?;
            decoded?;
            if !self.driver.drive.inbound.is_at_switch() || self.public.any(Public::BOUNDARY) {
                return Ok(());
            }
            self.driver.drive.inbound.take_left();
        }
    }

    /// Decodes what was read, up to where it may not be boxes any more.
    fn decode(&mut self, incoming: &Pipe) -> Progress {
        if self.public.any(Public::LOOK) {
            self.with_drive(Drive::take_news);
        }
        let alone = self.expects_switches || self.public.any(Public::SWITCH_ASKED);
        loop {
            let (boxes, decoded) = self.driver.drive.inbound.decode(alone);
            let more = decoded.expect("boxes");
            let boxes = boxes.to_vec();
            self.sort(&boxes, incoming)?;
            if self.public.any(Public::BOUNDARY) {
                self.driver.drive.inbound.stop();
                return Ok(());
            }
            if !more || self.driver.drive.inbound.gives_way(false) {
                return Ok(());
            }
        }
    }

    /// Sorts out what was decoded, and notes what the core says of each box.
    fn sort(&mut self, boxes: &[AmpBox], incoming: &Pipe) -> Progress {
        let empty = Inbound::new(self.core.limits().boxes);
        let mut inbound = std::mem::replace(&mut self.driver.drive.inbound, empty);
        let tagged: Vec<_> = boxes.iter().map(|ampbox| self.tagged(ampbox)).collect();
        let (told, before) = (inbound.callers.len(), self.core.counters());
        let waiting = inbound.calls_size();
        let asks_switch = boxes.first().is_some_and(|ampbox| asks(ampbox).is_some());
        let (sorted, handled) = self.with(|core| inbound.sort(core, asks_switch));
        let told: Vec<_> = inbound.callers[told..].to_vec();
        let mut callers = told.into_iter();
        let grown = inbound.calls_size() - waiting;
        self.driver.drive.inbound = inbound;
        let mut end = self.driver.received - self.buffered() as u64;
        end -= boxes.iter().map(|ampbox| ampbox.size() as u64).sum::<u64>();
        let (mut late, mut called) = (0, 0);
        for (ampbox, tagged) in boxes.iter().zip(tagged) {
            let start = end;
            end += ampbox.size() as u64;
            let transports = [start, end - 1].map(|place| incoming.switches_before(place));
            let expected = [self.driver.switches; 2];
            assert_eq!(transports, expected, "nothing is sent behind a switch too early");
            let arrived = self.driver.marks.partition_point(|(place, _)| *place <= start);
            let carried = self.driver.switches == 0;
            self.seen.push_back(Seen::Box { ampbox: ampbox.clone(), arrived, carried });
            let well = ampbox.get(keys::ANSWER).is_some();
            self.seen.push_back(match tagged {
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
        let counters = self.core.counters();
        assert_eq!(counters.late_answers - before.late_answers, late);
        assert_eq!(counters.calls_received - before.calls_received, called);
        let begins = grown > 0 || called == sorted.unanswerable as u64;
        assert!(begins || handled.is_err(), "calls wait to be begun");
        self.drop_unwanted(sorted);
        Ok(handled?)
    }

    /// Which call of this side a box answers, if any, and whether that asks for a switch.
    fn tagged(&self, ampbox: &AmpBox) -> Option<(Tagged, bool)> {
        let tag = ampbox.get(keys::ANSWER).or_else(|| ampbox.get(keys::ERROR))?;
        let tagged = self.core.find(tag);
        let asked = matches!(tagged, Tagged::Outstanding(id) if self.core.switch().is_asked_by(id));
        Some((tagged, asked))
    }

    fn drop_unwanted(&mut self, sorted: Sorted<()>) {
        for (number_of_box, discard) in sorted.unwanted {
            match discard {
                Some(((), answer)) => {
                    let n = number(&answer).expect("a number");
                    self.claim(n, &answer, Some(number_of_box));
                }
                None => self.leave_box(Some(number_of_box)),
            }
        }
    }

    /// Begins the calls that wait, as far as the core lets them.
    fn start(&mut self) -> Progress {
        while !self.driver.drive.inbound.is_idle() {
            let full = self.driver.drive.busy().is_full(None);
            if full || self.public.any(Public::CROWDED | Public::LOOK) {
                self.with_drive(Drive::take_news);
                let situation = self.situation();
                if !self.core.may_start(&situation) {
                    break;
                }
            }
            let Some(received) = self.driver.drive.inbound.next_call() else { break };
            let (size, limits) = (received.call.ampbox().size(), self.core.limits());
            match self.driver.drive.busy().admit(size, limits, None) {
                Ok(()) => self.begin(&received),
                Err(refusal) => self.refuse(&received, refusal)?,
            }
        }
        self.driver.drive.inbound.release();
        Ok(())
    }

    fn begin(&mut self, Received { call, number: number_of_box }: &Received) {
        let n = number(call.ampbox()).expect("a number");
        if call.command() == b"Ping" {
            let tag = call.tag().expect("a ping wants an answer");
            self.pong(n, tag);
            self.leave_box(*number_of_box);
            return;
        }
        self.claim(n, call.ampbox(), *number_of_box);
        let (tag, bytes) = (call.tag().map(<[u8]>::to_vec), call.ampbox().size());
        self.with(|core| core.begin_responder(bytes, false));
        let asks = asks(call.ampbox());
        let place = self.enter_lane(n, asks, tag.is_some());
        self.running.push(Running { n, tag, asks, bytes, place });
        assert!(
            self.running.len() <= self.core.limits().running_responders_max,
            "no more responders run than may"
        );
    }

    fn refuse(&mut self, received: &Received, refusal: Refusal) -> Progress {
        let Received { call, number: number_of_box } = received;
        self.leave_box(*number_of_box);
        let n = number(call.ampbox()).expect("a number");
        if let Some(tag) = call.tag() {
            self.with(|core| match refusal {
                Refusal::Closing => core.refuse(tag),
                Refusal::TooMany { .. } => core.fail(tag, b"UNKNOWN", &n.to_string()),
            });
            self.seen.push_back(Seen::Refused(n));
        }
        refusal.check(call.tag().is_some())
    }

    /// Begins the farewell, when the end has begun.
    fn look_for_end(&mut self, now: Instant) {
        if self.driver.drive.is_ending() || !self.public.any(Public::EVENTFUL) {
            return;
        }
        let situation = self.situation();
        if self.with_drive(|drive, core| drive.look_for_end(&situation, now, core)) {
            self.stop_watching(now);
            self.leave_behind();
        }
    }

    /// Gives the stream to whoever follows, where both sides agree and everything before that is sent.
    fn leave(&mut self, incoming: &Pipe, outgoing: &mut Pipe) -> Progress {
        let written = self.driver.writing.is_empty() && self.driver.drive.inbound.is_idle();
        let stays = self.driver.drive.is_ending() || self.driver.drive.is_broken();
        if !self.public.any(Public::BOUNDARY) || stays || !written {
            return Ok(());
        }
        let Some(leaving) = self.with(Core::leave) else { return Ok(()) };
        let silent = self.buffered() == 0 && incoming.is_empty();
        let accepted = std::mem::take(&mut self.accepted);
        let wanted =
            matches!(leaving, Leaving::HandOver) && self.with(|core| core.hand_over(())).is_none();
        if accepted || wanted {
            assert!(silent, "nothing is sent behind a switch that both sides do not know of");
        }
        if !matches!(leaving, Leaving::Upgrade(())) {
            return Err(CloseReason::Switched);
        }
        self.driver.switches += 1;
        self.driver.behind = self.driver.drive.inbound.input.take();
        outgoing.switch();
        self.driver.drive.inbound.take_left();
        self.with(Core::resume);
        // What has come behind the switch is read at once.
        self.driver.more = true;
        Ok(())
    }

    /// Says that nothing more comes, once what is queued is sent, and reads until the peer has closed too.
    fn poll_ending(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe) -> Progress {
        if self.driver.drive.is_ending() {
            self.leave_behind();
        }
        let Driver { drive, writing, waits_to_read, .. } = &mut self.driver;
        let sent = drive.inbound.is_idle() && writing.is_empty() && !self.core.has_to_send();
        let Some((farewell, ..)) = drive.farewell() else { return Ok(()) };
        if farewell.reads() {
            let received = incoming.receive(&mut Vec::new()).len();
            if received > 0 || incoming.is_at_end() {
                farewell.handle_received(received);
            }
        }
        *waits_to_read = farewell.reads();
        if sent && !farewell.is_silent() {
            farewell.handle_shut_down();
            outgoing.closed = true;
        }
        farewell.check()
    }

    /// Leaves the calls behind that cannot be begun, and that nobody answers any more.
    fn leave_behind(&mut self) {
        if self.driver.drive.must_leave_behind(&self.core, &self.situation()) {
            self.leave_all_behind();
        }
    }

    fn leave_all_behind(&mut self) {
        let LeftBehind { unanswerable, over, calls, .. } =
            self.driver.drive.leave_behind(self.core.limits());
        self.drop_received(unanswerable);
        self.drop_received(over);
        self.leftover_is_woken |= !calls.is_empty();
        self.leftover.extend(calls);
    }

    /// Begins what was left behind, as far as responders are done. Whether it was woken.
    pub(super) fn run_leftover(&mut self) -> bool {
        let is_woken = std::mem::take(&mut self.leftover_is_woken);
        while is_woken && !self.leftover.is_empty() {
            let is_same = |waiter: &usize| *waiter == LEFTOVER;
            if self.with(|core| core.poll_full(&mut Some(LEFTOVER), is_same)) {
                break;
            }
            if let Some(received) = self.leftover.pop_front() {
                self.begin(&received);
            }
        }
        is_woken
    }

    pub(super) fn drop_received(&mut self, calls: VecDeque<Received>) {
        for received in calls {
            self.leave_box(received.number);
        }
    }

    fn end(&mut self, reason: CloseReason, now: Instant) {
        self.stop_watching(now);
        let calls = self.driver.drive.inbound.take_calls();
        self.drop_received(calls);
        let (reason, _) = self.with(|core| core.handle_end(reason));
        self.driver.writing = Outgoing::default();
        self.driver.heard = now;
        self.leave_lanes();
        self.seen.push_back(Seen::Ended(reason.clone()));
        self.ended = Some(reason);
    }
}
