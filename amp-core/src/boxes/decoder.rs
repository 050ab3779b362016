use bytes::{Bytes, BytesMut};

use super::amp_box::{AmpBox, Index, Pair};
use super::{BoxError, BoxLimits, keys};

/// Finds the boxes in a stream of bytes, however it is cut into pieces.
///
/// It remembers how far it has looked, so the work is linear in the bytes even when they come one
/// at a time. Keep one decoder to one stream. After an error it must not be used any more: where
/// the next box begins is unknown.
#[derive(Debug)]
pub struct Decoder {
    limits: BoxLimits,
    /// Where the next pair of the unfinished box begins.
    at: usize,
    needed: usize,
    index: Index,
    sorted: bool,
}

impl Decoder {
    /// A decoder that holds received boxes to `limits`.
    pub fn new(limits: BoxLimits) -> Self {
        Self { limits, at: 0, needed: 2, index: Index::new(), sorted: true }
    }

    /// Takes the next box off the front of `buffer`, which must begin where the last one ended
    /// and must only have grown since the last call. `None` means that the box is not all there.
    ///
    /// # Errors
    ///
    /// When the bytes are not a box, or one over a limit; before it is all there if that is
    /// already certain.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<AmpBox>, BoxError> {
        let end = self.scan(buffer)?;
        Ok(end.map(|end| self.finish(buffer.split_to(end).freeze())))
    }

    /// How many bytes must be in the buffer before [`decode`](Decoder::decode) gets any further:
    /// all of the box's next pair and its end, as far as their lengths are known.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Goes on through `bytes`; where the box ends, if it does.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BoxError> {
        let mut at = self.at;
        loop {
            let Some(key_len) = length_at(bytes, at) else {
                // One byte is enough to tell that a key is too long, or that this is not AMP.
                return match bytes.get(at) {
                    Some(&high) if high != 0 => {
                        Err(BoxError::KeyTooLong { len: usize::from(high) << 8 })
                    }
                    _ => Ok(self.wait(at, at + 2)),
                };
            };
            let key = at + 2;
            if key_len == 0 {
                self.check_length(key)?;
                return Ok(Some(key));
            }
            let Ok(key_len) = u8::try_from(key_len) else {
                return Err(BoxError::KeyTooLong { len: key_len.into() });
            };
            if self.index.len() >= self.limits.max_pairs {
                return Err(BoxError::TooManyPairs { limit: self.limits.max_pairs });
            }
            // Whatever comes, the box has an end of two bytes.
            let value = key + usize::from(key_len) + 2;
            let Some(value_len) = length_at(bytes, value - 2) else {
                self.check_length(value + 2)?;
                return Ok(self.wait(at, value + 2));
            };
            let end = value + usize::from(value_len);
            if end + 2 > self.limits.max_bytes {
                // What was certain before the value's length was is said first.
                self.check_length(value + 2)?;
                self.check_length(end + 2)?;
            }
            if bytes.len() < end {
                return Ok(self.wait(at, end + 2));
            }
            self.push(bytes, key, key_len, value_len)?;
            at = end;
        }
    }

    /// There must be `needed` bytes before the pair at `at` can be read.
    #[cold]
    fn wait(&mut self, at: usize, needed: usize) -> Option<usize> {
        self.at = at;
        self.needed = needed;
        None
    }

    /// The box that [`scan`](Decoder::scan) found to be all of `data`.
    #[inline]
    pub(super) fn finish(&mut self, data: Bytes) -> AmpBox {
        let sorted = std::mem::replace(&mut self.sorted, true);
        self.at = 0;
        self.needed = 2;
        AmpBox::received(data, std::mem::take(&mut self.index), sorted)
    }

    #[inline]
    fn push(
        &mut self,
        bytes: &[u8],
        key: usize,
        key_len: u8,
        value_len: u16,
    ) -> Result<(), BoxError> {
        let Ok(key) = u32::try_from(key) else {
            return Err(BoxError::BoxTooLong { seen: key, limit: u32::MAX as usize });
        };
        let pair = Pair { key, value_len, key_len };
        if let Some(last) = self.index.last() {
            self.sorted &= keys::is_before(last.key(bytes), pair.key(bytes));
        }
        self.index.push(pair);
        Ok(())
    }

    #[inline]
    fn check_length(&self, seen: usize) -> Result<(), BoxError> {
        let limit = self.limits.max_bytes;
        if seen > limit { Err(BoxError::BoxTooLong { seen, limit }) } else { Ok(()) }
    }
}

/// The two-byte length at `at`, if it is all there.
#[inline]
fn length_at(bytes: &[u8], at: usize) -> Option<u16> {
    let length = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([length[0], length[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\0\0\0\0\x01b\0\x012\0\0";

    fn decode_all(decoder: &mut Decoder, buffer: &mut BytesMut) -> Vec<Bytes> {
        std::iter::from_fn(|| decoder.decode(buffer).unwrap()).map(|b| b.to_bytes()).collect()
    }

    fn limited(
        max_bytes: usize,
        max_pairs: usize,
        bytes: &[u8],
    ) -> Result<Option<AmpBox>, BoxError> {
        Decoder::new(BoxLimits { max_bytes, max_pairs }).decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn every_cut_gives_the_same_boxes() {
        for first in 0..=TWO.len() {
            for second in first..=TWO.len() {
                let mut decoder = Decoder::new(BoxLimits::default());
                let mut buffer = BytesMut::new();
                let mut boxes = Vec::new();
                for piece in [&TWO[..first], &TWO[first..second], &TWO[second..]] {
                    buffer.extend_from_slice(piece);
                    boxes.extend(decode_all(&mut decoder, &mut buffer));
                }
                assert_eq!(boxes.concat(), TWO, "cut at {first} and {second}");
                assert_eq!(boxes.len(), 2);
            }
        }
    }

    #[test]
    fn needed_is_never_more_than_the_box_and_always_more_than_there_is() {
        let end = TWO.len() - 8;
        for cut in 0..end {
            let mut decoder = Decoder::new(BoxLimits::default());
            let mut buffer = BytesMut::from(&TWO[..cut]);
            assert!(decoder.decode(&mut buffer).unwrap().is_none());
            assert!((cut + 1..=end).contains(&decoder.needed()), "cut at {cut}");
        }
    }

    #[test]
    fn a_key_over_the_limit_is_told_by_its_first_byte() {
        let error = limited(1000, 10, b"G").unwrap_err();
        assert_eq!(error, BoxError::KeyTooLong { len: 0x4700 });
        assert_eq!(limited(1000, 10, b"GET").unwrap_err(), BoxError::KeyTooLong { len: 0x4745 });
        assert_eq!(limited(1000, 10, b"\x01\0").unwrap_err(), BoxError::KeyTooLong { len: 256 });
    }

    #[test]
    fn limits_are_exact_and_name_themselves() {
        let bytes = b"\0\x01a\0\x0213\0\x01b\0\x0281\0\0";
        assert!(limited(bytes.len(), 2, bytes).unwrap().is_some());
        let error = limited(bytes.len() - 1, 2, bytes).unwrap_err();
        assert_eq!(error.to_string(), "a box of at least 16 bytes is over the limit of 15");
        let error = limited(bytes.len(), 1, bytes).unwrap_err();
        assert_eq!(error.to_string(), "a box of more than 1 pairs is over the limit");
        // Known before the value is there, and before it is all read.
        let error = limited(100, 9, b"\0\x01a\xff\xff").unwrap_err();
        assert_eq!(error, BoxError::BoxTooLong { seen: 65_542, limit: 100 });
    }

    #[test]
    fn an_empty_box_is_a_box() {
        assert!(limited(2, 0, b"\0\0").unwrap().unwrap().is_empty());
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        let bytes = AmpBox::from_pairs([("a", "13"), ("b", ""), ("c", "81")]).unwrap().to_bytes();
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::new(BoxLimits::default());
            let mut buffer = BytesMut::from(&bytes[..cut]);
            assert!(decoder.decode(&mut buffer).unwrap().is_none());
            // Whoever looked at these lengths again would refuse them.
            for pair in &decoder.index {
                let key = pair.key as usize;
                let value = key + usize::from(pair.key_len) + 2;
                buffer[key - 2..key].fill(0xff);
                buffer[value - 2..value].fill(0xff);
            }
            buffer.extend_from_slice(&bytes[cut..]);
            let ampbox = decoder.decode(&mut buffer).unwrap().expect("it is all there");
            assert_eq!(ampbox.to_bytes(), bytes, "cut at {cut}");
        }
    }
}
