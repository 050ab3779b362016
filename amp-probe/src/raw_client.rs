use amp_core::BoxLimits;
use amp_core::Decoder;
use bytes::{Bytes, BytesMut};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::Address;

/// How long a test waits for something that should come at once. Long enough for a machine that is
/// busy with something else.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A connection to a peer on which any bytes can be sent, AMP or not.
#[derive(Debug)]
pub struct RawClient {
    stream: Stream,
    received: BytesMut,
    decoder: Decoder,
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl RawClient {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens at the address.
    pub fn connect(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                Stream::Unix(stream)
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                Stream::Tcp(stream)
            }
        };
        let decoder = Decoder::new(BoxLimits::default());
        Ok(Self { stream, received: BytesMut::new(), decoder })
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// When the connection is closed, or the peer takes nothing for [`DEADLINE`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(bytes),
            Stream::Tcp(stream) => stream.write_all(bytes),
        }
    }

    /// The bytes of the next box exactly as they came, or `None` when the peer closed.
    ///
    /// # Errors
    ///
    /// When what comes is not a box, when the connection ends inside of one, and when nothing
    /// comes for [`DEADLINE`].
    pub fn receive(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(end) = self.decoder.end_of_next(&self.received)? {
                return Ok(Some(self.received.split_to(end).freeze()));
            }
            if self.read()? == 0 {
                if self.received.is_empty() {
                    return Ok(None);
                }
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next so many bytes.
    ///
    /// # Errors
    ///
    /// When the connection ends before, and when nothing comes for [`DEADLINE`].
    pub fn receive_bytes(&mut self, count: usize) -> io::Result<Bytes> {
        while self.received.len() < count {
            if self.read()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.received.split_to(count).freeze())
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; 65_536];
        let read = match &mut self.stream {
            Stream::Unix(stream) => stream.read(&mut piece),
            Stream::Tcp(stream) => stream.read(&mut piece),
        };
        match read {
            Ok(read) => {
                self.received.extend_from_slice(&piece[..read]);
                Ok(read)
            }
            // A peer that closes with bytes unread resets the connection.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(0),
            // What systems call it when a deadline is over is of no help to people.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let message = format!("nothing comes for {} s", DEADLINE.as_secs());
                Err(io::Error::new(ErrorKind::TimedOut, message))
            }
            Err(error) => Err(error),
        }
    }
}
