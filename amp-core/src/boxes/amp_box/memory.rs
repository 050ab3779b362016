//! How much memory boxes keep, and copies that keep less.

#[cfg(feature = "tokio")]
use bytes::Bytes;

#[cfg(feature = "tokio")]
use super::Form;
use super::{AmpBox, View};

/// From this size on, in bytes, a box that is [kept](AmpBox::kept) shares the buffer that it was read into.
/// While values keep many buffers, those have four times that.
#[cfg(feature = "tokio")]
const LEAST_SHARED: usize = 4 << 10;

impl AmpBox {
    /// Returns how many bytes the box was received with.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.bytes().len()
    }

    /// Returns how many bytes the box keeps in memory beside what it is itself: those that it was received with,
    /// and an index of its pairs, which may take more than they do.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        match self.view() {
            View::Plain(data) => data.len(),
            View::Indexed(indexed) => indexed.memory(),
        }
    }

    /// Returns how many bytes an index of the pairs takes.
    #[inline]
    pub(crate) fn index_size(&self) -> usize {
        match self.view() {
            View::Plain(_) => 0,
            View::Indexed(indexed) => size_of_val(indexed.index()),
        }
    }

    /// Creates a copy for a call that may wait: it keeps no received buffer in memory that is much larger than
    /// the box.
    #[cfg(feature = "tokio")]
    pub(crate) fn kept(&self) -> Self {
        if self.bytes().len() < LEAST_SHARED { self.unshared() } else { self.clone() }
    }

    /// Creates a copy that does not keep the received buffer in memory, which is larger than the
    /// box.
    #[cfg(feature = "tokio")]
    pub(crate) fn unshared(&self) -> Self {
        let form = match &self.form {
            Form::Small(data) => Form::Small(data.clone()),
            Form::Plain(data) => Form::Plain(Bytes::copy_from_slice(data)),
            Form::Indexed(indexed) => Form::Indexed(Box::new(indexed.unshared())),
        };
        Self { form }
    }
}
