//! What becomes of the stream after a protocol switch.

use std::task::Poll;

use super::Drive;
use super::hands::{Hands, Rest};
use crate::proto::switch::Leaving;
use crate::proto::together::Share;
use crate::proto::wants::Public;
use crate::proto::{CloseReason, Core};

impl<W: Clone, S: Default> Drive<W, S> {
    /// Lets the stream go once both sides agree and everything before the switch is sent.
    ///
    /// # Errors
    ///
    /// When the connection is over by that.
    pub(super) fn leave(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), CloseReason> {
        if !hands.public().any(Public::ENDS_BOXES) || !self.may_leave() {
            return Ok(());
        }
        let Some(leaving) = hands.with(Core::leave) else { return Ok(()) };
        self.upgrading = matches!(leaving, Leaving::Upgrade(_));
        let mut rest = Rest {
            bytes: self.inbound.take_unread(),
            attachments: Vec::new(),
            share: Share::new(None),
        };
        if !self.upgrading {
            rest.attachments = hands.with(Core::take_unclaimed);
            rest.attachments.append(&mut self.inbound.input.attachments);
            rest.share = std::mem::replace(&mut self.share, rest.share);
        }
        hands.leave(&mut self.line.stream, leaving, rest);
        if self.upgrading { Ok(()) } else { Err(CloseReason::Switched) }
    }

    /// Goes on over another transport once that is made. Whether it is.
    ///
    /// # Errors
    ///
    /// When it cannot be made, which is the end.
    pub(super) fn upgrade(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        if !self.upgrading {
            return Ok(false);
        }
        let Poll::Ready(upgraded) = hands.upgrade(&mut self.line.stream) else { return Ok(false) };
        self.upgrading = false;
        upgraded?;
        self.inbound.take_left();
        hands.with(Core::resume);
        Ok(true)
    }
}
