//! How work grows with what it is done on. The work is the libraries' as much as ours, and most of it
//! allocates nothing, so there is nothing to count but time. Seconds say nothing, since they depend on
//! the machine and on what else it does; so time is held against time, of the same work.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::time::Instant;

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

/// The whole may take a few times as long as it should, because of caches and allocators, and a
/// comparison that something has disturbed is made again. What grows faster fails all of them.
#[track_caller]
fn assert_growth<T>(size: usize, expected: f64, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let (whole, part) = (make(size), make(size / 10));
    let least = |times: usize, work: &dyn Fn()| {
        let times = (0..times).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
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
    panic!(
        "it takes {growths:.1?} times as long as on ten parts of it, and should take {expected}"
    );
}
