//! `ampctl serve`, as a user runs it, called by the program itself and by Twisted.

mod support;

use amp_tests::{DEADLINE, Process, Python};
use command_fds::{CommandFdExt, FdMapping};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{Certificates, Folder, Server, TWISTED, ampctl, fails, printed, text};

const RULES: &str = r#"
[[rule]]
command = "Divide"
when = { denominator = 0 }
error = "ZERO_DIVISION"
description = "division by zero"

[[rule]]
command = "Divide"
when = { numerator = 1, denominator = 4 }
answer = { result = 0.25 }
delay = "1ms"

[[rule]]
command = "Divide"
answers = [{ result = 1.0 }, { result = inf }]

[[rule]]
command = "CountNotes"
close = true

[[rule]]
command = "OpenTemporary"
answer = { file = { file = "FILE" } }
"#;

#[test]
fn calls_are_answered_by_rules() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let file = folder.file("content", "of a file");
    let rules = folder.file("rules.toml", &RULES.replace("FILE", &file));
    let socket = format!("unix:{}", folder.path("socket"));
    let mut server = Server::start(&socket, &["--rules", &rules, "--schema", &schema]);
    assert_eq!(server.address, socket);
    let divide = |numerator: &str, denominator: &str| {
        let (numerator, denominator) =
            (format!("numerator={numerator}"), format!("denominator={denominator}"));
        ampctl(&["call", &socket, "Divide", &numerator, &denominator, "--schema", &schema], b"")
    };
    let zero = divide("1", "0");
    assert_eq!(zero.status.code(), Some(1));
    let expected = r#"{"description":"division by zero","error":"ZERO_DIVISION"}"#;
    assert_eq!(text(zero.stderr).trim_end(), expected);
    let line = r#"{"command": "Divide", "requires_answer": true, "arguments": {"denominator": 0, "numerator": 1}}"#;
    assert_eq!(server.line(), line);
    for (numbers, result) in
        [(("1", "4"), "0.25"), (("7", "8"), "1.0"), (("7", "8"), "\"inf\""), (("7", "8"), "1.0")]
    {
        let output = divide(numbers.0, numbers.1);
        assert_eq!(text(output.stdout).trim_end(), format!("{{\"result\": {result}}}"));
    }
    let copy = format!("file={}", folder.path("copy"));
    let open = ["call", &socket, "OpenTemporary", "content=", "--schema", &schema, "--fd", &copy];
    for _ in 0..2 {
        assert!(printed(&open).contains("\"is\":\"file\""));
        assert_eq!(folder.read("copy"), "of a file");
    }
    fails(&["call", &socket, "CountNotes", "--schema", &schema], 6);
    fails(&["call", &socket, "Sum", "a=1", "b=2", "--schema", &schema], 5);
    assert_eq!(server.stop(), (Some(0), String::new()));
    assert!(!fs::exists(folder.path("socket")).unwrap());
}

#[test]
fn rules_are_used_up_and_missed() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rules = "[[rule]]\ncommand = \"Sum\"\nanswer = { total = 1 }\ntimes = 2\n";
    let rules = folder.file("rules.toml", rules);
    let served = |calls: usize| {
        let server = Server::start("tcp:127.0.0.1:0", &["--rules", &rules, "--schema", &schema]);
        for _ in 0..calls {
            let sum = ["call", &server.address, "Sum", "a=1", "b=2", "--schema", &schema];
            assert_eq!(printed(&sum), "{\"total\": 1}");
        }
        if calls == 2 {
            fails(&["call", &server.address, "Sum", "a=1", "b=2", "--schema", &schema], 5);
        }
        server.stop()
    };
    assert_eq!(served(2), (Some(0), String::new()));
    assert_eq!(served(1), (Some(1), format!("ampctl: {rules}:1: Sum: used 1 of 2 times\n")));
}

#[test]
fn rules_are_read_again_when_they_change() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rule =
        |total: &str| format!("[[rule]]\ncommand = \"Sum\"\nanswer = {{ total = {total} }}\n");
    let rules = folder.file("rules.toml", &rule("1"));
    let server = Server::start("tcp:127.0.0.1:0", &["--rules", &rules, "--schema", &schema]);
    let sum = ["call", &server.address, "Sum", "a=1", "b=2", "--schema", &schema];
    assert_eq!(printed(&sum), "{\"total\": 1}");
    folder.file("rules.toml", &rule("22"));
    assert_eq!(printed(&sum), "{\"total\": 22}");
    folder.file("rules.toml", &rule("true"));
    assert_eq!(printed(&sum), "{\"total\": 22}");
    let expected = format!(
        "ampctl: the rules stay as they were: {rules}:1: Sum.answer.total: true is no Integer\n"
    );
    assert_eq!(server.stop(), (Some(0), expected));
}

#[test]
fn programs_answer_too() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let program = "exec = '''sh -c \"cat > CALL; echo '{\\\"answer\\\": {\\\"total\\\": 5}}'\"'''";
    let program = program.replace("CALL", &folder.path("call"));
    let rules = folder.file("rules.toml", &format!("[[rule]]\ncommand = \"Sum\"\n{program}\n"));
    let fails_all = "sh -c 'echo {\\\"error\\\": \\\"ZERO_DIVISION\\\"}'";
    let server = Server::start(
        "tcp:127.0.0.1:0",
        &["--rules", &rules, "--schema", &schema, "--exec", fails_all],
    );
    let with = ["--schema", &schema];
    let sum = [&["call", &server.address, "Sum", "a=1", "b=2"][..], &with].concat();
    assert_eq!(printed(&sum), "{\"total\": 5}");
    assert_eq!(
        folder.read("call"),
        "{\"command\": \"Sum\", \"arguments\": {\"a\": 1, \"b\": 2}}\n"
    );
    let divide = ["call", &server.address, "Divide", "numerator=1", "denominator=2"];
    assert_eq!(
        fails(&[&divide[..], &with].concat(), 1),
        r#"{"description":"","error":"ZERO_DIVISION"}"#
    );
    server.stop();

    for (program, said) in [
        ("sh -c 'echo nonsense'", "sh has printed: expected"),
        ("sh -c 'echo {}'", "sh has printed: it is {\"answer\": {..}} or"),
        ("false", "false: exit status: 1"),
    ] {
        let server = Server::start("tcp:127.0.0.1:0", &["--exec", program, "--schema", &schema]);
        fails(&[&["call", &server.address, "Sum", "a=1", "b=2"][..], &with].concat(), 4);
        let (code, told) = server.stop();
        assert_eq!(code, Some(0));
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn a_program_that_is_not_there_is_found_at_the_start_or_when_it_is_to_answer() {
    let folder = Folder::new();
    let program = folder.file("program", "#!/bin/sh\n");
    let serve = ["serve", "tcp:127.0.0.1:0", "--exec", &program];
    let no_such = format!("ampctl: --exec: there is no such program: {program:?}");
    assert_eq!(fails(&serve, 2), no_such, "nobody may run it");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start("tcp:127.0.0.1:0", &serve[2..]);
    fs::remove_file(&program).unwrap();
    fails(&["call", &server.address, "Sum", "a=1"], 4);
    let (code, told) = server.stop();
    assert_eq!(code, Some(0));
    assert!(told.contains(&format!("{program}: No such file")), "{told}");
    assert_eq!(fails(&serve, 2), no_such);
}

/// The system then looks where it always has some.
#[test]
fn a_program_is_found_without_a_path() {
    let serve = |program| {
        let mut ampctl = Command::new(env!("CARGO_BIN_EXE_ampctl"));
        ampctl.env_remove("PATH").args(["serve", "stdio:", "--exec", program]);
        let ended = ampctl.stdin(Stdio::piped()).output().unwrap();
        (ended.status.code(), text(ended.stderr))
    };
    assert_eq!(serve("cat"), (Some(0), "listening stdio:\n".to_owned()));
    let (code, told) = serve("no-such-program-anywhere");
    assert_eq!(code, Some(2), "{told}");
}

#[test]
fn callers_are_called_back_first() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rules = "[[rule]]\ncommand = \"CallBack\"\nanswer = { total = 3 }\n\
                 call = [{ command = \"Sum\", arguments = { a = 1, b = 2 } }]\n";
    let rules = folder.file("rules.toml", rules);
    let mine = folder.file("mine.toml", "[[rule]]\ncommand = \"Sum\"\nanswer = { total = 3 }\n");
    let server = Server::start("tcp:127.0.0.1:0", &["--rules", &rules, "--schema", &schema]);
    let call = ["call", &server.address, "CallBack", "a=1", "b=2", "--schema", &schema];
    let answers = [&call[..], &["--respond", &mine, "--verbose"]].concat();
    let output = ampctl(&answers, b"");
    assert_eq!(text(output.stdout), "{\"total\": 3}\n");
    let told = text(output.stderr);
    assert!(told.contains("received call 1 Sum a=\"1\" b=\"2\""), "{told}");
    assert!(told.contains("sent answer 1 total=\"3\""), "{told}");
    let output = ampctl(&call, b"");
    assert_eq!(text(output.stderr), "ampctl: the peer calls \"Sum\", which is not handled\n");
    let (_, told) = server.stop();
    assert!(told.contains("a call of \"Sum\": ") && told.contains("UNHANDLED"), "{told}");
}

#[test]
fn a_switch_leads_to_a_program() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rules = "[[rule]]\ncommand = \"SwitchToEcho\"\nwhen = { refuse = true }\n\
                 error = \"FRIENDLY\"\n\n[[rule]]\ncommand = \"SwitchToEcho\"\n\
                 exec = \"tr a-z A-Z\"\n";
    let rules = folder.file("rules.toml", rules);
    let server = Server::start("tcp:127.0.0.1:0", &["--rules", &rules, "--schema", &schema]);
    let call = |refuse: &str| {
        let refuse = format!("refuse={refuse}");
        let arguments = ["call", &server.address, "SwitchToEcho", &refuse, "--schema", &schema];
        ampctl(&arguments, b"another protocol")
    };
    let output = call("false");
    assert_eq!((output.status.code(), &*text(output.stdout)), (Some(0), "ANOTHER PROTOCOL"));
    assert_eq!(call("true").status.code(), Some(1));
    server.stop();
}

#[test]
fn tls_is_served_from_the_start_and_under_way_and_on_routes() {
    let certificates = Certificates::new();
    let Certificates { folder, authority, server: own, client } = &certificates;
    let rules = folder.file("rules.toml", "[[rule]]\ncommand = \"A\"\nanswer = { b = \"c\" }\n");
    let answer = "{\"b\": \"c\"}";
    let trusts = ["--ca", authority, "--server-name", "localhost"];
    let call = |server: &Server, options: &[&str]| {
        printed(&[&["call", &server.address, "A"], options].concat())
    };

    let server = Server::start("tls:127.0.0.1:0", &["--rules", &rules, "--cert", own]);
    assert!(server.address.starts_with("tls:"), "{}", server.address);
    assert_eq!(call(&server, &trusts), answer);
    server.stop();

    // It wants to see a certificate.
    let options = ["--rules", &rules, "--cert", own, "--ca", authority];
    let server = Server::start("tls:127.0.0.1:0", &options);
    assert_eq!(call(&server, &[&trusts[..], &["--cert", client]].concat()), answer);
    let unseen = [&["call", &server.address, "A"][..], &trusts].concat();
    assert!(fails(&unseen, 3).contains("alert"));
    server.stop();

    let server =
        Server::start("tcp:127.0.0.1:0", &["--rules", &rules, "--cert", own, "--start-tls"]);
    assert_eq!(call(&server, &[&["--start-tls"], &trusts[..]].concat()), answer);
    server.stop();

    // Nobody has shown a certificate in clear text.
    let mut server = Server::start("tcp:127.0.0.1:0", &[&options[..], &["--start-tls"]].concat());
    let said = fails(&["call", &server.address, "A"], 5);
    assert!(said.contains("UNHANDLED"), "{said}");
    let shows = [&["--start-tls"], &trusts[..], &["--cert", client]].concat();
    assert_eq!(call(&server, &[&shows[..], &["c=d"]].concat()), answer);
    let line = r#"{"command": "A", "requires_answer": true, "arguments": {"c": "d"}}"#;
    assert_eq!(server.line(), line, "the call in clear text is none of the rules'");
    server.stop();

    let socket = format!("unix:{}", folder.path("socket"));
    let server = Server::start(&socket, &["--rules", &rules, "--route", "queue"]);
    assert_eq!(call(&server, &["--route", "queue"]), answer);
    server.stop();
}

#[test]
fn a_child_serves_one_peer_on_its_standard_input_and_output() {
    let folder = Folder::new();
    let rules = folder.file("rules.toml", "[[rule]]\ncommand = \"A\"\nanswer = { b = \"c\" }\n");
    let program = env!("CARGO_BIN_EXE_ampctl");
    let child = format!("exec:'{program}' serve stdio: --rules '{rules}'");
    let output = ampctl(&["call", &child, "A"], b"");
    assert_eq!(text(output.stdout), "{\"b\": \"c\"}\n");
    assert!(text(output.stderr).starts_with("listening stdio:\n"));
}

#[test]
fn a_program_may_print_before_it_has_read_all() {
    let folder = Folder::new();
    let schema = "command A\n  arguments\n    t: Zlib(Unicode)\n  response\n    t: Zlib(Unicode)\n";
    let schema = folder.file("schema", schema);
    // More than both pipes take.
    let long = folder.file("long", &"x".repeat(300_000));
    let program = "sed 's/.*\"arguments\"/{\"answer\"/'";
    let server = Server::start("tcp:127.0.0.1:0", &["--exec", program, "--schema", &schema]);
    let word = format!("t@={long}");
    let call = ["call", &server.address, "A", &word, "--schema", &schema, "--output", "value:t"];
    assert_eq!(printed(&call).len(), 300_000);
    server.stop();
}

#[test]
fn rules_do_not_wait_for_descriptors_that_never_fit() {
    let folder = Folder::new();
    let schema = folder.file("schema", "command A\n  arguments\n    fs: ListOf(Descriptor)\n");
    let file = folder.file("file", "");
    let rules = format!(
        "[[rule]]\ncommand = \"A\"\nwhen = {{ fs = [{{ file = \"{file}\" }}] }}\nanswer = {{}}\n"
    );
    let rules = folder.file("rules.toml", &rules);
    let said = fails(&["serve", "stdio:", "--rules", &rules, "--schema", &schema], 2);
    assert_eq!(
        said,
        format!(
            "ampctl: {rules}:1: A.when.fs: a Descriptor is another one each time, and fits no rule"
        )
    );
    let rules = "[[rule]]\ncommand = \"A\"\nanswer = {}\ncall = [{ command = \"A\", arguments = { fs = [{ file = \"/nowhere\" }] } }]\n";
    let rules = folder.file("rules.toml", rules);
    let said = fails(&["serve", "stdio:", "--rules", &rules, "--schema", &schema], 2);
    assert!(
        said.ends_with(
            "A.call[0].A.fs[0]: cannot open /nowhere: No such file or directory (os error 2)"
        ),
        "{said}"
    );
}

#[test]
fn systemd_passes_the_socket_that_is_listened_on() {
    let folder = Folder::new();
    let rules = folder.file("rules.toml", "[[rule]]\ncommand = \"A\"\nanswer = { b = \"c\" }\n");
    let unix = std::os::unix::net::UnixListener::bind(folder.path("socket")).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap();
    for (socket, address) in [
        (OwnedFd::from(unix), format!("unix:{}", folder.path("socket"))),
        (OwnedFd::from(tcp), format!("tcp:{port}")),
    ] {
        let mut command = Command::new("sh");
        // The process that it is for is the one that the shell becomes.
        command.args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"]);
        command.args([env!("CARGO_BIN_EXE_ampctl"), "serve", "systemd:", "--rules", &rules]);
        command.fd_mappings(vec![FdMapping { parent_fd: socket, child_fd: 3 }]).unwrap();
        let mut process = Process::start(command);
        assert_eq!(process.line(Instant::now() + DEADLINE).as_deref(), Some("listening systemd:"));
        assert_eq!(printed(&["call", &address, "A"]), "{\"b\": \"c\"}");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.finish(Instant::now() + DEADLINE).code, Some(0));
    }
    let said = fails(&["serve", "systemd:", "--rules", &rules], 3);
    assert!(said.starts_with("ampctl: cannot listen on systemd:: "), "{said}");
    let said = fails(&["call", "systemd:", "A"], 2);
    assert_eq!(said, "ampctl: systemd:: it is an address to listen on");
}

#[test]
fn twisted_calls_a_test_double() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rules = "[[rule]]\ncommand = \"Sum\"\nanswer = { total = 94 }\n\n[[rule]]\n\
                 command = \"Divide\"\nerror = \"ZERO_DIVISION\"\n\
                 description = \"division by zero\"\n";
    let rules = folder.file("rules.toml", rules);
    let mut server = Server::start("tcp:127.0.0.1:0", &["--rules", &rules, "--schema", &schema]);
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let output = python.program("sums_client.py").arg(&server.address).output().unwrap();
    assert_eq!(
        text(output.stdout),
        "94\nimpossible: division by zero\n",
        "{}",
        text(output.stderr)
    );
    let mut lines = [server.line(), server.line()];
    lines.sort();
    assert!(lines[1].starts_with("{\"command\": \"Sum\""), "{lines:?}");
    server.stop();
}

#[test]
fn mistakes_in_rules_are_said_before_anything_listens() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rule = |rest: &str| format!("[[rule]]\ncommand = \"Sum\"\n{rest}\n");
    for (rules, said) in [
        ("[[rule]]\nanswer = {}\n".to_owned(), "1:1: missing field `command`"),
        ("[[rule]\n".to_owned(), "1:8: "),
        ("[[rules]]\n".to_owned(), "1:3: unknown field `rules`, expected `rule`"),
        (rule("answr = {}"), "3:1: unknown field `answr`, expected one of"),
        (rule(""), "1: Sum: a rule has one of answer, answers, error, close and exec"),
        (rule("answer = { total = 1 }\nclose = true"), "1: Sum: a rule has one of"),
        (rule("answer = { total = 'x' }"), "1: Sum.answer.total: 'x' is no Integer"),
        (rule("answer = { totl = 1 }"), "1: Sum.answer.totl: there is no such argument"),
        (rule("answer = {}"), "1: Sum.answer.total: missing"),
        (rule("answers = [{ total = 1 }, {}]"), "1: Sum.answers[1].total: missing"),
        (rule("answers = []"), "1: Sum: answers: there is none"),
        (rule("when = { a = 'x' }\nclose = true"), "1: Sum.when.a: 'x' is no Integer"),
        (
            rule("close = true\ndelay = 'soon'"),
            "1: Sum.delay: a time is a number and ms, s, m or h",
        ),
        (rule("error = 'WORN'"), "1: Sum.error: there is no error \"WORN\""),
        (rule("close = true\ndescription = 'x'"), "1: Sum: description: it is of an error"),
        (rule("exec = ''"), "1: Sum.exec: it is a program"),
        (rule("exec = 'no-such x'"), "1: Sum.exec: there is no such program: \"no-such\""),
        (rule("exec = '/etc/passwd x'"), "1: Sum.exec: there is no such program: \"/etc/passwd\""),
        (
            rule("close = true\ncall = [{ command = 'Su' }]"),
            "1: Sum.call[0]: there is no command \"Su\"; did you mean \"Sum\"?",
        ),
        (
            "[[rule]]\ncommand = 'OpenTemporary'\nanswer = { file = 'x' }\n".to_owned(),
            "1: OpenTemporary.answer.file: a Descriptor is {\"file\": PATH}",
        ),
        (
            "\n[[rule]]\ncommand = \"Smu\"\nclose = true\n".to_owned(),
            "2: Smu: there is no command \"Smu\"; did you mean \"Sum\"?",
        ),
        (
            "[[rule]]\ncommand = 'SwitchToEcho'\nanswer = {}\n".to_owned(),
            "1: SwitchToEcho: a protocol switch has one of exec, error and close",
        ),
    ] {
        let path = folder.file("rules.toml", &rules);
        let message = fails(&["serve", "stdio:", "--rules", &path, "--schema", &schema], 2);
        let message = message.strip_prefix(&format!("ampctl: {path}:")).expect(&message);
        assert!(message.starts_with(said), "{rules}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let message = fails(&["serve", "stdio:", "--rules", "/nowhere"], 2);
    assert!(message.starts_with("ampctl: cannot read the rules /nowhere: No such"), "{message}");
    fails(&["serve", "unix:/nowhere/socket", "--exec", "true"], 3);
    let message = fails(&["serve", "tls:127.0.0.1:0", "--exec", "true"], 2);
    assert!(message.starts_with("ampctl: --cert is missing"), "{message}");
}

#[test]
fn it_can_be_stopped_as_soon_as_it_listens() {
    let folder = Folder::new();
    let rules = "[[rule]]\ncommand = \"A\"\nanswer = {}\ntimes = 2\n";
    let rules = folder.file("rules.toml", rules);
    // The line that says where it listens waits in here for somebody to read.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let flags = |flag| fcntl(&writer, FcntlArg::F_SETFL(flag)).unwrap();
    flags(OFlag::O_NONBLOCK);
    while (&writer).write(&[b'x'; 4096]).is_ok() {}
    flags(OFlag::empty());
    let _ = writer.flush();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["serve", &format!("unix:{}", folder.path("socket")), "--rules", &rules])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + DEADLINE;
    while UnixStream::connect(folder.path("socket")).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        std::thread::yield_now();
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let expected = format!("ampctl: {rules}:1: A: used 0 of 2 times\n");
    assert_eq!((child.wait().unwrap().code(), said), (Some(1), expected));
}

#[test]
fn a_switch_is_over_with_its_program() {
    let folder = Folder::new();
    let schema = folder.file("schema", "command Switch switch\n");
    let number = folder.path("number");
    let script = folder.file("script", &format!("echo $$ > '{number}'\necho done\n"));
    let rules = format!("[[rule]]\ncommand = \"Switch\"\nexec = \"sh {script}\"\n");
    let rules = folder.file("rules.toml", &rules);
    let program = env!("CARGO_BIN_EXE_ampctl");
    let peer = format!("exec:'{program}' serve stdio: --rules '{rules}' --schema '{schema}'");
    // Standard input stays open: whoever calls has more to say.
    let mut child = Command::new(program)
        .args(["call", &peer, "Switch", "--schema", &schema])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert_eq!((&*shown, child.wait().unwrap().code()), ("done\n", Some(0)));
    drop(input);
    assert!(!std::path::Path::new(&format!("/proc/{}", folder.read("number").trim())).exists());
}

#[test]
fn a_program_of_a_rule_is_ended_with_whoever_asked() {
    let folder = Folder::new();
    let number = folder.path("number");
    let script = folder.file("script", &format!("echo $$ > '{number}'\nexec sleep 1000\n"));
    let rules = format!("[[rule]]\ncommand = \"A\"\nexec = \"sh {script}\"\n");
    let rules = folder.file("rules.toml", &rules);
    let address = format!("unix:{}", folder.path("socket"));
    let server = Server::start(&address, &["--rules", &rules]);
    let call = ["call", &address, "A", "--timeout", "500ms"];
    assert_eq!(ampctl(&call, b"").status.code(), Some(124));
    let deadline = std::time::Instant::now() + amp_tests::DEADLINE / 4;
    let process = format!("/proc/{}", folder.read("number").trim());
    while std::path::Path::new(&process).exists() {
        assert!(std::time::Instant::now() < deadline, "{process} is still there");
        std::thread::yield_now();
    }
    server.stop();
}

#[test]
fn one_client_leaves_programs_to_others() {
    let folder = Folder::new();
    let begun = folder.path("begun");
    let hold = folder.file("hold", &format!("echo >> '{begun}'\nexec sleep 1000\n"));
    let answer = folder.file("answer", "echo '{\"answer\": {}}'\n");
    let rule = |name, script| format!("[[rule]]\ncommand = \"{name}\"\nexec = \"sh {script}\"\n");
    let rules = rule("Hold", hold) + &rule("A", answer);
    let rules = folder.file("rules.toml", &rules);
    let socket = folder.path("socket");
    let address = format!("unix:{socket}");
    let mut server = Server::start(&address, &["--rules", &rules]);
    let mut greedy =
        amp_tests::RawClient::connect(&amp_tests::Address::Unix((&*socket).into())).unwrap();
    for tag in 0..100 {
        let call = [("_ask", tag.to_string()), ("_command", "Hold".to_owned())];
        greedy.send(&amp_core::AmpBox::from_pairs(call).unwrap().to_bytes()).unwrap();
        // It is told of before it is answered.
        server.line();
    }
    let deadline = Instant::now() + DEADLINE / 4;
    while fs::read_to_string(&begun).unwrap_or_default().len() < 8 {
        assert!(Instant::now() < deadline, "they do not begin");
        std::thread::yield_now();
    }
    let output = ampctl(&["call", &address, "A", "--timeout", "15s"], b"");
    // It ends those that still run.
    server.stop();
    assert_eq!(output.status.code(), Some(0), "{}", text(output.stderr));
}
