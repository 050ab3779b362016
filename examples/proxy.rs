//! A proxy for any protocol. By a schema that is known only when it runs, it passes on calls, one-way calls, protocol
//! switches and descriptors.
//!
//! ```text
//! cargo run --example proxy
//! ```
//!
//! A server and its client are in this program too, so that there is something to pass on. The proxy is `proxy_of`, some
//! fifty lines, and has none of their types. Commands that are not in its schema are passed on as they are. Commands with
//! descriptors have to be in the schema, since descriptors are counted on each connection. So have protocol switches.
//!
//! The proxy's connection to the server is for its one client, and has no streams of its own. If clients share a
//! connection, or the proxy has streams on it, calls about streams and the argument `_route` must not be passed on: see
//! `ReceivedCall::pass_on`, which refuses them.

use amp_core::boxes::BoxReader;
use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, CommandSchema, Schema};
use amp_core::{
    AmpBox, Arguments, Command, Context, NoError, Peer, Proto, ReceivedCall, Responders, Switched,
};
use amp_unix::Descriptor;
use std::error::Error;
use std::io::Read;
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Passes on whatever comes to `to`.
fn proxy_of(to: Peer, schema: Schema) -> Responders {
    let both = Arc::new((to, schema));
    let [reads, calls, asks, knows] = [(); 4].map(|()| both.clone());
    let read = move |command: &[u8], input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
        Values::read_from(&boxes(&reads.1, command).0, input, proto)
    };
    let call = move |mut call: ReceivedCall<Values>| {
        let both = calls.clone();
        async move {
            let (to, (asked, answered)) = (&both.0, boxes(&both.1, &call.command));
            let write = take(&mut call.arguments).writing(asked);
            let answer = if call.requires_answer {
                to.call_by_name_with(&call.command, write, Values::reading(&answered)).await
            } else {
                to.notify_by_name_with(&call.command, write).await.map(|()| Values::new())
            };
            answer.map(|answer| answer.writing(answered)).map_err(|error| call.handed_on(error))
        }
    };
    let switch = move |mut call: ReceivedCall<Values>| {
        let both = asks.clone();
        async move {
            let write = take(&mut call.arguments).writing(boxes(&both.1, &call.command).0);
            let switch = both.0.switch_protocol_by_name_with(&call.command, write).await;
            let mut there = switch.map_err(|error| call.handed_on(error))?;
            Ok(async move |mut here: Switched| {
                let _ = copy_bidirectional(&mut here, &mut there).await;
            })
        }
    };
    let is_switch = move |command: &[u8]| known(&knows.1, command).is_some_and(|it| it.is_switch);
    Responders::new(())
        .fallback_with(read.clone(), call)
        .fallback_switch_with(is_switch, read, switch)
}

fn known<'a>(schema: &'a Schema, command: &[u8]) -> Option<&'a CommandSchema> {
    schema.command(str::from_utf8(command).ok()?)
}

/// What the calls and the answers of a command have in them: anything, when it is not known.
fn boxes(schema: &Schema, command: &[u8]) -> (BoxSchema, BoxSchema) {
    let anything = || (BoxSchema::of::<AmpBox>(), BoxSchema::of::<AmpBox>());
    known(schema, command).map_or_else(anything, |it| (it.arguments.clone(), it.response.clone()))
}

/// Reads an open file.
#[derive(Command)]
#[amp(response = Content)]
struct ReadFile {
    file: Descriptor,
}

#[derive(Arguments)]
struct Content {
    content: Vec<u8>,
}

#[derive(Command)]
#[amp(switch)]
struct Echo {}

#[derive(Command)]
#[amp(one_way)]
struct Remember {
    text: String,
}

/// Is in no schema.
#[derive(Command)]
#[amp(response = Content)]
struct Recall {}

fn server() -> Responders {
    let remembered = Arc::new(Mutex::new(Vec::new()));
    let recalled = remembered.clone();
    Responders::new(())
        .respond(move |_: Context, Remember { text }: Remember| {
            *remembered.lock().unwrap() = text.into_bytes();
            async { Ok::<_, NoError>(()) }
        })
        .respond(move |_: Context, _: Recall| {
            let content = recalled.lock().unwrap().clone();
            async { Ok::<_, NoError>(Content { content }) }
        })
        .try_respond(async |_: Context, ReadFile { file }: ReadFile| {
            let mut content = Vec::new();
            std::fs::File::try_from(file)?.read_to_end(&mut content)?;
            Ok::<_, amp_core::Failure<NoError>>(Content { content })
        })
        .respond_switch(async |_: Context, _: Echo| {
            Ok::<_, NoError>(async |stream: Switched| {
                let (mut reader, mut writer) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            })
        })
}

/// What the proxy is told: it may come from a file.
const SCHEMA: &str = "\
command ReadFile
  arguments
    file: Descriptor
  response
    content: String

command Echo switch

command Remember one-way
  arguments
    text: Unicode
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    timeout(Duration::from_secs(60), run()).await?
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (near, far) = UnixStream::pair()?;
    let _server = amp_unix::connection(far)?.responders(server()).spawn();
    let backend = amp_unix::connection(near)?.spawn();
    let (near, far) = UnixStream::pair()?;
    let proxy = proxy_of(backend.clone(), SCHEMA.parse()?);
    let client = amp_unix::connection(far)?.responders(proxy).spawn();
    // Whichever ends, the other has nobody to speak with any more.
    let _both = tokio::spawn(async move {
        tokio::select! {
            _ = backend.closed() => {
                client.close_gracefully(Duration::from_secs(5)).await;
            }
            _ = client.closed() => backend.close().await,
        }
    });
    let peer = amp_unix::connection(near)?.spawn();

    let (reader, mut writer) = std::io::pipe()?;
    std::io::Write::write_all(&mut writer, b"through a pipe")?;
    drop(writer);
    let file = Descriptor::from(std::os::fd::OwnedFd::from(reader));
    let Content { content } = peer.call_remote(ReadFile { file }).await?;
    println!("read: {}", String::from_utf8_lossy(&content));
    assert_eq!(content, b"through a pipe");

    peer.notify(Remember { text: "one way".into() }).await?;
    let Content { content } = peer.call_remote(Recall {}).await?;
    println!("recalled: {}", String::from_utf8_lossy(&content));
    assert_eq!(content, b"one way");

    let mut stream = peer.switch_protocol(Echo {}).await?;
    stream.write_all(b"another protocol").await?;
    stream.shutdown().await?;
    let mut echo = String::new();
    stream.read_to_string(&mut echo).await?;
    println!("echo: {echo}");
    assert_eq!(echo, "another protocol");
    Ok(())
}
