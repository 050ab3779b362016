//! The mark of routes on the wire: the pair `_route` in each box.

use bytes::{BufMut, Bytes, BytesMut};
use std::sync::LazyLock;

use super::RouteName;
use crate::boxes::{BoxError, BoxLimits, Decoder, MAX_VALUE};
use crate::keys;
use crate::restraint::{Restraint, restrained};

/// The bytes by which a box gets larger for its `_route`, at most: two lengths, the key, and the
/// value.
const ROOM: usize = 4 + keys::ROUTE.len() + MAX_VALUE;

/// Returns what a box may have on the shared connection, so that one without its `_route` can have
/// what `limits` says.
pub(super) fn with_room(limits: BoxLimits) -> BoxLimits {
    BoxLimits {
        max_bytes: limits.max_bytes.saturating_add(ROOM),
        max_pairs: limits.max_pairs.saturating_add(1),
    }
}

/// Restrains the events that tell of arguments which a box has lost, on whatever route.
static LOST: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// Gives each box in a stream of bytes its `_route`, however the stream is cut into pieces.
#[derive(Debug)]
pub(super) struct Labeller {
    /// The pair as it is written; empty for the default route.
    pair: Bytes,
    decoder: Decoder,
    /// The beginning of a box that is not all there.
    partial: BytesMut,
}

impl Labeller {
    /// Labels boxes with `name`, which must fit into a value.
    pub(super) fn new(name: &RouteName) -> Self {
        let mut pair = BytesMut::new();
        if let Some(name) = name.as_str() {
            for part in [keys::ROUTE, name.as_bytes()] {
                pair.put_u16(u16::try_from(part.len()).unwrap_or(u16::MAX));
                pair.put_slice(part);
            }
        }
        // The connection over the route has held its boxes to the limits before it sent them.
        let limits = BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX };
        Self { pair: pair.freeze(), decoder: Decoder::new(limits), partial: BytesMut::new() }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
    }

    /// Writes the boxes that are all there to `out`. A `_route` of their own is replaced, or would
    /// decide where the peer takes them.
    ///
    /// # Errors
    ///
    /// When the bytes are not boxes. No more can then be pushed.
    pub(super) fn label(&mut self, out: &mut BytesMut) -> Result<(), BoxError> {
        while let Some(mut ampbox) = self.decoder.decode(&mut self.partial)? {
            if ampbox.remove(keys::ROUTE) {
                // A peer may have chosen it, where boxes are passed on.
                restrained!(
                    LOST,
                    warn,
                    "a box lost its argument _route, which routes use themselves"
                );
            }
            out.reserve(self.pair.len() + ampbox.encoded_len());
            out.put_slice(&self.pair);
            ampbox.encode(out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::AmpBox;
    use crate::shorten::Shortened;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    fn label(name: impl Into<RouteName>, pieces: &[&[u8]]) -> Result<Bytes, BoxError> {
        let mut labeller = Labeller::new(&name.into());
        let mut out = BytesMut::new();
        for piece in pieces {
            labeller.push(piece);
            labeller.label(&mut out)?;
        }
        Ok(out.freeze())
    }

    #[test]
    fn a_box_gets_its_route_first_and_keeps_the_rest() {
        let ampbox: &[u8] = b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\0\0\0";
        let labelled = label("jobs", &[ampbox, b"\0\0"]).unwrap();
        let expected = [b"\0\x06_route\0\x04jobs", ampbox, b"\0\x06_route\0\x04jobs\0\0"].concat();
        assert_eq!(labelled, expected);
        assert_eq!(label("", &[b"\0\0"]).unwrap(), &b"\0\x06_route\0\0\0\0"[..]);
    }

    #[test]
    fn boxes_of_the_default_route_get_none() {
        let ampbox: &[u8] = b"\0\x01a\0\x011\0\0";
        assert_eq!(label(RouteName::DEFAULT, &[ampbox]).unwrap(), ampbox);
    }

    #[test]
    fn a_box_does_not_choose_its_route_itself() {
        let ampbox: &[u8] = b"\0\x06_route\0\x05admin\0\x01a\0\x011\0\0";
        assert_eq!(label(RouteName::DEFAULT, &[ampbox]).unwrap(), &b"\0\x01a\0\x011\0\0"[..]);
        let labelled = label("jobs", &[ampbox]).unwrap();
        assert_eq!(labelled, &b"\0\x06_route\0\x04jobs\0\x01a\0\x011\0\0"[..]);
    }

    #[test]
    fn what_is_not_a_box_is_an_error() {
        assert_eq!(
            label("jobs", &[b"GET /"]),
            Err(BoxError::NotAmp { beginning: Shortened::new("GET /"), protocol: Some("HTTP") })
        );
    }

    #[test]
    fn the_largest_box_and_the_longest_name_are_within_the_limits() {
        let limits = BoxLimits { max_bytes: 9, max_pairs: 1 };
        let name = "n".repeat(MAX_VALUE);
        let mut labelled = label(name.as_str(), &[b"\0\x01a\0\x0213\0\0"]).unwrap();
        assert!(AmpBox::parse(&mut labelled.clone(), limits).is_err());
        assert_eq!(labelled.len(), with_room(limits).max_bytes);
        let ampbox = AmpBox::parse(&mut labelled, with_room(limits)).unwrap();
        assert_eq!(ampbox.get(keys::ROUTE), Some(name.as_bytes()));
    }

    proptest! {
        #[test]
        fn any_boxes_in_any_pieces_keep_what_they_hold(
            boxes in vec(btree_map(vec(any::<u8>(), 1..20), vec(any::<u8>(), 0..300), 0..12), 0..6),
            cuts in vec(1usize..40, 1..60),
            name in proptest::option::of(".{0,20}"),
        ) {
            let name = name.map_or(RouteName::DEFAULT, RouteName::from);
            let mut boxes: Vec<_> =
                boxes.into_iter().map(|pairs| AmpBox::from_pairs(pairs).unwrap()).collect();
            let mut stream = BytesMut::new();
            for ampbox in &boxes {
                ampbox.encode(&mut stream);
            }
            let mut pieces = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let mut labelled = label(&name, &pieces).unwrap();
            for ampbox in &mut boxes {
                let received = AmpBox::parse(&mut labelled, BoxLimits::default()).unwrap();
                match name.as_str() {
                    Some(name) => ampbox.insert(keys::ROUTE, name).unwrap(),
                    None => ampbox.remove(keys::ROUTE),
                };
                prop_assert_eq!(&received, ampbox);
            }
            prop_assert!(labelled.is_empty());
        }
    }
}
