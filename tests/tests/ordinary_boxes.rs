//! Boxes that an honest peer sends: none of them meets the default limit to the memory that decoding
//! takes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use amp_core::argument::{Continued, Json, Numbered, Zlib};
use amp_core::{Argument, Arguments, Limits};
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};
use serde_json::{Value as AnyJson, json};

#[derive(Arguments, Serialize, Deserialize)]
struct One<T: Argument> {
    a: T,
}

/// Sends `value`, reads it as from a peer, and returns the length of its box in bytes.
#[track_caller]
fn sent<T: Argument>(value: T) -> usize {
    let bytes = One { a: value }.encode().unwrap();
    let len = bytes.len();
    match One::<T>::decode_within(bytes, Limits::default().decoded_bytes) {
        Ok(one) => drop(one.a),
        Err(error) => panic!("{len} bytes: {error}"),
    }
    len
}

fn lease(n: usize) -> AnyJson {
    json!({
        "ip": format!("10.0.{}.{}", n / 256, n % 256),
        "mac": format!("52:54:00:12:{:02x}:{:02x}", n / 256, n % 256),
        "hostname": format!("node-{n}"),
        "expiration": 1_400_000_000 + n,
        "pool": "default",
        "state": "active",
        "static": false,
    })
}

fn record(n: usize) -> AnyJson {
    json!({
        "id": n,
        "name": format!("record {n}"),
        "tags": ["a", "b", "c"],
        "price": 1.5,
        "owner": { "name": "somebody", "mail": "somebody@example.com" },
        "created": "2014-01-02T03:04:05Z",
        "note": null,
    })
}

fn log(len: usize) -> String {
    let line = |n: usize| format!("2014-01-02 03:{:02}:{:02} node-{n}: up\n", n / 60 % 60, n % 60);
    (0..len / 35).map(line).collect()
}

/// A row of MAAS's command `UpdateLeases`.
#[derive(Arguments)]
struct Update {
    action: String,
    mac: String,
    ip_family: String,
    ip: String,
    timestamp: i64,
    #[amp(rename = "lease-time")]
    lease_time: Option<i64>,
    hostname: Option<String>,
}

/// A row of which most is absent.
#[derive(Arguments)]
struct Sparse {
    id: i64,
    name: Option<String>,
    note: Option<String>,
}

/// Sends as many rows, compressed, as fit into a value. Returns how many those are, and whether they would be read from a
/// peer that may be anybody.
fn fill<R: Argument>(row: impl Fn(i64) -> R) -> (i64, bool)
where
    Vec<R>: Argument,
{
    let rows = |count: i64| One { a: Zlib((0..count).map(&row).collect::<Vec<_>>()) };
    let (mut fits, mut too_many) = (1, 1 << 15);
    while too_many - fits > 100 {
        let count = i64::midpoint(fits, too_many);
        match rows(count).encode() {
            Ok(_) => fits = count,
            Err(_) => too_many = count,
        }
    }
    let len = sent(rows(fits).a);
    assert!(len > 64_000, "{len}");
    let untrusted = Limits::untrusted().decoded_bytes;
    let read = One::<Zlib<Vec<R>>>::decode_within(rows(fits).encode().unwrap(), untrusted);
    (fits, read.is_ok())
}

#[test]
fn rows_that_fill_a_compressed_value_are_read() {
    // Numbers that look as if they were drawn at random.
    let drawn = |n: i64| n.wrapping_mul(0x1e37_79b9_7f4a_7c15) >> 16 & 0xffff_ffff_ffff;
    let lease = |n: i64| {
        let own = drawn(n).to_be_bytes();
        Update {
            action: "commit".to_owned(),
            mac: format!("52:54:{:02x}:{:02x}:{:02x}:{:02x}", own[3], own[4], own[5], own[6]),
            ip_family: "ipv4".to_owned(),
            ip: format!("10.{}.{}.{}", n / 256 % 256, n % 256, own[7]),
            timestamp: 1_400_000_000 + drawn(n) % 86_400,
            lease_time: Some(600),
            hostname: (n % 2 == 0).then(|| format!("node-{n}")),
        }
    };
    let (leases, _) = fill(lease);
    assert!((2500..10_000).contains(&leases), "{leases}");
    // From the same subnet, at the same time, all with names.
    let alike = |n| Update {
        mac: format!("52:54:00:12:{:02x}:{:02x}", n / 256 % 256, n % 256),
        timestamp: 1_400_000_000 + n / 10,
        hostname: Some(format!("node-{n}")),
        ..lease(n)
    };
    let (alike, for_anybody) = fill(alike);
    assert!(alike > leases && !for_anybody, "{alike}");
    let (sparse, for_anybody) =
        fill(|n| Sparse { id: drawn(n) % 1_000_000, name: None, note: None });
    assert!(sparse > 10_000 && !for_anybody, "{sparse}");
}

#[test]
fn json_is_read() {
    let leases: Vec<_> = (0..300).map(lease).collect();
    assert!(sent(Zlib(Json(AnyJson::from(leases.clone())))) < 6000);
    sent(Json(AnyJson::from(leases)));
    let records: Vec<_> = (0..330).map(record).collect();
    sent(Json(AnyJson::from(records)));
    sent(Continued(Json(AnyJson::from((0..2000).map(record).collect::<Vec<_>>()))));
    let numbers: Vec<_> = (0..10_000).map(|n| json!(n)).collect();
    sent(Json(AnyJson::from(numbers)));
    let by_name: BTreeMap<_, _> = (0..1000).map(|n| (format!("name {n}"), n)).collect();
    sent(Json(by_name.clone()));
    sent(Json(by_name.into_iter().collect::<HashMap<_, _>>()));
}

#[test]
fn compressed_values_are_read() {
    sent(Zlib("node is up\n".repeat(180_000)));
    assert!(sent(Continued(Zlib(log(146_000)))) < 30_000);
    assert!(sent(Numbered(Zlib(log(300_000)))) < 60_000);
    let addresses = (0..1000).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect::<Vec<_>>();
    sent(Zlib(addresses));
}

/// What MAAS knows of a machine, most of which is not there.
#[derive(Arguments, Default)]
struct Node {
    system_id: Option<String>,
    hostname: Option<String>,
    architecture: Option<String>,
    power_type: Option<String>,
    power_address: Option<String>,
    power_user: Option<String>,
    power_pass: Option<String>,
    power_id: Option<String>,
    zone: Option<String>,
    pool: Option<String>,
    owner: Option<String>,
    description: Option<String>,
    status: Option<String>,
    error: Option<String>,
    osystem: Option<String>,
    distro_series: Option<String>,
    kernel: Option<String>,
    swap_size: Option<String>,
    boot_interface: Option<String>,
    gateway: Option<String>,
    agent: Option<String>,
    bios: Option<String>,
    token: Option<String>,
}

#[test]
fn rows_of_which_most_fields_are_empty_are_read() {
    let node = |n| Node { system_id: Some(format!("{n}")), ..Node::default() };
    sent((0..1000).map(node).collect::<Vec<_>>());
    let node = |n| Node {
        system_id: Some(format!("node-{n}")),
        hostname: Some(format!("node-{n}.maas")),
        status: Some("ready".to_owned()),
        ..Node::default()
    };
    sent(Numbered((0..20_000).map(node).collect::<Vec<_>>()));
}

#[test]
fn collections_of_small_values_are_read() {
    sent(Numbered(vec![7_i64; 100_000]));
    sent(Numbered(vec![true; 100_000]));
    sent(Numbered(vec!["seven".to_owned(); 100_000]));
    sent(Numbered((0..100_000).map(BigInt::from).collect::<Vec<_>>()));
    sent(Numbered((0..100_000).collect::<BTreeSet<i64>>()));
    sent(Numbered((0..100_000).collect::<HashSet<i64>>()));
    sent(Numbered((0..100_000).map(|n| (n, true)).collect::<BTreeMap<i64, bool>>()));
    sent(Numbered((0..100_000).map(|n| (n, true)).collect::<HashMap<i64, bool>>()));
    sent(vec![BTreeSet::from([1_i64, 2, 3]); 1000]);
    sent(vec![HashSet::<i64>::from([1, 2, 3]); 1000]);
    let integers = vec![BigInt::from(10).pow(4299); 200];
    sent(Numbered(integers));
}

/// A message of a protocol of its own.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event {
    Moved { id: u64, x: f64, y: f64, note: Option<String> },
    Renamed { id: u64, name: String, by: Option<String>, labels: Vec<String> },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Point { coordinates: [f64; 2] },
    LineString { coordinates: Vec<[f64; 2]> },
    Polygon { coordinates: Vec<Vec<[f64; 2]>> },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Message {
    Request { id: u64, method: String, params: AnyJson },
    Response { id: u64, result: AnyJson },
}

#[derive(Clone, Serialize, Deserialize)]
struct Extensible {
    id: u64,
    name: String,
    #[serde(flatten)]
    other: BTreeMap<String, AnyJson>,
}

#[test]
fn what_serde_buffers_is_read() {
    let moved = Event::Moved { id: 1, x: 1.5, y: 2.5, note: None };
    let labels = vec!["new".to_owned(), "small".to_owned()];
    let renamed = Event::Renamed { id: 1, name: "somebody".to_owned(), by: None, labels };
    sent(Json(vec![[moved, renamed]; 400]));
    let ring = (0..1000).map(|n| [f64::from(n) * 0.25, 50.062_5]).collect();
    sent(Json(Geometry::Polygon { coordinates: vec![ring] }));
    sent(Json(vec![Geometry::Point { coordinates: [13.376_5, 52.518_75] }; 1000]));
    let params = json!({ "path": "/a/b", "depth": 3, "names": ["a", "b"] });
    let request = Message::Request { id: 1, method: "list".to_owned(), params };
    let response = Message::Response { id: 1, result: json!([1, 2, 3]) };
    sent(Json(vec![[request, response]; 300]));
    let AnyJson::Object(other) = record(1) else { panic!("it is an object") };
    let other = other.into_iter().filter(|(key, _)| key != "id" && key != "name").collect();
    sent(Json(vec![Extensible { id: 1, name: "a".to_owned(), other }; 330]));
}

/// As those who draw maps send it: with seven digits behind the point, or with as many as there are.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Feature {
    Feature { id: u64, geometry: Geometry, properties: BTreeMap<String, AnyJson> },
}

/// The same without a tag.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shape {
    Polygon { id: Option<u64>, rings: Vec<Vec<[f64; 2]>> },
    Line { points: Vec<[f64; 2]> },
}

/// Points of a ring, with so many digits behind the point.
fn ring(points: u32, digits: i32) -> Vec<[f64; 2]> {
    let scale = 10_f64.powi(digits);
    let round = |n: f64| (n * scale).round() / scale;
    let point = |n: u32| {
        let angle = f64::from(n).sin();
        [round(13.376_512_345_678 + angle), round(52.518_751_234_567 + angle * angle)]
    };
    (0..points).map(point).collect()
}

#[test]
fn a_mebibyte_of_a_map_is_read() {
    for (points, digits) in [(45_000, 7), (28_000, 15)] {
        let ring = ring(points, digits);
        let rings: Vec<_> = ring.chunks(1000).map(<[_]>::to_vec).collect();
        let len = sent(Numbered(Json(Geometry::Polygon { coordinates: rings.clone() })));
        assert!(len > 1 << 20, "{len}");
        sent(Numbered(Json(Geometry::LineString { coordinates: ring.clone() })));
        let AnyJson::Object(properties) = record(1) else { panic!("it is an object") };
        let properties: BTreeMap<_, _> = properties.into_iter().collect();
        let feature = |(id, ring): (u64, &Vec<[f64; 2]>)| Feature::Feature {
            id,
            geometry: Geometry::Polygon { coordinates: vec![ring.clone()] },
            properties: properties.clone(),
        };
        let features = (0..).zip(&rings).map(feature).collect::<Vec<_>>();
        sent(Numbered(Json(features)));
        // What is untagged may contain itself, and then it is read again and again.
        if digits == 15 {
            sent(Numbered(Json(Shape::Polygon { id: None, rings })));
            sent(Numbered(Json(Shape::Line { points: ring })));
        }
    }
}

#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    mail: Option<String>,
    groups: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Page {
    Users { users: Vec<User>, next: Option<u64> },
    Names { names: Vec<String> },
    Measured { values: Vec<Option<f64>> },
}

#[derive(Serialize, Deserialize)]
struct Paged {
    next: Option<u64>,
    #[serde(flatten)]
    of: PageOf,
}

#[derive(Serialize, Deserialize)]
struct PageOf {
    users: Vec<User>,
}

#[test]
fn pages_of_rows_are_read() {
    let users = |count: u64| {
        let user = |id| User {
            id,
            name: format!("user-{id}"),
            mail: (id % 2 == 0).then(|| format!("user-{id}@example.com")),
            groups: vec!["staff".to_owned(), "night shift".to_owned()],
        };
        (0..count).map(user).collect::<Vec<_>>()
    };
    for count in [500, 20_000] {
        sent(Numbered(Json(Page::Users { users: users(count), next: None })));
        sent(Numbered(Json(Paged { next: Some(7), of: PageOf { users: users(count) } })));
    }
    let names = (0..100_000).map(|n| format!("name {n}")).collect();
    sent(Numbered(Json(Page::Names { names })));
    let measured = (0..100_000).map(|n| (n % 3 > 0).then(|| f64::from(n) * 0.125)).collect();
    sent(Numbered(Json(Page::Measured { values: measured })));
}

/// As editors and dashboards send them: rows of a few letters.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Edit {
    Line { points: Vec<[i32; 2]> },
    Texts { texts: Vec<(usize, String)> },
    Flags { flags: Vec<Flag> },
    Edges { edges: Vec<Vec<u32>> },
    Gaps { values: Vec<Option<f64>> },
}

#[derive(Clone, Serialize, Deserialize)]
struct Flag {
    id: u32,
    ok: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum AnyEdit {
    Line { points: Vec<[i32; 2]> },
    Texts { texts: Vec<(usize, String)> },
    Flags { flags: Vec<Flag> },
}

#[derive(Serialize, Deserialize)]
struct FlatEdit<T> {
    id: u64,
    #[serde(flatten)]
    edit: T,
}

#[derive(Clone, Serialize, Deserialize)]
struct Points {
    points: Vec<[i32; 2]>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Flags {
    flags: Vec<Flag>,
}

#[test]
fn short_rows_are_read() {
    let points = |count: i32| (0..count).map(|n| [n % 90 + 10, 20]).collect::<Vec<_>>();
    let texts = |count| (0..count).map(|n| (n % 90, "x".to_owned())).collect::<Vec<_>>();
    let flags = |count| (0..count).map(|n| Flag { id: n % 10, ok: true }).collect::<Vec<_>>();
    for points in [points(1150), points(3000)] {
        sent(Json(Edit::Line { points: points.clone() }));
        sent(Json(FlatEdit { id: 1, edit: Points { points: points.clone() } }));
        sent(Json(AnyEdit::Line { points }));
    }
    for texts in [texts(1000), texts(2500)] {
        sent(Json(Edit::Texts { texts: texts.clone() }));
        sent(Json(AnyEdit::Texts { texts }));
    }
    for flags in [flags(500), flags(1250)] {
        sent(Json(Edit::Flags { flags: flags.clone() }));
        sent(Json(FlatEdit { id: 1, edit: Flags { flags: flags.clone() } }));
        sent(Json(AnyEdit::Flags { flags }));
    }
    let edges = (0..2500).map(|n| vec![n; usize::from(n % 4 > 0)]).collect();
    sent(Json(Edit::Edges { edges }));
    let values = (0..2500).map(|n| (n % 2 > 0).then(|| f64::from(n))).collect();
    sent(Json(Edit::Gaps { values }));
}
