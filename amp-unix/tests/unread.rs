//! Descriptors that wait for a peer which does not read: they are open here meanwhile. Each test has a process of its
//! own, which may have few files open.

mod support;

use amp_core::streams::StreamOf;
use amp_core::{Arguments, Command, Context, NoError, Responders};
use amp_unix::{Descriptor, socket};
use bytes::BytesMut;
use std::fs::File;
use std::io::ErrorKind;
use std::time::Duration;
use support::{ask, block_on, in_own_process, limit_open_files, open_descriptors};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

/// So many files may be open.
const FILES: u64 = 256;

/// Sends a file again and again.
#[derive(Command)]
struct Subscribe {}

#[derive(Command)]
#[amp(one_way)]
struct News {
    file: Descriptor,
}

#[derive(Command)]
#[amp(response = Files)]
struct AskForFiles {}

#[derive(Arguments)]
struct Files {
    files: StreamOf<Descriptor>,
}

fn open() -> Descriptor {
    File::open("/dev/null").expect("files are left").into()
}

fn responders() -> Responders {
    let subscribe = async |context: Context, _: Subscribe| {
        let peer = context.peer().clone();
        tokio::spawn(async move { while peer.notify(News { file: open() }).await.is_ok() {} });
        Ok::<_, NoError>(())
    };
    let ask_for_files = async |_: Context, _: AskForFiles| {
        let (mut sink, files) = StreamOf::pair();
        tokio::spawn(async move { while sink.send(open()).await.is_ok() {} });
        Ok::<_, NoError>(Files { files })
    };
    Responders::new(()).respond(subscribe).respond(ask_for_files)
}

/// Lets the other tasks get on.
async fn settle() {
    for _ in 0..3000 {
        tokio::task::yield_now().await;
    }
}

/// How many descriptors have come that were not received yet.
fn receive(stream: &UnixStream) -> usize {
    let (mut bytes, mut files) = (BytesMut::with_capacity(64 << 10), Vec::new());
    loop {
        bytes.clear();
        match socket::receive(stream, &mut bytes, &mut files) {
            Ok(moved) => assert_ne!(moved.bytes, 0, "the connection goes on"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return files.len(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whoever sends waits, as where there are enough bytes. What it has queued is sent once the peer reads.
#[test]
fn calls_of_this_side_wait_before_a_peer_has_all_files() {
    let name = "calls_of_this_side_wait_before_a_peer_has_all_files";
    in_own_process(name, || {
        limit_open_files(FILES);
        block_on(async {
            let (server, mut client) = UnixStream::pair().unwrap();
            let _server = amp_unix::connection(server).unwrap().responders(responders()).spawn();
            let before = open_descriptors();
            client.write_all(&ask("1", "Subscribe", &[])).await.unwrap();
            settle().await;
            // A quarter of the files may be held in all. An eighth of that is queued, and as many are being written.
            let open = open_descriptors() - before;
            assert!(open <= 2 * 8 + 2, "{open} are open");
            let mut came = 0;
            while came < 1000 {
                came += receive(&client);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    });
}

#[test]
fn a_peer_has_no_more_items_with_descriptors_than_this_side_lets_it_have() {
    let name = "a_peer_has_no_more_items_with_descriptors_than_this_side_lets_it_have";
    in_own_process(name, || {
        limit_open_files(FILES);
        block_on(async {
            const STREAMS: usize = 8;
            let (server, mut client) = UnixStream::pair().unwrap();
            let connection = amp_unix::connection(server).unwrap();
            let limits = amp_core::Limits::default().unclaimed_attachments(32);
            let _server = connection.limits(limits).responders(responders()).spawn();
            for n in 0..STREAMS {
                client.write_all(&ask(&n.to_string(), "AskForFiles", &[])).await.unwrap();
            }
            settle().await;
            let most =
                [("items", "100000"), ("bytes", "1000000000"), ("attachments", "1000000000")];
            for n in 0..STREAMS {
                let number = (2 * n).to_string();
                let window = [&most[..], &[("stream", &number)]].concat();
                client.write_all(&ask("", "_StreamOpen", &window)).await.unwrap();
            }
            settle().await;
            // It takes all that comes and answers nothing. Three quarters are for the first item of a stream.
            assert_eq!(receive(&client), STREAMS + 4);
            settle().await;
            assert_eq!(receive(&client), 0);
        });
    });
}
