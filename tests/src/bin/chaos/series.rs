//! What the process holds, second by second.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

use crate::plot;
use crate::report::{Group, Tally};
use crate::resources::{Held, resident_kib};

const EVERY: Duration = Duration::from_secs(1);

/// Writes a line each second, on a thread of its own: so it also says what is held while the runtime is
/// busy.
pub(crate) struct Series {
    file: PathBuf,
    round: Arc<AtomicU32>,
    stop: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Series {
    pub(crate) fn begin(file: &Path, runtime: &Handle, tally: &Arc<Tally>) -> io::Result<Self> {
        let lines = BufWriter::new(File::create(file)?);
        let round = Arc::<AtomicU32>::default();
        let (stop, stopped) = channel();
        let (runtime, tally) = (runtime.clone(), Arc::clone(tally));
        let of_thread = Arc::clone(&round);
        let thread = thread::spawn(move || write(lines, &stopped, &of_thread, &runtime, &tally));
        Ok(Self { file: file.to_owned(), round, stop, thread })
    }

    pub(crate) fn round(&self, number: u32) {
        self.round.store(number, Ordering::Relaxed);
    }

    /// Writes no more, and draws what was written.
    pub(crate) fn end(self) -> io::Result<()> {
        drop(self.stop);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the series has no end")))?;
        let mut name = self.file.clone().into_os_string();
        name.push(".svg");
        fs::write(name, plot::draw(&fs::read_to_string(self.file)?))
    }
}

fn write(
    mut lines: impl Write,
    stopped: &Receiver<()>,
    round: &AtomicU32,
    runtime: &Handle,
    tally: &Tally,
) -> io::Result<()> {
    writeln!(lines, "seconds,round,resident KiB,descriptors,tasks,outcomes")?;
    let begun = Instant::now();
    loop {
        let Held { descriptors, tasks } = Held::now(runtime)?;
        let (resident, _) = resident_kib().unwrap_or_default();
        let (outcomes, round) = (tally.total(Group::Outcomes), round.load(Ordering::Relaxed));
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(lines, "{seconds:.1},{round},{resident},{descriptors},{tasks},{outcomes}")?;
        if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return lines.flush();
        }
    }
}
