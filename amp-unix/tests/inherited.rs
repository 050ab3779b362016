//! Parents and children: what a process is started with.
//!
//! A child is this program again, and runs the same test to its other half.

mod support;

use amp_core::{Arguments, CloseReason, Command, Connection, Context, NoError, Responders};
use amp_unix::{AnyListener, ChildPipes, Descriptor, PeerCredentials, inherited};
use command_fds::{CommandFdExt, FdMapping};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{self, Child, Stdio};
use support::{block_on, in_own_process, tag, tagged};

/// Asks a child who it is, and who it thinks its parent is.
#[derive(Command)]
#[amp(response = Identity)]
struct Identify {}

#[derive(Arguments)]
struct Identity {
    pid: u32,
    parent: Option<i32>,
}

async fn identify(context: Context, _: Identify) -> Result<Identity, NoError> {
    let parent = context.get::<PeerCredentials>().and_then(|parent| parent.pid);
    Ok(Identity { pid: process::id(), parent })
}

/// Gives back the file that it gets.
#[derive(Command)]
#[amp(response = Kept)]
struct Keep {
    file: Descriptor,
}

#[derive(Arguments)]
struct Kept {
    file: Descriptor,
}

async fn keep(_: Context, Keep { file }: Keep) -> Result<Kept, NoError> {
    Ok(Kept { file })
}

/// What makes this program a child.
const CHILD: &str = "AMP_UNIX_INHERITED_CHILD";

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// The other half of the test `name`.
fn child(name: &str) -> process::Command {
    let mut command = process::Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command
}

/// A descriptor that another process has left open for this one: it is not close-on-exec, and
/// nothing owns it.
fn left_open(fd: impl Into<OwnedFd>) -> RawFd {
    let fd = fd.into();
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    fd.into_raw_fd()
}

fn end(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

/// Calls until the parent closes.
async fn serve(connection: Connection) {
    let responders = Responders::new(()).respond(identify).respond(keep);
    let reason = connection.responders(responders).run().await;
    assert!(matches!(reason, CloseReason::Peer), "{reason}");
}

#[test]
fn a_socketpair_carries_descriptors_to_a_child_and_back() {
    if is_child() {
        block_on(async { serve(inherited::socket(0).unwrap()).await });
        return;
    }
    let name = "a_socketpair_carries_descriptors_to_a_child_and_back";
    block_on(async {
        let (connection, end_of_child) = amp_unix::socketpair().unwrap();
        let flags = fcntl(&end_of_child, FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags, FdFlag::FD_CLOEXEC.bits());
        let child = child(name).stdin(end_of_child).spawn().unwrap();
        let peer = connection.spawn();
        assert_eq!(peer.get::<PeerCredentials>(), None);
        let Identity { pid, parent } = peer.call_remote(Identify {}).await.unwrap();
        assert_eq!(pid, child.id());
        if cfg!(target_os = "linux") {
            assert_eq!(parent, Some(process::id().try_into().unwrap()));
        }
        let Kept { file } = peer.call_remote(Keep { file: tagged(5).into() }).await.unwrap();
        assert_eq!(tag(file), 5);
        peer.close().await;
        end(child);
    });
}

#[test]
fn a_parent_sees_that_its_child_is_gone() {
    if is_child() {
        inherited::take(0).unwrap();
        return;
    }
    block_on(async {
        let (connection, end_of_child) = amp_unix::socketpair().unwrap();
        let child =
            child("a_parent_sees_that_its_child_is_gone").stdin(end_of_child).spawn().unwrap();
        let reason = connection.run().await;
        assert!(matches!(reason, CloseReason::Peer), "{reason}");
        end(child);
    });
}

#[test]
fn a_child_reads_from_3_and_writes_to_4() {
    if is_child() {
        block_on(async { serve(inherited::pipes(3, 4).unwrap()).await });
        return;
    }
    block_on(async {
        let (connection, ends) = amp_unix::child_pipes().unwrap();
        let child = with_pipes(child("a_child_reads_from_3_and_writes_to_4"), ends);
        let peer = connection.spawn();
        let Identity { pid, parent } = peer.call_remote(Identify {}).await.unwrap();
        assert_eq!((pid, parent), (child.id(), None));
        peer.close().await;
        end(child);
    });
}

/// Starts a program that reads from 3 and writes to 4. The command, which owns the child's ends, is
/// dropped.
fn with_pipes(mut command: process::Command, ends: ChildPipes) -> Child {
    let mappings = [(ends.reader, 3), (ends.writer, 4)]
        .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.into()).unwrap();
    command.spawn().unwrap()
}

/// Another program, started while all four ends are open, does not keep any.
#[test]
fn no_other_program_inherits_the_ends_of_pipes() {
    if is_child() {
        drop((inherited::take(3).unwrap(), inherited::take(4).unwrap()));
        return;
    }
    block_on(async {
        let (connection, ends) = amp_unix::child_pipes().unwrap();
        for end in [&ends.reader, &ends.writer] {
            assert_eq!(fcntl(end, FcntlArg::F_GETFD).unwrap(), FdFlag::FD_CLOEXEC.bits());
            let flags = OFlag::from_bits_retain(fcntl(end, FcntlArg::F_GETFL).unwrap());
            assert!(!flags.contains(OFlag::O_NONBLOCK), "{flags:?}");
        }
        let mut other = process::Command::new("cat");
        let mut other = other.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let child = with_pipes(child("no_other_program_inherits_the_ends_of_pipes"), ends);
        // The end is seen although the other one still runs.
        let reason = connection.run().await;
        assert!(matches!(reason, CloseReason::Peer), "{reason}");
        end(child);
        assert!(other.try_wait().unwrap().is_none());
        drop(other.stdin.take());
        end(other);
    });
}

#[test]
fn what_was_taken_is_closed_with_its_owner() {
    in_own_process("what_was_taken_is_closed_with_its_owner", || {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        drop(inherited::take(left_open(far)).unwrap());
        assert_eq!(near.read(&mut [0]).unwrap(), 0, "it ends when nobody has the other end open");
    });
}

#[test]
fn each_number_is_taken_once() {
    in_own_process("each_number_is_taken_once", || {
        let number = left_open(tagged(7));
        let taken = inherited::take(number).unwrap();
        assert_ne!(taken.as_raw_fd(), number);
        assert_eq!(tag(&taken), 7);
        assert_eq!(fcntl(&taken, FcntlArg::F_GETFD).unwrap(), FdFlag::FD_CLOEXEC.bits());
        for _ in 0..2 {
            let error = inherited::take(number).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), format!("descriptor {number}: taken already"));
        }
        // Nothing that is opened later gets the number.
        let later = File::open("/dev/null").unwrap();
        assert_ne!(later.as_raw_fd(), number);
        assert_eq!(tag(&taken), 7);
    });
}

#[test]
fn what_this_process_has_opened_is_not_taken() {
    in_own_process("what_this_process_has_opened_is_not_taken", || {
        let file = tagged(8);
        let number = file.as_raw_fd();
        let error = inherited::take(number).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let expected = "not inherited, but opened by this process: it is close-on-exec";
        assert_eq!(error.to_string(), format!("descriptor {number}: {expected}"));
        assert_eq!(tag(&file), 8);
    });
}

#[test]
fn what_is_not_open_is_not_taken_until_it_is() {
    in_own_process("what_is_not_open_is_not_taken_until_it_is", || {
        let closed = tagged(9).as_raw_fd();
        for number in [closed, -1, RawFd::MAX] {
            let error = inherited::take(number).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert_eq!(error.to_string(), format!("descriptor {number}: not open"));
        }
        let number = left_open(tagged(9));
        assert_eq!(number, closed);
        assert_eq!(tag(inherited::take(number).unwrap()), 9);
    });
}

#[test]
fn a_standard_stream_stays_open_for_other_programs() {
    in_own_process("a_standard_stream_stays_open_for_other_programs", || {
        inherited::take(0).unwrap();
        let cat = process::Command::new("cat").stdin(Stdio::inherit()).output().unwrap();
        assert!(cat.status.success(), "{}", String::from_utf8_lossy(&cat.stderr));
    });
}

#[test]
fn what_is_no_pipe_or_socket_is_refused() {
    in_own_process("what_is_no_pipe_or_socket_is_refused", || {
        block_on(async {
            let (reader, writer) = io::pipe().unwrap();
            let (reader, writer) = (left_open(reader), left_open(writer));
            let error = inherited::pipes(writer, reader).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("descriptor {writer}: not in O_RDONLY"))
            );
            assert!(inherited::take(reader).is_ok(), "the other one is left alone");

            let file = left_open(tagged(1));
            let error = inherited::pipes(file, 1).unwrap_err();
            assert_eq!(error.to_string(), format!("descriptor {file}: not a pipe"));

            let refused = |number, expected| {
                let error = inherited::socket(number).unwrap_err();
                assert_eq!(error.to_string(), format!("descriptor {number}: {expected}"));
            };
            refused(left_open(tagged(1)), "not a socket");
            refused(left_open(UdpSocket::bind("127.0.0.1:0").unwrap()), "not a stream socket");
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            refused(left_open(tcp), "not a Unix socket");
            let folder = tempfile::tempdir().unwrap();
            let listener = left_open(UnixListener::bind(folder.path().join("socket")).unwrap());
            let error = inherited::socket(listener).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        });
    });
}

/// What systemd does: sockets from 3 on, and variables with the process that they are for.
#[test]
fn a_service_serves_the_sockets_that_it_is_passed() {
    let name = "a_service_serves_the_sockets_that_it_is_passed";
    if is_child() {
        block_on(service());
        return;
    }
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let unix = UnixListener::bind(&path).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        // Only after the fork is the process known, so a shell says it.
        let child = child(name);
        let mut command = process::Command::new("sh");
        command.args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"]).arg(child.get_program());
        command.args(child.get_args()).env(CHILD, path.as_os_str());
        command.env("LISTEN_FDS", "3").env("LISTEN_FDNAMES", "local:network:a file");
        let mappings = [(unix.into(), 3), (tcp.into(), 4), (tagged(3), 5)]
            .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.into()).unwrap();
        let child = command.spawn().unwrap();
        drop(command);

        let unix = amp_unix::connect(&path).await.unwrap().spawn();
        let tcp = amp_core::tcp::connect(address).await.unwrap().spawn();
        for (peer, parent) in [(&unix, Some(process::id().try_into().unwrap())), (&tcp, None)] {
            let identity = peer.call_remote(Identify {}).await.unwrap();
            assert_eq!(identity.pid, child.id());
            if cfg!(target_os = "linux") {
                assert_eq!(identity.parent, parent);
            }
        }
        tokio::join!(unix.close(), tcp.close());
        end(child);
        assert!(path.exists(), "the file is not the service's to remove");
    });
}

/// Serves one connection of each of its two sockets.
async fn service() {
    let mut passed = inherited::listen_fds().unwrap().into_iter();
    let error = inherited::listen_fds().unwrap_err();
    assert_eq!(error.to_string(), "descriptor 3: taken already");

    let (local, network, file) =
        (passed.next().unwrap(), passed.next().unwrap(), passed.next().unwrap());
    assert!(passed.next().is_none());
    assert_eq!([local.name(), network.name(), file.name()], ["local", "network", "a file"]);
    let error = file.into_listener().unwrap_err();
    assert_eq!(error.to_string(), "descriptor 5 (a file): not a socket");

    let AnyListener::Unix(local) = local.into_listener().unwrap() else { panic!("not Unix") };
    assert_eq!(Some(local.path().as_os_str()), env::var_os(CHILD).as_deref());
    let mut local = local.only_own_user();
    let mut network = network.into_listener().unwrap();
    assert!(matches!(network, AnyListener::Tcp(_)));
    let connection = amp_core::Listener::accept(&mut local).await.unwrap();
    let other = amp_core::Listener::accept(&mut network).await.unwrap();
    tokio::join!(serve(connection), serve(other));
}

#[test]
fn without_variables_nothing_is_passed() {
    assert!(env::var_os("LISTEN_FDS").is_none());
    assert_eq!(inherited::listen_fds().unwrap().len(), 0);
}

#[tokio::test]
async fn only_what_listens_for_streams_is_a_listener() {
    let refused = |fd: OwnedFd, expected: &str| {
        let error = AnyListener::try_from(fd).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), expected);
    };
    refused(tagged(1), "not a socket");
    refused(UdpSocket::bind("127.0.0.1:0").unwrap().into(), "not a stream socket");
    let (stream, _other) = UnixStream::pair().unwrap();
    refused(stream.into(), "a socket that does not listen");
}
