//! One call after the other, and whether each ended as it may.

use amp_core::streams::{ByteStream, StreamOf};
use amp_core::{CallError, Command, CommandError, Report};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::HANGS_AFTER;
use crate::commands::{
    Act, CallBack, Done, Download, Fetch, Items, Look, Misanswer, Misread, Missing, Panic, Pass,
    PassAll, Passed, Refuse, RefuseError, Store, Tell, Turn, Upload, content,
};
use crate::ends::{Ends, Handle};
use crate::fares;
use crate::ledger::CallId;
use crate::pipes::{held, holding};
use crate::plan::{CallPlan, ClientKind, ClientPlan, End, Fate, For, Kind};
use crate::report::Group;
use crate::streaming::{self, Streamed};
use crate::world::{World, kind_of_end};

/// How often a call is acted upon at most that may be sent again: as often as a client sends it
/// unless told otherwise.
const MOST_REPEATED: u8 = 1 + 3;

/// Makes the calls of one worker of a client.
pub(crate) struct Caller {
    world: Arc<World>,
    client: u32,
    worker: u32,
    plan: ClientPlan,
}

type Ending<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Answer<C> = Result<<C as Command>::Response, CallError<<C as Command>::Error>>;

/// What a call that was not lost on the way ended with, to be counted; or what is wrong with it.
type Verdict = Result<&'static str, String>;

impl Caller {
    pub(crate) fn new(world: &Arc<World>, client: u32, worker: u32, plan: ClientPlan) -> Self {
        Self { world: Arc::clone(world), client, worker, plan }
    }

    /// Calls until everybody is to come to an end.
    pub(crate) async fn run(self, ends: Arc<Ends>) {
        let mut random = self.world.random(For::Worker(self.client, self.worker));
        while self.world.is_everybody() {
            let plan = CallPlan::new(&mut random);
            sleep(plan.think).await;
            let Some(handle) = ends.handle(self.worker).await else { return };
            let again = plan.kind == Kind::Look && self.plan.kind == ClientKind::Waiting;
            let most = if again { MOST_REPEATED } else { 1 };
            let book = World::book(self.client, self.worker);
            let call = self.world.ledger.begin(book, most);
            self.world.count(Group::Calls, &format!("{:?}", plan.kind));
            self.world.progress.begin(call, plan.kind);
            self.call(&handle, call, plan).await;
            self.world.progress.end(call);
        }
    }

    async fn call(&self, handle: &Handle, id: CallId, plan: CallPlan) {
        let call = id.0;
        let CallPlan { kind, pause, want, .. } = plan;
        let load = || content(call, plan.load).into();
        let done = |answer: Result<Done, CallError>| self.done(id, want, answer);
        let made = Made { handle, id, plan };
        let streamed = |count| Streamed { call: id, count, dropped: plan.dropped };
        match kind {
            Kind::Act => {
                self.make(made, Act { call, load: load(), pause, want }, done).await;
            }
            Kind::Look => {
                self.make(made, Look { call, load: load(), pause, want }, done).await;
            }
            Kind::Turn => {
                let panics = plan.load.is_multiple_of(8);
                self.make(made, Turn { call, pause, want, panics }, |answer| {
                    if panics { self.failed(id, &answer) } else { self.done(id, want, answer) }
                })
                .await;
            }
            Kind::Upload => {
                let (count, (sink, items)) = (plan.load, StreamOf::pair());
                // Dropped when the call has ended.
                let (_lasts, over) = oneshot::channel::<()>();
                streaming::send(&self.world, streamed(count), sink, over);
                let upload = Upload { call, want, count, drops: plan.drops(End::Stream), items };
                self.make(made, upload, |answer| self.brought(id, want, answer)).await;
            }
            Kind::Store => {
                let (count, (sink, bytes)) = (plan.load, ByteStream::pair());
                let (_lasts, over) = oneshot::channel::<()>();
                streaming::write(&self.world, streamed(count), sink, over);
                let store = Store { call, want, count, drops: plan.drops(End::Stream), bytes };
                self.make(made, store, |answer| self.brought(id, want, answer)).await;
            }
            Kind::PassAll => {
                let (count, (sink, pipes)) = (plan.load, StreamOf::pair());
                let (_lasts, over) = oneshot::channel::<()>();
                streaming::pass(&self.world, streamed(count), sink, over);
                let pass = PassAll { call, want, count, drops: plan.drops(End::Stream), pipes };
                self.make(made, pass, |answer| self.brought(id, want, answer)).await;
            }
            Kind::Fetch => {
                let (count, (sink, bytes)) = (plan.load, ByteStream::pair());
                let (_lasts, over) = oneshot::channel::<()>();
                streaming::read(&self.world, streamed(count), bytes, over);
                let fetch = Fetch { call, want, count, drops: plan.drops(End::Sink), sink };
                self.make(made, fetch, |answer| {
                    if answer.is_err() { self.failed(id, &answer) } else { done(answer) }
                })
                .await;
            }
            Kind::Download => {
                let count = plan.want;
                let download = Download { call, count, drops: plan.drops(End::Sink) };
                self.make(made, download, |answer| match answer {
                    Ok(Items { call, items }) if call == id.0 => {
                        streaming::receive(&self.world, streamed(count), items);
                        self.acted(id, "answered with a stream")
                    }
                    other => wrong(id, &other),
                })
                .await;
            }
            Kind::Refuse => {
                self.make(made, Refuse { call }, |answer| self.refused(id, answer)).await;
            }
            Kind::Panic => {
                let late = pause % 2 == 0;
                self.make(made, Panic { call, late }, |answer| self.failed(id, &answer)).await;
            }
            Kind::Misread => {
                let misread = Misread { call: "none".into(), load: load(), pause, want };
                self.make(made, misread, |answer| self.never(id, unknown(id, &answer)?)).await;
            }
            Kind::Misanswer => {
                self.make(made, Misanswer { call }, |answer| self.misanswered(id, answer)).await;
            }
            Kind::Missing => {
                self.make(made, Missing { call }, |answer| match answer {
                    Err(error) if error.is_unhandled() => Ok("UNHANDLED"),
                    other => wrong(id, &other),
                })
                .await;
            }
            Kind::Tell => self.tell(made).await,
            Kind::CallBack => {
                self.make(made, CallBack { call, want }, |answer| {
                    self.called_back(id, want, answer)
                })
                .await;
            }
            Kind::Pass => match holding(call) {
                Ok(pipe) => {
                    self.make(made, Pass { call, pipe }, |answer| self.passed(id, answer)).await;
                }
                Err(error) => self.world.violation(format!("no pipe for {id}: {error}")),
            },
        }
    }

    /// Makes the call and sees it through as its fate says. `judge` looks at what the peer had to do
    /// with.
    async fn make<C: Command>(
        &self,
        Made { handle, id, plan }: Made<'_>,
        command: C,
        judge: impl FnOnce(Answer<C>) -> Verdict,
    ) {
        let timeout = if let Fate::Timeout(after) = plan.fate { Some(after) } else { None };
        let ending: Ending<Answer<C>> = match handle.clone() {
            Handle::Peer(peer) => Box::pin(async move {
                let call = peer.call_remote(command);
                if let Some(after) = timeout { call.timeout(after).await } else { call.await }
            }),
            Handle::Client(client) => Box::pin(async move {
                let call = client.call_remote(command);
                if let Some(after) = timeout { call.timeout(after).await } else { call.await }
            }),
        };
        let Some(answer) = self.see_through(handle, id, plan, ending).await else { return };
        let verdict = match self.lost(id, plan, &answer) {
            Some(lost) => lost,
            None => judge(answer),
        };
        self.conclude(plan, verdict);
    }

    /// Sends what wants no answer. On one connection, what is called afterwards comes behind it.
    async fn tell(&self, Made { handle, id, plan }: Made<'_>) {
        let command = Tell { call: id.0 };
        let ending: Ending<Answer<Tell>> = match handle.clone() {
            Handle::Peer(peer) => Box::pin(async move { peer.notify(command).await }),
            Handle::Client(client) => Box::pin(async move { client.notify(command).await }),
        };
        let Some(answer) = self.see_through(handle, id, plan, ending).await else { return };
        let verdict = match self.lost(id, plan, &answer) {
            Some(lost) => lost,
            None => answer.map(|()| "sent").map_err(|error| format!("{error:?}")),
        };
        let sent = verdict == Ok("sent");
        self.conclude(plan, verdict);
        if let (true, Handle::Peer(peer)) = (sent, handle) {
            match timeout(HANGS_AFTER, peer.call_remote(Missing { call: id.0 })).await {
                Ok(Err(error)) if error.is_unhandled() => {
                    self.world.check(self.world.ledger.answered(id).map_err(|_| {
                        format!("{id}, a Tell, was not acted upon, but a call behind it answered")
                    }));
                }
                Ok(_) => {}
                Err(_) => self.world.violation(format!("what was called behind {id} hangs")),
            }
        }
    }

    /// What the call ends with; `None` when it is dropped, or hangs.
    async fn see_through<T>(
        &self,
        handle: &Handle,
        id: CallId,
        plan: CallPlan,
        mut ending: Ending<T>,
    ) -> Option<T> {
        let answer = match plan.fate {
            Fate::Await | Fate::Timeout(_) => {
                let hung = async {
                    match handle {
                        Handle::Client(client) if self.waits(plan) => fares::hung(client).await,
                        _ => {
                            sleep(HANGS_AFTER).await;
                            format!("{HANGS_AFTER:?}")
                        }
                    }
                };
                return tokio::select! {
                    biased;
                    answer = ending => Some(answer),
                    after = hung => {
                        self.conclude(plan, Err(format!("{id} has not ended after {after}")));
                        None
                    }
                };
            }
            Fate::DropAfter(after) => timeout(after, ending).await.ok(),
            Fate::DropAfterPolls(polls) => 'polled: {
                for _ in 0..polls {
                    let polled = poll_fn(|cx| Poll::Ready(ending.as_mut().poll(cx))).await;
                    if let Poll::Ready(answer) = polled {
                        break 'polled Some(answer);
                    }
                    yield_now().await;
                }
                if polls == 0 {
                    self.conclude(plan, self.never(id, "dropped before it began"));
                    return None;
                }
                None
            }
        };
        if answer.is_none() {
            self.world.count(Group::Outcomes, "dropped");
        }
        answer
    }

    /// Whether a call waits for a connection for as long as there is none.
    fn waits(&self, plan: CallPlan) -> bool {
        self.plan.kind == ClientKind::Waiting && plan.fate == Fate::Await
    }

    /// How a call may end whatever it asks for.
    fn lost<R, E: CommandError>(
        &self,
        id: CallId,
        plan: CallPlan,
        answer: &Result<R, CallError<E>>,
    ) -> Option<Verdict> {
        let reconnects = self.plan.kind != ClientKind::Plain;
        Some(match answer {
            Err(CallError::Timeout { .. }) if matches!(plan.fate, Fate::Timeout(_)) => {
                Ok("timed out")
            }
            Err(CallError::NotConnected(_)) if reconnects => self.never(id, "not connected"),
            Err(CallError::TooManyCalls(_)) if self.plan.tight => self.never(id, "too many calls"),
            Err(CallError::Remote(error)) if error.is_closing() => self.never(id, "CLOSING"),
            Err(CallError::Closed(reason)) => match kind_of_end(reason) {
                (kind, true) => Ok(kind),
                (_, false) => {
                    Err(format!("{id} ended with its connection: {}", Report::new(reason)))
                }
            },
            _ => return None,
        })
    }

    fn conclude(&self, plan: CallPlan, verdict: Verdict) {
        match verdict {
            Ok(outcome) => self.world.count(Group::Outcomes, outcome),
            Err(what) => {
                let Self { client, worker, plan: client_plan, .. } = self;
                self.world.count(Group::Outcomes, "wrong");
                self.world.violation(format!(
                    "{what} (worker {worker} of client {client}, {client_plan:?}, {plan:?})"
                ));
            }
        }
    }

    /// The call cannot be acted upon, and must not be later either.
    fn never(&self, id: CallId, outcome: &'static str) -> Verdict {
        match self.world.ledger.not_acted(id) {
            Ok(()) => Ok(outcome),
            Err(what) => Err(format!("{what}: its caller was told: {outcome}")),
        }
    }

    fn done(&self, id: CallId, want: usize, answer: Result<Done, CallError>) -> Verdict {
        match answer {
            Ok(done) if done.is_of(id.0, want) => self.acted(id, "answered"),
            Ok(done) => Err(format!("{id} was answered for {}", CallId(done.call))),
            error => wrong(id, &error),
        }
    }

    /// The call is answered when all of its stream has come. That need not, as when this side has not waited.
    fn brought(&self, id: CallId, want: usize, answer: Result<Done, CallError>) -> Verdict {
        if answer.is_err() {
            return self.failed(id, &answer);
        }
        self.world.ledger.heeded(id)?;
        self.done(id, want, answer)
    }

    fn refused(&self, id: CallId, answer: Answer<Refuse>) -> Verdict {
        match answer {
            Err(CallError::Command(RefuseError::Refused(call))) if call == id.0.to_string() => {
                self.acted(id, "error that the command declares")
            }
            other => wrong(id, &other),
        }
    }

    fn failed<R: fmt::Debug>(&self, id: CallId, answer: &Result<R, CallError>) -> Verdict {
        self.acted(id, unknown(id, answer)?)
    }

    fn misanswered(&self, id: CallId, answer: Answer<Misanswer>) -> Verdict {
        match answer {
            Err(CallError::Decode(_)) => self.acted(id, "answer that cannot be decoded"),
            other => wrong(id, &other),
        }
    }

    /// A call back may fail for what becomes of the call in the other direction.
    fn called_back(&self, id: CallId, want: usize, answer: Answer<CallBack>) -> Verdict {
        if answer.is_err() {
            return self.failed(id, &answer);
        }
        self.world.ledger.confirmed(id)?;
        self.done(id, want, answer)
    }

    fn passed(&self, id: CallId, answer: Answer<Pass>) -> Verdict {
        match (self.plan.way.carries_descriptors(self.plan.transport), answer) {
            (false, Err(CallError::Encode(_))) => self.never(id, "descriptor refused"),
            (true, Ok(Passed { call, pipe })) => match held(pipe) {
                Ok(number) if call == id.0 && number == !id.0 => {
                    self.acted(id, "answered with a descriptor")
                }
                other => Err(format!("{id} was answered with {other:?}, for {}", CallId(call))),
            },
            (_, other) => wrong(id, &other),
        }
    }

    fn acted(&self, id: CallId, outcome: &'static str) -> Verdict {
        self.world.ledger.answered(id)?;
        let ClientPlan { transport, way, .. } = self.plan;
        self.world.count(Group::Ways, &format!("{way:?} over {transport:?}"));
        Ok(outcome)
    }
}

/// A call that is about to be made.
struct Made<'a> {
    handle: &'a Handle,
    id: CallId,
    plan: CallPlan,
}

fn unknown<R: fmt::Debug>(id: CallId, answer: &Result<R, CallError>) -> Verdict {
    match answer {
        Err(CallError::Remote(error)) if error.is_unknown() => Ok("UNKNOWN"),
        other => wrong(id, other),
    }
}

fn wrong<R: fmt::Debug, E: fmt::Debug>(id: CallId, answer: &Result<R, CallError<E>>) -> Verdict {
    let shown = format!("{answer:?}");
    Err(format!("{id} ended with {}", shown.chars().take(200).collect::<String>()))
}
