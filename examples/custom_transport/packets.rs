//! `SOCK_SEQPACKET`: a socket that keeps messages apart, where AMP wants a stream of bytes.

use amp_core::{Arguments, Command, Context, Failure, NoError, Responders};
use amp_unix::{Descriptor, IUnixTransport, connection_over, socket};
use bytes::BytesMut;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::task::{self, Poll, ready};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;

use crate::AnyError;

/// The longest message, in bytes. The end of a longer one than there is room for would be lost, so
/// both sides must agree.
const MAX_MESSAGE: usize = 64 * 1024;

/// A `SOCK_SEQPACKET` socket.
///
/// tokio has no type of its own for it. But waiting until a socket is ready is the same for all
/// kinds, so a `UnixStream` does that; nothing is ever read from it or written to it as a stream.
struct Packets(UnixStream);

impl Packets {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket).map(Self)
    }
}

impl IUnixTransport for Packets {
    /// Boxes may begin and end anywhere in a message: the connection puts the bytes together again.
    fn poll_receive(
        &mut self,
        cx: &mut task::Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        buffer.reserve(MAX_MESSAGE);
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let receive = || socket::receive(&self.0, buffer, descriptors);
            match self.0.try_io(Interest::READABLE, receive) {
                // It was not ready after all, which `try_io` has noted.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result.map(|moved| moved.bytes)),
            }
        }
    }

    /// Sends one message. The descriptors go with it, which is with the first of its bytes.
    fn poll_send(
        &mut self,
        cx: &mut task::Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        // It is enough to take some of the bytes. The connection comes back with the rest.
        let bytes = bytes.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        let message = [IoSlice::new(&bytes[..bytes.len().min(MAX_MESSAGE)])];
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            let send = || socket::send(&self.0, &message, descriptors);
            match self.0.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result.map(|moved| moved.bytes)),
            }
        }
    }

    fn poll_shutdown(&mut self, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket::shutdown(&self.0))
    }
}

/// Reads a file to its end.
#[derive(Command)]
#[amp(response = Content)]
struct ReadFile {
    file: Descriptor,
}

#[derive(Arguments)]
struct Content {
    content: Vec<u8>,
}

async fn read_file(_: Context, ReadFile { file }: ReadFile) -> Result<Content, Failure<NoError>> {
    let content = spawn_blocking(move || {
        let mut content = Vec::new();
        File::try_from(file)?.read_to_end(&mut content)?;
        io::Result::Ok(content)
    });
    Ok(Content { content: content.await?? })
}

pub(crate) async fn demonstrate() -> Result<(), AnyError> {
    let (here, there) = pair()?;
    let peer = connection_over(here).spawn();
    let responders = Responders::new(()).try_respond(read_file);
    let server = tokio::spawn(connection_over(there).responders(responders).run());

    let text = "over a socket of packets ".repeat(2000);
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    // The position of an open file is handed over with it.
    file.rewind()?;

    let Content { content } = peer.call_remote(ReadFile { file: file.into() }).await?;
    if content != text.as_bytes() {
        return Err(format!("packets: {} bytes came back wrong", content.len()).into());
    }
    println!("packets: handed over a file, of which the other side read {} bytes", content.len());

    peer.close().await;
    println!("packets: the other side has ended: {}", server.await?);
    Ok(())
}

/// Both ends of a connection.
fn pair() -> io::Result<(Packets, Packets)> {
    // Close-on-exec, or the programs that this process starts inherit the sockets.
    let flags = SockFlag::SOCK_CLOEXEC;
    let (here, there) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((Packets::new(here)?, Packets::new(there)?))
}
