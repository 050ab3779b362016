//! `StartTLS` between Twisted and ours, in both directions.

use amp_core::Responders;
use amp_core::tls::{Authorities, PeerCertificates, Role, StartTls, dangerous};
use amp_tests::commands::{CallBack, Sum, Total};
use amp_tests::{DEADLINE, Peer, Process, Python, Transport};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

/// A certificate that vouches for itself, and one file with it and its key.
struct Certificate {
    pem: String,
    _folder: TempDir,
    with_key: PathBuf,
    alone: PathBuf,
}

impl Certificate {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (with_key, alone) = (folder.path().join("server.pem"), folder.path().join("only.pem"));
        std::fs::write(&with_key, cert.pem() + &signing_key.serialize_pem()).unwrap();
        std::fs::write(&alone, cert.pem()).unwrap();
        Self { pem: cert.pem(), _folder: folder, with_key, alone }
    }

    fn twisted(&self) -> Peer {
        let mut program = python().program("peer.py");
        program.arg("--tls").arg(&self.with_key);
        Peer::start(program, Transport::Tcp)
    }

    fn ours(&self) -> Peer {
        let mut program = Command::new(env!("CARGO_BIN_EXE_compliance-peer"));
        program.arg("--tls").arg(&self.with_key);
        Peer::start(program, Transport::Tcp)
    }

    /// Ours, as the client, which trusts this certificate and no other.
    fn client(&self) -> Role {
        let trusted = Authorities::from_pem(&self.pem).unwrap();
        Role::client_any_name(dangerous::client_config_any_name(&trusted, None).unwrap())
    }
}

#[tokio::test]
async fn ours_asks_twisted() {
    let certificate = Certificate::new();
    asks(&certificate.twisted(), &certificate).await;
}

#[tokio::test]
async fn ours_asks_ours() {
    let certificate = Certificate::new();
    asks(&certificate.ours(), &certificate).await;
}

async fn asks(server: &Peer, certificate: &Certificate) {
    let responders = Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) });
    let connection = server.address().connect().await.unwrap();
    let peer = connection.responders(responders).spawn();
    let sum = |n: i32| peer.call_remote(Sum { a: n.into(), b: 1.into() });
    assert_eq!(sum(1).await.unwrap().total, 2.into());
    assert!(peer.get::<PeerCertificates>().is_none());
    let start = peer.start_tls(StartTls, certificate.client());
    // The call is queued behind the switch, and is sent once it is protected.
    let (started, meanwhile) = tokio::join!(biased; start, sum(2));
    started.unwrap();
    assert_eq!(meanwhile.unwrap().total, 3.into());
    assert_eq!(peer.get::<PeerCertificates>().unwrap().chain().len(), 1);
    let back = peer.call_remote(CallBack { a: 20.into(), b: 22.into() }).await.unwrap();
    assert_eq!(back.total, 42.into());
}

#[tokio::test]
async fn ours_does_not_trust_another_certificate() {
    let certificate = Certificate::new();
    let server = certificate.twisted();
    let peer = server.address().connect().await.unwrap().spawn();
    let error = peer.start_tls(StartTls, Certificate::new().client()).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
    assert!(
        amp_core::Report::new(&error).to_string().contains("TLS could not be started"),
        "{error}"
    );
}

#[test]
fn twisted_asks_twisted() {
    let certificate = Certificate::new();
    twisted_asks(&certificate.twisted(), &certificate);
}

#[test]
fn twisted_asks_ours() {
    let certificate = Certificate::new();
    twisted_asks(&certificate.ours(), &certificate);
}

fn twisted_asks(server: &Peer, certificate: &Certificate) {
    let mut client = python().program("client.py");
    client.arg(server.address().to_string()).args(["--scenario", "start-tls", "--tls"]);
    client.arg(&certificate.alone);
    let finished = Process::start(client).finish(Instant::now() + DEADLINE);
    let lines = finished.stdout.join("\n");
    assert_eq!(finished.code, Some(0), "{lines}\n{}", finished.stderr);
    assert!(lines.contains("ok start-tls"), "{lines}");
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}
