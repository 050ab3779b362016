//! Connections that should have ended.

use amp_core::AmpBox;
use amp_core::blocking::Connection;
use std::io::{self, Write};
use std::time::Instant;

use crate::commands::Status;
use crate::figure::Figure;
use crate::options::Options;
use crate::target::{Target, fill, received};

/// The bytes of so many calls of a command without arguments.
pub(super) fn calls(command: &str, count: usize) -> Vec<u8> {
    let call = |tag: usize| {
        let tag = tag.to_string();
        let pairs = [("_ask", tag.as_str()), ("_command", command)];
        AmpBox::from_pairs(pairs).expect("they are short").to_bytes()
    };
    (0..count).flat_map(call).collect()
}

/// Clients that go while as many of their calls are being answered as may be.
pub(super) fn gone(options: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    let connections = options.pick(10, 100);
    let calls = calls("Wait", 1100);
    let (before, tasks) = (target.usage()?, target.status()?.tasks);
    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = target.connect()?;
        stream.write_all(&calls)?;
        streams.push(stream);
    }
    target.holds(tasks + connections as u64)?;
    drop(streams);
    let taken = target.given_back(tasks, before.descriptors)?.as_secs_f64();
    let left = target.usage()?.descriptors.saturating_sub(before.descriptors);
    Ok(vec![
        // A connection looks for a peer that it does not read from after 200 ms, and again.
        Figure::new("time until gone clients are forgotten", taken, 1.5, "s"),
        Figure::count("their descriptors left", left, 0.0),
    ])
}

/// Clients that say nothing, as many as a server has and more behind them, and one that calls.
pub(super) fn silent(_: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let _silent = (0..400).map(|_| target.connect()).collect::<io::Result<Vec<_>>>()?;
    let begun = Instant::now();
    let mut client = Connection::new(target.connect()?).start();
    client.call_remote(Status {}).map_err(io::Error::other)?;
    // A client that has sent nothing for 10 seconds gives way to others.
    let waited = begun.elapsed().as_secs_f64();
    Ok(vec![Figure::new("wait beside silent clients", waited, 12.0, "s").at_least(5.0)])
}

/// Clients that send calls a byte at a time, and one that calls.
pub(super) fn trickling(options: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let mut streams = (0..200).map(|_| target.connect()).collect::<io::Result<Vec<_>>>()?;
    let call = calls("NoSuchCommandHasThisName", 1);
    let mut client = Connection::new(target.connect()?).start();
    let mut waits = Vec::new();
    for byte in call.iter().cycle().take(options.pick(200, 1000)) {
        for stream in &mut streams {
            stream.write_all(&[*byte])?;
        }
        let begun = Instant::now();
        client.call_remote(Status {}).map_err(io::Error::other)?;
        waits.push(begun.elapsed());
    }
    waits.sort();
    let median = waits[waits.len() / 2].as_secs_f64() * 1000.0;
    // What 200 reads and as many wake-ups take.
    Ok(vec![Figure::new("wait beside clients that send a byte at a time", median, 20.0, "ms")])
}

/// A client that sends what is no box, and goes on sending.
pub(super) fn nonsense(options: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let mut stream = target.connect()?;
    stream.write_all(b"\xff\xff not a box")?;
    let most = options.pick(256 << 20, 4 << 30) as u64;
    let taken = fill(&mut stream, &vec![0xff; 1 << 16], most)?;
    let begun = Instant::now();
    received(&mut stream)?;
    let ended = begun.elapsed().as_secs_f64();
    Ok(vec![
        // 256 KiB are read, and the kernel takes what fits into the buffers of both sockets.
        Figure::mib("read after a protocol error", taken, 1.0).at_least(0.01),
        // It is read for a second.
        Figure::new("time until its end", ended, 2.0, "s"),
    ])
}

/// Clients that begin a box and do not end it.
pub(super) fn unfinished(options: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let before = target.usage()?;
    // Nearly the largest box that there may be, in values of the largest size.
    let value = [b"\x00\x01k\xff\xff".to_vec(), vec![b'v'; 0xffff]].concat();
    let connections = options.pick(4, 64);
    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = target.connect()?;
        fill(&mut stream, &value, 16 << 20)?;
        streams.push(stream);
    }
    let held = target.usage()?.resident.saturating_sub(before.resident);
    Ok(vec![
        // A buffer grows by doubling, so one for a box of 17 MiB may have twice that and a little.
        Figure::mib("held for a box of each connection", held / connections as u64, 36.0)
            .at_least(1.0),
        // 512 MiB of all connections, and a quarter for what buffers have beyond what is in them.
        Figure::mib("held for the boxes of all connections", held, 640.0).at_least(4.0),
    ])
}
