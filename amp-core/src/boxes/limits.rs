/// The longest key, in bytes. A rule of the protocol: the first byte of a box is always NUL.
pub const MAX_KEY: usize = 255;

/// The longest value, in bytes. A rule of the protocol: its length is two bytes.
pub const MAX_VALUE: usize = 65_535;

/// How large a received box may be.
///
/// The protocol itself sets no end to a box, so a peer that never finishes one would fill the
/// memory. A box that goes over a limit is a [`BoxError`](crate::BoxError), which ends the
/// connection, since what follows cannot be made sense of.
///
/// Decoded, a box takes about as much memory as on the wire, with one exception: an element of an
/// `AmpList` whose arguments are all optional is two bytes on the wire, and the whole struct in
/// memory. Values of 65 535 bytes have at most 32 767 such elements each; where a list is spread
/// over several keys, `max_bytes` is what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxLimits {
    /// Bytes of one box on the wire, its lengths and its end included. 17 MiB by default: room
    /// for a value of 16 MiB spread over numbered keys.
    pub max_bytes: usize,
    /// Pairs of one box, those with reserved keys included. 16 384 by default.
    pub max_pairs: usize,
}

impl Default for BoxLimits {
    fn default() -> Self {
        Self { max_bytes: 17 << 20, max_pairs: 16_384 }
    }
}
