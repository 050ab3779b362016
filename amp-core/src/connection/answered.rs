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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    #[cfg(feature = "tower")]
    use {
        crate::tower::{LayeredAnswer, LayeredCall, LayeredResponder},
        futures_util::future::{self, BoxFuture, FutureExt},
        std::sync::Mutex,
        std::task::Poll,
        std::time::Duration,
        tower_service::Service,
    };

    use crate::boxes::BoxLimits;
    use crate::connection::Connection;
    use crate::{AmpBox, Limits, ReceivedCall, RemoteError, Responders};

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

    #[tokio::test]
    async fn calls_wait_for_room_where_their_responders_look_at_the_connection() {
        let (near, mut far) = tokio::io::duplex(10_000);
        let (out, _unread) = tokio::io::duplex(1);
        let begun = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&begun);
        let answer = move |call: ReceivedCall| {
            counting.fetch_add(1, Ordering::Relaxed);
            assert!(!call.peer.is_closed());
            async { AmpBox::from_pairs([("a", "")]).map_err(|_| RemoteError::new("", "")) }
        };
        let (_peer, mut driver) = Connection::new(tokio::io::join(near, out))
            .responders(Responders::new(()).fallback(answer))
            .limits(Limits::default().send_queue(500))
            .start();
        for _ in 0..200 {
            let pairs = [("_ask", "1"), ("_command", "Answer")];
            far.write_all(&AmpBox::from_pairs(pairs).unwrap().to_bytes()).await.unwrap();
        }
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
        // An answer has 20 bytes: the queue, what is being written, and those that wait for others.
        let begun = begun.load(Ordering::Relaxed);
        assert!((25..=25 + 25 + 16).contains(&begun), "{begun} were begun");
    }

    #[cfg(feature = "tower")]
    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    #[cfg(feature = "tower")]
    type Answering = BoxFuture<'static, Result<LayeredAnswer, BoxError>>;

    /// Middleware that lets the call of the first connection wait, and asks its responder when that of another comes.
    #[cfg(feature = "tower")]
    #[derive(Clone)]
    struct Together {
        responder: LayeredResponder,
        first: Arc<Mutex<Option<Answering>>>,
    }

    #[cfg(feature = "tower")]
    impl Service<LayeredCall> for Together {
        type Response = LayeredAnswer;
        type Error = BoxError;
        type Future = Answering;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, call: LayeredCall) -> Self::Future {
            let own = self.responder.call(call).boxed();
            let mut first = self.first.lock().unwrap();
            match first.take() {
                None => {
                    *first = Some(own);
                    future::pending().boxed()
                }
                Some(other) => async { (other.await, own.await).1 }.boxed(),
            }
        }
    }

    #[cfg(feature = "tower")]
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_given_in_the_driver_of_another_connection_is_sent() {
        let first = Arc::default();
        let together = |responder| Together { responder, first: Arc::clone(&first) };
        let answer = |_: ReceivedCall| async { Ok::<_, RemoteError>(AmpBox::new()) };
        let mut far = Vec::new();
        for ask in ["1", "2"] {
            let (near, mut end) = tokio::io::duplex(1000);
            let responders =
                Responders::new(()).fallback(answer).layer(tower::layer::layer_fn(&together));
            let (peer, driver) = Connection::new(near).responders(responders).start();
            tokio::spawn(driver);
            let pairs = [("_ask", ask), ("_command", "Answer")];
            end.write_all(&AmpBox::from_pairs(pairs).unwrap().to_bytes()).await.unwrap();
            // The call is there before that of the other connection.
            tokio::task::yield_now().await;
            far.push((end, peer));
        }
        for ((end, _), ask) in far.iter_mut().zip(["1", "2"]) {
            let expected = AmpBox::from_pairs([("_answer", ask)]).unwrap().to_bytes();
            let mut bytes = vec![0; expected.len()];
            let read = tokio::time::timeout(Duration::from_secs(1), end.read_exact(&mut bytes));
            read.await.expect("the answer is sent").unwrap();
            assert_eq!(bytes, expected);
        }
    }
}
