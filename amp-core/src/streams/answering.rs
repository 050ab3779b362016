//! What the calls of streams do.

use super::error::{SinkError, StreamError};
use super::hub::Hub;
use super::pump::Pump;
use super::wire::{self, Window};
use crate::connection::Peer;
use crate::error::CloseReason;
use crate::proto::{BoxNumber, IncomingCall, RemoteError};
use crate::responder::{OwnCommands, Question};

impl OwnCommands for Hub {
    fn respond(
        &self,
        mut question: Question,
        call: &IncomingCall,
        number_of_box: Option<BoxNumber>,
    ) {
        #[cfg(feature = "metrics")]
        question.known();
        let ampbox = call.ampbox();
        let Some(number) = wire::number(ampbox) else {
            return wire::refuse(question, "The number of the stream is missing");
        };
        let gone = |question| wire::refuse(question, &format!("There is no stream {number}"));
        let command = call.command();
        if command == wire::ITEMS.as_bytes() || command == wire::END.as_bytes() {
            match (self.receiving(number), wire::end(ampbox)) {
                (Some(receiving), _) if command == wire::ITEMS.as_bytes() => {
                    receiving.handle_items(question, ampbox, number_of_box);
                }
                (Some(receiving), Some(end)) => receiving.handle_end(question, end),
                _ => gone(question),
            }
            return;
        }
        let peer = question.peer().clone();
        // Before what may be told now, if it is to be answered at all.
        question.answer(&());
        if command == wire::OPEN.as_bytes() {
            // One that says nothing of the window lets nothing come.
            self.handle_open(&peer, number, wire::window(ampbox).unwrap_or(Window::NOTHING));
        } else if command == wire::TAKEN.as_bytes() {
            match self.receiving(number) {
                Some(receiving) => receiving.handle_taken(&peer),
                None => wire::tell(&peer, wire::STOP, number, None),
            }
        } else if let Some(sending) = self.sending(number) {
            self.forget_sending(number, &sending);
            sending.fail(SinkError::Stopped);
        }
    }

    fn refusal(&self, command: &[u8]) -> Option<RemoteError> {
        let why = "The stream is of another connection";
        wire::is_own(command).then(|| RemoteError::new(wire::NO_STREAM, why))
    }

    fn ended(&self, reason: &CloseReason) {
        let (sending, receiving) = self.take_all();
        for sending in sending {
            sending.fail(SinkError::Closed(reason.clone()));
        }
        for receiving in receiving {
            receiving.fail(StreamError::Closed(reason.clone()));
        }
    }
}

impl Hub {
    /// The receiver lets the sender begin.
    fn handle_open(&self, peer: &Peer, number: u64, window: Window) {
        let Some(sending) = self.sending(number) else {
            // The receiver learns so that nothing will come.
            wire::tell_dropped(peer, number);
            return;
        };
        if let Some(awaited) = sending.open(peer, window) {
            let pump = Pump::new(peer.clone(), number, sending, window, awaited);
            peer.shared().runtime.spawn(pump);
        }
    }
}
