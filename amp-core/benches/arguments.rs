//! Single values to bytes and back.

use amp_core::{Argument, Arguments, Proto, ValueWriter};
use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

#[derive(Arguments)]
struct Point {
    x: i64,
    y: f64,
    label: Option<String>,
}

fn scalars(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("argument");
    both_ways(&mut group, "integer/2 digits", &81_i64);
    both_ways(&mut group, "integer/19 digits", &i64::MIN);
    both_ways(&mut group, "integer/39 digits", &u128::MAX);
    both_ways(&mut group, "boolean", &true);
    both_ways(&mut group, "float/short", &0.25_f64);
    both_ways(&mut group, "float/17 digits", &0.100_000_000_000_000_02_f64);
    both_ways(&mut group, "text/16 bytes", &"sixteen bytes ä".to_owned());
    both_ways(&mut group, "text/4096 bytes", &"text".repeat(1024));
    both_ways(&mut group, "bytes/16 bytes", &Bytes::from_static(b"0123456789abcdef"));
    both_ways(&mut group, "bytes/60000 bytes", &Bytes::from(vec![b'x'; 60_000]));
}

fn lists(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("argument");
    for elements in [1_u16, 100, 1000] {
        let integers: Vec<i64> = (0..elements).map(i64::from).collect();
        both_ways(&mut group, &format!("list/{elements} integers"), &integers);
        let points: Vec<Point> = (0..elements)
            .map(|n| Point { x: i64::from(n), y: 0.5, label: Some("point".to_owned()) })
            .collect();
        both_ways(&mut group, &format!("amp list/{elements} boxes"), &points);
    }
}

fn both_ways<T: Argument>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, value: &T) {
    let mut out = BytesMut::with_capacity(1 << 16);
    group.bench_function(format!("{name}/encode"), |bencher| {
        bencher.iter(|| {
            out.clear();
            write(black_box(value), &mut out);
            out.len()
        });
    });
    out.clear();
    write(value, &mut out);
    let bytes = out.freeze();
    group.bench_function(format!("{name}/decode"), |bencher| {
        bencher.iter(|| {
            Proto::detached(|proto| T::from_string_proto(black_box(&bytes).into(), proto)).unwrap()
        });
    });
}

fn write<T: Argument>(value: &T, out: &mut BytesMut) {
    Proto::detached(|proto| value.to_string_proto(proto, &mut ValueWriter::new(out))).unwrap();
}

criterion_group!(benches, scalars, lists);
criterion_main!(benches);
