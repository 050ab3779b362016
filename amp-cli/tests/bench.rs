//! `ampctl bench`, as a user runs it.

mod support;

use amp_tests::Transport;
use serde_json::Value;
use support::{Folder, TWISTED, ampctl, fails, printed, text, twisted};

#[test]
fn calls_are_made_and_measured() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let (address, folder) = (server.address().to_string(), Folder::new());
    let schema = folder.file("schema", TWISTED);
    let bench = |arguments: &[&str]| {
        let all = ["bench", &*address, "Sum", "a=1", "b=2", "--for", "200ms", "--json"];
        let json = printed(&[&all[..], &["--schema", &schema], arguments].concat());
        serde_json::from_str::<Value>(&json).unwrap()
    };
    for arguments in [
        &["--in-flight", "8", "--connections", "2"][..],
        &["--rate", "50", "--in-flight", "10"],
        &["--fail-if", "errors>0", "--fail-if", "max>60s"],
    ] {
        let report = bench(arguments);
        assert!(report["calls"].as_u64().unwrap() > 0, "{report}");
        assert_eq!(report["errors"], 0);
        assert!(report["p50_us"].as_f64().unwrap() <= report["max_us"].as_f64().unwrap());
    }
    // As many as were due, however fast the answers come.
    let calls = bench(&["--rate", "50", "--in-flight", "10"])["calls"].as_u64().unwrap();
    assert!(calls <= 10, "{calls}");
    let text = printed(&["bench", &address, "Sum", "a=1", "b=2", "--for", "1s"]);
    assert!(text.contains(" calls per second\n") && text.contains("p99 "), "{text}");
}

#[test]
fn what_must_not_be_has_its_exit_code() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let address = server.address().to_string();
    let zero = ["bench", &*address, "Divide", "numerator=1", "denominator=0", "--for", "1s"];
    let output = ampctl(&[&zero[..], &["--fail-if", "errors>0"]].concat(), b"");
    assert_eq!(output.status.code(), Some(1));
    let said = text(output.stderr);
    assert!(said.starts_with("ampctl: errors is ") && said.ends_with("--fail-if 'errors>0'\n"));
    let accepts = ["--fail-if", "errors>0", "--accept", "ZERO_DIVISION"];
    assert_eq!(ampctl(&[&zero[..], &accepts].concat(), b"").status.code(), Some(0));
    assert_eq!(fails(&["bench", "unix:/nowhere", "Sum"], 3).lines().count(), 1);
    let said = fails(&["bench", &address, "Sum", "--fail-if", "p99"], 2);
    assert!(said.starts_with("ampctl: --fail-if \"p99\": it is NAME>LIMIT"), "{said}");
    fails(&["bench", &address, "Sum", "--in-flight", "0"], 2);
    for rate in ["--rate=-1", "--rate=0", "--rate=1e-20", "--rate=1e10", "--rate=nan"] {
        let said = fails(&["bench", &address, "Sum", rate], 2);
        assert!(said.contains("--rate"), "{said}");
    }
}

#[test]
fn no_time_is_over_the_end_of_the_clock() {
    let bench = ["bench", "unix:/nowhere", "A", "--for", "18446744073709000000s"];
    let said = support::fails(&bench, 2);
    assert!(said.contains("a time is a year at most"), "{said}");
}
