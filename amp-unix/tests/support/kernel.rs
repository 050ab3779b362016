//! System calls that fail, by a filter of the thread that makes them.

use allocation_counter::measure;
use nix::libc::{self, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use tokio::runtime::{Builder, Runtime};

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
