use std::collections::BTreeMap;

use crate::argument::{Attachment, DecodeError, DecodeErrorKind};

/// Attachments that were received and that nothing has claimed yet, by their ordinals.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    waiting: BTreeMap<u64, Attachment>,
    /// How many were received, which is the ordinal of the next.
    received: u64,
}

impl Unclaimed {
    /// Keeps an attachment that has just arrived.
    pub(super) fn receive(&mut self, attachment: Attachment) {
        self.waiting.insert(self.received, attachment);
        self.received += 1;
    }

    /// How many are waiting.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// All that are waiting, in the order in which they came.
    pub(super) fn into_attachments(self) -> Vec<Attachment> {
        self.waiting.into_values().collect()
    }

    pub(super) fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        self.waiting
            .remove(&ordinal)
            .ok_or_else(|| DecodeErrorKind::Unclaimable { ordinal, received: self.received }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn attachments_are_claimed_once_and_in_any_order() {
        let mut unclaimed = Unclaimed::default();
        for n in 0..3_u8 {
            unclaimed.receive(Arc::new(n));
        }
        let mut claim = |ordinal| unclaimed.claim(ordinal).map(|a| *a.downcast::<u8>().unwrap());
        assert_eq!(claim(2).unwrap(), 2);
        assert_eq!(claim(0).unwrap(), 0);
        assert_eq!(claim(0).unwrap_err().to_string(), "attachment 0 was already taken");
        let message = "attachment 3 has not arrived: 3 have";
        assert_eq!(claim(3).unwrap_err().to_string(), message);
        assert_eq!(unclaimed.len(), 1);
    }
}
