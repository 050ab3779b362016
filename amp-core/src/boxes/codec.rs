use bytes::BytesMut;
use std::io;
use tokio_util::codec;

use super::{AmpBox, BoxError, BoxLimits, Decoder};

/// A codec of boxes for `tokio_util::codec`: with it, `Framed` makes a stream and a sink of boxes out of anything that
/// reads and writes.
///
/// It knows boxes only. For calls and answers, use a [`Connection`](crate::Connection).
#[derive(Debug)]
pub struct BoxCodec {
    decoder: Decoder,
}

impl BoxCodec {
    /// Creates a codec that holds received boxes to `limits`.
    pub fn new(limits: BoxLimits) -> Self {
        Self { decoder: Decoder::new(limits) }
    }
}

impl Default for BoxCodec {
    fn default() -> Self {
        Self::new(BoxLimits::default())
    }
}

impl codec::Decoder for BoxCodec {
    type Item = AmpBox;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<AmpBox>> {
        let ampbox = self.decoder.decode(buffer)?;
        if ampbox.is_none() {
            buffer.reserve(self.decoder.needed().saturating_sub(buffer.len()));
        }
        Ok(ampbox)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<AmpBox>> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => Err(BoxError::Truncated { seen: buffer.len() }.into()),
            ampbox => Ok(ampbox),
        }
    }
}

impl codec::Encoder<AmpBox> for BoxCodec {
    type Error = io::Error;

    fn encode(&mut self, ampbox: AmpBox, out: &mut BytesMut) -> io::Result<()> {
        ampbox.encode(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::{Decoder as _, Encoder as _};

    #[test]
    fn boxes_go_through_and_a_cut_one_is_an_error() {
        let mut codec = BoxCodec::default();
        let ampbox = AmpBox::from_pairs([("a", "1")]).unwrap();
        let mut buffer = BytesMut::new();
        codec.encode(ampbox.clone(), &mut buffer).unwrap();
        buffer.extend_from_slice(b"\0\x01");
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(ampbox));
        assert_eq!(codec.decode(&mut buffer).unwrap(), None);
        let error = codec.decode_eof(&mut buffer).unwrap_err();
        assert_eq!(error.to_string(), "2 bytes end in the middle of a box");
    }
}
