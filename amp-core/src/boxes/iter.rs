//! The pairs of a box, one after another.

use std::fmt;
use std::iter::FusedIterator;
use std::vec;

use bytes::Bytes;

use super::AmpBox;
use super::pairs::Pairs;

/// The pairs of a box, in ascending order of their keys: what [`AmpBox::iter`] returns.
#[derive(Clone)]
pub struct Iter<'a>(Pairs<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("len", &self.len()).finish()
    }
}

/// The pairs of a box, in ascending order of their keys. They share its memory.
#[derive(Clone, Debug)]
pub struct IntoIter(vec::IntoIter<(Bytes, Bytes)>);

impl Iterator for IntoIter {
    type Item = (Bytes, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl FusedIterator for IntoIter {}

impl AmpBox {
    /// Returns the pairs in ascending order of their keys, those with reserved keys included.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.pairs())
    }
}

impl<'a> IntoIterator for &'a AmpBox {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for AmpBox {
    type Item = (Bytes, Bytes);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        let pairs = self.iter();
        let pairs =
            pairs.map(|(key, value)| (self.share(key).to_bytes(), self.share(value).to_bytes()));
        IntoIter(pairs.collect::<Vec<_>>().into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_gone_through_in_the_order_of_its_keys() {
        let ampbox = AmpBox::from_pairs([("b", "2"), ("a", "1")]).unwrap();
        let mut seen = Vec::new();
        for (key, value) in &ampbox {
            seen.push((key, value));
        }
        assert_eq!(seen, [(&b"a"[..], &b"1"[..]), (b"b", b"2")]);
        assert_eq!((&ampbox).into_iter().len(), 2);
        let owned: Vec<_> = ampbox.clone().into_iter().collect();
        assert_eq!(owned[1], (Bytes::from("b"), Bytes::from("2")));
        assert_eq!(AmpBox::from_pairs(ampbox.clone()).unwrap(), ampbox);
    }

    #[test]
    fn owned_pairs_share_the_memory_of_the_box() {
        let mut wire = Bytes::from_static(b"\0\x01a\0\x011\0\0");
        let start = wire.as_ptr();
        let ampbox = AmpBox::parse(&mut wire, crate::boxes::BoxLimits::default()).unwrap();
        let (key, value) = ampbox.into_iter().next().unwrap();
        assert_eq!(key.as_ptr(), start.wrapping_add(2));
        assert_eq!(value.as_ptr(), start.wrapping_add(5));
    }
}
