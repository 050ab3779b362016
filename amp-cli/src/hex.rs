/// Returns whether a byte may be between hexadecimal digits.
pub(crate) fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b':'
}

/// The bytes that hexadecimal digits are, or what is wrong with them.
pub(crate) fn bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut high = None;
    for (at, byte) in text.iter().enumerate().filter(|(_, byte)| !is_between(**byte)) {
        let digit = char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let Some(digit) = digit else {
            let seen = byte.escape_ascii();
            return Err(format!("at byte {at}: '{seen}' is no hexadecimal digit"));
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err("there is half a byte at the end: each has two digits".to_owned()),
    }
}
