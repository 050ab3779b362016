use bytes::{BufMut, Bytes, BytesMut};

/// From this size on, in bytes, a value is left where it is rather than copied. A smaller one is
/// copied in less time than it takes to keep track of it, and might keep a much larger buffer alive
/// until it is sent.
pub(super) const SHARED: usize = 32 << 10;

/// The values that were left where they are, in the order of their places among the bytes that
/// were copied. None is empty.
pub(crate) type Segments = Vec<Segment>;

/// Bytes that stay where they are, and their place among those that were copied.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The number of bytes of the buffer that come before it.
    pub(crate) at: usize,
    pub(crate) bytes: Bytes,
}

/// A place to write to: a buffer, and where there is a list for them, large values that are not
/// copied into it.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub(super) buffer: &'a mut BytesMut,
    segments: Option<&'a mut Segments>,
}

/// A place in what was written to an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) buffer: usize,
    segments: usize,
}

impl<'a> Output<'a> {
    #[inline]
    pub(super) fn new(buffer: &'a mut BytesMut, segments: Option<&'a mut Segments>) -> Self {
        Self { buffer, segments }
    }

    #[inline]
    pub(super) fn reborrow(&mut self) -> Output<'_> {
        Output { buffer: self.buffer, segments: self.segments.as_deref_mut() }
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { buffer: self.buffer.len(), segments: self.segments.as_deref().map_or(0, Vec::len) }
    }

    /// Returns how many bytes were written since `mark`.
    #[inline]
    pub(super) fn len_since(&self, mark: Mark) -> usize {
        let copied = self.buffer.len() - mark.buffer;
        match &self.segments {
            Some(segments) if segments.len() > mark.segments => {
                copied + segments[mark.segments..].iter().map(|s| s.bytes.len()).sum::<usize>()
            }
            _ => copied,
        }
    }

    /// Takes back what was written since `mark`.
    pub(super) fn truncate(&mut self, mark: Mark) {
        self.buffer.truncate(mark.buffer);
        if let Some(segments) = &mut self.segments {
            segments.truncate(mark.segments);
        }
    }

    #[inline]
    pub(super) fn put_bytes(&mut self, bytes: &Bytes) {
        match &mut self.segments {
            Some(segments) if bytes.len() >= SHARED => {
                segments.push(Segment { at: self.buffer.len(), bytes: bytes.clone() });
            }
            _ => self.buffer.put_slice(bytes),
        }
    }

    /// Copies the values that were left where they are since `mark`.
    pub(super) fn flatten(&mut self, mark: Mark) {
        let Some(segments) = &mut self.segments else { return };
        if segments.len() == mark.segments {
            return;
        }
        let copied = self.buffer.split_off(mark.buffer);
        let mut from = 0;
        for Segment { at, bytes } in segments.drain(mark.segments..) {
            let at = at - mark.buffer;
            self.buffer.put_slice(&copied[from..at]);
            self.buffer.put_slice(&bytes);
            from = at;
        }
        self.buffer.put_slice(&copied[from..]);
    }
}
