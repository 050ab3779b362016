//! What moves the bytes of a side, and acts only when it was woken.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

use super::pipe::Pipe;
use super::side::{Mark, Running, Seen, Side, TakenBack, asks, number};
use crate::argument::Attachment;
use crate::boxes::{BoxLimits, Decoder};
use crate::proto::BoxNumber;
use crate::proto::admission::{Admission, Refusal};
use crate::proto::core::Transmit;
use crate::proto::inbound::Received;
use crate::proto::switch::Leaving;
use crate::proto::wants::{Situation, Wants};
use crate::proto::{CloseReason, Core, Event, Outgoing};

/// What the driver of a side knows alone.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that it knows")]
pub(super) struct Driver {
    decoder: Decoder,
    pub(super) buffer: BytesMut,
    /// What it has taken off the queue, and how many bytes it has written.
    writing: Outgoing,
    written: u64,
    /// Calls that were read and not begun.
    waiting: VecDeque<Received>,
    /// As it was when the driver last looked.
    busy: (Admission, bool),
    /// Whether it waits for bytes, and for room to write.
    waits_to_read: bool,
    waits_to_write: bool,
    /// Whether the core does not want more to be read.
    paused: bool,
    /// Whether it has stopped reading boxes because of a switch.
    boundary: bool,
    /// Whether it has let others run before it writes.
    waited: bool,
    /// Whether it is to have another turn.
    more: bool,
    /// Whether it drains the connection.
    draining: bool,
    /// Whether nothing can be written any more.
    broken: bool,
    ending: Option<Ending>,
    /// The attachments that were received, each with the place that it came with.
    marks: Vec<(u64, Mark)>,
    received: u64,
    /// How many switches to another transport were made.
    switches: usize,
}

struct Ending {
    shut_down: bool,
    peer_done: bool,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self {
            decoder: Decoder::new(BoxLimits::default()),
            buffer: BytesMut::new(),
            writing: Outgoing::default(),
            written: 0,
            waiting: VecDeque::new(),
            busy: (Admission::default(), false),
            waits_to_read: true,
            waits_to_write: false,
            paused: false,
            boundary: false,
            waited: false,
            more: false,
            draining: false,
            broken: false,
            ending: None,
            marks: Vec::new(),
            received: 0,
            switches: 0,
        }
    }

    /// The attachments that came no later than the box that was counted with `arrived`.
    pub(super) fn marks(&self, arrived: usize) -> impl Iterator<Item = Mark> {
        self.marks[..arrived].iter().map(|(_, mark)| *mark)
    }

    /// Whether it does not read, although nothing ends the boxes: as many responders run as may.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }
}

/// Why the driver goes on, or why the side ends.
type Progress = Result<(), CloseReason>;

impl Side {
    /// Wakes the driver where it waits for what the pipes have.
    pub(super) fn notice(&mut self, incoming: &Pipe, outgoing: &Pipe) {
        let readable = self.driver.waits_to_read && incoming.is_readable();
        let writable =
            self.driver.waits_to_write && (outgoing.room > 0 || outgoing.refuses_bytes());
        if readable || writable {
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
            self.end(reason);
            return true;
        }
        let situation = self.situation();
        let more = std::mem::take(&mut self.driver.more) || self.core.may_start(&situation);
        if self.core.driver_wants(&situation).is_nothing() && !more {
            self.parked = Some(situation);
        }
        true
    }

    fn situation(&self) -> Situation {
        let driver = &self.driver;
        let calls = driver.waiting.iter().map(|received| received.call.ampbox().size()).sum();
        Situation {
            writing: driver.writing.len(),
            counted: 0,
            calls,
            received: calls + driver.buffer.len(),
            ahead: 0,
            paused: driver.paused,
            left: driver.boundary,
            boundary: driver.boundary,
            pings: 0,
            draining: driver.draining,
            ending: driver.ending.is_some(),
            silent: self.is_silent(),
            refused: false,
            line: false,
        }
    }

    fn is_silent(&self) -> bool {
        self.driver.broken || self.driver.ending.as_ref().is_some_and(|ending| ending.shut_down)
    }

    /// One turn, phase after phase. Each looks at what the core says, and waits for nothing.
    fn turn(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> Progress {
        self.close_on_error(Self::start);
        if self.driver.ending.is_none() {
            let read = self.read(incoming, now);
            let peer_done = matches!(&read, Err(reason) if reason.is_end_of_stream());
            match read {
                Err(reason @ CloseReason::Io(_)) => return Err(reason),
                read => self.close_on_error(|_| read),
            }
            self.close_on_error(Self::start);
            self.drain_if_asked();
            if self.core.end.begun().is_some() {
                let shut_down = self.driver.broken;
                self.driver.ending = Some(Ending { shut_down, peer_done });
            }
        }
        self.write(outgoing, now)?;
        if self.driver.ending.is_none() {
            self.leave(incoming, outgoing)?;
        }
        self.poll_ending(incoming, outgoing)
    }

    /// A failure of this begins the end.
    fn close_on_error(&mut self, part: impl FnOnce(&mut Self) -> Progress) {
        if let Err(reason) = part(self) {
            self.with(|core| core.close(reason));
        }
    }

    fn read(&mut self, incoming: &mut Pipe, now: Instant) -> Progress {
        self.driver.waits_to_read = false;
        if self.driver.boundary {
            if self.public.any(Wants::BOUNDARY) {
                return Ok(());
            }
            self.driver.boundary = false;
        }
        self.decode(incoming)?;
        if self.driver.boundary {
            return Ok(());
        }
        let situation = self.situation();
        self.driver.paused = !self.core.may_read(&situation);
        if self.driver.paused {
            return Ok(());
        }
        if incoming.broken {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        let before = self.driver.marks.len();
        let bytes = incoming.receive(&mut self.driver.marks);
        self.driver.received += bytes.len() as u64;
        self.driver.buffer.extend_from_slice(&bytes);
        let arrived: Vec<_> = self.driver.marks[before..]
            .iter()
            .map(|(_, mark)| Arc::new(*mark) as Attachment)
            .collect();
        self.with(|core| core.unclaimed.receive(arrived, now));
        self.decode(incoming)?;
        if bytes.is_empty() && incoming.is_at_end() && !self.driver.boundary {
            return Err(CloseReason::end_of_stream(self.driver.buffer.len()));
        }
        self.driver.waits_to_read = !self.driver.boundary;
        Ok(())
    }

    /// Decodes what was read, up to where it may not be boxes any more.
    fn decode(&mut self, incoming: &Pipe) -> Progress {
        while !self.public.any(Wants::BOUNDARY) {
            let Driver { decoder, buffer, .. } = &mut self.driver;
            let Some(ampbox) = decoder.decode(buffer).expect("a box") else { return Ok(()) };
            let end = self.driver.received - self.driver.buffer.len() as u64;
            let start = end - ampbox.size() as u64;
            let transports = [start, end - 1].map(|place| incoming.switches_before(place));
            let expected = [self.driver.switches; 2];
            assert_eq!(transports, expected, "nothing is sent behind a switch too early");
            let arrived = self.driver.marks.partition_point(|(place, _)| *place <= start);
            let carried = self.driver.switches == 0;
            self.seen.push_back(Seen::Box { ampbox: ampbox.clone(), arrived, carried });
            let (number, event) = self.with(|core| {
                let number = core.unclaimed.number();
                let event = core.handle_box(ampbox).expect("a box that means something");
                if let (Event::Answered { id, .. }, Some(number)) = (&event, number) {
                    core.unclaimed.answered(*id, number);
                }
                (number, event)
            });
            self.handle(event, number)?;
        }
        self.driver.boundary = true;
        Ok(())
    }

    fn handle(&mut self, event: Event<usize>, number: Option<BoxNumber>) -> Progress {
        match event {
            Event::Answered { waiter, .. } => {
                self.seen.push_back(Seen::Answered(waiter));
                self.wake_caller(waiter);
            }
            Event::Switched(waiter) => {
                self.seen.push_back(Seen::Switched(waiter));
                if let Some(waiter) = waiter {
                    self.wake_caller(waiter);
                }
                self.leave_box(number);
            }
            Event::Called(call) => {
                self.seen.push_back(Seen::Called);
                if asks(&call).is_some() {
                    self.with(Core::handle_switch)?;
                }
                self.driver.waiting.push_back(Received { call, number });
            }
            Event::Late { id, answer } => {
                self.seen.push_back(Seen::Late(id, answer.is_ok()));
                let discard = self.with(|core| core.unclaimed.take_given_up(id));
                match answer {
                    Ok(answer) if discard.is_some() => {
                        let n = super::side::number(&answer).expect("a number");
                        self.claim(n, &answer, number);
                    }
                    _ => self.leave_box(number),
                }
            }
            Event::Ignored => {
                self.seen.push_back(Seen::Ignored);
                self.leave_box(number);
            }
        }
        Ok(())
    }

    /// Begins the calls that wait, as far as the core lets them.
    fn start(&mut self) -> Progress {
        while !self.driver.waiting.is_empty() {
            let limits = self.core.limits;
            let full = self.driver.busy.0.is_full(&limits, None);
            if full || self.public.any(Wants::CROWDED | Wants::LOOK) {
                self.driver.busy = self.with(Core::look);
                let situation = self.situation();
                if !self.core.may_start(&situation) {
                    break;
                }
            }
            let Some(received) = self.driver.waiting.pop_front() else { break };
            let (admission, closing) = self.driver.busy;
            match admission.admit(received.call.ampbox().size(), closing, &limits, None) {
                Ok(()) => self.begin(&received),
                Err(refusal) => self.refuse(&received, refusal)?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, Received { call, number: number_of_box }: &Received) {
        let n = number(call.ampbox()).expect("a number");
        self.claim(n, call.ampbox(), *number_of_box);
        let (tag, bytes) = (call.tag().map(<[u8]>::to_vec), call.ampbox().size());
        self.with(|core| core.begin(bytes, false));
        self.running.push(Running { n, tag, asks: asks(call), bytes });
        assert!(
            self.running.len() <= self.core.limits.running_responders_max,
            "no more responders run than may"
        );
    }

    fn refuse(&mut self, received: &Received, refusal: Refusal) -> Progress {
        let Received { call, number: number_of_box } = received;
        self.leave_box(*number_of_box);
        if asks(call).is_some() {
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

    fn drain_if_asked(&mut self) {
        if self.core.end.draining().is_some() {
            self.driver.draining = true;
            let situation = self.situation();
            if self.core.is_drained(&situation) {
                self.with(|core| core.close(CloseReason::Local));
            }
        }
    }

    fn write(&mut self, outgoing: &mut Pipe, now: Instant) -> Progress {
        self.driver.waits_to_write = false;
        if self.is_silent() {
            drop(self.with(|core| std::mem::take(core.outgoing())));
            return Ok(());
        }
        loop {
            if self.driver.writing.is_empty() {
                self.run_what_waited();
                let mut writing = std::mem::take(&mut self.driver.writing);
                let waited = std::mem::replace(&mut self.driver.waited, true);
                let transmit = self.with(|core| core.poll_transmit(&mut writing, waited));
                self.driver.writing = writing;
                match transmit {
                    Transmit::Nothing | Transmit::Later => return Ok(()),
                    Transmit::Taken { awaits_room, .. } => self.told_of_room |= awaits_room,
                }
                self.driver.waited = false;
            }
            if outgoing.refuses_bytes() {
                let reason = CloseReason::from(io::Error::from(io::ErrorKind::BrokenPipe));
                if self.driver.ending.is_some() || self.core.switch.is_agreed() {
                    return Err(reason);
                }
                self.with(|core| core.break_off(reason));
                self.driver.broken = true;
                return Ok(());
            }
            let mut slices = [IoSlice::new(&[]); 4];
            let (count, attachments) = self.driver.writing.parts(&mut slices);
            if !attachments.is_empty()
                && outgoing.room > 0
                && let Some(at) = outgoing.refuses.take()
            {
                let at = (at < attachments.len()).then_some(at);
                self.take_back(at)?;
                continue;
            }
            let sent = outgoing.send(&slices[..count], attachments, now);
            self.driver.writing.advance(sent);
            self.driver.written += sent as u64;
            assert!(!self.driver.writing.lacks_bytes(), "all went with the first byte");
            if sent == 0 {
                self.driver.waits_to_write = true;
                let situation = self.situation();
                return self.core.check_queue(&situation);
            }
        }
    }

    /// Runs what was to run when an answer is written.
    fn run_what_waited(&mut self) {
        let written = self.driver.written;
        while let Some(n) = self.with(|core| core.take_after(written)) {
            self.finish_after();
            self.seen.push_back(Seen::After(n, written));
        }
    }

    /// Takes the boxes back whose attachments were refused: the one with the attachment at this place,
    /// or all of them.
    fn take_back(&mut self, at: Option<usize>) -> Progress {
        let mut queued = Outgoing::default();
        let behind = self.core.taken();
        self.told_of_room |= self.with(|core| {
            core.take_queued(&mut queued);
            core.take_awaits_room()
        });
        let end = self.core.taken();
        let held = self.core.held_attachments();
        let writing = &mut self.driver.writing;
        let waited = writing.attachments() + queued.attachments() + held;
        let stand_in = Arc::new(Mark { of: None, at: 0 }) as Attachment;
        let removed = if let Some(at) = at.filter(|_| held == 0) {
            writing.append(queued);
            writing.remove(at, &stand_in).map(|removed| (vec![removed], Vec::new(), Vec::new()))
        } else {
            let removed = writing.remove_all().zip(queued.remove_all());
            writing.append(queued);
            let held = self.core.remove_held();
            removed.map(|(first, behind)| (first, behind, held))
        };
        let error = Arc::new(io::Error::other("refused"));
        let (first, queued, held) = removed.ok_or_else(|| CloseReason::Io(Arc::clone(&error)))?;
        let mut taken_back = Vec::new();
        for (boxes, start) in [(&held, end), (&queued, behind), (&first, self.driver.written)] {
            let was = self.with(|core| core.handle_removed(boxes, start, &error, "refused"));
            for (removed, was) in boxes.iter().zip(was) {
                let (key, value) = removed.first_pair().expect("a box begins with a pair");
                taken_back.push(TakenBack { key: key.to_vec(), value: value.to_vec(), was });
            }
        }
        let gone = first.iter().chain(&queued).map(|removed| removed.len).sum();
        self.with(|core| core.handle_not_written(gone));
        let left = self.driver.writing.attachments() + self.core.held_attachments();
        self.next_ordinal -= waited - left;
        self.seen.push_back(Seen::TakenBack(taken_back));
        Ok(())
    }

    /// Gives the stream to whoever follows, where both sides agree and everything before that is sent.
    fn leave(&mut self, incoming: &Pipe, outgoing: &mut Pipe) -> Progress {
        let written = self.driver.writing.is_empty() && self.driver.waiting.is_empty();
        if !self.public.any(Wants::BOUNDARY) || self.driver.broken || !written {
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
        outgoing.switch();
        self.driver.boundary = false;
        self.with(Core::resume);
        // What has come behind the switch is read at once.
        self.driver.more = true;
        Ok(())
    }

    /// Sends what is queued, says that nothing more comes, and reads until the peer has closed too.
    fn poll_ending(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe) -> Progress {
        if self.driver.ending.is_some() && self.core.holds_back(&self.situation()) {
            self.drop_calls();
        }
        let sent = self.driver.waiting.is_empty()
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
        if ending.shut_down && ending.peer_done {
            let reason = self.core.end.begun().expect("it has begun").clone();
            return Err(reason);
        }
        Ok(())
    }

    /// Nobody answers what was not begun.
    fn drop_calls(&mut self) {
        for received in std::mem::take(&mut self.driver.waiting) {
            self.leave_box(received.number);
        }
    }

    /// All deadlines are over: what is broken off ends.
    pub(super) fn time_is_over(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe) -> bool {
        if self.ended.is_some() || !self.driver.broken {
            return false;
        }
        (outgoing.closed, incoming.deaf) = (true, true);
        self.end(CloseReason::Local);
        true
    }

    fn end(&mut self, reason: CloseReason) {
        self.drop_calls();
        let (reason, _) = self.with(|core| core.handle_end(reason));
        self.driver.writing = Outgoing::default();
        self.running.clear();
        self.seen.push_back(Seen::Ended(reason.clone()));
        self.ended = Some(reason);
    }
}
