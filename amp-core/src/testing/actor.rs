//! The peer that takes the steps of a script.

use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::Future;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use super::step::{Reply, Step, shown, without_reserved};
use crate::error::CloseReason;
use crate::proto::{Core, Inbound, IncomingCall, Limits, ProtocolLimits};
use crate::report::Report;

/// How many bytes are read at once.
const READ: usize = 8 << 10;

/// How far a script has come.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// It is at this step, counted from 1, that does this.
    At(usize, String),
    Done,
    Failed(String),
}

impl Progress {
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Progress::At(step, what) => Some(format!("step {step} {what}, which has not happened")),
            Progress::Failed(message) => Some(message.clone()),
            Progress::Done => None,
        }
    }
}

/// Takes the steps, and then watches for calls that nobody expects.
pub(super) async fn run(stream: DuplexStream, steps: Vec<Step>, state: watch::Sender<Progress>) {
    let mut actor = Actor {
        stream: Some(stream),
        inbound: Inbound::new(Limits::default().boxes),
        core: Core::new(ProtocolLimits::default()),
        waiting: VecDeque::new(),
    };
    let count = steps.len();
    for (at, step) in steps.into_iter().enumerate() {
        let what = step.what();
        state.send_replace(Progress::At(at + 1, what.clone()));
        if let Err(why) = actor.take(step).await {
            state.send_replace(Progress::Failed(format!("step {} {what}, and {why}", at + 1)));
            return;
        }
        if actor.stream.is_none() && at + 1 < count {
            let why = "there are steps behind it";
            state.send_replace(Progress::Failed(format!("step {} {what}, and {why}", at + 1)));
            return;
        }
    }
    state.send_replace(Progress::Done);
    if let Ok(call) = actor.next_call().await {
        let what = format!("{} came after the last step", shown(&call));
        state.send_replace(Progress::Failed(what));
    }
}

/// The other end of the connection.
struct Actor {
    /// `None` when this side has ended the connection.
    stream: Option<DuplexStream>,
    inbound: Inbound<()>,
    core: Core<()>,
    /// Calls that came while an answer was waited for.
    waiting: VecDeque<IncomingCall>,
}

impl Actor {
    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Expect(expected, reply) => {
                let call = self.next_call().await?;
                expected.check(&call)?;
                self.reply(call.tag().unwrap_or_default(), reply).await
            }
            Step::Call { name, mut body, check, .. } => {
                let id =
                    self.core.call(name.as_bytes(), &mut body, ()).map_err(|e| e.to_string())?;
                self.flush().await?;
                loop {
                    if let Some(answer) = self.core.take_answer(id) {
                        return check(answer.map(|ampbox| without_reserved(&ampbox)))
                            .map_err(|why| format!("it {why}"));
                    }
                    if let Some(call) = self.receive().await? {
                        self.waiting.push_back(call);
                    }
                }
            }
            Step::Send(bytes) => self.send(&bytes).await,
            Step::Cut => {
                self.stream = None;
                Ok(())
            }
        }
    }

    async fn reply(&mut self, tag: &[u8], reply: Reply) -> Result<(), String> {
        match reply {
            Reply::Answer(mut body) => {
                self.core.answer(tag, &mut body).map_err(|error| error.to_string())?;
            }
            Reply::Fail { code, description } => {
                self.core.fail(tag, code.as_bytes(), &description);
            }
            Reply::Refuse => self.core.refuse(tag),
            Reply::Never => {}
            Reply::Raw(bytes) => return self.send(&bytes).await,
            Reply::CutAnswer(len, mut body) => {
                self.core.answer(tag, &mut body).map_err(|error| error.to_string())?;
                let bytes = self.core.outgoing().take_bytes();
                self.send(&bytes[..len.min(bytes.len())]).await?;
                self.stream = None;
            }
        }
        self.flush().await
    }

    async fn next_call(&mut self) -> Result<IncomingCall, String> {
        if let Some(call) = self.waiting.pop_front() {
            return Ok(call);
        }
        loop {
            if let Some(call) = self.receive().await? {
                return Ok(call);
            }
        }
    }

    /// Takes one box in, which may be a call.
    async fn receive(&mut self) -> Result<Option<IncomingCall>, String> {
        loop {
            let (boxes, decoded) = self.inbound.decode(true);
            let shown = boxes.first().map(|ampbox| format!("{ampbox:?}"));
            decoded.map_err(|error| format!("no box came: {}", Report::new(&error)))?;
            if let Some(shown) = shown {
                let (sorted, handled) = self.inbound.sort(&mut self.core, false);
                handled.map_err(|error| Report::new(&error).to_string())?;
                self.inbound.callers.clear();
                if sorted.ignored > 0 {
                    return Err(format!("an answer came to no call: {shown}"));
                }
                return Ok(self.inbound.next_call().map(|received| received.call));
            }
            let stream = self.stream.as_mut().ok_or("it had ended the connection")?;
            let mut bytes = BytesMut::with_capacity(READ);
            let read = stream.read_buf(&mut bytes).await;
            let received = self.inbound.receive(|input, _| {
                input.extend_from_slice(&bytes);
                Poll::Ready(read)
            });
            if let Poll::Ready(Err(reason)) = received {
                return Err(match reason {
                    CloseReason::Io(error) => error.to_string(),
                    reason => format!("the connection ended: {reason}"),
                });
            }
        }
    }

    async fn flush(&mut self) -> Result<(), String> {
        let bytes = self.core.outgoing().take_bytes();
        if bytes.is_empty() { Ok(()) } else { self.send(&bytes).await }
    }

    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), String>> {
        let stream = self.stream.as_mut().ok_or("it had ended the connection".to_owned());
        async move { stream?.write_all(bytes).await.map_err(|error| error.to_string()) }
    }
}
