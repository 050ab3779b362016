//! Keys that no argument knows: ignored, or refused by a command or a connection.

use amp_core::argument::{DecodeErrorKind, Numbered, UnknownKeys};
use amp_core::{
    AmpBox, Arguments, CallError, Command, Connection, Context, NoError, PeerAddress, ReceivedCall,
    RemoteError, Responders,
};

#[derive(Command, Debug, Default, PartialEq)]
#[amp(strict, response = Total)]
struct Strict {
    a: i64,
    b: Option<i64>,
    image: Numbered<String>,
    peer: PeerAddress,
    #[amp(default)]
    times: i64,
    #[amp(flatten)]
    group: Group,
    #[amp(flatten)]
    another: Another,
    #[amp(with = "codec")]
    coded: String,
    points: Vec<Point>,
}

/// Strict when it is a box of its own, and not when it is flattened.
#[derive(Arguments, Debug, Default, PartialEq)]
#[amp(strict)]
struct Group {
    user: String,
}

#[derive(Arguments, Debug, Default, PartialEq)]
struct Another {
    host: Option<String>,
}

#[derive(Arguments, Debug, Default, PartialEq)]
struct Point {
    x: i64,
}

#[derive(Arguments, Debug, PartialEq)]
struct Total {
    total: i64,
}

mod codec {
    pub(crate) use amp_core::Argument;

    pub(crate) fn to_string_proto(
        text: &String,
        proto: &mut amp_core::Proto<'_>,
        out: &mut amp_core::ValueWriter<'_>,
    ) -> Result<(), amp_core::EncodeError> {
        text.to_string_proto(proto, out)
    }

    pub(crate) fn from_string_proto(
        value: amp_core::Value<'_>,
        proto: &mut amp_core::Proto<'_>,
    ) -> Result<String, amp_core::DecodeError> {
        String::from_string_proto(value, proto)
    }
}

/// A box with every key that the command knows, and these.
fn full(others: &[(&str, &str)]) -> AmpBox {
    let known = [
        ("a", "1"),
        ("b", "2"),
        ("image.0", "x"),
        ("image.1", "y"),
        ("times", "3"),
        ("user", "ann"),
        ("host", "h"),
        ("coded", "c"),
        ("points", "\0\x01x\0\x011\0\0"),
    ];
    AmpBox::from_pairs(known.iter().chain(others).copied()).unwrap()
}

fn unknown_key<T: Arguments>(ampbox: &AmpBox) -> Option<(String, String)> {
    let error = T::decode(ampbox.to_bytes()).err()?;
    match error.kind() {
        DecodeErrorKind::UnknownKey { key } => Some((error.argument().to_owned(), key.to_string())),
        _ => panic!("{error}"),
    }
}

#[test]
fn all_keys_of_all_arguments_are_known() {
    assert_eq!(unknown_key::<Strict>(&full(&[])), None);
    let mut least = full(&[]);
    for key in ["b", "image.0", "image.1", "times", "host"] {
        assert!(least.remove(key));
    }
    assert_eq!(unknown_key::<Strict>(&least), None);
    let reserved = full(&[("_ask", "1"), ("_command", "Strict"), ("_error_code", "x")]);
    assert_eq!(unknown_key::<Strict>(&reserved), None);
}

#[test]
fn the_first_unknown_key_is_named() {
    let found = |others: &[(&str, &str)]| unknown_key::<Strict>(&full(others)).unwrap().1;
    assert_eq!(found(&[("z", ""), ("aa", "")]), "\"aa\"");
    assert_eq!(found(&[("_private", "")]), "\"_private\"");
    assert_eq!(found(&[("image", "")]), "\"image\"");
    assert_eq!(found(&[("image.3", "behind a gap")]), "\"image.3\"");
    // What is never on the wire has no key.
    assert_eq!(found(&[("peer", "127.0.0.1")]), "\"peer\"");
    let error = Strict::decode(full(&[("z", "")]).to_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the key \"z\" is unknown");
}

#[test]
fn strictness_is_that_of_the_whole_box() {
    #[derive(Arguments, Debug)]
    struct Lenient {
        #[amp(flatten)]
        _group: Group,
    }
    #[derive(Arguments, Debug)]
    struct Around {
        _group: Group,
        _list: Vec<Group>,
    }
    let group = |key| AmpBox::from_pairs([("user", "ann"), (key, "")]).unwrap();
    assert_eq!(unknown_key::<Lenient>(&group("z")), None);
    assert_eq!(unknown_key::<Group>(&group("z")), Some((String::new(), "\"z\"".to_owned())));

    let known = AmpBox::from_pairs([("user", "ann")]).unwrap().to_bytes();
    let around = |one: &[u8], list: &[u8]| {
        AmpBox::from_pairs([("_group", one), ("_list", list), ("more", b"")]).unwrap()
    };
    let unknown = group("z").to_bytes();
    let found = unknown_key::<Around>(&around(&unknown, b"")).unwrap();
    assert_eq!(found, ("_group".to_owned(), "\"z\"".to_owned()));
    let found = unknown_key::<Around>(&around(&known, &[known.clone(), unknown].concat())).unwrap();
    assert_eq!(found, ("_list[1]".to_owned(), "\"z\"".to_owned()));
    assert_eq!(unknown_key::<Around>(&around(&known, &known)), None);
}

#[test]
fn boxes_of_any_keys_know_them_all() {
    #[derive(Arguments, Debug)]
    #[amp(strict)]
    struct Rest {
        a: i64,
        #[amp(flatten)]
        rest: AmpBox,
    }
    let rest = Rest::decode(full(&[("z", "26")]).to_bytes()).unwrap();
    assert_eq!((rest.a, rest.rest.get("z")), (1, Some(&b"26"[..])));
}

#[derive(Command, Debug)]
#[amp(response = Total)]
struct Sum {
    a: i64,
    b: i64,
}

/// Two ends; the one that is returned calls the other, which treats unknown keys like this.
fn connect(there: UnknownKeys, here: UnknownKeys) -> amp_core::Peer {
    let (near, far) = tokio::io::duplex(4096);
    let responders = Responders::new(())
        .respond(|_: Context, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) })
        .respond(|_: Context, _: Strict| async { Ok::<_, NoError>(Total { total: 0 }) })
        .respond_by_name("Raw", |call: ReceivedCall| async {
            Ok::<_, RemoteError>(call.arguments)
        });
    let answering = Connection::new(far).responders(responders).unknown_keys(there);
    tokio::spawn(answering.run());
    Connection::new(near).unknown_keys(here).spawn()
}

#[tokio::test]
async fn a_connection_can_refuse_what_its_commands_would_ignore() {
    let call = [("a", "1"), ("b", "2"), ("c", "3")];
    let peer = connect(UnknownKeys::Ignore, UnknownKeys::Ignore);
    let answer = peer.call_by_name("Sum", call).await.unwrap();
    assert_eq!(answer.get("total"), Some(&b"3"[..]));

    let peer = connect(UnknownKeys::Reject, UnknownKeys::Ignore);
    let error = peer.call_by_name("Sum", call).await.unwrap_err();
    assert!(matches!(error, CallError::Remote(error) if error.is_unknown()));
    // The connection goes on, and known keys are welcome.
    let Total { total } = peer.call_remote(Sum { a: 1, b: 2 }).await.unwrap();
    assert_eq!(total, 3);
    assert!(peer.call_by_name("Raw", call).await.is_ok());
}

#[tokio::test]
async fn a_strict_command_is_strict_on_every_connection() {
    let peer = connect(UnknownKeys::Ignore, UnknownKeys::Ignore);
    let pairs: Vec<_> = full(&[]).iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    assert!(peer.call_by_name("Strict", pairs.clone()).await.is_ok());
    let more = pairs.into_iter().chain([(b"z".to_vec(), Vec::new())]);
    let error = peer.call_by_name("Strict", more).await.unwrap_err();
    assert!(matches!(error, CallError::Remote(error) if error.is_unknown()));
}

/// The same command, of a peer that knows less of its response.
#[derive(Command, Debug)]
#[amp(name = "Raw", response = Total)]
struct Short {
    total: i64,
    more: i64,
}

#[tokio::test]
async fn answers_are_boxes_too() {
    let peer = connect(UnknownKeys::Reject, UnknownKeys::Ignore);
    assert_eq!(peer.call_remote(Short { total: 1, more: 2 }).await.unwrap(), Total { total: 1 });
    let peer = connect(UnknownKeys::Ignore, UnknownKeys::Reject);
    let error = peer.call_remote(Short { total: 1, more: 2 }).await.unwrap_err();
    assert_eq!(
        amp_core::Report::new(&error).to_string(),
        "the answer cannot be read: the key \"more\" is unknown"
    );
}
