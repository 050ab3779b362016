//! Which changes of a schema break peers.

use amp_core::schema::Schema;
use std::fmt::Write;

/// The changes from one schema to another, each with `!` before it when it breaks peers.
fn changes(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Schema, Schema) = (old.parse().unwrap(), new.parse().unwrap());
    assert_eq!(new.changes_since(&new), []);
    let changes = new.changes_since(&old);
    changes
        .iter()
        .map(|change| format!("{}{change}", ["", "! "][usize::from(change.breaks)]))
        .collect()
}

/// The same for the command `C` with these lines in the box of its arguments, without its name.
fn of_arguments(old: &str, new: &str) -> Vec<String> {
    let command = |lines: &str| format!("command C\n  arguments{lines}\n");
    let changes = changes(&command(old), &command(new));
    changes.into_iter().map(|change| change.replace("command C, ", "")).collect()
}

#[test]
fn commands_come_and_go() {
    assert_eq!(changes("command A", "command A\ncommand B"), ["command B: it is new"]);
    assert_eq!(
        changes("command A\ncommand B", "command A"),
        ["! command B: it is gone, and peers may call it"]
    );
    assert_eq!(
        changes("command A", "command A one-way"),
        ["! command A: it wants no answer, and did"]
    );
    assert_eq!(
        changes("command A one-way", "command A"),
        ["! command A: it wants an answer, and did not"]
    );
}

#[test]
fn arguments_come_and_go() {
    let with = |presence: &str| format!("\n    a: Integer\n    b: Integer{presence}");
    let without = "\n    a: Integer";
    assert_eq!(
        of_arguments(without, &with("")),
        ["! argument b: it is new and required, and older peers do not send it"]
    );
    assert_eq!(of_arguments(without, &with(" optional")), ["argument b: it is new and optional"]);
    assert_eq!(
        of_arguments(without, &with(" default")),
        ["argument b: it is new and has a default"]
    );
    for presence in ["", " default"] {
        assert_eq!(
            of_arguments(&with(presence), without),
            ["! argument b: it is gone, and peers send or need it"]
        );
    }
    assert_eq!(
        of_arguments(&with(" optional"), without),
        ["! argument b: it is gone, and what peers send there is lost"]
    );
    assert_eq!(
        of_arguments(without, "\n    A: Integer"),
        [
            "! argument a: it is gone, and peers send or need it",
            "! argument A: it is new and required, and older peers do not send it"
        ]
    );
}

#[test]
fn strict_peers_refuse_what_is_new() {
    for presence in ["optional", "default"] {
        assert_eq!(
            of_arguments(" strict", &format!(" strict\n    b: Integer {presence}")),
            ["! argument b: it is new, and older peers refuse a box with it"]
        );
    }
    assert_eq!(
        changes("command C", "command C\n  arguments strict"),
        ["! command C, arguments: a box with other keys is refused, and was not"]
    );
    assert_eq!(
        changes("command C\n  response strict", "command C"),
        ["command C, response: a box with other keys is not refused, and was"]
    );
}

#[test]
fn what_may_be_missing_changes() {
    let a = |presence: &str| format!("\n    a: Integer{presence}");
    let (required, optional, default) = (&a(""), &a(" optional"), &a(" default"));
    let needed = "! argument a: it is optional, and older peers need it";
    let left_out = "! argument a: it is required, and peers may leave it out";
    assert_eq!(of_arguments(required, optional), [needed]);
    assert_eq!(of_arguments(optional, required), [left_out]);
    assert_eq!(of_arguments(default, required), [left_out]);
    assert_eq!(of_arguments(required, default), ["argument a: it has a default"]);
    assert_eq!(of_arguments(optional, default), ["argument a: it has a default"]);
    assert_eq!(of_arguments(default, optional), ["argument a: it is optional, and had a default"]);
}

#[test]
fn types_change() {
    let a = |wire_type: &str| format!("\n    a: {wire_type}");
    for (old, new, told) in [
        ("Integer", "Float", "it was Integer and is Float"),
        ("ListOf(Integer)", "ListOf(Float)", "it was Integer and is Float"),
        ("ListOf(Integer)", "Integer", "it was ListOf(Integer) and is Integer"),
        ("Zlib(String)", "Numbered(String)", "it was Zlib(String) and is Numbered(String)"),
        ("Box", "AmpList", "it was Box and is AmpList"),
        ("AmpList(^1)", "AmpList(^2)", "it was AmpList(^1) and is AmpList(^2)"),
        ("unknown(\"a\")", "unknown(\"b\")", "it was unknown(\"a\") and is unknown(\"b\")"),
        ("Unicode", "OneOf(\"a\")", "it was Unicode and is OneOf(\"a\")"),
        ("OneOf(\"a\")", "Unicode", "it was OneOf(\"a\") and is Unicode"),
        ("OneOf(\"a\", \"b\")", "OneOf(\"b\")", "it can no longer be \"a\", which peers may send"),
    ] {
        assert_eq!(of_arguments(&a(old), &a(new)), [format!("! argument a: {told}")]);
    }
}

#[test]
fn a_new_text_breaks_those_that_have_no_say_in_it() {
    let told = "it can be \"b\", which older peers refuse";
    let one = "\n    a: OneOf(\"a\")";
    let two = "\n    a: OneOf(\"a\", \"b\")";
    assert_eq!(of_arguments(one, two), [format!("argument a: {told}")]);
    let response = |lines: &str| format!("command C\n  response{lines}");
    assert_eq!(
        changes(&response(one), &response(two)),
        [format!("! command C, response a: {told}")]
    );
}

#[test]
fn responses_change_as_arguments_do() {
    let response = |lines: &str| format!("command C\n  response{lines}");
    let changes = |old: &str, new: &str| changes(&response(old), &response(new));
    assert_eq!(
        changes("\n    a: Integer", ""),
        ["! command C, response a: it is gone, and peers send or need it"]
    );
    assert_eq!(
        changes("\n    a: Integer", "\n    a: Integer optional"),
        ["! command C, response a: it is optional, and older peers need it"]
    );
    assert_eq!(
        changes("", "\n    a: Integer optional"),
        ["command C, response a: it is new and optional"]
    );
}

#[test]
fn boxes_inside_change_too() {
    let list = |strict: &str, lines: &str| format!("\n    a: ListOf(AmpList{strict}){lines}");
    let (x, y) = ("\n      x: Integer", "\n      x: Integer\n      y: Float");
    assert_eq!(
        of_arguments(&list("", x), &list("", y)),
        ["! argument a, key y: it is new and required, and older peers do not send it"]
    );
    assert_eq!(
        of_arguments(&list("", y), &list("", x)),
        ["! argument a, key y: it is gone, and peers send or need it"]
    );
    assert_eq!(
        of_arguments(&list("", x), &list(" strict", x)),
        ["! argument a: a box with other keys is refused, and was not"]
    );
}

#[test]
fn bytes_are_streamed_as_strings() {
    for (bytes, strings) in [("ByteStream", "StreamOf(String)"), ("ByteSink", "SinkOf(String)")] {
        let of = |word| format!("\n    a: {word}");
        assert_eq!(of_arguments(&of(bytes), &of(strings)), [""; 0]);
        assert_eq!(of_arguments(&of(strings), &of(bytes)), [""; 0]);
    }
    assert_eq!(
        of_arguments("\n    a: ByteStream", "\n    a: SinkOf(String)"),
        ["! argument a: it was ByteStream and is SinkOf(String)"]
    );
}

/// Boxes in one another by `next`, each with an `x` of one of these types. In the last of them, `next`
/// is the box that is so many around it.
fn chain(types: &[&str], levels: usize) -> String {
    let mut lines = String::new();
    for (at, wire_type) in types.iter().enumerate() {
        let indent = " ".repeat(4 + 2 * at);
        let around = if at + 1 == types.len() { format!("(^{levels})") } else { String::new() };
        let _ = write!(lines, "\n{indent}x: {wire_type}\n{indent}next: AmpList{around}");
    }
    lines
}

/// The place of `x` in a [`chain`] so many boxes inside.
fn x_in_chain(depth: usize) -> String {
    format!("argument next{}, key x", ", key next".repeat(depth - 1))
}

#[test]
fn a_box_in_itself_is_the_same_however_often_it_is_written() {
    let chains: Vec<_> = (1..=4)
        .flat_map(|len| (1..=len).map(move |levels| chain(&["Integer"; 4][..len], levels)))
        .collect();
    for old in &chains {
        for new in &chains {
            assert_eq!(of_arguments(old, new), [""; 0], "{old}{new}");
        }
    }
}

#[test]
fn neither_a_case_nor_a_form_is_a_box_around() {
    let first =
        "\n    a: ListOf(Box strict)\n      t: OneOf(\"a\")\n      when t is \"a\"\n        b: ";
    let next = "Box strict\n          t: OneOf(\"a\")\n          when t is \"a\"\n            b: ";
    let [once, twice, back] = [
        format!("{first}Box(^1)"),
        format!("{first}{next}Box(^1)"),
        format!("{first}{next}Box(^2)"),
    ];
    for (old, new) in [(&once, &twice), (&twice, &once), (&twice, &back), (&back, &once)] {
        assert_eq!(of_arguments(old, new), [""; 0], "{old}{new}");
    }
    let other = twice.replace("            b: Box(^1)", "            b: Box(^1) optional");
    assert_eq!(
        of_arguments(&once, &other),
        ["! argument a, t \"a\", key b, t \"a\", key b: it is optional, and older peers need it"]
    );
}

#[test]
fn boxes_in_themselves_are_compared_as_far_as_they_differ() {
    let told = |depth: usize, was: &str, is: &str| {
        format!("! {}: it was {was} and is {is}", x_in_chain(depth))
    };
    let (one, two) = (chain(&["Integer"], 1), chain(&["Integer", "Float"], 2));
    assert_eq!(of_arguments(&one, &two), [told(1, "Integer", "Float")]);
    assert_eq!(of_arguments(&two, &one), [told(1, "Float", "Integer")]);
    // The same text up to the last line, which goes on with another box.
    let other = chain(&["Integer", "Float"], 1);
    assert_eq!(of_arguments(&two, &other), [told(2, "Integer", "Float")]);
    // Every second box, and every third: they meet again after six. What is inside is told first.
    let three = chain(&["Integer", "Float", "Integer"], 3);
    assert_eq!(
        of_arguments(&two, &three),
        [told(3, "Float", "Integer"), told(5, "Float", "Integer"), told(4, "Integer", "Float")]
    );
    // One that is not around its own box, and one that is no list of it.
    let here = "\n    a: AmpList\n      x: Integer\n      a: AmpList";
    assert_eq!(
        of_arguments(&format!("{here}(^1)"), &format!("{here}(^2)")),
        ["! argument a, key a, key x: it is gone, and peers send or need it"]
    );
    for (old, new, told) in [
        ("AmpList(^1)", "Box(^1)", "it was AmpList(^1) and is Box(^1)"),
        ("AmpList(^1)", "Box", "it was AmpList(^1) and is Box"),
        ("AmpList(^2)", "AmpList", "it was AmpList(^2) and is AmpList"),
        ("AmpList", "AmpList(^0)", "it was AmpList and is AmpList(^0)"),
    ] {
        let a = |wire_type: &str| format!("\n    a: {wire_type}");
        assert_eq!(of_arguments(&a(old), &a(new)), [format!("! argument a: {told}")]);
    }
    // The side that decides on a text is the same in all boxes of a response.
    let response = |last: &str| {
        let first = "\n    next: AmpList\n      x: OneOf(\"a\")\n      next: AmpList";
        format!("command C\n  response{first}{last}")
    };
    assert_eq!(
        changes(
            &response("(^1)"),
            &response("\n        x: OneOf(\"a\", \"b\")\n        next: AmpList(^2)")
        ),
        ["! command C, response next, key next, key x: it can be \"b\", which older peers refuse"]
    );
}

#[test]
fn no_recursion_is_compared_for_ever() {
    // All pairs of boxes are met, in one way of thousands of boxes.
    let (old, new) = (chain(&["Integer"; 61], 61), chain(&["Integer"; 59], 59));
    assert_eq!(of_arguments(&old, &new), [""; 0]);
    // Each box is in every other one by many ways.
    let keys = |depth: usize, wire_type: &str, inside: &str| -> String {
        let key = |at| format!("\n{}k{at}: {wire_type}{inside}", " ".repeat(4 + 2 * depth));
        (0..20).map(key).collect()
    };
    let (once, inside) = (keys(0, "Box(^1)", ""), keys(1, "Box(^1)", ""));
    let back = keys(0, "Box", &keys(1, "Box(^2)", ""));
    for unrolled in [keys(0, "Box", &inside), back] {
        assert_eq!(of_arguments(&once, &unrolled), [""; 0]);
        assert_eq!(of_arguments(&unrolled, &once), [""; 0]);
    }
}

#[test]
fn errors_come_and_go() {
    let errors = |lines: &str| format!("command C\n  errors{lines}");
    let changes = |old: &str, new: &str| changes(&errors(old), &errors(new));
    let (one, two) = ("\n    A", "\n    A\n    B");
    assert_eq!(
        changes(one, two),
        ["command C, error B: it is new; to older peers it is one that is not declared"]
    );
    let gone = "it is gone, and peers may answer with it";
    assert_eq!(changes(two, one), [format!("! command C, error B: {gone}")]);
    assert_eq!(
        changes(one, "\n    AA"),
        [
            format!("! command C, error A: {gone}"),
            "command C, error AA: it is new; to older peers it is one that is not declared".into()
        ]
    );
    assert_eq!(
        changes(one, "\n    A fatal"),
        ["! command C, error A: it closes the connection, and did not"]
    );
    assert_eq!(
        changes("\n    A fatal", one),
        ["command C, error A: it does not close the connection, and did"]
    );
    assert_eq!(
        changes(one, " unknown"),
        ["! command C: its errors do not say what they are, and did"]
    );
    assert_eq!(changes(" unknown", one), ["command C: its errors are known"]);
}

#[test]
fn what_is_not_known_cannot_be_compared() {
    assert_eq!(
        of_arguments("\n    unknown(\"a::B\")", "\n    unknown(\"a::C\")"),
        ["! arguments: the keys were only known as a::B and are only known as a::C, \
          which cannot be compared"]
    );
    assert_eq!(
        of_arguments("", "\n    unknown(\"a::C\")"),
        ["! arguments: the keys were known and are only known as a::C, which cannot be compared"]
    );
}

#[test]
fn what_else_is_known_comes_back_and_breaks_nobody() {
    let text = "\
#: Opens a session.
#! secret \"a b\"
#! secret password
command LogIn
  arguments
    \"a b\": Integer
    #: Of the user.
    password: Unicode
  errors
    #! exception UnauthorizedLogin
    UNAUTHORIZED fatal

command StartTLS switch
";
    let schema: Schema = text.parse().unwrap();
    assert_eq!(schema.to_string(), text);
    let log_in = schema.command("LogIn").unwrap();
    assert_eq!(log_in.docs, "Opens a session.");
    assert_eq!(log_in.secrets(), ["a b", "password"]);
    assert_eq!(log_in.arguments.argument("password").unwrap().docs, "Of the user.");
    let error = &log_in.errors().unwrap()[0];
    assert_eq!(error.exception.as_deref(), Some("UnauthorizedLogin"));
    assert!(schema.command("StartTLS").unwrap().is_switch);

    let plain: Vec<_> = text.lines().filter(|line| !line.trim().starts_with('#')).collect();
    let plain = plain.join("\n");
    assert!(schema.changes_since(&plain.parse().unwrap()).is_empty());
    assert_eq!(
        changes("command C", "command C switch"),
        ["! command C: it switches the protocol, and did not"]
    );
    assert_eq!(
        changes("command C switch", "command C"),
        ["! command C: it does not switch the protocol, and did"]
    );
}
