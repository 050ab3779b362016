//! A proxy for any protocol: calls, one-way ones, protocol switches and descriptors are passed on by a
//! schema that is known only when the proxy runs.
//!
//! ```text
//! cargo run --example proxy
//! ```
//!
//! A server and its client are in this program too, to have something to pass on. The proxy is
//! `proxy_of`, some thirty lines, and knows none of their types. Commands that its schema does not have are passed on as
//! they are; of those it needs to know only which carry descriptors, since descriptors are counted on
//! each connection.

use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{
    AmpBox, Arguments, BoxReader, CallError, Command, Context, NoError, Peer, Proto,
    ProtocolSwitch, ReceivedCall, RemoteError, Responders, Switched,
};
use amp_unix::Descriptor;
use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Passes on whatever comes to `to`.
fn proxy_of(to: Peer, schema: Arc<Schema>) -> Responders {
    let (for_calls, for_switches, reads) =
        ((to.clone(), schema.clone()), (to, schema.clone()), schema);
    let read = move |command: &[u8], input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
        Values::from_box(&boxes(&reads, command).0, input, proto)
    };
    let call = move |call: ReceivedCall<Values>| {
        let (to, schema) = for_calls.clone();
        async move {
            let (asked, answered) = boxes(&schema, &call.command);
            let write = call.arguments.writing(asked);
            let answer = if call.requires_answer {
                to.call_by_name_with(&call.command, write, Values::reading(&answered)).await
            } else {
                to.notify_by_name_with(&call.command, write).await.map(|()| Values::new())
            };
            Ok(answer.map_err(handed_on)?.writing(answered))
        }
    };
    let switch = move |call: ReceivedCall<Values>| {
        let (to, schema) = for_switches.clone();
        async move {
            let write = call.arguments.writing(boxes(&schema, &call.command).0);
            let there = to.switch_protocol_by_name_with(&call.command, write).await;
            let mut there = there.map_err(handed_on)?;
            Ok(async move |mut here: Switched| {
                let _ = copy_bidirectional(&mut here, &mut there).await;
            })
        }
    };
    let is_switch = |command: &[u8]| command.starts_with(b"SwitchTo");
    Responders::new(())
        .fallback_with(read.clone(), call)
        .fallback_switch_with(is_switch, read, switch)
}

/// What the calls and the answers of a command have in them: anything, when it is not known.
fn boxes(schema: &Schema, command: &[u8]) -> (BoxSchema, BoxSchema) {
    let known = str::from_utf8(command).ok().and_then(|command| schema.command(command));
    let anything = || (BoxSchema::of::<AmpBox>(), BoxSchema::of::<AmpBox>());
    known.map_or_else(anything, |known| (known.arguments.clone(), known.response.clone()))
}

fn handed_on(error: CallError) -> RemoteError {
    match error {
        CallError::Remote(error) => error,
        _ => RemoteError::new("UNKNOWN", "the backend has not answered"),
    }
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
struct SwitchToEcho {}

impl ProtocolSwitch for SwitchToEcho {}

fn server() -> Responders {
    Responders::new(())
        .try_respond(async |_: Context, ReadFile { file }: ReadFile| {
            let mut content = Vec::new();
            std::fs::File::from(file).read_to_end(&mut content)?;
            Ok::<_, amp_core::Failure<NoError>>(Content { content })
        })
        .respond_switch(async |_: Context, _: SwitchToEcho| {
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
    let proxy = proxy_of(backend.clone(), Arc::new(SCHEMA.parse()?));
    let client = amp_unix::connection(far)?.responders(proxy).spawn();
    // Whichever ends, the other has nobody to speak with any more.
    let _both = tokio::spawn(async move {
        tokio::select! {
            _ = backend.closed() => client.close_gracefully(Duration::from_secs(5)).await,
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

    let mut stream = peer.switch_protocol(SwitchToEcho {}).await?;
    stream.write_all(b"another protocol").await?;
    stream.shutdown().await?;
    let mut echo = String::new();
    stream.read_to_string(&mut echo).await?;
    println!("echo: {echo}");
    assert_eq!(echo, "another protocol");
    Ok(())
}
