//! Descriptors that say which one they are, for tests that pass many.

use amp_core::AmpBox;
use amp_core::argument::Attachment;
use amp_core::boxes::{BoxLimits, Decoder};
use amp_unix::{Descriptor, UnixTransport};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{PipeReader, Read, Write};
use std::sync::Arc;
use tokio::net::UnixStream;

use super::{receive_some, send_all};

/// A pipe that holds `number` and then ends.
pub(crate) fn numbered(number: u64) -> Descriptor {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&number.to_ne_bytes()).unwrap();
    reader.into()
}

/// Reads what [`numbered`] has written. It is there once; and the end is seen only when nobody has
/// the other side.
pub(crate) fn number(descriptor: Descriptor) -> u64 {
    let mut pipe = PipeReader::try_from(descriptor).unwrap();
    let mut number = [0; 8];
    pipe.read_exact(&mut number).unwrap();
    assert_eq!(pipe.read(&mut [0]).unwrap(), 0);
    u64::from_ne_bytes(number)
}

/// Pipes that hold these numbers, to be sent.
pub(crate) fn numbered_attachments(numbers: impl IntoIterator<Item = u64>) -> VecDeque<Attachment> {
    let owned = numbers.into_iter().map(|number| numbered(number).into_owned().unwrap());
    owned.map(|fd| Arc::new(fd) as Attachment).collect()
}

/// One side of a connection, driven by hand. Its descriptors have their ordinals as numbers.
pub(crate) struct Far {
    pub(crate) transport: UnixTransport<UnixStream>,
    /// How many descriptors it has sent.
    pub(crate) sent: u64,
    buffer: BytesMut,
    decoder: Decoder,
}

impl Far {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            transport: UnixTransport::new(stream),
            sent: 0,
            buffer: BytesMut::new(),
            decoder: Decoder::new(BoxLimits::default()),
        }
    }

    /// Sends bytes, with `count` descriptors ahead of them.
    pub(crate) async fn send(&mut self, bytes: &[u8], count: u64) {
        let numbers = self.sent..self.sent + count;
        self.sent += count;
        send_all(&mut self.transport, bytes, numbered_attachments(numbers)).await;
    }

    /// The next box, or `None` at the end. Descriptors that come are closed.
    pub(crate) async fn receive(&mut self) -> Option<AmpBox> {
        loop {
            if let Some(ampbox) = self.decoder.decode(&mut self.buffer).unwrap() {
                return Some(ampbox);
            }
            let mut closed = Vec::new();
            let received = receive_some(&mut self.transport, &mut self.buffer, &mut closed);
            if received.await.unwrap() == 0 {
                assert!(self.buffer.is_empty(), "the end is in the middle of a box");
                return None;
            }
        }
    }
}
