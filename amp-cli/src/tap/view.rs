//! What is shown, recorded and measured of all connections.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

use super::stats::Stats;
use crate::files::what_is;
use crate::mistake::Mistake;
use crate::watch_options::Tap;
use crate::watching::{Conversation, Entry, Known, OnLine, Packets, Seen, Side};

/// How much of a descriptor's file is copied at once, in bytes.
const COPIED: usize = 64 * 1024;

pub(super) struct View {
    known: Known,
    begun: Instant,
    sinks: Sinks,
    save_to: Option<PathBuf>,
    /// What could not be written, which ends the program.
    failed: Option<Mistake>,
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
    /// Those of these commands; all, where there are none.
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
        known: Known,
        ending: Rc<Notify>,
        waiting: Rc<Notify>,
    ) -> Result<Self, Mistake> {
        let record = options.record.as_deref().map(private_file).transpose()?;
        let capture = options.pcap.as_deref().map(begin_capture).transpose()?;
        let save_to = options.save_descriptors.as_deref().map(existing_folder).transpose()?;
        Ok(Self {
            known,
            begun: Instant::now(),
            sinks: Sinks {
                shows: Shows { only: options.only.clone(), slow: options.slow },
                lines: BufWriter::new(io::stdout()),
                line: String::new(),
                record,
                capture,
                stats: options.stats.then(Stats::default),
            },
            save_to,
            failed: None,
            ending,
            waiting,
        })
    }

    /// Looks at what one side has sent.
    pub(super) fn take(
        &mut self,
        connection: u64,
        from: Side,
        bytes: &[u8],
        descriptors: &[OwnedFd],
        conversation: &mut Conversation,
    ) {
        let at = self.begun.elapsed();
        for descriptor in descriptors {
            self.descriptor(connection, from, at, descriptor, conversation);
        }
        let was_over = conversation.over().is_some();
        let mut written = Ok(());
        let Self { known, sinks, .. } = self;
        conversation.take(known, from, bytes, at, |seen| {
            if written.is_ok() {
                written = sinks.take(connection, &seen);
            }
        });
        if was_over {
            written = self.sinks.take_unread(connection, from, at, bytes);
        }
        let ended = (!was_over).then(|| conversation.over().map(str::to_owned)).flatten();
        self.done(written);
        if let Some(over) = ended {
            self.note(connection, &format!("from here on bytes are passed on unread: {over}"));
        }
        self.waiting.notify_one();
    }

    fn descriptor(
        &mut self,
        connection: u64,
        from: Side,
        at: Duration,
        descriptor: &OwnedFd,
        conversation: &mut Conversation,
    ) {
        let ordinal = conversation.descriptors(from);
        // Looking at an open file needs one of its own, of which there may be no more.
        let file = descriptor.try_clone().map(File::from);
        let mut is = match &file {
            Ok(file) => what_is(ordinal, file),
            Err(_) => serde_json::json!({ "descriptor": ordinal }),
        };
        if let (Some(folder), Ok(file)) = (&self.save_to, &file)
            && is["is"] == "file"
        {
            let path = folder.join(format!("{connection}-{}-{ordinal}", from.name()));
            match save(file, &path) {
                Ok(()) => is["saved"] = path.display().to_string().into(),
                Err(mistake) => self.fail(mistake),
            }
        }
        let is = is.to_string();
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
        self.say(&format!("{at:10.4} #{connection} {what}"));
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

    pub(super) fn failed(&mut self) -> Option<Mistake> {
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
            // Whoever reads it has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.ending.notify_one(),
            Err(error) => self.fail(Mistake::new(format!("cannot write: {error}"))),
        }
    }

    fn fail(&mut self, mistake: Mistake) {
        self.failed.get_or_insert(mistake);
        self.ending.notify_one();
    }
}

/// The whole path of a folder, so that what is said of it holds wherever it is read.
fn existing_folder(path: &Path) -> Result<PathBuf, Mistake> {
    match path.canonicalize() {
        Ok(folder) if folder.is_dir() => Ok(folder),
        Ok(_) => Err(Mistake::new(format!("--save-descriptors: {} is no folder", path.display()))),
        Err(error) => Err(Mistake::new(format!("--save-descriptors: {}: {error}", path.display()))),
    }
}

/// A capture with nothing in it so far.
fn begin_capture(path: &Path) -> Result<(BufWriter<File>, Packets), Mistake> {
    let (head, packets) = Packets::begin();
    let mut file = private_file(path)?;
    file.write_all(&head).map_err(|error| not_written(path, &error))?;
    Ok((file, packets))
}

/// A new file that only this user can read.
fn private_file(path: &Path) -> Result<BufWriter<File>, Mistake> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let file = opened.and_then(|file| {
        // It may have been there before. What is no file, as `/dev/null`, stays what it is for others.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    });
    file.map(BufWriter::new).map_err(|error| not_written(path, &error))
}

fn not_written(path: &Path, error: &io::Error) -> Mistake {
    Mistake::new(format!("cannot write {}: {error}", path.display()))
}

/// Copies what a file has in it, wherever its position is, which others share.
fn save(file: &File, path: &Path) -> Result<(), Mistake> {
    let mut to = private_file(path)?;
    // It may be open only to be written to.
    let from = File::open(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()));
    let from = from.as_ref().unwrap_or(file);
    copy(from, &mut to).map_err(|error| not_written(path, &error))
}

fn copy(from: &File, to: &mut impl Write) -> io::Result<()> {
    let (mut at, mut piece) = (0, vec![0; COPIED]);
    loop {
        match from.read_at(&mut piece, at)? {
            0 => return to.flush(),
            read => {
                to.write_all(&piece[..read])?;
                at += read as u64;
            }
        }
    }
}
