//! Boxes are read by serde as they are by typed arguments, and what is read is written as it was.

#![no_main]

use amp_core::boxes::BoxLimits;
use amp_core::serde::{from_box, from_box_within, to_box};
use amp_core::{AmpBox, Argument, Arguments};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What typed arguments and serde have in common.
#[derive(Arguments, Serialize, Deserialize, Debug, PartialEq)]
struct Both {
    byte: Option<u8>,
    long: Option<i64>,
    vast: Option<u128>,
    float: Option<f64>,
    narrow: Option<f32>,
    flag: Option<bool>,
    letter: Option<char>,
    text: Option<String>,
    bytes: Option<Octets>,
    list: Option<Vec<i64>>,
    deep: Option<Vec<Vec<Vec<String>>>>,
    array: Option<[i16; 3]>,
    one: Option<Inner>,
    many: Option<Vec<Inner>>,
    lists: Option<Vec<Vec<Inner>>>,
    color: Option<Color>,
}

/// Bytes, which serde would take for a list of numbers.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Octets(#[serde(with = "serde_bytes")] Vec<u8>);

impl Argument for Octets {
    fn to_string_proto(
        &self,
        proto: &mut amp_core::Proto<'_>,
        out: &mut amp_core::ValueWriter<'_>,
    ) -> Result<(), amp_core::EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(
        value: amp_core::Value<'_>,
        proto: &mut amp_core::Proto<'_>,
    ) -> Result<Self, amp_core::DecodeError> {
        Vec::from_string_proto(value, proto).map(Self)
    }
}

#[derive(Argument, Serialize, Deserialize, Debug, PartialEq)]
enum Color {
    Red,
    #[serde(rename = "dark green")]
    #[amp(rename = "dark green")]
    DarkGreen,
}

#[derive(Arguments, Serialize, Deserialize, Debug, PartialEq)]
struct Inner {
    z: i64,
    a: Option<String>,
    more: Vec<Leaf>,
}

#[derive(Arguments, Serialize, Deserialize, Debug, PartialEq)]
struct Leaf {
    x: f64,
}

/// What is read of a box is written as a box that is read the same way.
fn check<T: Serialize + DeserializeOwned + Debug>(ampbox: &AmpBox) {
    let Ok(read) = from_box_within::<T>(ampbox, 1 << 16) else { return };
    let written = to_box(&read).unwrap_or_else(|error| panic!("{error}: {read:?}"));
    let again = from_box::<T>(&written).unwrap_or_else(|error| panic!("{error}: {read:?}"));
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
    assert_eq!(to_box(&again).expect("it was written before"), written);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(ampbox) = serde_json::from_slice::<AmpBox>(bytes) {
        let text = serde_json::to_string(&ampbox);
        if let Ok(text) = text {
            assert_eq!(serde_json::from_str::<AmpBox>(&text).expect("it was written"), ampbox);
        }
    }
    let Ok(ampbox) = AmpBox::parse(&mut Bytes::copy_from_slice(bytes), BoxLimits::default()) else {
        return;
    };
    match (Both::decode(ampbox.to_bytes()), from_box::<Both>(&ampbox)) {
        (Ok(typed), Ok(read)) => {
            // As text, since a NaN is not what it is.
            assert_eq!(format!("{typed:?}"), format!("{read:?}"));
            assert_eq!(
                typed.encode().expect("it was read"),
                to_box(&read).expect("too").to_bytes()
            );
        }
        // Of several mistakes, they need not find the same one first.
        (Err(_), Err(_)) => {}
        (typed, read) => panic!("{ampbox:?}: {typed:?} and {read:?}"),
    }
    check::<Both>(&ampbox);
    check::<BTreeMap<String, String>>(&ampbox);
    check::<BTreeMap<String, Vec<(i64, String)>>>(&ampbox);
    check::<BTreeMap<String, Vec<BTreeMap<char, f64>>>>(&ampbox);
    check::<BTreeMap<String, serde_json::Value>>(&ampbox);
});
