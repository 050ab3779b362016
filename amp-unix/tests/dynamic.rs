//! Calls whose schema is known only at run time, with descriptors, through a proxy.

mod support;

use amp_core::argument::Attachment;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{
    AmpBox, Arguments, CallError, Command, Context, NoError, Peer, ReceivedCall, RemoteError,
    Responders, Switched,
};
use amp_unix::Descriptor;
use std::sync::Arc;
use support::{DEADLINE, tag, tagged, without_leak};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[derive(Command)]
#[amp(response = Swapped)]
struct Swap {
    files: Vec<Descriptor>,
    name: String,
}

#[derive(Arguments)]
struct Swapped {
    file: Descriptor,
    tags: Vec<usize>,
}

#[derive(Command)]
#[amp(one_way)]
struct Keep {
    file: Descriptor,
}

#[derive(Command)]
#[amp(switch)]
struct Leave {
    file: Descriptor,
}

fn schema() -> Arc<Schema> {
    let mut schema = Schema::default();
    schema.add::<Swap>();
    schema.add::<Keep>();
    schema.add::<Leave>();
    Arc::new(schema)
}

/// What the call or, with `response`, the answer of a command has; anything, when it is not known.
fn part(schema: &Schema, command: &[u8], response: bool) -> BoxSchema {
    match str::from_utf8(command).ok().and_then(|command| schema.command(command)) {
        Some(known) if response => known.response.clone(),
        Some(known) => known.arguments.clone(),
        None => BoxSchema::of::<AmpBox>(),
    }
}

fn handed_on(error: CallError) -> RemoteError {
    match error {
        CallError::Remote(error) => error,
        other => RemoteError::new("UNKNOWN", other.to_string()),
    }
}

/// Passes on calls of all kinds.
fn proxy_of(to: Peer, schema: &Arc<Schema>) -> Responders {
    let (reads, switches, calls) = (schema.clone(), schema.clone(), schema.clone());
    let (asked, asked_by) = (to.clone(), schema.clone());
    Responders::new(())
        .fallback_with(
            move |command, input, proto| {
                Values::read_from(&part(&reads, command, false), input, proto)
            },
            move |call: ReceivedCall<Values>| {
                let (to, schema) = (to.clone(), calls.clone());
                async move {
                    let response = part(&schema, &call.command, true);
                    let write = call.arguments.writing(part(&schema, &call.command, false));
                    let answer = if call.requires_answer {
                        to.call_by_name_with(&call.command, write, Values::reading(&response)).await
                    } else {
                        to.notify_by_name_with(&call.command, write).await.map(|()| Values::new())
                    };
                    Ok(answer.map_err(handed_on)?.writing(response))
                }
            },
        )
        .fallback_switch_with(
            |command| command == b"Leave",
            move |command, input, proto| {
                Values::read_from(&part(&switches, command, false), input, proto)
            },
            move |call: ReceivedCall<Values>| {
                let (to, arguments) = (asked.clone(), part(&asked_by, &call.command, false));
                async move {
                    let write = call.arguments.writing(arguments);
                    let switch = to.switch_protocol_by_name_with(&call.command, write);
                    let mut there = switch.await.map_err(handed_on)?;
                    Ok(move |mut here: Switched| async move {
                        let _ = copy_bidirectional(&mut here, &mut there).await;
                    })
                }
            },
        )
}

/// A client whose calls go through a proxy to a server, and what reached that server.
fn behind_a_proxy(schema: &Arc<Schema>) -> (Peer, mpsc::UnboundedReceiver<String>) {
    let (seen, reached) = mpsc::unbounded_channel();
    let kept = seen.clone();
    let left = seen.clone();
    let responders = Responders::new(())
        .respond(|_: Context, Swap { files, name }: Swap| async move {
            let tags: Vec<_> = files.into_iter().map(tag).collect();
            assert_eq!(name, "n");
            Ok::<_, NoError>(Swapped { file: tagged(9).into(), tags })
        })
        .respond(move |_: Context, Keep { file }: Keep| {
            let _ = kept.send(format!("kept {}", tag(file)));
            async { Ok::<_, NoError>(()) }
        })
        .respond_switch(move |_: Context, Leave { file }: Leave| {
            let _ = left.send(format!("left {}", tag(file)));
            async {
                Ok::<_, NoError>(|mut stream: Switched| async move {
                    let _ = stream.write_all(b"another protocol").await;
                })
            }
        });
    let (near, far) = UnixStream::pair().unwrap();
    let server = amp_unix::connection(far).unwrap().responders(responders).spawn();
    let backend = amp_unix::connection(near).unwrap().data(server).spawn();
    let (near, far) = UnixStream::pair().unwrap();
    let proxy = amp_unix::connection(far).unwrap().responders(proxy_of(backend, schema)).spawn();
    (amp_unix::connection(near).unwrap().data(proxy).spawn(), reached)
}

fn file(number: usize) -> Value {
    Value::Attachment(Attachment::from(Descriptor::from(tagged(number))))
}

#[test]
fn descriptors_go_both_ways_by_a_schema_alone() {
    without_leak("descriptors_go_both_ways_by_a_schema_alone", || async {
        let schema = schema();
        let (peer, mut reached) = behind_a_proxy(&schema);
        let swap = schema.command("Swap").unwrap();
        let arguments: Values =
            [("files", Value::List(vec![file(1), file(2)])), ("name", Value::Text("n".into()))]
                .into_iter()
                .collect();
        let (write, read) = (arguments.writing(&swap.arguments), Values::reading(&swap.response));
        let mut answer = peer.call_by_name_with("Swap", write, read).await.unwrap();
        let tags = [1, 2].map(|n: i32| Value::Integer(n.into())).to_vec();
        assert_eq!(answer.get("tags"), Some(&Value::List(tags)));
        let Some(Value::Attachment(attachment)) = answer.remove("file") else { panic!() };
        assert_eq!(tag(Descriptor::from_attachment(attachment).unwrap()), 9);

        peer.notify(Keep { file: tagged(3).into() }).await.unwrap();
        assert_eq!(reached.recv().await.unwrap(), "kept 3");

        let error = peer.call_by_name("Nonsense", [("a", "b")]).await.unwrap_err();
        assert!(error.to_string().contains("UNHANDLED"), "{error}");

        let leave: Values = [("file", file(4))].into_iter().collect();
        let schema = &schema.command("Leave").unwrap().arguments;
        let switch = peer
            .switch_protocol_by_name_with("Leave", |out, proto| leave.write_to(schema, out, proto));
        let mut stream = switch.await.unwrap();
        assert_eq!(reached.recv().await.unwrap(), "left 4");
        let mut read = String::new();
        stream.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "another protocol");
    });
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_schema_costs_its_call_alone() {
    let schema = schema();
    let (peer, _reached) = behind_a_proxy(&schema);
    let wrong = BoxSchema::required("file", amp_core::schema::WireType::named("Boolean"));
    let swap = schema.command("Swap").unwrap();
    for _ in 0..2 {
        let arguments: Values = [("files", Value::List(vec![])), ("name", Value::Text("n".into()))]
            .into_iter()
            .collect();
        let called = peer.call_by_name_with(
            "Swap",
            arguments.writing(&swap.arguments),
            Values::reading(&wrong),
        );
        let error = timeout(DEADLINE, called).await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Decode(_)), "{error:?}");
    }
    let write = Values::new().writing(&swap.arguments);
    let nothing = peer.call_by_name_with("Swap", write, |_, _| Ok(())).await;
    let CallError::Encode(error) = nothing.unwrap_err() else { panic!() };
    assert_eq!(error.to_string(), "argument files: missing");
}
