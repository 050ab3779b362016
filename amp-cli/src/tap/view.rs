//! The view of all connections: lines, records, captures and figures.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

use super::private::private_file;
use super::saving::Saved;
use super::stats::Stats;
use crate::descriptors::what_is;
use crate::exit::Failure;
use crate::mistake::Mistake;
use crate::on_line::{OnLine, plain_json};
use crate::opening::empty;
use crate::printing::not_printed;
use crate::watch_options::Tap;
use crate::watching::{Conversation, Entry, Packets, Schemas, Seen, Side};

pub(super) struct View {
    schemas: Schemas,
    begun: Instant,
    sinks: Sinks,
    /// What could not be written, which ends the program.
    failed: Option<Failure>,
    /// Is told of that.
    ending: Rc<Notify>,
    /// Is told of what waits to be written.
    waiting: Rc<Notify>,
}

/// Where what is seen goes.
struct Sinks {
    shows: Shows,
    lines: BufWriter<io::Stdout>,
    /// The line that is being made, whose memory is used again.
    line: String,
    record: Option<BufWriter<File>>,
    capture: Option<(BufWriter<File>, Packets)>,
    stats: Option<Stats>,
}

/// Which boxes are shown.
struct Shows {
    /// The commands whose boxes are shown. Empty means all.
    only: Vec<String>,
    /// Answers that have taken at least as long.
    slow: Option<Duration>,
}

impl Shows {
    fn has(&self, seen: &Seen) -> bool {
        let command = seen.command.as_deref();
        let is_wanted =
            self.only.is_empty() || self.only.iter().any(|only| command == Some(only.as_str()));
        let is_slow = |slow| seen.took.is_some_and(|took| took >= slow);
        is_wanted && self.slow.is_none_or(is_slow)
    }
}

impl Sinks {
    fn take(&mut self, connection: u64, seen: &Seen) -> io::Result<()> {
        if let Some(stats) = &mut self.stats {
            stats.add(seen);
        }
        if self.shows.has(seen) {
            self.line.clear();
            seen.write_line(connection, &mut self.line);
            self.line.push('\n');
            self.lines.write_all(self.line.as_bytes())?;
        }
        if let Some(record) = &mut self.record {
            record.write_all(Entry::of_box(connection, seen).as_bytes())?;
        }
        if let Some((file, packets)) = &mut self.capture {
            let ampbox = seen.shown_bytes();
            file.write_all(&packets.of_box(connection, seen.from, seen.at, &ampbox))?;
        }
        Ok(())
    }

    /// Bytes of which nobody knows what they are.
    fn take_unread(
        &mut self,
        connection: u64,
        from: Side,
        at: Duration,
        bytes: &[u8],
    ) -> io::Result<()> {
        match &mut self.capture {
            None => Ok(()),
            Some((file, packets)) => file.write_all(&packets.of_bytes(connection, from, at, bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()?;
        if let Some(record) = &mut self.record {
            record.flush()?;
        }
        match &mut self.capture {
            None => Ok(()),
            Some((file, _)) => file.flush(),
        }
    }
}

impl View {
    pub(super) fn new(
        options: &Tap,
        schemas: Schemas,
        ending: Rc<Notify>,
        waiting: Rc<Notify>,
    ) -> Result<Self, Mistake> {
        let record = options.record.as_deref().map(private_file).transpose()?.map(BufWriter::new);
        let capture = options.pcap.as_deref().map(private_file).transpose()?;
        let capture = capture.map(|file| (BufWriter::new(file), Packets::begin().1));
        Ok(Self {
            schemas,
            begun: Instant::now(),
            sinks: Sinks {
                shows: Shows { only: options.only.clone(), slow: options.slow },
                lines: BufWriter::new(io::stdout()),
                line: String::new(),
                record,
                capture,
                stats: options.stats.then(Stats::default),
            },
            failed: None,
            ending,
            waiting,
        })
    }

    /// Empties the files that are written, which may be of another tap for as long as this one does not
    /// listen.
    pub(super) fn begin(&mut self) -> Result<(), Mistake> {
        let Sinks { record, capture, .. } = &mut self.sinks;
        let files = record.iter().chain(capture.iter().map(|(file, _)| file));
        let emptied = files.map(BufWriter::get_ref).try_for_each(empty);
        emptied.map_err(|error| Mistake::new(format!("cannot begin a file anew: {error}")))?;
        if let Some((file, packets)) = capture {
            let (head, begun) = Packets::begin();
            *packets = begun;
            let written = file.write_all(&head).and_then(|()| file.flush());
            if let Err(error) = written {
                // Nothing more is written there, which would fail once more.
                *capture = None;
                return Err(Mistake::new(format!("cannot begin a capture: {error}")));
            }
        }
        Ok(())
    }

    /// Looks at what one side has sent.
    pub(super) fn take(
        &mut self,
        connection: u64,
        from: Side,
        bytes: &[u8],
        conversation: &mut Conversation,
    ) {
        let at = self.begun.elapsed();
        let was_over = conversation.over().is_some();
        let mut written = Ok(());
        let Self { schemas, sinks, .. } = self;
        let unread = conversation.take(schemas, from, bytes, at, |seen| {
            if written.is_ok() {
                written = sinks.take(connection, &seen);
            }
        });
        // Who sends two bytes that are no box would have all that follows written down, as boxes too.
        let is_shown = conversation.is_protected() || !self.schemas.hide_something();
        for (from, mut bytes) in unread {
            if !is_shown {
                bytes.fill(0);
            }
            if written.is_ok() && !bytes.is_empty() {
                written = self.sinks.take_unread(connection, from, at, &bytes);
            }
        }
        let ended = (!was_over).then(|| conversation.over().map(str::to_owned)).flatten();
        self.done(written);
        if let Some(over) = ended {
            self.note(connection, &format!("from here on bytes are passed on unread: {over}"));
        }
        self.waiting.notify_one();
    }

    /// Looks at a descriptor that one side has sent, before the bytes that it came with.
    pub(super) fn take_descriptor(
        &mut self,
        connection: u64,
        from: Side,
        descriptor: &OwnedFd,
        saved: Saved,
        conversation: &mut Conversation,
    ) {
        let at = self.begun.elapsed();
        let ordinal = conversation.descriptors(from);
        // Looking at an open file needs one of its own, of which there may be no more.
        let mut is = match descriptor.try_clone().map(File::from) {
            Ok(file) => what_is(ordinal, &file),
            Err(_) => serde_json::json!({ "descriptor": ordinal }),
        };
        match saved {
            Saved::NoFile => {}
            Saved::At(path) => is["saved"] = path.to_string_lossy().into(),
            Saved::Left(why) => {
                let whose = format!("the file of descriptor {ordinal} of the {}", from.name());
                self.note(connection, &format!("{whose} is not saved: {why}"));
            }
        }
        let is = plain_json(is);
        if let Some(record) = &mut self.sinks.record {
            let entry = Entry::of_descriptor(connection, at, from, &is);
            let written = record.write_all(entry.as_bytes());
            self.done(written);
        }
        conversation.arrive(from, is);
    }

    /// Says something about a connection.
    pub(super) fn note(&mut self, connection: u64, what: &str) {
        let at = self.begun.elapsed().as_secs_f64();
        self.say(&format!("{at:10.4} #{connection} {}", OnLine(what)));
    }

    pub(super) fn say(&mut self, line: &str) {
        let written = writeln!(self.sinks.lines, "{line}");
        self.done(written);
        self.flush();
    }

    /// A connection is over.
    pub(super) fn closed(&mut self, connection: u64, conversation: &Conversation) {
        let mut parts = vec!["closed".to_owned()];
        if let [first, others @ ..] = &conversation.unanswered()[..] {
            let (tag, command) = (OnLine(&first.tag), OnLine(&first.command));
            let more = match others.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            parts.push(format!("without an answer: {tag} {command}{more}"));
        }
        for side in [Side::Client, Side::Server] {
            let unread = conversation.unread(side);
            if unread > 0 {
                parts.push(format!("{unread} bytes of the {} unread", side.name()));
            }
        }
        self.note(connection, &parts.join(", "));
    }

    /// Writes what was measured.
    pub(super) fn end(&mut self) {
        if let Some(stats) = self.sinks.stats.take() {
            let written = stats.write(self.begun.elapsed(), &mut self.sinks.lines);
            self.done(written);
        }
        self.flush();
    }

    pub(super) fn failed(&mut self) -> Option<Failure> {
        self.failed.take()
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) {
        let flushed = self.sinks.flush();
        self.done(flushed);
    }

    fn done(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => {}
            // The reader of the output wants no more of it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.ending.notify_one(),
            Err(error) => {
                self.failed.get_or_insert_with(|| not_printed(&error));
                self.ending.notify_one();
            }
        }
    }
}
