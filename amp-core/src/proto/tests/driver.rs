//! What moves the bytes of a side, and acts only when it was woken: a connection's driver, with a pipe in
//! place of a transport, at a time that whoever tests moves on.

use bytes::BytesMut;
use std::time::Instant;

use super::hands::AtWork;
use super::pipe::Pipe;
use super::side::{LEFTOVER, Mark, PINGER, Seen, Side, Vigil};
use crate::proto::{
    self, Body, CallId, CloseReason, Drive, Limits, Next, NextLeft, Ping, Pings, Timer,
};

/// What the driver of a side knows alone.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that it knows")]
pub(super) struct Driver {
    /// `None` while it has its turn.
    pub(super) drive: Option<Drive<usize, ()>>,
    /// The ping that is outstanding.
    pub(super) ping: Option<CallId>,
    /// How many calls have come in, and how many of them do not wait to be begun any more.
    pub(super) called: u64,
    pub(super) dealt_with: usize,
    /// What was received behind a switch, which the transport gives that follows.
    pub(super) behind: BytesMut,
    /// When it has received something last.
    pub(super) heard: Instant,
    /// How many bytes it has written.
    pub(super) written: u64,
    /// How many of them are flushed.
    pub(super) flushed: u64,
    /// Whether it waits for bytes, and for room to write.
    pub(super) waits_to_read: bool,
    pub(super) waits_to_write: bool,
    /// Whether another transport is being made, and is there when it is asked for again.
    pub(super) upgrades: bool,
    /// The attachments that were received, each with the place that it came with.
    pub(super) marks: Vec<(u64, Mark)>,
    pub(super) received: u64,
    /// How many bytes were received when the end had begun.
    pub(super) received_by_end: Option<u64>,
    /// How many callers of those whose answers have come were noted and are not woken.
    pub(super) told: usize,
    /// How many switches to another transport were made.
    pub(super) switches: usize,
    /// The timer that is being dealt with.
    pub(super) due: Option<Timer>,
    /// Whether attachments were refused.
    pub(super) was_refused: bool,
}

impl Driver {
    pub(super) fn new(limits: &Limits, watched: Vigil, now: Instant) -> Self {
        let Vigil { idle, first_box, ping } = watched;
        let pings = ping.map(|(every, timeout)| {
            (Pings::new(every, timeout), Ping::new("Ping", Body::default(), Some(PINGER)))
        });
        let watched = proto::Watched { idle, first_box, pings };
        Self {
            drive: Some(Drive::new(((), false), *limits, None, true, watched, now)),
            ping: None,
            called: 0,
            dealt_with: 0,
            behind: BytesMut::new(),
            heard: now,
            written: 0,
            flushed: 0,
            waits_to_read: true,
            waits_to_write: false,
            upgrades: false,
            marks: Vec::new(),
            received: 0,
            received_by_end: None,
            told: 0,
            switches: 0,
            due: None,
            was_refused: false,
        }
    }

    pub(super) fn drive(&self) -> &Drive<usize, ()> {
        self.drive.as_ref().expect("it is not at work")
    }

    /// The attachments that came no later than the box that was counted with `arrived`.
    pub(super) fn marks(&self, arrived: usize) -> impl Iterator<Item = Mark> {
        self.marks[..arrived].iter().map(|(_, mark)| *mark)
    }

    /// How many calls of its own are outstanding.
    pub(super) fn pings(&self) -> usize {
        usize::from(self.drive().ping().is_some())
    }
}

impl Side {
    /// Wakes the driver where it waits for what the pipes have, or for what is due.
    pub(super) fn notice(&mut self, incoming: &Pipe, outgoing: &Pipe, now: Instant) {
        let readable = self.driver.waits_to_read && incoming.is_readable();
        let writable =
            self.driver.waits_to_write && (outgoing.room > 0 || outgoing.refuses_bytes());
        let due = self.next_due().is_some_and(|next| next <= now);
        if readable || writable || due || self.driver.upgrades {
            self.woken = true;
        }
    }

    /// When something is due next, if the connection goes on.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.driver.drive().next_due().filter(|_| self.ended.is_none())
    }

    /// Whether its end is a matter of time, or that those who wait for room are all told.
    pub(super) fn waits_for_time(&self) -> bool {
        let drive = self.driver.drive();
        drive.waits_for_its_end() || drive.watches_room() && !self.queueing.is_empty()
    }

    /// Runs the driver, if it was woken. Whether it was.
    pub(super) fn run(&mut self, incoming: &mut Pipe, outgoing: &mut Pipe, now: Instant) -> bool {
        if self.ended.is_some() || !std::mem::take(&mut self.woken) {
            return false;
        }
        // It is woken for what it asks for in this turn, and for nothing from before.
        (self.driver.waits_to_read, self.driver.waits_to_write) = (false, false);
        let mut drive = self.driver.drive.take().expect("it is not at work");
        let mut hands = AtWork { side: self, incoming, outgoing, now };
        assert!(drive.go_to_work(&mut hands), "nobody has its line");
        match drive.turns(&mut hands) {
            Ok(next) => {
                let waits = next == Next::Wait;
                self.woken |= !waits;
                let is_parked = self.parking.situation().is_some();
                assert_eq!(waits, is_parked, "who waits for nothing is at work");
                let all_dealt_with = drive.next_due().is_none_or(|next| next > now);
                assert!(!waits || all_dealt_with, "what is due is dealt with");
                let ends = drive.is_ending() || self.core.end().broken().is_some();
                assert!(!ends || drive.ends_in_time(), "what ends or is broken is over in time");
            }
            Err(reason) => {
                drive.end(&mut hands);
                let breaks = incoming.broken || outgoing.refuses_bytes() || self.driver.was_refused;
                assert!(breaks || !matches!(reason, CloseReason::Io(_)), "{reason:?}");
                (outgoing.closed, incoming.deaf) = (true, true);
                self.end(reason, now);
            }
        }
        self.driver.drive = Some(drive);
        let too_many = |reason: &CloseReason| {
            matches!(reason, CloseReason::Limit { what: "unclaimed attachments", .. })
        };
        // Boxes that are read later find nothing.
        self.claims_are_late |= self.core.end().begun().is_some_and(too_many);
        true
    }

    /// Begins what was left behind, as far as responders are done. Whether it was woken.
    pub(super) fn run_leftover(&mut self) -> bool {
        let is_woken = std::mem::take(&mut self.leftover_is_woken);
        while is_woken && let Some(mut leftover) = self.leftover.take() {
            let is_same = |waiter: &usize| *waiter == LEFTOVER;
            let next = self.with(|core| leftover.next(core, &mut Some(LEFTOVER), is_same));
            self.leftover = Some(leftover);
            match next {
                NextLeft::Begin(received) => self.begin(&received),
                NextLeft::Wait => break,
                NextLeft::Over => self.leftover = None,
            }
        }
        is_woken
    }

    fn end(&mut self, reason: CloseReason, now: Instant) {
        let (reason, _) = self.with(|core| core.handle_end(reason));
        self.driver.heard = now;
        self.leave_lanes();
        self.seen.push_back(Seen::Ended(reason.clone()));
        self.ended = Some(reason);
    }
}
