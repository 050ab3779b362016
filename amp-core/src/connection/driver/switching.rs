//! Protocol switches: when boxes end, and what becomes of the stream.

use std::task::{Context, Poll};

use super::super::shared::{HandedOver, Switch, Then, Upgraded};
use super::super::switched::Switched;
use super::super::transport::NoTransport;
use super::{Driver, Progress, Switching};
use crate::argument::Attachment;
use crate::error::CloseReason;

impl Driver {
    /// Goes on with a protocol switch that the peer has asked for, once that is decided: when it
    /// is refused, boxes follow.
    pub(super) fn poll_decision(&mut self) -> Result<(), CloseReason> {
        if self.is_switch_refused() { self.handle_received() } else { Ok(()) }
    }

    /// Whether a switch that the peer has asked for has just been refused.
    pub(super) fn is_switch_refused(&mut self) -> bool {
        if self.switching == Switching::Asked {
            self.switching = match self.shared.lock().switch {
                Switch::Deciding => return false,
                Switch::Accepted(_) => Switching::Agreed,
                Switch::None => Switching::No,
            };
            return self.switching == Switching::No;
        }
        false
    }

    /// Hands the stream over, once everything before the switch is sent.
    pub(super) fn poll_hand_over(&mut self) -> Poll<CloseReason> {
        let agreed = self.switching == Switching::Agreed && self.broken.is_none();
        let written =
            self.line.writing.is_empty() && !self.line.unflushed && self.input.calls.is_empty();
        if !agreed || !written || !self.shared.lock().core.outgoing().is_empty() {
            return Poll::Pending;
        }
        let (switch, handed_over) = {
            let mut state = self.shared.lock();
            let switch = std::mem::take(&mut state.switch);
            let upgrades = matches!(state.handed_over, HandedOver::Upgrade(_));
            (switch, upgrades.then(|| std::mem::take(&mut state.handed_over)))
        };
        let successor = match (switch, handed_over) {
            (Switch::Accepted(Then::Upgrade(upgrade)), _)
            | (_, Some(HandedOver::Upgrade(upgrade))) => {
                // The attachments that were received stay with the connection.
                let stream = self.take_stream(Vec::new(), 0);
                self.upgrading = Some(upgrade(stream));
                self.switching = Switching::Upgrading;
                return Poll::Pending;
            }
            (Switch::Accepted(Then::HandOver(successor)), _) => Some(successor),
            _ => None,
        };
        let mut attachments = self.shared.take_unclaimed();
        attachments.append(&mut self.input.attachments);
        let limit = self.shared.settings.limits.unclaimed_attachments;
        let stream = self.take_stream(attachments, limit);
        if let Some(successor) = successor {
            tokio::spawn(async move { successor(stream).await });
        } else {
            self.shared.hand_over(stream);
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
        self.switching = Switching::No;
        self.shared.upgraded(data);
        Ok(Progress::More)
    }
}
