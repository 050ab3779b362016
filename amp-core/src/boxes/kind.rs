use std::cmp::Ordering;

use super::pair::{Pair, Walk};
use crate::keys;

/// What a received box says that it is, and where those of its pairs are that say so.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A response to the call with this tag.
    Answer(Pair),
    /// An error for the call with this tag.
    Error(Pair),
    /// A call of this command, which wants an answer if it has a tag.
    Call { command: Pair, ask: Option<Pair> },
    /// Nothing that is known.
    Other,
}

impl Kind {
    /// That of a box on the wire, sorted by key.
    #[inline]
    pub(super) fn on_the_wire(data: &[u8]) -> Self {
        // Most boxes begin with the tag of an answer, behind which nothing counts, or that of a call and the
        // command, and have nothing else that is reserved.
        let mut walk = Walk::new(data);
        if let Some(answer) = walk.next_place_if(data, keys::ANSWER) {
            return Self::Answer(answer);
        }
        if let Some(ask) = walk.next_place_if(data, keys::ASK)
            && let Some(command) = walk.next_place_if(data, keys::COMMAND)
            && walk.rest().get(2) != Some(&b'_')
        {
            return Self::Call { command, ask: Some(ask) };
        }
        Self::among(data, Walk::new(data).places())
    }

    /// That of a box with an index, which is sorted by key.
    pub(super) fn in_index(data: &[u8], index: &[Pair]) -> Self {
        let start = index.partition_point(|pair| pair.key(data)[0] < b'_');
        Self::among(data, index[start..].iter().copied())
    }

    /// That of a box with these pairs, sorted by key.
    #[inline(never)]
    fn among(data: &[u8], pairs: impl Iterator<Item = Pair>) -> Self {
        let (mut ask, mut error, mut command) = (None, None, None);
        for pair in pairs {
            let key = pair.key(data);
            match key[0].cmp(&b'_') {
                Ordering::Less => continue,
                Ordering::Equal => {}
                Ordering::Greater => break,
            }
            match key {
                keys::ASK => ask = Some(pair),
                keys::ANSWER => return Self::Answer(pair),
                keys::ERROR => error = Some(pair),
                keys::COMMAND => command = Some(pair),
                _ => {}
            }
        }
        match (error, command) {
            (Some(tag), _) => Self::Error(tag),
            (None, Some(command)) => Self::Call { command, ask },
            (None, None) => Self::Other,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::boxes::pair::put_pair;
    use crate::boxes::{AmpBox, BoxLimits};
    use bytes::{BufMut, BytesMut};

    /// The kind is what these values of the keys make of a box.
    pub(in crate::boxes) fn check_kind<'a>(
        ampbox: &'a AmpBox,
        get: impl Fn(&[u8]) -> Option<&'a [u8]>,
    ) {
        let value = |pair| Some(ampbox.value_of(pair));
        let [answer, error, command] = [keys::ANSWER, keys::ERROR, keys::COMMAND].map(&get);
        match ampbox.kind() {
            Kind::Answer(tag) => assert_eq!(value(tag), answer),
            Kind::Error(tag) => assert_eq!((None, value(tag)), (answer, error)),
            Kind::Call { command: name, ask } => {
                assert_eq!((None, None, value(name)), (answer, error, command));
                assert_eq!(ask.and_then(value), get(keys::ASK));
            }
            Kind::Other => assert_eq!((None, None, None), (answer, error, command)),
        }
    }

    #[test]
    fn what_a_box_is_does_not_depend_on_how_that_is_found() {
        let keys = ["A", "_a", "_answer", "_ask", "_command", "_error", "_error_code", "_z", "a"];
        for chosen in 0..1_u32 << keys.len() {
            let pairs = (0..keys.len()).filter(|at| chosen >> at & 1 == 1);
            let mut bytes = BytesMut::new();
            pairs.for_each(|at| put_pair(&mut bytes, keys[at].as_bytes(), &vec![b'v'; at]));
            bytes.put_u16(0);
            let ampbox = AmpBox::parse(&mut bytes.freeze(), BoxLimits::default()).unwrap();
            check_kind(&ampbox, |key| ampbox.get(key));
        }
    }
}
