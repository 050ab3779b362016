//! A worker of Twisted's trial as our child: it runs tests, and reports what becomes of them.

use amp_core::{AmpBox, CloseReason, ReceivedCall, Responders};
use amp_tests::{DEADLINE, Python};
use amp_unix::ChildPipes;
use command_fds::{CommandFdExt, FdMapping};
use std::process::{Command, Stdio};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

/// Of Twisted's own tests, some that take no time.
const TESTS: &str = "twisted.python.test.test_urlpath.BytesURLPathTests";

#[tokio::test]
async fn a_worker_of_trial_runs_tests_for_us() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let (connection, ChildPipes { reader, writer }) = amp_unix::child_pipes().unwrap();
    let mappings =
        [(reader, 3), (writer, 4)].map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    let mut command = Command::new(python.program("peer.py").get_program());
    command.args(["-m", "twisted.trial._dist.workertrial"]).fd_mappings(mappings.into()).unwrap();
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();

    let (reported, mut reports) = unbounded_channel();
    let responders = Responders::new(()).fallback(move |call: ReceivedCall| {
        reported.send(call).unwrap();
        async { Ok(AmpBox::from_pairs([("success", "True")]).unwrap()) }
    });
    let peer = connection.responders(responders).spawn();
    let folder = tempfile::tempdir().unwrap();
    let calls = async {
        let yes = AmpBox::from_pairs([("success", "True")]).unwrap();
        let directory = folder.path().to_str().unwrap();
        let started = peer.call_by_name("Start", [("directory", directory)]).await;
        assert_eq!(started.unwrap(), yes);
        assert_eq!(peer.call_by_name("Run", [("testCase", TESTS)]).await.unwrap(), yes);
        peer.close().await;
        assert!(matches!(peer.closed().await, CloseReason::Local));
        child.wait_with_output().await.unwrap()
    };
    let output = timeout(DEADLINE, calls).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut successes = 0;
    while let Ok(ReceivedCall { command, arguments, .. }) = reports.try_recv() {
        if command == "TestWrite" {
            // What it logs.
            continue;
        }
        assert_eq!(command, "AddSuccess");
        assert!(arguments.get("testName").unwrap().starts_with(TESTS.as_bytes()));
        successes += 1;
    }
    assert!(successes > 5, "{successes}");
}
