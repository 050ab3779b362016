//! What the derive macros expand to: the bytes on the wire, and what is read from them.

use amp_core::argument::{DecodeErrorKind, EncodeErrorKind};
use amp_core::boxes::{BoxError, BoxReader, BoxWriter};
use amp_core::{
    Argument, Arguments, Command, CommandError, DecodeError, EncodeError, NoError, OneWay, Proto,
    Value, ValueWriter,
};
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// One box with the pairs in the order given.
fn wire(pairs: &[(&str, &[u8])]) -> Bytes {
    let mut out = BytesMut::new();
    for (key, value) in pairs {
        out.put_u16(key.len().try_into().unwrap());
        out.put_slice(key.as_bytes());
        out.put_u16(value.len().try_into().unwrap());
        out.put_slice(value);
    }
    out.put_u16(0);
    out.freeze()
}

/// A codec for one field: upper case on the wire, lower case in the code.
mod upper_case {
    use super::{DecodeError, EncodeError, Proto, Value, ValueWriter};

    pub(crate) fn to_string_proto(
        text: &str,
        _: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        if text == "ß" {
            return Err(EncodeError::custom("no upper case"));
        }
        out.put_slice(text.to_uppercase().as_bytes());
        Ok(())
    }

    pub(crate) fn from_string_proto(
        value: Value<'_>,
        _: &mut Proto<'_>,
    ) -> Result<String, DecodeError> {
        let text = std::str::from_utf8(value.as_slice()).map_err(DecodeError::custom)?;
        Ok(text.to_lowercase())
    }
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Author {
    user: String,
    host: Option<String>,
}

#[derive(Command, Debug, Clone, PartialEq)]
#[amp(name = "post-note", response = Posted, error = PostError)]
struct Post {
    r#type: String,
    #[amp(rename = "Zone")]
    zone: i64,
    #[amp(flatten)]
    author: Author,
    #[amp(with = "upper_case")]
    mood: String,
    #[amp(with = "upper_case")]
    tag: Option<String>,
    #[amp(default = "sixty")]
    lifetime: u32,
    #[amp(default)]
    pinned: bool,
    #[amp(rename = "by-line", with = "upper_case", default)]
    byline: String,
    after: Option<i64>,
}

fn sixty() -> u32 {
    60
}

#[derive(Arguments, Debug, PartialEq)]
struct Posted {
    id: u64,
}

#[derive(CommandError, Debug, PartialEq)]
enum PostError {
    QuotaExceeded,
    #[amp(code = "locked-out", fatal)]
    LockedOut(String),
    HTTPError(Described),
    r#Static,
}

#[derive(Debug, PartialEq)]
struct Described(Box<str>);

impl From<String> for Described {
    fn from(description: String) -> Self {
        Self(description.into())
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostError::QuotaExceeded => f.write_str("too much"),
            PostError::LockedOut(description) => f.write_str(description),
            PostError::HTTPError(description) => f.write_str(&description.0),
            PostError::Static => f.write_str("still"),
        }
    }
}

impl std::error::Error for PostError {}

#[derive(Command, Debug, PartialEq)]
struct CountNotes;

#[derive(Command, Debug, PartialEq)]
#[amp(one_way)]
struct LogLine {
    text: String,
}

fn post() -> Post {
    Post {
        r#type: "memo".into(),
        zone: -3,
        author: Author { user: "ann".into(), host: None },
        mood: "glad".into(),
        tag: Some("new".into()),
        lifetime: 5,
        pinned: true,
        byline: "x".into(),
        after: Some(9),
    }
}

#[test]
fn a_command_is_its_arguments_sorted_by_their_names() {
    let bytes = wire(&[
        ("Zone", b"-3"),
        ("after", b"9"),
        ("by-line", b"X"),
        ("lifetime", b"5"),
        ("mood", b"GLAD"),
        ("pinned", b"True"),
        ("tag", b"NEW"),
        ("type", b"memo"),
        ("user", b"ann"),
    ]);
    assert_eq!(post().encode().unwrap(), bytes);
    assert_eq!(Post::decode(bytes).unwrap(), post());
}

#[test]
fn arguments_are_written_in_the_order_that_the_box_has() {
    thread_local! {
        static TURN: Cell<u8> = const { Cell::new(b'0') };
    }

    /// When it is written, counted from 0.
    struct Turn;

    impl Argument for Turn {
        fn to_string_proto(
            &self,
            _: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            let turn = TURN.get();
            TURN.set(turn + 1);
            out.put_slice(&[turn]);
            Ok(())
        }

        fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    #[derive(Arguments)]
    struct Turns {
        b: Turn,
        #[amp(rename = "B")]
        z: Turn,
        #[amp(rename = "c")]
        a: Turn,
        r#as: Turn,
    }

    let bytes = Turns { b: Turn, z: Turn, a: Turn, r#as: Turn }.encode().unwrap();
    assert_eq!(bytes, wire(&[("B", b"0"), ("as", b"1"), ("b", b"2"), ("c", b"3")]));
}

#[test]
fn what_is_absent_is_none_or_the_default() {
    let bytes = wire(&[("Zone", b"0"), ("mood", b""), ("type", b""), ("user", b"")]);
    let least = Post::decode(bytes).unwrap();
    let expected = Post {
        r#type: String::new(),
        zone: 0,
        author: Author { user: String::new(), host: None },
        mood: String::new(),
        tag: None,
        lifetime: 60,
        pinned: false,
        byline: String::new(),
        after: None,
    };
    assert_eq!(least, expected);
    let bytes = wire(&[
        ("Zone", b"0"),
        ("by-line", b""),
        ("lifetime", b"60"),
        ("mood", b""),
        ("pinned", b"False"),
        ("type", b""),
        ("user", b""),
    ]);
    assert_eq!(least.encode().unwrap(), bytes, "a default is written, `None` is not");
}

#[test]
fn pairs_may_come_in_any_order_and_with_others() {
    let bytes = wire(&[
        ("user", b"ann"),
        ("zzz", b"?"),
        ("type", b"memo"),
        ("mood", b"GLAD"),
        ("Zone", b"1"),
        ("host", b"here"),
        ("Aaa", b"?"),
        ("Zone", b"2"),
    ]);
    let post = Post::decode(bytes).unwrap();
    assert_eq!((post.zone, post.author.host.as_deref()), (2, Some("here")));
}

#[test]
fn errors_name_the_argument() {
    let message = |pairs: &[(&str, &[u8])]| Post::decode(wire(pairs)).unwrap_err().to_string();
    assert_eq!(message(&[]), "argument Zone: missing");
    assert_eq!(message(&[("Zone", b"x")]), r#"argument Zone: "x" is not an Integer"#);
    assert_eq!(message(&[("Zone", b"1")]), "argument mood: missing");
    let bad = message(&[("Zone", b"1"), ("mood", b"\xff")]);
    assert!(bad.starts_with("argument mood: invalid utf-8"), "{bad}");
    let bad = message(&[("Zone", b"1"), ("mood", b"a"), ("tag", b"\xff")]);
    assert!(bad.starts_with("argument tag: invalid utf-8"), "{bad}");
    let bad = message(&[("Zone", b"1"), ("pinned", b""), ("mood", b"")]);
    assert!(bad.starts_with("argument pinned: "), "an empty value is not absent: {bad}");
    let complete: &[(&str, &[u8])] = &[("Zone", b"1"), ("mood", b""), ("type", b"")];
    assert_eq!(message(complete), "argument user: missing");

    let error = Post { mood: "ß".into(), ..post() }.encode().unwrap_err();
    assert_eq!(error.to_string(), "argument mood: no upper case");
    let error = Post { tag: Some("ß".into()), ..post() }.encode().unwrap_err();
    assert_eq!(error.to_string(), "argument tag: no upper case");
    let error = Post { r#type: "x".repeat(65_536), ..post() }.encode().unwrap_err();
    assert_eq!(error.argument(), "type");
    let kind = error.kind();
    assert!(matches!(kind, EncodeErrorKind::Box(BoxError::ValueTooLong { len: 65_536, .. })));
}

#[test]
fn a_flattened_name_that_comes_twice_is_an_error_of_encoding() {
    /// The compiler knows no names of arguments by hand.
    struct ByHand;

    impl Arguments for ByHand {
        fn write_to(
            &self,
            out: &mut BoxWriter<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<(), EncodeError> {
            "b".to_owned().to_box("user", out, proto)
        }

        fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    #[derive(Arguments)]
    struct Twice {
        user: String,
        #[amp(flatten)]
        author: ByHand,
    }
    let error = Twice { user: "a".into(), author: ByHand }.encode().unwrap_err();
    assert!(matches!(error.kind(), EncodeErrorKind::Box(BoxError::DuplicateKey { .. })));
    assert!(error.to_string().contains("\"user\""), "{error}");
}

#[test]
fn commands_are_described_by_their_attributes() {
    fn described<C: Command<Response = R, Error = E>, R, E>() -> (&'static str, bool) {
        (C::NAME, C::REQUIRES_ANSWER)
    }
    fn one_way<C: OneWay>() {}

    #[derive(Command)]
    struct r#Move {}

    assert_eq!(described::<Post, Posted, PostError>(), ("post-note", true));
    assert_eq!(described::<CountNotes, (), NoError>(), ("CountNotes", true));
    assert_eq!(described::<LogLine, (), NoError>(), ("LogLine", false));
    assert_eq!(described::<Move, (), NoError>(), ("Move", true));
    one_way::<LogLine>();
}

#[test]
fn only_a_command_that_says_so_may_be_sent_again() {
    #[derive(Command)]
    #[amp(idempotent, strict)]
    struct Read {}

    const { assert!(Read::IS_IDEMPOTENT && Read::IS_STRICT && Read::REQUIRES_ANSWER) };
    const { assert!(!Post::IS_IDEMPOTENT) };
}

#[test]
fn a_struct_without_fields_is_an_empty_box() {
    #[derive(Arguments, Debug, PartialEq)]
    struct Nothing {}

    #[derive(Arguments, Debug, PartialEq)]
    struct Nothings {
        list: Vec<Nothing>,
        one: Option<Nothing>,
    }

    assert_eq!(&CountNotes.encode().unwrap()[..], b"\0\0");
    assert_eq!(CountNotes::decode(wire(&[("a", b"1")])).unwrap(), CountNotes);
    assert_eq!(&Nothing {}.encode().unwrap()[..], b"\0\0");
    assert_eq!(Nothing::decode(wire(&[])).unwrap(), Nothing {});

    for (count, one) in [(0, None), (2, None), (1, Some(Nothing {}))] {
        let list = (0..count).map(|_| Nothing {}).collect();
        let boxes = vec![0; 2 * count];
        let pairs = [("list", &boxes[..]), ("one", b"\0\0")];
        let expected = wire(&pairs[..=usize::from(one.is_some())]);
        let nothings = Nothings { list, one };
        assert_eq!(nothings.encode().unwrap(), expected);
        assert_eq!(Nothings::decode(expected).unwrap(), nothings);
    }
}

#[test]
fn errors_go_to_codes_and_back() {
    let refused = PostError::LockedOut("go away".into());
    assert_eq!(refused.code(), "locked-out");
    assert!(refused.is_fatal());
    assert_eq!(refused.to_string(), "go away");
    assert_eq!(PostError::from_wire(b"locked-out", "go away"), Some(refused));

    assert_eq!(PostError::QuotaExceeded.code(), "QUOTA_EXCEEDED");
    assert!(!PostError::QuotaExceeded.is_fatal());
    let received = PostError::from_wire(b"QUOTA_EXCEEDED", "any text");
    assert_eq!(received, Some(PostError::QuotaExceeded));

    let http = PostError::HTTPError(Described("404".into()));
    assert_eq!(http.code(), "HTTP_ERROR");
    assert_eq!(PostError::from_wire(b"HTTP_ERROR", "404"), Some(http));
    assert_eq!(PostError::Static.code(), "STATIC");
    assert_eq!(PostError::from_wire(b"LOCKED_OUT", ""), None);
    assert_eq!(PostError::from_wire(b"\xff", ""), None);
}

#[test]
fn an_enum_without_errors_has_no_code() {
    #[derive(CommandError, Debug, PartialEq)]
    enum Never {}

    impl fmt::Display for Never {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            match *self {}
        }
    }

    impl std::error::Error for Never {}

    assert_eq!(Never::from_wire(b"ANY", ""), None);
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Library {
    rooms: Vec<Room>,
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Room {
    name: String,
    shelves: Vec<Shelf>,
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Shelf {
    books: Vec<Book>,
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Book {
    cover: Cover,
    pages: Vec<Page>,
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Cover {
    color: Option<String>,
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Page {
    text: Bytes,
}

fn library(text: Bytes) -> Library {
    let page = Page { text };
    let book = Book { cover: Cover { color: Some("red".into()) }, pages: vec![page.clone(), page] };
    let bare = Book { cover: Cover { color: None }, pages: Vec::new() };
    let shelf = Shelf { books: vec![book, bare] };
    let room = Room { name: "east".into(), shelves: vec![shelf, Shelf { books: Vec::new() }] };
    Library { rooms: vec![room] }
}

#[test]
fn boxes_nest_in_values() {
    let page = wire(&[("text", b"hi")]);
    let pages = [&page[..], &page].concat();
    let cover = wire(&[("color", b"red")]);
    let book = wire(&[("cover", &cover), ("pages", &pages)]);
    let bare = wire(&[("cover", b"\0\0"), ("pages", b"")]);
    let shelf = wire(&[("books", &[&book[..], &bare].concat())]);
    let shelves = [&shelf[..], &wire(&[("books", b"")])].concat();
    let room = wire(&[("name", b"east"), ("shelves", &shelves)]);
    let bytes = wire(&[("rooms", &room)]);

    let library = library(Bytes::from_static(b"hi"));
    assert_eq!(library.encode().unwrap(), bytes);
    assert_eq!(Library::decode(bytes).unwrap(), library);
}

#[test]
fn what_was_received_is_shared_and_not_copied() {
    let bytes = library(Bytes::from_static(b"some text")).encode().unwrap();
    let library = Library::decode(bytes.clone()).unwrap();
    let text = &library.rooms[0].shelves[0].books[0].pages[1].text;
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
}

#[test]
fn errors_inside_of_lists_say_where_they_are() {
    let mut bad = library(Bytes::new());
    bad.rooms[0].shelves[0].books[0].pages[1].text = vec![0; 65_536].into();
    let error = bad.encode().unwrap_err();
    assert_eq!(error.argument(), "rooms[0].shelves[0].books[0].pages[1].text");

    let book = wire(&[("cover", b"\0\0"), ("pages", &wire(&[]))]);
    let shelf = wire(&[("books", &book)]);
    let error = Shelf::decode(shelf).unwrap_err();
    assert_eq!(error.to_string(), "argument books[0].pages[0].text: missing");
}

#[test]
fn values_that_are_not_whole_boxes_are_errors() {
    let page = wire(&[("text", b"hi")]);
    let pages = |value: &[u8]| {
        let book = wire(&[("cover", b"\0\0"), ("pages", value)]);
        Book::decode(book).unwrap_err()
    };
    for cut in 1..page.len() {
        let error = pages(&[&page[..], &page[..cut]].concat());
        assert!(matches!(error.kind(), DecodeErrorKind::Truncated { index: 1 }), "{cut}: {error}");
        assert_eq!(error.argument(), "pages");
    }
    let error = pages(b"\x01\0");
    assert!(matches!(error.kind(), DecodeErrorKind::Box(BoxError::KeyTooLong { .. })));
    assert_eq!(error.argument(), "pages[0]");

    let cover = |value: &[u8]| {
        let book = wire(&[("cover", value), ("pages", b"")]);
        Book::decode(book).unwrap_err().to_string()
    };
    assert_eq!(cover(b"\0\0\0\0"), "argument cover: 2 bytes follow the box");
    assert_eq!(cover(b""), "argument cover: 0 bytes end in the middle of a box");
}

#[derive(Command, Debug, PartialEq)]
#[amp(response = Several<T>)]
struct Several<T> {
    first: T,
    others: Vec<T>,
    last: Option<T>,
}

#[derive(Command, Debug, PartialEq)]
#[amp(one_way)]
struct Tagged<A, T: Default, X = String>
where
    X: AsRef<str>,
{
    #[amp(flatten)]
    group: A,
    #[amp(default)]
    tag: T,
    text: X,
}

#[derive(Command, Debug, PartialEq)]
struct Borrowed<'a, const N: usize> {
    text: Cow<'a, str>,
    hash: Hash<N>,
}

#[derive(Arguments, Debug, PartialEq)]
struct Coded<T> {
    #[amp(with = "Hidden::<T>", default)]
    hidden: Hidden<T>,
}

/// Not an argument itself, and its parameter need not be one.
#[derive(Debug, PartialEq)]
struct Hidden<T>(Option<T>);

impl<T> Default for Hidden<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Hidden<T> {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        if self.0.is_some() {
            return Err(EncodeError::custom("not for everybody"));
        }
        out.put_slice(b"?");
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        match value.as_slice() {
            b"?" => Ok(Self::default()),
            _ => Err(DecodeError::malformed("hidden", value)),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Hash<const N: usize>([u8; N]);

impl<const N: usize> Argument for Hash<N> {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_slice(&self.0);
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let bytes = value.as_slice().try_into().map_err(DecodeError::custom)?;
        Ok(Self(bytes))
    }
}

#[test]
fn structs_may_be_generic() {
    fn same<C: Arguments + PartialEq + fmt::Debug>(arguments: &C, bytes: &Bytes) {
        assert_eq!(arguments.encode().unwrap(), bytes);
        assert_eq!(&C::decode(bytes.clone()).unwrap(), arguments);
    }
    fn is_command<C: Command>() {}

    let bytes = wire(&[("first", b"1"), ("others", b"\0\x012\0\x013")]);
    same(&Several { first: 1_i64, others: vec![2, 3], last: None }, &bytes);
    is_command::<Several<bool>>();
    let bytes = wire(&[("tag", b"0"), ("text", b"t"), ("user", b"u")]);
    let group = Author { user: "u".into(), host: None };
    same(&Tagged { group, tag: 0_i64, text: "t".to_owned() }, &bytes);
    is_command::<Tagged<Author, i64>>();
    let bytes = wire(&[("hash", b"\x01\x02"), ("text", b"t")]);
    same(&Borrowed { text: "t".into(), hash: Hash([1, 2]) }, &bytes);
    is_command::<Borrowed<'static, 2>>();
    let coded = Coded { hidden: Hidden::<std::time::Duration>(None) };
    same(&coded, &wire(&[("hidden", b"?")]));
}
