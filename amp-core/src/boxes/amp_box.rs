use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;
use std::fmt;

use super::decoder::Decoder;
use super::limits::{MAX_KEY, MAX_VALUE};
use super::{BoxError, BoxLimits, Value, keys};
use crate::shorten::Shortened;

/// One box: a map from keys to values, both of them bytes.
///
/// A received box shares the buffer that it was read into; finding a value in it copies nothing.
/// Keys are unique: of a received key that comes twice the last value counts, as in Twisted.
///
/// ```
/// use amp_core::AmpBox;
///
/// let mut request = AmpBox::new();
/// request.insert("a", "13")?;
/// request.insert("b", "81")?;
/// assert_eq!(request.get("b"), Some(&b"81"[..]));
/// assert_eq!(&request.to_bytes()[..], b"\0\x01a\0\x0213\0\x01b\0\x0281\0\0");
/// # Ok::<(), amp_core::BoxError>(())
/// ```
#[derive(Clone, Default)]
pub struct AmpBox {
    data: Data,
    /// Where the pairs are in `data`, sorted by key.
    index: Index,
}

/// The bytes behind a box. They may hold more than the pairs of the index.
#[derive(Clone)]
enum Data {
    Received(Bytes),
    Built(BytesMut),
}

/// Boxes are small: up to eight pairs need no allocation of their own.
pub(super) type Index = SmallVec<[Pair; 8]>;

/// Where a pair is: its key at `key`, and its value two bytes behind that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(super) key: u32,
    pub(super) value_len: u16,
    pub(super) key_len: u8,
}

/// Where those pairs of a received box are that say what it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserved {
    pub(crate) ask: Option<Pair>,
    pub(crate) answer: Option<Pair>,
    pub(crate) error: Option<Pair>,
    pub(crate) command: Option<Pair>,
}

impl Pair {
    #[inline]
    pub(super) fn key(self, data: &[u8]) -> &[u8] {
        let at = self.key as usize;
        &data[at..at + usize::from(self.key_len)]
    }

    #[inline]
    pub(super) fn value(self, data: &[u8]) -> &[u8] {
        let at = self.key as usize + usize::from(self.key_len) + 2;
        &data[at..at + usize::from(self.value_len)]
    }
}

impl AmpBox {
    /// An empty box.
    pub fn new() -> Self {
        Self::default()
    }

    /// A box of the given pairs.
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

    /// Reads the box at the beginning of `bytes`; it and what follows share their memory.
    ///
    /// # Errors
    ///
    /// When the bytes are not a box within `limits`, or not yet a whole one.
    pub fn parse(bytes: &mut Bytes, limits: BoxLimits) -> Result<Self, BoxError> {
        let mut decoder = Decoder::new(limits);
        let Some(end) = decoder.scan(bytes)? else {
            return Err(BoxError::Truncated { seen: bytes.len() });
        };
        Ok(decoder.finish(bytes.split_to(end)))
    }

    /// `index` need not be sorted unless `sorted`, and may have keys twice.
    #[inline]
    pub(super) fn received(data: Bytes, mut index: Index, sorted: bool) -> Self {
        if !sorted {
            sort(&mut index, &data);
        }
        Self { data: Data::Received(data), index }
    }

    /// How many pairs the box has, those with reserved keys included.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the box has no pair.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The value of `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let at = self.find(key.as_ref()).ok()?;
        Some(self.index[at].value(self.bytes()))
    }

    /// The value of `key`, to be decoded or kept.
    pub fn value(&self, key: impl AsRef<[u8]>) -> Option<Value<'_>> {
        let at = self.find(key.as_ref()).ok()?;
        Some(self.value_at(at))
    }

    /// Whether the box has a pair with this key.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.find(key.as_ref()).is_ok()
    }

    /// The pairs, sorted by the bytes of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let data = self.bytes();
        self.index.iter().map(move |pair| (pair.key(data), pair.value(data)))
    }

    /// Sets the value of `key`, and says whether it had one before.
    ///
    /// # Errors
    ///
    /// When the key is empty or over [`MAX_KEY`] bytes, or the value over [`MAX_VALUE`] bytes.
    /// The box is then as it was.
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, BoxError> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let key_len = check_key(key)?;
        let value_len = check_value(key, value.len())?;
        let place = self.find(key);
        let data = self.data.built(&mut self.index);
        let Ok(at) = u32::try_from(data.len() + 2) else {
            return Err(BoxError::BoxTooLong { seen: data.len(), limit: u32::MAX as usize });
        };
        put_pair(data, key, value);
        let pair = Pair { key: at, value_len, key_len };
        match place {
            Ok(at) => self.index[at] = pair,
            Err(at) => self.index.insert(at, pair),
        }
        Ok(place.is_ok())
    }

    /// Removes the pair with this key, and says whether there was one.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        self.find(key.as_ref()).map(|at| self.index.remove(at)).is_ok()
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

    /// How many bytes [`encode`](AmpBox::encode) writes.
    pub fn encoded_len(&self) -> usize {
        let pair = |pair: &Pair| 4 + usize::from(pair.key_len) + usize::from(pair.value_len);
        self.index.iter().map(pair).sum::<usize>() + 2
    }

    /// The box as it is on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }

    /// How many bytes the box keeps in memory: those that it was received with.
    pub(crate) fn size(&self) -> usize {
        self.bytes().len()
    }

    /// Finds the pairs that say what the box is.
    #[inline]
    pub(crate) fn reserved(&self) -> Reserved {
        let data = self.bytes();
        let first = |pair: &Pair| data[pair.key as usize];
        let start = self.index.partition_point(|pair| first(pair) < b'_');
        let mut reserved = Reserved::default();
        for pair in self.index[start..].iter().take_while(|pair| first(pair) == b'_') {
            match pair.key(data) {
                keys::ASK => reserved.ask = Some(*pair),
                keys::ANSWER => reserved.answer = Some(*pair),
                keys::ERROR => reserved.error = Some(*pair),
                keys::COMMAND => reserved.command = Some(*pair),
                _ => {}
            }
        }
        reserved
    }

    /// The value of a pair of this box.
    #[inline]
    pub(crate) fn value_of(&self, pair: Pair) -> &[u8] {
        pair.value(self.bytes())
    }

    /// The bytes of a box that was received, as they were on the wire.
    #[cfg(feature = "tokio")]
    pub(crate) fn wire_bytes(&self) -> &[u8] {
        self.bytes()
    }

    /// A copy that does not keep the received buffer in memory, which is larger than the box.
    #[cfg(feature = "tokio")]
    pub(crate) fn unshared(&self) -> Self {
        let data = Data::Received(Bytes::copy_from_slice(self.bytes()));
        Self { data, index: self.index.clone() }
    }

    /// The key and value at a place of the index, for a reader that goes through it in order.
    #[inline]
    pub(crate) fn key_at(&self, at: usize) -> Option<&[u8]> {
        Some(self.index.get(at)?.key(self.bytes()))
    }

    #[inline]
    pub(crate) fn value_at(&self, at: usize) -> Value<'_> {
        let pair = self.index[at];
        match &self.data {
            Data::Received(data) => Value::within(data, pair.value(data)),
            Data::Built(data) => Value::from(pair.value(data)),
        }
    }

    /// The place of `key` in the index, or where it would be.
    pub(crate) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let data = self.bytes();
        self.index.binary_search_by(|pair| pair.key(data).cmp(key))
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Received(data) => data,
            Data::Built(data) => data,
        }
    }
}

impl Data {
    /// The bytes as a buffer that can grow. What was received is copied, pair by pair.
    fn built(&mut self, index: &mut Index) -> &mut BytesMut {
        if let Data::Received(received) = self {
            let mut copy = BytesMut::with_capacity(received.len() + 64);
            for pair in index.iter_mut() {
                let (key, value) = (pair.key(received), pair.value(received));
                // No more than was received, whose places fit as well.
                pair.key = u32::try_from(copy.len() + 2).unwrap_or(u32::MAX);
                put_pair(&mut copy, key, value);
            }
            *self = Data::Built(copy);
        }
        match self {
            Data::Built(data) => data,
            Data::Received(_) => unreachable!("it was replaced above"),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Data::Built(BytesMut::new())
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

/// Brings the pairs of a received box into order. Of those with one key the last counts.
#[cold]
fn sort(index: &mut Index, data: &[u8]) {
    // The sort is stable, so the last of the pairs with one key is the one that came last.
    index.sort_by(|a, b| a.key(data).cmp(b.key(data)));
    index.reverse();
    index.dedup_by(|a, b| a.key(data) == b.key(data));
    index.reverse();
}

/// The length of `key`, where it can be written.
#[inline]
pub(super) fn check_key(key: &[u8]) -> Result<u8, BoxError> {
    const { assert!(MAX_KEY == u8::MAX as usize) };
    match u8::try_from(key.len()) {
        Ok(0) => Err(BoxError::EmptyKey),
        Ok(len) => Ok(len),
        Err(_) => Err(BoxError::KeyTooLong { len: key.len() }),
    }
}

/// The length of the value of `key`, where it can be written.
#[inline]
pub(crate) fn check_value(key: &[u8], len: usize) -> Result<u16, BoxError> {
    const { assert!(MAX_VALUE == u16::MAX as usize) };
    u16::try_from(len).map_err(|_| BoxError::ValueTooLong { key: Shortened::new(key), len })
}

/// Writes a pair whose lengths were checked.
fn put_pair(out: &mut BytesMut, key: &[u8], value: &[u8]) {
    debug_assert!(key.len() <= MAX_KEY && value.len() <= MAX_VALUE);
    for part in [key, value] {
        #[allow(clippy::cast_possible_truncation, reason = "checked by whoever made the pair")]
        out.put_u16(part.len() as u16);
        out.put_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let message = "the value of \"a\" has 65536 bytes, over the limit of 65535";
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

    proptest! {
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
