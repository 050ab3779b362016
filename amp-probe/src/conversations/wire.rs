//! Boxes as they are on the wire.

/// A box on the wire, of pairs in the order given, whether or not a box should be like that.
macro_rules! wire {
    ($($key:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "the empty box has no pair")]
        let mut bytes = Vec::new();
        $(
            $crate::conversations::wire::put(&mut bytes, $key);
            $crate::conversations::wire::put(&mut bytes, $value);
        )*
        [bytes, vec![0, 0]].concat()
    }};
}

pub(crate) fn put(bytes: &mut Vec<u8>, string: impl AsRef<[u8]>) {
    let string = string.as_ref();
    bytes.extend(u16::try_from(string.len()).unwrap().to_be_bytes());
    bytes.extend(string);
}

pub(super) fn sum(ask: impl AsRef<[u8]>) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "Sum", "a" => "13", "b" => "81"]
}

pub(super) fn total(ask: impl AsRef<[u8]>) -> Vec<u8> {
    wire!["_answer" => ask, "total" => "94"]
}

pub(super) fn wait(ask: &str, seconds: &str) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "Wait", "seconds" => seconds, "token" => "t"]
}

pub(super) fn fail(ask: &str, how: &str, text: &str) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "Fail", "how" => how, "text" => text]
}

pub(super) fn error(ask: &str, code: &str, description: &str) -> Vec<u8> {
    wire!["_error" => ask, "_error_code" => code, "_error_description" => description]
}

pub(super) fn unknown(ask: &str) -> Vec<u8> {
    error(ask, "UNKNOWN", "Unknown Error")
}

pub(super) fn count_notes(ask: &str) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "CountNotes"]
}

pub(super) fn count(ask: &str, notes: &str) -> Vec<u8> {
    wire!["_answer" => ask, "count" => notes]
}
