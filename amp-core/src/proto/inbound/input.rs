//! What was received and is not decoded.

use bytes::BytesMut;
use std::io;
use std::task::{Poll, ready};

use super::buffers::Buffers;
use crate::argument::Attachment;

/// How many bytes a read asks for at first, and at most. It asks for more when it gets all it
/// asked for.
const READ_MIN: usize = 8 << 10;
pub(crate) const READ_MAX: usize = 256 << 10;

/// What was received and is not decoded.
#[derive(Debug)]
pub(crate) struct Input {
    buffer: BytesMut,
    buffers: Buffers,
    /// The attachments that came with it and are not kept yet.
    pub(crate) attachments: Vec<Attachment>,
    /// How many bytes the next read asks for.
    ask: usize,
}

impl Default for Input {
    fn default() -> Self {
        let (buffer, buffers) = (BytesMut::new(), Buffers::default());
        Self { buffer, buffers, attachments: Vec::new(), ask: READ_MIN }
    }
}

impl Input {
    /// How many bytes were received that are no whole box.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Takes the bytes, which are no boxes.
    pub(crate) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.buffer)
    }

    /// Receives more with `receive`, which appends to what it is given: at least what is `missing`.
    #[inline]
    pub(super) fn receive(
        &mut self,
        missing: usize,
        receive: impl FnOnce(&mut BytesMut, &mut Vec<Attachment>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Self { buffer, buffers, attachments, ask } = self;
        let room = missing.max(*ask);
        // A reserve that moves what is there costs more than a short read, so half is enough.
        if buffer.capacity() - buffer.len() < missing.max(room / 2) {
            buffers.make_room(buffer, missing, room);
        }
        let room = buffer.capacity() - buffer.len();
        let received = ready!(receive(buffer, attachments))?;
        if received == room && *ask < READ_MAX {
            *ask *= 2;
        }
        Poll::Ready(Ok(received))
    }

    /// Receives more with `receive`, and drops it.
    pub(crate) fn drop_received(
        &mut self,
        receive: impl FnOnce(&mut BytesMut, &mut Vec<Attachment>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Self { buffer, attachments, .. } = self;
        buffer.clear();
        buffer.reserve(READ_MIN);
        let received = receive(buffer, attachments);
        attachments.clear();
        received
    }

    /// A box of this size was taken out.
    pub(super) fn handle_decoded(&mut self, size: usize) {
        if size > READ_MAX {
            self.buffers.leave(&mut self.buffer);
        }
    }

    /// Whether there are large buffers, which are to be [given up](Self::release) after a while.
    pub(crate) fn is_large(&self) -> bool {
        self.buffers.are_large()
    }

    /// Gives large buffers up. What is received from now on goes into small ones again, if it is not
    /// much.
    pub(crate) fn release(&mut self) {
        self.buffers.release(&mut self.buffer);
        self.ask = READ_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives so much of all that there is.
    fn receive(input: &mut Input, missing: usize, mut most: usize) -> usize {
        let received = input.receive(missing, |buffer, _| {
            most = most.min(buffer.capacity() - buffer.len());
            buffer.resize(buffer.len() + most, b'-');
            Poll::Ready(Ok(most))
        });
        let Poll::Ready(Ok(received)) = received else { panic!() };
        received
    }

    #[test]
    fn it_asks_for_more_when_it_gets_all_it_asked_for() {
        let mut input = Input::default();
        assert_eq!(receive(&mut input, 2, 100), 100);
        assert_eq!(input.ask, READ_MIN);
        let mut all = 0;
        while input.ask < READ_MAX {
            all += receive(&mut input, 2, usize::MAX);
            assert!(all < 2 * READ_MAX, "it asks for twice as much each time");
        }
        assert!(input.is_large());
        assert_eq!(input.take().len(), all + 100);
        input.release();
        assert_eq!((input.ask, input.is_large()), (READ_MIN, false));
    }

    #[test]
    fn there_is_room_for_a_box_however_large() {
        let mut input = Input::default();
        receive(&mut input, 2, 3);
        assert_eq!(receive(&mut input, 3 * READ_MAX, usize::MAX).min(3 * READ_MAX), 3 * READ_MAX);
        let ampbox = input.buffer().split_to(3 * READ_MAX);
        input.handle_decoded(ampbox.len());
        assert!(input.buffer.capacity() <= READ_MIN && input.len() >= 3, "its room is not kept");
    }
}
