//! Boxes to bytes and back.

use amp_core::AmpBox;
use amp_core::boxes::{BoxLimits, BoxWriter, Decoder};
use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A call as it is on the wire.
const CALL: &[u8] = b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\x0213\0\x01b\0\x0281\0\0";

const PAIRS: [u64; 4] = [2, 8, 100, 1000];
const LENGTHS: [usize; 4] = [0, 100, 4096, 60_000];

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/encode");
    for pairs in PAIRS {
        let ampbox = box_of(pairs);
        group.throughput(Throughput::Elements(pairs));
        group.bench_function(BenchmarkId::new("pairs", pairs), |bencher| {
            let mut out = BytesMut::with_capacity(ampbox.encoded_len());
            bencher.iter(|| {
                out.clear();
                ampbox.encode(&mut out);
                out.len()
            });
        });
    }
    for length in LENGTHS {
        let value = vec![b'x'; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("value", length), |bencher| {
            let mut out = BytesMut::with_capacity(length + 100);
            bencher.iter(|| {
                out.clear();
                let mut writer = BoxWriter::new(&mut out);
                writer.put(b"value", &value).unwrap();
                writer.finish().unwrap();
                out.len()
            });
        });
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/decode");
    for pairs in PAIRS {
        let bytes = box_of(pairs).to_bytes();
        group.throughput(Throughput::Elements(pairs));
        group.bench_function(BenchmarkId::new("pairs", pairs), |bencher| {
            bencher.iter(|| AmpBox::parse(&mut bytes.clone(), BoxLimits::default()).unwrap());
        });
    }
    for length in LENGTHS {
        let bytes = AmpBox::from_pairs([("value", vec![b'x'; length])]).unwrap().to_bytes();
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("value", length), |bencher| {
            bencher.iter(|| AmpBox::parse(&mut bytes.clone(), BoxLimits::default()).unwrap());
        });
    }
}

/// Boxes out of one buffer, as a connection reads them.
fn stream(criterion: &mut Criterion) {
    const BOXES: usize = 64;
    let received = CALL.repeat(BOXES);
    let mut group = criterion.benchmark_group("codec/stream");
    group.throughput(Throughput::Elements(BOXES as u64));
    group.bench_function("64 calls", |bencher| {
        bencher.iter_batched(
            || (Decoder::new(BoxLimits::default()), BytesMut::from(&received[..])),
            |(mut decoder, mut buffer)| {
                for _ in 0..BOXES {
                    let ampbox = decoder.decode(&mut buffer).unwrap().expect("it is all there");
                    assert_eq!(ampbox.len(), 4);
                }
            },
            BatchSize::SmallInput,
        );
    });
}

fn box_of(pairs: u64) -> AmpBox {
    AmpBox::from_pairs((0..pairs).map(|n| (format!("key{n:04}"), "a value"))).unwrap()
}

criterion_group!(benches, encode, decode, stream);
criterion_main!(benches);
