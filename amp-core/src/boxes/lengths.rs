/// The longest key, in bytes. A rule of the protocol: the first byte of a box is always NUL.
pub const MAX_KEY: usize = 255;

/// The longest value, in bytes. A rule of the protocol: its length is two bytes.
pub const MAX_VALUE: usize = 65_535;
