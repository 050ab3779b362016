//! The part of whoever was called: answers as they were recorded.

use amp_core::schema::Schema;
use amp_core::{AmpBox, ReceivedCall, RemoteError, Responders};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};

use super::recorded::{Body, Outcome, Recorded, Talk, Write, is_descriptor, known};
use crate::address::Address;
use crate::exit::{self, Failure};
use crate::listen::print;
use crate::stream::{Listening, Stream};
use crate::watching::Side;

/// Answers until the user has seen enough.
pub(super) async fn serve(address: Address, recorded: Recorded) -> Result<ExitCode, Failure> {
    let begins = |error| Failure::new(exit::WRONG_USE, format!("cannot begin: {error}"));
    let mut terminated = signal(SignalKind::terminate()).map_err(begins)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(begins)?;
    let talks = recorded.connections.values();
    let answers = Answers::of(Side::Client, talks, recorded.schema.clone());
    let mut listening = Listening::bind(&address).await?;
    print(&format!("listening {}", listening.place(&address)))?;
    let serving = async {
        loop {
            let accepted = listening.accept().await;
            match accepted.and_then(|stream| stream.map(Stream::connection).transpose()) {
                Ok(Some(connection)) => {
                    let peer = connection.responders(answers.responders()).spawn();
                    tokio::spawn(async move { peer.closed().await });
                }
                Ok(None) => std::future::pending().await,
                Err(error) => eprintln!("ampctl: cannot accept: {error}"),
            }
        }
    };
    tokio::select! {
        () = serving => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A command, and its arguments as bytes.
type Asked = (Bytes, Bytes);

/// What one side has answered to the calls of the other one.
#[derive(Clone)]
pub(super) struct Answers {
    schema: Arc<Schema>,
    outcomes: Arc<Mutex<HashMap<Asked, VecDeque<Outcome>>>>,
}

impl Answers {
    /// The answers to what `caller` has called.
    pub(super) fn of<'a>(
        caller: Side,
        talks: impl IntoIterator<Item = &'a Talk>,
        schema: Arc<Schema>,
    ) -> Self {
        let mut outcomes: HashMap<_, VecDeque<_>> = HashMap::new();
        for exchange in talks.into_iter().flat_map(|talk| &talk.exchanges) {
            if let (true, Some(outcome)) = (exchange.from == caller, &exchange.outcome) {
                let asked = asked(&schema, &exchange.command, &exchange.arguments.pairs);
                outcomes.entry(asked).or_default().push_back(outcome.clone());
            }
        }
        Self { schema, outcomes: Arc::new(Mutex::new(outcomes)) }
    }

    /// What answers as was answered then: calls that are alike in turn, and the last of their answers
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
        let outcome = {
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.get_mut(&asked).and_then(|outcomes| match outcomes.len() {
                1 => outcomes.front().cloned(),
                _ => outcomes.pop_front(),
            })
        };
        let command = String::from_utf8_lossy(&call.command).into_owned();
        match outcome {
            None if call.requires_answer => {
                let arguments = call.arguments.shown();
                eprintln!("ampctl: nothing was recorded that answers {command:?} {arguments}");
                Err(RemoteError::unhandled(&call.command))
            }
            None => Ok(Box::new(|_, _| Ok(()))),
            Some(Outcome::Error(error)) => Err(error),
            Some(Outcome::Answer(body)) => {
                let schema = known(&self.schema, &call.command).map(|known| &known.response);
                body.writing(schema).map_err(|why| {
                    eprintln!("ampctl: the answer to {command:?} cannot be given again: {why}");
                    RemoteError::unhandled(&call.command)
                })
            }
        }
    }
}

/// What tells a call from others: descriptors are other ones each time.
fn asked(schema: &Schema, command: &[u8], arguments: &AmpBox) -> Asked {
    let mut arguments = arguments.clone();
    let parts = known(schema, command).into_iter().flat_map(|known| known.arguments.parts());
    for argument in parts.flat_map(|part| &part.arguments) {
        if is_descriptor(&argument.wire_type) {
            arguments.remove(&argument.name);
        }
    }
    (Bytes::copy_from_slice(command), arguments.to_bytes())
}
