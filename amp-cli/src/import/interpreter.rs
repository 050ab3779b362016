//! The user's Python, and what it says.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, copy, sink};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Answer;
use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::running::Interrupts;

/// What runs in it: a start, and the modules that it is given.
const START: &str = include_str!("start.py");
const SOURCES: [(&str, &str); 8] = [
    ("ampctl_limits", include_str!("limits.py")),
    ("ampctl_stand_ins", include_str!("stand_ins.py")),
    ("ampctl_syntax", include_str!("syntax.py")),
    ("ampctl_meanings", include_str!("meanings.py")),
    ("ampctl_slicing", include_str!("slicing.py")),
    ("ampctl_doubts", include_str!("doubts.py")),
    ("ampctl_wire_types", include_str!("wire_types.py")),
    ("ampctl_record", include_str!("record.py")),
];

/// How long it may take. Single statements, and hooks of arguments, are given up after three seconds.
const LONGEST: Duration = Duration::from_secs(60);
/// How much it may say, in bytes.
const MOST: u64 = 64 << 20;
/// How much is kept of what the user's code prints, in bytes: the last words of a Python that has failed.
const PRINTED: u64 = 1 << 20;
/// How long the end of what has been killed is waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs the program with a request, and ends it with all that it has started.
pub(super) async fn ask(interpreter: &Path, mut request: Value) -> Result<Answer, Failure> {
    let python = interpreter.display();
    let cannot = |error| Mistake::new(format!("cannot run {python}: {error}"));
    request["sources"] = json!(SOURCES);
    let mut interrupts = Interrupts::new()?;
    let mut command = Command::new(interpreter);
    command.args(["-c", START]).env("PYTHONDONTWRITEBYTECODE", "1");
    // What the user's code prints is for nobody, unless nothing else is said.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that whatever it starts can be ended.
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(cannot)?;
    let printed = tokio::spawn(kept(child.stderr.take()));
    let mut said = Said::default();
    let is_in_time = tokio::select! {
        heard = timeout(LONGEST, said.hear(&mut child, request)) => heard.is_ok(),
        _ = interrupts.recv() => {
            end(&child);
            return Err(Failure::new(exit::INTERRUPTED, "interrupted"));
        }
    };
    end(&child);
    if let Some(answer) = said.answer {
        return Ok(answer);
    }
    let was = match said.place {
        None => String::new(),
        Some(place) => format!(": it was executing what the commands need, {place}"),
    };
    if !is_in_time {
        let seconds = LONGEST.as_secs();
        return Err(Mistake::new(format!("{python} has not ended in {seconds} s{was}")).into());
    }
    let status = child.wait().await.map_err(cannot)?;
    let printed = timeout(FAREWELL, printed).await;
    let printed = printed.ok().and_then(Result::ok).unwrap_or_default();
    let printed = String::from_utf8_lossy(&printed);
    let last = printed.trim_end().lines().next_back().unwrap_or_default();
    Err(Mistake::new(format!("{python} did not say anything: {status}{was}: {last}")).into())
}

/// Ends it, if it has not ended, and its group. It has not been waited for, so that its number is its own.
fn end(child: &Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// What it has said so far.
#[derive(Default)]
struct Said {
    /// Where it is: a file and a line.
    place: Option<String>,
    answer: Option<Answer>,
}

impl Said {
    /// Listens until it has said all, or says no more.
    async fn hear(&mut self, child: &mut Child, request: Value) {
        if let Some(mut stdin) = child.stdin.take() {
            // A Python that ends before it has read all says why itself.
            let _ = stdin.write_all(request.to_string().as_bytes()).await;
        }
        let Some(stdout) = child.stdout.take() else { return };
        let mut lines = BufReader::new(stdout.take(MOST)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(place) = serde_json::from_str(&line) else {
                self.answer = serde_json::from_str(&line).ok();
                return;
            };
            self.place = Some(place);
        }
    }
}

/// The beginning of what is printed. Nobody waits for room in the pipe.
async fn kept(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(PRINTED).read_to_end(&mut bytes).await;
        let _ = copy(&mut pipe, &mut sink()).await;
    }
    bytes
}
