//! `ampctl comply`, as a user runs it, against Twisted and against our peer.

mod support;

use amp_core::tls::{self, ClientCertificates, Identity, TlsListener};
use amp_core::{Connection, FailurePolicy, serve_with};
use amp_tests::Transport;
use amp_tests::responders::{self, Notes};
use amp_unix::UnixSocketListener;
use std::fs;
use std::path::Path;
use support::{Certificates, Folder, ampctl, fails, text, twisted};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The lines of the table, its last one, and the exit code.
fn comply(arguments: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let output = ampctl(&[&["comply"], arguments].concat(), b"");
    assert_eq!(text(output.stderr), "");
    let printed = text(output.stdout);
    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    let last = lines.pop().expect("a table is printed");
    (lines, last, output.status.code())
}

/// A document of the repository, in one line.
fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(path).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A server that answers as our peer does.
fn ours(policy: FailurePolicy) -> (Folder, String, Runtime) {
    let folder = Folder::new();
    let runtime = Runtime::new().unwrap();
    let path = folder.path("socket");
    let listener = {
        let _entered = runtime.enter();
        UnixSocketListener::bind(&path).unwrap()
    };
    let prepare = move |connection: Connection| {
        connection.responders(responders::all()).failure_policy(policy).data(Notes::default())
    };
    runtime.spawn(serve_with(listener, prepare));
    (folder, format!("unix:{path}"), runtime)
}

#[test]
fn twisted_is_as_twisted() {
    for transport in [Transport::Unix, Transport::Tcp] {
        let peer = twisted("peer.py", &[], transport);
        let (lines, last, code) = comply(&[&peer.address().to_string()]);
        assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");
        assert!(lines.contains(&"ok      a call".to_owned()), "{lines:#?}");
        assert_eq!(last, format!("0 of {} conversations differ", lines.len()));
        assert_eq!(code, Some(0));
    }
}

#[test]
fn each_difference_of_ours_says_why() {
    let (_folder, address, _runtime) = ours(FailurePolicy::Close);
    let (lines, last, code) = comply(&[&address]);
    let differing: Vec<_> = lines.iter().filter(|line| line.starts_with("differs ")).collect();
    let expected = "differs a ListOf that is cut short: expected {\"_answer\": \"0\", \
                    \"integers\": \"\\x00\\x011\"}, but ";
    assert!(differing.iter().any(|line| line.starts_with(expected)), "{differing:#?}");
    assert_eq!(last, format!("{} of {} conversations differ", differing.len(), lines.len()));
    assert_eq!(code, Some(1));
    let (all, differ) = (lines.len(), differing.len());
    for (path, said) in [
        ("README.md", format!("hold {all} conversations")),
        ("README.md", format!("the same but for {differ},")),
        ("PROOFS.md", format!("{} of {all} conversations go", all - differ)),
        ("PROOFS.md", format!("has the other {differ} in a table")),
        ("amp-cli/README.md", format!("hold {all} conversations")),
        ("amp-cli/README.md", format!("2 of {all} conversations differ")),
    ] {
        assert!(document(path).contains(&said), "{path} does not say {said}");
    }

    let (explained, last, code) = comply(&["--differences", "ours", "--policy", "close", &address]);
    let explained: Vec<_> =
        explained.iter().filter(|line| line.contains("not as Twisted")).collect();
    assert_eq!(explained.len(), differing.len(), "{explained:#?}\n{differing:#?}");
    let line = "ok      a ListOf that is cut short (not as Twisted: a value that is cut short is \
                refused, not shortened)";
    assert!(explained.iter().any(|explained| *explained == line), "{explained:#?}");
    assert_eq!(last, format!("0 of {} conversations differ", lines.len()));
    assert_eq!(code, Some(0));
}

#[test]
fn a_peer_that_stays_is_expected_to() {
    let (_folder, address, _runtime) = ours(FailurePolicy::Stay);
    let (lines, _, code) = comply(&[&address, "--policy", "stay", "--differences", "ours"]);
    assert_eq!(code, Some(0), "{lines:#?}");
}

#[test]
fn conversations_are_held_over_tls_too() {
    let certificates = Certificates::new();
    let server = text(fs::read(&certificates.server).unwrap());
    let identity = Identity::from_pem(server).unwrap();
    let config = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    let runtime = Runtime::new().unwrap();
    let (listener, address) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (TlsListener::new(listener, config), address)
    });
    let prepare = |connection: Connection| {
        connection
            .responders(responders::all())
            .failure_policy(FailurePolicy::Close)
            .data(Notes::default())
    };
    runtime.spawn(serve_with(listener, prepare));
    let address = format!("tls:{address}");
    let trusts = ["--ca", &certificates.authority, "--server-name", "localhost"];
    let (lines, _, code) = comply(&[&[&*address, "--differences", "ours"], &trusts[..]].concat());
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(fails(&["comply", &address], 3).contains("TLS"));
    let said = fails(&["comply", "unix:a", "--server-name", "a"], 2);
    assert!(said.contains("--tls"), "{said}");
}

#[test]
fn mistakes_are_told() {
    let said = fails(&["comply", "unix:/no/such/socket"], 3);
    assert!(said.starts_with("ampctl: cannot connect to unix:/no/such/socket: "), "{said}");
    let said = fails(&["comply", "exec:true"], 2);
    let expected = "ampctl: exec:true: the conversations are held over unix:PATH, tcp:HOST:PORT and \
                    tls:HOST:PORT";
    assert_eq!(said, expected);
    for arguments in [
        &["comply"][..],
        &["comply", "/tmp/socket"],
        &["comply", "unix:one", "unix:two"],
        &["comply", "unix:one", "--policy"],
        &["comply", "unix:one", "--policy", "go"],
        &["comply", "unix:one", "--differences", "all"],
        &["comply", "unix:one", "--listen"],
    ] {
        fails(arguments, 2);
    }
}
