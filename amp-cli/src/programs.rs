//! Programs that are started here, of which none is left behind when this one ends by itself or is
//! interrupted: peers, those that answer a call, and those that a stream is joined to.

use amp_core::Switched;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SetOnce};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::mistake::Mistake;
use crate::printing::tell;

/// The time that a program may take to answer.
const TO_ANSWER: Duration = Duration::from_secs(60);

/// So many programs answer at a time: any number of peers may ask. Further ones wait for their turn.
static ANSWERING: Semaphore = Semaphore::const_new(32);

/// So many of those answer one peer, so that the calls of others have theirs meanwhile.
const FOR_ONE: usize = 8;

/// The turns of the peers that programs answer, by the numbers of their connections.
static OF_EACH: Mutex<BTreeMap<u64, Weak<Semaphore>>> = Mutex::new(BTreeMap::new());

fn turns_of(connection: u64) -> Arc<Semaphore> {
    let mut of_each = OF_EACH.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(turns) = of_each.get(&connection).and_then(Weak::upgrade) {
        return turns;
    }
    of_each.retain(|_, turns| turns.strong_count() > 0);
    let turns = Arc::new(Semaphore::new(FOR_ONE));
    of_each.insert(connection, Arc::downgrade(&turns));
    turns
}

/// So many bytes a program may print as an answer, which are twice as many as a box may have: JSON is longer
/// than what it says.
const MOST_PRINTED: usize = 34 << 20;

/// The time that the rest is waited for of what a program has printed, and of a program without a stream.
const REST: Duration = Duration::from_secs(5);

/// The time that a program may go on once this one has nothing more to say to it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The programs of this one.
struct Programs {
    /// The numbers of those that run.
    running: BTreeSet<i32>,
    /// Whether all are to end, and no other is started.
    are_over: bool,
}

static PROGRAMS: Mutex<Programs> =
    Mutex::new(Programs { running: BTreeSet::new(), are_over: false });

/// Notified when one has ended.
static ENDED: Condvar = Condvar::new();

fn programs() -> MutexGuard<'static, Programs> {
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that has not been waited for. This is dropped once it has: the system gives its number to
/// another one then.
pub(crate) struct Running(Option<i32>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(number) = self.0 {
            programs().running.remove(&number);
            ENDED.notify_all();
        }
    }
}

/// Starts a program. There is no moment in which it runs and [`end_all`] does not know of it.
pub(crate) fn start(command: &mut Command) -> io::Result<(Child, Running)> {
    let mut programs = programs();
    if programs.are_over {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let child = command.spawn()?;
    let number = child.id().and_then(|number| i32::try_from(number).ok());
    programs.running.extend(number);
    Ok((child, Running(number)))
}

/// Ends those that run, where this program ends in the middle of something. They are asked to, and have a
/// moment for it.
pub(crate) fn end_all() {
    let signal_all = |programs: &Programs, signal| {
        for number in &programs.running {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(*number), signal);
        }
    };
    let mut programs = programs();
    programs.are_over = true;
    signal_all(&programs, Signal::SIGTERM);
    let some_run = |programs: &mut Programs| !programs.running.is_empty();
    let waited = ENDED.wait_timeout_while(programs, LAST_WORDS, some_run);
    let (programs, _) = waited.unwrap_or_else(PoisonError::into_inner);
    signal_all(&programs, Signal::SIGKILL);
}

/// The tasks that wait for the end of each peer.
static WATCHED: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Waits for the end of a program, so that nothing is left of it.
pub(crate) fn watch((mut child, running): (Child, Running)) {
    let watching = tokio::spawn(async move {
        let _ = child.wait().await;
        drop(running);
    });
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.retain(|watching| !watching.is_finished());
    watched.push(watching);
}

/// Waits a moment for those that still run, and ends them: whoever watches a program and is dropped
/// takes it along.
pub(crate) async fn end() {
    let watched = std::mem::take(&mut *WATCHED.lock().unwrap_or_else(PoisonError::into_inner));
    let all = async {
        for watching in watched {
            let _ = watching.await;
        }
    };
    let _ = timeout(LAST_WORDS, all).await;
}

/// The words of a program that a user has written.
pub(crate) fn words(text: &str) -> Result<Vec<String>, Mistake> {
    let words = shell_words::split(text).map_err(|error| Mistake::new(error.to_string()))?;
    if words.is_empty() {
        return Err(Mistake::new("it is a program, and what it is started with"));
    }
    if !is_one(&words[0]) {
        return Err(Mistake::new(format!("there is no such program: {:?}", words[0])));
    }
    Ok(words)
}

/// Where the system looks for programs when no `PATH` says so.
const WITHOUT_PATH: &str = "/bin:/usr/bin";

/// Returns whether the system finds a program by this name.
pub(crate) fn is_one(name: &str) -> bool {
    let may_run = |path: &Path| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return may_run(Path::new(name));
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| WITHOUT_PATH.into());
    std::env::split_paths(&folders).any(|folder| may_run(&folder.join(name)))
}

/// A program that reads what is written to it, and whose output is read.
fn piped(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// Returns what a program prints that reads this, to answer the peer of the connection with this number.
pub(crate) async fn printed(
    words: &[String],
    input: String,
    connection: u64,
) -> io::Result<Vec<u8>> {
    let turns = turns_of(connection);
    // Neither is ever closed.
    let _own = turns.acquire().await;
    let _turn = ANSWERING.acquire().await;
    let (mut child, running) = start(&mut piped(words))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let told = async {
        if let Some(mut stdin) = stdin {
            // It may not want to know.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        Ok(())
    };
    let printed = async {
        let mut printed = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MOST_PRINTED as u64 + 1).read_to_end(&mut printed).await?;
        }
        if printed.len() > MOST_PRINTED {
            let what = format!("it has printed over {MOST_PRINTED} bytes, which is the limit");
            return Err(io::Error::other(what));
        }
        Ok::<_, io::Error>(printed)
    };
    let ended = async move {
        let status = child.wait().await;
        drop(running);
        status
    };
    // It may print before it has read all. One that prints too much is not waited for.
    let answered = async { tokio::try_join!(told, printed, ended) };
    let ((), printed, status) = timeout(TO_ANSWER, answered).await.map_err(|_| {
        let what = format!("it has not answered within {TO_ANSWER:?}");
        io::Error::new(io::ErrorKind::TimedOut, what)
    })??;
    if !status.success() {
        return Err(io::Error::other(status.to_string()));
    }
    Ok(printed)
}

/// Joins a stream to the standard input and output of a program.
pub(crate) async fn join(stream: Switched, words: Vec<String>) {
    let (mut child, running) = match start(&mut piped(&words)) {
        Ok(started) => started,
        Err(error) => return tell(format_args!("{}: {error}", words[0])),
    };
    let mut running = Some(running);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let ended = SetOnce::new();
    let waiting = async {
        let _ = child.wait().await;
        running = None;
        let _ = ended.set(());
        std::future::pending::<()>().await;
    };
    let to_program = async {
        let copied = async {
            if let Some(mut input) = input {
                let _ = tokio::io::copy(&mut reader, &mut input).await;
            }
            // A pipe ends when it is closed.
        };
        tokio::select! {
            () = copied => {}
            // A peer that has more to say is not waited for.
            &() = ended.wait() => {}
        }
    };
    let from_program = async {
        let copied = async {
            if let Some(mut output) = output {
                let _ = tokio::io::copy(&mut output, &mut writer).await;
            }
        };
        let rest = async {
            ended.wait().await;
            sleep(REST).await;
        };
        tokio::select! {
            () = copied => {}
            // Another program has its output by now, whose end nobody knows.
            () = rest => {}
        }
        let _ = writer.shutdown().await;
    };
    let joined = async {
        tokio::join!(to_program, from_program);
        // A program that nobody listens to is ended when it does not end by itself.
        let _ = timeout(REST, ended.wait()).await;
    };
    tokio::select! {
        () = joined => {}
        () = waiting => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_never_answers_is_ended() {
        let words = ["sh", "-c", "exec sleep 1000"].map(str::to_owned);
        let error = printed(&words, String::new(), 1).await.unwrap_err();
        assert_eq!(error.to_string(), "it has not answered within 60s");
    }

    #[tokio::test]
    async fn so_many_programs_answer_at_a_time() {
        let others = ANSWERING.acquire_many(32).await.unwrap();
        let words = ["/nowhere".to_owned()];
        let mut answer = pin!(printed(&words, String::new(), 1));
        let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        assert!(first.is_pending());
        drop(others);
        assert_eq!(answer.await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_program_that_prints_too_much_is_not_an_answer() {
        for (length, refused) in [(MOST_PRINTED, false), (MOST_PRINTED + 1, true)] {
            let words = ["head", "-c", &length.to_string(), "/dev/zero"].map(str::to_owned);
            let printed = printed(&words, String::new(), 1).await;
            let error = printed.err().map(|error| error.to_string());
            let expected = "it has printed over 35651584 bytes, which is the limit";
            assert_eq!(error.as_deref(), refused.then_some(expected));
        }
    }
}
