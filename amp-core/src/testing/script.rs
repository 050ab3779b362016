//! A peer that does what a test says.

use std::marker::PhantomData;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::actor::{Progress, run};
use super::boxes::body_of;
use super::step::{Expectation, Reply, Step};
use crate::argument::budget::LEAST;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxLimits};
use crate::command::{Arguments, Command, CommandError, OneWay, read_arguments};
use crate::connection::{Connection, Peer};
use crate::proto::{Core, NotQueued, ProtocolLimits, RemoteError};
use crate::report::Report;
use crate::responder::Responders;
use crate::shorten::Shortened;

/// A peer for a test. A script says which calls it expects, in which order, and what it answers.
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
pub struct ExpectedCall<C> {
    script: Script,
    call: Expectation,
    command: PhantomData<fn(C)>,
}

/// A script that is under way. If a step has failed or was not reached, dropping this fails the test by a panic. Better use
/// [`finish`](RunningScript::finish), which waits for the script first.
#[derive(Debug)]
#[must_use = "dropping it fails the test"]
pub struct RunningScript {
    state: watch::Receiver<Progress>,
    task: JoinHandle<()>,
    finished: bool,
}

/// The time that [`RunningScript::finish`] waits for the script, in the time of the runtime, which may be
/// virtual.
const PATIENCE: Duration = Duration::from_secs(10);

impl Script {
    /// Creates a script without steps: a peer that expects no calls at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects this call. Its arguments are compared as they are on the wire.
    ///
    /// # Panics
    ///
    /// When the command cannot be written without a connection.
    #[track_caller]
    pub fn expect<C: Command>(self, command: &C) -> ExpectedCall<C> {
        let expected = box_of(C::NAME, command);
        let shown = format!("{} {expected:?}", C::NAME);
        self.expected(shown, move |seen| differences(&expected, seen))
    }

    /// Expects a call of the command `C`, whatever its arguments.
    pub fn expect_any<C: Command>(self) -> ExpectedCall<C> {
        self.expected(C::NAME.to_owned(), |seen| read::<C>(seen).map(drop))
    }

    /// Expects a call of the command `C` of which `is_expected` is true.
    pub fn expect_where<C: Command>(
        self,
        is_expected: impl Fn(&C) -> bool + Send + 'static,
    ) -> ExpectedCall<C> {
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
        let ExpectedCall { script, call, .. } = self.expect(command);
        script.then(Step::Expect(call, Reply::Never))
    }

    /// Calls the other side, and waits until it has answered with `response`. Calls that come
    /// before that are left to the steps behind.
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
        let mut core = Core::<()>::new(ProtocolLimits::default());
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

    /// Starts the script, with a connection to it whose own side answers with `responders`. If one of them fails in a way
    /// that its command does not declare, the script is told the cause, as by
    /// [`Responders::tell_causes`](crate::Responders::tell_causes).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start<S>(self, responders: Responders<S>) -> (Peer, RunningScript) {
        let (stream, running) = self.stream();
        (Connection::new(stream).responders(responders.tell_causes()).spawn(), running)
    }

    /// Starts the script, with a stream to it, for a connection of any settings.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn stream(self) -> (DuplexStream, RunningScript) {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (sender, state) = watch::channel(Progress::At(0, "did not start".to_owned()));
        let task = tokio::spawn(run(far, self.steps, sender));
        (near, RunningScript { state, task, finished: false })
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn expected<C: Command>(
        self,
        shown: String,
        check: impl Fn(&AmpBox) -> Result<(), String> + Send + 'static,
    ) -> ExpectedCall<C> {
        let (name, requires_answer) = (C::NAME, C::REQUIRES_ANSWER);
        let call = Expectation { shown, name, requires_answer, check: Box::new(check) };
        ExpectedCall { script: self, call, command: PhantomData }
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

impl<C: Command> ExpectedCall<C> {
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
        let (code, description) = (error.code().to_owned(), error.describe());
        self.reply(Reply::Fail { code, description })
    }

    /// Fails with any code, such as `UNKNOWN`.
    pub fn fail_with(self, code: &str, description: &str) -> Script {
        let (code, description) = (code.to_owned(), description.to_owned());
        self.reply(Reply::Fail { code, description })
    }

    /// Refuses the call, like a connection that is about to end: [`RemoteError::is_closing`] is true of the error.
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

impl RunningScript {
    /// Waits until all steps are done. A call that comes after the last step fails the script, if it has come by now.
    ///
    /// # Panics
    ///
    /// When a step has failed, and when the script is not done after 10 seconds. If the time is paused, these are virtual.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the script.
    pub async fn finish(mut self) {
        self.finished = true;
        let ended = self.state.wait_for(|state| !matches!(state, Progress::At(..)));
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

impl Drop for RunningScript {
    fn drop(&mut self) {
        self.task.abort();
        let failure = self.state.borrow().failure();
        match failure {
            Some(failure) if !self.finished && !std::thread::panicking() => panic!("{failure}"),
            // The other panic may be a consequence of it.
            Some(failure) if !self.finished => eprintln!("the script: {failure}"),
            _ => {}
        }
    }
}

#[track_caller]
fn box_of(name: &str, arguments: &impl Arguments) -> AmpBox {
    let mut bytes = written(name, arguments.encode());
    match AmpBox::parse(&mut bytes, BoxLimits::default()) {
        Ok(ampbox) => ampbox,
        Err(error) => panic!("{name} is over the limits of a box: {}", Report::new(&error)),
    }
}

#[track_caller]
fn written<T>(name: &str, encoded: Result<T, EncodeError>) -> T {
    match encoded {
        Ok(encoded) => encoded,
        Err(error) => {
            panic!("{name} cannot be written without a connection: {}", Report::new(&error))
        }
    }
}

fn read<C: Command>(arguments: &AmpBox) -> Result<C, String> {
    Proto::detached_within(LEAST, |proto| read_arguments(arguments, proto))
        .map_err(|error| format!("cannot be read: {}", Report::new(&error)))
}

fn failed(error: &RemoteError) -> String {
    let RemoteError { code, description, .. } = error;
    format!("failed with {}, {description:?}", code.escape_ascii())
}

/// Returns whether both are the same; else in which keys they are not.
fn differences(expected: &AmpBox, seen: &AmpBox) -> Result<(), String> {
    let missing = expected.iter().filter(|(key, value)| seen.get(key) != Some(value));
    let surplus = seen.iter().filter(|(key, _)| !expected.contains_key(key));
    let mut keys: Vec<_> = missing.chain(surplus).map(|(key, _)| key).collect();
    keys.sort_unstable();
    let keys: Vec<_> = keys.into_iter().map(|key| Shortened::new(key).to_string()).collect();
    if keys.is_empty() { Ok(()) } else { Err(format!("is another in {}", keys.join(", "))) }
}
