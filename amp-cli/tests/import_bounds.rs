//! What `ampctl import python` executes of the user's code, within which bounds, and what it says of the rest.

#[path = "support/module.rs"]
mod module;

use module::{Module, python_of, text};
use std::fs;
use std::io::Read;
use std::net::TcpListener;

#[test]
fn what_is_done_is_not_lost_to_a_thread_that_goes_on() {
    let body = python_of(
        "import threading\n\
         def go_on():\n    threading.Thread(target=threading.Event().wait).start()\n    return []\n\
         class A(amp.Command):\n    arguments = go_on()\n",
    );
    assert_eq!(Module::new(&[("t.py", &body)]).schema("t"), "command A\n");
}

#[test]
fn programs_that_it_has_started_end_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = python_of(&format!(
        "import subprocess, sys\n\
         PROGRAM = '''\nimport socket, time\n\
         peer = socket.create_connection((\"127.0.0.1\", {port}))\n\
         print(\"connected\", flush=True)\ntime.sleep(1000)\n'''\n\
         def go_on():\n    \
             started = subprocess.Popen([sys.executable, '-c', PROGRAM], stdout=subprocess.PIPE)\n    \
             started.stdout.readline()\n    return []\n\
         class A(amp.Command):\n    arguments = go_on()\n"
    ));
    assert_eq!(Module::new(&[("p.py", &body)]).schema("p"), "command A\n");
    let (mut peer, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    // Where it goes on, this waits.
    peer.read_to_end(&mut bytes).unwrap();
    assert!(bytes.is_empty());
}

#[test]
fn memory_has_a_bound_that_is_said() {
    let body = python_of(
        "BIG = bytearray(3 << 30)\n\
         class A(amp.Command):\n    arguments = [] if BIG else [(b'x', amp.Integer())]\n",
    );
    let said = Module::new(&[("m.py", &body)]).in_doubt("m");
    let expected = "ampctl: m.py:2: left out: MemoryError: there are 2 GiB of memory for it\n";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn whoever_ends_the_interpreter_is_named() {
    let body = python_of(
        "import os\nclass A(amp.Command):\n    print('bye')\n    arguments = os.abort()\n",
    );
    let output = Module::new(&[("e.py", &body)]).import(&["e"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains(" did not say anything: signal: 6 (SIGABRT)"), "{said}");
    assert!(said.contains(": it was executing what the commands need, e.py:3: "), "{said}");
}

/// A folder in which nothing is made, by code that would.
fn leaves_nothing(body: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("executed");
    let shown = file.to_str().unwrap();
    let body = python_of(&format!(
        "import os, sys, time\nFILE = {shown:?}\n\
         def made(*_):\n    open(FILE, 'w')\n    return object\n\
         {body}\n\
         class Ping(amp.Command):\n    arguments = [(b'a', amp.Integer())]\n"
    ));
    let output = Module::new(&[("m.py", &body)]).import(&["m"]);
    let said = text(&output.stderr).to_owned();
    assert!(
        text(&output.stdout).ends_with("command Ping\n  arguments\n    a: Integer\n"),
        "{said}"
    );
    assert!(!file.exists(), "{body:?}");
    said
}

/// Whether a class is a command, and what a branch depends on, is found by reading.
#[test]
fn nothing_is_executed_to_find_the_commands() {
    for body in [
        "class Server(made()): pass",
        "class Model(made().Model, metaclass=made()): pass",
        "class Odd(made() if made() else object): pass",
        "def base():\n    while True: time.sleep(1)\nclass Server(base()): pass",
        "db = made('prod')\napp = make_app(db)\nclass User(db.Model): pass",
        "db = made('prod')\n__all__ = ['db', 'Ping']",
        "db = made('prod')\nif __name__ == '__main__':\n    serve(db, Ping)",
        "try:\n    import nothere\n    db = made()\nexcept ImportError:\n    db = made()",
    ] {
        assert_eq!(leaves_nothing(body), "", "{body}");
    }
    for test in [
        "getattr(os, 'system')('touch ' + FILE) == 0",
        "sys.modules['os'].system('touch ' + FILE)",
        "made()",
        "len([made()])",
        "str(made())",
        "settings.DEBUG",
    ] {
        let said = leaves_nothing(&format!(
            "settings = made('prod')\nif {test}:\n    class Other(amp.Command): pass"
        ));
        assert!(
            said.starts_with("ampctl: m.py:8: which of its branches runs is not known\n"),
            "{test}: {said}"
        );
    }
}

/// Hooks of arguments are called, and what they import is sliced as all else.
#[test]
fn imports_inside_of_functions_execute_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("executed");
    let shown = file.to_str().unwrap();
    let body = python_of(
        "class Own(amp.Argument):\n    \
             def toString(self, value):\n        from lib.inner import packed\n        return packed(value)\n    \
             def fromString(self, data):\n        import lib.inner\n        return lib.inner.unpacked(data)\n\
         class A(amp.Command):\n    arguments = [(b'x', Own())]\n",
    );
    let inner = format!(
        "open({shown:?}, 'w')\ndef packed(value): return value.encode()\ndef unpacked(data): return data.decode()\n"
    );
    // A folder is a package without a file of its own.
    let module = Module::new(&[("m.py", &body), ("lib/inner.py", inner.as_bytes())]);
    let output = module.import(&["m"]);
    assert!(text(&output.stdout).contains("    x: Unicode\n"), "{}", text(&output.stderr));
    assert!(!file.exists());
}

/// Each is of a statement that is not executed.
#[test]
fn what_may_change_a_command_unseen_is_said() {
    let class = "class A(amp.Command):\n    arguments = []\n";
    let other = python_of(
        "class Shared(amp.Command): pass\nERRORS = {KeyError: b'K'}\n\
         def patch(): ERRORS.clear()\n\
         def simple(name): return type(name, (amp.Command,), {})\n",
    );
    for (statement, what) in [
        ("for c in [A]: c.requiresAnswer = False", "may change a command"),
        ("setattr(A, 'requiresAnswer', False)", "may change a command"),
        (
            "def extend(): A.arguments.append((b'x', amp.Integer()))\nextend()",
            "may change a command",
        ),
        ("def f(): extend()\ndef extend(): A.requiresAnswer = False\nf()", "may change a command"),
        ("add(A.arguments)", "may change a command"),
        ("del A", "may change a command"),
        ("def extend(): A.arguments.append(1)\nf = extend", "may change a command"),
        ("def extend(): A.arguments.append(1)\nrun(extend)", "may change a command"),
        ("def extend(): A.arguments.append(1)\n@extend\ndef f(): pass", "may change a command"),
        ("def extend(): A.arguments.append(1)\n@extend\nclass C: pass", "may change a command"),
        ("[c.arguments.append((b'x', amp.Integer())) for c in (A,)]", "may change a command"),
        (
            "ALL = {'a': A}\nfor c in ALL.values():\n    c.arguments.append(1)",
            "may change a command",
        ),
        (
            "class Patch:\n    def apply(self): del A.arguments[:]\nPatch().apply()",
            "may change a command",
        ),
        ("from other import patch\npatch()", "may change a command"),
        ("import other\nother.Shared.requiresAnswer = False", "may change a command"),
        ("import other\nother.ERRORS.update({ValueError: b'V'})", "may change a command"),
        ("from other import ERRORS as E\nE and E.clear()", "may change a command"),
        ("exec(open('more').read())", "may change a command"),
        ("from other import simple\nPing = simple('Ping')", "that a call makes"),
        ("L = [type(n, (amp.Command,), {}) for n in 'xy']", "that a call makes"),
        ("H, I = type('H', (amp.Command,), {}), 1", "that a call makes"),
        ("(G := type('G', (amp.Command,), {}))", "that a call makes"),
    ] {
        let body =
            python_of(&format!("{class}{statement}\n{}", "class B(Base): errors = ERRORS\n"));
        let body = [&b"from other import ERRORS, Shared as Base\n"[..], &body].concat();
        let said = Module::new(&[("m.py", &body), ("other.py", &other)]).in_doubt("m");
        assert!(said.contains("m.py:") && said.contains(what), "{statement}: {said}");
        assert_eq!(said.lines().count(), 1, "{statement}: {said}");
    }
    let body = python_of(&format!("{class}if (lambda: A.arguments.append(1))() is None: pass\n"));
    assert_eq!(
        Module::new(&[("m.py", &body)]).in_doubt("m").matches("may change a command").count(),
        1
    );
    // These are executed.
    let body = python_of(
        "BASES = (amp.Command,)\nclass A(*BASES):\n    arguments = []\n\
         A.requiresAnswer = False\nA.arguments[0:0] = [(b'x', amp.Integer()), (b'y', amp.Integer())]\n\
         del A.arguments[1]\n",
    );
    let schema = Module::new(&[("m.py", &body)]).schema("m");
    assert_eq!(schema, "command A one-way\n  arguments\n    x: Integer\n");
    // What only names them, and what does not run, is no reason to ask.
    let body = python_of(&format!(
        "{class}ALL = [A]\nNAME = A.commandName\n\
         for c in ALL: print(c, len(A.arguments))\n\
         log(NAME)\n\
         class Server(amp.AMP):\n    @A.responder\n    def a(self): return self.callRemote(A)\n\
         def main():\n    A.requiresAnswer = False\n\
         if __name__ == '__main__':\n    A.requiresAnswer = False\n    main()\n"
    ));
    assert_eq!(Module::new(&[("m.py", &body)]).schema("m"), "command A\n");
}

/// Modules that import all of each other, and a name that none of them has.
#[test]
fn circles_of_stars_come_to_an_end() {
    let stars: Vec<_> = (0..9).map(|n| format!("from m{n} import *\n")).collect();
    let stars = stars.concat();
    let body = python_of(&format!(
        "{stars}class A(amp.Command): pass\nclass B(Nowhere):\n    response = []\nclass C(B): pass\n"
    ));
    let names: Vec<_> = (0..9).map(|n| format!("m{n}.py")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), stars.as_bytes())).collect();
    let module = Module::new(&[&files[..], &[("m.py", &body)]].concat());
    assert_eq!(module.schema("m"), "command A\n");
}

/// What one module changes of another is executed where a command needs it.
#[test]
fn what_is_shared_is_changed_where_it_is_imported() {
    let body = python_of(
        "from errors import ERRORS, Gone\nfrom nothere import settings\n\
         ERRORS.update({Gone: b'GONE'})\nERRORS[KeyError] = b'KEY'\n\
         amp.AMP.log = 1 / 0\nsettings['x'] = amp.Command\n\
         class A(amp.Command):\n    errors = ERRORS\n    fatalErrors = settings.ERRORS\n",
    );
    let errors = b"class Gone(Exception): pass\nERRORS = {}\n";
    let module = Module::new(&[("m.py", &body), ("errors.py", errors)]);
    let expected = "command A\n  errors\n    #! exception Gone\n    GONE\n    #! exception KeyError\n    KEY\n";
    assert!(text(&module.import(&["m"]).stdout).ends_with(expected));
    let said = "ampctl: m.py:8: nothere.settings.ERRORS is not found: what is in it is left out\n";
    assert_eq!(module.in_doubt("m"), said);
}

/// Which of two branches runs depends on what is installed, and the other program may have more.
#[test]
fn of_what_is_tried_what_runs_here_counts_and_is_said() {
    let body = python_of(
        "try:\n    import nothere\n    Text = amp.String\nexcept ImportError:\n    Text = amp.Unicode\n\
         class A(amp.Command):\n    arguments = [(b'x', Text())]\n\
         try:\n    from there import missing\nexcept ImportError:\n    pass\n\
         else:\n    class B(amp.Command): pass\n",
    );
    let module = Module::new(&[("t.py", &body), ("there.py", b"found = 1\n")]);
    let said = module.in_doubt("t");
    let expected = "ampctl: t.py:3: nothere is not found, and what Text is depends on it\n\
                    ampctl: t.py:10: there.missing is not found, and what B is depends on it\n";
    assert_eq!(said, expected);
    assert_eq!(text(&module.import(&["t"]).stdout).matches("x: Unicode").count(), 1);

    fs::write(module.0.path().join("nothere.py"), "").unwrap();
    fs::write(module.0.path().join("there.py"), "missing = 1").unwrap();
    assert_eq!(module.schema("t"), "command A\n  arguments\n    x: String\n\ncommand B\n");

    // Python says itself what comes of other exceptions.
    let body = python_of(
        "try:\n    unicode\nexcept NameError:\n    unicode = 'x'\n\
         try:\n    str\nexcept NameError:\n    str = 'y'\n\
         class A(amp.Command):\n    arguments = [(unicode.encode(), amp.Integer()), (str(1).encode(), amp.Integer())]\n",
    );
    let schema = Module::new(&[("n.py", &body)]).schema("n");
    assert_eq!(schema, "command A\n  arguments\n    1: Integer\n    x: Integer\n");
}

#[test]
fn of_branches_the_one_that_runs_counts() {
    let body = python_of(
        "import sys, contextlib\nfrom typing import TYPE_CHECKING\n\
         if sys.version_info < (3,):\n    Text = amp.String\nelse:\n    Text = amp.Unicode\n\
         class A(amp.Command):\n    arguments = [(b'x', Text())]\n\
         if not TYPE_CHECKING:\n    class B(amp.Command): pass\n\
         else:\n    from nowhere import B\n\
         try:\n    import nothere\nexcept ImportError:\n    class C(amp.Command): pass\n\
         with contextlib.suppress(ImportError):\n    class E(amp.Command): pass\n\
         for _ in range(1):\n    class F(amp.Command): pass\n\
         if __name__ == '__main__':\n    class G(amp.Command): pass\n",
    );
    let schema = Module::new(&[("ver.py", &body)]).schema("ver");
    let names = ["B", "C", "E", "F"].map(|name| format!("command {name}\n"));
    let first = "command A\n  arguments\n    x: Unicode\n";
    assert_eq!(schema, format!("{first}\n{}", names.join("\n")));

    let body = python_of(
        "from nothere import settings\n\
         if settings.DEBUG:\n    class A(amp.Command):\n        arguments = [(b'x', amp.Integer())]\n\
         else:\n    class A(amp.Command): pass\n\
         if settings.OTHER:\n    raise SystemExit\n",
    );
    let said = Module::new(&[("set.py", &body)]).in_doubt("set");
    assert_eq!(said, "ampctl: set.py:3: which of its branches runs is not known\n");
}

#[test]
fn nothing_is_executed_that_no_command_needs() {
    let folder = tempfile::tempdir().unwrap();
    let body = python_of(&format!(
        "import os, sys\nfrom twisted.internet import reactor\nfrom nothere import app\n\
         FILE = {:?}\n\
         class Local(amp.Argument):\n    wire_form = 'String'\n    \
             def toString(self, value):\n        sys.exit(os.system(FILE))\n        reactor.run()\n\
         class A(amp.Command):\n    arguments = [(b'x', Local())]\n    errors = {{}}\n\
         A.errors.update()\n\
         open(FILE, 'w')\n\
         os.system('touch ' + FILE)\n\
         made = open(FILE, 'w')\n\
         app.run(open(FILE, 'w'))\n\
         reactor.run()\n\
         while True: pass\n\
         sys.exit(3)\n",
        folder.path().join("executed")
    ));
    let schema = Module::new(&[("server.py", &body)]).schema("server");
    assert_eq!(schema, "command A\n  arguments\n    x: String\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn code_that_does_not_end_or_ends_everything_is_left_out() {
    let body = python_of(
        "import sys\n\
         class Hangs(amp.Argument):\n    \
             def toString(self, value):\n        while True: pass\n\
         class Exits(amp.Argument):\n    \
             def toString(self, value):\n        sys.exit(3)\n\
         def loop():\n    while True: pass\n\
         class A(amp.Command):\n    arguments = [(b'x', Hangs()), (b'y', Exits())]\n\
         class B(amp.Command):\n    arguments = loop()\n\
         class C(amp.Command):\n    arguments = sys.exit(3)\n\
         class D(amp.Command):\n    print('x' * 1000000)\n    print('x' * 1000000, file=sys.stderr)\n",
    );
    let module = Module::new(&[("hang.py", &body)]);
    let said = module.in_doubt("hang");
    assert!(
        said.contains("hang.py:13: left out: TooLong: it has not ended in 3 s"),
        "{said:.2000}"
    );
    assert!(said.contains("hang.py:15: left out: SystemExit: 3"), "{said:.2000}");
    assert!(said.contains("[argument.\"hang.Hangs\"]\nwire = \"?\""), "{said:.2000}");
    assert!(said.contains("[argument.\"hang.Exits\"]\nwire = \"?\""), "{said:.2000}");
    assert!(said.len() < 2000);
    let schema = text(&module.import(&["hang"]).stdout).to_owned();
    assert!(
        schema.contains("x: unknown(\"hang.Hangs\")") && schema.contains("command D"),
        "{schema}"
    );
}

/// It takes no time that grows with the square of what there is.
#[test]
fn many_functions_that_call_each_other_are_looked_at() {
    let functions: Vec<_> = (1..1000)
        .map(|n| {
            format!("def f{n}(x):\n    return [f{}(x.f{n}()) for _ in x]\nr{n} = f{n}(3)\n", n - 1)
        })
        .collect();
    let body = python_of(&format!("class A(amp.Command): pass\n{}", functions.concat()));
    assert_eq!(Module::new(&[("m.py", &body)]).schema("m"), "command A\n");
}

/// Each is made of the one before.
#[test]
fn classes_are_commands_however_deep_they_are_derived() {
    let classes: Vec<_> = (1..500).map(|n| format!("class C{n}(C{}): pass\n", n - 1)).collect();
    let body = python_of(&format!("class C0(amp.Command): pass\n{}", classes.concat()));
    let schema = Module::new(&[("m.py", &body)]).schema("m");
    assert_eq!(schema.matches("command ").count(), 500);
}

/// What would be one, were its base found, is not executed for its name.
#[test]
fn a_class_is_no_command_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("executed");
    let shown = file.to_str().unwrap();
    let body = python_of(&format!(
        "from nothere import BaseCommand\nclass A(amp.Command): pass\n\
         class Command(BaseCommand):\n    open({shown:?}, 'w')\n"
    ));
    let said = Module::new(&[("m.py", &body)]).in_doubt("m");
    assert_eq!(
        said,
        "ampctl: m.py:4: Command: its base BaseCommand is not found, so it is left out\n"
    );
    assert!(!file.exists());
}

#[test]
fn of_classes_with_one_name_the_last_counts() {
    let body = python_of(
        "class A(amp.Command):\n    arguments = [(b'x', amp.Integer())]\nB = A\nclass A(B):\n    response = []\n    \
             requiresAnswer = False\n",
    );
    let schema = Module::new(&[("m.py", &body)]).schema("m");
    assert_eq!(schema, "command A one-way\n  arguments\n    x: Integer\n");
}

/// As `six` makes them. What the metaclass would be is not found.
#[test]
fn a_class_that_something_unknown_makes_is_said() {
    let body = python_of(
        "from nothere import Meta\n\
         def with_metaclass(meta, *bases):\n    \
             class Made(type):\n        \
                 def __new__(cls, name, _, members): return meta(name, bases, members)\n    \
             return type.__new__(Made, 'Made', (), {})\n\
         class Plain(type(amp.Command)): pass\n\
         class A(with_metaclass(Meta, amp.Command)): pass\n\
         class B(with_metaclass(Plain, amp.Command)): pass\n",
    );
    let module = Module::new(&[("m.py", &body)]);
    let said = module.in_doubt("m");
    assert_eq!(said, "ampctl: m.py:8: A: it is no class here, so it is left out\n");
    assert!(text(&module.import(&["m"]).stdout).ends_with("\n\ncommand B\n"));
}
