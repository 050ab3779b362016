use super::{AmpBox, Value, keys};

/// Takes the values of a received box, key by key.
#[derive(Debug)]
pub struct BoxReader<'a> {
    ampbox: &'a AmpBox,
    /// The place behind the last one taken: arguments are mostly taken in the order of keys.
    next: usize,
    /// Which of the first places were taken, a bit for each, and which of the others: there, what
    /// is beyond the end was not.
    taken: u64,
    taken_beyond: Vec<u64>,
}

impl<'a> BoxReader<'a> {
    /// A reader of `ampbox`.
    pub fn new(ampbox: &'a AmpBox) -> Self {
        // The protocol's own keys mostly come before the arguments.
        let own = |at: &usize| ampbox.key_at(*at).is_some_and(|key| key.first() == Some(&b'_'));
        let next = (0..keys::RESERVED.len()).take_while(own).count();
        Self { ampbox, next, taken: 0, taken_beyond: Vec::new() }
    }

    /// The value of `key`. It can be taken more than once.
    #[inline]
    pub fn take(&mut self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        let at = match self.ampbox.key_at(self.next) {
            Some(next) if next == key => self.next,
            _ => self.ampbox.find(key).ok()?,
        };
        self.next = at + 1;
        if at < 64 {
            self.taken |= 1 << at;
        } else {
            self.take_beyond(at - 64);
        }
        Some(self.ampbox.value_at(at))
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
