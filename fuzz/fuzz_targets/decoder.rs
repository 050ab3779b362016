//! Bytes are the same boxes however they are cut, and the boxes are what they say.

#![no_main]

use amp_core::AmpBox;
use amp_core::boxes::{BoxError, BoxLimits, Decoder};
use amp_fuzz::Input;
use bytes::BytesMut;
use std::collections::BTreeMap;

/// The boxes in pieces of bytes, and the error that ends them.
fn decode<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: BoxLimits,
) -> (Vec<AmpBox>, Option<BoxError>) {
    let mut decoder = Decoder::new(limits);
    let (mut buffer, mut boxes) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(ampbox)) => boxes.push(ampbox),
                Ok(None) => break,
                Err(error) => return (boxes, Some(error)),
            }
        }
        let needed = decoder.needed();
        assert!(needed > buffer.len(), "{needed} are needed where {} are there", buffer.len());
    }
    (boxes, None)
}

fn check(ampbox: &AmpBox, limits: BoxLimits) {
    let bytes = ampbox.to_bytes();
    assert_eq!(bytes.len(), ampbox.encoded_len());
    assert!(bytes.len() <= limits.max_bytes && ampbox.len() <= limits.max_pairs);
    assert_eq!(AmpBox::parse(&mut bytes.clone(), limits).as_ref(), Ok(ampbox));

    // Whichever of several values counts, all ways agree.
    let pairs: BTreeMap<&[u8], &[u8]> = ampbox.iter().collect();
    assert_eq!(pairs.len(), ampbox.len(), "a key is there once");
    for (key, value) in &pairs {
        assert_eq!(ampbox.get(key), Some(*value));
        assert!(ampbox.contains_key(key));
    }
    let again = AmpBox::from_pairs(pairs.clone()).expect("what was received can be sent");
    assert_eq!(&again, ampbox);

    // What is taken out is gone, and nothing else is.
    let mut rest = ampbox.clone();
    for (at, (key, value)) in pairs.iter().enumerate() {
        assert_eq!(rest.get(key), Some(*value));
        assert!(rest.remove(key));
        assert_eq!((rest.get(key), rest.len()), (None, pairs.len() - at - 1));
    }
    assert!(rest.is_empty());
    for (key, value) in &pairs {
        assert_eq!(rest.insert(key, value), Ok(false));
    }
    assert_eq!(&rest, ampbox);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some(first) = input.number() else { return };
    let limits = match first & 0x3 {
        0 => BoxLimits::default(),
        few => BoxLimits::default().max_bytes(20 * few + first / 4).max_pairs(few),
    };
    let cuts = input.take(first / 4 % 16);
    let bytes = input.0;
    let (boxes, error) = decode(std::iter::once(bytes), limits);
    let mut rest = Input(bytes);
    let lengths = cuts.iter().map(|cut| usize::from(*cut) % 32).chain([bytes.len()]);
    let cut = decode(lengths.map(|length| rest.take(length)), limits);
    let one_by_one = decode(bytes.chunks(1), limits);
    for (others, other_error) in [cut, one_by_one] {
        assert_eq!(boxes, others);
        assert_eq!(error.is_some(), other_error.is_some(), "{error:?} and {other_error:?}");
    }
    for ampbox in &boxes {
        check(ampbox, limits);
    }
});
