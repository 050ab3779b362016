use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::num::NonZero;

use super::BoxError;
use super::pair::{Pair, Walk, put_pair};

/// A box whose pairs are found by an index: one of many pairs, one that came unsorted, or one that
/// was built.
#[derive(Clone)]
pub(super) struct Indexed {
    data: Data,
    /// Where the pairs are in `data`, sorted by key, each key once.
    index: Index,
}

/// Up to eight pairs need no allocation of their own.
type Index = SmallVec<[Pair; 8]>;

/// The bytes behind a box. They may hold more than the pairs of the index.
#[derive(Clone)]
enum Data {
    Received(Bytes),
    Built(BytesMut),
}

impl Indexed {
    /// Creates a box of so many pairs, which were found in `data`. `sorted` if each key is before
    /// the next.
    #[cold]
    pub(super) fn received(data: Bytes, pairs: usize, sorted: bool) -> Self {
        let mut index = Index::with_capacity(pairs);
        index.extend(Walk::new(&data).places());
        if !sorted {
            // The sort is stable, so the last of the pairs with one key is the one that came last.
            index.sort_by(|a, b| a.key(&data).cmp(b.key(&data)));
            index.reverse();
            index.dedup_by(|a, b| a.key(&data) == b.key(&data));
            index.reverse();
            // Room for keys that come twice is not kept.
            index.shrink_to_fit();
        }
        Self { data: Data::Received(data), index }
    }

    /// Creates a copy with bytes of its own.
    #[cfg(feature = "tokio")]
    pub(super) fn unshared(&self) -> Self {
        let data = Data::Received(Bytes::copy_from_slice(self.bytes()));
        Self { data, index: self.index.clone() }
    }

    /// Returns the place of `key` in the index, or where it would be.
    pub(super) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let data = self.bytes();
        self.index.binary_search_by(|pair| pair.key(data).cmp(key))
    }

    /// Returns the place of `key` in the index, which is probably `likely`.
    pub(super) fn find_near(&self, key: &[u8], likely: usize) -> Option<usize> {
        match self.index.get(likely) {
            Some(pair) if pair.key(self.bytes()) == key => Some(likely),
            _ => self.find(key).ok(),
        }
    }

    /// Returns the value at a place of the index.
    pub(super) fn value(&self, at: usize) -> &[u8] {
        self.index[at].value(self.bytes())
    }

    /// Sets the value of a key, and says whether it had one before. The lengths were checked.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        key_len: NonZero<u8>,
        value: &[u8],
        value_len: u16,
    ) -> Result<bool, BoxError> {
        let place = self.find(key);
        let data = self.data.built(&mut self.index);
        let Some(pair) = Pair::new(data.len() + 2, key_len, value_len) else {
            return Err(BoxError::BoxTooLong { seen: data.len(), limit: u32::MAX as usize });
        };
        put_pair(data, key, value);
        match place {
            Ok(at) => self.index[at] = pair,
            Err(at) => self.index.insert(at, pair),
        }
        Ok(place.is_ok())
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        self.find(key).map(|at| self.index.remove(at)).is_ok()
    }

    /// How many bytes the box takes in memory.
    #[cold]
    pub(super) fn memory(&self) -> usize {
        let index =
            if self.index.spilled() { self.index.capacity() * size_of::<Pair>() } else { 0 };
        size_of::<Self>() + index + self.bytes().len()
    }

    pub(super) fn index(&self) -> &[Pair] {
        &self.index
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Received(data) => data,
            Data::Built(data) => data,
        }
    }

    /// The bytes that the box was received with, where it was not changed since.
    pub(super) fn received_bytes(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Received(data) => Some(data),
            Data::Built(_) => None,
        }
    }
}

impl Data {
    /// The bytes as a buffer that can grow. What was received is copied, pair by pair.
    fn built(&mut self, index: &mut [Pair]) -> &mut BytesMut {
        if let Data::Received(received) = self {
            let mut copy = BytesMut::with_capacity(received.len() + 64);
            for pair in index {
                let (key, value) = (pair.key(received), pair.value(received));
                pair.move_to(copy.len() + 2);
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
