//! `compliance` as a program: its command line, its table and its exit code.

mod support;

use amp_core::FailurePolicy;
use amp_tests::{DEADLINE, Finished, Process, Transport};
use std::process::Command;
use std::time::Instant;
use support::{ours, twisted};

fn compliance(arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compliance"));
    command.args(arguments);
    Process::start(command).finish(Instant::now() + 3 * DEADLINE)
}

/// The table's lines, and its last one.
fn table(finished: &Finished) -> (&[String], &str) {
    let (last, lines) = finished.stdout.split_last().expect("a table is printed");
    (lines, last)
}

#[test]
fn twisted_is_as_twisted() {
    let peer = twisted(Transport::Unix);
    let finished = compliance(&[&peer.address().to_string()]);
    let (lines, last) = table(&finished);
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");
    assert!(lines.contains(&"ok      a call".to_owned()), "{lines:#?}");
    assert_eq!(last, format!("0 of {} conversations differ", lines.len()));
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
}

#[test]
fn each_difference_of_ours_says_why() {
    let peer = ours(Transport::Tcp, FailurePolicy::Close);
    let address = peer.address().to_string();

    let finished = compliance(&[&address]);
    let (lines, last) = table(&finished);
    let differing: Vec<_> = lines.iter().filter(|line| line.starts_with("differs ")).collect();
    let expected = "differs a ListOf that is cut short: expected {\"_answer\": \"0\", \
                    \"integers\": \"\\x00\\x011\"}, but ";
    assert!(differing.iter().any(|line| line.starts_with(expected)), "{differing:#?}");
    assert_eq!(last, format!("{} of {} conversations differ", differing.len(), lines.len()));
    assert_eq!(finished.code, Some(1));

    let finished = compliance(&["--differences", "ours", "--policy", "close", &address]);
    let (explained, last) = table(&finished);
    let explained: Vec<_> =
        explained.iter().filter(|line| line.contains("not as Twisted")).collect();
    assert_eq!(explained.len(), differing.len(), "{explained:#?}\n{differing:#?}");
    let line = "ok      a ListOf that is cut short (not as Twisted: a value that is cut short is \
                refused, not shortened)";
    assert!(explained.iter().any(|explained| *explained == line), "{explained:#?}");
    assert_eq!(last, format!("0 of {} conversations differ", lines.len()));
    assert_eq!(finished.code, Some(0));
}

#[test]
fn a_peer_that_stays_is_expected_to() {
    let peer = ours(Transport::Unix, FailurePolicy::Stay);
    let address = peer.address().to_string();
    let finished = compliance(&[&address, "--policy", "stay", "--differences", "ours"]);
    assert_eq!(finished.code, Some(0), "{:#?}", finished.stdout);
}

#[test]
fn bad_arguments_are_answered_with_the_usage() {
    let mistakes: [(&[&str], &str); 7] = [
        (&[], "the address is missing"),
        (&["/tmp/socket"], "not \"/tmp/socket\""),
        (&["unix:one", "unix:two"], "unix:two is one address too many"),
        (&["unix:one", "--policy"], "--policy what?"),
        (&["unix:one", "--policy", "go"], "not \"go\""),
        (&["unix:one", "--differences", "all"], "not \"all\""),
        (&["unix:one", "--listen"], "no option --listen"),
    ];
    for (arguments, message) in mistakes {
        let Finished { code, stdout, stderr } = compliance(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(stdout.is_empty(), "{arguments:?}: {stdout:?}");
        assert!(stderr.contains(message) && stderr.contains("usage: "), "{arguments:?}: {stderr}");
    }
}

#[test]
fn nobody_at_the_address_is_one_error() {
    let Finished { code, stdout, stderr } = compliance(&["unix:/no/such/socket"]);
    assert_eq!((code, stdout.len()), (Some(2), 0));
    assert!(stderr.starts_with("cannot connect to unix:/no/such/socket: "), "{stderr}");
}
