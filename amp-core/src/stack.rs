//! The stack that decoding and encoding take.
//!
//! The depth to which values nest is for the peer to choose, within a limit; how large the frames
//! of one level are is for the compiler, and without optimisation they are large. So both are
//! bounded.

use std::hint::black_box;
use std::ptr;

/// The bytes of stack that the values inside of a box may take: half of the 2 MiB that a thread has
/// by default of `std` and of tokio, or of the 1 MiB of a program's first thread on Windows.
pub(crate) const MAX_STACK: usize = if cfg!(windows) { 512 << 10 } else { 1 << 20 };

/// About where the stack is.
#[inline(never)]
pub(crate) fn position() -> usize {
    let here = 0_u8;
    ptr::from_ref(black_box(&here)).addr()
}

/// Returns whether more of the stack was taken since `base` than may be.
pub(crate) fn is_exhausted(base: usize) -> bool {
    position().abs_diff(base) > MAX_STACK
}
