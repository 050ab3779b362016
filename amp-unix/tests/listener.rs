//! The file of a listening socket, and who connects to it.

mod support;

use amp_core::{PeerAddress, Report};
use amp_unix::{PeerCredentials, UnixSocketListener};
use nix::sys::stat::{Mode, umask};
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::caller::{Caller, WhoAmI, telling_callers};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixSocket, UnixStream};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn clients_connect_and_are_known() {
    let (_folder, path) = folder();
    let listener = UnixSocketListener::bind(&path).unwrap();
    assert_eq!(listener.path(), path);
    let (client, server) = tokio::join!(UnixStream::connect(&path), listener.accept_stream());
    let (client, server) = (client.unwrap(), server.unwrap());
    for stream in [&client, &server] {
        let credentials = PeerCredentials::of(stream).unwrap();
        assert_eq!(credentials.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(credentials.gid, nix::unistd::getegid().as_raw());
        if cfg!(target_os = "linux") {
            assert_eq!(credentials.pid, Some(std::process::id().try_into().unwrap()));
        }
    }
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask() {
    support::in_own_process("the_mode_is_what_was_asked_for_whatever_the_umask", || {
        support::block_on(async {
            for mask in [0o000, 0o022, 0o777] {
                let (_folder, path) = folder();
                umask(Mode::from_bits_truncate(mask));
                let listener = UnixSocketListener::bind(&path).unwrap();
                assert_eq!(mode(&path), 0o600);
                drop(listener);
                let _listener = UnixSocketListener::bind_with_mode(&path, 0o666).unwrap();
                assert_eq!(mode(&path), 0o666);
                umask(Mode::from_bits_truncate(0o077));
            }
        });
    });
}

#[tokio::test]
async fn nobody_can_connect_before_it_listens() {
    let (_folder, path) = folder();
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let error = UnixStream::connect(&path).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced() {
    let (_folder, path) = folder();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = UnixSocketListener::bind(&path).unwrap();
    let (client, server) = tokio::join!(UnixStream::connect(&path), listener.accept_stream());
    client.and(server).unwrap();
}

#[tokio::test]
async fn a_living_server_keeps_its_path() {
    let (_folder, path) = folder();
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let error = UnixSocketListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let undisturbed = listener.accept().unwrap_err();
    assert_eq!(undisturbed.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_server_that_does_not_listen_yet_keeps_its_path() {
    let (_folder, path) = folder();
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let error = UnixSocketListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let _listener = socket.listen(1).unwrap();
    UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let (_folder, path) = folder();
    fs::write(&path, "precious").unwrap();
    let error = UnixSocketListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_that_is_too_long_is_refused() {
    let (folder, _) = folder();
    let path = folder.path().join("x".repeat(110));
    let error = UnixSocketListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_file_is_removed_with_the_listener() {
    let (_folder, path) = folder();
    drop(UnixSocketListener::bind(&path).unwrap());
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_of_somebody_else_stays() {
    let (_folder, path) = folder();
    let first = UnixSocketListener::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let second = UnixSocketListener::bind(&path).unwrap();
    drop(first);
    UnixStream::connect(&path).await.unwrap();
    drop(second);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_stays_with_a_listener_that_is_handed_on() {
    let (_folder, path) = folder();
    let listener = UnixSocketListener::bind(&path).unwrap().into_inner();
    UnixStream::connect(&path).await.unwrap();
    drop(listener);
    assert!(path.exists());
}

#[tokio::test]
async fn a_path_with_a_nul_byte_inside_is_refused() {
    let (folder, _) = folder();
    let path = folder.path().join("a\0b");
    let error = UnixSocketListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(
        Report::new(&error).to_string().ends_with("a path cannot contain a NUL byte"),
        "{error}"
    );
    let error = amp_unix::connect(&path).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_error_of_the_system_is_the_cause_of_one_that_names_the_path() {
    let (folder, _) = folder();
    let path = folder.path().join("missing").join("socket");
    let shown = path.display();
    for (error, expected) in [
        (amp_unix::connect(&path).await.map(drop), format!("cannot connect to {shown}")),
        (UnixSocketListener::bind(&path).map(drop), format!("cannot listen at {shown}")),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), expected);
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        assert_eq!(cause.unwrap().raw_os_error(), Some(nix::libc::ENOENT));
        let all = Report::new(&error).to_string();
        assert_eq!(all, format!("{expected}: No such file or directory (os error 2)"));
    }
}

#[tokio::test]
async fn a_listener_from_elsewhere_has_its_path_and_leaves_its_file() {
    let (_folder, path) = folder();
    let listener = UnixSocketListener::from(tokio::net::UnixListener::bind(&path).unwrap());
    assert_eq!(listener.path(), path);
    let (client, server) = tokio::join!(UnixStream::connect(&path), listener.accept_stream());
    client.and(server).unwrap();
    drop(listener);
    assert!(path.exists());
}

/// What each of three clients gets of one byte that the listener's first connection is sent.
async fn served(admit: impl FnOnce(UnixSocketListener) -> UnixSocketListener) -> [Vec<u8>; 3] {
    let (_folder, path) = folder();
    let listener = admit(UnixSocketListener::bind(&path).unwrap());
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(UnixStream::connect(&path).await.unwrap());
    }
    listener.accept_stream().await.unwrap().try_write(b"x").unwrap();
    // Ends those that nobody has accepted.
    drop(listener);
    let mut received = [const { Vec::new() }; 3];
    for (client, bytes) in clients.iter_mut().zip(&mut received) {
        let result = client.read_to_end(bytes).await;
        assert!(result.is_ok() || bytes.is_empty());
    }
    received
}

/// Admits the client with this index.
fn only(index: usize) -> impl Fn(&PeerCredentials) -> bool + Send + Sync {
    let clients = AtomicUsize::new(0);
    move |_| clients.fetch_add(1, Ordering::Relaxed) == index
}

#[tokio::test]
async fn only_clients_that_are_admitted_are_served() {
    for index in 0..3 {
        let mut expected = [const { Vec::new() }; 3];
        expected[index] = b"x".to_vec();
        assert_eq!(served(|listener| listener.admit(only(index))).await, expected);
        let both = served(|listener| listener.admit(only(index)).only_own_user()).await;
        assert_eq!(both, expected);
        let both = served(|listener| listener.only_own_user().admit(only(index))).await;
        assert_eq!(both, expected);
    }
}

#[tokio::test]
async fn a_panic_over_one_client_refuses_that_one() {
    let clients = AtomicUsize::new(0);
    let admit = move |_: &PeerCredentials| {
        assert!(clients.fetch_add(1, Ordering::Relaxed) != 0, "the first is nobody");
        true
    };
    assert_eq!(served(|listener| listener.admit(admit)).await, [&b""[..], b"x", b""]);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn an_abstract_name_is_served_and_is_free_again_afterwards() {
    let name = format!("\0amp-unix-test-{}", std::process::id());
    let shown = name.replace('\0', "@");
    for _ in 0..2 {
        let listener = UnixSocketListener::bind(&name).unwrap().only_own_user();
        assert_eq!(listener.path(), Path::new(&name));
        let error = UnixSocketListener::bind(&name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&shown), "{error}");

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let responders = telling_callers();
        let server = amp_core::serve(listener, responders).shutdown_on(stopped);
        let server = tokio::spawn(server);
        let peer = amp_unix::connect(&name).await.unwrap().spawn();
        assert_eq!(*peer.peer_address(), PeerAddress::Name(shown.clone().into()));
        let Caller { uid } = peer.call_remote(WhoAmI {}).await.unwrap();
        assert_eq!(uid, nix::unistd::geteuid().as_raw());
        drop(stop);
        server.await.unwrap();
        let error = amp_unix::connect(&name).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn an_abstract_name_that_is_too_long_is_refused() {
    for (length, fits) in [(107, true), (108, false)] {
        let name = format!("\0{:x<length$}", std::process::id());
        match UnixSocketListener::bind(&name) {
            Ok(listener) => assert!(fits && listener.path() == Path::new(&name)),
            Err(error) => assert!(!fits && error.kind() == io::ErrorKind::InvalidInput, "{error}"),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[tokio::test]
async fn abstract_names_are_refused_where_there_are_none() {
    let error = UnixSocketListener::bind("\0name").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    let error = amp_unix::connect("\0name").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}
