//! Boxes of which decoding makes as much as it can.

use amp_tests::amplification;
use std::io;

use crate::figure::Figure;
use crate::options::Options;

/// For each type of argument, the box that makes the most memory of each byte: measured in this
/// process, since a server shows only what it keeps, and as from a peer that may be anybody: by default 4 MiB may be made of
/// a small box.
pub(super) fn made_of_bytes(_: &Options) -> io::Result<Vec<Figure>> {
    let peak = |act: &mut dyn FnMut()| {
        let info = allocation_counter::measure(act);
        usize::try_from(info.bytes_max).expect("this process has no more memory")
    };
    let figures = amplification::figures(64_000, &peak);
    let worst = figures.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let slowest = figures.iter().max_by_key(|figure| figure.taken);
    let (Some(worst), Some(slowest)) = (worst, slowest) else {
        return Err(io::Error::other("no type was measured"));
    };
    Ok(vec![
        Figure::new(
            &format!("memory for each of 64 000 bytes, as {}", worst.what),
            worst.ratio(),
            20.0,
            "bytes",
        )
        .at_least(1.0),
        Figure::new(
            &format!("time for a box of 64 000 bytes, as {}", slowest.what),
            slowest.taken.as_secs_f64() * 1000.0,
            50.0,
            "ms",
        ),
    ])
}
