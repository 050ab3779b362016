//! What several tests of the program need.

#![allow(dead_code, reason = "not every test needs all of it")]

use amp_core::AmpBox;
use amp_core::boxes::{BoxLimits, Decoder};
use amp_tests::{DEADLINE, Finished, Peer, Process, Python, Transport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{self, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;
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

/// Says that a test, or a part of one, is left out, and why, where no runner of tests keeps it to itself.
pub(crate) fn leave_out(why: &str) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("a test");
    std::io::stderr().write_all(format!("LEFT OUT: {name}: {why}\n").as_bytes()).unwrap();
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

/// The program, with these arguments, as it runs; and where it says that it listens.
fn listening(arguments: &[&str]) -> (Process, String) {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(arguments);
    let mut process = Process::start(command);
    let line = process.line(Instant::now() + DEADLINE).expect("it says where it listens");
    let address = line.strip_prefix("listening ").expect(&line).to_owned();
    (process, address)
}

/// `ampctl serve` as it runs, and where it listens.
pub(crate) struct Server {
    process: Process,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(address: &str, options: &[&str]) -> Self {
        let (process, address) = listening(&[&["serve", address], options].concat());
        Self { process, address }
    }

    /// The call that it tells of next.
    pub(crate) fn line(&mut self) -> String {
        self.process.line(Instant::now() + DEADLINE).expect("it tells of calls")
    }

    /// Ends it: the exit code, and what it says on standard error.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.process.signal(Signal::SIGTERM);
        let Finished { code, stderr, .. } = self.process.finish(Instant::now() + DEADLINE);
        (code, stderr)
    }
}

/// `ampctl tap` as it runs, and where it listens.
pub(crate) struct Tap {
    process: Process,
    lines: Vec<String>,
    pub(crate) address: String,
}

impl Tap {
    /// Starts one that listens here, in front of the server there.
    pub(crate) fn start(address: &str, server: &str, options: &[&str]) -> Self {
        let (process, address) = listening(&[&["tap", address, server], options].concat());
        Self { process, lines: Vec::new(), address }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Reads on to a line with this in it.
    #[track_caller]
    pub(crate) fn until(&mut self, part: &str) -> String {
        loop {
            let line = self.process.line(Instant::now() + DEADLINE);
            let line = line.unwrap_or_else(|| panic!("it has ended without {part:?}"));
            self.lines.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for its end, and returns all of its lines.
    pub(crate) fn finish(self) -> Finished {
        let finished = self.process.finish(Instant::now() + DEADLINE);
        let stdout = [self.lines, finished.stdout].concat();
        Finished { stdout, ..finished }
    }

    /// The same, of one that goes on until it is interrupted.
    pub(crate) fn interrupt(self) -> Finished {
        self.process.signal(Signal::SIGINT);
        self.finish()
    }

    /// Interrupts it when all is well, and returns its lines without their times.
    #[track_caller]
    pub(crate) fn lines(self) -> Vec<String> {
        let Finished { code, stdout, stderr } = self.interrupt();
        assert_eq!((code, &*stderr), (Some(0), ""));
        stdout.iter().map(|line| without_times(line)).collect()
    }
}

/// A line of a tap without what is another each time.
fn without_times(line: &str) -> String {
    let line = line.trim_start().split_once(' ').map_or(line, |(_, rest)| rest);
    match line.rsplit_once("  [") {
        Some((rest, took)) if took.ends_with("s]") => rest.to_owned(),
        _ => line.to_owned(),
    }
}

/// A peer that answers the first call with these bytes, and says what it has received. It cuts the
/// connection then, unless it `stays` until the other side goes.
pub(crate) fn liar(
    folder: &Folder,
    name: &str,
    answer: &'static [u8],
    stays: bool,
) -> (String, JoinHandle<Vec<u8>>) {
    let path = folder.path(name);
    let listener = UnixListener::bind(&path).unwrap();
    let told = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = vec![0; 1024];
        let count = stream.read(&mut received).unwrap();
        received.truncate(count);
        stream.write_all(answer).unwrap();
        if stays {
            let _ = stream.read(&mut [0]);
        }
        received
    });
    (format!("unix:{path}"), told)
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

/// The pairs of an answer; with `_error_code`, it is an error.
pub(crate) type Pairs = Vec<(&'static str, Vec<u8>)>;

/// A peer that answers the calls of each connection with these boxes in turn, the last one again and
/// again, and stays until the other side goes.
pub(crate) struct Scripted {
    pub(crate) address: String,
    received: Receiver<AmpBox>,
}

impl Scripted {
    pub(crate) fn start(folder: &Folder, name: &str, answers: Vec<Pairs>) -> Self {
        let path = folder.path(name);
        let listener = UnixListener::bind(&path).unwrap();
        let (tell, received) = mpsc::channel();
        let answers = Arc::new(answers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, tell) = (answers.clone(), tell.clone());
                thread::spawn(move || answer(stream.unwrap(), &answers, &tell));
            }
        });
        Self { address: format!("unix:{path}"), received }
    }

    /// The command of the next call that it has received.
    pub(crate) fn called(&self) -> String {
        let ampbox = self.received.recv_timeout(DEADLINE).expect("it is called");
        String::from_utf8(ampbox.get(b"_command").unwrap_or_default().to_vec()).unwrap()
    }

    /// All calls that it has received so far.
    pub(crate) fn all_boxes(&self) -> Vec<AmpBox> {
        self.received.try_iter().collect()
    }

    /// Their commands.
    pub(crate) fn all_called(&self) -> Vec<String> {
        let command = |ampbox: AmpBox| ampbox.get(b"_command").unwrap_or_default().to_vec();
        self.all_boxes().into_iter().map(|ampbox| text(command(ampbox))).collect()
    }
}

fn answer(mut stream: UnixStream, answers: &[Pairs], tell: &Sender<AmpBox>) {
    let mut decoder = Decoder::new(BoxLimits::default());
    let (mut buffer, mut count) = (BytesMut::new(), 0);
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        buffer.extend_from_slice(&piece[..read]);
        while let Some(ampbox) = decoder.decode(&mut buffer).unwrap() {
            let tag = ampbox.get(b"_ask").map(<[u8]>::to_vec);
            let _ = tell.send(ampbox);
            let (Some(tag), Some(pairs)) = (tag, answers.get(count.min(answers.len() - 1))) else {
                continue;
            };
            count += 1;
            let is_error = pairs.iter().any(|(key, _)| *key == "_error_code");
            let mut answer = AmpBox::new();
            answer.insert(if is_error { "_error" } else { "_answer" }, tag).unwrap();
            for (key, value) in pairs {
                answer.insert(key, value).unwrap();
            }
            // The other side may have gone.
            let _ = stream.write_all(&answer.to_bytes());
        }
    }
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

/// A box on the wire.
pub(crate) fn ampbox(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        for part in [key.as_bytes(), value] {
            out.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
            out.extend(part);
        }
    }
    out.extend([0, 0]);
    out
}

/// A record of these boxes on one connection: who has sent each, and what it is.
pub(crate) fn record(folder: &Folder, boxes: &[(&str, &str, Vec<u8>)]) -> String {
    let lines = boxes.iter().map(|(from, kind, raw)| {
        let raw = STANDARD.encode(raw);
        format!("{{\"connection\": 1, \"from\": \"{from}\", \"kind\": \"{kind}\", \"box\": \"{raw}\"}}\n")
    });
    folder.file("record", &lines.collect::<String>())
}
