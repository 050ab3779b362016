//! One direction of a stream between two sides, with knobs.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::side::Mark;
use crate::argument::Attachment;

/// What one side has sent and the other has not received.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a knob")]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    /// The attachments, each with the place of the byte that it came with. They arrive with it.
    attachments: VecDeque<(u64, Attachment)>,
    /// How many bytes were received since the beginning. Places are counted from there.
    received: u64,
    /// Over which transport bytes were sent, from which place on: each switch makes another one.
    transports: Vec<u64>,
    /// How many of `bytes` have arrived.
    arrived: usize,
    /// How many bytes are taken from the sender before it has to wait.
    pub(super) room: usize,
    /// How long bytes are on their way.
    pub(super) delay: Duration,
    /// Whether bytes do not arrive by themselves, but only by [`deliver`](Self::deliver).
    pub(super) stalled: bool,
    /// When bytes arrive, and how many.
    due: VecDeque<(Instant, usize)>,
    /// Whether the sender sends nothing more.
    pub(super) closed: bool,
    /// Whether nothing passes any more.
    pub(super) broken: bool,
    /// Whether nothing more is taken, while what is on the way still arrives.
    pub(super) deaf: bool,
    /// Whether the next attachments that are sent are refused, and which of them: all, where there is
    /// none with that number.
    pub(super) refuses: Option<usize>,
}

impl Pipe {
    /// A pipe that passes on only what it is told to.
    pub(super) fn new() -> Self {
        Self {
            bytes: VecDeque::new(),
            attachments: VecDeque::new(),
            received: 0,
            transports: Vec::new(),
            arrived: 0,
            room: 0,
            delay: Duration::ZERO,
            stalled: true,
            due: VecDeque::new(),
            closed: false,
            broken: false,
            deaf: false,
            refuses: None,
        }
    }

    /// Takes as many bytes as there is room for, and all attachments with the first of them.
    pub(super) fn send(
        &mut self,
        slices: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
        now: Instant,
    ) -> usize {
        let place = self.received + self.bytes.len() as u64;
        let before = self.bytes.len();
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        self.bytes.extend(bytes.take(self.room));
        let sent = self.bytes.len() - before;
        self.room -= sent;
        if sent > 0 {
            self.attachments.extend(attachments.drain(..).map(|attachment| (place, attachment)));
            self.due.push_back((now + self.delay, sent));
        }
        sent
    }

    /// Lets so many bytes arrive.
    pub(super) fn deliver(&mut self, count: usize) {
        self.arrived = self.bytes.len().min(self.arrived.saturating_add(count));
    }

    /// Lets those bytes arrive whose time has come.
    pub(super) fn arrive(&mut self, now: Instant) {
        while !self.stalled && self.due.front().is_some_and(|(at, _)| *at <= now) {
            let (_, count) = self.due.pop_front().expect("one is there");
            self.deliver(count);
        }
    }

    /// Lets everything pass by itself.
    pub(super) fn open(&mut self) {
        self.room = usize::MAX;
        self.stalled = false;
    }

    /// Whether there is anything to be received: bytes, or the end.
    pub(super) fn is_readable(&self) -> bool {
        self.arrived > 0 || self.is_at_end()
    }

    /// Whether nothing more can be received.
    pub(super) fn is_at_end(&self) -> bool {
        self.broken || self.closed && self.bytes.is_empty()
    }

    /// What is sent from here on goes over another transport.
    pub(super) fn switch(&mut self) {
        self.transports.push(self.received + self.bytes.len() as u64);
    }

    /// How many times the transport was another one before the byte at this place.
    pub(super) fn switches_before(&self, place: u64) -> usize {
        self.transports.partition_point(|start| *start <= place)
    }

    /// Gives the bytes that have arrived, and the attachments with the places that they came with.
    pub(super) fn receive(&mut self, marks: &mut Vec<(u64, Mark)>) -> Vec<u8> {
        let bytes: Vec<u8> = self.bytes.drain(..self.arrived).collect();
        self.received += bytes.len() as u64;
        self.arrived = 0;
        while self.attachments.front().is_some_and(|(place, _)| *place < self.received) {
            let (place, attachment) = self.attachments.pop_front().expect("one is there");
            marks.push((place, *attachment.downcast::<Mark>().expect("a mark")));
        }
        bytes
    }

    /// Whether the sender fails.
    pub(super) fn refuses_bytes(&self) -> bool {
        self.broken || self.deaf
    }

    /// Whether nothing is on the way.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
