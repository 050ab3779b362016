//! Descriptors that say which one they are, for tests that pass many.

use amp_unix::Descriptor;
use std::io::{PipeReader, Read, Write};

/// A pipe that holds `number` and then ends.
pub(crate) fn numbered(number: u64) -> Descriptor {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&number.to_ne_bytes()).unwrap();
    reader.into()
}

/// Reads what [`numbered`] has written. It is there once; and the end is seen only when nobody has
/// the other side.
pub(crate) fn number(descriptor: Descriptor) -> u64 {
    let mut pipe = PipeReader::from(descriptor);
    let mut number = [0; 8];
    pipe.read_exact(&mut number).unwrap();
    assert_eq!(pipe.read(&mut [0]).unwrap(), 0);
    u64::from_ne_bytes(number)
}
