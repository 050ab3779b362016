use bytes::BytesMut;
use std::cell::RefCell;

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
    static SCRATCH: RefCell<Body> = RefCell::default();
}

/// A scratch body over this size, in bytes, is not kept.
const KEPT: usize = 64 << 10;

impl Body {
    /// Runs `f` with a body that is empty, and whose buffers stay with the thread: boxes are encoded
    /// into it and then copied to where they go, and no buffer grows for each of them. What is left
    /// in there is dropped.
    pub(crate) fn scratch<R>(f: impl FnOnce(&mut Body) -> R) -> R {
        if SCRATCH.try_with(|_| ()).is_err() {
            // The thread ends, and one of its values encodes something as it is dropped.
            return f(&mut Body::default());
        }
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut body) => {
                let emptied = Emptied(&mut body);
                f(&mut *emptied.0)
            }
            // A hook that encodes a box on its own, while one is being encoded.
            Err(_) => f(&mut Body::default()),
        })
    }

    /// A writer of the pairs, which leaves large values where they are: see
    /// [`put_bytes`](crate::ValueWriter::put_bytes).
    pub fn writer(&mut self) -> BoxWriter<'_> {
        BoxWriter::sharing(&mut self.pairs, &mut self.segments, &mut self.count)
    }

    /// How many bytes the pairs have on the wire.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let shared = self.segments.iter().map(|segment| segment.bytes.len());
        self.pairs.len() + shared.sum::<usize>()
    }
}

/// What was encoded into it is dropped with this, however it ends.
struct Emptied<'a>(&'a mut Body);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        let Body { pairs, segments, attachments, count } = &mut *self.0;
        pairs.clear();
        segments.clear();
        attachments.clear();
        *count = 0;
        let of_lists = segments.capacity() * size_of::<Segment>()
            + attachments.capacity() * size_of::<Attachment>();
        if pairs.capacity() + of_lists > KEPT {
            *self.0 = Body::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_comes_back_is_empty_and_not_large() {
        let place = Body::scratch(|body| {
            body.pairs.extend_from_slice(b"before");
            body.attachments.push(Arc::new(()));
            let place = body.pairs.as_ptr();
            let other = Body::scratch(|other| {
                other.pairs.extend_from_slice(b"other");
                other.pairs.as_ptr()
            });
            assert_ne!(other, place, "the first one is still taken");
            place
        });
        Body::scratch(|body| {
            assert_eq!((body.pairs.as_ptr(), body.pairs.len()), (place, 0));
            assert!(body.attachments.is_empty());
            body.pairs.resize(KEPT + 1, 0);
        });
        Body::scratch(|body| assert_eq!(body.pairs.capacity(), 0));
    }

    /// Which of a thread's values goes first depends on which was used first.
    #[test]
    fn a_thread_may_end_that_encodes_to_the_last() {
        struct AtTheEnd;

        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                Body::scratch(|body| body.pairs.extend_from_slice(b"last"));
                DONE.store(true, Ordering::Relaxed);
            }
        }

        thread_local!(static AT_THE_END: AtTheEnd = const { AtTheEnd });
        static DONE: AtomicBool = AtomicBool::new(false);

        let thread = std::thread::spawn(|| {
            AT_THE_END.with(|_| ());
            Body::scratch(|_| ());
        });
        thread.join().unwrap();
        assert!(DONE.load(Ordering::Relaxed));
    }
}
