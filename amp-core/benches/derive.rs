//! What the derive macros expand to: typed commands to bytes and back.

use amp_core::boxes::{BoxLimits, BoxReader, BoxWriter};
use amp_core::{AmpBox, Arguments, Proto};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

#[derive(Arguments)]
struct Sum {
    a: i64,
    b: i64,
}

/// As large as commands in use are.
#[derive(Arguments)]
struct Register {
    system_id: String,
    hostname: String,
    architecture: String,
    power_type: Option<String>,
    power_parameters: Option<String>,
    mac_addresses: Vec<String>,
    interfaces: Vec<Interface>,
    cpu_count: u32,
    memory: u64,
    load: f64,
    token: Bytes,
    commission: bool,
}

#[derive(Arguments)]
struct Interface {
    name: String,
    #[amp(rename = "mac-address")]
    mac_address: String,
    enabled: bool,
    mtu: u16,
    tags: Vec<String>,
}

fn sum(criterion: &mut Criterion) {
    both_ways(criterion, "sum", &Sum { a: 13, b: 81 });
}

fn register(criterion: &mut Criterion) {
    let interface = |n: u8| Interface {
        name: format!("eth{n}"),
        mac_address: format!("52:54:00:00:00:{n:02x}"),
        enabled: true,
        mtu: 1500,
        tags: vec!["sriov".to_owned()],
    };
    let register = Register {
        system_id: "4y3h7n".to_owned(),
        hostname: "node-17.example.com".to_owned(),
        architecture: "amd64/generic".to_owned(),
        power_type: Some("ipmi".to_owned()),
        power_parameters: None,
        mac_addresses: (0..4).map(|n| format!("52:54:00:00:00:{n:02x}")).collect(),
        interfaces: (0..4).map(interface).collect(),
        cpu_count: 16,
        memory: 65_536,
        load: 0.75,
        token: Bytes::from_static(&[7; 32]),
        commission: true,
    };
    both_ways(criterion, "register", &register);
}

/// `encode` and `decode` are what somebody without a connection calls. `write_to` and `read_from` are
/// what a connection does: into a buffer that it has, out of a box that was found.
fn both_ways<T: Arguments>(criterion: &mut Criterion, name: &str, arguments: &T) {
    let mut group = criterion.benchmark_group(format!("derive/{name}"));
    group.bench_function("write_to", |bencher| {
        let mut out = BytesMut::with_capacity(4096);
        bencher.iter(|| {
            out.clear();
            let mut writer = BoxWriter::new(&mut out);
            Proto::detached(|proto| black_box(arguments).write_to(&mut writer, proto)).unwrap();
            writer.finish().unwrap();
            out.len()
        });
    });
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(arguments).encode().unwrap());
    });
    let bytes = arguments.encode().unwrap();
    let ampbox = AmpBox::parse(&mut bytes.clone(), BoxLimits::default()).unwrap();
    group.bench_function("read_from", |bencher| {
        bencher.iter(|| {
            let mut reader = BoxReader::new(black_box(&ampbox));
            Proto::detached(|proto| T::read_from(&mut reader, proto)).unwrap()
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| T::decode(black_box(&bytes).clone()).unwrap());
    });
}

criterion_group!(benches, sum, register);
criterion_main!(benches);
