//! What the process holds.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;
use std::io;
use std::path::Path;
use tokio::runtime::Handle;

/// Descriptors that each client may need at once: its own end of a connection, both ends of the
/// line, the server's, a listener, and pipes under way.
const DESCRIPTORS_EACH: u64 = 40;

/// Lets the process open as many files as it may, and says so when that is too few.
pub(crate) fn raise_limit(clients: u32) -> Result<(), String> {
    let needed = 3000 + u64::from(clients) * DESCRIPTORS_EACH;
    let limit = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| {
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        Ok(most)
    });
    match limit {
        Ok(most) if most >= needed => Ok(()),
        Ok(most) => Err(format!(
            "{clients} clients need {needed} open files at times, and this process may have {most}"
        )),
        Err(error) => Err(format!("the limit of open files is not known: {error}")),
    }
}

/// What a round has to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) descriptors: usize,
    pub(crate) tasks: usize,
}

impl Held {
    /// What is held now, by this process and by its runtime.
    pub(crate) fn now(runtime: &Handle) -> io::Result<Self> {
        // The folder's own descriptor is among them each time.
        let folder = if Path::new("/proc/self/fd").exists() { "/proc/self/fd" } else { "/dev/fd" };
        let descriptors = fs::read_dir(folder)?.count();
        Ok(Self { descriptors, tasks: runtime.metrics().num_alive_tasks() })
    }

    /// Whether no more is held than `before`. A task that had just ended may have been counted then,
    /// so there may be fewer now.
    pub(crate) fn is_within(self, before: Self) -> bool {
        self.descriptors == before.descriptors && self.tasks <= before.tasks
    }
}

/// How much more memory may be resident after the last round than after any other: what the
/// allocator keeps of what is free depends on how a round went.
pub(crate) fn tolerance_mib(clients: u32) -> u64 {
    16 + u64::from(clients) / 4
}

/// Memory that is resident, and the most that ever was, in MiB; `None` where the system does not
/// say.
pub(crate) fn resident_mib() -> Option<(u64, u64)> {
    resident_kib().map(|(now, most)| (now / 1024, most / 1024))
}

/// As [`resident_mib`], in KiB.
pub(crate) fn resident_kib() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}
