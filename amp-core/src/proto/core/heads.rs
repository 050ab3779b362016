//! The reserved pairs that a box begins with.

use bytes::{BufMut, BytesMut};

use crate::boxes::MAX_VALUE;
use crate::keys;
use crate::proto::calls::{TAG_MAX, write_tag};

/// The bytes of a box's end.
pub(super) const END: usize = 2;

/// How many bytes [`put_reserved`] writes.
#[inline]
pub(super) fn reserved_len(key: &[u8], value: &[u8]) -> usize {
    4 + key.len() + value.len()
}

/// Writes a pair whose lengths are known to fit: the protocol's own.
pub(super) fn put_reserved(out: &mut BytesMut, key: &[u8], value: &[u8]) {
    debug_assert!(value.len() <= MAX_VALUE);
    for part in [key, value] {
        #[allow(clippy::cast_possible_truncation, reason = "checked where it came from")]
        out.put_u16(part.len() as u16);
        out.put_slice(part);
    }
}

/// Writes the tag and the command of a call, but for the name in one piece.
#[inline]
pub(super) fn put_call(out: &mut BytesMut, tag: u64, command: &[u8]) {
    const ASK: &[u8; 7] = b"\0\x04_ask\0";
    const COMMAND: &[u8; 10] = b"\0\x08_command";
    debug_assert!(command.len() <= MAX_VALUE);
    let mut head = [0; ASK.len() + 1 + TAG_MAX + COMMAND.len() + 2];
    head[..ASK.len()].copy_from_slice(ASK);
    let tag_len = write_tag(tag, &mut head[ASK.len() + 1..]);
    head[ASK.len()] = tag_len;
    let at = ASK.len() + 1 + usize::from(tag_len);
    head[at..at + COMMAND.len()].copy_from_slice(COMMAND);
    let end = at + COMMAND.len() + 2;
    #[allow(clippy::cast_possible_truncation, reason = "checked where it came from")]
    head[end - 2..end].copy_from_slice(&(command.len() as u16).to_be_bytes());
    out.put_slice(&head[..end]);
    out.put_slice(command);
}

/// How many bytes [`put_call`] writes.
#[inline]
pub(super) fn call_len(tag: u64, command: &[u8]) -> usize {
    let tag_len = (u64::BITS - tag.leading_zeros()).div_ceil(4) as usize;
    reserved_len(keys::ASK, b"") + tag_len + reserved_len(keys::COMMAND, command)
}

/// Writes the tag of an answer.
#[inline]
pub(super) fn put_answer(out: &mut BytesMut, tag: &[u8]) {
    debug_assert!(tag.len() <= MAX_VALUE);
    let mut head = *b"\0\x07_answer\0\0";
    #[allow(clippy::cast_possible_truncation, reason = "checked where it came from")]
    head[9..].copy_from_slice(&(tag.len() as u16).to_be_bytes());
    out.put_slice(&head);
    out.put_slice(tag);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_begins_with_its_reserved_pair() {
        for len in [0, 1, 255, 256, MAX_VALUE] {
            let tag = vec![b'1'; len];
            let (mut head, mut pair) = (BytesMut::new(), BytesMut::new());
            put_answer(&mut head, &tag);
            put_reserved(&mut pair, keys::ANSWER, &tag);
            assert_eq!(head, pair);
        }
    }

    #[test]
    fn a_call_begins_with_its_reserved_pairs() {
        for tag in [1, 15, 16, 0xfff, 0x1000, u64::MAX] {
            for len in [0, 1, 255, 256, MAX_VALUE] {
                let command = vec![b'c'; len];
                let (mut head, mut pairs) = (BytesMut::new(), BytesMut::new());
                put_call(&mut head, tag, &command);
                put_reserved(&mut pairs, keys::ASK, format!("{tag:x}").as_bytes());
                put_reserved(&mut pairs, keys::COMMAND, &command);
                assert_eq!(head, pairs);
                assert_eq!(call_len(tag, &command), pairs.len());
            }
        }
    }
}
