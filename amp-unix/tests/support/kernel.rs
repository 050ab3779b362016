//! System calls that fail, by a filter of the thread that makes them.

use allocation_counter::measure;
use amp_core::{CloseReason, Connection, Listener, Ping, Responders};
use nix::libc::{self, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Runs `body` on a thread of its own, in which these system calls fail with `errno`.
pub(crate) fn failing<R: Send>(calls: &[c_long], errno: i32, body: impl FnOnce() -> R + Send) -> R {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    on_thread(&filter(rules, errno), body).expect("the system lets threads filter their calls")
}

/// As [`failing`], for `fcntl` with this command alone.
pub(crate) fn failing_fcntl<R: Send>(
    command: libc::c_int,
    errno: i32,
    body: impl FnOnce() -> R + Send,
) -> R {
    failing_with(libc::SYS_fcntl, 1, command, errno, body)
}

/// As [`failing`], for one call where its argument of this number has this value.
pub(crate) fn failing_with<R: Send>(
    call: c_long,
    argument: u8,
    value: libc::c_int,
    errno: i32,
    body: impl FnOnce() -> R + Send,
) -> R {
    let value = value.cast_unsigned().into();
    let is_so =
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
    let rules = [(call, vec![SeccompRule::new(vec![is_so]).unwrap()])].into();
    on_thread(&filter(rules, errno), body).expect("the system lets threads filter their calls")
}

/// Whether a test has to be left out, since this system does not let threads filter their calls. It is
/// said then.
pub(crate) fn is_left_out() -> bool {
    let Err(error) = on_thread(&filter(BTreeMap::new(), libc::EPERM), || ()) else { return false };
    super::leave_out(format_args!("threads cannot filter their system calls: {error}"));
    true
}

/// Runs `body` in a process of its own, as [`in_own_process`](super::in_own_process) does, where threads can
/// filter their calls.
pub(crate) fn in_filtering_process(name: &str, body: impl FnOnce()) {
    if !is_left_out() {
        super::in_own_process(name, body);
    }
}

fn filter(rules: BTreeMap<c_long, Vec<SeccompRule>>, errno: i32) -> BpfProgram {
    let fails = SeccompAction::Errno(errno.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, fails, TargetArch::x86_64);
    filter.unwrap().try_into().unwrap()
}

fn on_thread<R: Send>(
    program: &BpfProgram,
    body: impl FnOnce() -> R + Send,
) -> Result<R, seccompiler::Error> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| seccompiler::apply_filter(program).map(|()| body()));
        thread.join().unwrap()
    })
}

/// Asserts that what fails leaves no memory behind, and so may fail again and again. The first times
/// may leave what this thread and the runtime keep for later.
pub(crate) fn keeps_nothing(what: &str, mut fail: impl FnMut()) {
    fail();
    fail();
    let kept = measure(fail);
    assert_eq!((kept.count_current, kept.bytes_current), (0, 0), "{what} keeps {kept:?}");
}

/// A runtime, which has made what it needs before anything fails.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Asserts that this is the system's error, is caused by it, or says it.
#[track_caller]
pub(crate) fn assert_failed<T>(result: io::Result<T>, errno: i32, what: &str) {
    let Err(error) = result else { panic!("{what} does not fail") };
    let said = io::Error::from_raw_os_error(errno).to_string();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && (error.raw_os_error() == Some(errno) || error.to_string().ends_with(&said))
        {
            return;
        }
        cause = error.source();
    }
    panic!("{what} fails with {error:?}");
}

/// A listener that tells of what it could not accept.
struct Telling<L> {
    listener: L,
    told: mpsc::UnboundedSender<Option<i32>>,
}

impl<L: Listener> Listener for Telling<L> {
    async fn accept(&mut self) -> io::Result<Connection> {
        let accepted = self.listener.accept().await;
        if let Err(error) = &accepted {
            self.told.send(error.raw_os_error()).unwrap();
        }
        accepted
    }
}

/// Asserts that a server goes on when this call fails with its first client, which has sent a byte and does
/// not block: that one loses its connection, or waits on where it was not accepted, and `second` is answered.
pub(crate) fn assert_outlives(
    runtime: &Runtime,
    listener: impl Listener,
    (call, errno): (c_long, i32),
    mut client: impl Read,
    second: impl Future<Output = io::Result<Connection>>,
) {
    let what = format!("{call} with {errno}");
    let (told, mut failed) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = Telling { listener, told: told.clone() };
    let server = amp_core::serve(listener, Responders::new(()).respond_ping())
        .on_connect(move |peer| {
            let told = told.clone();
            tokio::spawn(async move {
                if let CloseReason::Io(error) = peer.closed().await {
                    told.send(error.raw_os_error()).unwrap();
                }
            });
        })
        .shutdown_on(stopped);
    let server = failing(&[call], errno, || {
        let server = runtime.spawn(server);
        let failed = runtime.block_on(async { timeout(super::DEADLINE, failed.recv()).await });
        assert_eq!(failed, Ok(Some(Some(errno))), "{what}");
        server
    });
    let waits = call == libc::SYS_accept4;
    if waits {
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "{what}");
    }
    let answered = async {
        let peer = second.await.unwrap().spawn();
        peer.call_remote(Ping).await
    };
    let answered = runtime.block_on(async { timeout(super::DEADLINE, answered).await });
    assert!(matches!(answered, Ok(Ok(()))), "{what}: the second client has {answered:?}");
    if !waits {
        match client.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{what}: the client sees {other:?}"),
        }
    }
    drop(client);
    stop.send(()).unwrap();
    runtime.block_on(server).unwrap();
}
