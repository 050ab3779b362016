//! What several tests of the program need.

#![allow(dead_code, reason = "not every test needs all of it")]

use amp_tests::{Peer, Python, Transport};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::io::Write;
use std::process::{self, Output, Stdio};
use tempfile::TempDir;

/// Runs the program to its end.
pub(crate) fn ampctl(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = process::Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // It may have ended without reading it.
    let _ = input.write_all(stdin);
    drop(input);
    child.wait_with_output().unwrap()
}

/// What it prints when all is well, and nothing is said.
#[track_caller]
pub(crate) fn printed(arguments: &[&str]) -> String {
    let output = ampctl(arguments, b"");
    let said = text(output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""), "{arguments:?}");
    text(output.stdout).trim_end().to_owned()
}

/// What it says when it ends with this code, and prints nothing.
#[track_caller]
pub(crate) fn fails(arguments: &[&str], code: i32) -> String {
    let output = ampctl(arguments, b"");
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(text(output.stdout), "", "{arguments:?}");
    said.trim_end().to_owned()
}

pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A folder for what a test writes.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).into_os_string().into_string().unwrap()
    }

    /// Writes a file, and says where it is.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

/// The commands of Twisted's peer that the tests call.
pub(crate) const TWISTED: &str = "\
command CallBack
  arguments
    a: Integer
    b: Integer
  response
    total: Integer

command ConcatenateFiles
  arguments
    files: AmpList
      file: Descriptor
  response
    content: String

command CountNotes
  response
    count: Integer

command Divide
  arguments
    denominator: Integer
    numerator: Integer
  response
    result: Float
  errors
    ZERO_DIVISION

command EchoLists
  arguments
    booleans: ListOf(Boolean) optional
    datetimes: ListOf(DateTime) optional
    decimals: ListOf(Decimal) optional
    floats: ListOf(Float) optional
    integers: ListOf(Integer) optional
    nested: ListOf(ListOf(Integer)) optional
    points: AmpList optional
      label: Unicode optional
      x: Integer
      y: Float
    polygons: AmpList optional
      name: Unicode
      points: AmpList
        label: Unicode optional
        x: Integer
        y: Float
    strings: ListOf(String) optional
    texts: ListOf(Unicode) optional
  response
    booleans: ListOf(Boolean) optional
    datetimes: ListOf(DateTime) optional
    decimals: ListOf(Decimal) optional
    floats: ListOf(Float) optional
    integers: ListOf(Integer) optional
    nested: ListOf(ListOf(Integer)) optional
    points: AmpList optional
      label: Unicode optional
      x: Integer
      y: Float
    polygons: AmpList optional
      name: Unicode
      points: AmpList
        label: Unicode optional
        x: Integer
        y: Float
    strings: ListOf(String) optional
    texts: ListOf(Unicode) optional

command EchoScalars
  arguments
    boolean: Boolean optional
    datetime: DateTime optional
    decimal: Decimal optional
    float: Float optional
    integer: Integer optional
    path: Path optional
    string: String optional
    unicode: Unicode optional
  response
    boolean: Boolean optional
    datetime: DateTime optional
    decimal: Decimal optional
    float: Float optional
    integer: Integer optional
    path: Path optional
    string: String optional
    unicode: Unicode optional

command Note one-way
  arguments
    text: Unicode

command OpenTemporary
  arguments
    content: String
  response
    file: Descriptor

command Sum
  arguments
    a: Integer
    b: Integer
  response
    total: Integer

command SwitchToEcho switch
  arguments
    refuse: Boolean
  errors
    FRIENDLY
";

/// One of Twisted's programs, which listens.
pub(crate) fn twisted(program: &str, arguments: &[&str], transport: Transport) -> Peer {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let mut command = python.program(program);
    command.args(arguments);
    Peer::start(command, transport)
}

/// An authority, and certificates that it has signed, with their keys.
pub(crate) struct Certificates {
    pub(crate) folder: Folder,
    pub(crate) authority: String,
    /// For `localhost`.
    pub(crate) server: String,
    pub(crate) client: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let mut authority = params("an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let signed = |name| {
            let key = KeyPair::generate().unwrap();
            params(name).signed_by(&key, &issuer).unwrap().pem() + &key.serialize_pem()
        };
        let authority = folder.file("authority.pem", &certificate);
        let server = folder.file("server.pem", &signed("localhost"));
        let client = folder.file("client.pem", &signed("a client"));
        Self { folder, authority, server, client }
    }
}

fn params(name: &str) -> CertificateParams {
    let names = if name.contains(' ') { vec![] } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
