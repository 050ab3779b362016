//! The Python package `amp-arguments`, and what it shares with this crate on the wire.

use amp_core::argument::{Continued, ContinuedZlib, Json, Numbered, Packed, Zlib};
use amp_core::schema::Schema;
use amp_core::{Argument, Arguments, Command};
use amp_tests::{Address, DEADLINE, Peer, Python, Transport};
use amp_unix::Descriptor;
use bytes::Bytes;
use fastrand::Rng;
use ipnet::IpNet;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::IpAddr;
use std::path::Path;
use tokio::time::timeout;

/// Answers with what it was called with.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = EchoAll)]
struct EchoAll {
    json: Json<serde_json::Value>,
    one_of: Color,
    address: Packed<IpAddr>,
    network: Packed<IpNet>,
    #[amp(rename = "box")]
    point: Point,
    lists: Vec<Vec<Vec<Point>>>,
    compressed: Zlib<Vec<String>>,
    compressed_list: Vec<Zlib<Vec<Point>>>,
    numbered: Numbered<Bytes>,
    continued: Option<Continued<Zlib<Bytes>>>,
    continued_zlib: Option<ContinuedZlib<String>>,
    optional: Option<Vec<i64>>,
}

#[derive(Argument, Clone, Debug, PartialEq)]
enum Color {
    Red,
    #[amp(rename = "dark-blue")]
    DarkBlue,
}

#[derive(Arguments, Clone, Debug, PartialEq)]
struct Point {
    x: i64,
    label: Option<String>,
}

/// Answers with what is in the files, and with the files.
#[derive(Command, Debug)]
#[amp(response = AllRead)]
struct ReadAll {
    files: Vec<Descriptor>,
}

#[derive(Arguments, Debug)]
struct AllRead {
    contents: Vec<Bytes>,
    files: Vec<Descriptor>,
}

fn text(random: &mut Rng, longest: usize) -> String {
    (0..random.usize(..=longest)).map(|_| random.char(..)).collect()
}

fn bytes(random: &mut Rng, longest: usize) -> Bytes {
    (0..random.usize(..=longest)).map(|_| random.u8(..)).collect()
}

fn list<T>(random: &mut Rng, mut of: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(..4)).map(|_| of(random)).collect()
}

fn maybe<T>(random: &mut Rng, of: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    random.bool().then(|| of(random))
}

fn point(random: &mut Rng) -> Point {
    Point { x: random.i64(..), label: maybe(random, |random| text(random, 9)) }
}

fn points(random: &mut Rng) -> Vec<Point> {
    list(random, point)
}

fn address(random: &mut Rng) -> IpAddr {
    if random.bool() {
        random.u32(..).to_be_bytes().into()
    } else {
        random.u128(..).to_be_bytes().into()
    }
}

fn any(random: &mut Rng) -> EchoAll {
    let address = address(random);
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let network = IpNet::new(address, random.u8(..=longest)).unwrap().trunc();
    EchoAll {
        json: Json(serde_json::json!({
            text(random, 5): [random.i64(..), null_or(random.bool()), text(random, 5)],
        })),
        one_of: if random.bool() { Color::Red } else { Color::DarkBlue },
        address: Packed(address),
        network: Packed(network),
        point: point(random),
        lists: list(random, |random| list(random, points)),
        compressed: Zlib(list(random, |random| text(random, 50))),
        compressed_list: list(random, |random| Zlib(points(random))),
        numbered: bytes(random, 200_000).into(),
        continued: maybe(random, |random| Continued(Zlib(bytes(random, 200_000)))),
        continued_zlib: maybe(random, |random| text(random, 80_000).into()),
        optional: maybe(random, |random| list(random, |random| random.i64(..))),
    }
}

fn null_or(value: bool) -> Option<bool> {
    value.then_some(value)
}

fn peer(python: &Python) -> Peer {
    Peer::start(python.program("arguments.py"), Transport::Unix)
}

async fn connect(peer: &Peer) -> amp_core::Peer {
    let Address::Unix(path) = peer.address() else { unreachable!("it listens on a Unix socket") };
    amp_unix::connect(path).await.unwrap().spawn()
}

#[tokio::test]
async fn what_is_sent_comes_back_from_python() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let program = peer(&python);
    let peer = connect(&program).await;
    let seed = amp_tests::seed();
    let mut random = Rng::with_seed(seed);
    for _ in 0..50 {
        let sent = any(&mut random);
        let answer = timeout(DEADLINE, peer.call_remote(sent.clone())).await.unwrap();
        let answer = answer.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(answer == sent, "seed {seed}");
    }
}

#[tokio::test]
async fn lists_of_descriptors_go_both_ways() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let program = peer(&python);
    let peer = connect(&program).await;
    let file = |text: &str| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Descriptor::from(file)
    };
    let files = vec![file("one"), file("two")];
    let answer = timeout(DEADLINE, peer.call_remote(ReadAll { files })).await.unwrap().unwrap();
    assert_eq!(answer.contents, ["one", "two"]);
    let back = answer.files.into_iter().map(|file| {
        let mut file = File::try_from(file).unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(back.collect::<Vec<_>>(), ["one", "two"]);
}

/// The words of a schema are those of the classes.
#[test]
fn the_classes_say_what_they_are_on_the_wire() {
    let mut schema = Schema::default();
    schema.add::<EchoAll>();
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let script = "import amp_arguments; print(*(getattr(amp_arguments, name).wire_form \
                  for name in amp_arguments.__all__))";
    let output = python.interpreter().args(["-c", script]).output().unwrap();
    let forms = String::from_utf8(output.stdout).unwrap();
    assert_eq!(forms.split_whitespace().count(), 10, "{forms}");
    let text = schema.to_string();
    for form in forms.split_whitespace() {
        assert!(text.contains(form), "{form} is not in\n{text}");
    }
}

#[test]
fn the_tests_of_the_package_pass() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../amp-arguments/tests");
    let mut command = python.interpreter();
    let output = command.args(["-m", "unittest", "discover"]).arg(tests).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("\nOK") && !said.contains("\nRan 0 tests"),
        "{said}"
    );
}
