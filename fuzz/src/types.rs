//! Values of every type that is an argument.

use amp_core::argument::{
    Continued, ContinuedZlib, DateTime, Decimal, Json, Numbered, Packed, UuidBytes, UuidInteger,
    Zlib,
};
use amp_core::{Argument, Arguments, Command, CommandError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZero;
use std::path::PathBuf;
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

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it has failed")
    }
}

impl std::error::Error for Failed {}

/// Something that is done with a value of any type.
pub trait Visit {
    fn visit<T: Argument + std::fmt::Debug>(self);
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
    ];
}
