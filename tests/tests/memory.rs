//! What a hostile peer's bytes become in memory, within default limits: see
//! [`amplification`](amp_tests::amplification). To see the figures:
//! `cargo test -p amp-tests --test memory -- --nocapture`.

use amp_tests::amplification::{Figure, figures};

/// How many bytes of memory there are at most for each byte of a box that is not small.
const PER_BYTE: f64 = 20.0;

/// How many bytes of memory there are at most for a small box: what decoding may make of any, and
/// something for what it works with.
const SMALL: usize = 1280 << 10;

/// What is allocated at once at most, where a buffer that grows counts with both of its places.
fn peak(act: &mut dyn FnMut()) -> usize {
    let info = allocation_counter::measure(act);
    usize::try_from(info.bytes_max).unwrap()
}

fn all(sent: usize) -> Vec<Figure> {
    let figures = figures(sent, &peak);
    for figure in &figures {
        let Figure { what, sent, peak, taken } = figure;
        println!("{sent:>7} {peak:>9} {:>6.1} {taken:>12.1?}  {what}", figure.ratio());
    }
    figures
}

#[test]
fn no_type_makes_much_of_few_bytes() {
    println!("   sent      peak  ratio         time  type");
    let over: Vec<_> = all(64_000).into_iter().filter(|figure| figure.ratio() > PER_BYTE).collect();
    assert!(over.is_empty(), "{over:#?}");
}

#[test]
fn a_small_box_takes_a_little() {
    let small = [1000, 16 << 10].into_iter().flat_map(all);
    let over: Vec<_> = small.filter(|figure| figure.peak > SMALL).collect();
    assert!(over.is_empty(), "{over:#?}");
}
