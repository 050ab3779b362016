//! The client's part: calls that are made again, and answers that are compared.

use amp_core::schema::Schema;
use amp_core::{BoxReader, CallError, Peer, Proto, Report};
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use super::recorded::{Body, Exchange, Outcome, Recorded, Step, Talk, shown_error};
use super::server::Answers;
use crate::exit::{self, Failure};
use crate::listen::print;
use crate::peering::Known;
use crate::watching::Side;

/// How calls that were made again went.
#[derive(Default)]
struct Tally {
    calls: u64,
    differ: u64,
    not_made: u64,
}

pub(super) async fn run(mut known: Known, recorded: Recorded) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    for (number, talk) in recorded.connections {
        let (talk, schema) = (Arc::new(talk), recorded.schema.clone());
        let answers = Answers::of(Side::Server, [&*talk], schema.clone());
        let peer = known.connect(answers.responders()).await?;
        let again = Again { timeout: known.timeout, number, schema, talk, peer };
        again.run(&mut tally).await?;
        again.peer.close().await;
    }
    let Tally { calls, differ, not_made } = tally;
    let not_made = match not_made {
        0 => String::new(),
        not_made => format!(", {not_made} were not made"),
    };
    print(&format!("{differ} of {calls} calls differ{not_made}"))?;
    Ok(ExitCode::from(if differ == 0 { 0 } else { exit::DECLARED }))
}

/// One connection, once more.
struct Again {
    timeout: Duration,
    number: u64,
    schema: Arc<Schema>,
    talk: Arc<Talk>,
    peer: Peer,
}

impl Again {
    /// Makes each call where it was made, and waits for each answer where it came: what was asked
    /// together is asked together again, and what was asked because of an answer comes behind it.
    async fn run(&self, tally: &mut Tally) -> Result<(), Failure> {
        let mut asked: HashMap<usize, JoinHandle<Result<Outcome, CallError>>> = HashMap::new();
        for step in &self.talk.steps {
            let (Step::Asked(index) | Step::Answered(index)) = *step;
            let exchange = &self.talk.exchanges[index];
            if exchange.from != Side::Client {
                continue;
            }
            match step {
                Step::Asked(_) => match self.ask(index).await {
                    Ok(call) => {
                        tally.calls += 1;
                        if let Some(call) = call {
                            asked.insert(index, call);
                        }
                        // So that it is sent before the next one is.
                        yield_now().await;
                    }
                    Err(why) => {
                        tally.not_made += 1;
                        self.tell(exchange, &format!("not made: {why}"))?;
                    }
                },
                Step::Answered(_) => {
                    let (Some(call), Some(expected)) = (asked.remove(&index), &exchange.outcome)
                    else {
                        continue;
                    };
                    let within = self.timeout;
                    let difference = match timeout(within, call).await {
                        Ok(Ok(outcome)) => difference(expected, outcome),
                        Ok(Err(error)) => Some(error.to_string()),
                        Err(_) => Some(format!("no answer within {within:?}")),
                    };
                    if let Some(seen) = difference {
                        tally.differ += 1;
                        let expected = expected.shown();
                        self.tell(exchange, &format!("expected {expected}, but {seen}"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes a call, and returns what waits for its answer; or why it cannot be made.
    async fn ask(
        &self,
        index: usize,
    ) -> Result<Option<JoinHandle<Result<Outcome, CallError>>>, String> {
        let exchange = &self.talk.exchanges[index];
        let known = exchange.command_schema(&self.schema);
        if exchange.command == b"StartTLS" || known.is_some_and(|known| known.is_switch) {
            return Err("another protocol follows, which is not recorded".to_owned());
        }
        let write = exchange.arguments.writing(known.map(|known| &known.arguments))?;
        let (peer, command) = (self.peer.clone(), exchange.command.clone());
        if !exchange.requires_answer {
            let sent = peer.notify_by_name_with(&command, write).await;
            return sent.map(|()| None).map_err(|error| Report(&error).to_string());
        }
        let response = known.map(|known| known.response.clone());
        Ok(Some(tokio::spawn(async move {
            let read = |input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
                Body::read(response.as_ref(), input, proto)
            };
            match peer.call_by_name_with(&command, write, read).await {
                Ok(body) => Ok(Outcome::Answer(body)),
                Err(CallError::Remote(error)) => Ok(Outcome::Error(error)),
                Err(error) => Err(error),
            }
        })))
    }

    fn tell(&self, exchange: &Exchange, what: &str) -> Result<(), Failure> {
        print(&format!("#{} {}: {what}", self.number, exchange.shown()))
    }
}

/// What was seen, if it is not what is expected.
fn difference(expected: &Outcome, seen: Result<Outcome, CallError>) -> Option<String> {
    match (expected, seen) {
        (Outcome::Answer(expected), Ok(Outcome::Answer(seen))) => {
            (!expected.is_like(&seen)).then(|| seen.shown())
        }
        (Outcome::Error(expected), Ok(Outcome::Error(seen))) => {
            let same = expected.code == seen.code && expected.description == seen.description;
            (!same).then(|| shown_error(&seen))
        }
        (_, Ok(seen)) => Some(seen.shown()),
        (_, Err(error)) => Some(Report(&error).to_string()),
    }
}
