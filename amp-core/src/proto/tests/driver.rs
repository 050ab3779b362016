//! What moves the bytes of a side, and acts only when it was woken: a connection's driver, with a pipe in
//! place of a transport, at a time that whoever tests moves on.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::hands::AtWork;
use super::pipe::Pipe;
use super::seen::Seen;
use super::side::{LEFTOVER, Mark, PINGER, Side};
use super::way::{Vigil, Way};
use crate::argument::Attachment;
use crate::proto::inbound::WAITS_BEHIND_OTHERS;
use crate::proto::{
    self, Body, CallId, CloseReason, Drive, Limits, Next, NextLeft, Ping, Pings, Portions,
    RefusedAttachment, Timer, Together,
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
    /// What was received and is not decoded.
    pub(super) unread: BytesMut,
    /// How many bytes were received when the end had begun.
    pub(super) received_by_end: Option<u64>,
    /// How many one-way commands were dropped.
    pub(super) dropped: usize,
    /// How many callers of those whose answers have come were noted and are not woken.
    pub(super) told: usize,
    /// How many switches to another transport were made.
    pub(super) switches: usize,
    /// The timer that is being dealt with.
    pub(super) due: Option<Timer>,
    /// Whether attachments were refused.
    pub(super) was_refused: bool,
    /// How long it takes to begin a call.
    pub(super) each_call: Duration,
    /// Whether all counts that it holds, however little.
    pub(super) counts_all: bool,
    /// Whether others keep its thread since it has given way.
    pub(super) held_up: bool,
    /// Whether it has given way to others, and was due while those kept its thread; and whether it has come while
    /// a caller had its line.
    pub(super) gave_way: bool,
    pub(super) was_due: bool,
    pub(super) came: bool,
    /// Whether a ping could not be queued, and whether no other transport could be made.
    pub(super) not_pinged: bool,
    pub(super) upgrade_failed: bool,
    /// Whether none can be made.
    pub(super) fails_upgrade: bool,
}

impl Driver {
    pub(super) fn new(
        limits: &Limits,
        together: Option<Arc<Together>>,
        way: Way,
        now: Instant,
    ) -> Self {
        let Way {
            watched: Vigil { idle, first_box, ping }, lends, shares_threads, counts_all, ..
        } = way;
        let pings = ping.map(|(every, timeout)| {
            (Pings::new(every, timeout), Ping::new("Ping", Body::default(), Some(PINGER)))
        });
        let watched = proto::Watched { idle, first_box, pings };
        let mut drive = Drive::new((), lends, *limits, together, true, watched, now);
        if counts_all {
            drive.count_all();
        }
        if shares_threads {
            drive.inbound.share_threads();
            // Nobody makes so many calls here that both ways would be tried.
            drive.portions = Portions::cutting();
        }
        Self {
            drive: Some(drive),
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
            unread: BytesMut::new(),
            received_by_end: None,
            dropped: 0,
            told: 0,
            switches: 0,
            due: None,
            was_refused: false,
            each_call: Duration::ZERO,
            counts_all,
            held_up: false,
            gave_way: false,
            was_due: false,
            came: false,
            not_pinged: false,
            upgrade_failed: false,
            fails_upgrade: false,
        }
    }

    pub(super) fn drive(&self) -> &Drive<usize, ()> {
        self.drive.as_ref().expect("it is not at work")
    }

    /// The attachments that came no later than the box that was counted with `arrived`.
    pub(super) fn marks(&self, arrived: usize) -> impl Iterator<Item = Mark> {
        self.marks[..arrived].iter().map(|(_, mark)| *mark)
    }

    pub(super) fn send(
        &mut self,
        outgoing: &mut Pipe,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
        now: Instant,
    ) -> Poll<io::Result<usize>> {
        if outgoing.refuses_bytes() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !attachments.is_empty()
            && outgoing.room > 0
            && let Some(at) = outgoing.refuses.take()
        {
            self.was_refused = true;
            let error = io::Error::other("refused");
            let stand_in = Arc::new(Mark { of: None, at: 0 }) as Attachment;
            let refused = if at < attachments.len() {
                RefusedAttachment::one(at, error, stand_in)
            } else {
                RefusedAttachment::all(error)
            };
            return Poll::Ready(Err(refused.into()));
        }
        let sent = outgoing.send(bytes, attachments, now);
        self.written += sent as u64;
        if sent == 0 {
            self.waits_to_write = true;
            return Poll::Pending;
        }
        Poll::Ready(Ok(sent))
    }

    /// Nothing is flushed while there is no room.
    pub(super) fn flush(&mut self, outgoing: &Pipe) -> Poll<io::Result<()>> {
        if outgoing.refuses_bytes() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if outgoing.room == 0 {
            self.waits_to_write = true;
            return Poll::Pending;
        }
        self.flushed = self.written;
        Poll::Ready(Ok(()))
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
        self.driver.was_due |= due && self.driver.held_up;
    }

    /// When something is due next, if the connection goes on.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.driver.drive().next_due().filter(|_| self.ended.is_none())
    }

    /// Whether its end is a matter of time, or that those who wait for room are all told.
    pub(super) fn waits_for_time(&self) -> bool {
        let drive = self.driver.drive();
        // Nobody says when other connections leave room for calls.
        let shares = self.core.together().is_some() && !drive.inbound.is_idle();
        drive.waits_for_its_end() || shares || drive.watches_room() && !self.queue.is_empty()
    }

    /// Runs the driver, if it was woken. Whether it was.
    pub(super) fn run(
        &mut self,
        incoming: &mut Pipe,
        outgoing: &mut Pipe,
        time: &mut Instant,
    ) -> bool {
        let now = *time;
        if self.ended.is_some() || !std::mem::take(&mut self.woken) {
            return false;
        }
        // It is woken for what it asks for in this turn, and for nothing from before.
        (self.driver.waits_to_read, self.driver.waits_to_write) = (false, false);
        let mut drive = self.driver.drive.take().expect("it is not at work");
        let mut hands = AtWork { side: self, incoming, outgoing, now };
        if !drive.go_to_work(&mut hands) {
            (self.driver.drive, self.driver.came) = (Some(drive), true);
            return true;
        }
        let turned = drive.turns(&mut hands);
        *time = hands.now;
        let now = hands.now;
        let situation = drive.situation();
        let has_to_wait = !drive.inbound.is_idle() && hands.side.core.holds_back(&situation);
        // Nothing is owed to a peer that has broken the protocol.
        let is_owed = turned.as_ref().err().is_none_or(|reason| !reason.is_fault_of_peer());
        let left = drive.is_ending() && is_owed && has_to_wait;
        assert!(!left, "what has to wait is parted with once the end has begun: {turned:?}");
        match turned {
            Ok(next) => {
                let gives_way = next == Next::GiveWay;
                self.driver.gave_way |= gives_way;
                let in_time = drive.next_due().is_some_and(|due| due <= now + WAITS_BEHIND_OTHERS);
                let is_seen = in_time || !drive.inbound.shares_threads();
                assert!(is_seen || !gives_way, "no other thread sees who gives way");
                let waits = next == Next::Wait;
                // On several threads a task keeps that on which it gives way. Whoever changes the core does not wake
                // it, since it is at work.
                self.driver.held_up = gives_way && drive.inbound.shares_threads();
                self.woken |= !waits && !self.driver.held_up;
                let is_parked = self.parking.situation().is_some();
                assert_eq!(waits, is_parked, "who waits for nothing is at work");
                let all_dealt_with = drive.next_due().is_none_or(|next| next > now);
                assert!(!waits || all_dealt_with, "what is due is dealt with");
                let (counted, held) = drive.counted_and_held(self.core.queued());
                let counts = self.core.together().is_none() || counted >= held;
                let counts = counts || !self.driver.counts_all;
                assert!(!waits || counts, "{counted} bytes count of {held} that are held");
                let ends = drive.is_ending() || self.core.end().broken().is_some();
                assert!(!ends || drive.ends_in_time(), "what ends or is broken is over in time");
            }
            Err(reason) => {
                let mut hands = AtWork { side: self, incoming, outgoing, now };
                if drive.is_ending() {
                    hands.end_begins();
                }
                drive.end(&mut hands);
                let dropped = self.driver.dropped > 0 && reason.is_absence();
                assert!(!dropped, "what a peer leaves behind is begun, {reason:?}");
                let refused = self.driver.was_refused || self.driver.upgrade_failed;
                let breaks = incoming.broken || outgoing.refuses_bytes() || refused;
                assert!(breaks || !matches!(reason, CloseReason::Io(_)), "{reason:?}");
                (outgoing.closed, incoming.deaf) = (true, true);
                self.end(reason, now);
            }
        }
        self.driver.drive = Some(drive);
        let limit = self.core.limits().unclaimed_attachments;
        assert!(self.core.unclaimed.len() <= limit, "so many wait");
        true
    }

    /// The caller that has the line writes to it. Whether one has.
    pub(super) fn write_lent(&mut self, outgoing: &mut Pipe, now: Instant) -> bool {
        let Some((mut line, mut driver)) = self.lent.take() else { return false };
        if self.ended.is_some() {
            // It is dropped, and closed by that.
            return true;
        }
        let all = line.write_lent(
            &mut (&mut self.driver, outgoing),
            |(driver, outgoing), (), bytes, attachments| {
                driver.send(outgoing, bytes, attachments, now)
            },
            |(driver, outgoing), ()| driver.flush(outgoing),
        );
        let mut line = Some(line);
        self.with_parking(|_, parking| parking.give_back(&mut line, &mut driver, all));
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
                NextLeft::GiveWay => {}
                NextLeft::Wait => break,
                NextLeft::Over => self.leftover = None,
            }
        }
        is_woken
    }

    fn end(&mut self, reason: CloseReason, now: Instant) {
        let (reason, _) = self.with(|core| core.handle_end(reason));
        self.driver.heard = now;
        self.dismiss();
        self.seen.push_back(Seen::Ended(reason.clone()));
        self.ended = Some(reason);
    }
}
