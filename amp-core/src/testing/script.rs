//! A peer that does what a test says.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::boxes::body_of;
use crate::argument::budget::LEAST;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxLimits, BoxReader, Decoder};
use crate::command::{Arguments, Command, CommandError, OneWay, read_arguments};
use crate::connection::{Connection, Peer};
use crate::error::CloseReason;
use crate::proto::{Body, Core, CoreLimits, Event, IncomingCall, NotQueued, RemoteError};
use crate::report::Report;
use crate::responder::Responders;
use crate::shorten::Shortened;

/// What a peer does that is only there for a test: which calls it expects, in which order, and what
/// it answers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use amp_core::testing::Script;
/// use amp_core::{Arguments, CallError, Command, Peer, Responders};
///
/// #[derive(Command)]
/// #[amp(response = Total)]
/// struct Sum {
///     a: i64,
///     b: i64,
/// }
///
/// #[derive(Arguments)]
/// struct Total {
///     total: i64,
/// }
///
/// /// What is tested.
/// async fn add_twice(peer: &Peer, n: i64) -> Result<i64, CallError> {
///     let Total { total } = peer.call_remote(Sum { a: n, b: n }).await?;
///     Ok(peer.call_remote(Sum { a: total, b: n }).await?.total)
/// }
///
/// let (peer, script) = Script::new()
///     .expect(&Sum { a: 2, b: 2 })
///     .answer(&Total { total: 4 })
///     .expect(&Sum { a: 4, b: 2 })
///     .cut_answer(20, &Total { total: 6 })
///     .start(Responders::new(()));
///
/// assert!(add_twice(&peer, 2).await.unwrap_err().is_closed());
/// script.finish().await;
/// # }
/// ```
///
/// A call that is not the expected one fails the script, which closes the connection:
///
/// ```should_panic
/// # use amp_core::testing::Script;
/// # use amp_core::{Command, Responders};
/// # #[derive(Command)] struct Sum { a: i64, b: i64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (peer, script) =
///     Script::new().expect(&Sum { a: 2, b: 2 }).answer(&()).start(Responders::new(()));
/// let _ = peer.call_remote(Sum { a: 2, b: 3 }).await;
/// // step 1 expected Sum {"a": "2", "b": "2"}, and Sum {"a": "2", "b": "3"} came, which is another
/// // in "b"
/// script.finish().await;
/// # }
/// ```
#[doc(alias("Fake", "Mock", "Stub"))]
#[derive(Debug, Default)]
#[must_use = "a script does nothing before it is started"]
pub struct Script {
    steps: Vec<Step>,
}

/// A call that a script expects, and that needs to be answered in some way.
#[derive(Debug)]
#[must_use = "say what is answered"]
pub struct Expected<C> {
    script: Script,
    call: ExpectedCall,
    command: PhantomData<fn(C)>,
}

/// A script that is under way. Dropping it fails the test, by a panic, when a step has failed or
/// was not reached; [`finish`](Running::finish) waits for that, and so is the better end.
#[derive(Debug)]
#[must_use = "dropping it fails the test"]
pub struct Running {
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
    finished: bool,
}

/// How long [`Running::finish`] waits for the script, in the time of the runtime, which may be
/// virtual.
const PATIENCE: Duration = Duration::from_secs(10);

/// What has come of a script.
#[derive(Clone, Debug)]
enum State {
    /// It is at this step, counted from 1, that does this.
    At(usize, String),
    Done,
    Failed(String),
}

enum Step {
    Expect(ExpectedCall, Reply),
    Call { shown: String, name: &'static str, body: Body, check: CheckAnswer },
    Send(Vec<u8>),
    Cut,
}

struct ExpectedCall {
    /// For messages.
    shown: String,
    name: &'static str,
    requires_answer: bool,
    check: CheckArguments,
}

enum Reply {
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
type CheckArguments = Box<dyn Fn(&AmpBox) -> Result<(), String> + Send>;
type CheckAnswer = Box<dyn FnOnce(Result<AmpBox, RemoteError>) -> Result<(), String> + Send>;

impl Script {
    /// A script without steps: a peer that is not to be called at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects this call. What is compared are the arguments on the wire.
    ///
    /// # Panics
    ///
    /// When the command cannot be written without a connection.
    #[track_caller]
    pub fn expect<C: Command>(self, command: &C) -> Expected<C> {
        let expected = box_of(C::NAME, command);
        let shown = format!("{} {expected:?}", C::NAME);
        self.expected(shown, move |seen| differences(&expected, seen))
    }

    /// Expects a call of the command `C`, whatever its arguments.
    pub fn expect_any<C: Command>(self) -> Expected<C> {
        self.expected(C::NAME.to_owned(), |seen| read::<C>(seen).map(drop))
    }

    /// Expects a call of the command `C` of which `is_expected` is true.
    pub fn expect_where<C: Command>(
        self,
        is_expected: impl Fn(&C) -> bool + Send + 'static,
    ) -> Expected<C> {
        self.expected(format!("a certain {}", C::NAME), move |seen| {
            if is_expected(&read::<C>(seen)?) { Ok(()) } else { Err("is not the one".to_owned()) }
        })
    }

    /// Expects a command that wants no answer.
    ///
    /// # Panics
    ///
    /// When the command cannot be written without a connection.
    #[track_caller]
    pub fn expect_notify<C: OneWay>(self, command: &C) -> Self {
        let Expected { script, call, .. } = self.expect(command);
        script.then(Step::Expect(call, Reply::Never))
    }

    /// Calls the other side, and waits until it has answered with `response`. Calls that come before
    /// that are left to the steps behind.
    ///
    /// # Panics
    ///
    /// When the command or the response cannot be written without a connection.
    #[track_caller]
    pub fn call<C: Command>(self, command: &C, response: &C::Response) -> Self {
        let expected = box_of(C::NAME, response);
        self.calling(command, move |answer| match answer {
            Ok(seen) => differences(&expected, &seen)
                .map_err(|which| format!("was answered with {seen:?}, which {which}")),
            Err(error) => Err(failed(&error)),
        })
    }

    /// Calls the other side, and waits until the call has failed with this code. Calls that come
    /// before that are left to the steps behind.
    ///
    /// # Panics
    ///
    /// When the command cannot be written without a connection.
    #[track_caller]
    pub fn call_fails<C: Command>(self, command: &C, code: &str) -> Self {
        let code = code.to_owned();
        self.calling(command, move |answer| match answer {
            Ok(seen) => Err(format!("was answered with {seen:?}")),
            Err(error) if error.code == code => Ok(()),
            Err(error) => Err(format!("{}, not with {code}", failed(&error))),
        })
    }

    /// Sends a command that wants no answer.
    ///
    /// # Panics
    ///
    /// When the command cannot be written without a connection.
    #[track_caller]
    pub fn notify<C: OneWay>(self, command: &C) -> Self {
        let mut core = Core::<()>::new(CoreLimits::default());
        let queued = core.notify(C::NAME.as_bytes(), &mut written(C::NAME, body_of(command)));
        if let Err(NotQueued::TooLarge(error)) = queued {
            written::<()>(C::NAME, Err(error.into()));
        }
        self.then(Step::Send(core.outgoing().take_bytes()))
    }

    /// Sends bytes as they are.
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Ends the connection. It is the last step.
    pub fn cut(self) -> Self {
        self.then(Step::Cut)
    }

    /// Starts the script, with a connection to it whose own side answers with `responders`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start<S>(self, responders: Responders<S>) -> (Peer, Running) {
        let (stream, running) = self.stream();
        (Connection::new(stream).responders(responders).spawn(), running)
    }

    /// Starts the script, with a stream to it, for a connection of any settings.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn stream(self) -> (DuplexStream, Running) {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (sender, state) = watch::channel(State::At(0, "did not start".to_owned()));
        let task = tokio::spawn(run(far, self.steps, sender));
        (near, Running { state, task, finished: false })
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn expected<C: Command>(
        self,
        shown: String,
        check: impl Fn(&AmpBox) -> Result<(), String> + Send + 'static,
    ) -> Expected<C> {
        let (name, requires_answer) = (C::NAME, C::REQUIRES_ANSWER);
        let call = ExpectedCall { shown, name, requires_answer, check: Box::new(check) };
        Expected { script: self, call, command: PhantomData }
    }

    #[track_caller]
    fn calling<C: Command>(
        self,
        command: &C,
        check: impl FnOnce(Result<AmpBox, RemoteError>) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let shown = format!("{} {:?}", C::NAME, box_of(C::NAME, command));
        let body = written(C::NAME, body_of(command));
        self.then(Step::Call { shown, name: C::NAME, body, check: Box::new(check) })
    }
}

impl<C: Command> Expected<C> {
    /// Answers with this response.
    ///
    /// # Panics
    ///
    /// When it cannot be written without a connection.
    #[track_caller]
    pub fn answer(self, response: &C::Response) -> Script {
        let body = written(C::NAME, body_of(response));
        self.reply(Reply::Answer(body))
    }

    /// Fails with an error that the command declares.
    pub fn fail(self, error: &C::Error) -> Script {
        let (code, description) = (error.code().to_owned(), error.to_string());
        self.reply(Reply::Fail { code, description })
    }

    /// Fails with any code, such as `UNKNOWN`.
    pub fn fail_with(self, code: &str, description: &str) -> Script {
        let (code, description) = (code.to_owned(), description.to_owned());
        self.reply(Reply::Fail { code, description })
    }

    /// Refuses the call, as a connection does that is about to end:
    /// [`RemoteError::is_closing`] is true of it.
    pub fn refuse(self) -> Script {
        self.reply(Reply::Refuse)
    }

    /// Does not answer at all.
    pub fn never_answer(self) -> Script {
        self.reply(Reply::Never)
    }

    /// Sends bytes as they are in place of an answer.
    pub fn answer_raw(self, bytes: impl Into<Vec<u8>>) -> Script {
        self.reply(Reply::Raw(bytes.into()))
    }

    /// Ends the connection in place of an answer.
    pub fn cut(self) -> Script {
        self.reply(Reply::Never).cut()
    }

    /// Sends the first `bytes` bytes of the box of this answer, and ends the connection.
    ///
    /// # Panics
    ///
    /// When it cannot be written without a connection.
    #[track_caller]
    pub fn cut_answer(self, bytes: usize, response: &C::Response) -> Script {
        let body = written(C::NAME, body_of(response));
        self.reply(Reply::CutAnswer(bytes, body))
    }

    fn reply(self, reply: Reply) -> Script {
        self.script.then(Step::Expect(self.call, reply))
    }
}

impl Running {
    /// Waits until all steps are done. A call that comes after the last one fails the script, as
    /// far as it has come by now.
    ///
    /// # Panics
    ///
    /// When a step has failed, and when the script is not done after 10 seconds, which are virtual
    /// where the time is paused.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the script.
    pub async fn finish(mut self) {
        self.finished = true;
        let ended = self.state.wait_for(|state| !matches!(state, State::At(..)));
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        let failure = match ended.map(|state| state.map(|state| state.clone())) {
            Ok(Ok(state)) => state.failure(),
            Ok(Err(_)) => Some("the script panicked".to_owned()),
            Err(_) => self.state.borrow().failure(),
        };
        if let Some(failure) = failure {
            panic!("{failure}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        let failure = self.state.borrow().failure();
        match failure {
            Some(failure) if !self.finished && !std::thread::panicking() => panic!("{failure}"),
            // What panics may be a consequence of it.
            Some(failure) if !self.finished => eprintln!("the script: {failure}"),
            _ => {}
        }
    }
}

impl State {
    fn failure(&self) -> Option<String> {
        match self {
            State::At(step, what) => Some(format!("step {step} {what}, which has not happened")),
            State::Failed(message) => Some(message.clone()),
            State::Done => None,
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())
    }
}

impl fmt::Debug for ExpectedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Step {
    /// What it does, for messages that begin with its number.
    fn what(&self) -> String {
        match self {
            Step::Expect(call, _) => format!("expected {}", call.shown),
            Step::Call { shown, .. } => format!("waited for the answer to {shown}"),
            Step::Send(bytes) => format!("sent {} bytes", bytes.len()),
            Step::Cut => "ended the connection".to_owned(),
        }
    }
}

/// Takes the steps, and then watches for calls that nobody expects.
async fn run(stream: DuplexStream, steps: Vec<Step>, state: watch::Sender<State>) {
    let mut actor = Actor {
        stream: Some(stream),
        buffer: BytesMut::new(),
        decoder: Decoder::new(BoxLimits::default()),
        core: Core::new(CoreLimits::default()),
        waiting: VecDeque::new(),
    };
    let count = steps.len();
    for (at, step) in steps.into_iter().enumerate() {
        let what = step.what();
        state.send_replace(State::At(at + 1, what.clone()));
        if let Err(why) = actor.take(step).await {
            state.send_replace(State::Failed(format!("step {} {what}, and {why}", at + 1)));
            return;
        }
        if actor.stream.is_none() && at + 1 < count {
            let why = "there are steps behind it";
            state.send_replace(State::Failed(format!("step {} {what}, and {why}", at + 1)));
            return;
        }
    }
    state.send_replace(State::Done);
    if let Ok(call) = actor.next_call().await {
        let what = format!("{} came after the last step", shown(&call));
        state.send_replace(State::Failed(what));
    }
}

/// The other end of the connection.
struct Actor {
    /// `None` when this side has ended the connection.
    stream: Option<DuplexStream>,
    buffer: BytesMut,
    decoder: Decoder,
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
            let received = self.decoder.decode(&mut self.buffer);
            if let Some(ampbox) =
                received.map_err(|error| format!("no box came: {}", Report(&error)))?
            {
                let shown = format!("{ampbox:?}");
                return match self.core.handle_box(ampbox) {
                    Ok(Event::Called(call)) => Ok(Some(call)),
                    Ok(Event::Answered { .. } | Event::Switched(_)) => Ok(None),
                    Ok(Event::Late { .. } | Event::Ignored) => {
                        Err(format!("an answer came to no call: {shown}"))
                    }
                    Err(error) => Err(Report(&error).to_string()),
                };
            }
            let stream = self.stream.as_mut().ok_or("it had ended the connection")?;
            let read = stream.read_buf(&mut self.buffer).await;
            if read.map_err(|error| error.to_string())? == 0 {
                let reason = CloseReason::end_of_stream(self.buffer.len());
                return Err(format!("the connection ended: {reason}"));
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

impl ExpectedCall {
    fn check(&self, call: &IncomingCall) -> Result<(), String> {
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

/// A call for messages.
fn shown(call: &IncomingCall) -> String {
    let name = call.command().escape_ascii();
    format!("{name} {:?}", without_reserved(call.ampbox()))
}

fn failed(error: &RemoteError) -> String {
    let RemoteError { code, description, .. } = error;
    format!("failed with {}, {description:?}", code.escape_ascii())
}

fn without_reserved(ampbox: &AmpBox) -> AmpBox {
    let read = |proto: &mut Proto<'_>| AmpBox::from_box(&mut BoxReader::new(ampbox), proto);
    // Any box can be read as one.
    Proto::detached(read).unwrap_or_default()
}

#[track_caller]
fn box_of(name: &str, arguments: &impl Arguments) -> AmpBox {
    let mut bytes = written(name, arguments.encode());
    match AmpBox::parse(&mut bytes, BoxLimits::default()) {
        Ok(ampbox) => ampbox,
        Err(error) => panic!("{name} is over the limits of a box: {}", Report(&error)),
    }
}

#[track_caller]
fn written<T>(name: &str, encoded: Result<T, EncodeError>) -> T {
    match encoded {
        Ok(encoded) => encoded,
        Err(error) => panic!("{name} cannot be written without a connection: {}", Report(&error)),
    }
}

fn read<C: Command>(arguments: &AmpBox) -> Result<C, String> {
    Proto::detached_within(LEAST, |proto| read_arguments(arguments, proto))
        .map_err(|error| format!("cannot be read: {}", Report(&error)))
}

/// Whether both are the same; else in which keys they are not.
fn differences(expected: &AmpBox, seen: &AmpBox) -> Result<(), String> {
    let missing = expected.iter().filter(|(key, value)| seen.get(key) != Some(value));
    let surplus = seen.iter().filter(|(key, _)| !expected.contains_key(key));
    let mut keys: Vec<_> = missing.chain(surplus).map(|(key, _)| key).collect();
    keys.sort_unstable();
    let keys: Vec<_> = keys.into_iter().map(|key| Shortened::new(key).to_string()).collect();
    if keys.is_empty() { Ok(()) } else { Err(format!("is another in {}", keys.join(", "))) }
}
