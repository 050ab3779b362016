//! Values that are not to be shown, wherever they would be.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::{fs, thread};

use support::{Folder, Scripted, Tap, ampctl, fails, printed, text};

const LOGIN: &str = "\
#! secret token
command Login
  arguments
    token: String
  response
    token: String
    user: Unicode
";

/// Neither stream has the secret in it, in any form.
#[track_caller]
fn keeps_quiet(arguments: &[&str], stdin: &[u8]) -> (String, String, Option<i32>) {
    let output = ampctl(arguments, stdin);
    let (out, said) = (text(output.stdout), text(output.stderr));
    for secret in ["s3cret", "czNjcmV0", "M2NyZX"] {
        assert!(!out.contains(secret) && !said.contains(secret), "{arguments:?}: {out}{said}");
    }
    (out, said, output.status.code())
}

fn login() -> support::Pairs {
    vec![("token", b"s3cret".to_vec()), ("user", b"u".to_vec())]
}

#[test]
fn what_a_schema_calls_secret_is_not_shown() {
    let folder = Folder::new();
    let schema = folder.file("schema", LOGIN);
    let server = Scripted::start(&folder, "socket", vec![login()]);
    let call = ["call", &server.address, "Login", "token=mine", "--schema", &schema];
    for output in ["json", "pretty", "table", "raw"] {
        let (out, ..) = keeps_quiet(&[&call[..], &["--output", output]].concat(), b"");
        assert!(out.contains("(hidden)") && out.contains('u'), "{out}");
    }
    let session = ["session", &server.address, "--schema", &schema];
    let (out, ..) = keeps_quiet(&session, b"Login token=mine\n");
    assert!(out.contains("\"token\": \"(hidden)\""), "{out}");
    // It is asked for by its name.
    assert_eq!(printed(&[&call[..], &["--output", "value:token"]].concat()), "s3cret");
    let hidden = [&call[..], &["--output", "value:token", "--hide", "token"]].concat();
    assert_eq!(keeps_quiet(&hidden, b"").0, "(hidden)\n");
}

#[test]
fn a_schema_that_is_asked_for_hides_too() {
    let folder = Folder::new();
    let reflected = vec![("schema", LOGIN.as_bytes().to_vec())];
    let server = Scripted::start(&folder, "socket", vec![reflected, login()]);
    let call = ["call", &server.address, "Login", "token=s3cret", "--reflect", "-v"];
    let (_, said, code) = keeps_quiet(&call, b"");
    assert_eq!(code, Some(0));
    assert!(said.contains(" Login token=*** (6 bytes)\n"), "{said}");
    assert!(said.contains(" token=*** (6 bytes) user=\"u\"\n"), "{said}");
}

#[test]
fn answers_that_do_not_fit_are_hidden_too() {
    let folder = Folder::new();
    let schema = "command Login\n  response\n    inner: AmpList optional\n      token: Integer\n    \
                  token: Integer\n    user: Unicode optional\n";
    let schema = folder.file("schema", schema);
    let inner = support::ampbox(&[("token", b"s3cret")]);
    let server = Scripted::start(
        &folder,
        "socket",
        vec![vec![("inner", inner), ("token", b"s3cret".to_vec()), ("user", b"u".to_vec())]],
    );
    let hide = ["--schema", &schema, "--hide", "token"];
    let call = [&["call", &server.address, "Login"], &hide[..]].concat();
    let (_, said, code) = keeps_quiet(&call, b"");
    assert_eq!(code, Some(7));
    assert!(
        said.contains("a hidden value does not fit") && said.contains("\"user\": \"u\""),
        "{said}"
    );
    let session = [&["session", &server.address], &hide[..]].concat();
    let (out, ..) = keeps_quiet(&session, b"Login\n");
    assert!(out.contains("a hidden value does not fit"), "{out}");
    let raw = [&call[..3], &["--hide", "token", "--output", "raw"]].concat();
    let (out, ..) = keeps_quiet(
        &[&raw[..], &["--schema", &folder.file("none", "command Login\n")]].concat(),
        b"",
    );
    assert!(out.contains("\"token\": \"(hidden)\""), "{out}");
}

#[test]
fn messages_do_not_quote_variables_and_files() {
    let folder = Folder::new();
    let schema = folder.file("schema", "command A\n  arguments\n    n: Integer\n");
    let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["call", "unix:/nowhere", "A", "n:env=SECRET", "--schema", &schema])
        .env("SECRET", "s3cret")
        .output()
        .unwrap();
    let said = text(output.stderr);
    assert_eq!(said, "ampctl: n: the environment variable SECRET has no Integer in it\n");
    let file = folder.file("file", &"s3cret".repeat(1000));
    let said =
        fails(&["call", "unix:/nowhere", "A", &format!("n@={file}"), "--schema", &schema], 2);
    assert_eq!(said, format!("ampctl: n: {file} has no Integer in it"));
    let long = format!("n={}", "x".repeat(1000));
    let said = fails(&["call", "unix:/nowhere", "A", &long, "--schema", &schema], 2);
    assert!(said.len() < 200 && said.contains("is no Integer"), "{said}");
}

#[test]
fn replays_do_not_show_what_differs_in_secrets() {
    let folder = Folder::new();
    let schema = folder.file("schema", LOGIN);
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Login"), ("token", b"s3cret")]);
    let answer = support::ampbox(&[("_answer", b"1"), ("token", b"s3cret2"), ("user", b"v")]);
    let record =
        support::record(&folder, &[("client", "call", call), ("server", "answer", answer)]);
    let server = Scripted::start(&folder, "socket", vec![login()]);
    let replay = ["replay", &record, &server.address];
    for options in [&["--schema", &*schema][..], &["--hide", "token"]] {
        let (out, _, code) = keeps_quiet(&[&replay[..], options].concat(), b"");
        assert_eq!(code, Some(1));
        assert!(out.contains("\"user\": \"v\"") && out.contains("(hidden)"), "{out}");
    }
}

#[test]
fn a_tap_hides_what_the_server_calls_and_answers() {
    let folder = Folder::new();
    let login = folder.file("login.schema", LOGIN);
    let back = "#! secret pin\ncommand Back\n  arguments\n    pin: String\n    user: Unicode\n";
    let back = folder.file("back.schema", back);
    let listener = UnixListener::bind(folder.path("server")).unwrap();
    // The answer belongs to no call, and what is secret of any is not shown of it.
    let answer = support::ampbox(&[("_answer", b"9"), ("token", b"s3cret"), ("user", b"v")]);
    let call = support::ampbox(&[("_command", b"Back"), ("pin", b"s3cret"), ("user", b"u")]);
    let said = [call, answer].concat();
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(&said).unwrap();
        }
    });
    let server = format!("unix:{}", folder.path("server"));
    let config = format!(
        "[peers.server]\naddress = \"{server}\"\nschema = [\"login.schema\"]\n\
         peer-schema = [\"back.schema\"]\n"
    );
    folder.file("ampctl.toml", &config);
    for (number, peer) in
        [vec!["server"], vec![&*server, "--schema", &login, "--peer-schema", &back]]
            .into_iter()
            .enumerate()
    {
        let listen = folder.path(&format!("tap{number}"));
        let mut tap = Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(["tap", &format!("unix:{listen}")])
            .args(&peer)
            .args(["--record", "record", "--pcap", "pcap"])
            .current_dir(folder.path(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.next().unwrap().starts_with("listening "), "{peer:?}");
        let mut stream = UnixStream::connect(&listen).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let mut seen = Vec::new();
        for line in lines {
            let is_over = line.contains(" closed");
            seen.push(line);
            if is_over {
                break;
            }
        }
        kill(Pid::from_raw(tap.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert_eq!(tap.wait().unwrap().code(), Some(0));
        let seen = seen.join("\n");
        assert!(seen.contains("Back pin=\"(hidden)\" user=\"u\""), "{peer:?}: {seen}");
        assert!(seen.contains("token=\"(hidden)\" user=\"v\""), "{peer:?}: {seen}");
        let capture = String::from_utf8_lossy(&fs::read(folder.path("pcap")).unwrap()).into_owned();
        for written in [&seen, &folder.read("record"), &capture] {
            for secret in ["s3cret", "czNjcmV0", "M2NyZX", "zM2NyZX"] {
                assert!(!written.contains(secret), "{peer:?}: {written}");
            }
        }
    }
}

#[test]
fn keys_with_dots_and_json_are_hidden_too() {
    let folder = Folder::new();
    let schema = "command A\n  response\n    a.b: Integer optional\n    j: Json optional\n";
    let schema = folder.file("schema", schema);
    let dotted = Scripted::start(&folder, "dotted", vec![vec![("a.b", b"s3cret".to_vec())]]);
    let call = ["call", &dotted.address, "A", "--schema", &schema, "--hide", "a.b"];
    let (_, said, code) = keeps_quiet(&call, b"");
    assert_eq!(code, Some(7));
    assert!(said.contains("argument a.b: a hidden value does not fit"), "{said}");
    let json = br#"{"inner": [{"t\u006fken": "s3cret"}]}"#.to_vec();
    let json = Scripted::start(&folder, "json", vec![vec![("j", json)]]);
    let hide = ["--hide", "token"];
    for known in [&["--schema", &*schema][..], &[]] {
        for output in ["json", "raw"] {
            let call = ["call", &json.address, "A", "--output", output];
            let (out, _, code) = keeps_quiet(&[&call[..], &hide, known].concat(), b"");
            assert_eq!((&*out.replace(' ', ""), code), ("{\"j\":\"(hidden)\"}\n", Some(0)));
        }
        let session = [&["session", &*json.address][..], &hide, known].concat();
        let (out, ..) = keeps_quiet(&session, b"A\n");
        assert!(out.contains("(hidden)"), "{out}");
    }
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"A")]);
    let answer = support::ampbox(&[("_answer", b"1"), ("j", br#"{"token": "s3cret"}"#)]);
    let record =
        support::record(&folder, &[("client", "call", call), ("server", "answer", answer)]);
    for options in [&["--json"][..], &[]] {
        let decode = [&["decode", &record, "--schema", &schema][..], &hide, options].concat();
        let (out, _, code) = keeps_quiet(&decode, b"");
        assert!(out.contains("(hidden)") && code == Some(0), "{out}");
    }
}

#[test]
fn mistakes_in_files_do_not_quote_secrets() {
    let folder = Folder::new();
    let schema = "#! secret token\ncommand Login\n  arguments\n    token: Integer\n";
    let schema = folder.file("schema", schema);
    let login = folder.file("login", "Login token=s3cret\n");
    let call = ["call", "unix:/nowhere", "Login", "token=1", "--schema", &schema];
    let (_, said, code) = keeps_quiet(&[&call[..], &["--before", &login]].concat(), b"");
    let hidden = "a hidden value does not fit";
    assert_eq!((said, code), (format!("ampctl: {login}:1.Login.token: {hidden}\n"), Some(2)));
    let json = format!("@{}", folder.file("json", "{\"token\": \"s3cret\"}"));
    let (_, said, code) = keeps_quiet(&[&call[..3], &call[4..], &["--json", &json]].concat(), b"");
    assert_eq!((said, code), (format!("ampctl: --json: token: {hidden}\n"), Some(2)));
}

#[test]
fn replays_keep_hidden_what_the_record_hides() {
    let folder = Folder::new();
    let schema = "#! secret token\ncommand A\n  response\n    f: Descriptor optional\n    image: \
                  Continued(String) optional\n    token: Integer optional\n";
    let schema = folder.file("schema", schema);
    let call = || ("client", "call", support::ampbox(&[("_ask", b"1"), ("_command", b"A")]));
    let answer = support::ampbox(&[("_answer", b"1"), ("token", b"1")]);
    let record = support::record(&folder, &[call(), ("server", "answer", answer)]);
    let server = Scripted::start(&folder, "socket", vec![vec![("token", b"s3cret".to_vec())]]);
    let replay = ["replay", &record, &server.address, "--schema", &schema];
    let (out, _, code) = keeps_quiet(&replay, b"");
    assert_eq!(code, Some(1));
    assert!(out.contains("argument token: a hidden value does not fit"), "{out}");

    // A value that is spread over keys.
    let raw = [("_answer", &b"1"[..]), ("image", b"(hidden)"), ("image.2", b"(hidden)")];
    let record = support::record(&folder, &[call(), ("server", "answer", support::ampbox(&raw))]);
    let lines = fs::read_to_string(record).unwrap();
    let hidden = lines.replace("\"answer\",", "\"answer\", \"hidden\": [\"image\"],");
    let record = folder.file("record", &hidden);
    let same = [("image", b"s3cret".to_vec()), ("image.2", b"s3cret".to_vec())];
    let other = [&same[..], &[("token", b"2".to_vec())]].concat();
    for (name, answer, expected) in [("same", same.to_vec(), 0), ("other", other, 1)] {
        let server = Scripted::start(&folder, name, vec![answer]);
        let (out, _, code) = keeps_quiet(&["replay", &record, &server.address], b"");
        assert_eq!(code, Some(expected), "{out}");
    }
}

/// As JSON, which errors with fields are: the whole description is hidden, wherever it would be.
#[test]
fn descriptions_of_errors_are_looked_into() {
    let folder = Folder::new();
    let schema = folder.file("schema", LOGIN);
    let described = br#"{"token": "s3cret", "tries": 3}"#;
    let error =
        vec![("_error_code", b"LOCKED".to_vec()), ("_error_description", described.to_vec())];
    let server = Scripted::start(&folder, "socket", vec![error]);
    let hides = [&["--hide", "token"][..], &["--schema", &schema]];
    for hide in hides {
        let call = [&["call", &server.address, "Login", "token=mine"][..], hide].concat();
        let (_, said, code) = keeps_quiet(&call, b"");
        let shown = "{\"description\":\"(hidden)\",\"error\":\"LOCKED\"}\n";
        assert_eq!((&*said, code), (shown, Some(4)));
        for option in ["--verbose", "--switch"] {
            let (_, said, _) = keeps_quiet(&[&call[..], &[option]].concat(), b"");
            assert!(said.ends_with(shown), "{said}");
        }
        let session = [&["session", &server.address][..], hide].concat();
        let (out, ..) = keeps_quiet(&session, b"Login token=mine\n");
        assert!(out.contains("\"description\": \"(hidden)\""), "{out}");
        let login = folder.file("login", "Login token=mine\n");
        let (_, said, _) = keeps_quiet(&[&call[..], &["--before", &login]].concat(), b"");
        assert!(said.contains("LOCKED: (hidden)"), "{said}");

        let _ = fs::remove_file(folder.path("record"));
        let listen = format!("unix:{}", folder.path("tap"));
        let (record, pcap) = (folder.path("record"), folder.path("pcap"));
        let files = [&["--record", &record, "--pcap", &pcap][..], hide].concat();
        let tap = Tap::start(&listen, &server.address, &files);
        keeps_quiet(&[&["call", &listen, "Login", "token=mine"][..], hide].concat(), b"");
        let lines = tap.lines().join("\n");
        assert!(lines.contains("LOCKED \"(hidden)\""), "{lines}");
        let capture = String::from_utf8_lossy(&fs::read(&pcap).unwrap()).into_owned();
        for written in [&lines, &folder.read("record"), &capture] {
            for secret in ["s3cret", "czNjcmV0", "M2NyZX", "zM2NyZX"] {
                assert!(!written.contains(secret), "{written}");
            }
        }
        // What was not hidden then.
        let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Login")]);
        let answer =
            [("_error", &b"1"[..]), ("_error_code", b"LOCKED"), ("_error_description", described)];
        let boxes = [("client", "call", call), ("server", "error", support::ampbox(&answer))];
        let plain = support::record(&folder, &boxes);
        for options in [&["--json"][..], &[]] {
            let (out, ..) = keeps_quiet(&[&["decode", &plain][..], hide, options].concat(), b"");
            assert!(out.contains("(hidden)"), "{out}");
        }
        let other =
            vec![("_error_code", b"OTHER".to_vec()), ("_error_description", described.to_vec())];
        let other = Scripted::start(&folder, "other", vec![other]);
        let (out, _, code) =
            keeps_quiet(&[&["replay", &plain, &other.address][..], hide].concat(), b"");
        assert!(
            out.contains("expected the error LOCKED \"(hidden)\", but the error OTHER"),
            "{out}"
        );
        assert_eq!(code, Some(1));
        fs::remove_file(folder.path("other")).unwrap();
    }
    // What the record hides is not compared, and is not said either.
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Login")]);
    let answer =
        [("_error", &b"1"[..]), ("_error_code", b"LOCKED"), ("_error_description", b"(hidden)")];
    let boxes = [("client", "call", call), ("server", "error", support::ampbox(&answer))];
    let hidden = fs::read_to_string(support::record(&folder, &boxes)).unwrap();
    let hidden = hidden.replace("\"error\",", "\"error\", \"hidden\": [\"_error_description\"],");
    let record = folder.file("record", &hidden);
    assert_eq!(printed(&["replay", &record, &server.address]), "0 of 1 calls differ");
}

/// What follows bytes that are no box is not read, and may have in it what is hidden.
#[test]
fn a_capture_has_nothing_that_was_not_read() {
    let folder = Folder::new();
    let schema = folder.file("schema", LOGIN);
    let listener = UnixListener::bind(folder.path("server")).unwrap();
    // A key of 256 bytes, and then what the client has sent.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(&[1, 0]).unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).unwrap();
            stream.write_all(&received).unwrap();
        }
    });
    let server = format!("unix:{}", folder.path("server"));
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Login"), ("token", b"s3cret")]);
    for (hide, is_written) in
        [(&["--hide", "token"][..], false), (&["--schema", &schema], false), (&[], true)]
    {
        let listen = format!("unix:{}", folder.path("tap"));
        let pcap = folder.path("pcap");
        let mut tap = Tap::start(&listen, &server, &[&["--pcap", &pcap][..], hide].concat());
        let mut stream = UnixStream::connect(folder.path("tap")).unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
        tap.until("passed on unread");
        stream.write_all(&call).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received, call);
        tap.lines();
        let capture = fs::read(&pcap).unwrap();
        let has_it = capture.windows(6).any(|bytes| bytes == b"s3cret");
        assert_eq!(has_it, is_written, "{hide:?}");
        assert!(capture.len() > 2 * call.len());
    }
}

/// What comes with the bytes that end the boxes is in the capture, and so is what the other side has begun.
#[test]
fn what_comes_with_the_end_of_the_boxes_is_in_the_capture() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("server")).unwrap();
    let server = format!("unix:{}", folder.path("server"));
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Leave")]);
    for (hide, is_written) in [(&["--hide", "token"][..], false), (&[], true)] {
        let listen = format!("unix:{}", folder.path("tap"));
        let pcap = folder.path("pcap");
        let mut tap = Tap::start(&listen, &server, &[&["--pcap", &pcap][..], hide].concat());
        let mut client = UnixStream::connect(folder.path("tap")).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"\0\x07unfinished").unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
        client.write_all(&[&call[..], b"\x01\0beside the end"].concat()).unwrap();
        tap.until("passed on unread");
        client.write_all(b"behind it").unwrap();
        server.read_exact(&mut vec![0; call.len() + 25]).unwrap();
        drop((client, server));
        tap.lines();
        let capture = fs::read(&pcap).unwrap();
        for said in ["unfinished", "beside the end", "behind it"] {
            let has_it = capture.windows(said.len()).any(|bytes| bytes == said.as_bytes());
            assert_eq!(has_it, is_written, "{said} {hide:?}");
        }
    }
}

/// In boxes inside of others, in items of streams, which no schema tells of, and in JSON.
#[test]
fn what_a_schema_calls_secret_is_hidden_inside_too() {
    let folder = Folder::new();
    let schema = "#! secret token\ncommand A\n  arguments\n    j: Json optional\n    one: Box\n      token: \
                  String\n    users: AmpList\n      name: String\n      token: String\n  response\n    \
                  one: Box\n      token: String\n";
    let schema = folder.file("schema", schema);
    let inner = support::ampbox(&[("token", b"s3cret")]);
    let items = [&u16::try_from(inner.len()).unwrap().to_be_bytes()[..], &inner].concat();
    let answer = vec![("one", inner.clone())];
    let server = Scripted::start(&folder, "socket", vec![answer]);
    let (one, users) =
        (r#""one": {"token": "s3cret"}"#, r#""users": [{"name": "a", "token": "s3cret"}]"#);
    let plain = format!("{{{one}, {users}}}");
    let with_json = format!(r#"{{{one}, {users}, "j": [{{"token": "s3cret"}}]}}"#);
    for output in ["json", "raw", "table"] {
        // What is logged of a box is not looked into where it is JSON.
        for (json, options) in [(&with_json, &[][..]), (&plain, &["--verbose"])] {
            let call = ["call", &server.address, "A", "--json", json, "--schema", &schema];
            let call = [&call[..], &["--output", output], options].concat();
            let (out, _, code) = keeps_quiet(&call, b"");
            assert!(out.contains("(hidden)") && code == Some(0), "{out}");
        }
    }
    let call = support::ampbox(&[
        ("_ask", b"1"),
        ("_command", b"A"),
        ("one", &inner),
        ("j", b"{\"token\": \"s3cret\"}"),
    ]);
    let of_stream = support::ampbox(&[
        ("_ask", b"2"),
        ("_command", b"_StreamItems"),
        ("stream", b"0"),
        ("items", &items),
    ]);
    let record =
        support::record(&folder, &[("client", "call", call), ("client", "call", of_stream)]);
    for options in [&["--json"][..], &[]] {
        let decode = [&["decode", &record, "--schema", &schema][..], options].concat();
        let (out, ..) = keeps_quiet(&decode, b"");
        assert!(out.matches("(hidden)").count() >= 2, "{out}");
    }
    let described = printed(&["describe", "A", "--schema", &schema]);
    assert_eq!(described.matches("secret").count(), 3, "{described}");
}
