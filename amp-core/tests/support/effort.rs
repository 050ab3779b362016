//! How much work something is, without a clock's seconds: they depend on the machine, and on what else
//! it does.

use std::hint::black_box;
use std::time::Instant;

/// Asserts that `work`, on `size` bytes or so, takes at most `most` times as long as it takes to add as
/// many bytes up one by one, here and now. What is quadratic takes thousands of times as long.
///
/// Whatever else runs may disturb a comparison, so it is made again until it holds.
#[track_caller]
pub(crate) fn assert_effort(size: usize, most: f64, work: impl Fn()) {
    let bytes = vec![1_u8; size];
    let least = |work: &dyn Fn()| {
        let times = (0..3).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        });
        times.fold(f64::INFINITY, f64::min)
    };
    let add_up = || {
        bytes.iter().fold(0_u8, |sum, byte| black_box(sum.wrapping_add(*byte)));
    };
    let mut efforts = Vec::new();
    for _ in 0..5 {
        efforts.push(least(&work) / least(&add_up));
        if efforts.last().is_some_and(|effort| *effort <= most) {
            return;
        }
    }
    panic!("it takes {efforts:.0?} times as long as adding {size} bytes up, and may take {most}");
}
