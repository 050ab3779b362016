use bytes::Bytes;
use std::fmt;

use super::pair::Walk;
use super::{AmpBox, Value};
use crate::keys;

/// Takes the values of a received box, key by key.
pub struct BoxReader<'a> {
    ampbox: &'a AmpBox,
    shared: Option<&'a Bytes>,
    /// What is behind the last one taken, as on the wire: arguments are mostly taken in the order
    /// of keys. Nothing, if that cannot be gone through.
    behind: Walk<'a>,
    /// The place behind the last one taken.
    next: usize,
    /// Which of the first places were taken, a bit for each, and which of the others: there, what
    /// is beyond the end was not.
    taken: u64,
    taken_beyond: Vec<u64>,
}

impl<'a> BoxReader<'a> {
    /// Creates a reader of `ampbox`.
    #[inline]
    pub fn new(ampbox: &'a AmpBox) -> Self {
        let mut behind = ampbox.plain();
        // They mostly come before the arguments.
        let next = behind.skip_own();
        let shared = ampbox.received_bytes();
        Self { ampbox, shared, behind, next, taken: 0, taken_beyond: Vec::new() }
    }

    /// Returns the value of `key`. It can be taken more than once.
    #[allow(clippy::inline_always, reason = "little is left of it where the key is a constant")]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn take(&mut self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        let Some(value) = self.behind.next_if(key) else { return self.seek(key) };
        // What can be gone through has few pairs.
        self.taken |= 1 << self.next;
        self.next += 1;
        Some(Value::new(value, self.shared))
    }

    /// Takes the value of a key that is not next on the wire.
    #[inline(never)]
    fn seek(&mut self, key: &[u8]) -> Option<Value<'a>> {
        let found = self.ampbox.find(key, self.next)?;
        self.behind = found.behind;
        self.next = found.at + 1;
        if found.at < 64 {
            self.taken |= 1 << found.at;
        } else {
            self.take_beyond(found.at - 64);
        }
        Some(Value::new(found.value, self.shared))
    }

    #[cold]
    fn take_beyond(&mut self, at: usize) {
        let word = at / 64;
        if word >= self.taken_beyond.len() {
            self.taken_beyond.resize(word + 1, 0);
        }
        self.taken_beyond[word] |= 1 << (at % 64);
    }

    fn is_taken(&self, at: usize) -> bool {
        let (word, at) = match at.checked_sub(64) {
            None => (self.taken, at),
            Some(beyond) => (self.taken_beyond.get(beyond / 64).copied().unwrap_or(0), beyond % 64),
        };
        word >> at & 1 == 1
    }

    /// Returns the whole box, all of whose keys are taken.
    pub fn take_all(&mut self) -> &'a AmpBox {
        self.taken = u64::MAX;
        self.taken_beyond = vec![u64::MAX; self.ampbox.len().saturating_sub(64).div_ceil(64)];
        self.ampbox
    }

    /// Returns the first key that was not taken. The protocol's own keys do not count.
    pub fn untaken(&self) -> Option<&'a [u8]> {
        self.all_untaken().next()
    }

    /// Each key that was not taken.
    pub(crate) fn all_untaken(&self) -> impl Iterator<Item = &'a [u8]> {
        let keys = self.ampbox.iter().enumerate();
        keys.filter(|(at, (key, _))| !self.is_taken(*at) && !keys::is_reserved(key))
            .map(|(_, (key, _))| key)
    }

    /// Returns the box that is read. Looking into it takes nothing.
    pub fn ampbox(&self) -> &'a AmpBox {
        self.ampbox
    }
}

impl fmt::Debug for BoxReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxReader").field("ampbox", self.ampbox).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_was_not_taken_is_known() {
        let ampbox =
            AmpBox::from_pairs([("c", "3"), ("a", "1"), ("_ask", "1"), ("b", "2")]).unwrap();
        let mut reader = BoxReader::new(&ampbox);
        assert_eq!(reader.untaken(), Some(&b"a"[..]));
        assert!(reader.take("c").is_some());
        assert!(reader.take("a").is_some());
        assert!(reader.take("a").is_some());
        assert!(reader.take("d").is_none());
        assert_eq!(reader.untaken(), Some(&b"b"[..]));
        assert_eq!(reader.take("b").as_deref(), Some(&b"2"[..]));
        assert_eq!(reader.untaken(), None);
    }

    #[test]
    fn any_number_of_keys_can_be_taken() {
        let pairs: Vec<_> = (0..1000).map(|n| (format!("{n:04}"), "")).collect();
        let ampbox = AmpBox::from_pairs(pairs.clone()).unwrap();
        let mut reader = BoxReader::new(&ampbox);
        for (key, _) in pairs.iter().rev() {
            assert!(reader.untaken().is_some());
            assert!(reader.take(key).is_some());
        }
        assert_eq!(reader.untaken(), None);
        let mut reader = BoxReader::new(&ampbox);
        assert_eq!(reader.take_all().len(), 1000);
        assert_eq!(reader.untaken(), None);
    }
}
