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
    // What all connections and what they pass may have together leaves half of the 1024.
    let what = "sockets held that were passed over themselves";
    Ok(vec![Figure::count(what, held(&target, &before)?, 512.0)])
}

/// How many descriptors the server has more than `before`.
fn held(target: &Target, before: &Usage) -> io::Result<usize> {
    Ok(target.usage()?.descriptors.saturating_sub(before.descriptors))
}

/// How many descriptors nothing may have claimed of one connection, where a process may have 1024.
const UNCLAIMED: usize = 128;

/// Clients that pass as many descriptors that nothing takes as they may.
pub(super) fn unclaimed(options: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let before = target.usage()?;
    let file = std::fs::File::open("/dev/null")?;
    // A box that is begun and not ended, so that no box can claim any.
    let begin = b"\x00\x01k\xff\xff";
    let mut streams = Vec::new();
    let connections = options.pick(4, 16);
    for _ in 0..connections {
        let stream = target.connect()?;
        socket::send(&stream, &[IoSlice::new(begin)], &[])?;
        for _ in 0..UNCLAIMED / 16 {
            socket::send(&stream, &[IoSlice::new(b"v")], &[file.as_fd(); 16])?;
        }
        streams.push(stream);
    }
    target.status()?;
    // A quarter of 1024 may be held for all connections, beside a socket for each of the 16.
    let what = "descriptors held for clients that name none";
    Ok(vec![Figure::count(what, held(&target, &before)?, 272.0)])
}
