//! What `#[derive(Argument)]` expands to for structs: all that their one field is on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::marker::PhantomData;

use amp_core::argument::{Continued, DecodeErrorKind, FromConnection, Numbered};
use amp_core::schema::Schema;
use amp_core::{Argument, Arguments, Command};
use bytes::Bytes;

#[derive(Argument, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UserId(u64);

#[derive(Argument, Clone, Debug, PartialEq)]
struct Name(String);

#[derive(Argument, Clone, Copy, Debug, PartialEq)]
struct Octet(u8);

#[derive(Arguments, Clone, Debug, PartialEq)]
struct Point {
    x: i64,
    y: i64,
}

#[derive(Argument, Clone, Debug, PartialEq)]
struct Place(Point);

/// What is two of them deep.
#[derive(Argument, Clone, Debug, PartialEq)]
struct Home(Place);

#[derive(Argument, Clone, Debug, PartialEq)]
struct Maybe(Option<u64>);

#[derive(Argument, Clone, Debug, PartialEq)]
struct Long(Numbered<Bytes>);

#[derive(Argument, Clone, Debug, PartialEq)]
struct Longer(Continued<String>);

#[derive(Argument, Clone, Debug, PartialEq)]
struct Around<T>(T);

#[derive(Argument, Debug, PartialEq)]
struct Id<T>(#[amp(skip)] PhantomData<T>, u64);

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        Self(PhantomData, self.1)
    }
}

#[derive(Argument, Clone, Debug, PartialEq)]
#[amp(bound = "T: Argument + Clone", crate = "amp_core")]
struct Bound<T: Clone>(Vec<T>);

/// No argument.
#[derive(Clone, Debug, PartialEq)]
struct User;

#[derive(Command, Debug, PartialEq)]
struct Holds<T: Argument> {
    alone: T,
    optional: Option<T>,
    list: Vec<T>,
    lists: Vec<VecDeque<T>>,
    pointed_to: Vec<Box<T>>,
    array: [T; 2],
    pair: (T, u8),
    by_name: BTreeMap<String, T>,
}

fn holds<T: Argument + Clone>(value: &T) -> Holds<T> {
    let of = |n| vec![value.clone(); n];
    Holds {
        alone: value.clone(),
        optional: Some(value.clone()),
        list: of(3),
        lists: vec![of(2).into(), of(0).into()],
        pointed_to: of(2).into_iter().map(Box::new).collect(),
        array: [value.clone(), value.clone()],
        pair: (value.clone(), 7),
        by_name: BTreeMap::from([("a".to_owned(), value.clone())]),
    }
}

fn schema<C: Command>() -> String {
    let mut schema = Schema::default();
    schema.add::<C>();
    schema.to_string()
}

/// Both are the same bytes wherever they stand, and the same schema.
#[track_caller]
fn assert_same<T, U>(outer: &T, inner: &U)
where
    T: Argument + Clone + Debug + PartialEq + Send + 'static,
    U: Argument + Clone + Send + 'static,
{
    let bytes = holds(inner).encode().unwrap();
    assert_eq!(holds(outer).encode().unwrap(), bytes);
    assert_eq!(Holds::<T>::decode(bytes).unwrap(), holds(outer));
    assert_eq!(schema::<Holds<T>>(), schema::<Holds<U>>());
    assert!(!schema::<Holds<T>>().contains("derive_newtype"), "{}", schema::<Holds<T>>());
}

#[test]
fn a_newtype_is_what_it_has() {
    assert_same(&UserId(12), &12_u64);
    assert_same(&Name("ann".to_owned()), &"ann".to_owned());
    assert_same(&Octet(b'x'), &b'x');
    let point = Point { x: 1, y: -2 };
    assert_same(&Place(point.clone()), &point);
    assert_same(&Home(Place(point.clone())), &point);
    assert_same(&Around(point.clone()), &point);
    assert_same(&Around(vec![b'x'; 3]), &vec![b'x'; 3]);
    assert_same(&Around(Around(UserId(5))), &5_u64);
    assert_same(&Bound(vec![point.clone()]), &vec![point]);
    assert_same(&Id::<User>(PhantomData, 8), &8_u64);
}

#[test]
fn lists_of_bytes_and_of_boxes_have_their_own_forms() {
    #[derive(Arguments)]
    struct Lists {
        octets: Vec<Octet>,
        places: Vec<Home>,
    }
    let lists = Lists {
        octets: vec![Octet(b'h'), Octet(b'i')],
        places: vec![Home(Place(Point { x: 1, y: 2 }))],
    };
    assert_eq!(
        &lists.encode().unwrap()[..],
        b"\0\x06octets\0\x02hi\0\x06places\0\x0e\0\x01x\0\x011\0\x01y\0\x012\0\0\0\0"
    );
}

#[test]
fn keys_are_those_of_what_it_has() {
    #[derive(Command, Debug, PartialEq)]
    struct Keys<A: Argument, B: Argument, C: Argument, D: Argument> {
        absent: A,
        long: B,
        longer: Option<C>,
        #[amp(default)]
        none: Option<D>,
    }
    let long = Bytes::from(vec![b'x'; 70_000]);
    let text = "y".repeat(70_000);
    let outer = Keys::<_, _, _, Long> {
        absent: Maybe(None),
        long: Long(Numbered(long.clone())),
        longer: Some(Longer(Continued(text.clone()))),
        none: None,
    };
    let inner = Keys::<_, _, _, Numbered<Bytes>> {
        absent: None::<u64>,
        long: Numbered(long),
        longer: Some(Continued(text)),
        none: None,
    };
    let bytes = inner.encode().unwrap();
    assert_eq!(outer.encode().unwrap(), bytes);
    assert_eq!(Keys::decode(bytes).unwrap(), outer);
    let inner = schema::<Keys<Option<u64>, Numbered<Bytes>, Continued<String>, Numbered<Bytes>>>();
    assert_eq!(schema::<Keys<Maybe, Long, Longer, Long>>(), inner);
}

#[test]
fn an_optional_one_is_not_optional_twice() {
    #[derive(Arguments, Debug)]
    struct Twice {
        maybe: Option<Maybe>,
    }
    assert_eq!(&Twice { maybe: None }.encode().unwrap()[..], b"\0\0");
    assert_eq!(
        &Twice { maybe: Some(Maybe(Some(1))) }.encode().unwrap()[..],
        b"\0\x05maybe\0\x011\0\0"
    );
    let error = Twice { maybe: Some(Maybe(None)) }.encode().unwrap_err();
    assert_eq!(error.argument(), "maybe");
}

#[test]
fn what_is_taken_from_the_connection_has_no_key() {
    #[derive(Argument, Clone, Debug, PartialEq)]
    struct Caller(FromConnection<u32>);

    #[derive(Arguments, Debug)]
    struct Has {
        caller: Caller,
    }
    assert_eq!(&Has { caller: Caller(FromConnection(3)) }.encode().unwrap()[..], b"\0\0");
    assert_eq!(Has::decode(b"\0\0"[..].into()).unwrap_err().argument(), "caller");
}

#[test]
fn errors_are_those_of_what_it_has() {
    #[derive(Arguments, Debug)]
    struct Ids {
        ids: Vec<UserId>,
    }

    let with = |alone: &[u8]| {
        let bytes = [b"\0\x05alone\0\x01", alone, b"\0\0"].concat();
        Holds::<Place>::decode(bytes.into()).unwrap_err().to_string()
    };
    let inner = |alone: &[u8]| {
        let bytes = [b"\0\x05alone\0\x01", alone, b"\0\0"].concat();
        Holds::<Point>::decode(bytes.into()).unwrap_err().to_string()
    };
    assert_eq!(with(b"x"), inner(b"x"));
    let error = Ids::decode(b"\0\x03ids\0\x06\0\x011\0\x01x\0\0"[..].into()).unwrap_err();
    assert_eq!(error.argument(), "ids[1]");
    let error = Ids::decode(b"\0\0"[..].into()).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Missing), "{error}");
}

#[test]
fn what_is_not_on_the_wire_counts_as_memory() {
    #[derive(Argument, Debug)]
    struct Wide(u64, #[amp(skip)] [u64; 31]);

    #[derive(Arguments, Debug)]
    struct All {
        all: Vec<Wide>,
    }
    let all = All { all: (0..9).map(|n| Wide(n, [n; 31])).collect() };
    let bytes = all.encode().unwrap();
    let decoded = All::decode_within(bytes.clone(), 9 * 256 + 200).unwrap();
    assert_eq!(decoded.all.len(), 9);
    assert!(decoded.all.iter().all(|wide| wide.1 == [0; 31]));
    let error = All::decode_within(bytes, 9 * 256 - 1).unwrap_err();
    assert_eq!(error.argument(), "all");
}

/// Recursive by its own box.
#[derive(Arguments, Clone, Debug, PartialEq)]
struct Node {
    children: Children,
}

#[derive(Argument, Clone, Debug, PartialEq)]
struct Children(Vec<Node>);

#[test]
fn a_type_may_contain_itself() {
    #[derive(Arguments)]
    struct Plain {
        children: Vec<Plain>,
    }
    #[derive(Command)]
    #[amp(name = "Grow")]
    struct GrowPlain {
        tree: Plain,
    }
    #[derive(Command)]
    struct Grow {
        tree: Node,
    }

    let leaf = || Node { children: Children(Vec::new()) };
    let tree = Node { children: Children(vec![leaf(), leaf()]) };
    assert_eq!(Node::decode(tree.encode().unwrap()).unwrap(), tree);
    assert_eq!(schema::<Grow>(), schema::<GrowPlain>());
}
