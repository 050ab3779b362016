//! What `ampctl` makes of schemas with cases. What it generates of `cases.schema` is beside it, and is
//! compiled here. Where the generator has changed, `AMP_RECORD=all` writes it again.

use amp_core::schema::Schema;
use amp_core::testing::{PrintedRecord, SchemaRecord};
use amp_core::{Arguments, Command as _};
use amp_tests::Python;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "cases/generated.rs"]
#[allow(unreachable_pub)]
mod generated;

const SCHEMA: &str = "cases.schema";

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn ampctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(arguments).current_dir(beside("."));
    command
}

fn output(arguments: &[&str]) -> Output {
    ampctl(arguments).output().unwrap()
}

#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = output(arguments);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = output(arguments);
    assert_eq!(status.code(), Some(2));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn generated_code_is_what_the_schema_says() {
    let rust = ampctl(&["generate", "rust", SCHEMA]);
    PrintedRecord::new(beside("cases/generated.rs"), rust).check();
    SchemaRecord::new(beside(SCHEMA)).schema(generated::schema()).agree();
    let python = ampctl(&["generate", "python", SCHEMA]);
    PrintedRecord::new(beside("cases/generated.py"), python).check();
    let markdown = ampctl(&["generate", "markdown", SCHEMA]);
    PrintedRecord::new(beside("cases/generated.md"), markdown).check();

    let draw = generated::Draw {
        shapes: vec![
            generated::Shape::Circle { radius: 0.5 },
            generated::Shape::Group { members: vec![generated::Shape::Dot], name: None },
        ],
    };
    let record: Schema = fs::read_to_string(beside(SCHEMA)).unwrap().parse().unwrap();
    let secrets = |schema: &Schema| schema.command("Draw").unwrap().secrets().to_vec();
    assert_eq!(secrets(&generated::schema()), secrets(&record));
    assert_eq!(generated::Draw::NAME, "Draw");
    assert_eq!(generated::Draw::decode(draw.encode().unwrap()).unwrap(), draw);
}

/// What Python reads of Rust's boxes it writes as they were.
#[test]
fn generated_classes_are_run_and_write_the_same_bytes() {
    use generated::{Draw, DrawResponse, Fill, How, Shape};
    let group = Shape::Group { members: vec![Shape::Dot], name: Some("é".to_owned()) };
    let shapes = vec![Shape::Circle { radius: 0.5 }, group, Shape::Dot];
    let boxes = [
        ("arguments", Draw { shapes }.encode()),
        ("arguments", Draw { shapes: Vec::new() }.encode()),
    ];
    let some = How::Some { missing: vec![1, -2] };
    let answers = [
        (Some(Fill::Color { color: "red".to_owned() }), some),
        (Some(Fill::None), How::All),
        (None, How::All),
    ];
    let answers = answers
        .map(|(fill, how)| ("response", DrawResponse { by: "me".to_owned(), fill, how }.encode()));
    let lines = boxes
        .into_iter()
        .chain(answers)
        .map(|(part, bytes)| format!("Draw {part} {:x}\n", bytes.unwrap()));
    let lines = lines.collect::<String>();
    let mut again = Python::with_twisted(env!("CARGO_TARGET_TMPDIR")).program("boxes.py");
    again.args(["generated", "again"]).env("PYTHONPATH", beside("cases"));
    let again = again.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut again = again.spawn().unwrap();
    again.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let said = again.wait_with_output().unwrap();
    let failed = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{failed}");
    assert_eq!(String::from_utf8(said.stdout).unwrap(), lines);
}

#[test]
fn generators_say_what_they_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema");
    let path = schema.to_str().unwrap();
    let write = |lines: &str| {
        let lines = lines.replace('|', "\n    ");
        fs::write(&schema, format!("command C\n  arguments\n    {lines}\n")).unwrap();
    };
    write("t: OneOf(\"a\", \"b\")|when t is \"a\"|  x: Integer|when t is \"b\"|  x: Unicode");
    assert_eq!(
        refused(&["generate", "python", path]),
        "ampctl: C.x: it is Integer in one case and Unicode in another, which Twisted cannot say\n"
    );
    write("b: Box|  a: Integer|  t: OneOf(\"a\")|  when t is \"a\"|    b: Box(^1)");
    assert_eq!(
        refused(&["generate", "rust", path]),
        "ampctl: C.b.t.a.b: the box around it has other arguments beside those of its cases, which \
         cannot be written as Rust\n"
    );
}

#[test]
fn cases_are_described() {
    let described = printed(&["describe", "Draw", "--schema", SCHEMA]);
    let shapes = "\
  shapes                   AmpList                                           From back to front.
    kind                   OneOf(\"circle\", \"dot\", \"group\")
    when kind is \"circle\"                                                    All around a point.
      radius               Float                            secret           In metres.
    when kind is \"dot\"
    when kind is \"group\"
      members              AmpList(^1)
      name                 Unicode                          optional secret
";
    assert!(described.contains(shapes), "{described}");
    let template = printed(&["describe", "Draw", "--schema", SCHEMA, "--template"]);
    let schema: Schema = fs::read_to_string(beside(SCHEMA)).unwrap().parse().unwrap();
    let draw = &schema.command("Draw").unwrap().arguments;
    let values = amp_core::dynamic::Values::from_json(draw, &template).unwrap();
    assert_eq!(values.to_json(), r#"{"shapes": [{"kind": "circle", "radius": 0.5}]}"#);
    let json = printed(&["describe", "Draw", "--schema", SCHEMA, "--json"]);
    assert!(json.contains(r#""docs": "All around a point.""#), "{json}");
}

/// Nobody is there: what does not fit is refused before.
#[test]
fn words_are_put_into_their_case_in_any_order() {
    let call = |words: &[&str]| {
        let fixed = ["call", "unix:/nowhere/socket", "Draw", "--schema", SCHEMA];
        output(&[&fixed[..], words].concat())
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let fits = call(&[
        "shapes[0].radius=1",
        "shapes[1].members[0].kind=dot",
        "shapes[0].kind=circle",
        "shapes[1].kind=group",
    ]);
    assert_eq!(fits.status.code(), Some(3), "{}", said(&fits));
    let given = call(&["--json", r#"{"shapes": [{"kind": "dot"}]}"#]);
    assert_eq!(given.status.code(), Some(3), "{}", said(&given));
    let other = call(&["shapes[0].radius=1", "shapes[0].kind=dot"]);
    assert_eq!(other.status.code(), Some(2));
    assert_eq!(
        said(&other),
        "ampctl: shapes[0].radius: there is no argument \"radius\"; there is kind\n"
    );
    let none = call(&["shapes[0].kind=cube"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(said(&none).contains("'cube' is none of"), "{}", said(&none));
}
