//! The steps of a script.

use std::fmt;

use crate::argument::Proto;
use crate::boxes::{AmpBox, BoxReader};
use crate::command::Arguments;
use crate::proto::{Body, IncomingCall, RemoteError};

/// One thing that the peer does.
pub(super) enum Step {
    Expect(Expectation, Reply),
    Call { shown: String, name: &'static str, body: Body, check: CheckAnswer },
    Send(Vec<u8>),
    Cut,
}

/// A call that has to come.
pub(super) struct Expectation {
    /// For messages.
    pub(super) shown: String,
    pub(super) name: &'static str,
    pub(super) requires_answer: bool,
    pub(super) check: CheckArguments,
}

/// The answer to a call that came.
pub(super) enum Reply {
    Answer(Body),
    Fail {
        code: String,
        description: String,
    },
    Refuse,
    Never,
    Raw(Vec<u8>),
    /// So many bytes of the answer, and the end of the connection.
    CutAnswer(usize, Body),
}

/// Says what is wrong.
pub(super) type CheckArguments = Box<dyn Fn(&AmpBox) -> Result<(), String> + Send>;
pub(super) type CheckAnswer =
    Box<dyn FnOnce(Result<AmpBox, RemoteError>) -> Result<(), String> + Send>;

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Step {
    /// Says what it does, for messages that begin with its number.
    pub(super) fn what(&self) -> String {
        match self {
            Step::Expect(call, _) => format!("expected {}", call.shown),
            Step::Call { shown, .. } => format!("waited for the answer to {shown}"),
            Step::Send(bytes) => format!("sent {} bytes", bytes.len()),
            Step::Cut => "ended the connection".to_owned(),
        }
    }
}

impl Expectation {
    pub(super) fn check(&self, call: &IncomingCall) -> Result<(), String> {
        let came = shown(call);
        if call.command() != self.name.as_bytes() {
            return Err(format!("{came} came"));
        }
        match (call.tag(), self.requires_answer) {
            (Some(_), false) => return Err(format!("{came} came, which wants an answer")),
            (None, true) => return Err(format!("{came} came, which wants no answer")),
            _ => {}
        }
        let arguments = without_reserved(call.ampbox());
        (self.check)(&arguments).map_err(|why| format!("{came} came, which {why}"))
    }
}

/// Returns a call for messages.
pub(super) fn shown(call: &IncomingCall) -> String {
    let name = call.command().escape_ascii();
    format!("{name} {:?}", without_reserved(call.ampbox()))
}

pub(super) fn without_reserved(ampbox: &AmpBox) -> AmpBox {
    let read = |proto: &mut Proto<'_>| AmpBox::read_from(&mut BoxReader::new(ampbox), proto);
    // Any box can be read as one.
    Proto::detached(read).unwrap_or_default()
}
