mod memory;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::fmt;

use super::indexed::Indexed;
use super::pair::{Pair, Walk, check_key, check_value, put_pair};
use super::pairs::{FoundPair, Pairs, find};
use super::scan::Found;
use super::small::Small;
use super::{BoxError, BoxLimits, Kind, Value};
use crate::keys;
use crate::shorten::Shortened;

/// A box: a map from keys to values, both of them bytes.
///
/// A received box of more than 62 bytes shares the buffer that it was read into. Finding a value in a box copies
/// nothing. Keys are unique: if a received key comes twice, the last value counts, as in Twisted.
///
/// ```
/// use amp_core::AmpBox;
///
/// let mut request = AmpBox::new();
/// request.insert("a", "13")?;
/// request.insert("b", "81")?;
/// assert_eq!(request.get("b"), Some(&b"81"[..]));
/// assert_eq!(&request.to_bytes()[..], b"\0\x01a\0\x0213\0\x01b\0\x0281\0\0");
/// # Ok::<(), amp_core::boxes::BoxError>(())
/// ```
#[derive(Clone)]
pub struct AmpBox {
    form: Form,
}

/// A box is moved several times on its way, so it is no larger than a line of the cache: what most boxes do
/// without is on the heap.
#[derive(Clone)]
enum Form {
    /// As [`Plain`](Form::Plain), of few bytes.
    Small(Small),
    /// At most [`MOST_PLAIN`] pairs as they are on the wire, sorted by key, each key once. What
    /// follows them is nothing, or the box's end.
    Plain(Bytes),
    Indexed(Box<Indexed>),
}

const _: () = assert!(size_of::<AmpBox>() <= 64);

/// A box as it is read, wherever its bytes are.
enum View<'a> {
    Plain(&'a [u8]),
    Indexed(&'a Indexed),
}

/// So few pairs are gone through as fast as they would be searched.
const MOST_PLAIN: usize = 16;

impl AmpBox {
    /// Creates an empty box.
    pub fn new() -> Self {
        Self { form: Form::Plain(Bytes::new()) }
    }

    /// Creates a box of the given pairs.
    ///
    /// # Errors
    ///
    /// As [`insert`](AmpBox::insert), and when a key comes twice.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, BoxError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut ampbox = Self::new();
        for (key, value) in pairs {
            if ampbox.insert(&key, value)? {
                return Err(BoxError::DuplicateKey { key: Shortened::new(key) });
            }
        }
        Ok(ampbox)
    }

    /// Reads the box at the beginning of `bytes`, and takes it off. The box and the rest share their memory.
    ///
    /// # Errors
    ///
    /// When the bytes are not a box within `limits`, or not yet a whole one.
    pub fn parse(bytes: &mut Bytes, limits: BoxLimits) -> Result<Self, BoxError> {
        let found = Found::first(bytes, limits)?;
        Ok(Self::found(&found, bytes.split_to(found.end)))
    }

    /// The box that was found to be all of `data`.
    #[inline]
    pub(crate) fn found(found: &Found, data: Bytes) -> Self {
        let Found { pairs, sorted, .. } = *found;
        let form = if Self::is_plain(found) {
            Form::Plain(data)
        } else {
            Form::Indexed(Box::new(Indexed::received(data, pairs, sorted)))
        };
        Self { form }
    }

    /// The box that was found at the beginning of `buffer`, off which it is taken.
    #[inline]
    pub(super) fn take(found: &Found, buffer: &mut BytesMut) -> Self {
        if Self::is_plain(found)
            && let Some(small) = Small::take(buffer, found.end)
        {
            return Self { form: Form::Small(small) };
        }
        let data = buffer.split_to(found.end);
        // One that needs an index is small as well.
        let keeps_nothing = found.end <= Small::MOST;
        Self::found(
            found,
            if keeps_nothing { Bytes::copy_from_slice(&data) } else { data.freeze() },
        )
    }

    /// Whether it needs no index.
    #[inline]
    fn is_plain(found: &Found) -> bool {
        found.sorted && found.pairs <= MOST_PLAIN
    }

    /// Returns how many pairs the box has, those with reserved keys included.
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// Returns whether the box has no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let key = key.as_ref();
        match self.view() {
            View::Plain(data) => find(data, key).map(|found| found.value),
            View::Indexed(indexed) => indexed.find(key).ok().map(|at| indexed.value(at)),
        }
    }

    /// Returns the value of `key`, to be decoded or kept.
    pub fn value(&self, key: impl AsRef<[u8]>) -> Option<Value<'_>> {
        self.get(key).map(|value| self.share(value))
    }

    /// Returns whether the box has a pair with this key.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.get(key).is_some()
    }

    /// Sets the value of `key`, and says whether it had one before.
    ///
    /// # Errors
    ///
    /// When the key is empty or over [`MAX_KEY`](super::MAX_KEY) bytes, or the value over
    /// [`MAX_VALUE`](super::MAX_VALUE) bytes. The box is then as it was.
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, BoxError> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let key_len = check_key(key)?;
        let value_len = check_value(key, value.len())?;
        self.indexed().insert(key, key_len, value, value_len)
    }

    /// Removes the pair with this key, and says whether there was one.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        if !matches!(self.form, Form::Indexed(_)) {
            // The protocol's own keys, which are what is mostly removed, come first.
            let mut walk = self.plain();
            if let Some(value) = walk.next_if(key) {
                let len = key.len() + value.len() + 4;
                match &mut self.form {
                    Form::Small(data) => data.advance(len),
                    Form::Plain(data) => data.advance(len),
                    Form::Indexed(_) => {}
                }
                return true;
            }
            if !self.contains_key(key) {
                return false;
            }
        }
        self.indexed().remove(key)
    }

    /// Writes the box: the reserved keys first, in the order of [`keys::RESERVED`], then the
    /// others sorted by their bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());
        let reserved = keys::RESERVED.iter().filter_map(|key| Some((*key, self.get(key)?)));
        let others = self.iter().filter(|(key, _)| !keys::is_reserved(key));
        for (key, value) in reserved.chain(others) {
            put_pair(out, key, value);
        }
        out.put_u16(0);
    }

    /// Returns how many bytes [`encode`](AmpBox::encode) writes.
    pub fn encoded_len(&self) -> usize {
        self.pairs().map(|(key, value)| 4 + key.len() + value.len()).sum::<usize>() + 2
    }

    /// Returns the box as it is on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }

    /// Says what the box is.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        match self.view() {
            View::Plain(data) => Kind::on_the_wire(data),
            View::Indexed(indexed) => Kind::in_index(indexed.bytes(), indexed.index()),
        }
    }

    /// Returns the value of a pair of this box.
    #[inline]
    pub(crate) fn value_of(&self, pair: Pair) -> &[u8] {
        pair.value(self.bytes())
    }

    /// The bytes of a box that was received, as they were on the wire.
    #[cfg(feature = "tokio")]
    pub(crate) fn wire_bytes(&self) -> &[u8] {
        self.bytes()
    }

    /// Returns the pairs, sorted by the bytes of their keys.
    #[inline]
    pub(crate) fn pairs(&self) -> Pairs<'_> {
        match self.view() {
            View::Plain(data) => Pairs::Plain(Walk::new(data)),
            View::Indexed(indexed) => Pairs::Indexed(indexed.bytes(), indexed.index().iter()),
        }
    }

    /// Returns a value of this box, to be decoded or kept.
    #[inline]
    pub(crate) fn share<'a>(&'a self, value: &'a [u8]) -> Value<'a> {
        Value::new(value, self.received_bytes())
    }

    /// Returns the pairs as on the wire, for a reader: none where an index is needed to find one.
    #[inline]
    pub(super) fn plain(&self) -> Walk<'_> {
        match self.view() {
            View::Plain(data) => Walk::new(data),
            View::Indexed(_) => Walk::default(),
        }
    }

    /// Finds `key` for a reader, which tries the place `likely` of an index first.
    pub(super) fn find(&self, key: &[u8], likely: usize) -> Option<FoundPair<'_>> {
        match self.view() {
            View::Plain(data) => find(data, key),
            View::Indexed(indexed) => {
                let at = indexed.find_near(key, likely)?;
                Some(FoundPair { at, value: indexed.value(at), behind: Walk::default() })
            }
        }
    }

    /// The bytes that values are shared with.
    #[inline]
    pub(super) fn received_bytes(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Small(_) => None,
            Form::Plain(data) => Some(data),
            Form::Indexed(indexed) => indexed.received_bytes(),
        }
    }

    /// The box in a form that can be changed.
    fn indexed(&mut self) -> &mut Indexed {
        let data = match &mut self.form {
            Form::Small(data) => Some(Bytes::copy_from_slice(data)),
            Form::Plain(data) => Some(std::mem::take(data)),
            Form::Indexed(_) => None,
        };
        if let Some(data) = data {
            let pairs = Walk::new(&data).count();
            self.form = Form::Indexed(Box::new(Indexed::received(data, pairs, true)));
        }
        match &mut self.form {
            Form::Indexed(indexed) => indexed,
            Form::Small(_) | Form::Plain(_) => unreachable!("it was replaced above"),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self.view() {
            View::Plain(data) => data,
            View::Indexed(indexed) => indexed.bytes(),
        }
    }

    #[inline]
    fn view(&self) -> View<'_> {
        match &self.form {
            Form::Small(data) => View::Plain(data),
            Form::Plain(data) => View::Plain(data),
            Form::Indexed(indexed) => View::Indexed(indexed),
        }
    }
}

impl Default for AmpBox {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for AmpBox {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for AmpBox {}

/// Values are shortened: they can be large, and they can be secrets.
impl fmt::Debug for AmpBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.iter().map(|(key, value)| (Shortened::new(key), Shortened::new(value)));
        f.debug_map().entries(pairs).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::kind::tests::check_kind;
    use crate::boxes::{BoxReader, Decoder};
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn parse(bytes: &'static [u8]) -> Result<AmpBox, BoxError> {
        AmpBox::parse(&mut Bytes::from_static(bytes), BoxLimits::default())
    }

    #[test]
    fn the_last_of_equal_keys_wins_wherever_it_stands() {
        let ampbox = parse(b"\0\x01b\0\x011\0\x01a\0\x012\0\x01b\0\x013\0\0").unwrap();
        assert_eq!(ampbox.len(), 2);
        assert_eq!(ampbox.get("b"), Some(&b"3"[..]));
        assert_eq!(ampbox.get("a"), Some(&b"2"[..]));
        assert_eq!(parse(b"\0\x01b\0\x011\0\x01b\0\x013\0\0").unwrap().get("b"), Some(&b"3"[..]));
    }

    #[test]
    fn reserved_keys_are_written_first_and_in_their_own_order() {
        let ampbox =
            AmpBox::from_pairs([("a", "1"), ("Z", "2"), ("_command", "Sum"), ("_ask", "f")])
                .unwrap();
        let bytes = ampbox.to_bytes();
        let wire: &[u8] =
            b"\0\x04_ask\0\x01f\0\x08_command\0\x03Sum\0\x01Z\0\x012\0\x01a\0\x011\0\0";
        assert_eq!(bytes, wire);
        assert_eq!(bytes.len(), ampbox.encoded_len());
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_changes_nothing() {
        let mut ampbox = AmpBox::from_pairs([("a", "1")]).unwrap();
        let before = ampbox.clone();
        assert_eq!(ampbox.insert("", "x"), Err(BoxError::EmptyKey));
        assert_eq!(ampbox.insert([b'k'; 256], "x"), Err(BoxError::KeyTooLong { len: 256 }));
        let error = ampbox.insert("a", vec![0; 65_536]).unwrap_err();
        let message = "the value of \"a\" has 65536 bytes, over the limit of 65535: `Numbered` and \
                       `Continued` spread one over several keys";
        assert_eq!(error.to_string(), message);
        assert_eq!(ampbox, before);
        assert_eq!(ampbox.insert([b'k'; 255], vec![0; 65_535]), Ok(false));
        let twice = AmpBox::from_pairs([("a", "1"), ("a", "2")]).unwrap_err();
        assert_eq!(twice.to_string(), "the key \"a\" comes twice");
    }

    #[test]
    fn a_received_box_can_be_changed() {
        let mut ampbox = parse(b"\0\x01b\0\x011\0\x01a\0\x012\0\0").unwrap();
        assert_eq!(ampbox.insert("b", "22"), Ok(true));
        assert_eq!(ampbox.insert("aa", ""), Ok(false));
        assert!(ampbox.remove("a"));
        assert!(!ampbox.remove("a"));
        assert_eq!(&ampbox.to_bytes()[..], b"\0\x02aa\0\0\0\x01b\0\x0222\0\0");
    }

    #[test]
    fn values_share_the_received_buffer() {
        let mut bytes = Bytes::from_static(b"\0\x01a\0\x03abc\0\0rest");
        let start = bytes.as_ptr();
        let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default()).unwrap();
        assert_eq!(bytes, "rest");
        let value = ampbox.value("a").unwrap().to_bytes();
        assert_eq!(value.as_ptr(), start.wrapping_add(5));
    }

    #[test]
    fn only_few_pairs_in_order_do_without_an_index() {
        let wire = |keys: &[String]| {
            let pair = |key: &String| [b"\0\x04", key.as_bytes(), b"\0\0"].concat();
            let pairs = keys.iter().map(pair).collect::<Vec<_>>();
            Bytes::from([&pairs.concat()[..], b"\0\0"].concat())
        };
        let keys: Vec<_> = (0..=MOST_PLAIN).map(|n| format!("k{n:03}")).collect();
        let is_plain = |keys: &[String]| {
            let ampbox = AmpBox::parse(&mut wire(keys), BoxLimits::default()).unwrap();
            matches!(ampbox.form, Form::Plain(_))
        };
        assert!(is_plain(&[]));
        assert!(is_plain(&keys[1..]));
        assert!(!is_plain(&keys), "a peer chooses how many pairs there are");
        assert!(!is_plain(&[keys[1].clone(), keys[0].clone()]));
        assert!(!is_plain(&[keys[0].clone(), keys[0].clone()]));
    }

    /// Work that grows with the square of the pairs would not come to an end.
    #[test]
    #[cfg_attr(miri, ignore = "with so many pairs even linear work takes hours")]
    fn many_pairs_in_the_worst_order_are_linear_work() {
        let keys: Vec<_> = (0..200_000).rev().map(|n| format!("{n:06}")).collect();
        let mut wire = BytesMut::new();
        for key in &keys {
            put_pair(&mut wire, key.as_bytes(), b"");
        }
        wire.put_u16(0);
        let limits = BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX };
        let ampbox = AmpBox::parse(&mut wire.freeze(), limits).unwrap();
        assert_eq!(ampbox.len(), keys.len());
        let mut reader = BoxReader::new(&ampbox);
        for key in &keys {
            assert!(reader.take(key).is_some());
        }
        assert_eq!(reader.untaken(), None);
    }

    #[test]
    fn what_is_removed_from_the_front_takes_no_copy() {
        let mut ampbox =
            parse(b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\x012\0\0").unwrap();
        for key in keys::RESERVED {
            ampbox.remove(key);
        }
        assert!(matches!(ampbox.form, Form::Plain(_)));
        assert_eq!(&ampbox.to_bytes()[..], b"\0\x01a\0\x012\0\0");
        assert!(ampbox.remove("a"));
        assert!(ampbox.is_empty());
        assert_eq!(ampbox, AmpBox::new());
    }

    /// Keys that are alike, that are the protocol's own, and that come before and after those.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let own = proptest::sample::select(keys::RESERVED).prop_map(<[u8]>::to_vec);
        prop_oneof![1 => own, 4 => "[A_ab]{1,3}".prop_map(String::into_bytes)]
    }

    fn pair() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        (key(), vec(any::<u8>(), 0..5))
    }

    fn assert_same(ampbox: &AmpBox, map: &BTreeMap<Vec<u8>, Vec<u8>>) {
        let pairs = map.iter().map(|(key, value)| (&key[..], &value[..]));
        assert_eq!(ampbox.len(), map.len());
        assert_eq!(ampbox.is_empty(), map.is_empty());
        assert!(ampbox.iter().eq(pairs.clone()), "{ampbox:?} {map:?}");
        assert_eq!(*ampbox, AmpBox::from_pairs(pairs).unwrap());
        let wire = ampbox.to_bytes();
        assert_eq!(wire.len(), ampbox.encoded_len());
        assert_eq!(AmpBox::parse(&mut wire.clone(), BoxLimits::default()).unwrap(), *ampbox);
        check_kind(ampbox, |key| map.get(key).map(Vec::as_slice));
    }

    proptest! {
        #[test]
        fn a_box_is_a_map_of_the_last_values(
            pairs in vec(pair(), 0..40),
            is_sorted in any::<bool>(),
            is_unique in any::<bool>(),
            is_decoded in any::<bool>(),
            asked in vec(key(), 0..60),
            changes in vec((key(), proptest::option::of(vec(any::<u8>(), 0..5))), 0..10),
        ) {
            let mut pairs = pairs;
            if is_sorted || is_unique {
                pairs.sort();
            }
            if is_unique {
                pairs.dedup_by(|a, b| a.0 == b.0);
            }
            let mut wire = BytesMut::new();
            for (key, value) in &pairs {
                put_pair(&mut wire, key, value);
            }
            wire.put_u16(0);
            let mut map: BTreeMap<_, _> = pairs.into_iter().collect();
            let mut ampbox = if is_decoded {
                Decoder::new(BoxLimits::default()).decode(&mut wire).unwrap().unwrap()
            } else {
                AmpBox::parse(&mut wire.freeze(), BoxLimits::default()).unwrap()
            };
            assert_same(&ampbox, &map);
            #[cfg(feature = "tokio")]
            assert_same(&ampbox.unshared(), &map);

            let mut reader = BoxReader::new(&ampbox);
            let mut left = map.clone();
            left.retain(|key, _| !keys::is_reserved(key));
            for key in &asked {
                let value = map.get(key).map(Vec::as_slice);
                prop_assert_eq!(ampbox.get(key), value);
                prop_assert_eq!(ampbox.value(key).map(|value| value.as_slice()), value);
                prop_assert_eq!(ampbox.contains_key(key), value.is_some());
                prop_assert_eq!(reader.take(key).map(|value| value.as_slice()), value);
                left.remove(key);
                prop_assert_eq!(reader.untaken(), left.keys().next().map(Vec::as_slice));
            }

            for (key, value) in changes {
                if let Some(value) = value {
                    let was = ampbox.insert(&key, &value).unwrap();
                    prop_assert_eq!(was, map.insert(key, value).is_some());
                } else {
                    prop_assert_eq!(ampbox.remove(&key), map.remove(&key).is_some());
                }
                assert_same(&ampbox, &map);
            }
        }

        #[test]
        fn what_is_written_is_read_again(
            pairs in btree_map(vec(any::<u8>(), 1..=255), vec(any::<u8>(), 0..600), 0..30)
        ) {
            let ampbox = AmpBox::from_pairs(&pairs).unwrap();
            let mut bytes = ampbox.to_bytes();
            let back = AmpBox::parse(&mut bytes, BoxLimits::default()).unwrap();
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(&back, &ampbox);
            let map: BTreeMap<_, _> = back.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(map, pairs);
        }
    }
}
