//! Protocol switches: when boxes end, and what becomes of the stream.

use std::task::{Context, Poll};

use super::super::shared::Upgraded;
use super::super::switched::Switched;
use super::super::transport::NoTransport;
use super::{Driver, Progress};
use crate::argument::Attachment;
use crate::error::CloseReason;
use crate::proto::{Leaving, Wants};

impl Driver {
    /// Hands the stream over, once everything before the switch is sent.
    pub(super) fn poll_hand_over(&mut self) -> Poll<CloseReason> {
        let written =
            self.line.writing.is_empty() && !self.line.unflushed && self.input.calls.is_empty();
        if !self.shared.wants(Wants::BOUNDARY) || self.broken.is_some() || !written {
            return Poll::Pending;
        }
        let successor = match self.shared.with(|state| state.core.leave()) {
            None => return Poll::Pending,
            Some(Leaving::Replace(upgrade)) => {
                // The attachments that were received stay with the connection.
                let stream = self.take_stream(Vec::new(), 0);
                self.upgrading = Some(upgrade(stream));
                return Poll::Pending;
            }
            Some(Leaving::Succeed(successor)) => Some(successor),
            Some(Leaving::HandOver) => None,
        };
        let mut attachments = self.shared.take_unclaimed();
        attachments.append(&mut self.input.attachments);
        let limit = self.shared.settings.limits.unclaimed_attachments;
        let stream = self.take_stream(attachments, limit);
        if let Some(successor) = successor {
            tokio::spawn(async move { successor(stream).await });
        } else {
            // When nobody waits for it, it is closed.
            drop(self.shared.with(|state| state.core.switch.hand_over(stream)));
        }
        Poll::Ready(self.end(CloseReason::Switched))
    }

    /// The stream, with what was read of it and is not a box.
    pub(super) fn take_stream(&mut self, attachments: Vec<Attachment>, limit: usize) -> Switched {
        let transport = std::mem::replace(&mut self.line.transport, Box::pin(NoTransport));
        Switched::new(transport, std::mem::take(&mut self.input.buffer), attachments, limit)
    }

    /// Goes on over another transport once that is made.
    pub(super) fn poll_upgrade(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        let Some(upgrading) = &mut self.upgrading else {
            return Ok(Progress::Waiting);
        };
        let Poll::Ready(upgraded) = upgrading.as_mut().poll(cx) else {
            return Ok(Progress::Waiting);
        };
        self.upgrading = None;
        let Upgraded { transport, data } = upgraded?;
        self.line.transport = transport;
        (self.input.left, self.input.boundary) = (false, false);
        self.shared.upgraded(data);
        Ok(Progress::More)
    }
}
