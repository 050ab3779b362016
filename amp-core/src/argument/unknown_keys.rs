/// The way to deal with a received box that has a key which none of its arguments knows.
///
/// It is set for all boxes of a connection. Commands and other
/// [`Arguments`](crate::Arguments) that are [`STRICT`](crate::Arguments::STRICT) refuse such a
/// box whatever the setting. The keys of the protocol itself are never unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownKeys {
    /// The key is ignored, as it is in Twisted; so a newer peer can send more.
    #[default]
    Ignore,
    /// Decoding fails with [`DecodeErrorKind::UnknownKey`](super::DecodeErrorKind::UnknownKey),
    /// and the one call does.
    Reject,
}
