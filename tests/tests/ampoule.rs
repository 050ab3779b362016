//! ampoule, the process pool made of Twisted and AMP: as the parent of ours, and as our child.

use amp_core::{AmpBox, CallError, CloseReason, Peer, Responders};
use amp_tests::commands::{CallBack, Divide, DivideError, Sum, Total};
use amp_tests::{DEADLINE, Process, Python};
use amp_unix::ChildPipes;
use command_fds::{CommandFdExt, FdMapping};
use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use tokio::process::Child;
use tokio::time::timeout;

/// No arguments.
const NONE: [(&str, &str); 0] = [];

/// With which exit code a child of ampoule ends that was not told to shut down.
const NOT_TOLD: i32 = 255;

#[test]
fn ampoule_calls_ours() {
    let mut parent = python().program("ampoule_parent.py");
    parent.arg(env!("CARGO_BIN_EXE_ampoule-child"));
    let finished = Process::start(parent).finish(Instant::now() + DEADLINE);
    let calls = [
        "ping b'pong'",
        "echo True",
        "sum 999999999999999999999999999999",
        "call back 42",
        "divide division by zero",
    ];
    let expected = [
        &calls[..],
        &["shutdown {}", "ended", "abandoned exit code 1"],
        &calls,
        &["in parallel True", "stopped 0"],
    ];
    assert_eq!(finished.stdout, expected.concat(), "{}", finished.stderr);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[tokio::test]
async fn ours_calls_ampoule() {
    let (peer, child) = start();
    let calls = async {
        let data: Vec<u8> = (0..=255).cycle().take(51_200).collect();
        let echoed = peer.call_by_name("Echo", [("data", &data)]).await.unwrap();
        assert_eq!(echoed, AmpBox::from_pairs([("response", &data)]).unwrap());

        let total = peer.call_remote(Sum { a: 13.into(), b: 81.into() }).await.unwrap();
        assert_eq!(total, Total { total: 94.into() });
        let back = peer.call_remote(CallBack { a: 20.into(), b: 22.into() }).await.unwrap();
        assert_eq!(back, Total { total: 42.into() });
        let divide = Divide { numerator: 1, denominator: 0 };
        let error = peer.call_remote(divide).await.unwrap_err();
        assert!(matches!(error, CallError::Command(DivideError::ZeroDivision)), "{error}");

        assert_eq!(peer.call_by_name("Shutdown", NONE).await.unwrap(), AmpBox::new());
        // The child closes behind its answer.
        assert!(matches!(peer.closed().await, CloseReason::Peer));
    };
    timeout(DEADLINE, calls).await.unwrap();
    let Output { status, stderr, .. } = end(child).await;
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stderr));
}

#[tokio::test]
async fn ampoule_sees_that_ours_is_gone() {
    let (peer, child) = start();
    let sum = peer.call_remote(Sum { a: 1.into(), b: 1.into() });
    timeout(DEADLINE, sum).await.unwrap().unwrap();
    drop(peer);
    assert_eq!(end(child).await.status.code(), Some(NOT_TOLD));
}

/// `AMPChild` answers with text where its command declares bytes, which Twisted refuses to write
/// on Python 3. Its parent never asks.
#[tokio::test]
async fn a_child_that_fails_to_answer_a_ping_is_gone() {
    let (peer, child) = start();
    let ping = timeout(DEADLINE, peer.call_by_name("Ping", NONE)).await.unwrap();
    assert!(matches!(ping, Err(CallError::Closed(CloseReason::Peer))), "{ping:?}");
    let Output { status, stderr, .. } = end(child).await;
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(NOT_TOLD), "{stderr}");
    assert!(stderr.contains("Unicode value for key b'response' not allowed: 'pong'"), "{stderr}");
}

/// Starts ampoule's Python child as ampoule does: its own start-up code as the program, and pipes
/// on descriptors 3 and 4.
fn start() -> (Peer, Child) {
    let module = python().program("ampoule_child.py");
    let interpreter = module.get_program();
    let (connection, ChildPipes { reader, writer, .. }) = amp_unix::child_pipes().unwrap();
    let mappings =
        [(reader, 3), (writer, 4)].map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    let mut command = Command::new(interpreter);
    command.fd_mappings(mappings.into()).unwrap();
    command.args(["-c", &bootstrap(interpreter), "select", "ampoule_child.Child"]);
    // With `-c`, modules are looked for where the program runs.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/python"));
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env("PYTHONDONTWRITEBYTECODE", "1");
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let responders = Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) });
    (connection.responders(responders).spawn(), child)
}

/// The program that ampoule gives to Python.
fn bootstrap(interpreter: &OsStr) -> String {
    let mut command = Command::new(interpreter);
    command.args(["-c", "import ampoule.main; print(ampoule.main.BOOTSTRAP)"]);
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    let finished = Process::start(command).finish(Instant::now() + DEADLINE);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout.join("\n")
}

async fn end(child: Child) -> Output {
    timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap()
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}
