use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter};
use crate::command::{Arguments, Command, OneWay};

/// A command that can be sent more than once: it is encoded for each connection anew, since what
/// it is on the wire may depend on that.
pub(super) struct Kept<C>(Arc<Inner<C>>);

struct Inner<C> {
    /// Locked by whoever encodes it; and only one does at a time.
    command: Mutex<C>,
    encoded: AtomicBool,
}

impl<C> Kept<C> {
    pub(super) fn new(command: C) -> Self {
        Self(Arc::new(Inner { command: Mutex::new(command), encoded: AtomicBool::new(false) }))
    }

    /// Returns whether it was encoded: what was not cannot have been sent.
    pub(super) fn was_encoded(&self) -> bool {
        self.0.encoded.load(Ordering::Relaxed)
    }
}

impl<C> Clone for Kept<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Arguments> Arguments for Kept<C> {
    const STRICT: bool = C::STRICT;

    fn to_box(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        self.0.encoded.store(true, Ordering::Relaxed);
        self.0.command.lock().unwrap_or_else(PoisonError::into_inner).to_box(out, proto)
    }

    fn from_box(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        C::from_box(input, proto).map(Self::new)
    }
}

impl<C: Command> Command for Kept<C> {
    const NAME: &'static str = C::NAME;
    const REQUIRES_ANSWER: bool = C::REQUIRES_ANSWER;
    const IDEMPOTENT: bool = C::IDEMPOTENT;
    type Response = C::Response;
    type Error = C::Error;
}

impl<C: OneWay> OneWay for Kept<C> {}
