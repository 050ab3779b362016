//! A call that can be made: its schema was read, and its arguments fit.

use amp_core::argument::{Attachment, AttachmentKind, Attachments, Extensions};
use amp_core::boxes::{BoxLimits, BoxReader, BoxWriter};
use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, CommandSchema, ErrorSchema};
use amp_core::{
    AmpBox, CallError, DecodeError, EncodeError, Peer, PeerAddress, Proto, RemoteError, Report,
    Switched,
};
use bytes::BytesMut;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::exit::{self, Failure};
use crate::hide::Hidden;
use crate::mistake::Mistake;
use crate::opening::{Emptied, Opening};
use crate::schemas::{arguments_of, response_of};
use crate::{output, words};

/// A function that writes the body of a box.
pub(crate) type Write =
    Box<dyn FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> + Send>;

pub(crate) struct Ask {
    pub(crate) command: String,
    arguments: Values,
    asked: BoxSchema,
    pub(crate) response: BoxSchema,
    errors: Option<Vec<ErrorSchema>>,
    pub(crate) requires_answer: bool,
    pub(crate) is_switch: bool,
    /// The number of descriptors that are sent with it.
    pub(crate) descriptors: u64,
    emptied: Emptied,
}

/// The outcome of a call.
pub(crate) enum Outcome {
    /// It wants no answer.
    Sent,
    /// The answer by the schema, and as it is on the wire.
    Answered(Values, AmpBox),
    Refused(RemoteError),
}

impl Ask {
    /// A call with the arguments of these words, and with those that are `given` otherwise.
    pub(crate) fn new(
        command: &str,
        known: Option<&CommandSchema>,
        words: &[String],
        given: Values,
        mut opening: Opening,
    ) -> Result<Self, Mistake> {
        let arguments = known.map(|known| &known.arguments);
        let (arguments, asked) = words::arguments(words, arguments, given, &mut opening)?;
        Self::with(command, known, arguments, asked, opening)
    }

    /// A call with these arguments, which were read by the schema.
    pub(crate) fn given(
        command: &str,
        known: Option<&CommandSchema>,
        arguments: Values,
        opening: Opening,
    ) -> Result<Self, Mistake> {
        Self::with(command, known, arguments, arguments_of(known), opening)
    }

    fn with(
        command: &str,
        known: Option<&CommandSchema>,
        arguments: Values,
        asked: BoxSchema,
        opening: Opening,
    ) -> Result<Self, Mistake> {
        let (_, descriptors) = encoded(&arguments, &asked)?;
        Ok(Self {
            command: command.to_owned(),
            arguments,
            asked,
            response: response_of(known),
            errors: known.and_then(|known| Some(known.errors()?.to_vec())),
            requires_answer: known.is_none_or(|known| known.requires_answer),
            is_switch: known.is_some_and(|known| known.is_switch),
            descriptors,
            emptied: opening.into_emptied(),
        })
    }

    /// The same call, which wants no answer.
    pub(crate) fn one_way(self) -> Self {
        Self { requires_answer: false, ..self }
    }

    /// The arguments on the wire, which can be sent more than once where there is no descriptor.
    pub(crate) fn encoded(&self) -> Result<AmpBox, Mistake> {
        encoded(&self.arguments, &self.asked).map(|(ampbox, _)| ampbox)
    }

    pub(crate) async fn make(
        self,
        peer: &Peer,
        within: Duration,
        hidden: &Hidden,
    ) -> Result<Outcome, Failure> {
        let Self { command, arguments, asked, response, requires_answer, emptied, .. } = self;
        let write = writing(arguments, asked, emptied);
        if !requires_answer {
            let sent = peer.notify_by_name_with(command, write).timeout(within).await;
            return sent.map(|()| Outcome::Sent).map_err(|error| failure_of(&error));
        }
        let mut raw = AmpBox::new();
        let read = |input: &mut BoxReader<'_>, proto: &mut Proto<'_>| {
            raw = input.ampbox().clone();
            Values::read_from(&response, input, proto)
        };
        let called = peer.call_by_name_with(command, write, read).timeout(within).await;
        match called {
            Ok(answer) => Ok(Outcome::Answered(answer, raw)),
            Err(CallError::Remote(error)) => Ok(Outcome::Refused(hidden.shown_error(error))),
            Err(CallError::Decode(error)) => {
                let why = hidden.misfit(&error, &response);
                let raw = output::raw(&hidden.shown_box(&raw, &response)).unwrap_or_default();
                Err(Failure::new(exit::NO_FIT, format!("the answer cannot be read: {why}\n{raw}")))
            }
            Err(error) => Err(failure_of(&error)),
        }
    }

    /// Asks for the protocol switch that the command is.
    pub(crate) async fn switch(
        self,
        peer: &Peer,
        within: Duration,
    ) -> Result<Result<Switched, RemoteError>, Failure> {
        let write = writing(self.arguments, self.asked, self.emptied);
        let asked = peer.switch_protocol_by_name_with(self.command, write);
        match asked.timeout(within).await {
            Ok(stream) => Ok(Ok(stream)),
            Err(CallError::Remote(error)) => Ok(Err(error)),
            Err(error) => Err(failure_of(&error)),
        }
    }

    /// The codes that the command declares.
    pub(crate) fn declared(&self) -> Vec<String> {
        self.errors.iter().flatten().map(|error| error.code.clone()).collect()
    }
}

/// Returns what writes these values, and empties the files that are sent with them once nothing of them is left
/// that could be wrong.
pub(crate) fn writing(
    values: Values,
    schema: BoxSchema,
    emptied: Emptied,
) -> impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> {
    move |out, proto| {
        values.write_to(&schema, out, proto)?;
        emptied
            .empty()
            .map_err(|error| EncodeError::custom(format!("a file cannot be written anew: {error}")))
    }
}

/// The arguments on the wire, and how many descriptors would be sent with them.
pub(crate) fn encoded(arguments: &Values, schema: &BoxSchema) -> Result<(AmpBox, u64), Mistake> {
    let mut bytes = BytesMut::new();
    let mut writer = BoxWriter::new(&mut bytes);
    let (mut counted, data) = (Counted(0), Extensions::default());
    let mut proto = Proto::new(&mut counted, &PeerAddress::Unknown, &data);
    arguments.write_to(schema, &mut writer, &mut proto)?;
    writer.finish().map_err(EncodeError::from)?;
    // An empty key ends a box.
    bytes.extend_from_slice(&[0, 0]);
    let ampbox = AmpBox::parse(&mut bytes.freeze(), BoxLimits::default());
    Ok((ampbox.map_err(EncodeError::from)?, counted.0))
}

/// Descriptors of a box that is not sent.
struct Counted(u64);

impl Attachments for Counted {
    fn kind(&self) -> Option<AttachmentKind> {
        Some(AttachmentKind::of::<OwnedFd>("a file descriptor"))
    }

    fn attach(&mut self, _: Attachment) -> Result<u64, EncodeError> {
        self.0 += 1;
        Ok(self.0 - 1)
    }

    fn claim(&mut self, _: u64) -> Result<Attachment, DecodeError> {
        Err(DecodeError::missing())
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

/// Why a call has failed, other than by an answer.
pub(crate) fn failure_of(error: &CallError) -> Failure {
    Failure::new(exit::of_error(error), Report::new(error))
}
