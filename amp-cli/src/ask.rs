//! One call that is made, whose schema was read and whose arguments fit.

use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, CommandSchema, ErrorSchema, Schema};
use amp_core::{
    AmpBox, BoxLimits, BoxReader, CallError, EncodeError, Peer, Proto, RemoteError, Report,
    Switched,
};
use std::time::Duration;
use tokio::time::timeout;

use crate::exit::{self, Failure};
use crate::mistake::{Mistake, no_such};
use crate::{output, words};

pub(crate) struct Ask {
    pub(crate) command: String,
    arguments: Values,
    asked: BoxSchema,
    pub(crate) response: BoxSchema,
    errors: Option<Vec<ErrorSchema>>,
    requires_answer: bool,
    pub(crate) is_switch: bool,
}

/// What has become of a call.
pub(crate) enum Outcome {
    /// It wants no answer.
    Sent,
    /// The answer by the schema, and as it is on the wire.
    Answered(Values, AmpBox),
    Refused(RemoteError),
}

/// What is known of a command; nothing is where there is no schema at all.
pub(crate) fn find<'a>(
    schema: &'a Schema,
    has_schema: bool,
    command: &str,
) -> Result<Option<&'a CommandSchema>, Mistake> {
    let known = schema.command(command);
    if has_schema && known.is_none() {
        return Err(no_such("command", command, schema.commands().map(|(name, _)| name)));
    }
    Ok(known)
}

impl Ask {
    /// A call with the arguments of these words, and with those that are `given` otherwise.
    pub(crate) fn new(
        command: &str,
        known: Option<&CommandSchema>,
        words: &[String],
        given: Values,
    ) -> Result<Self, Mistake> {
        let arguments = known.map(|known| &known.arguments);
        let (arguments, asked) = words::arguments(words, arguments, given)?;
        Ok(Self::with(command, known, arguments, asked))
    }

    /// A call with these arguments, which were read by the schema.
    pub(crate) fn given(command: &str, known: Option<&CommandSchema>, arguments: Values) -> Self {
        let asked = known.map_or_else(BoxSchema::of::<AmpBox>, |known| known.arguments.clone());
        Self::with(command, known, arguments, asked)
    }

    fn with(
        command: &str,
        known: Option<&CommandSchema>,
        arguments: Values,
        asked: BoxSchema,
    ) -> Self {
        Self {
            command: command.to_owned(),
            arguments,
            asked,
            response: known.map_or_else(BoxSchema::of::<AmpBox>, |known| known.response.clone()),
            errors: known.and_then(|known| known.errors.clone()),
            requires_answer: known.is_none_or(|known| known.requires_answer),
            is_switch: known.is_some_and(|known| known.is_switch),
        }
    }

    /// The same call, which wants no answer.
    pub(crate) fn one_way(self) -> Self {
        Self { requires_answer: false, ..self }
    }

    /// The arguments on the wire, which can be sent more than once.
    pub(crate) fn encoded(&self) -> Result<AmpBox, EncodeError> {
        let mut bytes = self.arguments.encode(&self.asked)?;
        Ok(AmpBox::parse(&mut bytes, BoxLimits::default())?)
    }

    pub(crate) async fn make(self, peer: &Peer, within: Duration) -> Result<Outcome, Failure> {
        let Self { command, arguments, asked, response, requires_answer, .. } = self;
        let write = arguments.writing(asked);
        if !requires_answer {
            let sent = timeout(within, peer.notify_by_name_with(command, write)).await;
            let sent = sent.map_err(|_| not_in_time(within))?;
            return sent.map(|()| Outcome::Sent).map_err(|error| failure_of(&error, None));
        }
        let mut raw = None;
        let read = |input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
            raw = Some(input.ampbox().clone());
            Values::from_box(&response, input, proto)
        };
        let called = timeout(within, peer.call_by_name_with(command, write, read)).await;
        match called {
            Err(_) => Err(not_in_time(within)),
            Ok(Ok(answer)) => Ok(Outcome::Answered(answer, raw.unwrap_or_default())),
            Ok(Err(CallError::Remote(error))) => Ok(Outcome::Refused(error)),
            Ok(Err(error)) => Err(failure_of(&error, raw.as_ref())),
        }
    }

    /// Asks for the protocol switch that the command is.
    pub(crate) async fn switch(
        self,
        peer: &Peer,
        within: Duration,
    ) -> Result<Result<Switched, RemoteError>, Failure> {
        let write = self.arguments.writing(self.asked);
        let asked = peer.switch_protocol_by_name_with(self.command, write);
        match timeout(within, asked).await {
            Err(_) => Err(not_in_time(within)),
            Ok(Ok(stream)) => Ok(Ok(stream)),
            Ok(Err(CallError::Remote(error))) => Ok(Err(error)),
            Ok(Err(error)) => Err(failure_of(&error, None)),
        }
    }

    /// The codes that the command declares.
    pub(crate) fn declared(&self) -> Vec<String> {
        self.errors.iter().flatten().map(|error| error.code.clone()).collect()
    }
}

/// The exit code for an error that the peer has answered with.
pub(crate) fn exit_code(error: &RemoteError, declared: &[String]) -> u8 {
    match () {
        () if error.code == "UNHANDLED" => exit::UNHANDLED,
        () if declared.iter().any(|code| error.code == code.as_str()) => exit::DECLARED,
        () => exit::UNDECLARED,
    }
}

pub(crate) fn not_in_time(timeout: Duration) -> Failure {
    Failure::new(exit::NOT_IN_TIME, format!("no answer within {timeout:?}"))
}

/// Why a call has failed, other than by an answer; `raw` is an answer that does not fit the schema.
pub(crate) fn failure_of(error: &CallError, raw: Option<&AmpBox>) -> Failure {
    let shown = raw.and_then(output::raw).map(|raw| format!("\n{raw}"));
    let said = format!("{}{}", Report(error), shown.unwrap_or_default());
    Failure::new(exit::of_error(error), said)
}
