use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;

use super::output::{Mark, Output, Segments};
use super::pair::{check_key, check_value};
use super::{AmpBox, BoxError};
use crate::keys;
use crate::shorten::Shortened;

/// Takes the bytes of one value that is being encoded: they can only be appended to.
#[derive(Debug)]
pub struct ValueWriter<'a> {
    out: Output<'a>,
    start: Mark,
}

impl<'a> ValueWriter<'a> {
    /// Creates a writer that appends to `out`.
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self::over(Output::new(out, None))
    }

    #[inline]
    fn over(out: Output<'a>) -> Self {
        let start = out.mark();
        Self { out, start }
    }

    /// Appends bytes, which are copied.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.out.buffer.put_slice(bytes);
    }

    /// Appends bytes, if possible without copying them. In a box that a connection sends, 32 KiB and more stay where they
    /// are, and the memory that they are part of is kept until they are sent. Fewer bytes are copied. So are all bytes
    /// inside of a value that has a form of its own, such as a compressed one, or that goes into a buffer.
    #[inline]
    pub fn put_bytes(&mut self, bytes: &Bytes) {
        self.out.put_bytes(bytes);
    }

    /// Returns how many bytes were appended so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len_since(self.start)
    }

    /// Returns whether no byte was appended so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends what `write` appends, preceded by its length: a pair's value, or an element of a
    /// `ListOf`. Over [`MAX_VALUE`](super::MAX_VALUE) bytes, `too_long` makes the error of their
    /// number. On an error nothing is left of it.
    #[inline]
    pub(crate) fn put_prefixed<E>(
        &mut self,
        write: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), E>,
        too_long: impl FnOnce(usize) -> E,
    ) -> Result<(), E> {
        let before = self.out.mark();
        self.out.buffer.put_u16(0);
        let mut element = ValueWriter::over(self.out.reborrow());
        let written = write(&mut element).and_then(|()| {
            let len = element.len();
            u16::try_from(len).map_err(|_| too_long(len))
        });
        match written {
            Ok(len) => {
                let length = before.buffer..before.buffer + 2;
                self.out.buffer[length].copy_from_slice(&len.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                self.out.truncate(before);
                Err(error)
            }
        }
    }

    /// Appends a whole box, its end included: an element of an `AmpList`.
    ///
    /// # Errors
    ///
    /// When `write` fails, and when a key comes twice. Nothing is then left of the box.
    pub fn put_box<E: From<BoxError>>(
        &mut self,
        write: impl FnOnce(&mut BoxWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut writer = BoxWriter::over(self.out.reborrow());
        write(&mut writer)?;
        Ok(writer.end()?)
    }

    /// Begins a whole box, which [`BoxWriter::end`] ends.
    #[cfg(feature = "serde")]
    pub(crate) fn begin_box(&mut self) -> BoxWriter<'_> {
        BoxWriter::over(self.out.reborrow())
    }
}

/// Formatted text is appended as UTF-8, so `write!` works.
impl fmt::Write for ValueWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put_slice(text.as_bytes());
        Ok(())
    }
}

/// Writes the pairs of one box that is being encoded.
///
/// Arguments put their pairs in any order. In the box they are sorted by key, as Twisted writes them. A writer that fails,
/// or is dropped half-way, leaves its buffer as it found it.
#[derive(Debug)]
pub struct BoxWriter<'a> {
    out: Output<'a>,
    /// Where this box's pairs begin.
    start: Mark,
    /// Where the key of the last pair is in the buffer, and its first bytes.
    last_key: std::ops::Range<usize>,
    last_prefix: u64,
    sorted: bool,
    finished: bool,
    pairs: usize,
    /// Where the number of pairs goes in the end.
    count: Option<&'a mut usize>,
}

impl<'a> BoxWriter<'a> {
    /// Creates a writer that appends to `out`.
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self::over(Output::new(out, None))
    }

    /// Creates a writer that appends to `out`, but for large values that need not be copied, which
    /// it appends to `segments`. It adds the number of its pairs to `count`.
    #[inline]
    pub(crate) fn sharing(
        out: &'a mut BytesMut,
        segments: &'a mut Segments,
        count: &'a mut usize,
    ) -> Self {
        let mut writer = Self::over(Output::new(out, Some(segments)));
        writer.count = Some(count);
        writer
    }

    #[inline]
    fn over(out: Output<'a>) -> Self {
        let start = out.mark();
        let last_key = start.buffer..start.buffer;
        Self {
            out,
            start,
            last_key,
            last_prefix: 0,
            sorted: true,
            finished: false,
            pairs: 0,
            count: None,
        }
    }

    /// Appends a pair whose value is what `write` appends.
    ///
    /// # Errors
    ///
    /// When `write` fails, when the key or the value is too long, and when the key is empty or reserved. Nothing is then
    /// left of the pair.
    #[allow(clippy::inline_always, reason = "little is left of it where the key is a constant")]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn put_with<E: From<BoxError>>(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let key_len = check_key(key)?;
        if keys::is_reserved(key) {
            return Err(BoxError::ReservedKey { key: Shortened::new(key) }.into());
        }
        let pair = self.out.mark();
        put_head(self.out.buffer, key, key_len.get());
        let at = self.out.buffer.len();
        let mut value = ValueWriter::over(self.out.reborrow());
        let written = write(&mut value).and_then(|()| {
            let len = value.len();
            check_value(key, len).map_err(E::from)
        });
        match written {
            Ok(len) => {
                let out = &mut *self.out.buffer;
                out[at - 2..at].copy_from_slice(&len.to_be_bytes());
                let prefix = keys::prefix(key);
                if self.last_prefix >= prefix {
                    self.sorted &= out[self.last_key.clone()] < *key;
                }
                self.last_key = pair.buffer + 2..at - 2;
                self.pairs += 1;
                self.last_prefix = prefix;
                Ok(())
            }
            Err(error) => {
                self.out.truncate(pair);
                Err(error)
            }
        }
    }

    /// Appends a pair.
    ///
    /// # Errors
    ///
    /// As [`put_with`](BoxWriter::put_with).
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BoxError> {
        check_value(key, value.len())?;
        self.put_with(key, |out| {
            out.put_slice(value);
            Ok(())
        })
    }

    /// Appends all pairs of a box.
    ///
    /// # Errors
    ///
    /// When one of its keys is reserved.
    pub fn put_box(&mut self, ampbox: &AmpBox) -> Result<(), BoxError> {
        ampbox.iter().try_for_each(|(key, value)| self.put(key, value))
    }

    /// Returns how many bytes were appended.
    #[cfg(feature = "tokio")]
    pub(crate) fn len(&self) -> usize {
        self.out.len_since(self.start)
    }

    /// Returns how many pairs were appended.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Brings the pairs into order. The box's end is left to write.
    ///
    /// # Errors
    ///
    /// When a key comes twice.
    #[inline]
    pub fn finish(mut self) -> Result<(), BoxError> {
        self.settle()
    }

    /// Brings the pairs into order, and writes the box's end.
    pub(crate) fn end(mut self) -> Result<(), BoxError> {
        self.settle()?;
        self.out.buffer.put_u16(0);
        Ok(())
    }

    #[inline]
    fn settle(&mut self) -> Result<(), BoxError> {
        if !self.sorted {
            self.sort()?;
        }
        self.finished = true;
        if let Some(count) = &mut self.count {
            **count += self.pairs;
        }
        Ok(())
    }

    #[cold]
    fn sort(&mut self) -> Result<(), BoxError> {
        self.out.flatten(self.start);
        let unsorted = &mut self.out.buffer[self.start.buffer..];
        let mut pairs = Vec::new();
        let mut rest = &*unsorted;
        while !rest.is_empty() {
            let key_len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let value_len = u16::from_be_bytes([rest[key_len + 2], rest[key_len + 3]]);
            let (pair, others) = rest.split_at(4 + key_len + usize::from(value_len));
            pairs.push((&pair[2..2 + key_len], pair));
            rest = others;
        }
        pairs.sort_unstable_by_key(|(key, _)| *key);
        if let Some(twice) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(BoxError::DuplicateKey { key: Shortened::new(twice[0].0) });
        }
        let sorted: Vec<u8> = pairs.into_iter().flat_map(|(_, pair)| pair).copied().collect();
        unsorted.copy_from_slice(&sorted);
        Ok(())
    }
}

/// Writes a key and room for the length of its value: a short key at one stroke.
#[inline]
fn put_head(out: &mut BytesMut, key: &[u8], key_len: u8) {
    let mut head = [0; 32];
    let len = key.len() + 4;
    if len <= head.len() {
        head[1] = key_len;
        head[2..len - 2].copy_from_slice(key);
        out.put_slice(&head[..len]);
    } else {
        out.reserve(len);
        out.put_u16(key_len.into());
        out.put_slice(key);
        out.put_u16(0);
    }
}

impl Drop for BoxWriter<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::Segment;
    use crate::boxes::output::SHARED;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn written(pairs: &[(&str, &str)]) -> Result<Vec<u8>, BoxError> {
        let mut out = BytesMut::from("before");
        let mut writer = BoxWriter::new(&mut out);
        let result = pairs
            .iter()
            .try_for_each(|(key, value)| writer.put(key.as_bytes(), value.as_bytes()))
            .and_then(|()| writer.finish());
        match result {
            Ok(()) => Ok(out[6..].to_vec()),
            Err(error) => {
                assert_eq!(out, "before", "a failed box leaves nothing behind");
                Err(error)
            }
        }
    }

    #[test]
    fn pairs_are_sorted_whatever_the_order_they_come_in() {
        let sorted = written(&[("a", "1"), ("b", ""), ("c", "333")]).unwrap();
        assert_eq!(sorted, b"\0\x01a\0\x011\0\x01b\0\0\0\x01c\0\x03333");
        assert_eq!(written(&[("c", "333"), ("a", "1"), ("b", "")]).unwrap(), sorted);
    }

    #[test]
    fn keys_that_cannot_be_written_are_refused() {
        assert_eq!(written(&[("a", "1"), ("", "2")]), Err(BoxError::EmptyKey));
        let long = "k".repeat(256);
        assert_eq!(written(&[(&long, "2")]), Err(BoxError::KeyTooLong { len: 256 }));
        for key in ["_ask", "_answer", "_error_code"] {
            let error = written(&[(key, "1")]).unwrap_err();
            assert_eq!(error.to_string(), format!("the key \"{key}\" is the protocol's own"));
        }
        let key = Shortened::new("b");
        let twice = Err(BoxError::DuplicateKey { key });
        assert_eq!(written(&[("b", "1"), ("a", "2"), ("b", "3")]), twice);
        assert_eq!(written(&[("b", "1"), ("b", "3")]), twice);
    }

    #[test]
    fn values_end_at_65535_bytes() {
        let mut out = BytesMut::new();
        let mut writer = BoxWriter::new(&mut out);
        let bytes = vec![7; 65_536];
        writer.put(b"a", &bytes[1..]).unwrap();
        let error = writer.put(b"b", &bytes).unwrap_err();
        assert_eq!(error, BoxError::ValueTooLong { key: Shortened::new("b"), len: 65_536 });
        let error = writer.put_with::<BoxError>(b"c", |out| {
            out.put_slice(&bytes);
            Ok(())
        });
        assert!(matches!(error, Err(BoxError::ValueTooLong { len: 65_536, .. })));
        writer.finish().unwrap();
        assert_eq!(out.len(), 65_535 + 5, "what failed left nothing behind");
    }

    proptest! {
        #[test]
        fn any_keys_are_sorted_by_their_bytes(
            keys in vec("(long key )?[\\x00ab]{1,12}|[ab]{27,31}", 0..12)
        ) {
            let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "1")).collect();
            let sorted: BTreeSet<_> = keys.iter().collect();
            match written(&pairs) {
                Ok(bytes) => {
                    let pair = |key: &&String| {
                        [&[0, u8::try_from(key.len()).unwrap()], key.as_bytes(), b"\0\x011"].concat()
                    };
                    prop_assert_eq!(bytes, sorted.iter().map(pair).collect::<Vec<_>>().concat());
                    prop_assert_eq!(sorted.len(), keys.len());
                }
                Err(BoxError::DuplicateKey { .. }) => prop_assert!(sorted.len() < keys.len()),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn whole_boxes_can_be_appended() {
        let mut out = BytesMut::new();
        let mut writer = BoxWriter::new(&mut out);
        writer.put_box(&AmpBox::from_pairs([("b", "2"), ("a", "1")]).unwrap()).unwrap();
        writer.finish().unwrap();
        assert_eq!(&out[..], b"\0\x01a\0\x011\0\x01b\0\x012");
    }

    /// Returns what a box looks like on the wire.
    fn flattened(out: &BytesMut, segments: &Segments) -> Vec<u8> {
        let mut flat = Vec::new();
        let mut from = 0;
        for segment in segments {
            flat.extend_from_slice(&out[from..segment.at]);
            flat.extend_from_slice(&segment.bytes);
            from = segment.at;
        }
        flat.extend_from_slice(&out[from..]);
        flat
    }

    fn put_bytes(writer: &mut BoxWriter<'_>, key: &str, bytes: &Bytes) -> Result<(), BoxError> {
        writer.put_with(key.as_bytes(), |out| {
            out.put_slice(b"<");
            out.put_bytes(bytes);
            out.put_slice(b">");
            assert_eq!(out.len(), bytes.len() + 2);
            Ok(())
        })
    }

    #[test]
    fn large_values_stay_where_they_are() {
        let small = Bytes::from(vec![b's'; SHARED - 1]);
        let large = Bytes::from(vec![b'l'; SHARED]);
        let (mut expected, mut out, mut segments) = Default::default();
        let mut copying = BoxWriter::new(&mut expected);
        let mut count = 0;
        let mut sharing = BoxWriter::sharing(&mut out, &mut segments, &mut count);
        for writer in [&mut copying, &mut sharing] {
            put_bytes(writer, "a", &small).unwrap();
            put_bytes(writer, "b", &large).unwrap();
            put_bytes(writer, "c", &Bytes::new()).unwrap();
            put_bytes(writer, "d", &large).unwrap();
        }
        copying.finish().unwrap();
        sharing.finish().unwrap();
        assert_eq!(count, 4);
        assert!(segments.iter().all(|segment| segment.bytes.as_ptr() == large.as_ptr()));
        assert_eq!(segments.len(), 2);
        assert!(flattened(&out, &segments) == expected);
    }

    #[test]
    fn pairs_are_sorted_with_values_that_stayed_where_they_are() {
        let values: Vec<_> = (1..=3).map(|n| Bytes::from(vec![n; SHARED])).collect();
        let written = |order: [usize; 3]| {
            let (mut out, mut segments) = (BytesMut::from("before"), Segments::new());
            segments.push(Segment { at: 6, bytes: values[0].clone() });
            let mut count = 0;
            let mut writer = BoxWriter::sharing(&mut out, &mut segments, &mut count);
            for at in order {
                put_bytes(&mut writer, ["a", "b", "c"][at], &values[at]).unwrap();
            }
            writer.finish().unwrap();
            assert_eq!(segments[0].at, 6, "what was there before is left alone");
            flattened(&out, &segments)
        };
        let sorted = written([0, 1, 2]);
        for order in [[0, 2, 1], [2, 1, 0], [1, 2, 0]] {
            assert!(written(order) == sorted, "{order:?}");
        }
    }

    #[test]
    fn lengths_and_limits_count_values_that_stayed_where_they_are() {
        let half = Bytes::from(vec![1; SHARED]);
        let (mut out, mut segments) = (BytesMut::new(), Segments::new());
        let mut count = 0;
        let mut writer = BoxWriter::sharing(&mut out, &mut segments, &mut count);
        let twice = |out: &mut ValueWriter<'_>| {
            out.put_bytes(&half);
            out.put_bytes(&half);
            Ok(())
        };
        let error = writer.put_with(b"a", twice).unwrap_err();
        assert_eq!(error, BoxError::ValueTooLong { key: Shortened::new("a"), len: 2 * SHARED });
        let prefixed = |out: &mut ValueWriter<'_>| {
            out.put_prefixed(twice, |len| BoxError::BoxTooLong { seen: len, limit: 0 })
        };
        let error = writer.put_with(b"a", prefixed).unwrap_err();
        assert_eq!(error, BoxError::BoxTooLong { seen: 2 * SHARED, limit: 0 });
        writer
            .put_with::<BoxError>(b"a", |out| {
                // Nothing of the first is left, so that the second fits.
                out.put_prefixed(twice, |len| BoxError::BoxTooLong { seen: len, limit: 0 })
                    .unwrap_err();
                out.put_box(|out| {
                    put_bytes(out, "z", &half)?;
                    put_bytes(out, "y", &Bytes::new())
                })
            })
            .unwrap();
        writer.finish().unwrap();
        let inner = [b"\0\x01y\0\x02<>\0\x01z\x80\x02<", &half[..], b">\0\0"].concat();
        let len = u16::try_from(inner.len()).unwrap().to_be_bytes();
        assert!(flattened(&out, &segments) == [b"\0\x01a", &len[..], &inner].concat());
    }

    #[test]
    fn a_box_that_fails_leaves_no_value_behind() {
        let large = Bytes::from(vec![1; SHARED]);
        let (mut out, mut segments) = (BytesMut::new(), Segments::new());
        let mut count = 0;
        let mut writer = BoxWriter::sharing(&mut out, &mut segments, &mut count);
        put_bytes(&mut writer, "a", &large).unwrap();
        writer
            .put_with(b"b", |out| {
                out.put_bytes(&large);
                Err(BoxError::EmptyKey)
            })
            .unwrap_err();
        drop(writer);
        assert!(out.is_empty() && segments.is_empty());
        assert!(large.is_unique());
    }
}
