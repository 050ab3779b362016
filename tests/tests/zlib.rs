//! What this crate compresses is what Python's zlib reads.

use std::io::Write;
use std::process::{Command, Stdio};

use amp_core::argument::Zlib;
use amp_core::{Argument, Proto, ValueWriter};
use bytes::BytesMut;

#[test]
fn python_inflates_what_is_compressed_here() {
    let text = "hello hello ".repeat(10_000);
    let mut out = BytesMut::new();
    let zlib: Zlib<_> = Zlib(text.clone());
    Proto::detached(|proto| zlib.to_string_proto(proto, &mut ValueWriter::new(&mut out))).unwrap();

    let script = "import sys, zlib; \
                  sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python 3 is installed");
    python.stdin.take().unwrap().write_all(&out).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == text.as_bytes());
}
