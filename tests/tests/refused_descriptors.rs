//! Descriptors where they cannot travel: each call that has one fails by itself and says why, and
//! the connection goes on.

use amp_core::argument::{DecodeErrorKind, EncodeErrorKind};
use amp_core::tls::{self, Authorities, ClientCertificates, Identity, Role, StartTls, dangerous};
use amp_core::{
    Arguments, CallError, Command, Connection, Peer, Report, Responders, blocking, tcp, testing,
};
use amp_unix::Descriptor;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::fmt::Debug;
use std::io::{PipeReader, Read};
use std::pin::pin;
use std::task::{Context, Waker};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::spawn_blocking;

/// Sends a descriptor.
#[derive(Command, Debug)]
struct Send {
    file: Descriptor,
}

/// Is answered with a descriptor.
#[derive(Command, Debug)]
#[amp(response = File)]
struct Fetch;

#[derive(Arguments, Debug)]
struct File {
    file: Descriptor,
}

/// Is answered with an ordinal, beside which nothing comes.
#[derive(Command, Debug)]
#[amp(response = File)]
struct Name;

/// The same for its responder.
#[derive(Command, Debug)]
#[amp(name = "Name", response = Ordinal)]
struct ToName;

#[derive(Arguments, Debug)]
struct Ordinal {
    file: u64,
}

/// Has nothing to do with descriptors.
#[derive(Command, Debug)]
struct Ping;

fn responders() -> Responders {
    Responders::new(())
        .respond(|_, Send { file }| async move {
            drop(file);
            Ok(())
        })
        .respond(|_, Fetch| async { Ok(File { file: file().0 }) })
        .respond(|_, ToName| async { Ok(Ordinal { file: 0 }) })
        .respond(|_, Ping| async { Ok(()) })
}

/// A descriptor, and what sees the end once it is closed.
fn file() -> (Descriptor, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    (writer.into(), reader)
}

/// Both sides refuse to send descriptors and to receive them.
async fn refuses(peer: &Peer) {
    let (file, mut end) = file();
    assert_not_sent(peer.call_remote(Send { file }).await);
    assert_eq!(end.read(&mut [0]).unwrap(), 0, "it is closed");
    assert_unknown(peer.call_by_name("Send", [("file", "0")]).await);
    assert_unknown(peer.call_remote(Fetch).await);
    assert_not_received(peer.call_remote(Name).await);
    peer.call_remote(Ping).await.unwrap();
}

fn assert_not_sent(result: Result<(), CallError>) {
    let error = result.unwrap_err();
    let CallError::Encode(encode) = &error else { panic!("{error:?}") };
    assert!(matches!(encode.kind(), EncodeErrorKind::NotCarried { .. }), "{error:?}");
    assert_eq!(encode.argument(), "file");
    let message = amp_core::Report::new(&error).to_string();
    assert!(message.contains("a file descriptor cannot be sent over this transport"), "{message}");
}

fn assert_not_received(result: Result<File, CallError>) {
    let error = result.unwrap_err();
    let CallError::Decode(decode) = &error else { panic!("{error:?}") };
    assert!(matches!(decode.kind(), DecodeErrorKind::NotCarried { .. }), "{error:?}");
    assert_eq!(decode.argument(), "file");
    let expected = "a file descriptor cannot be received over this transport";
    assert!(amp_core::Report::new(&error).to_string().contains(expected), "{error}");
}

fn assert_unknown<T: Debug>(result: Result<T, CallError>) {
    let error = result.unwrap_err();
    let CallError::Remote(remote) = &error else { panic!("{error:?}") };
    assert_eq!(remote.code, "UNKNOWN");
}

/// Two sides of this protocol, of which the first is called.
fn pair(near: Connection, far: Connection) -> (Peer, Peer) {
    (near.responders(responders()).spawn(), far.responders(responders()).spawn())
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn tcp_carries_none() {
    let (near, far) = tcp().await;
    let (near, far) = pair(tcp::connection(near).unwrap(), tcp::connection(far).unwrap());
    refuses(&near).await;
    refuses(&far).await;
}

#[tokio::test]
async fn memory_carries_none() {
    let (near, far) = testing::pair(responders(), responders());
    refuses(&near).await;
    refuses(&far).await;
}

#[tokio::test]
async fn pipes_carry_none() {
    let ((to_far, from_near), (to_near, from_far)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
    let near = Connection::from_halves(from_far, to_far);
    let far = Connection::from_halves(from_near, to_near);
    let (near, far) = pair(near, far);
    refuses(&near).await;
    refuses(&far).await;
}

#[tokio::test]
async fn a_unix_socket_that_is_taken_for_a_plain_stream_carries_none() {
    let (near, far) = UnixStream::pair().unwrap();
    let (near, far) = pair(Connection::new(near), Connection::new(far));
    refuses(&near).await;
    refuses(&far).await;
}

/// What comes is lost without a word, as the kernel has it, and the call that wanted it says so.
#[tokio::test]
async fn a_plain_stream_whose_peer_sends_descriptors_says_that_it_takes_none() {
    let (near, far) = UnixStream::pair().unwrap();
    let (near, far) = pair(Connection::new(near), amp_unix::connection(far).unwrap());
    assert_not_received(near.call_remote(Fetch).await);
    near.call_remote(Ping).await.unwrap();
    let (sent, mut end) = file();
    assert_unknown(far.call_remote(Send { file: sent }).await);
    assert_eq!(end.read(&mut [0]).unwrap(), 0, "it is closed");
    assert_unknown(far.call_remote(Fetch).await);
    far.call_remote(Ping).await.unwrap();
}

/// What each side of TLS is. The certificate vouches for itself.
fn roles() -> (Role, Role) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = Identity::from_pem(cert.pem() + &signing_key.serialize_pem()).unwrap();
    let trusted = Authorities::from_pem(cert.pem()).unwrap();
    let client = dangerous::client_config_any_name(&trusted, None).unwrap();
    let server = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    (Role::client_any_name(client), Role::Server(server))
}

/// On a Unix socket they travel until then.
#[tokio::test]
async fn tls_carries_none() {
    let (client, server) = roles();
    let (near, far) = UnixStream::pair().unwrap();
    let starting = responders().respond_start_tls(move |_, _: StartTls| {
        let role = server.clone();
        async { Ok(role) }
    });
    let near = amp_unix::connection(near).unwrap().responders(responders()).spawn();
    let far = amp_unix::connection(far).unwrap().responders(starting).spawn();
    for peer in [&near, &far] {
        peer.call_remote(Send { file: file().0 }).await.unwrap();
        peer.call_remote(Fetch).await.unwrap();
    }
    near.start_tls(StartTls, client).await.unwrap();
    refuses(&near).await;
    refuses(&far).await;
}

/// An answer that came before TLS was started is taken by its caller afterwards.
#[tokio::test]
async fn what_came_before_tls_can_be_taken_and_nothing_else_stays_open() {
    let (client, server) = roles();
    let (near, far) = UnixStream::pair().unwrap();
    let (given, mut ends) = unbounded_channel();
    let starting = Responders::new(())
        .respond(move |_, Fetch| {
            let (file, end) = file();
            given.send(end).unwrap();
            async { Ok(File { file }) }
        })
        .respond_start_tls(move |_, _: StartTls| {
            let role = server.clone();
            async { Ok(role) }
        });
    let near = amp_unix::connection(near).unwrap().spawn();
    let _far = amp_unix::connection(far).unwrap().responders(starting).spawn();
    let mut fetch = pin!(near.call_remote(Fetch));
    assert!(fetch.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    near.call_by_name("Fetch", [("", ""); 0]).await.unwrap();
    near.start_tls(StartTls, client).await.unwrap();

    let file = fetch.await.unwrap();
    let (mut fetched, mut left) = (ends.recv().await.unwrap(), ends.recv().await.unwrap());
    drop(file);
    assert_eq!(fetched.read(&mut [0]).unwrap(), 0, "it is closed");
    assert_eq!(left.read(&mut [0]).unwrap(), 0, "it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_blocking_client_carries_none() {
    let (near, far) = tcp().await;
    let near = near.into_std().unwrap();
    near.set_nonblocking(false).unwrap();
    let _far = tcp::connection(far).unwrap().responders(responders()).spawn();
    let client = blocking::Connection::new(near).start();
    spawn_blocking(move || refuses_blocking(client, assert_unknown)).await.unwrap();

    let (near, far) = UnixStream::pair().unwrap();
    let near = near.into_std().unwrap();
    near.set_nonblocking(false).unwrap();
    let _far = amp_unix::connection(far).unwrap().responders(responders()).spawn();
    let client = blocking::Connection::new(near).start();
    // The other side can send one, which is lost.
    spawn_blocking(move || refuses_blocking(client, assert_not_received)).await.unwrap();
}

fn refuses_blocking<S: std::io::Read + std::io::Write>(
    mut client: blocking::Client<S>,
    assert_not_fetched: fn(Result<File, CallError>),
) {
    let (file, mut end) = file();
    let send = Send { file };
    assert_not_sent(client.call_remote(send));
    assert_eq!(end.read(&mut [0]).unwrap(), 0, "it is closed");
    assert_not_fetched(client.call_remote(Fetch));
    assert_not_received(client.call_remote(Name));
    client.call_remote(Ping).unwrap();
}

/// What stands for a descriptor that the kernel does not send: it makes the test anew, with the
/// number of an `io_uring` in the environment.
const WITH_IO_URING: &str = "
import ctypes, os, sys
fd = ctypes.CDLL(None, use_errno=True).syscall(425, 4, ctypes.create_string_buffer(120))
if fd < 0:
    print('skipped: no io_uring here:', os.strerror(ctypes.get_errno()))
    sys.exit()
os.set_inheritable(fd, True)
os.environ['IO_URING'] = str(fd)
os.execv(sys.argv[1], sys.argv[1:])
";

/// Calls that are sent together: one whose descriptor the kernel refuses fails alone.
#[cfg(target_os = "linux")]
#[test]
fn an_io_uring_fails_its_call_alone() {
    let name = "an_io_uring_fails_its_call_alone";
    let Some(ring) = std::env::var_os("IO_URING") else {
        let output = std::process::Command::new("python3")
            .args(["-c", WITH_IO_URING])
            .arg(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let skipped = stdout.contains("skipped: ");
        println!("{}", if skipped { &stdout[..] } else { "" });
        let ran = stdout.contains("1 passed");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && (skipped || ran), "{stdout}{stderr}");
        return;
    };
    let ring = amp_unix::inherited::take(ring.to_str().unwrap().parse().unwrap()).unwrap();
    let ring = Descriptor::from(ring);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (near, far) =
            pair(amp_unix::connection(near).unwrap(), amp_unix::connection(far).unwrap());
        let passing = |file| near.call_remote(Send { file });
        let refused = |result: Result<(), CallError>| {
            let error = result.unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
            let expected = "the call was not sent: the kernel does not send this file descriptor: \
                            Invalid argument (os error 22)";
            assert_eq!(Report::new(&error).to_string(), expected);
        };
        for _ in 0..3 {
            refused(passing(ring.clone()).await);
            let ((first, first_end), (second, second_end)) = (file(), file());
            let sent = tokio::join!(
                passing(first),
                passing(ring.clone()),
                near.call_remote(Fetch),
                passing(second),
                passing(ring.clone()),
            );
            for result in [sent.0, sent.3] {
                result.unwrap();
            }
            sent.2.unwrap();
            refused(sent.1);
            refused(sent.4);
            for mut end in [first_end, second_end] {
                assert_eq!(end.read(&mut [0]).unwrap(), 0, "it has arrived, and is closed");
            }
        }
        far.call_remote(Fetch).await.unwrap();
    });
}
