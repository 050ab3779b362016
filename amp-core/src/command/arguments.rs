use bytes::Bytes;

use crate::argument::{DecodeError, DecodeErrorKind, EncodeError, Proto, read_keys};
use crate::boxes::{AmpBox, BoxLimits, BoxReader, BoxWriter, Found};
use crate::command::names::Names;
use crate::keys;
use crate::proto::{Body, Scratch};
use crate::schema::{BoxSchema, WireTypes};

/// Named arguments: a command's, a response's, the elements' of an `AmpList`, or a group that
/// several commands share.
///
/// Derive it; `#[derive(Command)]` implements it too.
///
/// ```
/// use amp_core::Arguments;
///
/// #[derive(Arguments, Debug, PartialEq)]
/// struct Point {
///     x: i64,
///     y: f64,
///     label: Option<String>,
/// }
///
/// let point = Point { x: 1, y: 0.5, label: None };
/// let bytes = point.encode()?;
/// assert_eq!(&bytes[..], b"\0\x01x\0\x011\0\x01y\0\x030.5\0\0");
/// assert_eq!(Point::decode(bytes)?, point);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of named AMP arguments",
    label = "cannot be the contents of a box",
    note = "derive it: `#[derive(amp_core::Arguments)]`"
)]
pub trait Arguments: Sized {
    /// Says whether a box is refused that has a key beside these arguments and the protocol's own.
    /// A connection may be told to refuse all such boxes: see
    /// [`UnknownKeys`](crate::argument::UnknownKeys).
    ///
    /// It is asked of what a box is read as, not of what is flattened into that.
    const IS_STRICT: bool = false;

    /// The names of the arguments, so that the compiler refuses two of one name in a box. Where it is
    /// not known, as with arguments by hand, such a box cannot be encoded.
    #[doc(hidden)]
    const NAMES: &'static Names = Names::UNKNOWN;

    /// Writes each argument to the box.
    ///
    /// # Errors
    ///
    /// When a value cannot be written; the error names its argument.
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError>;

    /// Reads each argument from the box.
    ///
    /// # Errors
    ///
    /// When an argument is missing or its value is not what it must be; the error names it.
    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError>;

    /// Returns whether any of the arguments is in a box, which decides what an `Option` of them is that is
    /// flattened into others. Unless this is implemented, as the derive does, all of them are taken to be
    /// there.
    fn any_in(_input: &BoxReader<'_>) -> bool {
        true
    }

    /// Returns what the arguments are on the wire, for a [schema](crate::schema). Unless this is
    /// implemented, as the derive does, all that is known of them is the type's path in the
    /// program.
    fn schema(_types: &mut WireTypes) -> BoxSchema {
        BoxSchema::unknown::<Self>()
    }

    /// Returns the arguments as one box on the wire, for a queue or a database: without a
    /// connection.
    ///
    /// # Errors
    ///
    /// As [`write_to`](Arguments::write_to), where an argument needs a connection, and when the box is
    /// over the default [`BoxLimits`]: [`decode`](Arguments::decode) would refuse it.
    fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut body = Scratch::new();
        let Body { pairs, .. } = &mut *body;
        let mut writer = BoxWriter::new(pairs);
        Proto::detached(|proto| self.write_to(&mut writer, proto))?;
        let count = writer.pairs();
        writer.end()?;
        BoxLimits::default().check(pairs.len(), count)?;
        // What is kept for long is not kept in a buffer that is larger.
        Ok(Bytes::copy_from_slice(pairs))
    }

    /// Reads what [`encode`](Arguments::encode) has written: one box and nothing behind it.
    ///
    /// What is made of the bytes may take any memory: a compressed value a thousand times its
    /// length. For bytes that others may have written there is
    /// [`decode_within`](Arguments::decode_within).
    ///
    /// # Errors
    ///
    /// As [`read_from`](Arguments::read_from), and when the bytes are not one box within the
    /// default [`BoxLimits`].
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::decode_within(bytes, usize::MAX)
    }

    /// Reads one box and nothing behind it, as a connection does whose
    /// [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes) are these: what is made of it takes
    /// so many bytes of memory at most, or 18 for each of its own if that is more.
    ///
    /// # Errors
    ///
    /// As [`decode`](Arguments::decode), and when it would take more.
    fn decode_within(bytes: Bytes, decoded_bytes: usize) -> Result<Self, DecodeError> {
        let found = Found::first(&bytes, BoxLimits::default())?;
        if found.end < bytes.len() {
            return Err(DecodeErrorKind::Trailing { len: bytes.len() - found.end }.into());
        }
        let ampbox = AmpBox::found(&found, bytes);
        Proto::detached_within(decoded_bytes, |proto| read_arguments(&ampbox, proto))
    }
}

/// Reads all that is in `ampbox`: the one place that knows which keys are left over.
#[inline]
pub(crate) fn read_arguments<T: Arguments>(
    ampbox: &AmpBox,
    proto: &mut Proto<'_>,
) -> Result<T, DecodeError> {
    read_keys(ampbox, proto, T::IS_STRICT, T::read_from)
}

/// No arguments at all.
impl Arguments for () {
    fn write_to(&self, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }

    fn schema(_: &mut WireTypes) -> BoxSchema {
        BoxSchema::new()
    }
}

/// Any arguments, as they are on the wire.
impl Arguments for AmpBox {
    fn write_to(&self, out: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(out.put_box(self)?)
    }

    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        proto.leave_values();
        let mut all = input.take_all().clone();
        for key in keys::RESERVED {
            all.remove(key);
        }
        Ok(all)
    }

    fn schema(_: &mut WireTypes) -> BoxSchema {
        BoxSchema::unknown_type("AmpBox")
    }
}
