//! Whatever is read as a value of any type is written, and read again as the same.

#![no_main]

use amp_core::{AmpBox, Argument, Arguments, testing};
use amp_fuzz::Input;
use amp_fuzz::types::{Everything, One, Visit, visit};
use bytes::Bytes;
use std::fmt::Debug;

/// Reads a box as these arguments.
fn check<A: Arguments + Debug>(bytes: Bytes) {
    let Ok(read) = A::decode(bytes) else { return };
    let written = read.encode().unwrap_or_else(|error| panic!("{error}: {read:?}"));
    let again = A::decode(written.clone()).unwrap_or_else(|error| panic!("{error}: {read:?}"));
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
    assert_eq!(again.encode().expect("it was written before"), written);
}

struct Check(Bytes);

impl Visit for Check {
    fn visit<T: Argument + Debug>(self) {
        check::<One<T>>(self.0);
    }
}

/// Reads a box as a call, as its answer, and as a failure.
fn check_command(bytes: &Bytes) {
    if let Ok(read) = testing::read_ask_box::<Everything>(bytes.clone()) {
        let written = testing::ask_box(&read).expect("it was read");
        let again = testing::read_ask_box::<Everything>(written).expect("it was written");
        assert_eq!(format!("{again:?}"), format!("{read:?}"));
    }
    match testing::read_answer_box::<Everything>(bytes.clone()) {
        Ok(read) => {
            let written = testing::answer_box::<Everything>(&read).expect("it was read");
            let again = testing::read_answer_box::<Everything>(written).expect("it was written");
            assert_eq!(format!("{again:?}"), format!("{read:?}"));
        }
        Err(error) => _ = format!("{error} {error:?}"),
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some([number, form]) = input.byte().zip(input.byte()).map(<[u8; 2]>::from) else { return };
    match form % 3 {
        // Values that have one key need not have the fuzzer find out about boxes.
        0 => {
            let Ok(ampbox) = AmpBox::from_pairs([("v", input.0)]) else { return };
            visit(number.into(), Check(ampbox.to_bytes()));
        }
        1 => visit(number.into(), Check(Bytes::copy_from_slice(input.0))),
        _ => check_command(&Bytes::copy_from_slice(input.0)),
    }
});
