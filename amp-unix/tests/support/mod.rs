//! What several tests need: a transport driven by hand, files that can be told apart, and tests
//! that have a process of their own.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod caller;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod kernel;
pub(crate) mod numbered;
pub(crate) mod over;
pub(crate) mod random;
pub(crate) mod script;

use amp_core::argument::Attachment;
use amp_core::{AmpBox, Transport};
use bytes::BytesMut;
use nix::libc::rlim_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for a machine that is busy with something else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How much room a receive buffer has.
pub(crate) const ROOM: usize = 64 * 1024;

/// An open file that holds `tag`.
pub(crate) fn tagged(tag: usize) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    write!(file, "{tag}").unwrap();
    file.into()
}

/// What the file behind `fd` holds.
pub(crate) fn tag(fd: impl AsFd) -> usize {
    let mut file = File::from(fd.as_fd().try_clone_to_owned().unwrap());
    let mut content = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut content).unwrap();
    content.parse().unwrap()
}

/// Files tagged by `tags`, to be sent.
pub(crate) fn attachments(tags: impl IntoIterator<Item = usize>) -> VecDeque<Attachment> {
    tags.into_iter().map(|n| Arc::new(tagged(n)) as Attachment).collect()
}

/// The tags of received files.
pub(crate) fn tags(attachments: &[Attachment]) -> Vec<usize> {
    attachments.iter().map(|a| tag(a.downcast_ref::<OwnedFd>().unwrap())).collect()
}

pub(crate) async fn send_some(
    transport: &mut (impl Transport + Unpin),
    bytes: &[u8],
    attachments: &mut VecDeque<Attachment>,
) -> io::Result<usize> {
    let slices = [IoSlice::new(bytes)];
    poll_fn(|cx| Pin::new(&mut *transport).poll_send(cx, &slices, attachments)).await
}

pub(crate) async fn send_all(
    transport: &mut (impl Transport + Unpin),
    mut bytes: &[u8],
    mut attachments: VecDeque<Attachment>,
) {
    while !bytes.is_empty() {
        let sent = send_some(transport, bytes, &mut attachments).await.unwrap();
        bytes = &bytes[sent..];
    }
    assert!(attachments.is_empty());
}

pub(crate) async fn receive_some(
    transport: &mut (impl Transport + Unpin),
    buffer: &mut BytesMut,
    attachments: &mut Vec<Attachment>,
) -> io::Result<usize> {
    buffer.reserve(ROOM);
    poll_fn(|cx| Pin::new(&mut *transport).poll_receive(cx, buffer, attachments)).await
}

/// Receives until there are `len` bytes.
pub(crate) async fn receive_all(
    transport: &mut (impl Transport + Unpin),
    len: usize,
) -> (BytesMut, Vec<Attachment>) {
    let (mut buffer, mut attachments) = (BytesMut::new(), Vec::new());
    while buffer.len() < len {
        let before = buffer.len();
        let count = receive_some(transport, &mut buffer, &mut attachments).await.unwrap();
        assert_eq!(buffer.len(), before + count);
        assert_ne!(count, 0, "the stream ended after {before} bytes");
    }
    (buffer, attachments)
}

/// The box of a call.
pub(crate) fn ask(tag: &str, command: &str, arguments: &[(&str, &str)]) -> Vec<u8> {
    let pairs = [("_ask", tag), ("_command", command)].into_iter().chain(arguments.iter().copied());
    AmpBox::from_pairs(pairs).unwrap().to_bytes().to_vec()
}

/// The box of an answer that says nothing.
pub(crate) fn answer(tag: &str) -> Vec<u8> {
    AmpBox::from_pairs([("_answer", tag)]).unwrap().to_bytes().to_vec()
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

/// Returns whether a process may have so many descriptors open.
pub(crate) fn may_open(count: rlim_t) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    hard >= count
}

/// Sets how many descriptors this process may have open.
pub(crate) fn limit_open_files(limit: rlim_t) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, limit.min(hard), hard).unwrap();
}

/// Runs `body`, which is all of the test `name`, in a process of its own: what it does to the
/// process touches no other test, and no other test opens descriptors while it counts them.
pub(crate) fn in_own_process(name: &str, body: impl FnOnce()) {
    const CHILD: &str = "AMP_UNIX_TEST_CHILD";
    const DONE: &str = "the test's own process got to its end";
    if std::env::var_os(CHILD).is_some() {
        // What tokio opens once and for all, a pipe for signals, is open before anyone counts.
        block_on(async {});
        body();
        println!("{DONE}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stdout.contains(DONE), "{stdout}\n{stderr}");
}

/// Says that a test is left out, and why, where no runner of tests keeps it to itself.
pub(crate) fn leave_out(why: impl Display) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    io::stderr().write_all(format!("LEFT OUT: {name}: {why}\n").as_bytes()).unwrap();
}

/// Runs a future on this thread; it must not hang.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let timed = async { tokio::time::timeout(DEADLINE, future).await };
    runtime.block_on(timed).expect("it should not hang")
}

/// Runs a test of its own that ends with as many open descriptors as it began with.
pub(crate) fn without_leak<F: Future<Output = ()>>(name: &str, body: impl FnOnce() -> F) {
    in_own_process(name, || {
        let before = open_descriptors();
        block_on(async { body().await });
        assert_eq!(open_descriptors(), before);
    });
}
