//! The client's part: calls that are made again, and answers that are compared.

use amp_core::boxes::BoxReader;
use amp_core::schema::Schema;
use amp_core::{CallError, Peer, Proto, Report};
use std::collections::HashMap;
use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use super::recorded::{Body, Ending, Exchange, Recorded, Step, Talk};
use super::server::Answers;
use crate::exit::{self, Failure};
use crate::hide::Hidden;
use crate::peering::Target;
use crate::printing::{ignoring_who_has_read_enough, print_line};
use crate::running::say_farewell;
use crate::schemas::response_of;
use crate::watching::Side;

/// The calls that were made again, by how they went.
#[derive(Default)]
struct Tally {
    calls: u64,
    /// The calls that want no answer, and those whose answers were compared.
    done: u64,
    differ: u64,
    not_made: u64,
    /// Says whether lines can still be printed.
    printed: Option<Failure>,
}

impl Tally {
    /// Prints a line, unless that has failed before: the calls are still to be counted.
    fn print(&mut self, line: impl Display) {
        if self.printed.is_none() {
            self.printed = print_line(line).err();
        }
    }
}

pub(super) async fn run(
    recorded: Recorded,
    mut target: Target,
    allow_not_made: bool,
) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    for (number, talk) in recorded.connections {
        let (talk, schema) = (Arc::new(talk), recorded.schema.clone());
        let hidden = target.hidden.clone();
        let answers = Answers::of(Side::Server, [&*talk], schema.clone(), hidden.clone());
        let peer = target.connect(answers.responders()).await?;
        target.log_in(&peer).await?;
        let again = Again { timeout: target.timeout, number, schema, hidden, talk, peer };
        again.run(&mut tally).await?;
        say_farewell(&again.peer).await;
    }
    let Tally { calls, done, differ, not_made, .. } = tally;
    let left_out = match not_made {
        0 if done == 0 => ", nothing was compared".to_owned(),
        0 => String::new(),
        1 => ", 1 was not made".to_owned(),
        not_made => format!(", {not_made} were not made"),
    };
    tally.print(format_args!("{differ} of {calls} calls differ{left_out}"));
    ignoring_who_has_read_enough(tally.printed.map_or(Ok(()), Err))?;
    let is_well = differ == 0 && ((not_made == 0 && done > 0) || allow_not_made);
    Ok(ExitCode::from(if is_well { 0 } else { exit::DECLARED }))
}

/// One connection, once more.
struct Again {
    timeout: Duration,
    number: u64,
    schema: Arc<Schema>,
    hidden: Hidden,
    talk: Arc<Talk>,
    peer: Peer,
}

impl Again {
    /// Makes each call where it was made, and waits for each answer where it came: what was asked
    /// together is asked together again, and what was asked because of an answer comes behind it.
    async fn run(&self, tally: &mut Tally) -> Result<(), Failure> {
        let mut asked: HashMap<usize, JoinHandle<Result<Ending, CallError>>> = HashMap::new();
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
                        match call {
                            Some(call) => drop(asked.insert(index, call)),
                            None => tally.done += 1,
                        }
                        // So that it is sent before the next one is.
                        yield_now().await;
                    }
                    Err(why) => {
                        tally.not_made += 1;
                        tally.print(self.about(exchange, &format!("not made: {why}")));
                    }
                },
                Step::Answered(_) => {
                    let (Some(call), Some(expected)) = (asked.remove(&index), &exchange.ending)
                    else {
                        continue;
                    };
                    let within = self.timeout;
                    let difference = match timeout(within, call).await {
                        Ok(Ok(ending)) => self.difference(exchange, expected, ending),
                        Ok(Err(error)) => Some(error.to_string()),
                        Err(_) => Some(format!("no answer within {within:?}")),
                    };
                    tally.done += 1;
                    if let Some(seen) = difference {
                        tally.differ += 1;
                        let expected =
                            expected.shown(exchange.command_schema(&self.schema), &self.hidden);
                        let what = format!("expected {expected}, but {seen}");
                        tally.print(self.about(exchange, &what));
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
    ) -> Result<Option<JoinHandle<Result<Ending, CallError>>>, String> {
        let exchange = &self.talk.exchanges[index];
        let known = exchange.command_schema(&self.schema);
        if exchange.command == b"StartTLS" {
            let what =
                "TLS follows, which is not recorded; --start-tls starts it before the first call";
            return Err(what.to_owned());
        }
        if known.is_some_and(|known| known.is_switch) {
            return Err("another protocol follows, which is not recorded".to_owned());
        }
        let write = exchange.arguments.writing(known.map(|known| &known.arguments))?;
        let (peer, command) = (self.peer.clone(), exchange.command.clone());
        if !exchange.requires_answer {
            let sent = peer.notify_by_name_with(&command, write).await;
            return sent.map(|()| None).map_err(|error| Report::new(&error).to_string());
        }
        let response = known.map(|known| known.response.clone());
        Ok(Some(tokio::spawn(async move {
            let read = |input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
                Body::read(response.as_ref(), input, proto)
            };
            match peer.call_by_name_with(&command, write, read).await {
                Ok(body) => Ok(Ending::Answer(body)),
                Err(CallError::Remote(error)) => Ok(Ending::Error { error, hidden: Vec::new() }),
                Err(error) => Err(error),
            }
        })))
    }

    /// A line about a call.
    fn about(&self, exchange: &Exchange, what: &str) -> String {
        let called = exchange.shown(&self.schema, &self.hidden);
        format!("#{} {called}: {what}", self.number)
    }

    /// Returns what was seen, if it is not what is expected.
    fn difference(
        &self,
        exchange: &Exchange,
        expected: &Ending,
        seen: Result<Ending, CallError>,
    ) -> Option<String> {
        let known = exchange.command_schema(&self.schema);
        let is_like = match (expected, &seen) {
            (Ending::Answer(expected), Ok(Ending::Answer(seen))) => {
                expected.is_like(seen, &response_of(known))
            }
            (expected, Ok(seen)) => expected.is_error_like(seen),
            _ => false,
        };
        match seen {
            _ if is_like => None,
            // What was hidden in the record stays so.
            Ok(seen) => Some(seen.shown(known, &self.hidden.and_keys(expected.hidden()))),
            Err(CallError::Decode(error)) => {
                let hidden = self.hidden.and_secrets_of(known).and_keys(expected.hidden());
                let why = hidden.misfit(&error, &response_of(known));
                Some(format!("the answer cannot be read: {why}"))
            }
            Err(error) => Some(Report::new(&error).to_string()),
        }
    }
}
