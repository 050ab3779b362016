//! The file of a listening socket, and who connects to it.

mod support;

use amp_unix::{PeerCredentials, UnixSocketListener};
use nix::sys::stat::{Mode, umask};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
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
    let (client, server) = tokio::join!(UnixStream::connect(&path), listener.accept());
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
    let (client, server) = tokio::join!(UnixStream::connect(&path), listener.accept());
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
