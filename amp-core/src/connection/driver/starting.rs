//! Calls that were received: when they are begun, and that they are refused.

use std::sync::Arc;

use super::super::peer::Peer;
use super::super::settings::Settings;
use super::clock::now;
use super::running::begin;
use super::state::Driver;
use crate::error::CloseReason;
use crate::proto::{Public, Received, Refusal};
use crate::responder::{Locator, Own, Question, Undeclared};

impl Driver {
    /// Starts the responders of the calls that were received. Most of them answer at once, so this
    /// stops while there is enough to be sent. Where the attachments that they bring come near to
    /// their own limit, it goes on longer.
    pub(super) fn start_responders(&mut self) -> Result<(), CloseReason> {
        while !self.drive.inbound.is_idle() && !self.drive.stint.is_over() {
            let full = self.drive.busy().is_full(self.shared.settings.together.as_deref());
            if full || self.shared.wants(Public::CROWDED | Public::LOOK) {
                self.take_news();
                if !self.may_start() {
                    break;
                }
            }
            if let Some(received) = self.drive.inbound.next_call() {
                self.queued = true;
                self.drive.stint.before_call(now);
                self.start_responder(&received)?;
                self.drive.stint.after_call(received.call.ampbox().size(), now);
            }
        }
        self.drive.inbound.release();
        Ok(())
    }

    /// Answers calls of the connection's own among those that came `behind` so many others. Nothing
    /// holds them back: responders that run may wait for what they bring.
    #[inline]
    pub(super) fn handle_own(&mut self, behind: usize) {
        if self.shared.own.get().is_some() {
            self.answer_own(behind);
        }
    }

    fn answer_own(&mut self, behind: usize) {
        let own = self.shared.own.get().map(Arc::clone).map(Arc::downcast::<Own>);
        let Some(Ok(own)) = own else { return };
        for Received { call, number } in
            self.drive.inbound.take_own(behind, |name| own.0.is_own(name))
        {
            self.queued = true;
            let peer = Peer::recent(&self.shared, &mut self.handle);
            let question = Question::new(peer, &call, number, false);
            own.0.respond(question, &call, number);
        }
    }

    /// Looks at what has changed: what calls are answered by, and how much goes on already.
    pub(super) fn take_news(&mut self) {
        let Self { shared, drive, .. } = self;
        let new_locator = shared.with(|state| {
            drive.take_news(&mut state.core);
            state.new_locator.take()
        });
        // The responders that were there before are dropped here, and their state is the user's.
        if let Some(Ok(locator)) = new_locator.map(Arc::downcast::<Locator>) {
            self.locator = locator;
        }
    }

    /// Whether a call waits whose responder may start.
    #[inline]
    pub(super) fn may_start(&self) -> bool {
        if self.drive.inbound.is_idle() {
            return false;
        }
        let situation = self.situation();
        self.shared.peek(|state| state.core.may_start(&situation))
    }

    /// Starts the responder of a call, and leaves it to a task of its own if it has to wait.
    fn start_responder(&mut self, received: &Received) -> Result<(), CloseReason> {
        let Received { call, number } = received;
        // Behind a call that asks for a switch nothing is decoded: it is the last one.
        let asks_switch = self.drive.inbound.is_idle() && self.shared.wants(Public::DECIDING);
        let peer = Peer::recent(&self.shared, &mut self.handle);
        let mut question = Question::new(peer, call, *number, asks_switch);
        let Settings { limits, together, .. } = &self.shared.settings;
        let admitted = self.drive.busy().admit(call.ampbox().size(), limits, together.as_deref());
        let Err(refusal) = admitted else {
            begin(&self.shared, &self.locator, question, received);
            return Ok(());
        };
        match refusal {
            Refusal::Closing => question.fail_closing(),
            Refusal::TooMany { what, limit } => {
                question.fail_undeclared(&Undeclared::TooMany { what, limit });
            }
        }
        refusal.check(call.tag().is_some())
    }
}
