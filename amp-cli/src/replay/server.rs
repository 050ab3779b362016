//! The part of whoever was called: answers as they were recorded.

use amp_core::schema::{BoxSchema, Schema};
use amp_core::{AmpBox, ReceivedCall, RemoteError, Responders};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use super::recorded::{Body, Ending, Recorded, Talk, known};
use crate::ask::Write;
use crate::exit::Failure;
use crate::hide::Hidden;
use crate::listening::Listening;
use crate::peering::Target;
use crate::printing::{print_line, tell};
use crate::running::Interrupts;
use crate::schemas::{arguments_of, carries_descriptors};
use crate::watching::Side;

/// Answers until the user has seen enough.
pub(super) async fn serve(target: Target, recorded: Recorded) -> Result<ExitCode, Failure> {
    let mut interrupts = Interrupts::new()?;
    let talks = recorded.connections.values();
    let answers = Answers::of(Side::Client, talks, recorded.schema.clone(), target.hidden.clone());
    let mut listening = Listening::bind(&target.address).await?;
    print_line(format_args!("listening {}", listening.place(&target.address)))?;
    let serving = async {
        while let Some(stream) = listening.accept().await {
            match stream.connection() {
                Ok(connection) => {
                    let peer = connection.responders(answers.responders()).spawn();
                    tokio::spawn(async move { peer.closed().await });
                }
                Err(error) => tell(format_args!("a connection failed: {error}")),
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        _ = interrupts.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A command, and its arguments as bytes.
type Asked = (Bytes, Bytes);

/// The answers of one side to the calls of the other one.
#[derive(Clone)]
pub(super) struct Answers {
    schema: Arc<Schema>,
    hidden: Hidden,
    endings: Arc<Mutex<HashMap<Asked, VecDeque<Ending>>>>,
}

impl Answers {
    /// The answers to what `caller` has called.
    pub(super) fn of<'a>(
        caller: Side,
        talks: impl IntoIterator<Item = &'a Talk>,
        schema: Arc<Schema>,
        hidden: Hidden,
    ) -> Self {
        let mut endings: HashMap<_, VecDeque<_>> = HashMap::new();
        for exchange in talks.into_iter().flat_map(|talk| &talk.exchanges) {
            if let (true, Some(ending)) = (exchange.from == caller, &exchange.ending) {
                let asked = asked(&schema, &exchange.command, &exchange.arguments.pairs);
                endings.entry(asked).or_default().push_back(ending.clone());
            }
        }
        Self { schema, hidden, endings: Arc::new(Mutex::new(endings)) }
    }

    /// Returns what answers as was answered then: calls that are alike in turn, and the last of their answers
    /// from then on.
    pub(super) fn responders(&self) -> Responders {
        let (reads, answers) = (self.schema.clone(), self.clone());
        Responders::new(()).fallback_with(
            move |command, input, proto| {
                let schema = known(&reads, command).map(|known| &known.arguments);
                Body::read(schema, input, proto)
            },
            move |call: ReceivedCall<Body>| {
                let answer = answers.answer(&call);
                async move { answer }
            },
        )
    }

    fn answer(&self, call: &ReceivedCall<Body>) -> Result<Write, RemoteError> {
        let asked = asked(&self.schema, &call.command, &call.arguments.pairs);
        let ending = {
            let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
            endings.get_mut(&asked).and_then(|endings| match endings.len() {
                1 => endings.front().cloned(),
                _ => endings.pop_front(),
            })
        };
        let command = String::from_utf8_lossy(&call.command).into_owned();
        let known = known(&self.schema, &call.command);
        match ending {
            None if call.requires_answer => {
                let hidden = self.hidden.and_secrets_of(known);
                let arguments = call.arguments.shown(&arguments_of(known), &hidden);
                tell(format_args!("nothing was recorded that answers {command:?} {arguments}"));
                Err(RemoteError::unhandled(&call.command))
            }
            None => Ok(Box::new(|_, _| Ok(()))),
            Some(Ending::Error { error, hidden }) => {
                // Its code is what a caller goes by.
                if let Some(key) = hidden.first() {
                    tell(format_args!("the error to {command:?} has no {key}, which was hidden"));
                }
                Err(error)
            }
            Some(Ending::Answer(body)) => {
                body.writing(known.map(|known| &known.response)).map_err(|why| {
                    tell(format_args!("the answer to {command:?} cannot be given again: {why}"));
                    RemoteError::unhandled(&call.command)
                })
            }
        }
    }
}

/// Returns what tells a call from others: descriptors are other ones each time.
fn asked(schema: &Schema, command: &[u8], arguments: &AmpBox) -> Asked {
    let mut arguments = arguments.clone();
    let parts = known(schema, command).into_iter().flat_map(|known| known.arguments.parts());
    for argument in parts.flat_map(BoxSchema::arguments) {
        if carries_descriptors(&argument.wire_type) {
            arguments.remove(&argument.name);
        }
    }
    (Bytes::copy_from_slice(command), arguments.to_bytes())
}
