use bytes::BytesMut;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use crate::argument::Attachment;
use crate::boxes::{BoxWriter, Segment, Segments};

/// The arguments of a box that is about to be sent: encoded pairs without the box's end, and the
/// attachments that they name.
#[derive(Debug, Default)]
pub struct Body {
    /// The pairs, as a [`BoxWriter`] leaves them.
    pub(crate) pairs: BytesMut,
    /// The values that are not copied into `pairs`.
    pub(crate) segments: Segments,
    /// The attachments, in the order of their ordinals.
    pub attachments: Vec<Attachment>,
    /// How many pairs were written.
    pub(crate) count: usize,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Body>>> = const { Cell::new(None) };
}

/// A scratch body over this size, in bytes, is not kept.
const KEPT: usize = 64 << 10;

/// A body that is empty, and whose buffers stay with the thread: boxes are encoded into it and then
/// copied to where they go, and no buffer grows for each of them. What is left in there is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(Option<Box<Body>>);

impl Scratch {
    #[inline]
    pub(crate) fn new() -> Self {
        // There is none while the thread has another one, as a hook may that encodes a box on its own,
        // nor when the thread ends, and one of its values encodes something as it is dropped.
        Self(Some(SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default()))
    }
}

impl Deref for Scratch {
    type Target = Body;

    #[inline]
    fn deref(&self) -> &Body {
        self.0.as_ref().expect("a body, until it is dropped")
    }
}

impl DerefMut for Scratch {
    #[inline]
    fn deref_mut(&mut self) -> &mut Body {
        self.0.as_mut().expect("a body, until it is dropped")
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        let Some(mut body) = self.0.take() else { return };
        let Body { pairs, segments, attachments, count } = &mut *body;
        pairs.clear();
        segments.clear();
        attachments.clear();
        *count = 0;
        let of_lists = segments.capacity() * size_of::<Segment>()
            + attachments.capacity() * size_of::<Attachment>();
        if pairs.capacity() + of_lists <= KEPT {
            let _ = SCRATCH.try_with(|scratch| scratch.set(Some(body)));
        }
    }
}

impl Body {
    /// Returns a writer of the pairs, which leaves large values where they are: see
    /// [`put_bytes`](crate::ValueWriter::put_bytes).
    pub fn writer(&mut self) -> BoxWriter<'_> {
        BoxWriter::sharing(&mut self.pairs, &mut self.segments, &mut self.count)
    }

    /// The same pairs once more, with none of the attachments.
    pub(super) fn copy(&self) -> Self {
        let Self { pairs, segments, count, .. } = self;
        let (pairs, segments) = (pairs.clone(), segments.clone());
        Self { pairs, segments, attachments: Vec::new(), count: *count }
    }

    /// How many bytes the pairs have on the wire.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let shared = self.segments.iter().map(|segment| segment.bytes.len());
        self.pairs.len() + shared.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_comes_back_is_empty_and_not_large() {
        let mut body = Scratch::new();
        body.pairs.extend_from_slice(b"before");
        body.attachments.push(Arc::new(()));
        let place = body.pairs.as_ptr();
        let mut other = Scratch::new();
        other.pairs.extend_from_slice(b"other");
        assert_ne!(other.pairs.as_ptr(), place, "the first one is still taken");
        drop(other);
        drop(body);
        let mut body = Scratch::new();
        assert_eq!((body.pairs.as_ptr(), body.pairs.len()), (place, 0));
        assert!(body.attachments.is_empty());
        body.pairs.resize(KEPT + 1, 0);
        drop(body);
        assert_eq!(Scratch::new().pairs.capacity(), 0);
    }

    /// Which of a thread's values goes first depends on which was used first.
    #[test]
    fn a_thread_may_end_that_encodes_to_the_last() {
        struct AtTheEnd;

        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                Scratch::new().pairs.extend_from_slice(b"last");
                DONE.store(true, Ordering::Relaxed);
            }
        }

        thread_local!(static AT_THE_END: AtTheEnd = const { AtTheEnd });
        static DONE: AtomicBool = AtomicBool::new(false);

        let thread = std::thread::spawn(|| {
            AT_THE_END.with(|_| ());
            drop(Scratch::new());
        });
        thread.join().unwrap();
        assert!(DONE.load(Ordering::Relaxed));
    }
}
