use std::future::poll_fn;

use super::call::Exchange;
use super::peer::Peer;
use super::shared::{HandedOver, Phase, Shared};
use super::switched::Switched;
use crate::command::ProtocolSwitch;
use crate::error::{CallError, CloseReason};

impl Peer {
    /// Asks for a protocol switch, and gives the stream once the peer has agreed: from then on
    /// the two speak another protocol over it, and this connection is over
    /// ([`CloseReason::Switched`](crate::CloseReason::Switched)).
    ///
    /// Until the peer has answered nothing else is sent: calls and answers wait. When it refuses
    /// they are sent, and the connection goes on. When it agrees they fail, as does every call
    /// that is not answered by then.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Peer::call_remote), and
    /// [`CallError::SwitchUnderWay`] while another switch is.
    ///
    /// # Cancel safety
    ///
    /// Once the call is sent, the peer decides which protocol is spoken: if it agrees and the
    /// future was dropped, the connection is closed.
    pub async fn switch_protocol<C: ProtocolSwitch>(
        &self,
        command: C,
    ) -> Result<Switched, CallError<C::Error>> {
        let mut exchange = Exchange::for_switch(self.clone());
        let answer = poll_fn(|cx| {
            exchange.poll(cx, C::NAME.as_bytes(), |shared| {
                shared.encode(|out, proto| command.to_box(out, proto))
            })
        })
        .await;
        match answer.map_err(CallError::widen)? {
            Ok(_) => Wanted(self.shared()).stream().await.map_err(CallError::Closed),
            Err(error) => Err(CallError::of(error)),
        }
    }
}

/// Waits for the stream that the driver hands over. When it is dropped, the stream is closed.
struct Wanted<'a>(&'a Shared);

impl Wanted<'_> {
    async fn stream(self) -> Result<Switched, CloseReason> {
        loop {
            // Made before the look, so that an end in between is not missed.
            let ended = self.0.ended.notified();
            if let HandedOver::Done(switched) = self.0.take_handed_over() {
                return Ok(switched);
            }
            if let Phase::Ended(reason) = &self.0.lock().phase {
                return Err(reason.clone());
            }
            ended.await;
        }
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.forget_switch();
    }
}
