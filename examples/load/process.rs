//! What this process uses, and may use.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::io;
use std::time::Duration;

use crate::commands::Usage;
use crate::counted;

/// What this process has used so far.
pub(crate) fn usage() -> io::Result<Usage> {
    let cpu = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    Ok(Usage {
        cpu_ns: u64::try_from(cpu.as_nanos()).map_err(io::Error::other)?,
        peak_rss_bytes: peak_rss_bytes()?,
        writes: counted::writes(),
    })
}

/// Each connection is an open file, and the soft limit is often 1024 where the hard one is much
/// higher.
pub(crate) fn allow_many_open_files() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

fn peak_rss_bytes() -> io::Result<u64> {
    // On Linux `getrusage` includes the program that this process ran before, such as cargo.
    if let Ok(status) = fs::read_to_string("/proc/self/status")
        && let Some(kibibytes) = high_water_mark(&status)
    {
        return Ok(kibibytes * 1024);
    }
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let peak = getrusage(UsageWho::RUSAGE_SELF)?.max_rss();
    Ok(u64::try_from(peak).map_err(io::Error::other)? * unit)
}

/// In KiB: of the line `VmHWM:     1234 kB`.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
