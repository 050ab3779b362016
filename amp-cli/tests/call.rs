//! `ampctl call`, as a user runs it, against a server of this process.

mod support;

use amp_core::schema::Schema;
use amp_core::{
    Arguments, CallError, Command, CommandError, Context, Failure, NoError, Responders, serve,
};
use amp_unix::{Descriptor, UnixSocketListener};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{self, Output, Stdio};
use std::thread;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use support::{Folder, ampctl, liar};

/// Divides one integer by another.
#[derive(Command)]
#[amp(response = Quotient, error = DivideError)]
struct Divide {
    numerator: i64,
    denominator: i64,
}

#[derive(Arguments)]
struct Quotient {
    result: f64,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum DivideError {
    #[error("division by zero")]
    ZeroDivision,
}

#[derive(Command)]
#[amp(response = Everything)]
struct Echo {
    #[amp(flatten)]
    everything: Everything,
}

#[derive(Arguments)]
struct Everything {
    integer: Option<i128>,
    bytes: Option<Vec<u8>>,
    text: Option<String>,
    float: Option<f64>,
    boolean: Option<bool>,
    decimal: Option<amp_core::argument::Decimal>,
    date: Option<amp_core::argument::DateTime>,
    list: Option<Vec<i64>>,
    lists: Option<Vec<Vec<String>>>,
    points: Option<Vec<Point>>,
    point: Option<Point>,
    zlib: Option<amp_core::argument::Zlib<String>>,
    numbered: Option<amp_core::argument::Numbered<Vec<u8>>>,
    json: Option<amp_core::argument::Json<Vec<u8>>>,
}

#[derive(Arguments)]
struct Point {
    x: i64,
    y: Option<f64>,
}

#[derive(Command)]
#[amp(response = Copied)]
struct Copy {
    from: Descriptor,
    to: Option<Descriptor>,
}

#[derive(Arguments)]
struct Copied {
    file: Descriptor,
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    text: String,
}

/// Calls the caller back.
#[derive(Command)]
struct CallBack {}

#[derive(Command)]
struct Sleep {}

#[derive(Command)]
struct Fail {}

fn responders(folder: &TempDir) -> Responders {
    let mut schema = Schema::default();
    schema.add::<Divide>();
    schema.add::<Echo>();
    schema.add::<Copy>();
    schema.add::<Note>();
    schema.add::<CallBack>();
    schema.add::<Sleep>();
    schema.add::<Fail>();
    let notes = folder.path().join("notes");
    let asleep = folder.path().join("asleep");
    Responders::new(())
        .respond_schema(&schema)
        .respond(|_: Context, Divide { numerator, denominator }: Divide| async move {
            if denominator == 0 {
                return Err(DivideError::ZeroDivision);
            }
            #[expect(clippy::cast_precision_loss, reason = "the tests divide small numbers")]
            Ok(Quotient { result: numerator as f64 / denominator as f64 })
        })
        .respond(|_: Context, Echo { everything }: Echo| async { Ok::<_, NoError>(everything) })
        .try_respond(|_: Context, Copy { from, to }: Copy| async {
            let mut read = Vec::new();
            File::from(from.into_owned()?).read_to_end(&mut read)?;
            if let Some(to) = to {
                File::from(to.into_owned()?).write_all(&read)?;
            }
            let mut file = tempfile::tempfile()?;
            file.write_all(b"of the server")?;
            std::io::Seek::rewind(&mut file)?;
            Ok::<_, Failure<NoError>>(Copied {
                file: Descriptor::from(std::os::fd::OwnedFd::from(file)),
            })
        })
        .respond(move |_: Context, Note { text }: Note| {
            fs::write(&notes, text).unwrap();
            async { Ok::<_, NoError>(()) }
        })
        .respond(|context: Context, _: CallBack| async move {
            let error = context.peer().call_remote(Fail {}).await.unwrap_err();
            assert!(matches!(&error, CallError::Remote(_)), "{error}");
            Ok::<_, NoError>(())
        })
        .respond(move |_: Context, _: Sleep| {
            fs::write(&asleep, "").unwrap();
            async {
                std::future::pending::<()>().await;
                Ok::<_, NoError>(())
            }
        })
        .try_respond(|_: Context, _: Fail| async {
            Err::<(), Failure<NoError>>(std::io::Error::other("secret").into())
        })
}

/// A server, and where it listens.
struct Server {
    folder: TempDir,
    address: String,
    schema: String,
    _runtime: Runtime,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let path = folder.path().join("socket");
        let address = format!("unix:{}", path.display());
        let responders = responders(&folder);
        let listener = {
            let _entered = runtime.enter();
            UnixSocketListener::bind(&path).unwrap()
        };
        runtime.spawn(serve(listener, responders));
        let schema = folder.path().join("schema");
        let server =
            Self { address, schema: schema.to_str().unwrap().into(), folder, _runtime: runtime };
        let text = server.run(&["_Schema", "--output", "value:schema"], None);
        fs::write(schema, text.stdout).unwrap();
        server
    }

    /// Calls with these arguments behind the address, and standard input.
    fn run(&self, arguments: &[&str], stdin: Option<&str>) -> Output {
        call(&[&[&*self.address], arguments].concat(), stdin)
    }

    /// The answer to a call by the schema.
    #[track_caller]
    fn answer(&self, arguments: &[&str]) -> String {
        let output = self.run(&[arguments, &["--schema", &self.schema]].concat(), None);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The exit code of a call by the schema, and what is said of it.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(&[arguments, &["--schema", &self.schema]].concat(), None);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
        said.trim_end().to_owned()
    }
}

fn call(arguments: &[&str], stdin: Option<&str>) -> Output {
    ampctl(&[&["call"], arguments].concat(), stdin.unwrap_or_default().as_bytes())
}

#[test]
fn every_type_goes_in_and_comes_out() {
    let server = Server::start();
    for (word, answer) in [
        ("integer=-5", "{\"integer\": -5}"),
        ("integer=0xff", "{\"integer\": 255}"),
        ("integer=1_000", "{\"integer\": 1000}"),
        (
            "integer=170141183460469231731687303715884105727",
            "{\"integer\": 170141183460469231731687303715884105727}",
        ),
        ("bytes=text", "{\"bytes\": \"text\"}"),
        ("bytes:hex=00ff", "{\"bytes\": {\"base64\": \"AP8=\"}}"),
        ("bytes:base64=AP8=", "{\"bytes\": {\"base64\": \"AP8=\"}}"),
        ("bytes:={\"base64\":\"AP8=\"}", "{\"bytes\": {\"base64\": \"AP8=\"}}"),
        ("text=a=b: \u{e9}", "{\"text\": \"a=b: \u{e9}\"}"),
        ("text=", "{\"text\": \"\"}"),
        ("float=1.5", "{\"float\": 1.5}"),
        ("float=inf", "{\"float\": \"inf\"}"),
        ("float=nan", "{\"float\": \"nan\"}"),
        ("boolean=true", "{\"boolean\": true}"),
        ("decimal=1E+2", "{\"decimal\": \"1E+2\"}"),
        ("decimal:=1.50", "{\"decimal\": \"1.50\"}"),
        ("date=2026-01-31T12:00:00+01:00", "{\"date\": \"2026-01-31T12:00:00.000000+01:00\"}"),
        ("date=2026-01-31T12:00:00.5Z", "{\"date\": \"2026-01-31T12:00:00.500000-00:00\"}"),
        ("list=1", "{\"list\": [1]}"),
        ("list:=[]", "{\"list\": []}"),
        ("lists:=[[\"a\"],[]]", "{\"lists\": [[\"a\"], []]}"),
        (
            "points:=[{\"x\":1},{\"x\":2,\"y\":0.5}]",
            "{\"points\": [{\"x\": 1}, {\"x\": 2, \"y\": 0.5}]}",
        ),
        ("point.x=3", "{\"point\": {\"x\": 3}}"),
        ("zlib=squeezed", "{\"zlib\": \"squeezed\"}"),
        ("numbered=parts", "{\"numbered\": \"parts\"}"),
        ("json:=[1,2]", "{\"json\": [1,2]}"),
        ("integer:=null", "{}"),
    ] {
        assert_eq!(server.answer(&["Echo", word]), answer, "{word}");
    }
    assert_eq!(server.answer(&["Echo", "list=1", "list=-2"]), "{\"list\": [1, -2]}");
    assert_eq!(
        server.answer(&["Echo", "points[0].x=1", "points[1].x=2", "points[0].y=1e3"]),
        "{\"points\": [{\"x\": 1, \"y\": 1000.0}, {\"x\": 2}]}"
    );
    assert_eq!(
        server.answer(&["Echo", "lists[0]=a", "lists[0]=b", "lists[1]=c"]),
        "{\"lists\": [[\"a\", \"b\"], [\"c\"]]}"
    );
    let now = server.answer(&["Echo", "date=now", "--output", "value:date"]);
    assert!(now.starts_with("\"20") && now.ends_with("-00:00\""), "{now}");
}

#[test]
fn values_come_from_files_standard_input_and_the_environment() {
    let server = Server::start();
    let path = server.folder.path().join("file");
    fs::write(&path, "of a file").unwrap();
    let path = path.to_str().unwrap();
    let bytes = format!("bytes@={path}");
    let text = format!("text@={path}");
    assert_eq!(
        server.answer(&["Echo", &bytes, &text]),
        "{\"bytes\": \"of a file\", \"text\": \"of a file\"}"
    );
    let schema = &["--schema", &*server.schema];
    let output = server.run(&[&["Echo", "text@=-"][..], schema].concat(), Some("piped"));
    assert_eq!(output.stdout, b"{\"text\": \"piped\"}\n");
    let output = server.run(
        &[&["Echo", "--json", "-", "list=2"][..], schema].concat(),
        Some("{\"integer\": 12345678901234567890123}"),
    );
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "{\"integer\": 12345678901234567890123, \"list\": [2]}\n"
    );
    let output = process::Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["call", &server.address, "Echo", "text:env=AMPCTL_TEXT", "--schema", &server.schema])
        .env("AMPCTL_TEXT", "of the environment")
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"{\"text\": \"of the environment\"}\n");
}

#[test]
fn answers_are_printed_as_asked_for() {
    let server = Server::start();
    let divide = ["Divide", "numerator=1", "denominator=4"];
    let with = |output: &str| server.answer(&[&divide[..], &["--output", output]].concat());
    assert_eq!(with("json"), "{\"result\": 0.25}");
    assert_eq!(with("pretty"), "{\n  \"result\": 0.25\n}");
    assert_eq!(with("value:result"), "0.25");
    assert_eq!(with("none"), "");
    assert_eq!(
        server.answer(&["Echo", "lists:=[[\"a,{\\\"\"],[]]", "--output", "pretty"]),
        "{\n  \"lists\": [\n    [\n      \"a,{\\\"\"\n    ],\n    []\n  ]\n}"
    );
}

#[test]
fn descriptors_go_in_and_come_out() {
    let server = Server::start();
    let place = |name: &str| server.folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(place("from"), "to be copied").unwrap();
    let (from, to, copy) = (
        format!("from@={}", place("from")),
        format!("to@w={}", place("to")),
        format!("file={}", place("copy")),
    );
    let answer = server.answer(&["Copy", &from, &to, "--fd", &copy]);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let file = &json["file"];
    assert_eq!((&file["bytes"], &file["descriptor"]), (&13.into(), &0.into()));
    assert_eq!(file["is"], "file");
    #[cfg(target_os = "linux")]
    assert!(file["path"].as_str().is_some_and(|path| path.starts_with('/')), "{answer}");
    assert_eq!(fs::read_to_string(place("to")).unwrap(), "to be copied");
    assert_eq!(fs::read_to_string(place("copy")).unwrap(), "of the server");
    let append = format!("to@a={}", place("to"));
    server.answer(&["Copy", &from, &append]);
    assert_eq!(fs::read_to_string(place("to")).unwrap(), "to be copiedto be copied");
    // Without a schema the file is opened where nothing else can be meant.
    let declared = format!("from:Descriptor={}", place("from"));
    let output = server.run(&["Copy", &declared], None);
    assert_eq!(output.status.code(), Some(2), "it is KEY@=FILE");
}

#[test]
fn a_call_needs_no_schema() {
    let server = Server::start();
    let output = server.run(&["Divide", "numerator=1", "denominator:Integer=4"], None);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"result\": \"0.25\"}\n");
    let output = server.run(&["Divide", "numerator=1", "denominator:Int=4"], None);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "ampctl: denominator: there is no type \"Int\"; there is Boolean, DateTime, Decimal, Descriptor, Float, Integer, Path, String, Unicode\n"
    );
    let output = server.run(&["Divide", "numerator=1", "denominator=4", "--reflect"], None);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"result\": 0.25}\n");
}

#[test]
fn one_way_commands_are_sent() {
    let server = Server::start();
    assert_eq!(server.answer(&["Note", "text=written down"]), "");
    let notes = server.folder.path().join("notes");
    while !fs::read_to_string(&notes).is_ok_and(|text| text == "written down") {
        thread::yield_now();
    }
}

#[test]
fn errors_have_their_exit_codes() {
    let server = Server::start();
    let zero = ["Divide", "numerator=1", "denominator=0"];
    assert_eq!(
        server.fails(&zero, 1),
        r#"{"description":"division by zero","error":"ZERO_DIVISION"}"#
    );
    server.fails(&[&zero[..], &["--accept", "ZERO_DIVISION"]].concat(), 0);
    let failed = server.fails(&["Fail"], 4);
    assert!(failed.contains(r#""error":"UNKNOWN""#) && !failed.contains("secret"), "{failed}");
    let output = server.run(&["Nonsense"], None);
    assert_eq!(output.status.code(), Some(5));
    let none = call(&["unix:/nowhere/socket", "Divide"], None);
    assert_eq!(none.status.code(), Some(3));
    assert!(String::from_utf8(none.stderr).unwrap().contains("/nowhere/socket"));
    assert_eq!(call(&["tcp:127.0.0.1:1", "Divide"], None).status.code(), Some(3));
    assert_eq!(
        server.fails(&["Sleep", "--timeout", "100ms"], 124),
        "ampctl: no answer within 100ms"
    );
    let called = server.run(&["CallBack"], None);
    assert_eq!(called.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(called.stderr).unwrap(),
        "ampctl: the peer calls \"Fail\", which is not handled\n"
    );
}

#[test]
fn twisted_is_called_too() {
    let python = amp_tests::Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let twisted = amp_tests::Peer::start(python.program("peer.py"), amp_tests::Transport::Unix);
    let address = twisted.address().to_string();
    let mut schema = Schema::default();
    schema.add::<amp_tests::commands::Sum>();
    schema.add::<amp_tests::commands::Divide>();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema");
    fs::write(&path, schema.to_string()).unwrap();
    let path = path.to_str().unwrap();
    let sum = call(&[&address, "Sum", "a=-5", "b=12345678901234567890123", "--schema", path], None);
    assert_eq!(String::from_utf8(sum.stdout).unwrap(), "{\"total\": 12345678901234567890118}\n");
    let zero = ["Divide", "numerator=1", "denominator=0", "--schema", path];
    assert_eq!(call(&[&[&*address], &zero[..]].concat(), None).status.code(), Some(1));
    let undeclared = call(&[&address, "Divide", "numerator=1", "denominator=0"], None);
    assert_eq!(undeclared.status.code(), Some(4));
    assert_eq!(call(&[&address, "Nonsense"], None).status.code(), Some(5));
}

#[test]
fn peers_that_cut_and_lie_have_their_exit_codes() {
    let server = Server::start();
    let divide = ["Divide", "numerator=1", "denominator=4", "--schema", &server.schema];
    let folder = Folder::new();
    let (address, _) = liar(&folder, "cutting", b"", false);
    assert_eq!(call(&[&[&*address], &divide[..]].concat(), None).status.code(), Some(6));
    let lie = b"\0\x07_answer\0\x011\0\x06result\0\x01x\0\0";
    let (address, _) = liar(&folder, "lying", lie, true);
    let output = call(&[&[&*address], &divide[..]].concat(), None);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "ampctl: the answer cannot be read: argument result: \"x\" is not a Float\n{\"result\": \"x\"}\n"
    );
    let (address, _) = liar(&folder, "babbling", b"\0\x07_answer\0\x011\xff\xff", true);
    assert_eq!(call(&[&[&*address], &divide[..]].concat(), None).status.code(), Some(6));
}

#[test]
fn mistakes_are_refused_before_anything_is_sent() {
    let server = Server::start();
    for (arguments, said) in [
        (&["Divid"][..], "there is no command \"Divid\"; did you mean \"Divide\"?"),
        (&["Divide"], "missing: denominator (Integer), numerator (Integer)"),
        (&["Divide", "numerator=1"], "missing: denominator (Integer)"),
        (&["Divide", "numerator=q", "denominator=1"], "numerator: 'q' is no Integer"),
        (
            &["Divide", "numerator=1", "denominater=1"],
            "denominater: there is no argument \"denominater\"; did you mean \"denominator\"?",
        ),
        (
            &["Divide", "numerator=1", "numerator=1", "denominator=1"],
            "numerator: it is given twice, and is no list",
        ),
        (&["Echo", "points:=[{\"x\":\"q\"}]"], "points[0].x: 'q' is no Integer"),
        (&["Echo", "point:={\"x\":\"q\"}"], "point.x: 'q' is no Integer"),
        (&["Echo", "points[0].x=q"], "points[0].x: 'q' is no Integer"),
        (&["Echo", "points[1].x=1"], "points[1].x: [0] has to come before it"),
        (
            &["Echo", "points[0].z=1"],
            "points[0].z: there is no argument \"z\"; did you mean \"x\"?",
        ),
        (&["Echo", "boolean=yes"], "boolean: 'yes' is no Boolean: it is true or false"),
        (
            &["Echo", "date=2026-01-31"],
            "date: '2026-01-31' is no DateTime: it is `now`, or has an offset, as \
             2026-01-31T12:00:00+01:00",
        ),
        (&["Echo", "points=1"], "points: a value of type AmpList is written KEY:=JSON"),
        (
            &["Echo", "bytes:hex=0"],
            "\"bytes:hex=0\": \"0\" is no hex: there is half a byte at the end: each has two digits",
        ),
        (&["Echo", "text"], "\"text\": it is KEY=VALUE, KEY:TYPE=VALUE, KEY:=JSON or KEY@=FILE"),
        (
            &["Echo", "--json", "{\"points\": [{\"x\": \"q\"}]}"],
            "--json: points[0].x: 'q' is no Integer",
        ),
        (&["Copy", "from=x"], "from: a Descriptor is written KEY@=FILE"),
        (
            &["Copy", "from@=/nowhere/file"],
            "from: cannot open /nowhere/file: No such file or directory (os error 2)",
        ),
        (
            &["Divide", "numerator=1", "denominator=1", "--fd", "result=x"],
            "--fd result: the answer has no Descriptor of this name",
        ),
    ] {
        assert_eq!(server.fails(arguments, 2), format!("ampctl: {said}"), "{arguments:?}");
    }
    // These are clap's, with the usage below.
    for arguments in [&["smoke:signals", "A"][..], &["unix:a", "A", "--timeout", "soon"]] {
        assert_eq!(call(arguments, None).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_interrupted_call_says_so() {
    let server = Server::start();
    let mut child = process::Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["call", &server.address, "Sleep"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !server.folder.path().join("asleep").exists() {
        thread::yield_now();
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
