use std::cmp::Ordering;

use super::pair::{Pair, Walk};
use crate::keys;

/// Where those pairs of a received box are that say what it is. Beside the tag of an answer, the
/// others need not be noted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserved {
    pub(crate) ask: Option<Pair>,
    pub(crate) answer: Option<Pair>,
    pub(crate) error: Option<Pair>,
    pub(crate) command: Option<Pair>,
}

impl Reserved {
    /// Those of a box on the wire, sorted by key.
    #[inline]
    pub(super) fn on_the_wire(data: &[u8]) -> Self {
        let mut reserved = Self::default();
        if !reserved.note_usual(data) {
            reserved.note(data, Walk::new(data).places());
        }
        reserved
    }

    /// Those of a box with an index, which is sorted by key.
    #[inline]
    pub(super) fn in_index(data: &[u8], index: &[Pair]) -> Self {
        let start = index.partition_point(|pair| pair.key(data)[0] < b'_');
        let mut reserved = Self::default();
        reserved.note(data, index[start..].iter().copied());
        reserved
    }

    /// Notes what most boxes begin with: the tag of an answer, behind which nothing counts, or that
    /// of a call and the command. Whether it is one of these, and has nothing else that is reserved.
    #[inline]
    fn note_usual(&mut self, data: &[u8]) -> bool {
        let mut walk = Walk::new(data);
        if let Some(answer) = walk.next_place_if(data, keys::ANSWER) {
            self.answer = Some(answer);
            return true;
        }
        if let Some(ask) = walk.next_place_if(data, keys::ASK)
            && let Some(command) = walk.next_place_if(data, keys::COMMAND)
            && walk.rest().get(2) != Some(&b'_')
        {
            (self.ask, self.command) = (Some(ask), Some(command));
            return true;
        }
        false
    }

    /// Notes the reserved ones of pairs that are sorted by key.
    #[inline]
    fn note(&mut self, data: &[u8], pairs: impl Iterator<Item = Pair>) {
        for pair in pairs {
            let key = pair.key(data);
            match key[0].cmp(&b'_') {
                Ordering::Less => continue,
                Ordering::Equal => {}
                Ordering::Greater => return,
            }
            match key {
                keys::ASK => self.ask = Some(pair),
                keys::ANSWER => self.answer = Some(pair),
                keys::ERROR => self.error = Some(pair),
                keys::COMMAND => self.command = Some(pair),
                _ => {}
            }
        }
    }
}
