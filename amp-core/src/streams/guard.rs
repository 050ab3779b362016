//! What becomes of an end that was sent, until the peer says that it has it.

use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::hub::Hub;
use super::receive::Receive;
use super::sending::Sending;
use crate::argument::Carried;
use crate::connection::Peer;

/// The driver deals with what came before an answer at the time of that answer, though on another
/// thread than whoever takes it.
const GRACE: Duration = Duration::from_secs(1);

/// The end that stays here of a stream whose other end is sent.
#[derive(Clone)]
pub(super) enum Kept {
    Sending(Arc<Sending>),
    Receiving(Arc<dyn Receive>),
}

impl Kept {
    fn is_awaited(&self) -> bool {
        match self {
            Self::Sending(sending) => sending.is_awaited(),
            Self::Receiving(receiving) => receiving.is_awaited(),
        }
    }

    /// Resolves when the peer has said that it has the other end, or nothing is to come of it.
    async fn settled(&self) {
        match self {
            Self::Sending(sending) => sending.settled().await,
            Self::Receiving(receiving) => loop {
                let changed = receiving.changed().notified();
                if !receiving.is_awaited() {
                    return;
                }
                changed.await;
            },
        }
    }

    fn unbind(&self, hub: &Hub, number: u64) {
        match self {
            Self::Sending(sending) => {
                if sending.unbind() {
                    hub.forget_sending(number, sending);
                }
            }
            Self::Receiving(receiving) => receiving.unbind(),
        }
    }

    fn not_taken(&self, hub: &Hub, number: u64) {
        match self {
            Self::Sending(sending) => {
                sending.not_taken();
                if !sending.is_open() {
                    hub.forget_sending(number, sending);
                }
            }
            Self::Receiving(receiving) => receiving.not_taken(),
        }
    }

    /// Waits for so long until the peer has said that it has the other end.
    /// Meanwhile `peer` is held, whose connection then stays.
    pub(super) fn expire(
        self,
        runtime: &Handle,
        within: Duration,
        hub: Arc<Hub>,
        number: u64,
        peer: Option<Peer>,
    ) {
        if self.is_awaited() {
            runtime.spawn(async move {
                let _peer = peer;
                if timeout(within, self.settled()).await.is_err() {
                    self.not_taken(&hub, number);
                }
            });
        }
    }
}

/// Goes with the box that names a stream.
pub(super) struct Guard {
    kept: Kept,
    hub: Arc<Hub>,
    number: u64,
    runtime: Handle,
    /// How long the peer may take from now on, once that is known.
    within: Option<Duration>,
}

impl Guard {
    pub(super) fn new(kept: Kept, hub: Arc<Hub>, number: u64, peer: &Peer) -> Self {
        let runtime = peer.shared().runtime.clone();
        Self { kept, hub, number, runtime, within: None }
    }
}

impl Carried for Guard {
    fn queued(&mut self, is_call: bool) {
        self.within = Some(if is_call { GRACE } else { self.hub.limits().unclaimed_timeout });
    }

    fn refused(&mut self) {
        self.within = None;
    }
}

/// The box was not queued, or the peer has refused it; or the call is over, or there is none that would be.
impl Drop for Guard {
    fn drop(&mut self) {
        let Some(within) = self.within else {
            self.kept.unbind(&self.hub, self.number);
            return;
        };
        let (kept, hub) = (self.kept.clone(), Arc::clone(&self.hub));
        kept.expire(&self.runtime, within, hub, self.number, None);
    }
}
