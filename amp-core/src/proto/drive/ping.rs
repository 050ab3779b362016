//! What is sent to learn whether the peer is alive.

use crate::proto::{Body, CallId, Core, Host, NotQueued};

/// A call that is made again and again.
pub(crate) struct Ping<W> {
    command: &'static str,
    body: Body,
    /// The caller that is told of the answer, though the sender of the ping looks for it too. `None` if the
    /// command wants no answer.
    caller: Option<W>,
    /// Whether one could not be sent: the next is mostly no better.
    failed: bool,
}

impl<W: Clone> Ping<W> {
    /// The arguments name no attachments, which could be sent but once.
    pub(crate) fn new(command: &'static str, body: Body, caller: Option<W>) -> Self {
        debug_assert!(body.attachments.is_empty(), "it has none");
        Self { command, body, caller, failed: false }
    }

    /// Queues it. The call, if it wants an answer; or why it is not queued, and whether it is so for the first
    /// time.
    pub(super) fn queue<H: Host>(
        &mut self,
        core: &mut Core<W, H>,
    ) -> Result<Option<CallId>, (NotQueued, bool)> {
        let (command, mut body) = (self.command.as_bytes(), self.body.copy());
        let queued = match &self.caller {
            Some(caller) => core.call(command, &mut body, caller.clone()).map(Some),
            None => core.notify(command, &mut body).map(|()| None),
        };
        queued.map_err(|error| (error, !std::mem::replace(&mut self.failed, true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{ProtocolLimits, TooManyCalls};

    #[test]
    fn each_ping_is_as_the_first_and_what_cannot_be_sent_is_said_to_be_the_first_once() {
        let mut core =
            Core::<u8>::new(ProtocolLimits { outstanding_calls: 2, ..ProtocolLimits::default() });
        let mut body = Body::default();
        let mut writer = body.writer();
        writer.put(b"a", b"b").unwrap();
        writer.finish().unwrap();
        let mut ping = Ping::new("Ping", body, Some(7));
        let mut sent = || {
            let id = ping.queue(&mut core).map_err(|(error, first)| {
                assert!(matches!(error, NotQueued::TooManyCalls(TooManyCalls { .. })));
                first
            });
            id.map(|id| {
                let waiter = core.waiter_mut(id.expect("it wants an answer")).copied();
                (core.outgoing().take_bytes().len(), waiter)
            })
        };
        let first = sent();
        assert!(matches!(first, Ok((_, Some(7)))) && sent() == first);
        assert_eq!((sent(), sent()), (Err(true), Err(false)));
        let mut one_way = Ping::<u8>::new("Beat", Body::default(), None);
        assert!(matches!(one_way.queue(&mut core), Ok(None)));
        assert_eq!(core.outgoing().take_bytes()[..], b"\0\x08_command\0\x04Beat\0\0"[..]);
    }
}
