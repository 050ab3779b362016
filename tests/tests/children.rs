//! A child process of ours with its pipes as the transport.

use amp_core::{AmpBox, CallError, CloseReason, Connection, Peer, Responders};
use amp_tests::DEADLINE;
use amp_tests::commands::{CallBack, Divide, DivideError, Sum, Total};
use amp_unix::ChildPipes;
use command_fds::{CommandFdExt, FdMapping};
use std::process::{Command, Output, Stdio};
use tokio::process::Child;
use tokio::time::timeout;

/// No arguments.
const NONE: [(&str, &str); 0] = [];

#[tokio::test]
async fn a_child_answers_over_its_standard_input_and_output() {
    let (connection, child) = with_standard_pipes(["0", "1"]);
    until_shutdown(connection, child).await;
}

#[tokio::test]
async fn a_child_answers_over_3_and_4() {
    let (connection, ChildPipes { reader, writer, .. }) = amp_unix::child_pipes().unwrap();
    let mappings =
        [(reader, 3), (writer, 4)].map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampoule-child"));
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command.fd_mappings(mappings.into()).unwrap();
    // It is dropped with the child's ends, which it owns.
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    until_shutdown(connection, child).await;
}

#[tokio::test]
async fn a_parent_that_closes_ends_its_child() {
    let (connection, child) = with_standard_pipes(["0", "1"]);
    let peer = connection.spawn();
    timeout(DEADLINE, peer.call_by_name("Ping", NONE)).await.unwrap().unwrap();
    timeout(DEADLINE, peer.close()).await.unwrap();
    let Output { status, stderr, .. } = end(child).await;
    // It was not told to shut down.
    assert_eq!(status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&stderr).trim(), CloseReason::Peer.to_string());
}

#[tokio::test]
async fn a_child_that_was_not_given_its_pipes_says_so() {
    for (numbers, expected) in [
        (["0", "77"], "descriptor 77: not open"),
        (["0", "0"], "descriptor 0: taken already"),
        (["1", "0"], "descriptor 1: not in O_RDONLY or O_RDWR access mode"),
    ] {
        let (_connection, child) = with_standard_pipes(numbers);
        let Output { status, stderr, .. } = end(child).await;
        assert_eq!(status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&stderr).trim(), expected);
    }
}

fn with_standard_pipes(numbers: [&str; 2]) -> (Connection, Child) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ampoule-child"));
    command.arg("--pipes").args(numbers).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (reader, writer) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    (Connection::from_halves(reader, writer), child)
}

/// Calls both ways, with more than a pipe holds, and then shuts the child down.
async fn until_shutdown(connection: Connection, child: Child) {
    let responders = Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) });
    let peer = connection.responders(responders).spawn();
    timeout(DEADLINE, calls(&peer)).await.unwrap();
    assert_eq!(end(child).await.status.code(), Some(0));
}

async fn calls(peer: &Peer) {
    let data: Vec<u8> = (0..=255).cycle().take(60_000).collect();
    let echo = || peer.call_by_name("Echo", [("data", &data)]);
    let (a, b, c) = tokio::join!(echo(), echo(), echo());
    for echoed in [a, b, c] {
        assert_eq!(echoed.unwrap(), AmpBox::from_pairs([("response", &data)]).unwrap());
    }
    let back = peer.call_remote(CallBack { a: 20.into(), b: 22.into() }).await.unwrap();
    assert_eq!(back, Total { total: 42.into() });
    let error = peer.call_remote(Divide { numerator: 1, denominator: 0 }).await.unwrap_err();
    assert!(matches!(error, CallError::Command(DivideError::ZeroDivision)), "{error}");
    assert_eq!(peer.call_by_name("Shutdown", NONE).await.unwrap(), AmpBox::new());
    // The child closes behind its answer.
    assert!(matches!(peer.closed().await, CloseReason::Peer));
}

async fn end(child: Child) -> Output {
    timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap()
}
