//! The server under attack, as its attackers and its observer see it.

use amp_core::blocking::{Client, Connection};
use amp_tests::{DEADLINE, Process};
use std::env;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::commands::{Held, Status};

/// After this time a server that takes no more is full, and not only slow.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server in a process of its own, which ends with this.
pub(crate) struct Target {
    path: PathBuf,
    observer: Client<UnixStream>,
    // Dropped in this order: the process is gone before its socket's folder is.
    process: Process,
    _folder: TempDir,
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) descriptors: usize,
    /// In bytes, as are those at most that it has used.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Target {
    pub(crate) fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        let mut command = Command::new(env::current_exe()?);
        command.arg("--serve").arg(&path);
        // What glibc keeps of freed memory is not the server's: so it gives back what is large.
        command.env("MALLOC_MMAP_THRESHOLD_", "32768").env("MALLOC_ARENA_MAX", "1");
        let mut process = Process::start(command);
        if process.line(Instant::now() + DEADLINE).is_none() {
            return Err(io::Error::other("the server does not start"));
        }
        let stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut target =
            Self { path, observer: Connection::new(stream).start(), process, _folder: folder };
        // Its own connection is there from the beginning, so that it never counts.
        target.status()?;
        Ok(target)
    }

    /// Another connection, for an attacker: nothing is read from it, and a write that would have to
    /// wait for longer than [`PATIENCE`] is an error.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        Self::connect_at(&self.path)
    }

    /// One to another service of the server: `login` wants a login first, `tls` a handshake, and
    /// `routes` has routes.
    pub(crate) fn connect_to(&self, service: &str) -> io::Result<UnixStream> {
        Self::connect_at(&beside(&self.path, service))
    }

    fn connect_at(path: &Path) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(path)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(stream)
    }

    /// What the server says that it holds.
    pub(crate) fn status(&mut self) -> io::Result<Held> {
        self.observer.call_remote(Status {}).map_err(io::Error::other)
    }

    /// What the kernel says that the server uses.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        let folder = format!("/proc/{}", self.process.id());
        let descriptors = fs::read_dir(format!("{folder}/fd"))?.count();
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let bytes = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kib.map(|kib| kib << 10)
                .ok_or_else(|| io::Error::other(format!("the kernel does not say {name}")))
        };
        Ok(Usage { descriptors, resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }

    /// Waits until the server has so many tasks.
    pub(crate) fn holds(&mut self, tasks: u64) -> io::Result<()> {
        let begun = Instant::now();
        while self.status()?.tasks < tasks {
            if begun.elapsed() > DEADLINE {
                return Err(io::Error::other(format!("the server has no {tasks} tasks")));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// How long it takes until the server holds no more than `tasks` and `descriptors`.
    pub(crate) fn given_back(&mut self, tasks: u64, descriptors: usize) -> io::Result<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if self.status()?.tasks <= tasks && self.usage()?.descriptors <= descriptors {
                break;
            }
            std::thread::yield_now();
        }
        Ok(begun.elapsed())
    }
}

/// Writes until the other side takes no more for a while, or has closed. Returns how many bytes
/// were taken, `most` at most.
pub(crate) fn fill(stream: &mut UnixStream, piece: &[u8], most: u64) -> io::Result<u64> {
    let mut taken = 0;
    while taken < most {
        match stream.write(piece) {
            Ok(written) => {
                taken += written as u64;
                if written < piece.len() {
                    break;
                }
            }
            Err(error) if is_full(&error) || is_closed(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// What the other side sends until it has closed.
pub(crate) fn received(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if !is_closed(&error) => Err(error),
        _ => Ok(received),
    }
}

/// Where another service of the server at this path listens.
pub(crate) fn beside(path: &Path, service: &str) -> PathBuf {
    path.with_extension(service)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
