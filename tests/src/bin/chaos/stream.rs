use amp_tests::Address;
use amp_unix::socket;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Bytes, with descriptors beside them where they can be, and no protocol.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            Address::Tcp(address) => TcpStream::connect(address).await.and_then(Self::tcp),
        }
    }

    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Receives at least one byte into the spare capacity of `buffer`, or finds the end, which is 0.
    pub(crate) async fn receive(
        &self,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<usize> {
        loop {
            let received = match self {
                Self::Unix(stream) => {
                    stream.readable().await?;
                    let receive = || socket::receive(stream, buffer, descriptors);
                    stream.try_io(Interest::READABLE, receive).map(|moved| moved.bytes)
                }
                Self::Tcp(stream) => {
                    stream.readable().await?;
                    stream.try_read_buf(buffer)
                }
            };
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// Sends some of `bytes`, and all of the descriptors, which are closed, with the first of them.
    pub(crate) async fn send(
        &self,
        bytes: &[u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<usize> {
        loop {
            let sent = match self {
                Self::Unix(stream) => {
                    stream.writable().await?;
                    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
                    let send = || socket::send(stream, &[IoSlice::new(bytes)], &descriptors);
                    stream.try_io(Interest::WRITABLE, send).map(|moved| moved.bytes)
                }
                Self::Tcp(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    descriptors.clear();
                    return sent;
                }
            }
        }
    }

    pub(crate) async fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.send(bytes, &mut Vec::new()).await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Tells the other side that nothing more will be sent.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => socket::shutdown(stream),
            Self::Tcp(stream) => socket::shutdown(stream),
        }
    }

    /// Closed from now on, the other side is to see a reset, and what it has not read is lost. On
    /// Unix sockets that is so whenever anything sent to this side was not read.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Unix(_) => Ok(()),
            Self::Tcp(stream) => stream.set_zero_linger(),
        }
    }
}

/// What accepts a [`Stream`].
pub(crate) enum StreamListener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl StreamListener {
    /// Listens, and says where.
    pub(crate) async fn bind(address: Address) -> io::Result<(Self, Address)> {
        Ok(match address {
            Address::Unix(path) => (Self::Unix(UnixListener::bind(&path)?), Address::Unix(path)),
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = listener.local_addr()?.to_string();
                (Self::Tcp(listener), Address::Tcp(address))
            }
        })
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
        }
    }
}
