//! TLS from the start of a connection, between Twisted and ours, in both directions.

use amp_core::tls::rustls::{CertificateError, Error};
use amp_core::tls::{
    self, Authorities, ClientCertificates, Identity, PeerCertificates, TlsError, TlsListener,
    dangerous,
};
use amp_core::{CloseReason, Context, Listener, NoError, Responders};
use amp_tests::commands::{Concatenate, Concatenated, Sum, Total};
use amp_tests::{Address, DEADLINE, Finished, Peer, Process, Python, Transport};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::io;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Longer than what one record of TLS holds.
const LONG: usize = 30_000;

#[tokio::test]
async fn ours_calls_twisted_and_shows_the_certificate_that_it_wants() {
    let files = Files::new();
    let server = serve(&["--identity", files.server(), "--authorities", files.authority()]);
    let identity = Identity::from_pem(read(files.client())).unwrap();
    let config = tls::client_config(&files.trusted(), Some(identity)).unwrap();
    let connect = || tls::connect(address(&server), "localhost", config.clone());

    let peer = connect().await.unwrap().spawn();
    assert!(peer.get::<PeerCertificates>().is_some());
    assert_eq!(
        peer.call_remote(Sum { a: 13.into(), b: 81.into() }).await.unwrap(),
        Total { total: 94.into() }
    );
    let (left_hand, right_hand) = ("x".repeat(LONG), "y".repeat(LONG));
    let both = left_hand.clone() + &right_hand;
    let answer = peer.call_remote(Concatenate { left_hand, right_hand }).await.unwrap();
    assert_eq!(answer.both, both);
    peer.close().await;

    let peer = connect().await.unwrap().spawn();
    peer.call_by_name("End", [("how", "lose")]).await.unwrap();
    assert!(matches!(peer.closed().await, CloseReason::Peer));

    let peer = connect().await.unwrap().spawn();
    // The answer may or may not get out.
    let _ = peer.call_by_name("End", [("how", "abort")]).await;
    assert_broken(&peer.closed().await);

    let peer = connect().await.unwrap().spawn();
    peer.call_remote(Sum { a: 1.into(), b: 1.into() }).await.unwrap();
    drop(server);
    assert_broken(&peer.closed().await);
}

#[tokio::test]
async fn ours_without_the_certificate_that_twisted_wants_is_told() {
    let files = Files::new();
    let server = serve(&["--identity", files.server(), "--authorities", files.authority()]);
    let config = tls::client_config(&files.trusted(), None).unwrap();
    let peer = tls::connect(address(&server), "localhost", config).await.unwrap().spawn();
    let reason = peer.closed().await;
    let CloseReason::Io(error) = &reason else { panic!("{reason:?}") };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert!(matches!(inner, Some(Error::AlertReceived(_))), "{reason:?}");
}

/// Twisted makes certificates of X.509 version 1 that no authority has signed.
#[tokio::test]
async fn ours_calls_twisted_that_has_signed_its_certificate_itself() {
    let files = Files::new();
    let itself = files.self_signed("server");
    let server = serve(&["--identity", &itself]);
    let identity = read(&itself);
    let known = Authorities::from_pem(&identity).unwrap();
    for config in [
        dangerous::client_config_any_name(&known, None).unwrap(),
        dangerous::client_config_any_server(None).unwrap(),
    ] {
        let peer = tls::connect(address(&server), "localhost", config).await.unwrap().spawn();
        assert_eq!(
            peer.call_remote(Sum { a: 13.into(), b: 81.into() }).await.unwrap(),
            Total { total: 94.into() }
        );
    }
    for config in [
        dangerous::client_config_any_name(&files.trusted(), None).unwrap(),
        tls::client_config(&known, None).unwrap(),
        tls::client_config(&files.trusted(), None).unwrap(),
    ] {
        let error = tls::connect(address(&server), "localhost", config).await.unwrap_err();
        let refused = matches!(
            error,
            TlsError::Handshake(Error::InvalidCertificate(CertificateError::Other(_)))
        );
        assert!(refused, "{error:?}");
    }
}

#[tokio::test]
async fn twisted_calls_ours_and_shows_the_certificate_that_it_wants() {
    let files = Files::new();
    let clients = ClientCertificates::Required(files.trusted());
    let (finished, connection) = twisted_calls(&files, clients, files.client(), &[]).await;
    let (reason, certificates) = connection.expect("Twisted is accepted");
    assert_eq!(finished.stdout, ["94", "True", "ConnectionDone"], "{}", finished.stderr);
    assert!(matches!(reason, CloseReason::Peer), "{reason:?}");
    let own = Identity::from_pem(read(files.client())).unwrap().into_parts().chain.remove(0);
    assert_eq!(certificates.expect("Twisted shows a certificate").own(), &own);
}

#[tokio::test]
async fn twisted_calls_ours_with_a_certificate_that_it_has_signed_itself() {
    let files = Files::new();
    let itself = files.self_signed("client");
    let known = Authorities::from_pem(read(&itself)).unwrap();
    let clients = ClientCertificates::Required(known);
    let (finished, connection) = twisted_calls(&files, clients, &itself, &[]).await;
    assert_eq!(finished.stdout, ["94", "True", "ConnectionDone"], "{}", finished.stderr);
    assert!(connection.is_some());
}

#[tokio::test]
async fn twisted_with_a_certificate_that_nobody_knows_is_refused() {
    let files = Files::new();
    let itself = files.self_signed("client");
    let clients = ClientCertificates::Optional(files.trusted());
    let (finished, connection) = twisted_calls(&files, clients, &itself, &[]).await;
    assert!(connection.is_none());
    assert_eq!(finished.stdout, ["Error", "Error"], "{}", finished.stderr);
}

#[tokio::test]
async fn twisted_takes_our_end_for_a_proper_one() {
    let files = Files::new();
    let ends = &["--ends", "peer"];
    let clients = ClientCertificates::NotAsked;
    let (finished, connection) = twisted_calls(&files, clients, files.client(), ends).await;
    assert_eq!(finished.stdout, ["94", "True", "ConnectionDone"], "{}", finished.stderr);
    let (reason, certificates) = connection.expect("Twisted is accepted");
    assert!(matches!(reason, CloseReason::Local), "{reason:?}");
    assert!(certificates.is_none(), "it was not asked for one");
}

/// Twisted's client calls a server of ours: what it printed; and, unless it was refused, why the
/// connection ended and what certificates Twisted has shown. With `--ends peer` the server closes
/// the connection after the second call.
async fn twisted_calls(
    files: &Files,
    clients: ClientCertificates,
    identity: &str,
    options: &[&str],
) -> (Finished, Option<(CloseReason, Option<PeerCertificates>)>) {
    let server = Identity::from_pem(read(files.server())).unwrap();
    let config = tls::server_config(server, clients).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = python().program("tls.py");
    client.arg("call").arg(listener.local_addr().unwrap().to_string()).args(options);
    client.args(["--authorities", files.authority(), "--name", "localhost"]);
    client.args(["--identity", identity]);
    let ends = options.contains(&"--ends");
    let mut listener = TlsListener::new(listener, config);
    let responders = Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok::<_, NoError>(Total { total: a + b }) })
        .respond(move |context: Context, command: Concatenate| async move {
            let both = command.left_hand + &command.right_hand;
            if ends {
                let peer = context.peer().clone();
                // The runtime has one thread, and on that the answer is queued before this runs.
                tokio::spawn(async move { peer.close().await });
            }
            Ok::<_, NoError>(Concatenated { both })
        });
    let mut finished =
        tokio::task::spawn_blocking(|| Process::start(client).finish(Instant::now() + DEADLINE));
    let connection = tokio::select! {
        biased;
        accepted = listener.accept() => accepted.unwrap(),
        finished = &mut finished => return (finished.unwrap(), None),
    };
    let peer = connection.responders(responders).spawn();
    let reason = peer.closed().await;
    (finished.await.unwrap(), Some((reason, peer.get().cloned())))
}

/// A Twisted server with these options.
fn serve(options: &[&str]) -> Peer {
    let mut command = python().program("tls.py");
    command.arg("serve").args(options);
    Peer::start(command, Transport::Tcp)
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}

fn address(peer: &Peer) -> &str {
    match peer.address() {
        Address::Tcp(address) => address,
        Address::Unix(path) => panic!("{} is not on TCP", path.display()),
    }
}

/// The connection ended, but nobody has closed it.
fn assert_broken(reason: &CloseReason) {
    let CloseReason::Io(error) = reason else { panic!("{reason:?}") };
    let expected = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    assert!(expected.contains(&error.kind()), "{error:?}");
}

/// Certificates and keys in files: of an authority, and of a server and a client that it has
/// signed.
struct Files {
    folder: TempDir,
    paths: [String; 3],
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = params("an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let signed = |name| {
            let key = KeyPair::generate().unwrap();
            params(name).signed_by(&key, &issuer).unwrap().pem() + &key.serialize_pem()
        };
        let paths = [
            ("authority", certificate),
            ("server", signed("localhost")),
            ("client", signed("a client")),
        ]
        .map(|(name, pem)| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            text(path)
        });
        Self { folder, paths }
    }

    fn authority(&self) -> &str {
        &self.paths[0]
    }

    fn server(&self) -> &str {
        &self.paths[1]
    }

    fn client(&self) -> &str {
        &self.paths[2]
    }

    /// Another one, of Twisted's making.
    fn self_signed(&self, name: &str) -> String {
        let path = text(self.folder.path().join(format!("{name}-itself")));
        let mut program = python().program("tls.py");
        let status = program.args(["self-sign", &path]).status().unwrap();
        assert!(status.success());
        path
    }

    fn trusted(&self) -> Authorities {
        Authorities::from_pem(read(self.authority())).unwrap()
    }
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let names = if name.contains(' ') { vec![] } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("temporary folders have names of text")
}
