//! Descriptors that a client makes the server hold.

use amp_core::AmpBox;
use amp_unix::socket;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use crate::figure::Figure;
use crate::options::Options;
use crate::target::{Target, Usage};

/// Clients that pass their own end of a connection over that connection and go: the server itself
/// then holds what would tell it that they have gone.
pub(super) fn of_themselves(_: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let before = target.usage()?;
    let pairs = [("_ask", "1"), ("_command", "NoSuchCommand")];
    let call = AmpBox::from_pairs(pairs).expect("they are short").to_bytes();
    for _ in 0..600 {
        let stream = target.connect()?;
        socket::send(&stream, &[IoSlice::new(&call)], &[stream.as_fd()])?;
    }
    target.status()?;
    Ok(vec![held(&target, &before, "sockets held that were passed over themselves")?])
}

fn held(target: &Target, before: &Usage, what: &str) -> io::Result<Figure> {
    let held = target.usage()?.descriptors.saturating_sub(before.descriptors);
    Ok(Figure::count(what, held, 520.0))
}

/// A client that passes descriptors that nothing takes, for as long as it may.
pub(super) fn unclaimed(options: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let before = target.usage()?;
    let file = std::fs::File::open("/dev/null")?;
    // A box that is begun and not ended, so that no box can claim any.
    let begin = b"\x00\x01k\xff\xff";
    let mut streams = Vec::new();
    let connections = options.pick(2, 8);
    for _ in 0..connections {
        let stream = target.connect()?;
        socket::send(&stream, &[IoSlice::new(begin)], &[])?;
        for _ in 0..2000 {
            if socket::send(&stream, &[IoSlice::new(b"v")], &[file.as_fd(); 16]).is_err() {
                break;
            }
        }
        streams.push(stream);
    }
    Ok(vec![held(&target, &before, "descriptors held for clients that name none")?])
}
