//! What becomes of the stream after a protocol switch.

use std::task::{Context, Poll};

use super::super::shared::Upgraded;
use super::super::switched::{Room, Switched};
use super::super::transport::NoTransport;
use super::state::Driver;
use crate::argument::Attachment;
use crate::error::CloseReason;
use crate::proto::{Leaving, Public, Share};

impl Driver {
    /// Lets the stream go once both sides agree and everything before the switch is sent.
    ///
    /// # Errors
    ///
    /// When the connection is over by that.
    pub(super) fn poll_leaving(&mut self) -> Result<(), CloseReason> {
        let written =
            self.line.writing.is_empty() && !self.line.unflushed && self.drive.inbound.is_idle();
        let stays = self.drive.is_ending() || self.drive.is_broken();
        if !self.shared.wants(Public::BOUNDARY) || stays || !written {
            return Ok(());
        }
        let successor = match self.shared.with(|state| state.core.leave()) {
            None => return Ok(()),
            Some(Leaving::Upgrade(upgrade)) => {
                // The attachments that were received stay with the connection.
                let stream = self.take_stream(Vec::new(), Room::default());
                self.upgrading = Some(upgrade(stream));
                return Ok(());
            }
            Some(Leaving::Succeed(successor)) => Some(successor),
            Some(Leaving::HandOver) => None,
        };
        let mut attachments = self.shared.take_unclaimed();
        attachments.append(&mut self.drive.inbound.input.attachments);
        let limits = self.shared.settings.limits;
        let held = std::mem::replace(&mut self.held, Share::new(None));
        let stream =
            self.take_stream(attachments, Room::of(&limits)).counted(held, self.place.take());
        if let Some(successor) = successor {
            tokio::spawn(async move { successor(stream).await });
        } else {
            // When nobody waits for it, it is closed.
            drop(self.shared.with(|state| state.core.hand_over(stream)));
        }
        Err(CloseReason::Switched)
    }

    /// The stream, with what was read of it and is not a box.
    fn take_stream(&mut self, attachments: Vec<Attachment>, room: Room) -> Switched {
        let transport = std::mem::replace(&mut self.line.transport, Box::pin(NoTransport));
        Switched::new(transport, self.drive.inbound.input.take(), attachments, room)
    }

    /// Goes on over another transport once that is made. Whether it is.
    ///
    /// # Errors
    ///
    /// When it cannot be made, which is the end.
    pub(super) fn poll_upgrade(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(upgrading) = &mut self.upgrading else { return Ok(false) };
        let Poll::Ready(upgraded) = upgrading.as_mut().poll(cx) else { return Ok(false) };
        self.upgrading = None;
        let Upgraded { transport, data } = upgraded?;
        self.line.transport = transport;
        self.drive.inbound.take_left();
        self.shared.upgraded(data);
        Ok(true)
    }
}
