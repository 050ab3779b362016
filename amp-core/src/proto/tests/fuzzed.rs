//! Steps as a fuzzer writes them: one byte says what happens, and those behind it how.

use std::sync::Arc;
use std::time::Duration;

use super::command::Then;
use super::pair::Which;
use super::way::{Vigil, Way};
use super::world::{Step, World};
use crate::proto::{FailurePolicy, Limits, Together};

/// How many steps are taken at most, so that no input takes long.
const STEPS: usize = 300;

struct Bytes<'a>(&'a [u8]);

/// Takes the steps that `bytes` are, and lets everything come to its end.
///
/// # Panics
///
/// When something comes of them that ought not to.
pub fn take(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let Some([first, second]) = bytes.next().zip(bytes.next()).map(<[u8; 2]>::from) else {
        return;
    };
    let Some(watched) = bytes.watched().zip(bytes.watched()).map(<[Vigil; 2]>::from) else {
        return;
    };
    let steps: Vec<_> = std::iter::from_fn(|| bytes.step()).take(STEPS).collect();
    let switches = steps.iter().any(|step| matches!(step, Step::AskSwitch { .. }));
    let responders = usize::from(second % 4) + 1;
    let limits = Limits {
        outstanding_calls: usize::from(first % 6) + 1,
        running_responders: responders,
        running_responders_max: responders + 2,
        send_queue: 600,
        send_queue_boxes: 6,
        send_queue_max: if second & 0x10 == 0 { Limits::default().send_queue_max } else { 15_000 },
        unclaimed_attachments: 150,
        attachments_in_all: 1 << 20,
        ..Limits::default()
    };
    let ways = watched.map(|watched| Way {
        watched,
        lends: first & 0x80 != 0,
        shares_threads: second & 0x40 != 0,
        policy: if second & 4 == 0 { FailurePolicy::Stay } else { FailurePolicy::Close },
        counts_all: true,
    });
    let together = (second & 8 != 0).then(|| Arc::new(Together::new(1 << 20, responders + 1)));
    let mut world = World::of(limits, together.as_ref(), ways);
    for which in Which::BOTH {
        world.pair.side(which).expects_switches = switches;
    }
    if second & 0x80 == 0 {
        for which in Which::BOTH {
            world.pair.pipe(which).open();
        }
    }
    for step in &steps {
        world.take(step);
    }
    world.finish();
}

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A small number, such as counts calls.
    fn number(&mut self) -> Option<usize> {
        self.next().map(usize::from)
    }

    /// The bytes that are in a box: few, or about as many as are sent without being copied, or as may be.
    fn size(&mut self) -> Option<usize> {
        Some(match self.number()? {
            few @ 0..60 => few,
            some @ 60..160 => 16_300 + some - 60,
            many => 19_900 + many - 160,
        })
    }

    fn attachments(&mut self) -> Option<usize> {
        Some(match self.number()? {
            few @ 0..4 => few,
            none @ 4..240 => none / 240,
            many => 60 + many - 240,
        })
    }

    fn seconds(&mut self, most: u64) -> Option<Duration> {
        Some(Duration::from_secs(1 + u64::from(self.next()?) % most))
    }

    /// How a side finds out whether its peer is alive.
    fn watched(&mut self) -> Option<Vigil> {
        let ways = self.next()?;
        let mut watched = Vigil::default();
        if ways & 1 != 0 {
            watched.idle = Some(self.seconds(40)?);
        }
        if ways & 2 != 0 {
            watched.first_box = Some(self.seconds(20)?);
        }
        if ways & 4 != 0 {
            watched.ping = Some((self.seconds(20)?, self.seconds(10)?));
        }
        Some(watched)
    }

    fn bytes(&mut self) -> Option<usize> {
        Some(match self.number()? {
            few @ 0..128 => few + 1,
            some @ 128..255 => (some - 96) * 4,
            _ => 1 << 20,
        })
    }

    /// The next step. The lowest bit says which side takes it, so that what one does is near to what the
    /// other does.
    fn step(&mut self) -> Option<Step> {
        let first = self.next()?;
        let side = if first & 1 == 0 { Which::Near } else { Which::Far };
        let (by, of) = (side, side);
        Some(match (first >> 1) % 22 {
            0 => Step::Call { by, size: self.size()?, attachments: self.attachments()? },
            1 => Step::Notify { by, size: self.size()?, attachments: self.attachments()? },
            2 => Step::Drop { by, call: self.number()? },
            3 => {
                let then = if self.next()? == 0 { Then::HandOver } else { Then::StartTls };
                Step::AskSwitch { by, then, attachments: self.attachments()? }
            }
            4 => Step::Answer {
                by,
                call: self.number()?,
                size: self.size()?,
                attachments: self.attachments()?,
                then: self.next()? % 2 == 1,
            },
            5 => Step::Fail { by, call: self.number()? },
            6 => Step::Take { of, bytes: self.bytes()? },
            7 => Step::Deliver { of, bytes: self.bytes()? },
            8 => Step::Refuse { of, attachment: self.number()? },
            9 => Step::Run { of },
            10 => Step::Pass { time: Duration::from_millis(1 << (self.next()? % 18)) },
            11 => Step::Callers { of },
            12 => Step::Close { by },
            13 => Step::Drain { by },
            14 => Step::Deafen { of },
            16 => Step::OpenStream { by },
            17 => Step::EndStream { by },
            18 => Step::SendItems { by, size: self.size()?, attachments: self.attachments()? },
            19 => Step::WriteLent { by },
            20 => Step::Encode { by, begins: self.next()? % 2 == 0 },
            21 => match self.next()? {
                128.. => Step::FailUpgrade { of },
                each => Step::Slow { of, each: Duration::from_millis(u64::from(each % 4)) },
            },
            // Both sides have the same stream.
            _ if by == Which::Near => Step::Break,
            _ => Step::KeepRoom { by },
        })
    }
}
