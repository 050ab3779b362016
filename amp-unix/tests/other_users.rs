//! Clients of other users. Root alone can be somebody else for as long as it takes to connect.
#![cfg(target_os = "linux")]

mod support;

use amp_unix::{PeerCredentials, UnixSocketListener};
use nix::unistd::{Uid, geteuid, seteuid};
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process;
use support::caller::{WhoAmI, telling_callers};
use tempfile::TempDir;

const ROOT: u32 = 0;
const NOBODY: u32 = 65534;

/// Whether a test has to be left out, since this process cannot be another user.
fn is_left_out() -> bool {
    use std::os::unix::process::CommandExt;

    if !geteuid().is_root() {
        support::leave_out("only root can be another user");
        return true;
    }
    // Where root has no other users, nothing is started as one.
    match process::Command::new("true").uid(NOBODY).status() {
        Ok(status) if status.success() => false,
        other => {
            support::leave_out(format_args!("root cannot be another user here: {other:?}"));
            true
        }
    }
}

/// Does something as this user, in a process that does nothing else meanwhile.
fn as_user<R>(uid: u32, body: impl FnOnce() -> R) -> R {
    let before = geteuid();
    seteuid(Uid::from_raw(uid)).unwrap();
    let result = body();
    seteuid(before).unwrap();
    result
}

/// A folder that everybody may use, and a path in it.
fn open_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

fn connect_as(uid: u32, path: &Path) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::{ffi::OsStrExt, net::SocketAddr};

    as_user(uid, || match path.as_os_str().as_bytes() {
        [0, name @ ..] => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
        _ => UnixStream::connect(path),
    })
}

/// What two clients get, the first of which is this user and the second one that, of one byte that the
/// listener's first connection is sent.
async fn served(listener: UnixSocketListener, first: u32, second: u32) -> [Vec<u8>; 2] {
    let clients = [first, second].map(|uid| connect_as(uid, listener.path()).unwrap());
    listener.accept_stream().await.unwrap().try_write(b"x").unwrap();
    // Ends those that nobody has accepted.
    drop(listener);
    clients.map(|mut client| {
        let mut received = Vec::new();
        let result = client.read_to_end(&mut received);
        assert!(result.is_ok() || received.is_empty(), "{result:?}");
        received
    })
}

#[test]
fn another_user_cannot_connect_unless_the_mode_says_so() {
    if is_left_out() {
        return;
    }
    support::in_own_process("another_user_cannot_connect_unless_the_mode_says_so", || {
        support::block_on(async {
            let (_folder, path) = open_folder();
            let listener = UnixSocketListener::bind(&path).unwrap();
            let error = connect_as(NOBODY, &path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            connect_as(ROOT, &path).unwrap();
            drop(listener);
            let _listener = UnixSocketListener::bind_with_mode(&path, 0o666).unwrap();
            connect_as(NOBODY, &path).unwrap();
        });
    });
}

#[test]
fn another_user_is_not_served_where_only_the_own_one_is() {
    if is_left_out() {
        return;
    }
    support::in_own_process("another_user_is_not_served_where_only_the_own_one_is", || {
        support::block_on(async {
            let (_folder, path) = open_folder();
            let name = PathBuf::from(format!("\0amp-unix-other-users-{}", process::id()));
            for path in [path, name] {
                let bind = || UnixSocketListener::bind_with_mode(&path, 0o666).unwrap();
                let own = served(bind().only_own_user(), NOBODY, ROOT).await;
                assert_eq!(own, [&b""[..], b"x"], "{path:?}");
                let other = served(bind().admit(|client| client.uid == NOBODY), ROOT, NOBODY);
                assert_eq!(other.await, [&b""[..], b"x"], "{path:?}");
                // Without that, the first one is.
                assert_eq!(served(bind(), NOBODY, ROOT).await, [&b"x"[..], b""], "{path:?}");
            }
        });
    });
}

/// Whom nothing keeps out is refused too.
#[test]
fn root_is_not_served_where_only_another_user_is() {
    if is_left_out() {
        return;
    }
    support::in_own_process("root_is_not_served_where_only_another_user_is", || {
        support::block_on(async {
            let (_folder, path) = open_folder();
            seteuid(Uid::from_raw(NOBODY)).unwrap();
            let listener = UnixSocketListener::bind(&path).unwrap().only_own_user();
            assert_eq!(served(listener, ROOT, NOBODY).await, [&b""[..], b"x"]);
            seteuid(Uid::from_raw(ROOT)).unwrap();
        });
    });
}

/// Each of them is whoever it was when it connected, or began to listen.
#[test]
fn each_side_knows_which_user_the_other_one_is() {
    if is_left_out() {
        return;
    }
    support::in_own_process("each_side_knows_which_user_the_other_one_is", || {
        support::block_on(async {
            for (server, client) in [(ROOT, NOBODY), (NOBODY, ROOT)] {
                let (_folder, path) = open_folder();
                let listener = as_user(server, || UnixSocketListener::bind_with_mode(&path, 0o666));
                let responders = telling_callers();
                let serving =
                    tokio::spawn(amp_core::serve(listener.unwrap(), responders).into_future());
                let stream = connect_as(client, &path).unwrap();
                stream.set_nonblocking(true).unwrap();
                let stream = tokio::net::UnixStream::from_std(stream).unwrap();
                let peer = amp_unix::connection(stream).unwrap().spawn();
                assert_eq!(peer.get::<PeerCredentials>().unwrap().uid, server);
                assert_eq!(peer.call_remote(WhoAmI {}).await.unwrap().uid, client);
                serving.abort();
            }
        });
    });
}
