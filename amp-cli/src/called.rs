//! Calls of a peer: they are told of, and answered by rules.

use amp_core::boxes::BoxReader;
use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, Schema};
use amp_core::tls::{Agreement, Role, StartTls};
use amp_core::{
    AmpBox, DecodeError, Proto, ReceivedCall, RemoteError, Report, Responders, Switched,
};
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::ask::{Write, writing};
use crate::descriptors;
use crate::hide::Hidden;
use crate::on_line::{json_text, plain_json};
use crate::printing::tell;
use crate::programs;
use crate::rules::{Reply, Rules};
use crate::schemas::response_of;

/// The way that received calls are told of, and answered.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) schema: Arc<Schema>,
    pub(crate) rules: Option<Rules>,
    pub(crate) hidden: Hidden,
    /// The place that a line of JSON goes to for each call. Calls that are not handled are told of on standard
    /// error where there are no lines.
    pub(crate) lines: Option<mpsc::Sender<String>>,
    /// Is held for as long as a stream is in use that a protocol switch has left, which its connection
    /// does not wait for.
    pub(crate) held: Option<mpsc::Sender<()>>,
}

/// The arguments of a call.
enum Received {
    Known(Values),
    /// They do not fit the schema: what they are on the wire.
    Other(Values),
    Unreadable(String),
}

impl Calls {
    /// Answers every command, by the rules.
    pub(crate) fn responders(self) -> Responders {
        let (reads, switches) = (self.clone(), self.clone());
        let (switch_reads, asks) = (self.clone(), self.clone());
        Responders::new(())
            .fallback_with(
                move |command, input, proto| Ok(reads.read(command, input, proto)),
                move |call: ReceivedCall<Received>| {
                    let calls = self.clone();
                    async move { calls.answer(call).await }
                },
            )
            .fallback_switch_with(
                move |command| switches.is_switch(command),
                move |command, input, proto| Ok(switch_reads.read(command, input, proto)),
                move |call: ReceivedCall<Received>| {
                    let calls = asks.clone();
                    async move { calls.switch(call).await }
                },
            )
    }

    /// Returns the responders. Where TLS is started under way, they answer from then on, and in clear text
    /// nothing but `StartTLS` is answered: anybody on the way could call.
    pub(crate) fn responders_with_tls(self, role: Option<Role>) -> Responders {
        let responders = self.responders();
        let Some(role) = role else { return responders };
        let agreement = Agreement::new(role).responders(responders);
        Responders::new(()).respond_start_tls(move |_, StartTls| {
            let agreement = agreement.clone();
            async { Ok(agreement) }
        })
    }

    async fn answer(&self, call: ReceivedCall<Received>) -> Result<Write, RemoteError> {
        let ReceivedCall { command, arguments, requires_answer, peer, .. } = call;
        let name = String::from_utf8_lossy(&command).into_owned();
        self.tell_of(&name, requires_answer, &arguments).await;
        let reply = match (&self.rules, arguments) {
            (Some(rules), Received::Known(values)) => rules.reply(&name, &values, &peer).await,
            (Some(_), _) => {
                Reply::Fail(RemoteError::new("UNKNOWN", "the arguments do not fit the schema"))
            }
            (None, _) => Reply::None,
        };
        match reply {
            Reply::Answer(values, emptied) => {
                let response = response_of(self.schema.command(&name));
                Ok(Box::new(writing(values, response, emptied)))
            }
            Reply::Fail(error) => Err(error),
            Reply::None => {
                if self.lines.is_none() {
                    tell(format_args!("the peer calls {name:?}, which is not handled"));
                }
                Err(RemoteError::unhandled(&command))
            }
        }
    }

    async fn switch(
        &self,
        call: ReceivedCall<Received>,
    ) -> Result<impl FnOnce(Switched) -> Switching + Send + use<>, RemoteError> {
        let ReceivedCall { command, arguments, peer, .. } = call;
        let name = String::from_utf8_lossy(&command).into_owned();
        self.tell_of(&name, true, &arguments).await;
        let (Some(rules), Received::Known(values)) = (&self.rules, arguments) else {
            return Err(RemoteError::unhandled(&command));
        };
        let words = rules.switch(&name, &values, &peer).await?;
        let held = self.held.clone();
        let joined = |stream| async move {
            programs::join(stream, words).await;
            drop(held);
        };
        Ok(move |stream| Box::pin(joined(stream)) as Switching)
    }

    fn is_switch(&self, command: &[u8]) -> bool {
        let known = str::from_utf8(command).ok().and_then(|name| self.schema.command(name));
        known.is_some_and(|known| known.is_switch)
    }

    /// Makes a line of a call.
    async fn tell_of(&self, command: &str, requires_answer: bool, arguments: &Received) {
        let Some(lines) = &self.lines else { return };
        let arguments = match arguments {
            Received::Known(values) | Received::Other(values) => {
                let hidden = self.hidden.and_secrets_of(self.schema.command(command));
                descriptors::json(&hidden.shown(values.clone()))
            }
            Received::Unreadable(error) => plain_json(serde_json::json!({ "unreadable": error })),
        };
        let command = json_text(command);
        let line = format!(
            r#"{{"command": {command}, "requires_answer": {requires_answer}, "arguments": {arguments}}}"#
        );
        // Nobody prints it when enough was printed.
        let _ = lines.send(line).await;
    }

    /// The arguments of a call: as they are on the wire where the schema does not fit.
    fn read(&self, command: &[u8], input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Received {
        let known = str::from_utf8(command).ok().and_then(|name| self.schema.command(name));
        let raw = BoxSchema::of::<AmpBox>();
        let error: DecodeError = match known {
            Some(known) => match Values::read_from(&known.arguments, input, proto) {
                Ok(values) => return Received::Known(values),
                Err(error) => error,
            },
            None => match Values::read_from(&raw, input, proto) {
                Ok(values) => return Received::Known(values),
                Err(error) => return Received::Unreadable(error.to_string()),
            },
        };
        let name = String::from_utf8_lossy(command);
        let why = match known {
            None => Report::new(&error).to_string(),
            Some(known) => self.hidden.and_secrets_of(Some(known)).misfit(&error, &known.arguments),
        };
        tell(format_args!("a call of {name:?} does not fit the schema: {why}"));
        match Values::read_from(&raw, &mut BoxReader::new(input.ampbox()), proto) {
            Ok(values) => Received::Other(values),
            Err(error) => Received::Unreadable(error.to_string()),
        }
    }
}

/// The conversation on a stream after a protocol switch.
type Switching = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
