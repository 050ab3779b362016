//! Every type that Twisted knows, as words, through Twisted and back.

mod support;

use amp_tests::Transport;

use support::{Folder, TWISTED, ampctl, printed, text, twisted};

/// A call, as a session reads it, and the answer.
const ECHOES: &str = r#"
EchoScalars integer=-170141183460469231731687303715884105729 => {"integer": -170141183460469231731687303715884105729}
EchoScalars string:hex=00ff => {"string": {"base64": "AP8="}}
EchoScalars string= => {"string": ""}
EchoScalars 'unicode=a b é' => {"unicode": "a b é"}
EchoScalars float=-inf => {"float": "-inf"}
EchoScalars float=1e16 => {"float": 1e16}
EchoScalars boolean=false => {"boolean": false}
EchoScalars decimal=1E+2 => {"decimal": "1E+2"}
EchoScalars decimal=-0.00 => {"decimal": "-0.00"}
EchoScalars datetime=2010-06-25T16:46:37.000001-05:30 => {"datetime": "2010-06-25T16:46:37.000001-05:30"}
EchoScalars path=/a/b => {"path": "/a/b"}
EchoScalars => {}
EchoLists integers=1 integers=-2 => {"integers": [1, -2]}
EchoLists integers:=[] => {"integers": []}
EchoLists strings=a strings:hex=ff => {"strings": ["a", {"base64": "/w=="}]}
EchoLists texts=a texts= => {"texts": ["a", ""]}
EchoLists floats:='[1.5,"nan"]' => {"floats": [1.5, "nan"]}
EchoLists booleans=true booleans=false => {"booleans": [true, false]}
EchoLists decimals=1.10 => {"decimals": ["1.10"]}
EchoLists nested:=[[1,2],[]] => {"nested": [[1, 2], []]}
EchoLists points[0].x=1 points[0].y=2 points[1].x=3 points[1].y=4 points[1].label=l => {"points": [{"x": 1, "y": 2.0}, {"label": "l", "x": 3, "y": 4.0}]}
EchoLists polygons:='[{"name":"p","points":[{"x":1,"y":0.5}]}]' => {"polygons": [{"name": "p", "points": [{"x": 1, "y": 0.5}]}]}
{"command": "EchoLists", "arguments": {"polygons": [{"name": "p", "points": []}]}} => {"polygons": [{"name": "p", "points": []}]}
"#;

#[test]
fn scalars_lists_and_boxes_go_through_twisted() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let address = twisted.address().to_string();
    let pairs: Vec<_> = ECHOES.lines().filter_map(|line| line.split_once(" => ")).collect();
    assert_eq!(pairs.len(), 23);
    let input: String = pairs.iter().flat_map(|(line, _)| [line, "\n"]).collect();
    let output = ampctl(&["session", &address, "--schema", &schema], input.as_bytes());
    let out = text(output.stdout);
    for ((line, answer), printed) in pairs.iter().zip(out.lines()) {
        assert!(printed.ends_with(&format!("\"answer\": {answer}}}")), "{line}: {printed}");
    }
    assert_eq!(out.lines().count(), pairs.len());
    assert_eq!(output.status.code(), Some(0));

    let json = folder.file("box.json", r#"{"points": [{"x": 1, "y": 2}]}"#);
    let whole = format!("@{json}");
    let call = ["call", &address, "EchoLists", "--schema", &schema, "--json", &whole, "texts=t"];
    assert_eq!(printed(&call), r#"{"points": [{"x": 1, "y": 2.0}], "texts": ["t"]}"#);
}
