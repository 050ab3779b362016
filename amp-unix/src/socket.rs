//! One message on a Unix socket: bytes, with file descriptors beside them.
//!
//! These functions work on any Unix socket, for transports of your own. None of them ever blocks, whatever mode the socket
//! is in. All of this workspace's `unsafe` is in this file. So the code that takes an inherited descriptor is here too, and
//! the code that differs between operating systems in sending and receiving.
//!
//! # Operating systems
//!
//! All of this crate was tested on Linux. For the other systems it was written by their manuals and only compiled. These
//! are the differences of messages:
//!
//! - macOS has no `MSG_CMSG_CLOEXEC`. So close-on-exec is set right after a descriptor was received. If another thread
//!   starts a program just then, that program inherits it.
//! - macOS has no `MSG_NOSIGNAL`. Rust's runtime ignores `SIGPIPE`, and `std` and tokio set `SO_NOSIGPIPE` on the sockets
//!   that they make. A socket from elsewhere needs that option in a program that has turned `SIGPIPE` on again.
//! - On macOS and the BSDs, a message ends before and after one that carries descriptors. So a short message does not mean
//!   that nothing more waits, and [`Moved::exhausted`] is never true there.
//! - The BSDs may refuse fewer than [`MAX_DESCRIPTORS`] in one message if the buffers of the socket are small.
//! - Only Linux counts the descriptors that all processes of a user have on their way, and only Linux
//!   [tells](unreceived) how much a peer has not received. Elsewhere a connection sends descriptors for as long as the
//!   socket takes them.
//!
//! And these are the other differences:
//!
//! - Abstract names exist on Linux and Android only. Elsewhere they are an error.
//! - Old BSDs ignored the mode of a socket's file, and on some systems one can still connect without the right to write.
//!   There, the folder has to keep others out.
//! - On Linux, [`PeerCredentials`](crate::PeerCredentials) come from `SO_PEERCRED`, which knows them for both ends of a
//!   socketpair too. On macOS and the BSDs, they come from `getpeereid` or a similar call. There, a peer that has already
//!   gone, or an end of a socketpair, may have none. FreeBSD does not say which process the peer is.
//! - macOS sets close-on-exec right after it has made or accepted a socket, as for received descriptors.
//! - [Inherited](crate::inherited) descriptors are treated in the same way everywhere, by `fcntl` and `dup2`.
#![allow(unsafe_code)]

use bytes::BytesMut;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::Shutdown;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::DescriptorError;

/// The number of descriptors that Linux takes in one message (`SCM_MAX_FD`); one more is `EINVAL`.
pub const MAX_DESCRIPTORS: usize = 253;

/// The number of slices of bytes that go in one message. The kernel allows more (`IOV_MAX`), but
/// copies and checks them each time, also those that then do not fit.
const MAX_SLICES: usize = 64;

/// Room for the control data of one message, in words, which align it: [`MAX_DESCRIPTORS`] take
/// about a kilobyte. The rest is for what options of the socket add: credentials and a pidfd take
/// 56 bytes, and a security label as many as it has. Linux puts descriptors behind the label, and
/// so would cut them where it leaves no room.
const CONTROL_WORDS: usize = 4096 / size_of::<usize>();

/// Room for the control data of one message that is sent, in words.
const SENT_CONTROL_WORDS: usize = control_space(MAX_DESCRIPTORS).div_ceil(size_of::<usize>());

#[cfg(not(target_vendor = "apple"))]
const RECEIVE_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const RECEIVE_FLAGS: libc::c_int = libc::MSG_DONTWAIT;

#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT;

/// Whether a message shorter than what was offered means that the next call would block.
const SHORT_IS_EXHAUSTED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The bytes that one call moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// The number of bytes.
    pub bytes: usize,
    /// True if nothing more can be moved now on a stream socket. The same call again would fail with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), so you can wait for readiness at once. `false` means that this is not
    /// known.
    pub exhausted: bool,
}

/// Receives one message: bytes into the spare capacity of `buffer`, which must not be empty, and
/// the descriptors that came with them to the end of `descriptors`. They are close-on-exec.
///
/// 0 bytes mean that the peer sends nothing more.
///
/// If certain options of the socket are set, the kernel adds other control data to each message. An accepted socket inherits
/// them from the listening one. A pidfd among this data (`SO_PASSPIDFD`, systemd's `PassPIDFD=`) is closed. Credentials,
/// security labels and timestamps leave nothing open, and are ignored.
///
/// # Errors
///
/// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing is there, and the other errors of `recvmsg`. After
/// [`DescriptorError::Lost`], [`DescriptorError::Truncated`] or [`DescriptorError::UnknownControlData`], do not use the
/// socket any more. On an error, neither `buffer` nor `descriptors` has grown.
pub fn receive(
    socket: impl AsFd,
    buffer: &mut BytesMut,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<Moved> {
    let spare = buffer.spare_capacity_mut();
    let room = spare.len();
    if room == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no room to receive bytes into"));
    }
    let mut slice = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: room };
    let mut control = [MaybeUninit::<usize>::uninit(); CONTROL_WORDS];
    // SAFETY: a `msghdr` is made of integers and pointers, for all of which zero is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;

    let bytes = retry(|| {
        // SAFETY: `message` points to `slice` and `control`, which live on and are borrowed by
        // nothing else. The kernel writes no more than the lengths that it is given, and memory
        // that it writes need not be initialized before.
        unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, RECEIVE_FLAGS) }
    })?;

    // Before anything else can fail: from here on they are closed if it does.
    let before = descriptors.len();
    // SAFETY: `recvmsg` has just filled `message`, whose control buffer is still alive, and this
    // is the only time that it is read.
    let unknown = unsafe { take_descriptors(&message, descriptors) };
    let lost = if message.msg_flags & libc::MSG_CTRUNC != 0 {
        Some(DescriptorError::Lost)
    } else if message.msg_flags & libc::MSG_TRUNC != 0 {
        Some(DescriptorError::Truncated { room })
    } else {
        unknown.map(|(level, kind)| DescriptorError::UnknownControlData { level, kind })
    };
    if let Some(error) = lost {
        descriptors.truncate(before);
        return Err(error.into());
    }

    // SAFETY: the kernel has written this many bytes to the spare capacity, and without
    // `MSG_TRUNC` it never reports more than it was given room for.
    unsafe { buffer.set_len(buffer.len() + bytes) };
    // A message ends behind one that carried control data, also when more waits.
    let exhausted = 0 < bytes && bytes < room && message.msg_controllen == 0;
    Ok(Moved { bytes, exhausted: exhausted && SHORT_IS_EXHAUSTED })
}

/// Sends one message: some of `bytes`, which must not be empty, from the first, and all of
/// `descriptors`, at most [`MAX_DESCRIPTORS`], with the first byte.
///
/// When at least one byte was sent, all descriptors were, and may be closed here.
///
/// # Errors
///
/// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room,
/// [`WriteZero`](io::ErrorKind::WriteZero) when there are no bytes to send,
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when there are too many descriptors,
/// [`DescriptorError::TooManyInFlight`], and the other errors of `sendmsg`. Nothing was sent then.
pub fn send(
    socket: impl AsFd,
    bytes: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<Moved> {
    let bytes = &bytes[..bytes.len().min(MAX_SLICES)];
    let offered: usize = bytes.iter().map(|slice| slice.len()).sum();
    if offered == 0 {
        // The kernel would take this, and drop the descriptors.
        return Err(io::ErrorKind::WriteZero.into());
    }
    if descriptors.len() > MAX_DESCRIPTORS {
        let count = descriptors.len();
        let text = format!("{count} descriptors are over the limit of {MAX_DESCRIPTORS}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let sent = match (bytes, descriptors) {
        // The kernel takes this faster than the same as a message.
        ([one], []) => retry(|| {
            // SAFETY: the slice lives on, and the kernel only reads it.
            unsafe {
                libc::send(socket.as_fd().as_raw_fd(), one.as_ptr().cast(), one.len(), SEND_FLAGS)
            }
        }),
        _ => send_message(socket.as_fd(), bytes, descriptors),
    }?;
    Ok(Moved { bytes: sent, exhausted: sent < offered && SHORT_IS_EXHAUSTED })
}

/// Sends bytes, and at most [`MAX_DESCRIPTORS`] with them. Returns how many bytes were sent.
fn send_message(
    socket: BorrowedFd<'_>,
    bytes: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut control = [MaybeUninit::<usize>::uninit(); SENT_CONTROL_WORDS];
    // SAFETY: a `msghdr` is made of integers and pointers, for all of which zero is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // An `IoSlice` is laid out as an `iovec`, which has a pointer that is not const.
    message.msg_iov = bytes.as_ptr().cast_mut().cast();
    message.msg_iovlen = bytes.len() as _;
    if !descriptors.is_empty() {
        put_descriptors(&mut message, &mut control, descriptors);
    }
    let sent = retry(|| {
        // SAFETY: `message` points to `bytes` and to what was put into `control`, both of which
        // live on. The kernel reads no more than the lengths that it is given, and writes nothing.
        unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, SEND_FLAGS) }
    });
    sent.map_err(|error| match error.raw_os_error() {
        Some(libc::ETOOMANYREFS) => DescriptorError::TooManyInFlight.into(),
        _ => error,
    })
}

/// Returns how much memory the kernel needs for what was sent and the peer has not received, in bytes.
/// That is 0 once the peer has received everything, and several hundred bytes at least for each message
/// before. Only Linux tells; elsewhere it is always 0.
///
/// # Errors
///
/// The errors of `ioctl` (`SIOCOUTQ`).
pub fn unreceived(socket: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the request writes one integer, to where `bytes` is. It has the number of `SIOCOUTQ`.
    Errno::result(unsafe {
        libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes)
    })?;
    Ok(usize::try_from(bytes).unwrap_or_default())
}

/// Tells the peer that nothing more will be sent.
///
/// # Errors
///
/// The errors of `shutdown`.
pub fn shutdown(socket: impl AsFd) -> io::Result<()> {
    Ok(nix::sys::socket::shutdown(socket.as_fd().as_raw_fd(), Shutdown::Write)?)
}

/// Moves what is open under `number` to a new descriptor, and puts `/dev/null` there.
///
/// This is for what the process was started with, and refuses what is close-on-exec: that cannot
/// have been inherited, so somebody here owns it.
///
/// The number is neither owned nor closed, whatever is passed: with a number that somebody owns in
/// spite of that check, the owner finds another file in its place, and never closes a descriptor
/// that is not its own.
pub(crate) fn take_inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the command reads a flag of a number that need not be open, and uses no memory.
    let flags = match Errno::result(unsafe { libc::fcntl(number, libc::F_GETFD) }) {
        Err(Errno::EBADF) => return Err(io::Error::new(io::ErrorKind::NotFound, "not open")),
        flags => flags?,
    };
    if flags & libc::FD_CLOEXEC != 0 {
        let text = "not inherited, but opened by this process: it is close-on-exec";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: the command takes one integer, and uses no memory.
    let new = Errno::result(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the descriptor is new and open, and nothing else owns it.
    let taken = unsafe { OwnedFd::from_raw_fd(new) };
    // SAFETY: the call uses no memory. It leaves `number` open, as whoever may own it expects, and
    // what it closes there is open in `taken` as well.
    while let Err(error) = Errno::result(unsafe { libc::dup2(null.as_raw_fd(), number) }) {
        if error != Errno::EINTR {
            return Err(error.into());
        }
    }
    // The standard streams are what the programs that this one starts are to find open.
    if number > libc::STDERR_FILENO {
        // It cannot fail for a descriptor that is open. What was asked for has moved by then, and is
        // not lost for the flag of a `/dev/null`.
        // SAFETY: the command takes one integer, and uses no memory.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(taken)
}

/// Calls until it was not a signal that interrupted the call.
fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Returns the length of the control data that carries so many descriptors, in bytes.
#[allow(clippy::cast_possible_truncation, reason = "there are few")]
const fn control_space(descriptors: usize) -> usize {
    // SAFETY: this is arithmetic.
    unsafe { libc::CMSG_SPACE((descriptors * size_of::<RawFd>()) as _) as usize }
}

/// Puts descriptors into `control`, as what `message` carries: at least one of them, and at most
/// [`MAX_DESCRIPTORS`].
#[allow(clippy::cast_possible_truncation, reason = "there are few")]
fn put_descriptors(
    message: &mut libc::msghdr,
    control: &mut [MaybeUninit<usize>; SENT_CONTROL_WORDS],
    descriptors: &[BorrowedFd<'_>],
) {
    let space = control_space(descriptors.len());
    // There may be gaps between what is written below, and the kernel reads those too.
    control[..space.div_ceil(size_of::<usize>())].fill(MaybeUninit::new(0));
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = space as _;
    // SAFETY: `message` has a control buffer of `msg_controllen` bytes, which lie in `control`:
    // the slice above ends no earlier. They have room for a header and the data behind it, and are
    // aligned for a header. The data is not, and is written as bytes.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of_val(descriptors) as _) as _;
        let data = libc::CMSG_DATA(header).cast::<[u8; size_of::<RawFd>()]>();
        for (index, descriptor) in descriptors.iter().enumerate() {
            data.add(index).write(descriptor.as_raw_fd().to_ne_bytes());
        }
    }
}

/// Takes ownership of every descriptor in the control data of a received message: those that the
/// peer has sent, to the end of `descriptors`, and those that the kernel has added, which are
/// closed. Returns the level and the type of what may have carried others.
///
/// `nix` has a safe way to read control data, but it refuses data that was truncated and leaves
/// open what had arrived.
///
/// # Safety
///
/// `message` was filled by `recvmsg`, its control buffer is alive and aligned for a `cmsghdr`, and
/// this is called once for it.
#[allow(clippy::unnecessary_cast, reason = "these lengths are narrower on other systems")]
unsafe fn take_descriptors(
    message: &libc::msghdr,
    descriptors: &mut Vec<OwnedFd>,
) -> Option<(libc::c_int, libc::c_int)> {
    let mut unknown = None;
    let end = message.msg_control as usize + message.msg_controllen as usize;
    // SAFETY: `message` has a control buffer, of which the kernel has written the first
    // `msg_controllen` bytes.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: the kernel has written a whole header here, or the macros would have returned
        // null. Data follows it.
        let (head, data) = unsafe { (header.read(), libc::CMSG_DATA(header)) };
        let carries = Carries::of(head.cmsg_level, head.cmsg_type);
        if carries == Carries::Descriptors || carries == Carries::Pidfd {
            // Where data was truncated, some systems leave the length that it should have had.
            let data_end = (header as usize + head.cmsg_len as usize).min(end);
            let count = data_end.saturating_sub(data as usize) / size_of::<RawFd>();
            for index in 0..count {
                // SAFETY: the index is inside of the data that the kernel has written.
                let number = unsafe { data.cast::<[u8; size_of::<RawFd>()]>().add(index).read() };
                let number = RawFd::from_ne_bytes(number);
                if number < 0 {
                    // A pidfd that could not be opened is an error's number instead.
                    continue;
                }
                // SAFETY: the descriptor is new and open, and nothing else owns it.
                let fd = unsafe { OwnedFd::from_raw_fd(number) };
                #[cfg(target_vendor = "apple")]
                set_close_on_exec(&fd);
                if carries == Carries::Descriptors {
                    descriptors.push(fd);
                }
            }
        } else if carries == Carries::Unknown {
            unknown.get_or_insert((head.cmsg_level, head.cmsg_type));
        }
        // SAFETY: `header` is inside of the control buffer of `message`.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    unknown
}

/// The descriptors that a piece of control data leaves open in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// Descriptors that the peer has sent.
    Descriptors,
    /// One for the process that has sent the message, which nobody here has asked for.
    Pidfd,
    Nothing,
    Unknown,
}

impl Carries {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn of(level: libc::c_int, kind: libc::c_int) -> Self {
        // The C library knows none of these.
        const SCM_SECURITY: libc::c_int = 3;
        const SCM_PIDFD: libc::c_int = 4;
        const SCM_INQ: libc::c_int = 84;
        // The timestamps of systems with 32 bits whose times have 64.
        const SCM_TIMESTAMP_NEW: libc::c_int = 63;
        const SCM_TIMESTAMPNS_NEW: libc::c_int = 64;
        const SCM_TIMESTAMPING_NEW: libc::c_int = 65;
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => Self::Descriptors,
            (libc::SOL_SOCKET, SCM_PIDFD) => Self::Pidfd,
            (
                libc::SOL_SOCKET,
                libc::SCM_CREDENTIALS
                | SCM_SECURITY
                | SCM_INQ
                | libc::SCM_TIMESTAMP
                | libc::SCM_TIMESTAMPNS
                | libc::SCM_TIMESTAMPING
                | SCM_TIMESTAMP_NEW
                | SCM_TIMESTAMPNS_NEW
                | SCM_TIMESTAMPING_NEW,
            ) => Self::Nothing,
            _ => Self::Unknown,
        }
    }

    /// By the manuals, `SCM_RIGHTS` alone carries any.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn of(level: libc::c_int, kind: libc::c_int) -> Self {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => Self::Descriptors,
            _ => Self::Nothing,
        }
    }
}

/// It cannot fail for an open descriptor.
#[cfg(target_vendor = "apple")]
fn set_close_on_exec(fd: &OwnedFd) {
    // SAFETY: the descriptor is open, and this command takes one integer.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use amp_core::Connection;
    use std::io::Write;
    use std::os::fd::IntoRawFd;
    use tokio::net::{TcpStream, UnixStream};

    /// As in a library that a program loads which is not Rust's. This is a process of its own,
    /// since it would end.
    #[test]
    fn a_write_to_a_socket_whose_other_end_is_gone_raises_no_signal() {
        const NAME: &str =
            "socket::tests::a_write_to_a_socket_whose_other_end_is_gone_raises_no_signal";
        const CHILD: &str = "AMP_UNIX_SIGPIPE";
        if std::env::var_os(CHILD).is_some() {
            // SAFETY: no other thread of this process changes what signals do.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(write_to_what_is_gone());
            return;
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stdout}{stderr}", output.status);
        assert!(stdout.contains("1 passed"), "{stdout}");
    }

    async fn write_to_what_is_gone() {
        let unix = || UnixStream::pair().unwrap().0;
        let tcp = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            drop(listener.accept().unwrap());
            // The first is answered with a reset. `std` has these raise no signal.
            while stream.write(b"x").is_ok() {}
            stream.set_nonblocking(true).unwrap();
            TcpStream::from_std(stream).unwrap()
        };
        // What is written in one slice, and in several.
        for len in [1, 50_000] {
            for connection in [
                Connection::new(unix()),
                crate::connection(unix()).unwrap(),
                Connection::new(tcp()),
            ] {
                let peer = connection.spawn();
                let call = peer.call_by_name("A", [("a", vec![0; len])]);
                assert!(call.await.unwrap_err().is_closed());
            }
        }
    }

    /// Returns what the kernel would write for these.
    fn control(parts: &[(libc::c_int, libc::c_int, &[RawFd])]) -> (Vec<usize>, usize) {
        let mut bytes = Vec::new();
        for (level, kind, numbers) in parts {
            let len = size_of::<libc::cmsghdr>() + size_of_val(*numbers);
            bytes.extend(len.to_ne_bytes());
            bytes.extend(level.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
            bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        }
        let words = bytes.chunks_exact(size_of::<usize>());
        let words = words.map(|word| usize::from_ne_bytes(word.try_into().unwrap())).collect();
        (words, bytes.len())
    }

    fn take(parts: &[(libc::c_int, libc::c_int, &[RawFd])]) -> (usize, Option<(i32, i32)>) {
        let (mut words, len) = control(parts);
        // SAFETY: a `msghdr` is made of integers and pointers, for all of which zero is a value.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_control = words.as_mut_ptr().cast();
        message.msg_controllen = len as _;
        let mut taken = Vec::new();
        // SAFETY: the control buffer is what the kernel would have written, and its numbers are
        // those of open descriptors that nothing else owns.
        let unknown = unsafe { take_descriptors(&message, &mut taken) };
        (taken.len(), unknown)
    }

    #[test]
    fn whatever_is_in_control_data_is_taken_closed_or_named() {
        let pipe = || {
            let (reader, writer) = std::io::pipe().unwrap();
            (reader, OwnedFd::from(writer).into_raw_fd())
        };
        let pipes: Vec<_> = (0..4).map(|_| pipe()).collect();
        let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| pipes[index].1);
        let (level, rights, pidfd) = (libc::SOL_SOCKET, libc::SCM_RIGHTS, 4);
        let parts: [(_, _, &[RawFd]); 7] = [
            (level, libc::SCM_CREDENTIALS, &[1, 2, 3]),
            (level, rights, &[a, b]),
            (level, pidfd, &[c]),
            (level, pidfd, &[-libc::EMFILE]),
            (level, 99, &[7]),
            (libc::IPPROTO_IP, 8, &[0, 0]),
            (level, rights, &[d]),
        ];
        assert_eq!(take(&parts), (3, Some((level, 99))));
        for (mut reader, _) in pipes {
            assert_eq!(io::Read::read(&mut reader, &mut [0]).unwrap(), 0, "it is closed");
        }
        assert_eq!(take(&parts[..1]), (0, None));
    }
}
