//! Boxes on their way out of a call or an answer, and into one: their arguments and attachments.

use std::any::Any;
use std::sync::{Arc, PoisonError, TryLockError};

use super::peer::Peer;
use super::shared::Shared;
use crate::argument::{
    Attachment, AttachmentKind, Attachments, Carried, DecodeError, EncodeError, Proto,
};
use crate::boxes::{AmpBox, BoxWriter};
use crate::command::{Arguments, read_arguments};
use crate::proto::{Body, BoxNumber, Claimed, LimitKind, Public, Scratch, dropped_for};
use crate::sync::{MutexGuard, Ordering, fence};

/// The pairs of a box that is about to be queued, and the attachments that they name.
///
/// Their ordinals are nobody else's until this is dropped. If the box was queued by then, they are
/// used, and given out again otherwise.
pub(crate) struct Encoded<'a> {
    pub(crate) body: Scratch,
    ordinals: Option<Ordinals<'a>>,
    carried: Option<Box<AllCarried>>,
}

/// What was decoded of a call, and how many bytes of memory were spent.
pub(crate) type Decoded<A> = (Result<A, DecodeError>, usize);

/// What the arguments of one box have left with it.
pub(crate) struct AllCarried(Vec<Box<dyn Carried>>);

impl Encoded<'_> {
    /// Takes what the box of a call carries, once that is queued: it is to be told, and dropped when the
    /// call is over.
    #[inline]
    pub(crate) fn take_carried(&mut self) -> Option<Box<AllCarried>> {
        self.carried.take()
    }

    /// Whether nobody is to be told that the box is queued.
    #[inline]
    pub(crate) fn carries_nothing(&self) -> bool {
        self.carried.is_none()
    }
}

impl AllCarried {
    /// Their call is queued.
    #[expect(clippy::unnecessary_box_returns, reason = "it stays where it is")]
    pub(crate) fn queued(mut self: Box<Self>) -> Box<Self> {
        self.0.iter_mut().for_each(|carried| carried.queued(true));
        self
    }

    /// The peer has refused it.
    #[cold]
    pub(super) fn refused(&mut self) {
        self.0.iter_mut().for_each(|carried| carried.refused());
    }
}

impl Drop for Encoded<'_> {
    fn drop(&mut self) {
        // If the box was not queued, its attachments are still here.
        if let Some(ordinals) = &mut self.ordinals
            && self.body.attachments.is_empty()
        {
            ordinals.give_out();
        }
        if self.carried.is_some() {
            self.tell();
        }
    }
}

impl Encoded<'_> {
    /// Tells what is carried what has become of the box. It has a pair at least, unless that is in the
    /// queue.
    #[cold]
    fn tell(&mut self) {
        self.ordinals = None;
        if let Some(mut carried) = self.carried.take()
            && self.body.count == 0
        {
            carried.0.iter_mut().for_each(|carried| carried.queued(false));
        }
    }
}

impl Peer {
    /// Decodes what a box holds, by what `read` reads, claiming the attachments that it names.
    pub(crate) fn decode_with<A>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<A, DecodeError>,
    ) -> Result<A, DecodeError> {
        self.shared().read(ampbox, number, self.sees_late(), read).0
    }

    /// As [`decode_with`](Self::decode_with), for a call: what it claims counts until it is answered. Over the
    /// limit it is dropped, and that is the error: what there are too many of, and how many there may
    /// be. Says how many bytes of memory were spent.
    #[inline]
    pub(crate) fn decode_call<A>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<A, DecodeError>,
    ) -> Result<Decoded<A>, (LimitKind, usize)> {
        let shared = self.shared();
        let (arguments, count, spent) = shared.read(ampbox, number, self.sees_late(), read);
        if let (Some(number), Ok(_)) = (number, &arguments) {
            // The arguments are dropped with nothing locked.
            shared.with(|state| state.core.hold(number, count))?;
        }
        Ok((arguments, spent))
    }

    /// Reads a value of so many bytes on its own, which claims no attachments.
    pub(crate) fn read_value<T>(
        &self,
        len: usize,
        read: impl FnOnce(&mut Proto<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut none = Vec::new();
        let mut staging = Staging::new(self.shared(), &mut none);
        let mut proto = self.shared().proto(&mut staging, self.sees_late());
        proto.begin_value(len);
        read(&mut proto)
    }
}

impl Shared {
    /// Returns what attachments are that can be sent, if any can.
    #[inline]
    pub(crate) fn sent_attachment_kind(&self) -> Option<AttachmentKind> {
        self.attachment_kind.filter(|_| !self.public().any(Public::BYTES_ONLY))
    }

    /// Encodes arguments on the caller's task, with nothing locked that anyone else needs. Not to be
    /// called with the state locked.
    #[inline]
    pub(crate) fn encode(
        &self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<Encoded<'_>, EncodeError> {
        let mut encoded = Encoded { body: Scratch::new(), ordinals: None, carried: None };
        let Body { pairs, segments, attachments, count } = &mut *encoded.body;
        let mut staging = Staging::new(self, attachments);
        let mut proto = Proto::new(&mut staging, &self.address, &self.extensions);
        let mut writer = BoxWriter::sharing(pairs, segments, count);
        write(&mut writer, &mut proto)?;
        writer.finish()?;
        encoded.carried = staging.carried.take();
        if let Some(mut ordinals) = staging.ordinals.take() {
            ordinals.count = encoded.body.attachments.len() as u64;
            encoded.ordinals = Some(ordinals);
        }
        Ok(encoded)
    }

    /// Decodes what a box holds, claiming the attachments that it names.
    pub(crate) fn decode<A: Arguments>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
    ) -> Result<A, DecodeError> {
        self.read(ampbox, number, true, read_arguments).0
    }

    /// Decodes what a box holds, and says how many attachments were claimed, and how many bytes of
    /// memory were spent.
    #[inline]
    fn read<A>(
        &self,
        ampbox: &AmpBox,
        number: Option<BoxNumber>,
        sees_late: bool,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<A, DecodeError>,
    ) -> (Result<A, DecodeError>, usize, usize) {
        let mut none = Vec::new();
        let mut staging = Staging { received: number.is_some(), ..Staging::new(self, &mut none) };
        let mut proto = self.proto(&mut staging, sees_late);
        if number.is_some() {
            proto.watch_values();
        }
        let arguments = read(ampbox, &mut proto);
        let (left_values, spent) = (proto.left_values(), proto.spent());
        let Staging { claimed, claims, .. } = staging;
        if let Some(number) = number {
            let whole = arguments.is_ok() && !left_values;
            self.with(|state| state.core.handle_read(number, claimed, whole));
        }
        (arguments, claims, spent)
    }

    /// What something is read with that was received.
    #[inline]
    fn proto<'a>(&'a self, staging: &'a mut Staging<'_, '_>, sees_late: bool) -> Proto<'a> {
        Proto::new(staging, &self.address, &self.extensions)
            .seeing_late(sees_late)
            .with_unknown_keys(self.settings.unknown_keys)
            .with_decoded_bytes(self.settings.limits.decoded_bytes)
    }

    /// The ordinal of the next attachment, unless a box is being encoded: then the driver is woken when that is
    /// over. Encoding may take long, since its code is the user's.
    pub(super) fn try_lock_ordinal(&self) -> Option<MutexGuard<'_, u64>> {
        let try_lock = || match self.next_ordinal.try_lock() {
            Ok(next_ordinal) => Some(next_ordinal),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        try_lock().or_else(|| {
            self.with(|state| state.core.await_ordinals(true));
            fence(Ordering::SeqCst);
            // The lock may have been released before that.
            try_lock()
        })
    }

    /// Closes what nothing can claim any more, when nothing will read this box or it was read in
    /// part.
    pub(crate) fn handle_unread(&self, number: BoxNumber) {
        self.with(|state| state.core.handle_unread(number));
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
    carried: Option<Box<AllCarried>>,
}

impl<'a, 'b> Staging<'a, 'b> {
    fn new(shared: &'a Shared, attachments: &'b mut Vec<Attachment>) -> Self {
        Self {
            shared,
            ordinals: None,
            attachments,
            claimed: None,
            claims: 0,
            received: false,
            carried: None,
        }
    }
}

/// The ordinals of the attachments to be sent, which nobody else gives out.
struct Ordinals<'a> {
    shared: &'a Shared,
    /// `None` once that is unlocked.
    next: Option<MutexGuard<'a, u64>>,
    /// How many the box names.
    count: u64,
}

impl<'a> Ordinals<'a> {
    fn lock(shared: &'a Shared) -> Self {
        let next = shared.next_ordinal.lock().unwrap_or_else(PoisonError::into_inner);
        Self { shared, next: Some(next), count: 0 }
    }

    fn next(&self) -> u64 {
        self.next.as_ref().map_or(0, |next| **next)
    }

    fn give_out(&mut self) {
        if let Some(next) = &mut self.next {
            **next += self.count;
        }
    }
}

impl Drop for Ordinals<'_> {
    fn drop(&mut self) {
        self.next = None;
        // Looked at once it is unlocked, and set before the driver looks whether it is locked.
        fence(Ordering::SeqCst);
        if self.shared.public().any(Public::ORDINALS) {
            self.shared.with(|state| state.core.await_ordinals(false));
        }
    }
}

impl Attachments for Staging<'_, '_> {
    fn kind(&self) -> Option<AttachmentKind> {
        // What came before the transport was replaced can be claimed.
        if self.received { self.shared.attachment_kind } else { self.shared.sent_attachment_kind() }
    }

    fn attach(&mut self, attachment: Attachment) -> Result<u64, EncodeError> {
        let ordinals = self.ordinals.get_or_insert_with(|| Ordinals::lock(self.shared));
        let ordinal = ordinals.next() + self.attachments.len() as u64;
        self.attachments.push(attachment);
        Ok(ordinal)
    }

    fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        let attachment = self.shared.with(|state| state.core.claim(ordinal));
        match &attachment {
            Ok(_) => self.claims += 1,
            // It was this box's all the same: what came before it is none of a later box.
            Err(error) if dropped_for(error).is_some() => {}
            Err(_) => return attachment,
        }
        let (lowest, highest) = self.claimed.unwrap_or((ordinal, ordinal));
        self.claimed = Some((lowest.min(ordinal), highest.max(ordinal)));
        attachment
    }

    fn connection(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.shared.handle.get()?.upgrade()
    }

    fn carry(&mut self, carried: Box<dyn Carried>) {
        self.carried.get_or_insert_with(|| Box::new(AllCarried(Vec::new()))).0.push(carried);
    }
}

#[cfg(test)]
mod tests {
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
            let mut encoded = peer.shared().encode(|out, _| Ok(out.put(b"a", b"1")?)).unwrap();
            peer.shared().with(|state| state.core.notify(b"A", &mut encoded.body)).unwrap();
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
