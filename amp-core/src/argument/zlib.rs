//! Compressed arguments: the whole value as a zlib stream, as in MAAS.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

use super::wrapper::wrapper;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// Another argument, whose value is compressed with zlib, as in MAAS.
///
/// What decoding takes in memory has a limit ([`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes)), and both the
/// inflated bytes and the values that are read from them count. By default this is 4 MiB, or 18 times the length of the
/// box if that is more. That is enough for a text of 1.9 MiB, and for as many leases as fit into a value of MAAS. Rows
/// with many fields that are empty take the most: a row takes the size of its struct in memory, however short it is on
/// the wire. If peers send more, raise the limit on the side that reads. What is sent has no limit here.
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
///     log: Numbered<Zlib<String>>,
/// }
///
/// let addresses = (0..1000).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
/// let leases = Leases { addresses: Zlib(addresses), log: Zlib(String::new()).into() };
/// let bytes = leases.encode()?;
/// assert!(bytes.len() < 4000);
/// assert_eq!(Leases::decode(bytes)?.addresses.len(), 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zlib<T>(pub T);

wrapper!(Zlib);

impl<T: Argument> Argument for Zlib<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        write_deflated(proto, out, |proto, out| self.0.to_string_proto(proto, out))
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        // There are streams that inflate to themselves.
        proto.nested(|proto| read_inflated(&[value], proto, T::from_string_proto)).map(Self)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.of::<T>().in_form("Zlib")
    }
}

/// The least room, in bytes, that is made to inflate into.
const ROOM: usize = 4096;

/// What inflating itself takes, in bytes.
const STATE: usize = 48 << 10;

/// What each stream takes of the budget beside what it inflates to. A stream of a few bytes takes
/// microseconds to begin, so this bounds the time.
const BEGIN: usize = 1 << 10;

/// Compresses `plain` as a whole.
pub(super) fn compress(plain: &[u8], level: Compression) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(plain).and_then(|()| encoder.finish()).map_err(EncodeError::custom)
}

/// Compresses what `write` writes.
pub(crate) fn write_deflated(
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
    write: impl FnOnce(&mut Proto<'_>, &mut ValueWriter<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut plain = BytesMut::new();
    proto.nested(|proto| write(proto, &mut ValueWriter::new(&mut plain)))?;
    out.put_slice(&compress(&plain, Compression::default())?);
    Ok(())
}

/// Inflates `parts`, each of which is a stream of its own, and has `read` read what they are
/// together.
pub(crate) fn read_inflated<T>(
    parts: &[Value<'_>],
    proto: &mut Proto<'_>,
    read: impl FnOnce(Value<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let plain = inflate(parts, proto)?;
    let read = read(Value::from(&plain), proto);
    proto.done_with(&plain);
    read
}

/// Inflates `parts`, each of which is a stream of its own, one after another.
fn inflate(parts: &[Value<'_>], proto: &mut Proto<'_>) -> Result<Bytes, DecodeError> {
    let mut inflater = if let Some(inflater) = proto.inflater.take() {
        inflater
    } else {
        proto.spend(STATE)?;
        Box::new(Decompress::new(true))
    };
    let mut plain = Vec::new();
    let all = parts.iter().try_for_each(|part| {
        proto.spend(BEGIN)?;
        inflater.reset(true);
        inflate_part(*part, &mut inflater, &mut plain, proto)
    });
    proto.inflater = Some(inflater);
    all?;
    proto.budget().give_back(plain.capacity() - plain.len());
    // It may be kept for long, and there may be many of them.
    plain.shrink_to_fit();
    Ok(plain.into())
}

/// What was inflated stays spent when it is refused: the next value of a list may be read all the
/// same.
///
/// Python ignores what follows the stream. Here it is an error, as it would be lost.
fn inflate_part(
    part: Value<'_>,
    decompress: &mut Decompress,
    plain: &mut Vec<u8>,
    proto: &mut Proto<'_>,
) -> Result<(), DecodeError> {
    let malformed = || DecodeError::malformed("a zlib stream", part);
    let mut rest = part.as_slice();
    loop {
        if plain.len() == plain.capacity() {
            make_room(plain, proto)?;
        }
        let (taken, made) = (decompress.total_in(), plain.len());
        let status = decompress.decompress_vec(rest, plain, FlushDecompress::None);
        let status = status.map_err(|_| malformed())?;
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

/// Moves what was inflated to a place of twice the size, or as large as may be. While it moves there
/// are both.
fn make_room(plain: &mut Vec<u8>, proto: &mut Proto<'_>) -> Result<(), DecodeError> {
    let before = plain.capacity();
    let after = (before * 2).max(ROOM).min(proto.budget().left());
    if after <= before {
        return Err(proto.budget().refuse());
    }
    proto.spend(after)?;
    plain.reserve_exact(after - plain.len());
    proto.budget().give_back(before);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        Carries, assert_malformed, assert_round_trip, decode, encode, from_ampbox, to_ampbox,
        try_encode,
    };
    use crate::argument::{Continued, DecodeErrorKind, EncodeErrorKind, NoAttachments, Numbered};
    use crate::argument::{Extensions, PeerAddress};

    /// What `zlib.compress` of Python gives for a text, at some level.
    const OF_PYTHON: [(&str, &[u8]); 4] = [
        ("", b"x\x9c\x03\x00\x00\x00\x00\x01"),
        ("hello hello hello hello", b"x\x9c\xcbH\xcd\xc9\xc9W\xc8@'\x01h\x03\x08\xb1"),
        ("hello", b"x\x01\x01\x05\x00\xfa\xffhello\x06,\x02\x15"),
        ("abcabcabc", b"x\xdaKLJN\x04#\x00\x11=\x03s"),
    ];

    #[test]
    fn the_values_of_one_box_have_a_budget_together() {
        let one = Zlib(vec![0_u8; 50_000]);
        let list = to_ampbox("a", &vec![one.clone(); 3]).unwrap();
        assert_eq!(from_ampbox::<Vec<Zlib<Vec<u8>>>>("a", &list).unwrap().len(), 3);
        let many = to_ampbox("a", &vec![Zlib(vec![true; 1000]); 50]).unwrap();
        let read = from_ampbox::<Vec<Zlib<Vec<bool>>>>("a", &many).unwrap();
        assert_eq!(read.len(), 50, "what was inflated is given back once it was read");
        let list = to_ampbox("a", &vec![one.clone(); 7]).unwrap();
        let error = from_ampbox::<Vec<Zlib<Vec<u8>>>>("a", &list).unwrap_err();
        let message = "what is decoded takes more than 262144 bytes of memory";
        assert_eq!(error.to_string(), format!("argument a[3]: {message}"));
        let inside = to_ampbox("a", &Zlib(vec![one; 7])).unwrap();
        let error = from_ampbox::<Zlib<Vec<Zlib<Vec<u8>>>>>("a", &inside).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooMuchMemory { .. }), "{error}");
    }

    #[test]
    fn the_streams_of_one_box_are_counted() {
        let many = |count| to_ampbox("a", &vec![Zlib(Vec::<u8>::new()); count]).unwrap();
        assert!(from_ampbox::<Vec<Zlib<Vec<u8>>>>("a", &many(200)).is_ok());
        let error = from_ampbox::<Vec<Zlib<Vec<u8>>>>("a", &many(300)).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooMuchMemory { .. }), "{error}");
    }

    #[test]
    fn values_that_are_refused_count_too() {
        let too_long = encode(&Zlib(vec![0_u8; 1 << 20]));
        let list = encode(&vec![Bytes::from(too_long); 50]);
        let (address, extensions) = (PeerAddress::Unknown, Extensions::default());
        let mut attachments = Carries;
        let mut proto = Proto::new(&mut attachments, &address, &extensions);
        let value = Value::from(&list[..]);
        let read = Vec::<Zlib<Bytes>>::from_string_proto(value, &mut proto);
        assert!(matches!(read.unwrap_err().kind(), DecodeErrorKind::TooMuchMemory { .. }));
        assert!(proto.budget().left() < ROOM, "what is left does not do for another one");
    }

    #[test]
    fn what_python_compressed_is_read() {
        for (text, compressed) in OF_PYTHON {
            assert_eq!(decode::<Zlib<String>>(compressed).unwrap().0, text);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let whole = encode(&Zlib("hello hello".repeat(1000)));
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
    fn the_budget_is_named_and_can_be_raised() {
        for len in [0_usize, 1, 4095, 4096, 4097, 10_000, 100_000] {
            let value = Zlib(vec![0_u8; len]);
            let ampbox = to_ampbox("a", &value).unwrap();
            assert_eq!(from_ampbox::<Zlib<Vec<u8>>>("a", &ampbox).unwrap(), value);
        }
        let seventeen = to_ampbox("a", &Zlib(vec![0_u8; 17 << 20])).unwrap();
        assert!(seventeen.size() < 65_535, "which fits into one value");
        let error = from_ampbox::<Zlib<Vec<u8>>>("a", &seventeen).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooMuchMemory { .. }), "{error}");
        let (address, extensions) = (PeerAddress::Unknown, Extensions::default());
        for (decoded_bytes, fits) in [(30 << 20, false), (70 << 20, true), (usize::MAX, true)] {
            let mut none = NoAttachments;
            let proto = Proto::new(&mut none, &address, &extensions);
            let mut proto = proto.with_decoded_bytes(decoded_bytes);
            proto.begin(&seventeen);
            let value = seventeen.value("a").unwrap();
            let read = Zlib::<Vec<u8>>::from_string_proto(value, &mut proto);
            assert_eq!(read.is_ok(), fits, "{decoded_bytes}");
        }
    }

    #[test]
    fn a_short_value_keeps_little_memory() {
        let hello = Value::from(OF_PYTHON[2].1);
        let read = Proto::detached(|proto| inflate(&[hello], proto)).unwrap();
        assert_eq!(read.try_into_mut().unwrap().capacity(), 5);
    }

    #[test]
    fn a_bomb_is_not_inflated_beyond_the_budget() {
        // The same megabyte of zeros 16 384 times: 16 GiB.
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        encoder.flush().unwrap();
        let (header, zeros) = encoder.get_ref().split_at(2);
        let bomb = [header, &zeros.repeat(1 << 14)].concat();
        let ampbox = to_ampbox("a", &Numbered(bomb)).unwrap();
        let error = from_ampbox::<Numbered<Zlib<Bytes>>>("a", &ampbox).unwrap_err();
        let limit = ampbox.size() * 18;
        let message =
            format!("argument a: what is decoded takes more than {limit} bytes of memory");
        assert_eq!(error.to_string(), message);
    }

    /// A type that contains itself, compressed.
    #[derive(Debug)]
    struct Matryoshka(Option<Box<Zlib<Matryoshka>>>);

    impl Argument for Matryoshka {
        fn to_string_proto(
            &self,
            proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            self.0.as_ref().map_or(Ok(()), |inner| inner.to_string_proto(proto, out))
        }

        fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
            let inner = if value.is_empty() { None } else { Some(value) };
            let inner = inner.map(|value| Box::from_string_proto(value, proto));
            inner.transpose().map(Self)
        }
    }

    #[test]
    fn a_peer_does_not_choose_how_often_a_value_is_compressed() {
        let nested = |depth| {
            (0..depth).fold(Matryoshka(None), |inner, _| Matryoshka(Some(Box::new(Zlib(inner)))))
        };
        let wire = encode(&nested(64));
        assert!(decode::<Matryoshka>(&wire).unwrap().0.is_some());
        let more = compress(&wire, Compression::default()).unwrap();
        let error = decode::<Matryoshka>(&more).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }), "{error}");
        let error = try_encode(&nested(65)).unwrap_err();
        assert!(matches!(error.kind(), EncodeErrorKind::TooDeep { limit: 64 }), "{error}");
    }

    #[test]
    fn it_goes_inside_of_lists_and_of_several_keys() {
        assert_round_trip(&vec![Zlib("a".to_owned()), Zlib(String::new())]);
        let noise: Vec<u8> =
            (0..200_000_u32).map(|n| (n.wrapping_mul(n) / 7).to_le_bytes()[1]).collect();
        let numbered = Numbered(Zlib(noise.clone()));
        let ampbox = to_ampbox("a", &numbered).unwrap();
        assert!(ampbox.len() > 1, "it hardly gets shorter");
        assert!(from_ampbox::<Numbered<Zlib<_>>>("a", &ampbox).unwrap() == numbered);
        let continued = Continued(Zlib(noise));
        let ampbox = to_ampbox("a", &continued).unwrap();
        assert!(from_ampbox::<Continued<Zlib<_>>>("a", &ampbox).unwrap() == continued);
    }

    proptest! {
        #[test]
        fn any_value_comes_back(list: Vec<String>, len in 0..100_000_usize, byte: u8) {
            assert_round_trip(&Zlib(list));
            assert_round_trip(&Zlib(vec![byte; len]));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode::<Zlib<Vec<u8>>>(&bytes);
            let _ = decode::<Zlib<Vec<u8>>>(&[b"x\x9c", &bytes[..]].concat());
        }
    }
}
