//! Descriptors that a client makes the server hold.

use amp_core::AmpBox;
use amp_unix::socket;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use super::ends::calls;
use crate::figure::Figure;
use crate::options::Options;
use crate::target::{Target, Usage, fill};

/// A server whose descriptors are as many after this time as before has dealt with all that came.
const SETTLED: Duration = Duration::from_millis(300);

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
    // What all connections and what they pass may have together leaves half of the 1024.
    let what = "sockets held that were passed over themselves";
    Ok(vec![Figure::count(what, held(&mut target, &before)?, 512.0).at_least(100.0)])
}

/// How many descriptors the server has more than `before`, once it has dealt with all that came.
fn held(target: &mut Target, before: &Usage) -> io::Result<usize> {
    let mut held = None;
    loop {
        target.status()?;
        let now = target.usage()?.descriptors.saturating_sub(before.descriptors);
        if held.replace(now) == Some(now) {
            return Ok(now);
        }
        std::thread::sleep(SETTLED);
    }
}

/// How many descriptors nothing may have claimed of one connection, where a process may have 1024.
const UNCLAIMED: usize = 256;

/// Clients that pass as many descriptors as they may to responders that hold them.
pub(super) fn claimed(options: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let before = target.usage()?;
    let file = std::fs::File::open("/dev/null")?;
    let mut streams = Vec::new();
    for _ in 0..options.pick(4, 16) {
        let stream = target.connect()?;
        for number in 0..UNCLAIMED {
            let number = number.to_string();
            let pairs = [("_ask", &*number), ("_command", "Hold"), ("file", &*number)];
            let call = AmpBox::from_pairs(pairs).expect("they are short").to_bytes();
            socket::send(&stream, &[IoSlice::new(&call)], &[file.as_fd()])?;
        }
        streams.push(stream);
    }
    // Responders may hold three quarters of the 256, beside a socket for each of the 16.
    let what = "descriptors held by responders";
    Ok(vec![Figure::count(what, held(&mut target, &before)?, 208.0).at_least(64.0)])
}

/// A client that asks for files as long as it is read from, and takes none.
pub(super) fn opened(_: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let before = target.usage()?;
    let mut stream = target.connect()?;
    fill(&mut stream, &calls("Open", 1), 1 << 20)?;
    // Half of 1024 may wait, beside its own socket.
    let what = "descriptors held for answers that are not read";
    Ok(vec![Figure::count(what, held(&mut target, &before)?, 544.0).at_least(100.0)])
}

/// Clients that switch to another protocol and say nothing in it.
pub(super) fn switched(_: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let before = target.usage()?;
    let leave = calls("Leave", 1);
    let mut streams = Vec::new();
    for _ in 0..400 {
        let mut stream = target.connect()?;
        stream.write_all(&leave)?;
        streams.push(stream);
    }
    // As many as there are connections, one of which is the observer's.
    let what = "descriptors held for clients that have switched";
    Ok(vec![Figure::count(what, held(&mut target, &before)?, 287.0).at_least(200.0)])
}

/// Clients that connect where TLS is spoken, and say nothing.
pub(super) fn handshakes(_: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let before = target.usage()?;
    let _silent = (0..400).map(|_| target.connect_to("tls")).collect::<io::Result<Vec<_>>>()?;
    let what = "descriptors held for TLS handshakes";
    // An eighth of 1024.
    Ok(vec![Figure::count(what, held(&mut target, &before)?, 128.0).at_least(64.0)])
}

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
    // A quarter of 1024 may be held for all connections, beside a socket for each of the 16.
    let what = "descriptors held for clients that name none";
    Ok(vec![Figure::count(what, held(&mut target, &before)?, 272.0).at_least(64.0)])
}
