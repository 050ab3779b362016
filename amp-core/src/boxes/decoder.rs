use bytes::BytesMut;

use super::scan::Scan;
use super::{AmpBox, BoxError, BoxLimits};

/// Finds the boxes in a stream of bytes, however it is cut into pieces.
///
/// It remembers how far it has looked, so the work is linear in the bytes even when they come one at a time. Use one
/// decoder for one stream. After an error, do not use it any more: nothing says where the next box begins.
#[doc(alias("BinaryBoxProtocol", "parse"))]
#[derive(Debug)]
pub struct Decoder {
    scan: Scan,
}

impl Decoder {
    /// Creates a decoder that holds received boxes to `limits`.
    pub fn new(limits: BoxLimits) -> Self {
        Self { scan: Scan::new(limits) }
    }

    /// Forgets the box that has begun, whose bytes are gone.
    #[cfg(feature = "tokio")]
    pub(crate) fn begin_anew(&mut self) {
        self.scan.begin_anew();
    }

    /// Takes the next box off the front of `buffer`. The buffer must begin where the last box ended, and since the last
    /// call it must only have grown. `None` means that the box is not complete yet.
    ///
    /// # Errors
    ///
    /// When the bytes are not a box, or are a box over a limit. If that is certain earlier, the error comes before the
    /// box is complete.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<AmpBox>, BoxError> {
        let Some(found) = self.scan.next(buffer)? else { return Ok(None) };
        Ok(Some(AmpBox::take(&found, buffer)))
    }

    /// Returns where the next box ends, for a caller that wants its bytes as they came. `buffer` is as for
    /// [`decode`](Decoder::decode), and the caller takes the box off its front. `None` means that the box is not
    /// complete yet.
    ///
    /// # Errors
    ///
    /// As [`decode`](Decoder::decode).
    pub fn end_of_next(&mut self, buffer: &[u8]) -> Result<Option<usize>, BoxError> {
        Ok(self.scan.next(buffer)?.map(|found| found.end))
    }

    /// Returns how many bytes must be in the buffer before [`decode`](Decoder::decode) gets any further: the next pair of
    /// the box and the end behind it, as far as their lengths are known.
    pub fn needed(&self) -> usize {
        self.scan.needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const TWO: &[u8] = b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\0\0\0\0\x01b\0\x012\0\0";

    #[test]
    fn the_bytes_of_a_box_can_be_had_as_they_came() {
        let unsorted = b"\0\x01b\0\x012\0\x01a\0\x011\0\0\0\x01";
        let mut decoder = Decoder::new(BoxLimits::default());
        for cut in 0..14 {
            assert_eq!(decoder.end_of_next(&unsorted[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert_eq!(decoder.end_of_next(unsorted).unwrap(), Some(14));
        assert_eq!(decoder.end_of_next(&unsorted[14..]).unwrap(), None);
    }

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
        assert_eq!(limited(1000, 10, b"\x01").unwrap_err(), BoxError::KeyTooLong { len: 256 });
        assert_eq!(limited(1000, 10, b"\x01\x02").unwrap_err(), BoxError::KeyTooLong { len: 258 });
        let second = b"\0\x01a\0\0GET";
        assert_eq!(limited(1000, 10, second).unwrap_err(), BoxError::KeyTooLong { len: 0x4745 });
    }

    #[test]
    fn what_is_not_amp_is_named() {
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(60));
        let cut = format!("\"GET /{}...\" (74 bytes), as HTTP does", "x".repeat(35));
        for (bytes, begins) in [
            (&b"G"[..], r#""G""#),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", r#""GET / HTTP/1.1", as HTTP does"#),
            (b"HTTP/1.1 400 Bad Request\r\n", r#""HTTP/1.1 400 Bad Request", as HTTP does"#),
            (long.as_bytes(), &cut),
            (b"SSH-2.0-OpenSSH_9.6\r\n", r#""SSH-2.0-OpenSSH_9.6", as SSH does"#),
            (b"\x16\x03\x01\x02\0\x01", r#""\x16\x03\x01\x02\x00\x01", as TLS does"#),
            (b"\x15\x03\x03\0\x02\x02F", r#""\x15\x03\x03\x00\x02\x02F", as TLS does"#),
            (b"Traceback (most\n", r#""Traceback (most""#),
            (b"\xff\x1b[2J", r#""\xff\x1b[2J""#),
        ] {
            let error = limited(1000, 10, bytes).unwrap_err().to_string();
            assert_eq!(error, format!("not AMP: it begins with {begins}"));
        }
    }

    #[test]
    fn limits_are_exact_and_name_themselves() {
        let bytes = b"\0\x01a\0\x0213\0\x01b\0\x0281\0\0";
        assert!(limited(bytes.len(), 2, bytes).unwrap().is_some());
        let error = limited(bytes.len() - 1, 2, bytes).unwrap_err();
        assert_eq!(error.to_string(), "a box of at least 16 bytes is over the limit of 15");
        let error = limited(bytes.len(), 1, bytes).unwrap_err();
        assert_eq!(error.to_string(), "a box of at least 2 pairs is over the limit of 1");
        // Known before the value is there, and before it is all read.
        let error = limited(100, 9, b"\0\x01a\xff\xff").unwrap_err();
        assert_eq!(error, BoxError::BoxTooLong { seen: 65_542, limit: 100 });
    }

    #[test]
    fn an_empty_box_is_a_box() {
        assert!(limited(2, 0, b"\0\0").unwrap().unwrap().is_empty());
    }
}
