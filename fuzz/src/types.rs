//! Values of every type that is an argument.

use amp_core::argument::{
    Continued, ContinuedZlib, DateTime, Decimal, Json, Numbered, Packed, UuidBytes, UuidInteger,
    Zlib,
};
use amp_core::schema::{WireType, WireTypes};
use amp_core::{
    Argument, Arguments, Command, CommandError, DecodeError, EncodeError, Proto, Value, ValueWriter,
};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The value of a box that has but one.
#[derive(Arguments, Debug)]
pub struct One<T: Argument> {
    pub v: T,
}

/// One text out of a few.
#[derive(Argument, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    One,
    #[amp(rename = "an other")]
    Other,
}

#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Point {
    pub x: i64,
    pub y: Option<f64>,
    #[amp(default)]
    pub z: u8,
}

/// A box that contains itself.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Tree {
    pub name: String,
    pub below: Vec<Tree>,
}

/// One of several boxes, which a text in it tells apart.
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(tag = "kind")]
pub enum Shape {
    Circle {
        radius: f64,
        label: Option<String>,
    },
    #[amp(rename = "box")]
    Box {
        width: u8,
        #[amp(default)]
        corners: Vec<Point>,
    },
    Tree(Tree),
    Nothing,
}

/// What has no order, which is shown in one.
pub struct Hashed<C>(C);

impl<C> fmt::Debug for Hashed<C>
where
    for<'a> &'a C: IntoIterator<Item: fmt::Debug>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items: Vec<_> = self.0.into_iter().map(|item| format!("{item:?}")).collect();
        items.sort_unstable();
        f.debug_list().entries(items).finish()
    }
}

/// A packed network, of which the bits behind the prefix are not written.
pub struct Network<N>(Packed<N>);

impl<N: Copy + Into<ipnet::IpNet>> fmt::Debug for Network<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network: ipnet::IpNet = (*self.0).into();
        network.trunc().fmt(f)
    }
}

macro_rules! as_what_it_has {
    ($([$($generics:tt)*] $type:ty, $of:ty;)*) => { $(
        impl<$($generics)*> Argument for $type
        where
            $of: Argument,
        {
            fn to_string_proto(
                &self,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                self.0.to_string_proto(proto, out)
            }

            fn from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                <$of>::from_string_proto(value, proto).map(Self)
            }

            fn wire_type(types: &mut WireTypes) -> WireType {
                <$of>::wire_type(types)
            }
        }
    )* };
}

as_what_it_has! {
    [C] Hashed<C>, C;
    [N] Network<N>, Packed<N>;
}

/// A command with a little of everything.
#[derive(Command, Debug)]
#[amp(response = Everything, error = Failed)]
pub struct Everything {
    pub big: Option<num_bigint::BigInt>,
    #[amp(rename = "a-b")]
    pub renamed: Option<u16>,
    pub text: Option<String>,
    pub bytes: Option<Bytes>,
    pub kind: Option<Kind>,
    pub date: Option<DateTime>,
    pub decimal: Option<Decimal>,
    pub points: Option<Vec<Point>>,
    pub tree: Option<Tree>,
    pub map: Option<BTreeMap<String, Vec<i64>>>,
    pub json: Option<Json<serde_json::Value>>,
    pub large: Option<Numbered<Vec<u8>>>,
    pub pair: Option<(bool, f32)>,
    #[amp(default)]
    pub defaulted: i64,
}

#[derive(CommandError, Debug, PartialEq)]
pub enum Failed {
    This,
    #[amp(code = "that", fatal)]
    That,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has failed")
    }
}

impl std::error::Error for Failed {}

/// Something that is done with a value of any type.
pub trait Visit {
    fn visit<T: Argument + fmt::Debug>(self);
}

/// Does it with the type of this number, counted modulo as many as there are.
pub fn visit(number: usize, visit: impl Visit) {
    macro_rules! types {
        ($($type:ty),* $(,)?) => {{
            let visits: &[fn(_)] = &[$(|visit| Visit::visit::<$type>(visit)),*];
            visits[number % visits.len()](visit);
        }};
    }
    types![
        i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, NonZero<i32>, NonZero<u64>,
        num_bigint::BigInt, num_bigint::BigUint,
        Bytes, Vec<u8>, [u8; 4],
        String, Box<str>, char,
        f64, f32, bool,
        Decimal, rust_decimal::Decimal,
        DateTime, chrono::DateTime<chrono::FixedOffset>, chrono::DateTime<chrono::Utc>,
        jiff::Zoned, jiff::Timestamp, time::OffsetDateTime, SystemTime, Duration,
        PathBuf,
        IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6,
        ipnet::IpNet, ipnet::Ipv4Net, ipnet::Ipv6Net,
        Packed<IpAddr>, Packed<Ipv4Addr>, Packed<Ipv6Addr>,
        url::Url, uuid::Uuid, UuidBytes, UuidInteger,
        Json<serde_json::Value>, Json<BTreeMap<String, Vec<Option<f64>>>>,
        Vec<i64>, Vec<String>, Vec<Vec<Vec<u8>>>, [bool; 3], VecDeque<f64>, BTreeSet<u8>,
        Vec<Decimal>, Vec<DateTime>,
        Kind, Vec<Kind>, Point, Vec<Point>, Vec<Vec<Point>>, Tree, Vec<Tree>, Box<Tree>,
        BTreeMap<String, i64>, BTreeMap<u8, Vec<Point>>,
        (i8, String), Vec<(i8, Point)>, (Vec<u8>, Kind, Option<f64>),
        Option<i64>, Option<Vec<Point>>,
        Numbered<Vec<u8>>, Numbered<Vec<Point>>, Option<Numbered<String>>,
        Continued<String>, Continued<Vec<i64>>,
        Zlib<String>, Zlib<Vec<Point>>, Vec<Zlib<Vec<u8>>>, Continued<Zlib<String>>,
        ContinuedZlib<Vec<u8>>, ContinuedZlib<Vec<Tree>>,
        Shape, Vec<Shape>, Option<Numbered<Vec<Shape>>>,
        Cow<'static, str>, Arc<str>, Box<[i64]>, Arc<[Point]>, Arc<Tree>,
        Hashed<HashSet<i32>>, Hashed<HashMap<String, i64>>,
        Network<ipnet::IpNet>, Network<ipnet::Ipv4Net>, Network<ipnet::Ipv6Net>,
    ];
}
