//! Compressed arguments: the whole value as a zlib stream, as in MAAS.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

use super::wrapper::wrapper;
use super::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// An argument whose value is compressed: a zlib stream of the value that it would have without
/// this wrapper.
///
/// A received value may inflate to at most `LIMIT` bytes, 16 MiB by default; it is refused as soon
/// as it goes beyond. All compressed values of one box, those in lists and inside of each other
/// too, may inflate to 64 MiB together, or to `LIMIT` if that is more. What is sent has no limit
/// here.
///
/// The compressed value still has to fit into 65 535 bytes. Where it might not, spread it over
/// several keys: `Numbered<Zlib<T>>`.
///
/// ```
/// use amp_core::Arguments;
/// use amp_core::argument::{Numbered, Zlib};
///
/// #[derive(Arguments)]
/// struct Leases {
///     addresses: Zlib<Vec<String>>,
///     log: Numbered<Zlib<String, { 64 << 20 }>>,
/// }
///
/// let addresses = vec!["10.0.0.1".to_owned(); 10_000];
/// let leases = Leases { addresses: addresses.into(), log: Zlib(String::new()).into() };
/// let bytes = leases.encode()?;
/// assert!(bytes.len() < 1000);
/// assert_eq!(Leases::decode(bytes)?.addresses.len(), 10_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zlib<T, const LIMIT: usize = 16_777_216>(pub T);

wrapper!(Zlib, const LIMIT);

impl<T: Argument, const LIMIT: usize> Argument for Zlib<T, LIMIT> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let mut plain = BytesMut::new();
        self.0.to_string_proto(proto, &mut ValueWriter::new(&mut plain))?;
        out.put_slice(&compress(&plain, Compression::default())?);
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let left = MAX_TOGETHER.max(LIMIT).saturating_sub(proto.inflated);
        let plain = inflate(&[value], LIMIT.min(left), &mut proto.inflated)?;
        T::from_string_proto(Value::from(&plain), proto).map(Self)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.of::<T>().in_form("Zlib")
    }
}

/// What the values of one box may inflate to, in bytes: without it, a list of values that are a few
/// bytes each, or values inside of values, would multiply their limits.
pub(super) const MAX_TOGETHER: usize = 64 << 20;

/// The least room, in bytes, that is made to inflate into.
const ROOM: usize = 4096;

/// Compresses `plain` as a whole.
pub(super) fn compress(plain: &[u8], level: Compression) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(plain).and_then(|()| encoder.finish()).map_err(EncodeError::custom)
}

/// Inflates `parts`, each of which is a stream of its own, one after another.
///
/// Takes at most three times `limit` of memory, while what there is moves to a larger place.
///
/// What was inflated is added to `inflated`, also when it is refused: the next value of a list may
/// be read all the same.
pub(super) fn inflate(
    parts: &[Value<'_>],
    limit: usize,
    inflated: &mut usize,
) -> Result<Bytes, DecodeError> {
    let mut plain = Vec::new();
    let mut decompress = Decompress::new(true);
    for part in parts {
        decompress.reset(true);
        let made = plain.len();
        let read = inflate_part(*part, &mut decompress, limit, &mut plain);
        *inflated += plain.len() - made;
        read?;
    }
    // It may be kept for long, and there may be many of them.
    plain.shrink_to_fit();
    Ok(plain.into())
}

/// Python ignores what follows the stream. Here it is an error, as it would be lost.
fn inflate_part(
    part: Value<'_>,
    decompress: &mut Decompress,
    limit: usize,
    plain: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let malformed = || DecodeError::malformed("a zlib stream", part);
    let mut rest = part.as_slice();
    loop {
        // One byte above the limit tells whether there are more.
        let allowed = limit.saturating_add(1) - plain.len();
        plain.reserve_exact(plain.len().max(ROOM).min(allowed));
        let (taken, made) = (decompress.total_in(), plain.len());
        let status = decompress.decompress_vec(rest, plain, FlushDecompress::None);
        let status = status.map_err(|_| malformed())?;
        if plain.len() > limit {
            return Err(DecodeErrorKind::TooLong { limit }.into());
        }
        // All of `rest` is in memory, so what was taken of it is a `usize` too.
        let taken = usize::try_from(decompress.total_in() - taken).unwrap_or(rest.len());
        rest = &rest[taken..];
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(()),
            Status::StreamEnd => return Err(malformed()),
            // There was room, so the stream is cut short.
            _ if taken == 0 && plain.len() == made => return Err(malformed()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_malformed, assert_round_trip, decode, encode, from_ampbox, to_ampbox,
    };
    use crate::argument::{Attachment, AttachmentKind, Attachments, Extensions, PeerAddress};
    use crate::argument::{Continued, Numbered};

    /// What `zlib.compress` of Python gives for a text, at some level.
    const OF_PYTHON: [(&str, &[u8]); 4] = [
        ("", b"x\x9c\x03\x00\x00\x00\x00\x01"),
        ("hello hello hello hello", b"x\x9c\xcbH\xcd\xc9\xc9W\xc8@'\x01h\x03\x08\xb1"),
        ("hello", b"x\x01\x01\x05\x00\xfa\xffhello\x06,\x02\x15"),
        ("abcabcabc", b"x\xdaKLJN\x04#\x00\x11=\x03s"),
    ];

    #[test]
    fn the_values_of_one_box_have_a_limit_together() {
        type Large = Zlib<Bytes, { 16 << 20 }>;
        let one = Large::from(Bytes::from(vec![0; 16 << 20]));
        assert_eq!(decode::<Vec<Large>>(&encode(&vec![one.clone(); 3])).unwrap().len(), 3);
        let list = encode(&Zlib::<Vec<Large>>::from(vec![one; 5]));
        let error = decode::<Zlib<Vec<Large>>>(&list).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooLong { .. }), "{error}");
    }

    /// A connection that carries attachments reads on behind an element that it refuses.
    struct Carries;

    impl Attachments for Carries {
        fn kind(&self) -> Option<AttachmentKind> {
            Some(AttachmentKind::of::<()>("nothing"))
        }

        fn attach(&mut self, _: Attachment) -> Result<u64, EncodeError> {
            Err(EncodeError::not_carried("nothing"))
        }

        fn claim(&mut self, _: u64) -> Result<Attachment, DecodeError> {
            Err(DecodeError::not_carried("nothing"))
        }
    }

    #[test]
    fn values_that_are_refused_count_too() {
        let too_long = encode(&Zlib::<Bytes>(vec![0; (1 << 20) + 1].into()));
        let list = encode(&Zlib::<Vec<Bytes>>(vec![too_long.into(); 200]));
        let (address, extensions) = (PeerAddress::Unknown, Extensions::default());
        let mut attachments = Carries;
        let mut proto = Proto::new(&mut attachments, &address, &extensions);
        let value = Value::from(&list[..]);
        let read = Zlib::<Vec<Zlib<Bytes, { 1 << 20 }>>>::from_string_proto(value, &mut proto);
        assert!(matches!(read.unwrap_err().kind(), DecodeErrorKind::TooLong { limit: 1_048_576 }));
        let most = MAX_TOGETHER + 200;
        assert!((MAX_TOGETHER..=most).contains(&proto.inflated), "{} bytes", proto.inflated);
    }

    #[test]
    fn what_python_compressed_is_read() {
        for (text, compressed) in OF_PYTHON {
            assert_eq!(decode::<Zlib<String>>(compressed).unwrap().0, text);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let whole = encode::<Zlib<String>>(&Zlib("hello hello".repeat(1000)));
        for end in 0..whole.len() {
            assert_malformed::<Zlib<String>>(&whole[..end], "a zlib stream");
        }
        assert_malformed::<Zlib<String>>(&[&whole[..], b"x"].concat(), "a zlib stream");
        assert_malformed::<Zlib<String>>(b"hello", "a zlib stream");
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_malformed::<Zlib<String>>(&damaged, "a zlib stream");
        assert_malformed::<Zlib<i64>>(OF_PYTHON[2].1, "an Integer");
    }

    #[test]
    fn the_limit_is_exact_and_names_itself() {
        for len in [0_usize, 1, 4095, 4096, 4097, 10_000] {
            let compressed = encode::<Zlib<Vec<u8>>>(&Zlib(vec![0; len]));
            let read = inflate(&[Value::from(&compressed[..])], len, &mut 0).unwrap();
            assert_eq!(read.len(), len);
            if len > 0 {
                let error = inflate(&[Value::from(&compressed[..])], len - 1, &mut 0).unwrap_err();
                let message = format!("the value inflates to more than {} bytes", len - 1);
                assert_eq!(error.to_string(), message);
            }
        }
        let seventeen = encode::<Zlib<Vec<u8>>>(&Zlib(vec![0; 17 << 20]));
        assert!(seventeen.len() < 65_535, "which fits into one value");
        let error = decode::<Zlib<Vec<u8>>>(&seventeen).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooLong { limit: 16_777_216 }));
        assert!(decode::<Zlib<Vec<u8>, { 17 << 20 }>>(&seventeen).is_ok());
        assert!(decode::<Zlib<Vec<u8>, { usize::MAX }>>(&seventeen).is_ok());
    }

    #[test]
    fn a_short_value_keeps_little_memory() {
        let read = inflate(&[Value::from(OF_PYTHON[2].1)], 16_777_216, &mut 0).unwrap();
        assert_eq!(read.try_into_mut().unwrap().capacity(), 5);
    }

    #[test]
    fn a_bomb_is_not_inflated_beyond_the_limit() {
        // The same megabyte of zeros 16 384 times: 16 GiB.
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        encoder.flush().unwrap();
        let (header, zeros) = encoder.get_ref().split_at(2);
        let bomb = [header, &zeros.repeat(1 << 14)].concat();
        let ampbox = to_ampbox("a", &Numbered(bomb)).unwrap();
        let error = from_ampbox::<Numbered<Zlib<Bytes>>>("a", &ampbox).unwrap_err();
        let message = "argument a: the value inflates to more than 16777216 bytes";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn it_goes_inside_of_lists_and_of_several_keys() {
        assert_round_trip(&vec![Zlib::<_, 100>("a".to_owned()), Zlib(String::new())]);
        let noise: Vec<u8> =
            (0..200_000_u32).map(|n| (n.wrapping_mul(n) / 7).to_le_bytes()[1]).collect();
        let numbered = Numbered(Zlib::<_, 200_000>(noise.clone()));
        let ampbox = to_ampbox("a", &numbered).unwrap();
        assert!(ampbox.len() > 1, "it hardly gets shorter");
        assert!(from_ampbox::<Numbered<Zlib<_, 200_000>>>("a", &ampbox).unwrap() == numbered);
        let continued = Continued(Zlib::<_, 200_000>(noise));
        let ampbox = to_ampbox("a", &continued).unwrap();
        assert!(from_ampbox::<Continued<Zlib<_, 200_000>>>("a", &ampbox).unwrap() == continued);
    }

    proptest! {
        #[test]
        fn any_value_comes_back(list: Vec<String>, len in 0..100_000_usize, byte: u8) {
            assert_round_trip(&Zlib::<_, 1_000_000>(list));
            assert_round_trip(&Zlib::<_, 100_000>(vec![byte; len]));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode::<Zlib<Vec<u8>>>(&bytes);
            let _ = decode::<Zlib<Vec<u8>>>(&[b"x\x9c", &bytes[..]].concat());
        }
    }
}
