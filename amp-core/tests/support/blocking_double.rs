//! A stream that blocks, as a client has it that needs no runtime.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// A stream that gives what it was told to, and keeps what is written to it.
#[derive(Default)]
pub(crate) struct BlockingDouble {
    pub(crate) reads: VecDeque<io::Result<Vec<u8>>>,
    /// How much each write takes, or how it fails. After them, everything is taken.
    pub(crate) writes: VecDeque<io::Result<usize>>,
    pub(crate) written: Vec<u8>,
    pub(crate) flushed: usize,
}

impl BlockingDouble {
    /// Each read gives the bytes of one of these; then the stream ends.
    pub(crate) fn of(reads: &[&[u8]]) -> Self {
        Self { reads: reads.iter().map(|bytes| Ok(bytes.to_vec())).collect(), ..Self::default() }
    }
}

impl Read for BlockingDouble {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        assert_eq!(self.flushed, self.written.len(), "who waits has sent everything");
        // It was cleared for this read, which may bring a byte.
        assert!(out.len() <= 64 << 10, "{}", out.len());
        let Some(read) = self.reads.pop_front() else { return Ok(0) };
        let mut bytes = read?;
        let count = bytes.len().min(out.len());
        out[..count].copy_from_slice(&bytes[..count]);
        if count < bytes.len() {
            self.reads.push_front(Ok(bytes.split_off(count)));
        }
        Ok(count)
    }
}

impl Write for BlockingDouble {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writes.pop_front().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = self.written.len();
        Ok(())
    }
}
