//! Several workers, which take tests from one queue.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::AnyError;
use crate::report::{Ended, Report};
use crate::worker::Worker;

/// Prints the names of tests. What the modules print while they are imported goes elsewhere.
const LIST: &str = "\
import os, sys
names = os.fdopen(os.dup(1), 'w', encoding='utf-8')
os.dup2(2, 1)
from twisted.trial.runner import TestLoader

def each(suite):
    for test in getattr(suite, '_tests', [suite]):
        yield from each(test) if hasattr(test, '_tests') else [test.id()]

for module in sys.argv[1:]:
    print(*each(TestLoader().loadByName(module)), sep='\\n', file=names)
";

/// Where tests are, and what they run in.
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    /// An interpreter that has Twisted.
    pub(crate) python: PathBuf,
    /// The folder that modules are imported from: an absolute path.
    pub(crate) folder: PathBuf,
    /// How many processes run tests at the same time.
    pub(crate) workers: usize,
    /// How long a test may take. Whatever takes longer loses its worker.
    pub(crate) longest: Duration,
}

impl Manager {
    /// Runs all tests of these modules, and says of each when it has ended: how many have, of how many.
    ///
    /// # Errors
    ///
    /// When the tests cannot be listed, or a worker cannot be started.
    pub(crate) async fn run(
        self,
        modules: &[String],
        mut progress: impl FnMut(usize, usize, &Ended),
    ) -> Result<Report, AnyError> {
        let tests = self.list(modules).await?;
        let all = tests.len();
        let tests = Arc::new(Mutex::new(tests));
        let (ended, mut all_ended) = unbounded_channel();
        let mut lanes = JoinSet::new();
        for _ in 0..self.workers {
            lanes.spawn(self.clone().work(Arc::clone(&tests), ended.clone()));
        }
        // The channel ends when the last lane does.
        drop(ended);
        let mut report = Report::default();
        while let Some(ended) = all_ended.recv().await {
            progress(report.tests.len() + 1, all, &ended);
            report.tests.push(ended);
        }
        while let Some(lane) = lanes.join_next().await {
            lane??;
        }
        Ok(report)
    }

    /// The names of the tests, by which workers load them.
    async fn list(&self, modules: &[String]) -> Result<VecDeque<String>, AnyError> {
        let mut command = Command::new(&self.python);
        command.args(["-c", LIST]).args(modules).kill_on_drop(true);
        command.env("PYTHONPATH", &self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cannot list the tests: {}\n{said}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    /// A lane: one worker, and the next when that has died, until there are no more tests.
    async fn work(
        self,
        tests: Arc<Mutex<VecDeque<String>>>,
        ended: UnboundedSender<Ended>,
    ) -> Result<(), AnyError> {
        let next = || tests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut idle = None;
        while let Some(test) = next() {
            let worker = match idle.take() {
                Some(worker) => worker,
                None => Worker::start(&self.python, &self.folder).await?,
            };
            let (found, left) = worker.run(test, self.longest).await?;
            idle = left;
            // Nobody receives it once another lane has failed.
            let _ = ended.send(found);
        }
        if let Some(worker) = idle {
            worker.end().await?;
        }
        Ok(())
    }
}
