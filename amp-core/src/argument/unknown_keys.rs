/// The setting for received boxes with keys that belong to none of their arguments.
///
/// It is set for all boxes of a connection. Commands and other
/// [`Arguments`](crate::Arguments) that are [`IS_STRICT`](crate::Arguments::IS_STRICT) refuse such a
/// box, whatever the setting is. The keys of the protocol itself are never unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownKeys {
    /// The key is ignored, as in Twisted. So a newer peer can send more.
    #[default]
    Ignore,
    /// Decoding fails with [`DecodeErrorKind::UnknownKey`](super::DecodeErrorKind::UnknownKey),
    /// and so does the call, and no other.
    Reject,
}
