use super::TooManyCalls;

/// The mark of a call among those that a [`Protocol`](super::Protocol) has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId {
    slot: u32,
    generation: u32,
}

/// The outstanding calls, each in a slot. Its tag says which slot, so an answer finds its call
/// without a search.
///
/// A slot is used again once its call is done. The tag holds a generation too, which is another
/// one each time, so a late answer to an earlier call is told from the answer to the present one.
#[derive(Debug)]
pub(super) struct Calls<T> {
    slots: Vec<Slot<T>>,
    /// The first slot of the list of free ones.
    free: Option<u32>,
    len: usize,
    limit: usize,
    /// How many bits of a tag are the slot.
    slot_bits: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Free { next: Option<u32> },
    Used(T),
}

/// What a tag that the peer sent back belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagged {
    Outstanding(CallId),
    /// A call that is done, or was given up.
    Past(CallId),
    /// Nothing that was ever sent.
    Unknown,
}

impl<T> Calls<T> {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, 1 << 31);
        let slot_bits = limit.next_power_of_two().trailing_zeros();
        Self { slots: Vec::new(), free: None, len: 0, limit, slot_bits }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn insert(&mut self, value: T) -> Result<CallId, TooManyCalls> {
        if self.len == self.limit {
            return Err(TooManyCalls { limit: self.limit });
        }
        self.len += 1;
        if let Some(slot) = self.free {
            let place = &mut self.slots[slot as usize];
            if let Content::Free { next } = place.content {
                self.free = next;
            }
            place.content = Content::Used(value);
            return Ok(CallId { slot, generation: place.generation });
        }
        #[allow(clippy::cast_possible_truncation, reason = "the limit is at most 2^31")]
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, content: Content::Used(value) });
        Ok(CallId { slot, generation: 0 })
    }

    /// The tag of the call that is inserted next.
    #[inline]
    pub(super) fn next_tag(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation, reason = "the limit is at most 2^31")]
        let slot = self.free.unwrap_or(self.slots.len() as u32);
        let generation = self.slots.get(slot as usize).map_or(0, |slot| slot.generation);
        self.tag(CallId { slot, generation })
    }

    pub(super) fn get_mut(&mut self, id: CallId) -> Option<&mut T> {
        match self.slots.get_mut(id.slot as usize) {
            Some(Slot { generation, content: Content::Used(value) })
                if *generation == id.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: CallId) -> Option<T> {
        self.get_mut(id)?;
        let slot = &mut self.slots[id.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        let content = std::mem::replace(&mut slot.content, Content::Free { next: self.free });
        self.free = Some(id.slot);
        self.len -= 1;
        match content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// The calls that there are.
    pub(super) fn ids(&self) -> Vec<CallId> {
        let used =
            (0..).zip(&self.slots).filter(|(_, slot)| matches!(slot.content, Content::Used(_)));
        used.map(|(slot, place)| CallId { slot, generation: place.generation }).collect()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| match &mut slot.content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        })
    }

    /// The number whose lower-case hexadecimal digits are the tag. The first is 1, as in Twisted.
    pub(super) fn tag(&self, id: CallId) -> u64 {
        (u64::from(id.generation) << self.slot_bits | u64::from(id.slot)) + 1
    }

    pub(super) fn find(&self, tag: &[u8]) -> Tagged {
        let Some(number) = parse_tag(tag).and_then(|number| number.checked_sub(1)) else {
            return Tagged::Unknown;
        };
        #[allow(clippy::cast_possible_truncation, reason = "masked to at most 31 bits")]
        let slot = (number & ((1 << self.slot_bits) - 1)) as u32;
        let Ok(generation) = u32::try_from(number >> self.slot_bits) else {
            return Tagged::Unknown;
        };
        match self.slots.get(slot as usize) {
            Some(place) if place.generation == generation => match place.content {
                Content::Used(_) => Tagged::Outstanding(CallId { slot, generation }),
                Content::Free { .. } => Tagged::Unknown,
            },
            Some(place) if generation < place.generation => {
                Tagged::Past(CallId { slot, generation })
            }
            _ => Tagged::Unknown,
        }
    }
}

/// How many bytes a tag has at most.
pub(super) const TAG_MAX: usize = 16;

/// Writes `number` as lower-case hexadecimal digits at the beginning of `digits`, which has room
/// for [`TAG_MAX`]; how many there are.
#[inline]
pub(super) fn write_tag(number: u64, digits: &mut [u8]) -> u8 {
    #[allow(clippy::cast_possible_truncation, reason = "64 bits are 16 digits")]
    let len = (u64::BITS - (number | 1).leading_zeros()).div_ceil(4) as u8;
    let mut rest = number;
    for digit in digits[..len.into()].iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
    len
}

/// Reads what [`write_tag`] writes, and nothing else.
fn parse_tag(tag: &[u8]) -> Option<u64> {
    if tag.is_empty() || tag.len() > TAG_MAX || (tag[0] == b'0' && tag.len() > 1) {
        return None;
    }
    tag.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(number << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag<T>(calls: &Calls<T>, id: CallId) -> Vec<u8> {
        let mut digits = [0; TAG_MAX];
        let len = write_tag(calls.tag(id), &mut digits);
        digits[..len.into()].to_vec()
    }

    #[test]
    fn tags_count_from_one_in_hexadecimal() {
        let mut calls = Calls::new(100);
        let tags: Vec<_> = (0..17).map(|n| calls.insert(n).unwrap()).collect();
        assert_eq!(tag(&calls, tags[0]), b"1");
        assert_eq!(tag(&calls, tags[9]), b"a");
        assert_eq!(tag(&calls, tags[16]), b"11");
        for id in tags {
            assert_eq!(calls.find(&tag(&calls, id)), Tagged::Outstanding(id));
        }
    }

    #[test]
    fn a_slot_used_again_has_another_tag() {
        let mut calls = Calls::new(2);
        let first = calls.insert("first").unwrap();
        let late = tag(&calls, first);
        assert_eq!(calls.remove(first), Some("first"));
        assert_eq!(calls.find(&late), Tagged::Past(first));
        let second = calls.insert("second").unwrap();
        assert_ne!(tag(&calls, second), late);
        assert_eq!(calls.find(&late), Tagged::Past(first));
        assert_eq!(calls.get_mut(first), None);
        assert_eq!(calls.remove(first), None);
        assert_eq!(calls.remove(second), Some("second"));
        assert_eq!(calls.len(), 0);
    }

    #[test]
    fn what_was_never_a_tag_is_unknown() {
        let mut calls = Calls::new(2);
        calls.insert(()).unwrap();
        for tag in
            ["", "0", "01", "2", "G", "A", "1 ", "+1", "ffffffffffffffff", "11111111111111111"]
        {
            assert_eq!(calls.find(tag.as_bytes()), Tagged::Unknown, "{tag:?}");
        }
        assert_eq!(calls.find(b"\xff"), Tagged::Unknown);
    }

    #[test]
    fn the_limit_is_exact() {
        let mut calls = Calls::new(2);
        let first = calls.insert(()).unwrap();
        calls.insert(()).unwrap();
        let error = calls.insert(()).unwrap_err();
        assert_eq!(error.to_string(), "2 calls are outstanding already, which is the limit");
        calls.remove(first);
        assert!(calls.insert(()).is_ok());
    }
}
