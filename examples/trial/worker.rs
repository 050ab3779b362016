//! One worker of trial: a child process that is told which tests to run, and calls back with their results.

use amp_core::{Context, Failure, NoError, Peer, Responders};
use amp_unix::ChildPipes;
use command_fds::{CommandFdExt, FdMapping};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::timeout;

use crate::AnyError;
use crate::commands::{
    AddError, AddExpectedFailure, AddFailure, AddSkip, AddSuccess, AddUnexpectedSuccess, Opened,
    Run, Start, StreamOpen, StreamWrite, Success, TestWrite,
};
use crate::report::{Ended, Finding, Outcome};

/// What the streams of a test may hold together, in bytes. What is more is left out.
const LONGEST_TEXTS: usize = 4 << 20;
/// How many streams a test may have open.
const MOST_STREAMS: usize = 1000;
/// Of what a worker has written before it died, so many bytes are shown.
const LAST_WORDS: u64 = 2000;
/// Files whose functions are around and below every test.
const MACHINERY: [&str; 5] = [
    "/twisted/internet/defer.py",
    "/twisted/internet/utils.py",
    "/twisted/python/failure.py",
    "/twisted/trial/_",
    "/unittest/",
];
/// How long a worker may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file that a worker's standard streams are written into.
const OUTPUT: &str = "output";

/// A process, and the way to it.
#[derive(Debug)]
pub(crate) struct Worker {
    peer: Peer,
    child: Child,
    heard: Arc<Mutex<Heard>>,
    /// Where its tests run, and what it writes to its standard streams is kept, until it is dropped.
    folder: TempDir,
}

/// What it has said of the test that it runs.
#[derive(Debug, Default)]
struct Heard {
    findings: Vec<Finding>,
    /// Texts that come in pieces, since a value has at most 65 535 bytes, before what they belong to.
    streams: HashMap<i64, Vec<Vec<u8>>>,
    opened: i64,
    /// The length of all texts.
    length: usize,
}

impl Worker {
    /// Starts one, in a folder of its own. It reads from 3 and writes to 4, so that its standard streams are
    /// those of its tests.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends at once, as it does where there is no Twisted.
    pub(crate) async fn start(python: &Path, modules: &Path) -> Result<Self, AnyError> {
        let folder = tempfile::tempdir()?;
        let output = File::create(folder.path().join(OUTPUT))?;
        let (connection, ChildPipes { reader, writer, .. }) = amp_unix::child_pipes()?;
        let mut command = Command::new(python);
        command.args(["-m", "twisted.trial._dist.workertrial"]);
        command.env("PYTHONPATH", modules).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        command.fd_mappings(vec![
            FdMapping { parent_fd: reader, child_fd: 3 },
            FdMapping { parent_fd: writer, child_fd: 4 },
        ])?;
        // The command is dropped here, and with it the child's ends of the pipes: while this process has
        // them open, it would not see that the child is gone.
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;

        let heard = Arc::<Mutex<Heard>>::default();
        let peer = connection.responders(responders(Arc::clone(&heard))).spawn();
        let directory = folder.path().to_string_lossy().into_owned();
        let worker = Self { peer, child, heard, folder };
        match worker.peer.call_remote(Start { directory }).await {
            Ok(_) => Ok(worker),
            Err(error) => {
                Err(format!("a worker has not started: {error}: {}", worker.end().await?).into())
            }
        }
    }

    /// Runs a test. Gives the worker back, unless that has not survived it.
    ///
    /// # Errors
    ///
    /// When nothing can be learnt of what has become of the worker.
    pub(crate) async fn run(
        mut self,
        test: String,
        longest: Duration,
    ) -> Result<(Ended, Option<Self>), AnyError> {
        let run = self.peer.call_remote(Run { test_case: test.clone() });
        let lost = match timeout(longest, run).await {
            // All that there is to say of the test has been said: trial answers this call when all its own
            // have been answered.
            Ok(Ok(_)) => None,
            // When the child has died, its ends of the pipes are closed, and no answer comes any more.
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => {
                self.child.start_kill()?;
                Some(format!("it has not ended in {longest:?}"))
            }
        };
        // Streams that belong to nothing go with it.
        let Heard { mut findings, .. } = std::mem::take(&mut *heard(&self.heard));
        let left = match lost {
            None => Some(self),
            Some(lost) => {
                let why = format!("{lost}: {}", self.end().await?);
                findings.push(Finding { test: test.clone(), outcome: Outcome::Died, why });
                None
            }
        };
        if findings.is_empty() {
            let (test, why) = (test.clone(), String::new());
            findings.push(Finding { test, outcome: Outcome::Unreported, why });
        }
        Ok((Ended { test, findings }, left))
    }

    /// Ends it: a worker goes when its pipe is closed. Returns how it went, and what it has written last.
    pub(crate) async fn end(mut self) -> Result<String, AnyError> {
        self.peer.close().await;
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.start_kill()?;
        }
        let status = self.child.wait().await?;
        let last_words = last_words(&self.folder.path().join(OUTPUT))?;
        Ok(format!("{status}\n{last_words}"))
    }
}

fn last_words(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
    let mut bytes = Vec::new();
    file.take(LAST_WORDS).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

type State = Arc<Mutex<Heard>>;

/// The manager's side of trial's protocol.
fn responders(state: State) -> Responders<State> {
    Responders::new(state)
        .try_respond(async |context: Context<State>, _: StreamOpen| {
            let stream_id = heard(context.state()).open()?;
            Ok(Opened { stream_id })
        })
        .try_respond(
            async |context: Context<State>, StreamWrite { data, stream_id }: StreamWrite| {
                heard(context.state()).write(stream_id, &data)
            },
        )
        .respond(async |context: Context<State>, AddSuccess { test_name }: AddSuccess| {
            Ok(heard(context.state()).note(test_name, Outcome::Passed, String::new()))
        })
        .respond(async |context: Context<State>, AddSkip { reason, test_name }: AddSkip| {
            Ok(heard(context.state()).note(test_name, Outcome::Skipped, reason))
        })
        .respond(async |context: Context<State>, failure: AddFailure| {
            let mut heard = heard(context.state());
            let text = heard.text(failure.fail_stream_id);
            let frames = heard.frames(failure.frames_stream_id);
            let why = format!("{frames}{}: {text}", failure.fail_class);
            Ok(heard.note(failure.test_name, Outcome::Failed, why))
        })
        .respond(async |context: Context<State>, error: AddError| {
            let mut heard = heard(context.state());
            let text = heard.text(error.error_stream_id);
            let frames = heard.frames(error.frames_stream_id);
            let why = format!("{frames}{}: {text}", error.error_class);
            Ok(heard.note(error.test_name, Outcome::Erred, why))
        })
        .respond(async |context: Context<State>, failure: AddExpectedFailure| {
            let mut heard = heard(context.state());
            let why = format!("{}: {}", failure.todo, heard.text(failure.error_stream_id));
            Ok(heard.note(failure.test_name, Outcome::ExpectedFailure, why))
        })
        .respond(async |context: Context<State>, success: AddUnexpectedSuccess| {
            let AddUnexpectedSuccess { test_name, todo } = success;
            Ok(heard(context.state()).note(test_name, Outcome::UnexpectedSuccess, todo))
        })
        // What is logged is for nobody here.
        .respond(async |_, _: TestWrite| Ok(Success { success: true }))
}

fn heard(state: &State) -> MutexGuard<'_, Heard> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    fn open(&mut self) -> Result<i64, Failure<NoError>> {
        if self.streams.len() == MOST_STREAMS {
            return Err(format!("a test may have {MOST_STREAMS} streams").into());
        }
        self.opened += 1;
        self.streams.insert(self.opened, Vec::new());
        Ok(self.opened)
    }

    fn write(&mut self, id: i64, data: &[u8]) -> Result<(), Failure<NoError>> {
        let pieces = self.streams.get_mut(&id).ok_or_else(|| format!("there is no stream {id}"))?;
        let room = LONGEST_TEXTS.saturating_sub(self.length);
        if room > 0 {
            let piece = data[..data.len().min(room)].to_vec();
            // An empty one takes room as well.
            self.length += piece.len() + size_of_val(&piece);
            pieces.push(piece);
        }
        Ok(())
    }

    /// Takes what came over a stream, whose pieces are cut anywhere.
    fn text(&mut self, id: i64) -> String {
        let pieces = self.streams.remove(&id).unwrap_or_default();
        String::from_utf8_lossy(&pieces.concat()).into_owned()
    }

    /// Takes what came over a stream whose pieces are the functions that an exception went through, each with
    /// its file and the number of the line.
    fn frames(&mut self, id: i64) -> String {
        let pieces = self.streams.remove(&id).unwrap_or_default();
        let pieces: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
        let frames = pieces.chunks_exact(3);
        let own = frames.filter(|frame| !MACHINERY.iter().any(|file| frame[1].contains(file)));
        let lines = own.map(|frame| format!("{}:{}, in {}\n", frame[1], frame[2], frame[0]));
        lines.collect::<Vec<_>>().concat()
    }

    fn note(&mut self, test: String, outcome: Outcome, why: String) -> Success {
        self.findings.push(Finding { test, outcome, why });
        Success { success: true }
    }
}
