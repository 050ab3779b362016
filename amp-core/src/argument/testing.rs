//! What the tests of the argument types share.

#[path = "../../tests/support/effort.rs"]
mod effort;

use std::fmt::Debug;

use bytes::{BufMut, BytesMut};

use super::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
use super::{Attachment, AttachmentKind, Attachments, Extensions, NoAttachments, PeerAddress};
use crate::boxes::{AmpBox, BoxLimits, BoxReader, BoxWriter, Value, ValueWriter};

pub(super) use effort::assert_linear;
#[cfg(feature = "num-bigint")]
pub(super) use effort::assert_quadratic;

pub(super) fn try_encode<T: Argument>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = BytesMut::new();
    let mut writer = ValueWriter::new(&mut out);
    Proto::detached(|proto| value.to_string_proto(proto, &mut writer))?;
    Ok(out.into())
}

pub(super) fn encode<T: Argument>(value: &T) -> Vec<u8> {
    try_encode(value).expect("the value has a form on the wire")
}

pub(super) fn decode<T: Argument>(bytes: &[u8]) -> Result<T, DecodeError> {
    Proto::detached(|proto| T::from_string_proto(Value::from(bytes), proto))
}

/// The box whose only argument is `value`.
pub(super) fn to_ampbox<T: Argument>(name: &str, value: &T) -> Result<AmpBox, EncodeError> {
    let mut out = BytesMut::new();
    let mut writer = BoxWriter::new(&mut out);
    Proto::detached(|proto| value.to_box(name, &mut writer, proto))?;
    writer.finish()?;
    out.put_u16(0);
    let limits = BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX };
    Ok(AmpBox::parse(&mut out.freeze(), limits).expect("a box was written"))
}

/// Reads the argument of a box from which 256 KiB of memory may be made, if it is small.
pub(super) fn from_ampbox<T: Argument>(name: &str, ampbox: &AmpBox) -> Result<T, DecodeError> {
    let (mut none, data) = (NoAttachments, Extensions::default());
    let mut proto =
        Proto::new(&mut none, &PeerAddress::Unknown, &data).with_decoded_bytes(256 << 10);
    proto.begin(ampbox);
    T::from_box(name, &mut BoxReader::new(ampbox), &mut proto)
}

/// `value` is written as `wire`, and read from it.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "most values are made where they are passed")]
pub(super) fn assert_wire<T: Argument + PartialEq + Debug>(value: T, wire: impl AsRef<[u8]>) {
    let wire = wire.as_ref();
    assert_eq!(encode(&value).escape_ascii().to_string(), wire.escape_ascii().to_string());
    assert_eq!(decode::<T>(wire).unwrap(), value);
}

/// What is written for `value` is read as `value`.
#[track_caller]
pub(super) fn assert_round_trip<T: Argument + PartialEq + Debug>(value: &T) {
    assert_eq!(decode::<T>(&encode(value)).unwrap(), *value);
}

#[track_caller]
pub(super) fn assert_malformed<T: Argument + Debug>(bytes: &[u8], what: &str) {
    let error = decode::<T>(bytes).unwrap_err();
    match error.kind() {
        DecodeErrorKind::Malformed { expected, .. } => assert_eq!(*expected, what),
        _ => panic!("{:?} is refused with {error}", bytes.escape_ascii().to_string()),
    }
}

#[track_caller]
pub(super) fn assert_out_of_range<T: Argument + Debug>(bytes: &[u8], rust_type: &str) {
    let error = decode::<T>(bytes).unwrap_err();
    match error.kind() {
        DecodeErrorKind::OutOfRange { expected, .. } => assert_eq!(*expected, rust_type),
        _ => panic!("{:?} is refused with {error}", bytes.escape_ascii().to_string()),
    }
}

/// A connection that carries attachments: what it refuses is read to the end all the same.
pub(super) struct Carries;

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
#[should_panic(expected = "should take 1")]
fn what_is_quadratic_is_not_linear() {
    let pairs = |bytes: &Vec<u8>| {
        let equal = |byte: &u8| bytes.iter().map(|other| usize::from(other == byte)).sum::<usize>();
        assert_eq!(bytes.iter().map(equal).sum::<usize>(), bytes.len() * bytes.len());
    };
    assert_linear(1000, |len| vec![1; len], pairs);
}
