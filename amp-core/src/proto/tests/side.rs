//! One side of a pair: a core, and what drives one.

use bytes::BytesMut;
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

use super::pipe::Pipe;
use crate::argument::Attachment;
use crate::boxes::{AmpBox, BoxError, BoxLimits, Decoder, keys};
use crate::proto::{
    self, Answer, Body, CallId, Core, CoreLimits, Event, IncomingCall, NotQueued, Outgoing,
    SwitchRefused,
};

/// What is attached: the number of the box that names it, and which of its attachments it is. A
/// stand-in is of no box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) of: Option<usize>,
    pub(super) at: usize,
}

/// What a call of a protocol switch wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another protocol, and no boxes any more.
    HandOver,
    /// Boxes again, over another transport.
    StartTls,
}

/// Why a side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing passes any more.
    Broken,
    /// Another protocol is spoken.
    Switched,
    /// Both sides have asked for a switch at the same time.
    SwitchesCross,
}

/// What a side has seen, in the order in which it did.
#[derive(Debug)]
pub(super) enum Seen {
    /// A box was received, which the core has not been given yet. The number says how many
    /// attachments came no later than its first byte.
    Box(AmpBox, usize),
    /// The core says that the call with this number was answered.
    Answered(usize),
    /// The core says that the peer has agreed to a switch, and who waited for that.
    Switched(Option<usize>),
    /// The core says that the peer calls.
    Called,
    /// The core says that an answer was late, to this call, and how it went.
    Late(CallId, bool),
    /// The core says that an answer is nobody's.
    Ignored,
    /// The caller with this number has looked, and taken its answer.
    Taken(usize, Answer),
    /// Boxes were taken back whose attachments were refused: the last first.
    #[cfg(feature = "tokio")]
    TakenBack(Vec<TakenBack>),
    /// It has ended, and has told these callers so.
    Ended(Ended, Vec<usize>),
}

/// A box that was taken back.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(super) struct TakenBack {
    /// Its first pair, which says which it is.
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// What the core says of it.
    pub(super) was: crate::proto::WasRemoved,
}

/// Whether a switch is being made. From the box that asks for it, or that agrees to it, bytes are
/// not boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switching {
    No,
    /// The peer has asked, and nobody has decided.
    Asked,
    /// The peer has agreed. Once everything before it is sent, the stream is another.
    Agreed,
    /// This side has agreed, which the peer does not know before it has received that.
    Accepted,
}

/// A call that is being answered.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) n: usize,
    pub(super) tag: Vec<u8>,
    /// What it asks for, where that is a switch.
    pub(super) asks: Option<Then>,
}

/// One side: its core, the callers and responders around it, and a driver. That acts only when it was
/// woken, so what nobody wakes it for is never done.
pub(super) struct Side {
    pub(super) core: Core<usize>,
    decoder: Decoder,
    buffer: BytesMut,
    /// What the driver has taken off the queue.
    writing: Outgoing,
    woken: bool,
    /// Whether the driver waits for bytes, and for room to write.
    waits_to_read: bool,
    waits_to_write: bool,
    switching: Switching,
    /// What the switch that this side has asked for, or agreed to, is to.
    then: Option<Then>,
    /// How many responders may run at once.
    responders: usize,
    /// Calls that were read and not begun.
    waiting: VecDeque<IncomingCall>,
    pub(super) running: Vec<Running>,
    /// Who waits for an answer, or has one to take.
    pub(super) callers: BTreeMap<usize, CallId>,
    /// The callers that were woken and have not looked yet.
    woken_callers: Vec<usize>,
    /// The ordinal of the next attachment.
    next_ordinal: usize,
    /// The attachments that were received.
    pub(super) marks: Vec<(u64, Mark)>,
    /// How many bytes were received.
    received: u64,
    /// How many switches to another transport were made.
    switches: usize,
    pub(super) seen: VecDeque<Seen>,
    pub(super) ended: Option<Ended>,
}

impl Side {
    pub(super) fn new(limits: CoreLimits, responders: usize) -> Self {
        Self {
            core: Core::new(limits),
            decoder: Decoder::new(BoxLimits::default()),
            buffer: BytesMut::new(),
            writing: Outgoing::default(),
            woken: true,
            waits_to_read: false,
            waits_to_write: false,
            switching: Switching::No,
            then: None,
            responders,
            waiting: VecDeque::new(),
            running: Vec::new(),
            callers: BTreeMap::new(),
            woken_callers: Vec::new(),
            next_ordinal: 0,
            marks: Vec::new(),
            received: 0,
            switches: 0,
            seen: VecDeque::new(),
            ended: None,
        }
    }

    /// Changes the core, and wakes the driver.
    fn change<R>(&mut self, change: impl FnOnce(&mut Core<usize>) -> R) -> R {
        let result = change(&mut self.core);
        self.woken = true;
        result
    }

    /// The value that names the next attachments, if any.
    pub(super) fn ordinals(&self, attachments: usize) -> String {
        if attachments > 0 { format!("{}+{attachments}", self.next_ordinal) } else { String::new() }
    }

    /// The pairs of a box: its number, its size, and the ordinals of its attachments.
    fn body(&mut self, n: usize, size: usize, attachments: usize) -> Body {
        let mut body = Body::default();
        let mut writer = body.writer();
        writer.put(b"n", n.to_string().as_bytes()).expect("it is short");
        writer.put(b"padding", &vec![b'-'; size]).expect("it is short enough");
        let ordinals = self.ordinals(attachments);
        if !ordinals.is_empty() {
            writer.put(b"ordinals", ordinals.as_bytes()).expect("it is short");
        }
        writer.finish().expect("it has pairs");
        let mark = |at| Arc::new(Mark { of: Some(n), at }) as Attachment;
        body.attachments = (0..attachments).map(mark).collect();
        self.next_ordinal += attachments;
        body
    }

    pub(super) fn call(
        &mut self,
        n: usize,
        size: usize,
        attachments: usize,
    ) -> Result<CallId, NotQueued> {
        let mut body = self.body(n, size, attachments);
        let called = self.change(|core| core.call(b"Call", &mut body, n));
        if let Ok(id) = called {
            self.callers.insert(n, id);
        } else {
            self.next_ordinal -= attachments;
        }
        called
    }

    pub(super) fn ask_switch(
        &mut self,
        n: usize,
        then: Then,
        attachments: usize,
    ) -> Result<CallId, SwitchRefused> {
        if self.switching != Switching::No {
            return Err(SwitchRefused::UnderWay);
        }
        let mut body = self.body(n, 0, attachments);
        let command: &[u8] = match then {
            Then::HandOver => b"HandOver",
            Then::StartTls => b"StartTls",
        };
        let follows = &mut Some(match then {
            Then::HandOver => proto::Then::HandOver,
            Then::StartTls => proto::Then::Replace(()),
        });
        let asked = self.change(|core| core.ask_switch(command, &mut body, n, follows));
        if let Ok(id) = &asked {
            self.callers.insert(n, *id);
            self.then = Some(then);
        } else {
            self.next_ordinal -= attachments;
        }
        asked
    }

    pub(super) fn notify(
        &mut self,
        n: usize,
        size: usize,
        attachments: usize,
    ) -> Result<(), NotQueued> {
        let mut body = self.body(n, size, attachments);
        let command = format!("Note {n}");
        let notified = self.change(|core| core.notify(command.as_bytes(), &mut body));
        if notified.is_err() {
            self.next_ordinal -= attachments;
        }
        notified
    }

    /// Gives a call up.
    pub(super) fn forget(&mut self, n: usize) -> Option<usize> {
        let id = self.callers.remove(&n).expect("a caller");
        self.woken_callers.retain(|woken| *woken != n);
        self.change(|core| core.forget(id))
    }

    /// Answers a call. What is too large is not sent: the call still wants an answer.
    pub(super) fn answer(
        &mut self,
        at: usize,
        size: usize,
        attachments: usize,
    ) -> Result<Running, BoxError> {
        let Running { n, ref tag, .. } = self.running[at];
        let tag = tag.clone();
        let mut body = self.body(n, size, attachments);
        match self.change(|core| core.answer(&tag, &mut body)) {
            Ok(()) => Ok(self.running.swap_remove(at)),
            Err(error) => {
                self.next_ordinal -= attachments;
                Err(error)
            }
        }
    }

    pub(super) fn fail(&mut self, at: usize) -> Running {
        let running = self.running.swap_remove(at);
        let description = running.n.to_string();
        if running.asks.is_some() {
            self.switching = Switching::No;
            self.change(Core::refuse_switch);
        }
        self.change(|core| core.fail(&running.tag, b"NO", &description));
        running
    }

    /// Agrees to a switch. It fails instead while another one is under way.
    pub(super) fn accept_switch(&mut self, at: usize) -> Result<Running, Running> {
        let tag = self.running[at].tag.clone();
        let follows = match self.running[at].asks {
            Some(Then::StartTls) => proto::Then::Replace(()),
            _ => proto::Then::Succeed(()),
        };
        if self.change(|core| core.accept_switch(&tag, follows)).is_err() {
            return Err(self.fail(at));
        }
        let running = self.running.swap_remove(at);
        self.switching = Switching::Accepted;
        self.then = running.asks;
        Ok(running)
    }

    /// Wakes whoever waits for what the pipes have.
    pub(super) fn notice(&mut self, incoming: &Pipe, outgoing: &Pipe) {
        let readable = self.waits_to_read && incoming.is_readable();
        let writable = self.waits_to_write && (outgoing.room > 0 || outgoing.broken);
        self.woken |= readable || writable;
    }

    /// Whether there is anything for the driver to do.
    pub(super) fn is_woken(&self) -> bool {
        self.woken && self.ended.is_none()
    }

    /// Runs the driver, if it was woken. Whether it was.
    pub(super) fn run(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> bool {
        if !self.is_woken() {
            return false;
        }
        self.woken = false;
        if let Err(ended) = self.read(incoming).and_then(|()| {
            self.start();
            self.write(outgoing, now)?;
            self.switch(incoming, outgoing)
        }) {
            self.end(ended);
        }
        true
    }

    fn read(&mut self, incoming: &mut Pipe) -> Result<(), Ended> {
        // What comes behind a switch is not boxes, and waits in the pipe.
        self.waits_to_read = self.switching == Switching::No;
        if !self.waits_to_read {
            return Ok(());
        }
        if incoming.broken {
            return Err(Ended::Broken);
        }
        let bytes = incoming.receive(&mut self.marks);
        self.received += bytes.len() as u64;
        self.buffer.extend_from_slice(&bytes);
        while self.switching == Switching::No
            && let Some(ampbox) = self.decoder.decode(&mut self.buffer).expect("a box")
        {
            let end = self.received - self.buffer.len() as u64;
            let start = end - ampbox.size() as u64;
            let transports = [start, end - 1].map(|place| incoming.switches_before(place));
            assert_eq!(transports, [self.switches; 2], "nothing is sent behind a switch too early");
            let arrived = self.marks.partition_point(|(place, _)| *place <= start);
            self.seen.push_back(Seen::Box(ampbox.clone(), arrived));
            let event = self.core.handle_box(ampbox);
            self.handle(event.expect("a box that means something"))?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event<usize>) -> Result<(), Ended> {
        let mut crossed = false;
        self.seen.push_back(match event {
            Event::Answered { waiter, .. } => {
                self.woken_callers.push(waiter);
                Seen::Answered(waiter)
            }
            Event::Switched(waiter) => {
                self.woken_callers.extend(waiter);
                self.switching = Switching::Agreed;
                Seen::Switched(waiter)
            }
            Event::Called(call) => {
                if asks(&call).is_some() {
                    crossed = self.core.handle_switch().is_err();
                    self.switching = Switching::Asked;
                }
                self.waiting.push_back(call);
                Seen::Called
            }
            Event::Late { id, answer } => Seen::Late(id, answer.is_ok()),
            Event::Ignored => Seen::Ignored,
        });
        if crossed { Err(Ended::SwitchesCross) } else { Ok(()) }
    }

    /// Begins the calls that wait, of which so many may run.
    fn start(&mut self) {
        while self.running.len() < self.responders
            && let Some(call) = self.waiting.pop_front()
        {
            if let Some(tag) = call.tag() {
                let n = number(call.ampbox()).expect("a number");
                self.running.push(Running { n, tag: tag.to_vec(), asks: asks(&call) });
            }
        }
    }

    fn write(&mut self, outgoing: &mut Pipe, now: Instant) -> Result<(), Ended> {
        self.waits_to_write = false;
        loop {
            if self.writing.is_empty() {
                if self.core.outgoing().is_empty() {
                    return Ok(());
                }
                self.core.outgoing().take(&mut self.writing);
            }
            if outgoing.broken {
                return Err(Ended::Broken);
            }
            let mut slices = [IoSlice::new(&[]); 4];
            let (count, attachments) = self.writing.parts(&mut slices);
            #[cfg(feature = "tokio")]
            if !attachments.is_empty()
                && outgoing.room > 0
                && let Some(at) = outgoing.refuses.take()
            {
                let at = (at < attachments.len()).then_some(at);
                self.take_back(at)?;
                continue;
            }
            let sent = outgoing.send(&slices[..count], attachments, now);
            self.writing.advance(sent);
            assert!(!self.writing.lacks_bytes(), "all attachments went with the first byte");
            if sent == 0 {
                self.waits_to_write = true;
                return Ok(());
            }
        }
    }

    /// Changes the stream, where both sides agree and everything before that is sent.
    fn switch(&mut self, incoming: &Pipe, outgoing: &mut Pipe) -> Result<(), Ended> {
        if matches!(self.switching, Switching::No | Switching::Asked) || self.waits_to_write {
            return Ok(());
        }
        let accepted = std::mem::replace(&mut self.switching, Switching::No) == Switching::Accepted;
        let hands_over = self.then.take() == Some(Then::HandOver);
        if accepted || hands_over {
            let silent = self.buffer.is_empty() && incoming.is_empty();
            assert!(silent, "nothing is sent behind a switch that both sides do not know of");
        }
        if hands_over {
            return Err(Ended::Switched);
        }
        self.switches += 1;
        outgoing.switch();
        self.change(Core::resume);
        Ok(())
    }

    /// Takes the boxes back whose attachments were refused: the one with the attachment at this place,
    /// or all of them.
    #[cfg(feature = "tokio")]
    fn take_back(&mut self, at: Option<usize>) -> Result<(), Ended> {
        let mut queued = Outgoing::default();
        self.core.outgoing().take(&mut queued);
        let held = self.core.held_attachments();
        let waited = self.writing.attachments() + queued.attachments() + held;
        let removed = if let Some(at) = at.filter(|_| held == 0) {
            let stand_in = Arc::new(Mark { of: None, at: 0 }) as Attachment;
            self.writing.append(queued);
            self.writing.remove(at, &stand_in).map(|removed| vec![removed])
        } else {
            let (behind, first) = (queued.remove_all(), self.writing.remove_all());
            self.writing.append(queued);
            let all = first.zip(behind);
            all.map(|(first, behind)| {
                self.core.remove_held().into_iter().chain(behind).chain(first).collect()
            })
        };
        let removed = removed.ok_or(Ended::Broken)?;
        let mut taken_back = Vec::new();
        let error = Arc::new(std::io::Error::other("refused"));
        for removed in &removed {
            let (key, value) = removed.first_pair().expect("a box begins with a pair");
            let (key, value) = (key.to_vec(), value.to_vec());
            let was = self.core.handle_removed(std::slice::from_ref(removed), 0, &error, "refused");
            taken_back.push(TakenBack { key, value, was: was[0] });
        }
        if let Some(released) = self.core.take_released() {
            for n in released.callers {
                let id = self.callers.remove(&n).expect("a caller");
                assert!(self.core.take_not_sent(id).is_some(), "it is told that it was not sent");
            }
        }
        self.next_ordinal -= waited - self.writing.attachments() - self.core.held_attachments();
        self.seen.push_back(Seen::TakenBack(taken_back));
        self.woken = true;
        Ok(())
    }

    /// Lets the callers look that were woken.
    pub(super) fn run_callers(&mut self) -> bool {
        let woken = std::mem::take(&mut self.woken_callers);
        for n in &woken {
            if let Some(id) = self.callers.remove(n) {
                let answer = self.core.take_answer(id).expect("it was woken for that");
                self.seen.push_back(Seen::Taken(*n, answer));
            }
        }
        !woken.is_empty()
    }

    fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
        self.run_callers();
        let told: Vec<usize> = self.core.waiters().map(|waiter| *waiter).collect();
        for n in &told {
            self.callers.remove(n);
        }
        self.running.clear();
        self.seen.push_back(Seen::Ended(ended, told));
    }
}

/// What a call asks for, where that is a switch.
fn asks(call: &IncomingCall) -> Option<Then> {
    match call.command() {
        b"HandOver" => Some(Then::HandOver),
        b"StartTls" => Some(Then::StartTls),
        _ => None,
    }
}

/// The number that a box has, or the description that a failure has.
pub(super) fn number(ampbox: &AmpBox) -> Option<usize> {
    let text = ampbox.get("n").or_else(|| ampbox.get(keys::ERROR_DESCRIPTION))?;
    std::str::from_utf8(text).ok()?.parse().ok()
}
