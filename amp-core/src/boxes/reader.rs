use smallvec::SmallVec;

use super::{AmpBox, Value, keys};

/// Takes the values of a received box, key by key.
#[derive(Debug)]
pub struct BoxReader<'a> {
    ampbox: &'a AmpBox,
    /// The place behind the last one taken: arguments are mostly taken in the order of keys.
    next: usize,
    /// Which places were taken, a bit for each. What is beyond the end was not.
    taken: SmallVec<[u64; 1]>,
}

impl<'a> BoxReader<'a> {
    /// A reader of `ampbox`.
    pub fn new(ampbox: &'a AmpBox) -> Self {
        Self { ampbox, next: 0, taken: SmallVec::new() }
    }

    /// The value of `key`. It can be taken more than once.
    pub fn take(&mut self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        let at = match self.ampbox.key_at(self.next) {
            Some(next) if next == key => self.next,
            _ => self.ampbox.find(key).ok()?,
        };
        self.next = at + 1;
        let word = at / 64;
        if word >= self.taken.len() {
            self.taken.resize(word + 1, 0);
        }
        self.taken[word] |= 1 << (at % 64);
        Some(self.ampbox.value_at(at))
    }

    /// The whole box, all of whose keys are taken.
    pub fn take_all(&mut self) -> &'a AmpBox {
        self.taken = SmallVec::from_elem(u64::MAX, self.ampbox.len().div_ceil(64));
        self.ampbox
    }

    /// The first key that was not taken. The protocol's own keys do not count.
    pub fn untaken(&self) -> Option<&'a [u8]> {
        let is_taken = |at: usize| self.taken.get(at / 64).is_some_and(|w| w >> (at % 64) & 1 == 1);
        let mut keys = self.ampbox.iter().enumerate();
        keys.find(|(at, (key, _))| !is_taken(*at) && !keys::is_reserved(key))
            .map(|(_, (key, _))| key)
    }

    /// The box that is read. Looking into it takes nothing.
    pub fn ampbox(&self) -> &'a AmpBox {
        self.ampbox
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
