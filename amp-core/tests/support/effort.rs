//! How work grows with what it is done on. The work is the libraries' as much as ours, and most of it
//! allocates nothing, so there is nothing to count but what a processor is busy with it. That depends on the
//! machine, so it is held against the same of the same work; what else the machine does is not in it.

#![allow(dead_code, reason = "every test program uses a part of it")]

/// Asserts that the work on something is about that on its parts, when it is cut in ten: the work on
/// what is quadratic is ten times as much. `make` makes something of a size.
#[track_caller]
pub(crate) fn assert_linear<T>(size: usize, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    assert_growth(size, 1.0, make, work);
}

/// Asserts that the work on something is no more than ten times that on its parts, when it is cut in
/// ten: the work on what is cubic is a hundred times as much.
#[track_caller]
pub(crate) fn assert_quadratic<T>(size: usize, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    assert_growth(size, 10.0, make, work);
}

/// The whole may take a few times what it should, because of caches and allocators, and a
/// comparison that something has disturbed is made again. What grows faster fails all of them.
#[track_caller]
fn assert_growth<T>(size: usize, expected: f64, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let (whole, part) = (make(size), make(size / 10));
    let least = |times: usize, work: &dyn Fn()| {
        let times = (0..times).map(|_| {
            let start = busy();
            work();
            busy() - start
        });
        times.fold(f64::INFINITY, f64::min)
    };
    let mut growths = Vec::new();
    for _ in 0..5 {
        // Parts that were disturbed each time would hide a growth, and they take less than the whole.
        let parts = least(9, &|| (0..10).for_each(|_| work(&part)));
        growths.push(least(3, &|| work(&whole)) / parts);
        if growths.last().is_some_and(|growth| *growth <= 4.0 * expected) {
            return;
        }
    }
    panic!("it takes {growths:.1?} times the work on ten parts of it, and should take {expected}");
}

/// Returns how many seconds processors have been busy with this thread.
#[cfg(all(target_os = "linux", not(miri)))]
fn busy() -> f64 {
    use nix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
    Duration::from(clock_gettime(clock).expect("each thread has that clock")).as_secs_f64()
}

/// Returns what comes closest to how long this thread was busy, where it is not known.
#[cfg(not(all(target_os = "linux", not(miri))))]
fn busy() -> f64 {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}
