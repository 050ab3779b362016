//! Boxes on their way out of a call or an answer, and into one: their arguments and attachments.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::limits::Limits;
use super::shared::{Shared, State};
use super::unclaimed::{BoxNumber, Claimed};
use crate::argument::{Attachment, AttachmentKind, Attachments, DecodeError, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxWriter};
use crate::command::{Arguments, read_arguments};
use crate::proto::Body;

impl Shared {
    /// Encodes arguments on the caller's task, with nothing locked that anyone else needs; then
    /// `put` gives them to the core, or leaves them. Not to be called with the state locked.
    pub(crate) fn send<R>(
        &self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        put: impl FnOnce(&mut State, &mut Body) -> R,
    ) -> Result<R, EncodeError> {
        self.queue(write, |body| self.update(|state| put(state, body)))
    }

    /// As [`send`](Self::send), for a call: when nothing else could share the write, it is written
    /// here.
    pub(super) fn send_call<R>(
        &self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        put: impl FnOnce(&mut State, &mut Body) -> R,
    ) -> Result<R, EncodeError> {
        let mut loan = None;
        let result = self.queue(write, |body| {
            let mut state = self.lock();
            let result = put(&mut state, body);
            loan = self.borrow_line(&mut state);
            if loan.is_none() {
                self.wake_driver(state);
            }
            result
        })?;
        if let Some(loan) = loan {
            loan.write();
        }
        Ok(result)
    }

    fn queue<R>(
        &self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        put: impl FnOnce(&mut Body) -> R,
    ) -> Result<R, EncodeError> {
        Body::scratch(|body| {
            let Body { pairs, segments, attachments, count } = &mut *body;
            let mut staging = Staging::new(self, attachments);
            let mut proto = Proto::new(&mut staging, &self.address, &self.extensions);
            let mut writer = BoxWriter::sharing(pairs, segments, count);
            write(&mut writer, &mut proto)?;
            writer.finish()?;
            let Staging { ordinals, attachments, .. } = staging;
            let count = attachments.len() as u64;
            let result = put(body);
            // Whoever did not queue the box left its attachments where they are.
            if body.attachments.is_empty()
                && let Some(mut ordinals) = ordinals
            {
                ordinals.give_out(count);
            }
            Ok(result)
        })
    }

    /// Decodes what a box holds, claiming the attachments that it names.
    pub(crate) fn decode<A: Arguments>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
    ) -> Result<A, DecodeError> {
        self.read(ampbox, number).0
    }

    /// Decodes what a box holds, and says how many attachments were claimed, and how many bytes of
    /// memory were spent.
    fn read<A: Arguments>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
    ) -> (Result<A, DecodeError>, usize, usize) {
        let mut none = Vec::new();
        let mut staging = Staging { received: number.is_some(), ..Staging::new(self, &mut none) };
        let mut proto = Proto::new(&mut staging, &self.address, &self.extensions)
            .with_unknown_keys(self.settings.unknown_keys)
            .with_decoded_bytes(self.settings.limits.decoded_bytes);
        if number.is_some() {
            proto.watch_values();
        }
        let arguments = read_arguments(ampbox, &mut proto);
        let (left_values, spent) = (proto.left_values(), proto.spent());
        let Staging { claimed, claims, .. } = staging;
        if let Some(number) = number {
            let whole = arguments.is_ok() && !left_values;
            self.done(number, claimed, whole);
        }
        (arguments, claims, spent)
    }

    /// As [`decode`](Self::decode), for a call: what it claims counts until it is answered. Over the
    /// limit it is dropped, and that is the error. Says how many bytes of memory were spent.
    pub(crate) fn decode_call<A: Arguments>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
    ) -> (Result<A, DecodeError>, usize) {
        let (arguments, count, spent) = self.read(ampbox, number);
        let (Some(number), Ok(_)) = (number, &arguments) else { return (arguments, spent) };
        let Limits { unclaimed_attachments, attachments_in_all, .. } = self.settings.limits;
        let added =
            self.lock().claims.add(number, count, unclaimed_attachments, attachments_in_all);
        match added {
            Ok(()) => (arguments, spent),
            Err((what, limit)) => {
                drop(arguments);
                let message = format!("there are {limit} {what}, which is the limit");
                (Err(DecodeError::custom(message)), 0)
            }
        }
    }

    /// A call that is being answered takes so many bytes more, now that it is decoded.
    pub(crate) fn begin_decoded(&self, bytes: usize) {
        self.tell(|state| state.running_bytes += bytes);
        if let Some(together) = &self.settings.together {
            together.add_bytes(bytes);
        }
    }

    pub(crate) fn end_decoded(&self, bytes: usize) {
        self.tell(|state| state.running_bytes -= bytes);
        if let Some(together) = &self.settings.together {
            together.remove_bytes(bytes);
        }
    }

    /// Closes what nothing can claim any more, when nothing will read this box or it was read in
    /// part.
    pub(crate) fn leave(&self, number: BoxNumber) {
        self.done(number, None, false);
    }

    fn done(&self, number: BoxNumber, claimed: Claimed, whole: bool) {
        let dead = { self.lock().unclaimed.done(number, claimed, whole) };
        if !dead.is_empty() {
            tracing::debug!(count = dead.len(), "dropped attachments that nothing has claimed");
        }
    }
}

/// The attachments of one box while that is encoded or decoded.
struct Staging<'a, 'b> {
    shared: &'a Shared,
    /// Locked from the first attachment on.
    ordinals: Option<Ordinals<'a>>,
    attachments: &'b mut Vec<Attachment>,
    claimed: Claimed,
    /// How many it has claimed.
    claims: usize,
    /// Whether the box came while attachments waited, which it may claim.
    received: bool,
}

impl<'a, 'b> Staging<'a, 'b> {
    fn new(shared: &'a Shared, attachments: &'b mut Vec<Attachment>) -> Self {
        Self { shared, ordinals: None, attachments, claimed: None, claims: 0, received: false }
    }
}

/// The ordinals of the attachments to be sent, which nobody else gives out.
struct Ordinals<'a> {
    shared: &'a Shared,
    /// `None` once that is unlocked.
    next: Option<MutexGuard<'a, u64>>,
}

impl<'a> Ordinals<'a> {
    fn lock(shared: &'a Shared) -> Self {
        let next = shared.next_ordinal.lock().unwrap_or_else(PoisonError::into_inner);
        Self { shared, next: Some(next) }
    }

    fn next(&self) -> u64 {
        self.next.as_ref().map_or(0, |next| **next)
    }

    fn give_out(&mut self, count: u64) {
        if let Some(next) = &mut self.next {
            **next += count;
        }
    }
}

impl Drop for Ordinals<'_> {
    fn drop(&mut self) {
        self.next = None;
        // Looked at once it is unlocked, and set before the driver looks whether it is locked.
        if self.shared.ordinals_wanted.swap(false, Ordering::SeqCst) {
            self.shared.update(|_| ());
        }
    }
}

impl Attachments for Staging<'_, '_> {
    fn kind(&self) -> Option<AttachmentKind> {
        let kind = self.shared.attachment_kind?;
        // What came before the transport was replaced can be claimed.
        let carried = self.received || !self.shared.bytes_only.load(Ordering::Relaxed);
        carried.then_some(kind)
    }

    fn attach(&mut self, attachment: Attachment) -> Result<u64, EncodeError> {
        let ordinals = self.ordinals.get_or_insert_with(|| Ordinals::lock(self.shared));
        let ordinal = ordinals.next() + self.attachments.len() as u64;
        self.attachments.push(attachment);
        Ok(ordinal)
    }

    fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        let attachment = self.shared.lock().unclaimed.claim(ordinal)?;
        self.claims += 1;
        let (lowest, highest) = self.claimed.unwrap_or((ordinal, ordinal));
        self.claimed = Some((lowest.min(ordinal), highest.max(ordinal)));
        Ok(attachment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Connection, Peer};
    use std::cell::RefCell;

    /// Which of a thread's values goes first depends on which was used first.
    #[tokio::test]
    async fn a_thread_may_end_that_sends_to_the_last() {
        struct AtTheEnd(Peer);

        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                send(&self.0);
            }
        }

        thread_local!(static AT_THE_END: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) });

        fn send(peer: &Peer) {
            let put = |state: &mut State, body: &mut Body| state.core.notify(b"A", body);
            peer.shared().send(|out, _| Ok(out.put(b"a", b"1")?), put).unwrap().unwrap();
        }

        let (peer, _driver) = Connection::new(tokio::io::duplex(100).0).start();
        let last = peer.clone();
        let thread = std::thread::spawn(move || {
            AT_THE_END.with(|value| {
                send(&last);
                value.replace(Some(AtTheEnd(last)));
            });
        });
        thread.join().unwrap();
        assert_eq!(peer.counters().calls_sent, 2);
    }
}
