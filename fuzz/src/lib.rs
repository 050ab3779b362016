//! What several fuzzers need.

pub mod types;

/// What a fuzzer has made, which is read from its beginning.
#[derive(Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte, or `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next byte as a number.
    pub fn number(&mut self) -> Option<usize> {
        self.byte().map(usize::from)
    }

    /// So many bytes, or those that there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Runs a future on this thread. Time passes while nothing else is to be done, as fast as it can.
///
/// # Panics
///
/// When there can be no runtime.
pub fn in_virtual_time<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(future)
}
