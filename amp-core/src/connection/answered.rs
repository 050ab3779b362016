//! Answers that wait on a thread for the next change of their connection's core on it.
//!
//! A driver begins one responder after the other. To lock the state for the answer of each would be most of what
//! the answering side locks. Whatever the thread does under that lock next, what waits is queued before: so all that
//! one thread queues keeps its order, and what it looks at has all that it has done.

use std::cell::{Cell, RefCell};

use crate::proto::{Answers, Core, Host};

thread_local! {
    /// The number of the connection whose answers wait, which no other has; 0 while none do.
    static OF: Cell<u64> = const { Cell::new(0) };
    static WAITING: RefCell<Answers> = RefCell::default();
}

/// Whether answers of this connection wait.
#[inline]
pub(super) fn wait_of(connection: u64) -> bool {
    OF.get() == connection
}

/// Lets an answer of this connection wait with those before, if `add` adds it and no other connection's wait.
#[inline]
pub(super) fn wait(connection: u64, add: impl FnOnce(&mut Answers) -> bool) -> bool {
    if ![0, connection].contains(&OF.get()) {
        return false;
    }
    let added = WAITING.try_with(|waiting| add(&mut waiting.borrow_mut())).unwrap_or(false);
    if added {
        OF.set(connection);
    }
    added
}

/// Queues all that wait, which are of this core's connection.
#[inline(never)]
pub(super) fn queue<W, H: Host>(core: &mut Core<W, H>) {
    OF.set(0);
    let _ = WAITING.try_with(|waiting| core.answer_all(&mut waiting.borrow_mut()));
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::boxes::BoxLimits;
    use crate::connection::Connection;
    use crate::{AmpBox, ReceivedCall, RemoteError, Responders};

    #[tokio::test]
    async fn what_responders_do_keeps_its_order_and_is_seen_by_those_behind() {
        async fn answer(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
            if call.command == "Tell" {
                call.peer.notify_by_name("Told", [("", ""); 0]).await.unwrap();
            }
            let sent = call.peer.counters().answers_sent.to_string();
            Ok(AmpBox::from_pairs([("sent", sent)]).unwrap())
        }

        let (near, mut far) = tokio::io::duplex(10_000);
        let responders = Responders::new(()).fallback(answer);
        let (_peer, mut driver) = Connection::new(near).responders(responders).start();
        for (ask, command) in ["A", "Tell", "B", "C", "Tell"].iter().enumerate() {
            let pairs = [("_ask", &*ask.to_string()), ("_command", command)];
            far.write_all(&AmpBox::from_pairs(pairs).unwrap().to_bytes()).await.unwrap();
        }
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
        let mut bytes = bytes::BytesMut::with_capacity(10_000);
        far.read_buf(&mut bytes).await.unwrap();
        let mut bytes = bytes.freeze();
        let boxes = std::iter::from_fn(|| {
            let ampbox =
                (!bytes.is_empty()).then(|| AmpBox::parse(&mut bytes, BoxLimits::default()));
            let pairs = ampbox?.unwrap();
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            Some(
                pairs.iter().map(|(key, value)| text(key) + "=" + &text(value)).collect::<Vec<_>>(),
            )
        });
        let answer = |ask| vec![format!("_answer={ask}"), format!("sent={ask}")];
        let told = || vec!["_command=Told".to_owned()];
        let expected = [answer(0), told(), answer(1), answer(2), answer(3), told(), answer(4)];
        assert_eq!(boxes.collect::<Vec<_>>(), expected);
    }
}
