//! The example `trial`: a manager in Rust, with workers of Twisted's trial.

// It has all of trial's protocol, and is as it would be in a library.
#[path = "../../examples/trial/commands.rs"]
#[allow(dead_code, unreachable_pub)]
mod commands;
#[path = "../../examples/trial/manager.rs"]
mod manager;
#[path = "../../examples/trial/report.rs"]
#[allow(dead_code)]
mod report;
#[path = "../../examples/trial/worker.rs"]
mod worker;

use amp_core::testing::SchemaRecord;
use amp_tests::{DEADLINE, Python};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

use manager::Manager;
use report::{Finding, Outcome, Report};
use worker::Worker;

type AnyError = Box<dyn Error + Send + Sync>;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/trial");

fn python() -> PathBuf {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    python.interpreter().get_program().into()
}

fn manager(folder: &Path, longest: Duration) -> Manager {
    let folder = folder.canonicalize().unwrap();
    Manager { python: python(), folder, workers: 2, longest }
}

/// What has become of each part of a module's tests, by their names.
async fn run(manager: Manager, modules: &[&str]) -> Report {
    let modules: Vec<_> = modules.iter().map(|&module| module.to_owned()).collect();
    let mut seen = 0;
    let report = manager.run(&modules, |done, all, _| {
        seen += 1;
        assert!(done == seen && done <= all);
    });
    timeout(2 * DEADLINE, report).await.unwrap().unwrap()
}

fn of<'a>(report: &'a Report, test: &str) -> &'a Finding {
    let findings = report.findings().filter(|finding| finding.test == test).collect::<Vec<_>>();
    let [finding] = findings[..] else { panic!("{test}: {findings:?}") };
    finding
}

#[tokio::test]
async fn tests_end_in_every_way_and_take_their_workers_along() {
    let report = run(manager(Path::new(EXAMPLE), 2 * DEADLINE), &["suite"]).await;
    assert!(!report.is_well());
    for (test, outcome) in [
        ("Ends.test_passes", Outcome::Passed),
        ("Ends.test_passes_later", Outcome::Passed),
        ("Ends.test_fails", Outcome::Failed),
        ("Ends.test_raises", Outcome::Erred),
        ("Ends.test_is_skipped", Outcome::Skipped),
        ("Ends.test_is_to_be_done", Outcome::ExpectedFailure),
        ("Ends.test_was_to_be_done", Outcome::UnexpectedSuccess),
        ("Parts.test_parts_are_skipped (number=0)", Outcome::Skipped),
        ("Parts.test_parts_are_skipped (number=1)", Outcome::Skipped),
        ("Parts.test_a_part_fails", Outcome::Unreported),
        ("Parts.test_is_to_fail", Outcome::Died),
        ("TakesItsWorkerAlong.test_by_exit", Outcome::Died),
        ("TakesItsWorkerAlong.test_by_signal", Outcome::Died),
        ("TakesItsWorkerAlong.test_others_are_run_all_the_same", Outcome::Failed),
    ] {
        let finding = of(&report, &format!("suite.{test}"));
        assert_eq!(finding.outcome, outcome, "{finding:?}");
    }
    // One test that fails, and then raises: trial sends the texts of both at the same time.
    let twice = report.tests.iter().find(|ended| ended.test == "suite.EndsTwice.test_fails");
    let outcomes = twice.unwrap().findings.iter().map(|finding| finding.outcome);
    let outcomes: Vec<_> = outcomes.collect();
    assert!(outcomes.len() == 2 && outcomes.contains(&Outcome::Failed), "{outcomes:?}");

    // What is longer than a value comes in pieces, and is put together.
    let Finding { why, .. } = of(&report, "suite.Ends.test_fails");
    assert!(why.contains(&"x".repeat(100_000)), "{}", why.len());
    let (place, _) = why.split_once('\n').unwrap();
    assert!(place.contains("/trial/suite.py:") && place.ends_with(", in test_fails"), "{place}");
    let Finding { why, .. } = of(&report, "suite.Ends.test_raises");
    assert!(why.ends_with(&format!("builtins.RuntimeError: {}", "é".repeat(100_000))));
    // How a worker has died.
    let Finding { why, .. } = of(&report, "suite.TakesItsWorkerAlong.test_by_exit");
    assert!(why.contains("exit status: 7"), "{why}");
    let Finding { why, .. } = of(&report, "suite.TakesItsWorkerAlong.test_by_signal");
    assert!(why.contains("SIGKILL") && why.ends_with("these are its last words\n"), "{why}");

    let shown = report.to_string();
    assert!(shown.len() < 20_000, "long texts are cut");
    assert!(shown.contains("skipped: suite.Ends.test_is_skipped\n    not today\n"), "{shown}");
    let summary = include_str!("../../examples/trial/suite.txt").trim_end();
    assert_eq!(shown.lines().next_back(), Some(summary), "{shown}");
}

#[tokio::test]
async fn a_test_that_hangs_loses_its_worker_and_no_other_test_does() {
    let folder = tempfile::tempdir().unwrap();
    let suite = "from twisted.trial import unittest\n\
                 class Tests(unittest.TestCase):\n    \
                     def test_hangs(self):\n        \
                         while True:\n            \
                             pass\n    \
                     test_a = test_b = test_y = test_z = lambda self: None\n";
    fs::write(folder.path().join("hangs.py"), suite).unwrap();
    let report = run(manager(folder.path(), Duration::from_secs(3)), &["hangs"]).await;
    assert_eq!(report.count(Outcome::Passed), 4, "{report}");
    let Finding { outcome, why, .. } = of(&report, "hangs.Tests.test_hangs");
    assert_eq!(*outcome, Outcome::Died);
    assert!(why.contains("it has not ended in 3s: signal: 9"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    // A module that is not there is a test that fails, as in trial.
    let folder = tempfile::tempdir().unwrap();
    let report = run(manager(folder.path(), DEADLINE), &["no_such_module"]).await;
    assert_eq!(report.count(Outcome::Erred), 1, "{report:?}");
    // An interpreter without Twisted.
    let python = folder.path().join("python");
    fs::write(&python, "#!/bin/sh\necho there is no twisted >&2\nexit 3\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&python, mode).unwrap();
    let error = Worker::start(&python, folder.path()).await.unwrap_err().to_string();
    let (start, end) = ("a worker has not started: ", "exit status: 3\nthere is no twisted\n");
    assert!(error.starts_with(start) && error.ends_with(end), "{error}");
    let no_tests = Manager { python, ..manager(folder.path(), DEADLINE) };
    let error = no_tests.run(&["m".to_owned()], |_, _, _| ()).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot list the tests: exit status: 3\nthere is"), "{error}");
}

#[test]
fn the_generated_commands_are_those_of_the_schema() {
    let schema = Path::new(EXAMPLE).join("trial.schema");
    SchemaRecord::new(schema).schema(commands::schema()).agree();
}
