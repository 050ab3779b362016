//! Subscribers of single threads, which see what they want whatever other threads do.

use std::sync::LazyLock;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, set_default};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Subscribes on this thread, until the guard is dropped.
///
/// `tracing` notes of each event and span whether anybody wants it, when a thread first comes by. As long as there
/// is one subscriber at most, it asks that of the thread alone: one without a subscriber has it noted that nobody
/// does, for all threads. Beside two others that never say no, each is asked each time.
pub(crate) fn subscribe(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| [Dispatch::new(Undecided), Dispatch::new(Undecided)]);
    LazyLock::force(&OTHERS);
    set_default(subscriber)
}

/// It is nobody's subscriber.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
