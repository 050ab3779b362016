//! `ampctl import python`, of the classes in the folder `import`, which have what those of real
//! projects have.

#[path = "support/module.rs"]
mod module;

use amp_core::schema::Schema;
use amp_tests::Python;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use module::{Module, python_of, text};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import");

/// Runs it in the folder of the classes.
fn import(arguments: &[&str]) -> Output {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(["import", "python", "--python"]).arg(python.interpreter().get_program());
    command.args(arguments).current_dir(HERE).output().unwrap()
}

/// A file beside the classes, which is written when the environment variable `AMP_RECORD` is `all`.
fn assert_is(written: &[u8], name: &str) {
    let path = PathBuf::from(HERE).join(name);
    if std::env::var("AMP_RECORD").is_ok_and(|record| record == "all") {
        fs::write(&path, written).unwrap();
    }
    assert_eq!(text(written), fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn classes_become_a_schema_that_says_what_is_not_sure() {
    let output = import(&["shop.commands"]);
    assert_is(&output.stdout, "shop.schema");
    assert_is(&output.stderr, "shop.txt");
    assert!(output.status.success());
    let schema: Schema = text(&output.stdout).parse().unwrap();
    // The library has the same words for it.
    let plain: Vec<_> =
        text(&output.stdout).lines().filter(|line| !line.trim_start().starts_with("# ")).collect();
    assert_eq!(schema.to_string().trim(), plain.join("\n").trim());
}

#[test]
fn hints_say_what_probing_cannot_and_confirm_what_it_has_found() {
    let output = import(&["shop.commands", "--hints", "hints.toml", "--strict"]);
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
    assert_is(&output.stdout, "confirmed.schema");
    let marks = text(&output.stdout).lines().skip(1).filter(|line| line.trim().starts_with("# "));
    assert_eq!(marks.count(), 0);
}

#[test]
fn what_is_open_is_refused_where_all_is_to_be_known() {
    let output = import(&["shop/commands.py", "--strict"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("command Buy"), "the schema is printed all the same");
}

#[test]
fn a_file_is_as_good_as_a_module() {
    let [module, file] = ["shop.commands", "shop/commands.py"].map(|what| import(&[what]).stdout);
    let commands = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(commands(&module), commands(&file));
}

#[test]
fn the_classes_of_the_compliance_suite_are_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python");
    let output = import(&["commands", "--path", folder, "--strict"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let schema: Schema = text(&output.stdout).parse().unwrap();
    assert_eq!(schema.commands().count(), 15);
}

#[test]
fn mistakes_say_where_they_are() {
    for (arguments, expected) in [
        (&["shop.nothing"][..], "there is no module shop.nothing in "),
        (&["shop/nothing.py"], "No such file or directory: "),
        (&["shop.commands", "--hints", "none.toml"], "cannot read the hints none.toml: "),
        (&["shop.commands", "--hints", "wrong.toml"], "wrong.toml: TOML parse error at line 2"),
        (
            &["shop.commands", "--hints", "unclear.toml"],
            "shop.arguments.Big has no argument 'inner'",
        ),
        (&["twice.py"], "two commands are named Once: twice.py:4 and twice.py:8"),
        (&["broken.py"], "invalid syntax"),
    ] {
        let output = import(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("Traceback"), "{said}");
        assert!(output.stdout.is_empty());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(["import", "python", "--python", "no-such-python", "shop.commands"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("ampctl: cannot run no-such-python: "));
}

#[test]
fn what_a_command_may_have_lost_is_said() {
    let body = python_of(
        "from nothere import ARGS, BaseCommand, ERRORS\n\
         class A(amp.Command):\n    arguments = ARGS\n\
         class B(amp.Command):\n    arguments = ARGS + [(b'x', amp.Integer())]\n\
         class C(BaseCommand):\n    arguments = [(b'x', amp.Integer())]\n\
         class D(amp.Command):\n    errors = ERRORS\n\
         class E(amp.Command):\n    arguments = [(b'x', amp.Integer()), *ARGS]\n\
         class F(BaseCommand, amp.Command):\n    pass\n\
         class G(amp.Command):\n    commandName = b'\\xff'\n",
    );
    let module = Module::new(&[("miss.py", &body)]);
    let said = module.in_doubt("miss");
    for line in [3, 5, 7, 9, 11, 13, 15] {
        assert!(said.contains(&format!("miss.py:{line}: ")), "{line}: {said}");
    }
    // A person knows that it is all there is.
    fs::write(module.0.path().join("hints.toml"), "[module.miss]\ncomplete = true\n").unwrap();
    let said = module.import(&["miss", "--hints", "hints.toml"]);
    let said = text(&said.stderr);
    assert!(!said.contains("miss.py:3: ") && !said.contains("miss.py:9: "), "{said}");
    assert!(!said.contains("miss.py:13: "), "{said}");
    // What cannot be executed, and is not wanted.
    let skipped = ["C", "D", "E", "F", "A", "B", "miss.G"];
    let skipped = skipped.map(|name| format!("[command.{name:?}]\nskip = true\n")).concat();
    for hints in [format!("{skipped}[module.miss]\ncomplete = true\n"), skipped] {
        fs::write(module.0.path().join("hints.toml"), hints).unwrap();
        let output = module.import(&["miss", "--hints", "hints.toml", "--strict"]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        assert_eq!(text(&output.stdout), "# The commands of miss, from Python.\n\n");
    }
}

/// What is asked of a name that is not found, and decides what is on the wire.
#[test]
fn what_hangs_on_a_value_that_is_not_found_is_said() {
    let body = python_of(
        "from nothere import settings, config\n\
         class A(amp.Command):\n    requiresAnswer = not settings.ANSWERS\n\
         class B(amp.Command):\n    arguments = [(b'x', amp.Integer(optional=settings.OPTIONAL))]\n\
         class C(amp.Command):\n    arguments = [(b'x', amp.Integer(optional=config.getboolean('x')))]\n\
         class D(amp.Command):\n    \
             arguments = [(b'x', amp.Integer() if settings.WIDE else amp.Unicode())]\n\
         class E(amp.Command):\n    \
             arguments = [(b'x', amp.Integer() if settings.MODE == 'wide' else amp.Unicode())]\n\
         class F(amp.Command):\n    arguments = [(b'x', amp.Integer())]\n    \
             if settings.DEBUG:\n        arguments.append((b'y', amp.Integer()))\n",
    );
    let module = Module::new(&[("blind.py", &body)]);
    let said = module.in_doubt("blind");
    for line in [3, 5, 7, 9, 11, 13] {
        assert!(said.contains(&format!("blind.py:{line}: ")), "{line}: {said}");
    }
    assert!(
        said.contains("nothere.settings.ANSWERS is not found: it is taken to be true\n"),
        "{said}"
    );
}

/// A statement that raises, and a name that is not found and is taken for a dictionary.
#[test]
fn what_cannot_be_executed_is_accepted_where_a_hint_says_so() {
    let body = python_of(
        "from nothere import ERRORS\n\
         class A(amp.Command):\n    errors = ERRORS\n\
         NUMBERS = [1 // 0]\n\
         class B(amp.Command):\n    arguments = NUMBERS\n\
         class Bar(amp.Command):\n    arguments = [(b'x', amp.Integer())]\n",
    );
    let module = Module::new(&[("er.py", &body)]);
    let said = module.in_doubt("er");
    let errors = "ampctl: er.py:3: nothere.ERRORS is not found: what is in it is left out\n";
    assert!(said.contains(errors), "{said}");
    assert!(said.contains("ampctl: er.py:5: left out: ZeroDivisionError: "), "{said}");
    fs::write(module.0.path().join("hints.toml"), "[module.er]\ncomplete = true\n").unwrap();
    let output = module.import(&["er", "--hints", "hints.toml", "--strict"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(text(&output.stdout).contains("command A\n"));
}

#[test]
fn one_odd_class_takes_no_other_with_it() {
    let body = python_of(
        "class Itself(amp.Argument):\n    wire_form = 'inner'\n    \
             def __init__(self):\n        super().__init__()\n        self.inner = self\n\
         class Foo(amp.Command):\n    arguments = [(b'a', Itself())]\n\
         class Bar(amp.Command):\n    arguments = [(b'b', amp.Integer())]\n",
    );
    let module = Module::new(&[("odd.py", &body)]);
    let said = module.in_doubt("odd");
    assert!(said.starts_with("ampctl: odd.py:7: \"Foo\": left out: RecursionError: "), "{said}");
    assert!(text(&module.import(&["odd"]).stdout).contains("command Bar\n"));
    fs::write(module.0.path().join("hints.toml"), "[command.Foo]\nskip = true\n").unwrap();
    let output = module.import(&["odd", "--hints", "hints.toml", "--strict"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

/// It writes nothing for the values that it is tried with. Another that names no keys is never on the wire.
#[test]
fn an_argument_that_writes_nothing_is_not_lost() {
    let body = python_of(
        "class Options(amp.Argument):\n    \
             def toBox(self, name, strings, objects, proto):\n        \
                 value = objects[name.decode()]\n        \
                 if isinstance(value, dict): strings[name] = repr(value).encode()\n    \
             def fromBox(self, name, strings, objects, proto):\n        objects[name.decode()] = {}\n\
         class Received(amp.Argument):\n    \
             def toBox(self, name, strings, objects, proto): pass\n    \
             def fromBox(self, name, strings, objects, proto):\n        objects['x'] = strings.get(name)\n\
         class Remote(amp.Argument):\n    \
             def toBox(self, name, strings, objects, proto): pass\n    \
             def fromBox(self, name, strings, objects, proto): objects[name.decode()] = proto\n\
         class A(amp.Command):\n    \
             arguments = [(b'a', Options()), (b'b', Received()), (b'c', Remote()), (b'n', amp.Integer())]\n",
    );
    let module = Module::new(&[("w.py", &body)]);
    let said = module.in_doubt("w");
    assert!(said.contains("[argument.\"w.Options\"]\n"), "{said}");
    assert!(said.contains("[argument.\"w.Received\"]\n"), "{said}");
    assert!(!said.contains("Remote"), "{said}");
}

/// Names that would be lines of the schema.
#[test]
fn names_stay_on_their_lines() {
    let body = python_of(
        "Bytes = type('Bytes', (amp.Argument,), dict(\n    \
             toString=lambda self, value: value, fromString=lambda self, data: data,\n    \
             __qualname__='Bytes\\ncommand Evil'))\n\
         class A(amp.Command):\n    arguments = [(b'foo(^1)', amp.Integer()), (b'b', Bytes())]\n",
    );
    let name = "q\ncommand Evil\n.py";
    let output = Module::new(&[(name, &body)]).import(&[name]);
    let schema: Schema = text(&output.stdout).parse().unwrap();
    let names: Vec<_> = schema.commands().map(|(name, _)| name).collect();
    assert_eq!(names, ["A"], "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("    \"foo(^1)\": Integer\n"));
    assert!(!text(&output.stderr).contains("\ncommand Evil"));
}

#[test]
fn one_code_of_which_only_some_exceptions_are_fatal_is_said() {
    let body = python_of(
        "class E1(Exception): pass\nclass E2(Exception): pass\n\
         class A(amp.Command):\n    errors = {E1: b'X'}\n    fatalErrors = {E2: b'X'}\n",
    );
    let said = Module::new(&[("fe.py", &body)]).in_doubt("fe");
    assert!(said.contains("fe.py:4: ") && said.contains("X is fatal here"), "{said}");
}

/// What a schema cannot say of errors, and what none of them is ever answered as.
#[test]
fn error_codes_that_are_not_what_they_seem_are_said() {
    for (errors, expected) in [
        (
            "{E1: b'caf\\xe9\\ncommand B'}",
            "its error code \"caf\\\\xe9\\u{a}command B\" is not UTF-8, which a schema cannot say",
        ),
        (
            "{E1: b'ONE', E2: b'TWO'}",
            "its error \"TWO\" is never answered: E2 is derived from E1, which stands before it",
        ),
    ] {
        let body = python_of(&format!(
            "class E1(Exception): pass\nclass E2(E1): pass\n\
             class A(amp.Command):\n    errors = {errors}\n",
        ));
        let said = Module::new(&[("codes.py", &body)]).in_doubt("codes");
        assert!(said.contains("codes.py:4: ") && said.contains(expected), "{said}");
    }
    // The nearer one comes first, or has the same code.
    for errors in ["{E2: b'TWO', E1: b'ONE'}", "{E1: b'ONE', E2: b'ONE'}"] {
        let body = python_of(&format!(
            "class E1(Exception): pass\nclass E2(E1): pass\n\
             class A(amp.Command):\n    errors = {errors}\n",
        ));
        Module::new(&[("codes.py", &body)]).schema("codes");
    }
}

/// A class whose hook changes values in no known way, and hints of it.
#[test]
fn hints_are_held_against_what_there_is() {
    let body = python_of(
        "class Odd(amp.Argument):\n    \
             def toString(self, value): return bytes(reversed(value))\n    \
             def fromString(self, data): return bytes(reversed(data))\n\
         class A(amp.Command):\n    arguments = [(b'x', Odd()), (b'token', amp.String()),\n        \
             (b'boxes', amp.AmpList([(b'inside', amp.String())]))]\n",
    );
    let module = Module::new(&[("h.py", &body)]);
    let with = |hints: &str| {
        fs::write(module.0.path().join("hints.toml"), hints).unwrap();
        module.import(&["h", "--hints", "hints.toml", "--strict"])
    };
    for (wire, expected) in [
        ("unicode", "the hint for h.Odd: 'unicode' is no type here, but 'Unicode' is one; "),
        ("Zlb(String)", "the hint for h.Odd: 'Zlb' is no type here, but 'Zlib' is one; "),
        ("ListOf(string)", "the hint for h.Odd: 'string' is no type here, but 'String' is one; "),
        ("Zzz", "the hint for h.Odd: 'Zzz' is no type here, but these are: "),
        ("AmpList(Unicode)", "nothing follows in brackets"),
    ] {
        let output = with(&format!("[argument.Odd]\nwire = \"{wire}\"\n"));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{wire}: {said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{wire}: {said}");
    }
    let output = with("[argument.Odd]\nwire = \"Reversed\"\nown = true\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(text(&output.stdout).contains("x: Reversed"), "{}", text(&output.stdout));

    let odd = "[argument.Odd]\nwire = \"String\"\n";
    let output = with(&format!("{odd}[command.A]\nsecrets = [\"token\"]\nidempotent = true\n"));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let schema: Schema = text(&output.stdout).parse().unwrap();
    let command = schema.command("A").unwrap();
    assert!(command.is_idempotent && command.secrets() == ["token"]);
    let output = with(&format!("{odd}[command.A]\nsecrets = [\"inside\"]\n"));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let output = with(&format!("{odd}[command.A]\nsecrets = [\"tokn\"]\n"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("it has no key 'tokn' that could be secret"));
    let output = with(&format!("{odd}[command.B]\nskip = true\n[module.g]\ncomplete = true\n"));
    let expected = "ampctl: the hint for command B is not needed\nampctl: the hint for module g is not needed\n";
    assert_eq!(text(&output.stderr), expected);
}

/// A word that is not known is a mistake, unless the class or the hint says that it is meant.
#[test]
fn words_for_types_are_known_ones() {
    let body = python_of(
        "class Temperature(amp.Unicode):\n    wire_form = 'Celsius'\n\
         class Celsius(amp.Unicode):\n    wire_form = 'Celsius'\n\
         class Small(amp.Unicode):\n    wire_form = 'unicode'\n\
         class Boxes(amp.AmpList):\n    wire_form = 'AmpList'\n\
         class Own(amp.Command):\n    arguments = [(b'x', Celsius())]\n\
         class Other(amp.Command):\n    arguments = [(b'x', Temperature())]\n\
         class Misspelt(amp.Command):\n    arguments = [(b'x', Small())]\n\
         class Listed(amp.Command):\n    arguments = [(b'x', Boxes([(b'y', amp.Integer())]))]\n",
    );
    let module = Module::new(&[("m.py", &body)]);
    let skip = |names: &[&str]| {
        let hints = names.iter().map(|name| format!("[command.{name}]\nskip = true\n"));
        hints.collect::<Vec<_>>().concat()
    };
    let hinted = |hints: String| {
        fs::write(module.0.path().join("h.toml"), hints).unwrap();
        module.import(&["m", "--hints", "h.toml"])
    };
    let own = "a form of its own has the name of its class, or a hint with own = true";
    for (hints, expected) in [
        (
            skip(&["Other", "Listed"]),
            format!("ampctl: m.Small.wire_form: 'unicode' is no type here, but 'Unicode' is one; {own}\n"),
        ),
        (
            skip(&["Other", "Listed"]) + "[argument.Small]\nwire = \"Zlib(un_code)\"\n",
            format!("ampctl: the hint for m.Small: 'un_code' is no type here, but 'Unicode' is one; {own}\n"),
        ),
        (
            skip(&["Other", "Listed"]) + "[argument.Small]\nwire = \"zlip(Unicode)\"\n",
            format!("ampctl: the hint for m.Small: 'zlip' is no type here, but 'Zlib' is one; {own}\n"),
        ),
        (
            skip(&["Misspelt", "Other"]) + "[argument.Boxes]\nwire = \"AmpList(Unicode)\"\n",
            "ampctl: the hint for m.Boxes: 'AmpList(Unicode)': the keys of its AmpList are the attribute \
             subargs, so nothing follows in brackets\n"
                .to_owned(),
        ),
    ] {
        let output = hinted(hints);
        assert_eq!((text(&output.stderr), output.status.code()), (&*expected, Some(2)));
    }
    let output = hinted(skip(&["Misspelt", "Listed"]));
    let said = text(&output.stderr);
    let first =
        "ampctl: m.Temperature.wire_form: 'Celsius' is no type here, but these are: AmpList, ";
    assert!(said.starts_with(first) && said.contains(", base, inner, local; "), "{said}");

    let hints = "[argument.Temperature]\nwire = \"Celsius\"\nown = true\n";
    let output = hinted(skip(&["Misspelt", "Listed"]) + hints);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout).matches("x: Celsius").count(), 2);
}

#[test]
fn commands_that_are_no_plain_classes_are_found_or_named() {
    let body = python_of(
        "def make(name):\n    return type(name, (amp.Command,), {})\n\
         Foo = make('Foo')\n\
         Bar = type('Bar', (amp.Command,), {})\n\
         class Outer(amp.AMP):\n    class Ping(amp.Command):\n        pass\n\
         def register(command):\n    command.arguments = []\n\
         class Baz(amp.Command):\n    pass\n\
         register(Baz)\n",
    );
    let module = Module::new(&[("dyn.py", &body)]);
    let said = module.in_doubt("dyn");
    for line in [2, 5, 13] {
        assert!(said.contains(&format!("dyn.py:{line}: ")), "{line}: {said}");
    }
    let schema = text(&module.import(&["dyn"]).stdout).to_owned();
    assert!(schema.contains("command Baz") && schema.contains("command Ping"), "{schema}");
}

/// In the manner of MAAS, Virtualbricks and Evennia: what surrounds commands there.
#[test]
fn modules_of_services_are_read() {
    for (module, name) in [
        ("services.region.cluster", "region"),
        ("services.bricks", "bricks"),
        ("services.portal", "portal"),
    ] {
        let output = import(&[module]);
        assert_is(&output.stdout, &format!("services/{name}.schema"));
        assert_is(&output.stderr, &format!("services/{name}.txt"));
        assert!(output.status.success());
    }
}

#[test]
fn packages_import_themselves_and_each_other() {
    let a = python_of(
        "from .b import Bar, N\nclass Foo(amp.Command):\n    arguments = [(b'x', amp.Integer())]\n",
    );
    let b = python_of("from .a import Foo, N\nclass Bar(Foo): pass\n");
    let c = python_of(
        "from pk import errors\nfrom . import a\nclass Buy(a.Foo):\n    errors = {errors.Gone: b'GONE'}\n",
    );
    let module = Module::new(&[
        ("pk/__init__.py", b"from . import errors, a\nfrom .c import Buy\n__all__ = ['Buy']\n"),
        ("pk/a.py", &a),
        ("pk/b.py", &b),
        ("pk/c.py", &c),
        ("pk/errors.py", b"class Gone(Exception): pass\n"),
        // Python's own are those that are meant, also by Twisted.
        ("json.py", b"raise SystemExit('the wrong one')\n"),
        ("inspect.py", b"raise SystemExit('the wrong one')\n"),
    ]);
    let keys = "  arguments\n    x: Integer\n";
    let buy = format!("command Buy\n{keys}  errors\n    #! exception Gone\n    GONE\n");
    assert_eq!(module.schema("pk"), buy);
    let output = module.import(&["pk", "pk.c"]);
    assert_eq!(text(&output.stdout).matches("command Buy").count(), 1);
    assert_eq!(module.schema("pk.a"), format!("command Foo\n{keys}"));
    assert_eq!(module.schema("pk.b"), format!("command Bar\n{keys}"));
}

#[test]
fn files_that_are_no_python_are_one_mistake() {
    for (bytes, expected) in [
        (&b"class A(\n"[..], "SyntaxError: "),
        (b"\xff\xfe = 1\n", "SyntaxError: "),
        (b"a = '\0'\n", "source code string cannot contain null bytes"),
        (b"", "there are no commands in odd"),
        (b"import sys\nsys.exit(3)\n", "there are no commands in odd"),
    ] {
        let output = Module::new(&[("odd.py", bytes)]).import(&["odd"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
        assert!(output.stdout.is_empty());
    }
    let deep = format!("x = {}1{}\n", "(".repeat(500), ")".repeat(500));
    let output = Module::new(&[("odd.py", deep.as_bytes())]).import(&["odd"]);
    assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(2), 1));
}

/// It is written by a method that knows no connection, whatever the class does for one.
#[test]
fn elements_of_lists_are_what_twisted_writes() {
    let body = python_of(
        "import zlib\n\
         class Packed(amp.Unicode):\n    \
             def toStringProto(self, value, proto):\n        \
                 return zlib.compress(super().toStringProto(value, proto))\n    \
             def fromStringProto(self, data, proto):\n        \
                 return super().fromStringProto(zlib.decompress(data), proto)\n\
         class A(amp.Command):\n    arguments = [(b'x', amp.ListOf(Packed()))]\n",
    );
    assert_eq!(
        Module::new(&[("lo.py", &body)]).schema("lo"),
        "command A\n  arguments\n    x: ListOf(Unicode)\n"
    );
}

/// Whatever the order of sets is.
#[test]
fn it_says_the_same_each_time() {
    let stars: Vec<_> = (0..20).map(|n| format!("from m{n} import *\n")).collect();
    let names: Vec<_> = (0..20).map(|n| format!("(b'{n}', arg{n}.Arg)")).collect();
    let body = python_of(&format!(
        "{}class A(amp.Command):\n    arguments = [{}]\n    response = missing\n",
        stars.concat(),
        names.join(", ")
    ));
    let module = Module::new(&[("m.py", &body), ("m1.py", b"arg1 = x = broken.y(z)\nq = 1 / 0\n")]);
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let outputs = ["1", "3", "7"].map(|seed| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
        command.args(["import", "python", "m", "--python"]);
        command.arg(python.interpreter().get_program()).env("PYTHONHASHSEED", seed);
        let output = command.current_dir(module.0.path()).output().unwrap();
        (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    });
    assert_eq!(outputs[0], outputs[1]);
    assert_eq!(outputs[0], outputs[2]);
    assert!(outputs[0].1.contains("unknown"), "{}", outputs[0].1);
}
