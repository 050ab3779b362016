//! Memory that a client makes the server hold.

use amp_core::AmpBox;
use std::io::{self, Read, Write};
use std::time::Duration;

use super::ends::calls;
use crate::figure::Figure;
use crate::options::Options;
use crate::server::ROUTES;
use crate::target::{Target, fill};

/// After this time a connection is idle: large buffers are given back after about a second.
const IDLE: Duration = Duration::from_secs(4);

/// One call that carries 60 000 bytes.
fn large(command: &str) -> Vec<u8> {
    let data = vec![b'd'; 60_000];
    let pairs: [(&str, &[u8]); 3] =
        [("_ask", b"1"), ("_command", command.as_bytes()), ("data", &data)];
    AmpBox::from_pairs(pairs).expect("they fit").to_bytes().to_vec()
}

/// A client that calls for as long as it is read from, and whose calls take for ever.
pub(super) fn unanswered(options: &Options) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, piece) in [
        ("held for large calls that are not answered", large("Keep")),
        ("held for small calls that are not answered", calls("Wait", 1000)),
    ] {
        let target = Target::start()?;
        let before = target.usage()?;
        let mut streams = Vec::new();
        let connections = options.pick(1, 4);
        for _ in 0..connections {
            let mut stream = target.connect()?;
            fill(&mut stream, &piece, 1 << 30)?;
            streams.push(stream);
        }
        let held = target.usage()?.resident.saturating_sub(before.resident);
        figures.push(Figure::mib(what, held / connections as u64, 64.0).at_least(1.0));
    }
    Ok(figures)
}

/// A client that logs in, and calls for as long as it is read from.
pub(super) fn after_login(_: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let mut stream = target.connect_to("login")?;
    let pairs = [("_ask", "1"), ("_command", "Authenticate"), ("password", "xyzzy")];
    stream.write_all(&AmpBox::from_pairs(pairs).expect("they are short").to_bytes())?;
    let mut answer = [0; 14];
    stream.read_exact(&mut answer)?;
    let before = target.usage()?;
    fill(&mut stream, &large("Keep"), 1 << 30)?;
    let held = target.usage()?.resident.saturating_sub(before.resident);
    Ok(vec![Figure::mib("held for calls of a client that has logged in", held, 64.0).at_least(8.0)])
}

/// A client that fills routes which nobody reads from.
pub(super) fn routes(_: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let before = target.usage()?;
    let mut stream = target.connect_to("routes")?;
    let data = "d".repeat(60_000);
    let boxes: Vec<u8> = (0..ROUTES)
        .flat_map(|route| {
            let pairs = [("_route", &*route.to_string()), ("_command", "Keep"), ("data", &data)];
            AmpBox::from_pairs(pairs).expect("they fit").to_bytes().to_vec()
        })
        .collect();
    fill(&mut stream, &boxes, 1 << 30)?;
    let held = target.usage()?.resident.saturating_sub(before.resident);
    // 32 MiB of all routes, and a quarter for what buffers have beyond what is in them.
    Ok(vec![Figure::mib("held for routes that are not read from", held, 40.0).at_least(8.0)])
}

/// One call of as many pairs as there may be, with the least bytes: they take less than an index of them.
fn of_pairs(command: &str) -> Vec<u8> {
    let pairs = [("_ask", "1"), ("_command", command)];
    let mut call = AmpBox::from_pairs(pairs).expect("they are short");
    for number in 2..16_384_u16 {
        call.insert((0x6000 + number).to_be_bytes(), "").expect("it is short");
    }
    call.to_bytes().to_vec()
}

/// A client that calls for as long as it is read from, and reads no answer.
pub(super) fn unread(_: &Options) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let pairs = "held for calls of many pairs behind answers that are not read";
    // The allocator gives whole pages to an index.
    for (what, piece, least, most) in [
        ("held for answers that are not read", large("Echo"), 16.0, 72.0),
        (pairs, of_pairs("Echo"), 32.0, 80.0),
    ] {
        let target = Target::start()?;
        let before = target.usage()?;
        let mut stream = target.connect()?;
        // The socket has no room for the answers to these, nor has the queue for those to others: calls that take over
        // 16 MiB are begun until 32 MiB of answers wait.
        fill(&mut stream, &large("Echo"), 40 << 20)?;
        fill(&mut stream, &piece, 1 << 30)?;
        // When it is too much the connection ends, which may be before anybody looks.
        let held = target.usage()?.peak.saturating_sub(before.resident);
        // 64 MiB may wait to be sent. Beside them are the calls that were read with the last of these, and
        // the buffers of both.
        figures.push(Figure::mib(what, held, most).at_least(least));
    }
    Ok(figures)
}

/// Clients that have called much at once, read their answers, and do nothing more.
pub(super) fn burst(options: &Options) -> io::Result<Vec<Figure>> {
    let mut target = Target::start()?;
    // Twice as many are fewer than a server has by default.
    let connections = options.pick(20, 120);
    // What the first ones make the process keep for all that come is not theirs.
    let mut before = 0;
    let mut streams = Vec::new();
    for number in 0..2 * connections {
        if number == connections {
            std::thread::sleep(IDLE);
            target.status()?;
            before = target.usage()?.resident;
        }
        let mut stream = target.connect()?;
        // These clients are honest, and wait.
        stream.set_write_timeout(None)?;
        let mut writer = stream.try_clone()?;
        let calls = large("Echo").repeat(16);
        let writing = std::thread::spawn(move || io::Write::write_all(&mut writer, &calls));
        let mut answers = vec![0; 16 * 60_000];
        stream.read_exact(&mut answers)?;
        writing.join().expect("it does not panic")?;
        streams.push(stream);
    }
    std::thread::sleep(IDLE);
    let held = target.usage()?.resident.saturating_sub(before) / connections as u64;
    Ok(vec![Figure::mib("kept for an idle connection after a burst", held, 0.1)])
}
