use amp_core::boxes::{BoxLimits, Decoder};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::Address;

/// The time that a peer is waited for where something should come at once, and to be connected to. It is
/// long enough for a machine that is busy with something else.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A connection to a peer on which any bytes can be sent, AMP or not.
pub struct RawClient {
    stream: Box<dyn Both>,
    received: BytesMut,
    decoder: Decoder,
}

trait Both: Read + Write + Send {}

impl<T: Read + Write + Send> Both for T {}

impl fmt::Debug for RawClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawClient").field("received", &self.received.len()).finish_non_exhaustive()
    }
}

/// A stream to a peer, as sockets are, which waits for [`DEADLINE`] at most to read and to write.
#[derive(Debug)]
pub enum RawStream {
    /// On a Unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl RawStream {
    /// Connects to what listens at the address.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or a host does not say so for [`DEADLINE`].
    pub fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                Ok(Self::Unix(stream))
            }
            Address::Tcp(address) => {
                let stream = connect_to_any(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                Ok(Self::Tcp(stream))
            }
        }
    }
}

/// Connects to the first of the host's addresses that somebody listens on.
fn connect_to_any(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for place in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, DEADLINE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Read for RawStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for RawStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RawClient {
    /// Connects to what listens at the address.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or a host does not say so for [`DEADLINE`].
    pub fn connect(address: &Address) -> io::Result<Self> {
        RawStream::connect(address).map(Self::new)
    }

    /// Creates a client on a stream, which gives up by itself when nothing comes.
    pub fn new(stream: impl Read + Write + Send + 'static) -> Self {
        let decoder = Decoder::new(BoxLimits::default());
        Self { stream: Box::new(stream), received: BytesMut::new(), decoder }
    }

    /// Sends these bytes as they are.
    ///
    /// # Errors
    ///
    /// When the connection is closed, or the peer takes nothing for [`DEADLINE`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Returns the bytes of the next box exactly as they came, or `None` when the peer closed.
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

    /// Returns the next `count` bytes.
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
        match self.stream.read(&mut piece) {
            Ok(read) => {
                self.received.extend_from_slice(&piece[..read]);
                Ok(read)
            }
            // A peer that closes with bytes unread resets the connection.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(0),
            // The words that systems have for a deadline that is over are of no help to people.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let message = format!("nothing comes for {} s", DEADLINE.as_secs());
                Err(io::Error::new(ErrorKind::TimedOut, message))
            }
            Err(error) => Err(error),
        }
    }
}
