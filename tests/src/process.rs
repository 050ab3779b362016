use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use crate::DEADLINE;

/// A child process whose output is read as it comes. It is killed when this is dropped; what it
/// wrote to standard error is shown if that happens because a test fails.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    lines: Receiver<String>,
    stderr: Receiver<String>,
}

/// A process that ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The lines of its standard output.
    pub stdout: Vec<String>,
    /// All of its standard error.
    pub stderr: String,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr_pipe = child.stderr.take().expect("it is piped");
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            for read in stdout.lines() {
                let Ok(read) = read else { return };
                // Nobody listens any more once the process is dropped.
                if line.send(read).is_err() {
                    return;
                }
            }
        });
        let (all, stderr) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr_pipe.read_to_end(&mut bytes);
            let _ = all.send(String::from_utf8_lossy(&bytes).into_owned());
        });
        Self { child, name, lines, stderr }
    }

    /// Its process identifier.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output, or `None` when there are no more.
    ///
    /// # Panics
    ///
    /// When nothing comes before `deadline`.
    pub fn line(&mut self, deadline: Instant) -> Option<String> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} prints nothing and goes on", self.name),
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().try_into().expect("the kernel counts processes with this type");
        // It has not been waited for, so its id is no other's.
        kill(Pid::from_raw(id), signal).expect("a child can be signalled");
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// When it has not done so before `deadline`.
    pub fn finish(mut self, deadline: Instant) -> Finished {
        let stdout = std::iter::from_fn(|| self.line(deadline)).collect();
        let status = self.child.wait().expect("a child can be waited for");
        Finished { code: status.code(), stdout, stderr: self.stderr() }
    }

    /// All that it wrote to standard error; it must have ended.
    fn stderr(&self) -> String {
        let nothing = || "(its standard error is still held open)".into();
        self.stderr.recv_timeout(DEADLINE).unwrap_or_else(|_| nothing())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let stderr = self.stderr();
            eprintln!("standard error of {}:\n{stderr}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command)
    }

    #[test]
    fn output_and_exit_code_are_seen() {
        let finished =
            shell("echo one; echo two; echo three >&2; exit 1").finish(Instant::now() + DEADLINE);
        assert_eq!(finished.code, Some(1));
        assert_eq!(finished.stdout, ["one", "two"]);
        assert_eq!(finished.stderr, "three\n");
        assert_eq!(shell("true").finish(Instant::now() + DEADLINE).code, Some(0));
    }

    #[test]
    #[should_panic(expected = "prints nothing and goes on")]
    fn a_process_that_hangs_is_noticed() {
        shell("exec sleep 1000").finish(Instant::now() + Duration::from_millis(10));
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let mut process = shell("echo $$; exec sleep 1000");
        let id = process.line(Instant::now() + DEADLINE).unwrap();
        let alive = || Command::new("sh").args(["-c", &format!("kill -0 {id} 2>&-")]).status();
        assert!(alive().unwrap().success());
        drop(process);
        assert!(!alive().unwrap().success());
    }
}
