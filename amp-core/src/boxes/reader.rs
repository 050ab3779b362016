use std::fmt;

use super::amp_box::Pairs;
use super::{AmpBox, Value, keys};

/// Takes the values of a received box, key by key.
pub struct BoxReader<'a> {
    ampbox: &'a AmpBox,
    /// What is behind the last one taken: arguments are mostly taken in the order of keys.
    behind: Pairs<'a>,
    /// The place of the first of them.
    next: usize,
    /// Which of the first places were taken, a bit for each, and which of the others: there, what
    /// is beyond the end was not.
    taken: u64,
    taken_beyond: Vec<u64>,
}

impl<'a> BoxReader<'a> {
    /// A reader of `ampbox`.
    #[inline]
    pub fn new(ampbox: &'a AmpBox) -> Self {
        let mut behind = ampbox.pairs();
        let mut next = 0;
        // The protocol's own keys mostly come before the arguments.
        while next < keys::RESERVED.len() && behind.next_if_own() {
            next += 1;
        }
        Self { ampbox, behind, next, taken: 0, taken_beyond: Vec::new() }
    }

    /// The value of `key`. It can be taken more than once.
    #[inline]
    pub fn take(&mut self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        let value = match self.behind.next_if(key) {
            Some(value) => value,
            None => self.seek(key)?,
        };
        if self.next < 64 {
            self.taken |= 1 << self.next;
        } else {
            self.take_beyond(self.next - 64);
        }
        self.next += 1;
        Some(self.ampbox.share(value))
    }

    /// Goes behind `key`; its value. The place is left at the one of `key`.
    fn seek(&mut self, key: &[u8]) -> Option<&'a [u8]> {
        let found = self.ampbox.find(key)?;
        self.behind = found.behind;
        self.next = found.at;
        Some(found.value)
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

    /// The whole box, all of whose keys are taken.
    pub fn take_all(&mut self) -> &'a AmpBox {
        self.taken = u64::MAX;
        self.taken_beyond = vec![u64::MAX; self.ampbox.len().saturating_sub(64).div_ceil(64)];
        self.ampbox
    }

    /// The first key that was not taken. The protocol's own keys do not count.
    pub fn untaken(&self) -> Option<&'a [u8]> {
        let mut keys = self.ampbox.iter().enumerate();
        keys.find(|(at, (key, _))| !self.is_taken(*at) && !keys::is_reserved(key))
            .map(|(_, (key, _))| key)
    }

    /// The box that is read. Looking into it takes nothing.
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
