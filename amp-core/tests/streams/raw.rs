//! A peer that says of streams what a test tells it to.

use amp_core::Responders;
use amp_core::streams::StreamOf;
use amp_core::{AmpBox, Argument, CallError, Context, Limits, NoError, Peer, ReceivedCall};
use std::fmt::Debug;
use tokio::sync::mpsc;

use super::{Upload, pair_with};

/// A peer that calls by name, and what it was called with.
pub(super) struct Raw {
    pub(super) peer: Peer,
    pub(super) calls: mpsc::UnboundedReceiver<(String, AmpBox)>,
}

impl Raw {
    /// The other side of it has these responders and limits.
    pub(super) fn pair<S>(limits: Limits, responders: Responders<S>) -> (Self, Peer) {
        let (sender, calls) = mpsc::unbounded_channel();
        let fallback = Responders::new(()).fallback(move |call: ReceivedCall| {
            let name = String::from_utf8(call.command.to_vec()).unwrap();
            let _ = sender.send((name, call.arguments));
            async { Ok(AmpBox::new()) }
        });
        let (ours, raw) = pair_with(limits, responders, fallback);
        (Self { peer: raw, calls }, ours)
    }

    pub(super) async fn expect(&mut self, command: &str) -> AmpBox {
        let (name, arguments) = self.calls.recv().await.unwrap();
        assert_eq!(name, command, "{arguments:?}");
        arguments
    }

    pub(super) async fn items(&self, number: &str, items: &[u8]) -> Result<AmpBox, CallError> {
        let items = [(&b"stream"[..], number.as_bytes()), (b"items", items)];
        self.peer.call_by_name("_StreamItems", items).await
    }

    pub(super) async fn call(
        &self,
        command: &str,
        pairs: &[(&str, &str)],
    ) -> Result<AmpBox, CallError> {
        self.peer.call_by_name(command, pairs.iter().copied()).await
    }
}

pub(super) fn list(items: &[&str]) -> Vec<u8> {
    let element =
        |item: &&str| [&u16::try_from(item.len()).unwrap().to_be_bytes(), item.as_bytes()].concat();
    items.iter().flat_map(element).collect()
}

pub(super) fn limits() -> Limits {
    Limits::default().streams(3).stream_items(4).stream_bytes(100)
}

#[track_caller]
pub(super) fn code(answer: Result<AmpBox, CallError>) -> String {
    match answer {
        Err(CallError::Remote(error)) => String::from_utf8(error.code.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(super) type Streams<T> = mpsc::UnboundedSender<StreamOf<T>>;

pub(super) fn uploads() -> (Responders<Streams<u64>>, mpsc::UnboundedReceiver<StreamOf<u64>>) {
    uploads_of()
}

pub(super) fn uploads_of<T: Argument + Debug + Send + 'static>()
-> (Responders<Streams<T>>, mpsc::UnboundedReceiver<StreamOf<T>>) {
    let (streams, taken) = mpsc::unbounded_channel();
    let upload = async |context: Context<Streams<T>>, Upload { items }: Upload<T>| {
        context.state().send(items).expect("the test waits");
        Ok::<_, NoError>(())
    };
    (Responders::new(streams).respond(upload), taken)
}
