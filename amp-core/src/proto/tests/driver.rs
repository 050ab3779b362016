//! What moves the bytes of a side, and acts only when it was woken: a connection's driver in its phases,
//! over a pipe in place of a transport, at a time that whoever tests moves on.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::pipe::Pipe;
use super::side::{Mark, Running, Seen, Side, Watched, asks, number};
use crate::argument::Attachment;
use crate::boxes::AmpBox;
use crate::keys;
use crate::proto::admission::{Admission, Refusal};
use crate::proto::calls::Tagged;
use crate::proto::inbound::Received;
use crate::proto::switch::Leaving;
use crate::proto::wants::{Situation, Wants};
use crate::proto::{
    CloseReason, Core, Inbound, Limits, Liveness, Outgoing, Pings, Reading, Sorted, Timer, Timers,
};

/// How many reads follow each other.
const READS: usize = 2;

/// What the driver of a side knows alone.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that it knows")]
pub(super) struct Driver {
    pub(super) inbound: Inbound<usize>,
    pub(super) buffer: BytesMut,
    /// What was received behind a switch, which the transport gives that follows.
    behind: BytesMut,
    pub(super) timers: Timers,
    pub(super) liveness: Option<Liveness>,
    /// When it has received something last.
    pub(super) heard: Instant,
    /// What it has taken off the queue, and how many bytes it has written.
    pub(super) writing: Outgoing,
    pub(super) written: u64,
    /// As it was when the driver last looked.
    busy: (Admission, bool),
    /// Whether it waits for bytes, and for room to write.
    waits_to_read: bool,
    pub(super) waits_to_write: bool,
    /// Whether it has let others run before it writes.
    pub(super) waited: bool,
    /// Whether it is to have another turn.
    pub(super) more: bool,
    /// Why nothing can be written any more.
    pub(super) broken: Option<CloseReason>,
    /// Whether the peer has closed its side.
    over: bool,
    pub(super) ending: Option<Ending>,
    /// The attachments that were received, each with the place that it came with.
    marks: Vec<(u64, Mark)>,
    received: u64,
    /// How many switches to another transport were made.
    switches: usize,
    pub(super) pings: usize,
}

pub(super) struct Ending {
    pub(super) reason: CloseReason,
    shut_down: bool,
    peer_done: bool,
}

impl Driver {
    pub(super) fn new(limits: &Limits, watched: Watched, now: Instant) -> Self {
        let mut timers = Timers::default();
        let Watched { idle, first_box, ping } = watched;
        let pings = ping.map(|(every, timeout)| Pings::new(every, timeout));
        let liveness = Liveness::new(idle, first_box, pings, now, &mut timers);
        Self {
            inbound: Inbound::new(limits.boxes),
            buffer: BytesMut::new(),
            behind: BytesMut::new(),
            timers,
            liveness,
            heard: now,
            writing: Outgoing::default(),
            written: 0,
            busy: (Admission::default(), false),
            waits_to_read: true,
            waits_to_write: false,
            waited: false,
            more: false,
            broken: None,
            over: false,
            ending: None,
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
        usize::from(self.liveness.as_ref().and_then(Liveness::ping).is_some())
    }

    /// Whether its end is a matter of time.
    pub(super) fn has_deadline(&self) -> bool {
        [Timer::Broken, Timer::Close, Timer::Drain]
            .into_iter()
            .any(|timer| self.timers.is_set(timer))
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
        let due = self.driver.timers.next().is_some_and(|next| next <= now);
        if readable || writable || due {
            self.parked = None;
        }
    }

    /// Runs the driver, if it was woken. Whether it was.
    pub(super) fn run(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> bool {
        if self.parked.is_some() || self.ended.is_some() {
            return false;
        }
        if let Err(reason) = self.turn(incoming, outgoing, now) {
            (outgoing.closed, incoming.deaf) = (true, true);
            self.end(reason, now);
            return true;
        }
        let driver = &self.driver;
        assert!(driver.timers.next().is_none_or(|next| next > now), "what is due is dealt with");
        assert!(
            driver.ending.is_none() || driver.timers.is_set(Timer::Close),
            "the end is bounded"
        );
        assert!(driver.broken.is_none() || driver.has_deadline(), "what is broken ends in time");
        let situation = self.situation();
        let more = std::mem::take(&mut self.driver.more) || self.core.may_start(&situation);
        if self.core.driver_wants(&situation).is_nothing() && !more {
            self.parked = Some(situation);
        }
        true
    }

    pub(super) fn situation(&self) -> Situation {
        let Driver { inbound, buffer, writing, timers, ending, .. } = &self.driver;
        Situation {
            writing: writing.len(),
            counted: 0,
            calls: inbound.calls_size(),
            received: inbound.calls_size() + buffer.len(),
            ahead: inbound.ahead(),
            paused: inbound.is_paused(),
            left: inbound.has_left(),
            boundary: inbound.is_at_switch(),
            pings: self.driver.pings(),
            draining: timers.is_set(Timer::Drain),
            ending: ending.is_some(),
            silent: self.is_silent(),
            refused: false,
            line: false,
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        let ending = self.driver.ending.as_ref();
        self.driver.broken.is_some() || ending.is_some_and(|ending| ending.shut_down)
    }

    /// One turn, phase after phase. Each looks at what the core says, and waits for nothing.
    fn turn(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> Progress {
        self.close_on_error(Self::start);
        if self.driver.ending.is_none() {
            match self.read(incoming, now) {
                Err(reason @ CloseReason::Io(_)) => return Err(reason),
                read => {
                    self.driver.over = matches!(&read, Err(reason) if reason.is_end_of_stream());
                    self.close_on_error(|_| read);
                }
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
        self.driver.inbound.has_read(Reading::Behind);
        for _ in 0..READS {
            if self.public.any(Wants::BOUNDARY) {
                return Ok(());
            }
            if !self.driver.inbound.take_left() && !self.receive(incoming, now)? {
                return Ok(());
            }
            self.handle_received(incoming)?;
            self.core.check_queue(&self.situation())?;
            if self.core.end.begun().is_some() || self.driver.inbound.has_left() {
                break;
            }
        }
        self.driver.more = true;
        Ok(())
    }

    /// Receives what has arrived, if more may be read. Whether there was any.
    fn receive(&mut self, incoming: &mut Pipe, now: Instant) -> Result<bool, CloseReason> {
        let full = self.driver.busy.0.is_full(&self.core.limits, None);
        let idle = self.driver.inbound.is_idle();
        if idle && !full && !self.public.any(Wants::LOOK) {
            self.driver.inbound.end_ahead();
        } else {
            if !self.core.outgoing().is_empty() && self.driver.writing.is_empty() && !idle {
                // What their answers wait behind is sent first.
                self.driver.more = true;
                return Ok(false);
            }
            if !self.core.may_read(&self.situation()) {
                self.driver.inbound.has_read(Reading::Paused);
                return Ok(false);
            }
        }
        if incoming.broken {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        let before = self.driver.marks.len();
        let bytes = incoming.receive(&mut self.driver.marks);
        let arrived: Vec<_> = self.driver.marks[before..]
            .iter()
            .map(|(_, mark)| Arc::new(*mark) as Attachment)
            .collect();
        if !arrived.is_empty() {
            self.with(|core| core.unclaimed.receive(arrived, now));
        }
        self.driver.received += bytes.len() as u64;
        let mut all = std::mem::take(&mut self.driver.behind);
        all.extend_from_slice(&bytes);
        if all.is_empty() {
            if incoming.is_at_end() {
                self.drop_calls_that_wait();
                return Err(CloseReason::end_of_stream(self.driver.buffer.len()));
            }
            self.driver.inbound.has_read(Reading::Done);
            self.driver.waits_to_read = true;
            return Ok(false);
        }
        self.driver.buffer.extend_from_slice(&all);
        self.driver.heard = now;
        if let Some(liveness) = &mut self.driver.liveness {
            liveness.received(now);
        }
        Ok(true)
    }

    fn handle_received(&mut self, incoming: &Pipe) -> Progress {
        loop {
            let decoded = self.decode(incoming);
            for caller in std::mem::take(&mut self.driver.inbound.callers) {
                self.wake_caller(caller);
            }
            self.start()?;
            decoded?;
            if !self.driver.inbound.is_at_switch() || self.public.any(Wants::BOUNDARY) {
                return Ok(());
            }
            self.driver.inbound.take_left();
        }
    }

    /// Decodes what was read, up to where it may not be boxes any more.
    fn decode(&mut self, incoming: &Pipe) -> Progress {
        if self.public.any(Wants::LOOK) {
            self.driver.busy = self.with(Core::look);
        }
        let alone = self.expects_switches || self.public.any(Wants::SWITCH_ASKED);
        loop {
            let Driver { inbound, buffer, .. } = &mut self.driver;
            let (boxes, decoded) = inbound.decode(buffer, alone, |_, _| {});
            let more = decoded.expect("boxes");
            let boxes = boxes.to_vec();
            self.sort(&boxes, incoming)?;
            if self.public.any(Wants::BOUNDARY) {
                self.driver.inbound.stop();
                return Ok(());
            }
            let buffered = !self.driver.buffer.is_empty();
            if !more || self.driver.inbound.gives_way(buffered, false) {
                return Ok(());
            }
        }
    }

    /// Sorts out what was decoded, and notes what the core says of each box.
    fn sort(&mut self, boxes: &[AmpBox], incoming: &Pipe) -> Progress {
        let mut inbound =
            std::mem::replace(&mut self.driver.inbound, Inbound::new(self.core.limits.boxes));
        let tagged: Vec<_> = boxes.iter().map(|ampbox| self.tagged(ampbox)).collect();
        let (told, before) = (inbound.callers.len(), self.core.counters());
        let waiting = inbound.calls_size();
        let asks_switch = boxes.first().is_some_and(|ampbox| asks(ampbox).is_some());
        let (sorted, handled) = self.with(|core| inbound.sort(core, asks_switch));
        let told: Vec<_> = inbound.callers[told..].to_vec();
        let mut callers = told.into_iter();
        let grown = inbound.calls_size() - waiting;
        self.driver.inbound = inbound;
        let mut end = self.driver.received - self.driver.buffer.len() as u64;
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
        let asked = matches!(tagged, Tagged::Outstanding(id) if self.core.switch.is_asked_by(id));
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
        while !self.driver.inbound.is_idle() {
            let limits = self.core.limits;
            let full = self.driver.busy.0.is_full(&limits, None);
            if full || self.public.any(Wants::CROWDED | Wants::LOOK) {
                self.driver.busy = self.with(Core::look);
                let situation = self.situation();
                if !self.core.may_start(&situation) {
                    break;
                }
            }
            let Some(received) = self.driver.inbound.next_call() else { break };
            let (admission, closing) = self.driver.busy;
            match admission.admit(received.call.ampbox().size(), closing, &limits, None) {
                Ok(()) => self.begin(&received),
                Err(refusal) => self.refuse(&received, refusal)?,
            }
        }
        self.driver.inbound.release();
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
        self.with(|core| core.begin(bytes, false));
        let asks = asks(call.ampbox());
        let place = self.enter_lane(n, asks, tag.is_some());
        self.running.push(Running { n, tag, asks, bytes, place });
        assert!(
            self.running.len() <= self.core.limits.running_responders_max,
            "no more responders run than may"
        );
    }

    fn refuse(&mut self, received: &Received, refusal: Refusal) -> Progress {
        let Received { call, number: number_of_box } = received;
        self.leave_box(*number_of_box);
        if asks(call.ampbox()).is_some() {
            self.with(Core::refuse_switch);
        }
        let n = number(call.ampbox()).expect("a number");
        match (call.tag(), refusal) {
            (Some(tag), Refusal::Closing) => self.with(|core| core.refuse(tag)),
            (Some(tag), Refusal::TooMany { .. }) => {
                self.with(|core| core.fail(tag, b"UNKNOWN", &n.to_string()));
            }
            (None, Refusal::Closing) => return Ok(()),
            (None, Refusal::TooMany { what, limit }) => {
                return Err(CloseReason::Limit { what, limit });
            }
        }
        self.seen.push_back(Seen::Refused(n));
        Ok(())
    }

    /// Begins the end, when somebody has begun it or all that is drained is answered.
    fn look_for_end(&mut self, now: Instant) {
        if self.driver.ending.is_some() || !self.public.any(Wants::EVENTFUL) {
            return;
        }
        let situation = self.situation();
        if let Some(within) = self.core.end.draining() {
            if !situation.draining {
                self.driver.timers.set_after(Timer::Drain, now, within);
            }
            if self.core.is_drained(&situation) {
                self.with(|core| core.close(CloseReason::Local));
            }
        }
        if let Some(reason) = self.core.end.begun().cloned() {
            self.stop_watching();
            let (timeout, _) = reason.farewell(self.core.limits.close_timeout);
            self.driver.timers.set_after(Timer::Close, now, timeout);
            let (shut_down, peer_done) = (self.driver.broken.is_some(), self.driver.over);
            self.driver.ending = Some(Ending { reason, shut_down, peer_done });
        }
    }

    /// Gives the stream to whoever follows, where both sides agree and everything before that is sent.
    fn leave(&mut self, incoming: &Pipe, outgoing: &mut Pipe) -> Progress {
        let written = self.driver.writing.is_empty() && self.driver.inbound.is_idle();
        let stays = self.driver.ending.is_some() || self.driver.broken.is_some();
        if !self.public.any(Wants::BOUNDARY) || stays || !written {
            return Ok(());
        }
        let Some(leaving) = self.with(Core::leave) else { return Ok(()) };
        let silent = self.buffered().is_empty() && incoming.is_empty();
        let accepted = std::mem::take(&mut self.accepted);
        let wanted = matches!(leaving, Leaving::HandOver)
            && self.with(|core| core.switch.hand_over(())).is_none();
        if accepted || wanted {
            assert!(silent, "nothing is sent behind a switch that both sides do not know of");
        }
        if !matches!(leaving, Leaving::Replace(())) {
            return Err(CloseReason::Switched);
        }
        self.driver.switches += 1;
        self.driver.behind = std::mem::take(&mut self.driver.buffer);
        outgoing.switch();
        self.driver.inbound.resume();
        self.with(Core::resume);
        // What has come behind the switch is read at once.
        self.driver.more = true;
        Ok(())
    }

    /// Sends what is queued, says that nothing more comes, and reads until the peer has closed too.
    fn poll_ending(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe) -> Progress {
        if self.driver.ending.is_some() {
            self.drop_calls_that_wait();
        }
        let sent = self.driver.inbound.is_idle()
            && self.driver.writing.is_empty()
            && self.core.outgoing().is_empty();
        let Some(ending) = &mut self.driver.ending else { return Ok(()) };
        incoming.receive(&mut Vec::new());
        ending.peer_done |= incoming.is_at_end();
        self.driver.waits_to_read = !ending.peer_done;
        if sent && !ending.shut_down {
            ending.shut_down = true;
            outgoing.closed = true;
        }
        if ending.shut_down && ending.peer_done { Err(ending.reason.clone()) } else { Ok(()) }
    }

    /// Drops the calls that cannot be begun, and that nobody answers any more.
    pub(super) fn drop_calls_that_wait(&mut self) {
        if self.core.holds_back(&self.situation()) {
            let calls = self.driver.inbound.take_calls();
            self.drop_received(calls);
        }
    }

    pub(super) fn drop_received(&mut self, calls: VecDeque<Received>) {
        for received in calls {
            self.leave_box(received.number);
        }
    }

    fn end(&mut self, reason: CloseReason, now: Instant) {
        self.stop_watching();
        let calls = self.driver.inbound.take_calls();
        self.drop_received(calls);
        let (reason, _) = self.with(|core| core.handle_end(reason));
        self.driver.writing = Outgoing::default();
        self.driver.timers = Timers::default();
        self.driver.heard = now;
        self.leave_lanes();
        self.running.clear();
        self.seen.push_back(Seen::Ended(reason.clone()));
        self.ended = Some(reason);
    }
}
