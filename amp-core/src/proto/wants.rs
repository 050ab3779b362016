//! What a connection makes public, what it wants of its driver, and what that waits for.

use std::ops::BitOr;

/// What a connection makes public to those who use it, as a set of named bits. They look at these without
/// a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Public(u32);

impl Public {
    /// There is no room in the queue, or no more calls are made.
    pub(crate) const CROWDED: Self = Self(1 << 0);
    /// Something has changed that the reader looks at before it starts a responder.
    pub(crate) const LOOK: Self = Self(1 << 1);
    /// There is more to the connection than calls and answers: it comes to its end, or there is or
    /// was a protocol switch.
    pub(crate) const EVENTFUL: Self = Self(1 << 2);
    /// What comes behind the last box is not to be read as one.
    pub(crate) const ENDS_BOXES: Self = Self(1 << 3);
    /// This side has asked for a protocol switch.
    pub(crate) const SWITCH_ASKED: Self = Self(1 << 4);
    /// The peer has asked for one, and the responder has not decided.
    pub(crate) const DECIDING: Self = Self(1 << 5);
    /// Both sides agree to a protocol switch, and the stream is not gone.
    pub(crate) const AGREED: Self = Self(1 << 6);
    /// The end has begun.
    pub(crate) const ENDING: Self = Self(1 << 7);
    /// The transport was replaced, and carries bytes alone.
    pub(crate) const BYTES_ONLY: Self = Self(1 << 8);
    /// The driver waits until no box with attachments is being encoded.
    pub(crate) const ORDINALS: Self = Self(1 << 9);
    /// Something runs when what is queued, or is being written, has been written.
    pub(crate) const AFTER: Self = Self(1 << 10);
    /// Others wait for room in the queue, who come before whoever comes new.
    pub(crate) const AWAITED: Self = Self(1 << 11);
}

/// What a connection wants of a driver that waits, as a set of named bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants(u32);

impl Wants {
    /// Something is queued that may be written.
    pub(crate) const WRITE: Self = Self(1 << 0);
    /// More may be read.
    pub(crate) const READ: Self = Self(1 << 1);
    /// A call that was received may be begun.
    pub(crate) const START: Self = Self(1 << 2);
    /// The end has begun.
    pub(crate) const CLOSE: Self = Self(1 << 3);
    /// The connection is drained, or is to be.
    pub(crate) const DRAIN: Self = Self(1 << 4);
    /// Too much waits to be sent.
    pub(crate) const LIMIT: Self = Self(1 << 5);
    /// More waits than was counted among what the connections of a server hold.
    pub(crate) const COUNT: Self = Self(1 << 6);
    /// What the transport has refused can be taken back.
    pub(crate) const TAKE_BACK: Self = Self(1 << 7);
    /// The stream is back, which a caller has had.
    pub(crate) const LINE: Self = Self(1 << 8);
    /// The stream may leave after a protocol switch.
    pub(crate) const LEAVE: Self = Self(1 << 9);
}

/// What every set of bits has. Two sets of different kinds do not mix.
macro_rules! bits {
    ($set:ident) => {
        impl $set {
            pub(crate) const NOTHING: Self = Self(0);

            /// These, if that is so.
            #[inline]
            pub(crate) const fn when(self, is_so: bool) -> Self {
                if is_so { self } else { Self::NOTHING }
            }
        }

        impl BitOr for $set {
            type Output = Self;

            #[inline]
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

bits!(Public);
bits!(Wants);

impl Public {
    /// Whether one of these is among them.
    #[inline]
    pub(crate) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    #[inline]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

impl Wants {
    #[inline]
    pub(crate) const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether one of these is among them.
    #[cfg(test)]
    pub(crate) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}

/// What the driver knows alone. As it is while the driver waits, others see by it whether there is
/// something for the driver to do.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(crate) struct Situation {
    /// How many bytes were taken off the queue and are not written.
    pub(crate) writing: usize,
    /// How many bytes were queued when what is held was last counted.
    pub(crate) counted: usize,
    /// How many bytes the calls take that were received and are not begun; none without such calls.
    pub(crate) calls: usize,
    /// How many bytes were received that are not dealt with, those of the calls included.
    pub(crate) received: usize,
    /// How many bytes may be read ahead while as many responders run as may.
    pub(crate) ahead: usize,
    /// Whether nothing is read, because of that.
    pub(crate) paused: bool,
    /// Whether boxes were read and not looked at, since they wait for the driver's next turn.
    pub(crate) left: bool,
    /// Whether it has stopped reading boxes because of a protocol switch.
    pub(crate) at_switch: bool,
    /// How many calls of its own are outstanding, whose answers nothing has to wait for.
    pub(crate) pings: usize,
    /// Whether it has begun to drain the connection, and to end it.
    pub(crate) draining: bool,
    pub(crate) ending: bool,
    /// Whether it sends nothing any more.
    pub(crate) silent: bool,
    /// Whether it waits to take back what the transport has refused.
    pub(crate) refused: bool,
    /// Whether the stream may leave as far as the driver knows: see [`Core::leave`](super::Core::leave).
    pub(crate) may_leave: bool,
    /// Whether it waits for the stream, which a caller has.
    pub(crate) line: bool,
}

impl Situation {
    /// Whether a driver waits for what is queued and for what happens to the connection, and for
    /// nothing else. Without a switch and a sign of the end only what is queued wakes it then.
    #[inline]
    pub(crate) const fn is_usual(&self) -> bool {
        let waits = self.paused || self.at_switch || self.refused || self.line;
        self.writing == 0 && self.calls == 0 && !waits
    }
}
