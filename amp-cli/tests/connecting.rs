//! The ways to a peer, as a user writes them: kinds of addresses, TLS, `StartTLS`, routes.

mod support;

use amp_core::tls::{self, ClientCertificates, Identity};
use amp_core::{Connection, Context, Listener, NoError, Responders};
use amp_tests::Transport;
use amp_unix::UnixSocketListener;
use command_fds::{CommandFdExt, FdMapping};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::{fs, io, thread};
use tokio::net::UnixStream;

use support::{Certificates, Folder, TWISTED, ampbox, ampctl, fails, printed, text, twisted};

const SUM: [&str; 3] = ["Sum", "a=13", "b=81"];
const TOTAL: &str = "{\"total\": 94}";

/// Calls with these arguments behind those of the sum.
fn sum<'a>(address: &'a str, schema: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["call", address], &SUM[..], &["--schema", schema], options].concat()
}

#[test]
fn twisted_is_called_over_tls() {
    let certificates = Certificates::new();
    let Certificates { folder, authority, server, client } = &certificates;
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted(
        "tls.py",
        &["serve", "--identity", server, "--authorities", authority],
        Transport::Tcp,
    );
    let address = twisted.address().to_string();
    let named = ["--ca", authority, "--server-name", "localhost"];
    let shows = [&named[..], &["--cert", client]].concat();
    let tls = address.replace("tcp:", "tls:");
    assert_eq!(printed(&sum(&tls, &schema, &shows)), TOTAL);
    assert_eq!(printed(&sum(&address, &schema, &[&shows[..], &["--tls"]].concat())), TOTAL);
    let unverified = ["--no-verify", "--cert", client];
    assert_eq!(printed(&sum(&tls, &schema, &unverified)), TOTAL);

    // It is for another name, is not known, is not shown; and there is no TLS on this side.
    let said = fails(&sum(&tls, &schema, &["--ca", authority, "--cert", client]), 3);
    assert!(said.contains("the TLS handshake failed"), "{said}");
    fails(&sum(&tls, &schema, &["--server-name", "localhost", "--cert", client]), 3);
    let said = fails(&sum(&tls, &schema, &named), 3);
    assert!(said.contains("alert"), "{said}");
    fails(&sum(&address, &schema, &[]), 6);
}

#[test]
fn tls_is_started_under_way() {
    let certificates = Certificates::new();
    let Certificates { folder, authority, server, .. } = &certificates;
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted("peer.py", &["--tls", server], Transport::Tcp);
    let address = twisted.address().to_string();
    let trusted = ["--start-tls", "--ca", authority, "--server-name", "localhost"];
    assert_eq!(printed(&sum(&address, &schema, &trusted)), TOTAL);
    let side = [&["--start-tls=client"], &trusted[1..]].concat();
    assert_eq!(printed(&sum(&address, &schema, &side)), TOTAL);
    let said = fails(&sum(&address, &schema, &trusted[..3]), 3);
    assert!(said.starts_with("ampctl: TLS was not started: "), "{said}");
}

#[test]
fn a_peer_without_tls_refuses_to_start_it() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let path = folder.path("socket");
    let address = format!("unix:{path}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut listener = {
        let _entered = runtime.enter();
        UnixSocketListener::bind(&path).unwrap()
    };
    runtime.spawn(async move { serves(Listener::accept(&mut listener).await.unwrap()).await });
    let said = fails(&sum(&address, &schema, &["--start-tls", "--no-verify"]), 3);
    assert!(said.contains("UNHANDLED"), "{said}");
}

/// Anybody on the way can call in clear text.
#[test]
fn a_peer_is_answered_once_tls_was_started() {
    let certificates = Certificates::new();
    let Certificates { folder, authority, server, .. } = &certificates;
    let schema = folder.file("schema", "command Reveal\n  response\n    text: Unicode\n");
    let rules = "[[rule]]\ncommand = \"Reveal\"\n\
                 answers = [{ text = \"a secret\" }, { text = \"another\" }]\n";
    let rules = folder.file("rules.toml", rules);
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let identity = Identity::from_pem(fs::read(server).unwrap()).unwrap();
    let config = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&ampbox(&[("_command", b"Reveal")])).unwrap();
        let start = ampbox(&[("_ask", b"1"), ("_command", b"StartTLS")]);
        let mut received = vec![0; start.len()];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(received, start);
        stream.write_all(&ampbox(&[("_answer", b"1")])).unwrap();
        stream.set_nonblocking(true).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let stream = UnixStream::from_std(stream).unwrap();
            let peer = tls::server(stream, config).await.unwrap().spawn();
            let answer = peer.call_by_name("Reveal", [("", ""); 0]).await.unwrap();
            peer.close().await;
            answer
        })
    });
    let address = format!("unix:{path}");
    let trusts = ["--start-tls", "--ca", authority, "--server-name", "localhost"];
    let knows = ["--schema", &schema, "--respond", &rules];
    let output = ampctl(&[&["listen", &address], &trusts[..], &knows].concat(), b"");
    let answer = peer.join().unwrap();
    assert_eq!(answer.get("text"), Some(&b"a secret"[..]), "the call in clear text was answered");
    let line = "{\"command\": \"Reveal\", \"requires_answer\": true, \"arguments\": {}}\n";
    assert_eq!((text(output.stdout), output.status.code()), (line.to_owned(), Some(6)));
}

#[test]
fn a_route_is_spoken_on() {
    let python = amp_tests::Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let mut program = python.program("router.py");
    program.arg("--fixed");
    let twisted = amp_tests::Peer::start(program, Transport::Tcp);
    let address = twisted.address().to_string();
    assert_eq!(printed(&["call", &address, "Count", "--route", "queue"]), "{\"value\": \"1\"}");
}

#[test]
fn a_child_that_cannot_be_started_is_named() {
    let said = fails(&["call", "exec:/nowhere/program", "Sum"], 3);
    assert!(said.contains("exec:/nowhere/program: No such file"), "{said}");
}

async fn serves(connection: Connection) {
    use amp_tests::commands::{Sum, Total};
    let responders = Responders::new(()).respond(|_: Context, Sum { a, b }: Sum| async move {
        Ok::<_, NoError>(Total { total: a + b })
    });
    connection.responders(responders).run().await;
}

#[test]
fn pipes_that_it_was_started_with_are_a_peer() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let (from_peer, to_program) = io::pipe().unwrap();
    let (from_program, to_peer) = io::pipe().unwrap();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(from_program.into());
            let writer = tokio::net::unix::pipe::Sender::from_owned_fd(to_program.into());
            serves(Connection::from_halves(reader.unwrap(), writer.unwrap())).await;
        });
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(sum("pipes:7,8", &schema, &[]));
    let mappings = [(OwnedFd::from(from_peer), 7), (OwnedFd::from(to_peer), 8)];
    let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.into()).unwrap();
    let output = command.output().unwrap();
    drop(command);
    assert_eq!(text(output.stdout).trim_end(), TOTAL, "{}", text(output.stderr));
    server.join().unwrap();
    let said = fails(&["call", "pipes:61,62", "Sum"], 3);
    assert!(said.contains("descriptor 61"), "{said}");
}

#[test]
fn a_peer_that_comes_later_is_waited_for() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let path = folder.path("socket");
    let address = format!("unix:{path}");
    let child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(sum(&address, &schema, &["--wait", "--connect-timeout", "60s"]))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut listener = UnixSocketListener::bind(&path).unwrap();
        serves(Listener::accept(&mut listener).await.unwrap()).await;
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(output.stdout).trim_end(), TOTAL);
    assert!(!fs::exists(&path).unwrap());
    let said = fails(&sum(&address, &schema, &["--wait", "--connect-timeout", "50ms"]), 3);
    assert!(said.contains("no connection within 50ms: No such file"), "{said}");
}

#[test]
fn what_is_wrong_with_an_address_or_with_tls_is_said_before_anything_is_sent() {
    let folder = Folder::new();
    let pem = folder.file("not.pem", "no certificate");
    for (options, said) in [
        (&["tls:127.0.0.1:1", "--start-tls", "--no-verify"][..], "begins with TLS already"),
        (&["tcp:127.0.0.1:1", "--ca", &pem], "see --tls and --start-tls"),
        (&["tls:127.0.0.1:1", "--ca", &pem], "there is no authority's certificate"),
        (&["tls:127.0.0.1:1", "--ca", "/nowhere"], "--ca: cannot read /nowhere: No such file"),
        (&["tls:127.0.0.1:1", "--no-verify", "--cert", &pem], "there is no certificate"),
        (&["tcp:127.0.0.1:1", "--start-tls=server"], "--cert is missing"),
        (&["unix:/a", "--tls", "--ca", &pem], "there is no authority's certificate"),
        (&["stdio:"], "stdio:: standard output is for what is printed"),
    ] {
        let arguments = [&["call"], &options[..1], &["Sum"], &options[1..]].concat();
        let message = fails(&arguments, 2);
        assert!(message.contains(said), "{arguments:?}: {message}");
        assert!(message.starts_with("ampctl: ") && message.lines().count() == 1, "{message}");
    }
    let output = ampctl(&["call", "tcp:localhost", "Sum"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("it is tcp:HOST:PORT"));
}
