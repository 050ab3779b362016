//! Descriptors that say which call they belong to.

use amp_unix::Descriptor;
use std::io::{self, PipeReader, Read, Write};

/// A pipe that holds `number` and then ends.
pub(crate) fn holding(number: u64) -> io::Result<Descriptor> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(&number.to_ne_bytes())?;
    Ok(reader.into())
}

/// Reads what [`holding`] has written. Neither side of the pipe can be waited for: a pipe with as
/// many bytes and an end answers at once, and any other fails.
pub(crate) fn held(descriptor: Descriptor) -> io::Result<u64> {
    let mut pipe = PipeReader::try_from(descriptor)?;
    let mut number = [0; 8];
    pipe.read_exact(&mut number)?;
    if pipe.read(&mut [0])? != 0 {
        return Err(io::Error::other("there is more in the pipe"));
    }
    Ok(u64::from_ne_bytes(number))
}
