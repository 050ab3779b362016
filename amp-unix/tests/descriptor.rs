//! `Descriptor` as an argument, and what it is made from and becomes.

mod support;

use amp_core::argument::{Attachment, AttachmentKind, Attachments, Extensions};
use amp_core::boxes::{BoxLimits, BoxReader, BoxWriter};
use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, WireTypes};
use amp_core::{
    AmpBox, Argument, Arguments, DecodeError, EncodeError, PeerAddress, Proto, Value, ValueWriter,
};
use amp_unix::inherited::ListenFd;
use amp_unix::socket::Moved;
use amp_unix::{
    AnyListener, ChildPipes, Descriptor, DescriptorError, PeerCredentials, UnixSocketListener,
    UnixTransport,
};
use bytes::{Bytes, BytesMut};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use support::{tag, tagged};
use tokio::net::unix::pipe;

/// One connection that gets back what it sends.
struct Loopback {
    kind: Option<AttachmentKind>,
    attachments: Vec<Option<Attachment>>,
}

impl Attachments for Loopback {
    fn kind(&self) -> Option<AttachmentKind> {
        self.kind
    }

    fn attach(&mut self, attachment: Attachment) -> Result<u64, EncodeError> {
        self.attachments.push(Some(attachment));
        Ok(self.attachments.len() as u64 - 1)
    }

    fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        let index = usize::try_from(ordinal).unwrap();
        let attachment = self.attachments.get_mut(index).and_then(Option::take);
        attachment.ok_or_else(|| DecodeError::custom("not there"))
    }
}

impl Loopback {
    fn new() -> Self {
        let kind = AttachmentKind::of::<OwnedFd>("a file descriptor");
        Self { kind: Some(kind), attachments: Vec::new() }
    }

    fn encode(&mut self, value: &impl Argument) -> Result<BytesMut, EncodeError> {
        let extensions = Extensions::default();
        let mut proto = Proto::new(self, &PeerAddress::Unknown, &extensions);
        let mut out = BytesMut::new();
        value.to_string_proto(&mut proto, &mut ValueWriter::new(&mut out))?;
        Ok(out)
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Proto<'_>) -> T) -> T {
        let extensions = Extensions::default();
        f(&mut Proto::new(self, &PeerAddress::Unknown, &extensions))
    }

    /// A box that is written by this.
    fn boxed(
        &mut self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> BytesMut {
        let mut out = BytesMut::new();
        let mut writer = BoxWriter::new(&mut out);
        self.with(|proto| write(&mut writer, proto)).unwrap();
        writer.finish().unwrap();
        out
    }

    /// What was attached, in its order, and was not claimed.
    fn tags(&self) -> Vec<usize> {
        let attached = self.attachments.iter().flatten();
        attached.map(|one| tag(Descriptor::from_attachment(one.clone()).unwrap())).collect()
    }

    fn decode<T: Argument>(&mut self, bytes: &[u8]) -> Result<T, DecodeError> {
        let extensions = Extensions::default();
        let mut proto = Proto::new(self, &PeerAddress::Unknown, &extensions);
        T::from_string_proto(Value::from(bytes), &mut proto)
    }
}

#[test]
fn it_is_an_ordinal_in_the_box() {
    let mut connection = Loopback::new();
    for n in 0..12 {
        let bytes = connection.encode(&Descriptor::from(tagged(n))).unwrap();
        assert_eq!(bytes, n.to_string());
    }
    for n in [11, 0, 5] {
        let descriptor: Descriptor = connection.decode(n.to_string().as_bytes()).unwrap();
        assert_eq!(tag(&descriptor), n);
    }
    assert_eq!(connection.decode::<Descriptor>(b"0").unwrap_err().to_string(), "not there");
}

#[test]
fn a_list_of_them_has_the_ordinals() {
    let mut connection = Loopback::new();
    let list: Vec<_> = (7..9).map(|n| Descriptor::from(tagged(n))).collect();
    let bytes = connection.encode(&list).unwrap();
    assert_eq!(&bytes[..], b"\0\x010\0\x011");
    let list: Vec<Descriptor> = connection.decode(&bytes).unwrap();
    assert_eq!(list.iter().map(tag).collect::<Vec<_>>(), [7, 8]);
}

#[derive(Arguments)]
struct Files {
    one: Option<Descriptor>,
    list: Vec<Descriptor>,
    named: Vec<Named>,
    lists: Vec<Vec<Descriptor>>,
}

#[derive(Arguments)]
struct Named {
    name: String,
    file: Descriptor,
}

/// Those of typed values and those of dynamic ones by the schema of the type: the bytes, and what was
/// attached in which order.
#[test]
fn dynamic_values_have_the_same_descriptors() {
    let schema = BoxSchema::of::<Files>();
    let mut next = 0;
    let mut file = || {
        next += 1;
        Descriptor::from(tagged(next % 40))
    };
    for shape in 0..81 {
        let [one, list, named, lists] = [1, 3, 9, 27].map(|power| shape / power % 3);
        let files = Files {
            one: (one > 0).then(&mut file),
            list: (0..list).map(|_| file()).collect(),
            named: (0..named).map(|n| Named { name: format!("{n}"), file: file() }).collect(),
            lists: (0..lists).map(|n| (0..n).map(|_| file()).collect()).collect(),
        };
        let (mut typed, mut dynamic) = (Loopback::new(), Loopback::new());
        let bytes = typed.boxed(|out, proto| Arguments::write_to(&files, out, proto));
        let tags = typed.tags();
        // A box ends with a key of no bytes.
        let mut whole = Bytes::from([&bytes[..], b"\0\0"].concat());
        let ampbox = AmpBox::parse(&mut whole, BoxLimits::default()).unwrap();
        let values = typed
            .with(|proto| Values::read_from(&schema, &mut BoxReader::new(&ampbox), proto).unwrap());
        let again = dynamic.boxed(|out, proto| values.write_to(&schema, out, proto));
        assert_eq!((again, dynamic.tags()), (bytes, tags), "{shape}");
    }
}

#[test]
fn an_ordinal_that_is_no_number_is_refused() {
    let error = Loopback::new().decode::<Descriptor>(b"stdin").unwrap_err();
    assert!(error.to_string().starts_with(r#""stdin" is not"#), "{error}");
}

#[test]
fn a_connection_without_descriptors_says_so() {
    let other_kinds = [None, Some(AttachmentKind::of::<u8>("a number"))];
    for kind in other_kinds {
        let mut connection = Loopback { kind, attachments: Vec::new() };
        let error = connection.encode(&Descriptor::from(tagged(1))).unwrap_err();
        assert_eq!(error.to_string(), "a file descriptor cannot be sent over this transport");
        let error = connection.decode::<Descriptor>(b"0").unwrap_err();
        assert_eq!(error.to_string(), "a file descriptor cannot be received over this transport");
        assert!(connection.attachments.is_empty());
    }
}

#[test]
fn a_received_one_is_the_descriptor_itself() {
    let mut connection = Loopback::new();
    let fd = tagged(1);
    let number = fd.as_raw_fd();
    let bytes = connection.encode(&Descriptor::from(fd)).unwrap();
    let descriptor: Descriptor = connection.decode(&bytes).unwrap();
    assert_eq!(format!("{descriptor:?}"), format!("Descriptor({number})"));
    assert_eq!(descriptor.into_owned().unwrap().as_raw_fd(), number);
}

#[test]
fn one_that_waits_to_be_sent_is_duplicated() {
    let mut connection = Loopback::new();
    let fd = tagged(1);
    let number = fd.as_raw_fd();
    let descriptor = Descriptor::from(fd);
    connection.encode(&descriptor).unwrap();
    let duplicate = OwnedFd::try_from(descriptor).unwrap();
    assert_ne!(duplicate.as_raw_fd(), number);
    assert_eq!(tag(duplicate), 1);
    let waiting = connection.attachments[0].take().unwrap().downcast::<OwnedFd>().unwrap();
    assert_eq!((waiting.as_raw_fd(), tag(&*waiting)), (number, 1));
}

#[test]
fn anything_open_can_be_duplicated() {
    let file = File::from(tagged(4));
    let descriptor = Descriptor::duplicate(&file).unwrap();
    drop(file);
    assert_eq!(tag(Descriptor::duplicate(&descriptor).unwrap()), 4);
}

#[test]
fn files_and_pipes_go_through_it() {
    let file = File::try_from(Descriptor::from(File::from(tagged(3)))).unwrap();
    assert_eq!(tag(&file), 3);

    let (reader, writer) = std::io::pipe().unwrap();
    let mut writer = std::io::PipeWriter::try_from(Descriptor::from(writer)).unwrap();
    writer.write_all(b"through").unwrap();
    drop(writer);
    let mut text = String::new();
    std::io::PipeReader::try_from(Descriptor::from(reader))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "through");
}

#[test]
fn sockets_go_through_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = TcpListener::try_from(Descriptor::from(listener)).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let stream = TcpStream::try_from(Descriptor::from(stream)).unwrap();
    assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    assert_eq!(UdpSocket::try_from(Descriptor::from(udp)).unwrap().local_addr().unwrap(), address);

    let (a, mut b) = UnixStream::pair().unwrap();
    UnixStream::try_from(Descriptor::from(a)).unwrap().write_all(b"x").unwrap();
    b.read_exact(&mut [0]).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let listener = UnixListener::try_from(Descriptor::from(listener)).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();

    let (a, b) = UnixDatagram::pair().unwrap();
    UnixDatagram::try_from(Descriptor::from(a)).unwrap().send(b"x").unwrap();
    assert_eq!(b.recv(&mut [0]).unwrap(), 1);
}

#[test]
fn a_childs_pipes_go_through_it() {
    let file = Descriptor::duplicate(tagged(6)).unwrap();
    let mut seek = File::try_from(Descriptor::duplicate(&file).unwrap()).unwrap();
    std::io::Seek::rewind(&mut seek).unwrap();
    let file = Stdio::try_from(file).unwrap();
    let mut cat = Command::new("cat").stdin(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = File::try_from(Descriptor::from(cat.stdout.take().unwrap())).unwrap();
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(text, "6");
    cat.wait().unwrap();
}

#[tokio::test]
async fn sockets_of_tokio_go_through_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Descriptor::try_from(listener).unwrap();
    // As if it came from a peer that is not in non-blocking mode.
    let listener = TcpListener::try_from(listener).unwrap();
    listener.set_nonblocking(false).unwrap();
    let listener = tokio::net::TcpListener::try_from(Descriptor::from(listener)).unwrap();
    let connecting = tokio::net::TcpStream::connect(address);
    let (client, server) = tokio::join!(connecting, listener.accept());
    let client = Descriptor::try_from(client.unwrap()).unwrap();
    let client = tokio::net::TcpStream::try_from(client).unwrap();
    assert_eq!(client.local_addr().unwrap(), server.unwrap().1);

    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let udp = tokio::net::UdpSocket::try_from(Descriptor::try_from(udp).unwrap()).unwrap();
    assert_eq!(udp.local_addr().unwrap(), address);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Descriptor::try_from(tokio::net::UnixListener::bind(&path).unwrap()).unwrap();
    let listener = tokio::net::UnixListener::try_from(listener).unwrap();
    let client = Descriptor::try_from(tokio::net::UnixStream::connect(&path).await.unwrap());
    let client = tokio::net::UnixStream::try_from(client.unwrap()).unwrap();
    let (server, _) = listener.accept().await.unwrap();
    server.writable().await.unwrap();
    server.try_write(b"x").unwrap();
    client.readable().await.unwrap();
    assert_eq!(client.try_read(&mut [0]).unwrap(), 1);

    let (a, b) = tokio::net::UnixDatagram::pair().unwrap();
    let a = tokio::net::UnixDatagram::try_from(Descriptor::try_from(a).unwrap()).unwrap();
    a.send(b"x").await.unwrap();
    assert_eq!(b.recv(&mut [0]).await.unwrap(), 1);

    let not_a_socket = Descriptor::from(tagged(1));
    assert!(tokio::net::UnixListener::try_from(not_a_socket).is_err());
}

#[tokio::test]
async fn pipes_of_tokio_go_through_it() {
    let (sender, receiver) = pipe::pipe().unwrap();
    let sender = pipe::Sender::try_from(Descriptor::try_from(sender).unwrap()).unwrap();
    let receiver = pipe::Receiver::try_from(Descriptor::try_from(receiver).unwrap()).unwrap();
    sender.writable().await.unwrap();
    sender.try_write(b"x").unwrap();
    receiver.readable().await.unwrap();
    assert_eq!(receiver.try_read(&mut [0]).unwrap(), 1);

    // As if it came from a peer that is not in non-blocking mode.
    let (reader, writer) = std::io::pipe().unwrap();
    let receiver = pipe::Receiver::try_from(Descriptor::from(reader)).unwrap();
    let flags = OFlag::from_bits_retain(fcntl(&receiver, FcntlArg::F_GETFL).unwrap());
    assert!(flags.contains(OFlag::O_NONBLOCK));
    assert!(pipe::Receiver::try_from(Descriptor::from(writer)).is_err(), "it is the other end");
    assert!(pipe::Sender::try_from(Descriptor::from(tagged(1))).is_err(), "it is a file");
}

#[test]
fn a_clone_is_the_same_descriptor_until_one_is_taken_out() {
    let descriptor = Descriptor::from(tagged(1));
    let clone = descriptor.clone();
    let number = descriptor.as_fd().as_raw_fd();
    assert_eq!(clone.as_fd().as_raw_fd(), number);

    let taken = OwnedFd::try_from(clone).unwrap();
    assert_ne!(taken.as_raw_fd(), number, "the other is still there");
    assert_eq!(tag(&taken), 1);
    assert_eq!(OwnedFd::try_from(descriptor).unwrap().as_raw_fd(), number, "it was the last");

    let mut connection = Loopback::new();
    let descriptor = Descriptor::from(tagged(2));
    for n in 0..2 {
        assert_eq!(connection.encode(&descriptor.clone()).unwrap(), n.to_string());
    }
    let sent: Descriptor = connection.decode(b"1").unwrap();
    assert_eq!(tag(&sent), 2);
}

#[test]
fn a_descriptor_says_what_it_is_on_the_wire() {
    let wire_type = WireTypes::default().of::<Vec<Descriptor>>();
    assert_eq!(wire_type.to_string(), "ListOf(Descriptor)");
}

#[test]
fn what_this_crate_has_goes_to_other_threads() {
    fn sent<T: Send + 'static>() {}
    fn shared<T: Send + Sync + 'static>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<DescriptorError>();
    sent::<ChildPipes>();
    sent::<UnixTransport<tokio::net::UnixStream>>();
    shared::<AnyListener>();
    shared::<Descriptor>();
    shared::<ListenFd>();
    shared::<Moved>();
    shared::<PeerCredentials>();
    shared::<UnixSocketListener>();
}
