//! Dynamic values are what typed ones are, and are the same after a way over boxes or JSON.

#![no_main]

use amp_core::Argument;
use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{AmpBox, Arguments};
use amp_fuzz::Input;
use amp_fuzz::types::{One, Visit, visit};
use bytes::Bytes;
use std::any::type_name;
use std::fmt::Debug;
use std::time::Duration;

/// What is read of a box is written, and read again as the same, directly and over JSON.
fn check_box(schema: &BoxSchema, bytes: &Bytes) -> Option<Bytes> {
    let read = Values::decode(schema, bytes.clone()).ok()?;
    let written = read.encode(schema).unwrap_or_else(|error| panic!("{error}: {read:?}"));
    let again = Values::decode(schema, written.clone()).expect("it was written");
    // Of a packed network, the bits behind the prefix are not written: the values need not be equal.
    assert_eq!(again.encode(schema).expect("it was written before"), written);
    let json = read.to_json();
    let over_json = Values::from_json(schema, &json);
    let over_json = over_json.unwrap_or_else(|error| panic!("{error}: {json}"));
    let by_json = over_json.encode(schema).expect("it was written before");
    // What is between the values of a Json is not kept.
    if !format!("{read:?}").contains("Json(") {
        assert_eq!(by_json, written, "{json}");
    }
    Some(written)
}

/// What is read of JSON is a box that is read as the same values.
fn check_json(schema: &BoxSchema, text: &str) {
    let Ok(read) = Values::from_json(schema, text) else { return };
    let Ok(written) = read.encode(schema) else { return };
    let again = Values::decode(schema, written.clone());
    let again = again.unwrap_or_else(|error| panic!("{error}: {read:?}"));
    assert_eq!(again.encode(schema).expect("it was written before"), written);
}

fn check(schema: &BoxSchema, form: u8, bytes: &[u8]) -> Option<(Bytes, Bytes)> {
    let bytes = match form % 3 {
        0 => AmpBox::from_pairs([("v", bytes)]).ok()?.to_bytes(),
        1 => Bytes::copy_from_slice(bytes),
        _ => {
            check_json(schema, str::from_utf8(bytes).ok()?);
            return None;
        }
    };
    let written = check_box(schema, &bytes)?;
    Some((bytes, written))
}

struct Check<'a> {
    form: u8,
    bytes: &'a [u8],
}

impl Visit for Check<'_> {
    fn visit<T: Argument + Debug>(self) {
        let schema = BoxSchema::of::<One<T>>();
        let Some((bytes, written)) = check(&schema, self.form, self.bytes) else { return };
        // What the type reads of both is the same value, where a float is as exact as the type.
        if type_name::<T>() == type_name::<Duration>() {
            return;
        }
        let Ok(typed) = One::<T>::decode(bytes) else { return };
        let again = One::<T>::decode(written).unwrap_or_else(|error| panic!("{error}: {typed:?}"));
        assert_eq!(format!("{again:?}"), format!("{typed:?}"));
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some([number, form]) = input.byte().zip(input.byte()).map(<[u8; 2]>::from) else { return };
    if number < 0xf0 {
        visit(number.into(), Check { form, bytes: input.0 });
        return;
    }
    // A schema of its own comes first.
    let Some(length) = input.number() else { return };
    let arguments = String::from_utf8_lossy(input.take(length));
    let mut text = String::from("command C\n  arguments\n");
    for line in arguments.lines() {
        text.extend(["    ", line, "\n"]);
    }
    let Ok(schema) = text.parse::<Schema>() else { return };
    let Some(command) = schema.command("C") else { return };
    check(&command.arguments, form, input.0);
});
