//! What this crate writes is what Python programs read, and the other way round.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use amp_core::argument::{ContinuedZlib, Json, Packed, Zlib};
use amp_core::{AmpBox, Argument, Arguments, Proto, Value, ValueWriter};
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

/// What `script` writes of `input`, which it finds in `data`.
fn python(script: &str, input: &[u8]) -> Vec<u8> {
    let script = format!("import json, sys, zlib\ndata = sys.stdin.buffer.read()\n{script}");
    let mut python = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python 3 is installed");
    python.stdin.take().unwrap().write_all(input).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn encode<T: Argument>(value: &T) -> BytesMut {
    let mut out = BytesMut::new();
    Proto::detached(|proto| value.to_string_proto(proto, &mut ValueWriter::new(&mut out))).unwrap();
    out
}

fn decode<T: Argument>(bytes: &[u8]) -> T {
    Proto::detached(|proto| T::from_string_proto(Value::from(bytes), proto)).unwrap()
}

#[test]
fn python_inflates_what_is_compressed_here() {
    let text = "hello hello ".repeat(10_000);
    let written = encode(&Zlib(text.clone()));
    let inflated = python("sys.stdout.buffer.write(zlib.decompress(data))", &written);
    assert!(inflated == text.as_bytes());
}

/// Every character there is, and in the keys of objects too: `json.dumps` writes what was written
/// here, byte for byte.
#[test]
fn json_is_escaped_as_python_does_it() {
    let all: String = (char::MIN..=char::MAX).collect();
    let object: std::collections::BTreeMap<_, _> =
        all.chars().take(0x300).chain("\u{ffff}\u{10000}".chars()).map(|c| (c, 1)).collect();
    let value = Json((all.clone(), object, [1.5, -2.0], None::<bool>));
    let written = encode(&value);
    let script = "value = json.loads(data.decode('ascii'))\n\
                  sys.stdout.write(json.dumps(value, separators=(',', ':')))";
    assert!(python(script, &written) == written);

    for arguments in ["", ", ensure_ascii=False", ", indent=1"] {
        let script = format!(
            "text = json.dumps(json.loads(data){arguments})\nsys.stdout.buffer.write(text.encode())"
        );
        let some: String = all.chars().step_by(97).collect();
        let text = python(&script, &encode(&Json(some.clone())));
        assert!(decode::<Json<String>>(&text).0 == some);
    }
}

/// Addresses and networks as MAAS sends them: `netaddr` has the number, and `int.to_bytes` makes
/// the bytes of it.
#[test]
fn addresses_are_packed_as_in_maas() {
    let script = "import ipaddress\n\
        for text in data.decode().split():\n    \
            if '/' in text:\n        \
                network = ipaddress.ip_network(text, strict=False)\n        \
                number, version = int(network.network_address), network.version\n        \
                end = network.prefixlen.to_bytes(1, 'big')\n    \
            else:\n        \
                address = ipaddress.ip_address(text)\n        \
                number, version, end = int(address), address.version, b''\n    \
            packed = number.to_bytes(4 if version == 4 else 16, 'big') + end\n    \
            sys.stdout.buffer.write(bytes([len(packed)]) + packed)";
    let texts = ["192.0.2.1", "2001:db8::1", "192.0.2.1/24", "0.0.0.0/0", "2001:db8::5/32"];
    let mut expected = Vec::new();
    for text in texts {
        let packed = match text.parse::<IpAddr>() {
            Ok(address) => encode(&Packed(address)),
            Err(_) => encode(&Packed(text.parse::<IpNet>().unwrap())),
        };
        expected.push(u8::try_from(packed.len()).unwrap());
        expected.extend(packed);
    }
    assert_eq!(python(script, texts.join(" ").as_bytes()), expected);
}

#[derive(Arguments)]
struct Message {
    packed_data: ContinuedZlib<Bytes>,
}

/// Evennia cuts every 65 535 bytes and then compresses each part, with keys that count from 2.
#[test]
fn parts_are_compressed_as_in_evennia() {
    let value: Bytes = (0..300_000_u32).map(|n| (n.wrapping_mul(n) / 7).to_le_bytes()[1]).collect();
    let script = "out, name = {}, b'packed_data'\n\
        for number, at in enumerate(range(0, len(data), 65535), 1):\n    \
            key = name if number == 1 else b'%s.%d' % (name, number)\n    \
            out[key] = zlib.compress(data[at:at + 65535], 9)\n\
        for key, part in out.items():\n    \
            for text in key, part:\n        \
                sys.stdout.buffer.write(len(text).to_bytes(2, 'big') + text)\n\
        sys.stdout.buffer.write(bytes(2))";
    let theirs = Bytes::from(python(script, &value));
    assert!(Message::decode(theirs.clone()).unwrap().packed_data.0 == value);

    let ours = Message { packed_data: value.clone().into() }.encode().unwrap();
    let ours = AmpBox::parse(&mut ours.clone(), amp_core::boxes::BoxLimits::default()).unwrap();
    let theirs = AmpBox::parse(&mut theirs.clone(), amp_core::boxes::BoxLimits::default()).unwrap();
    assert_eq!(ours.len(), 5);
    for ((our_key, ours), (their_key, theirs)) in ours.iter().zip(theirs.iter()) {
        assert_eq!(our_key, their_key);
        let inflate = "sys.stdout.buffer.write(zlib.decompress(data))";
        assert!(python(inflate, ours) == python(inflate, theirs));
    }
}
