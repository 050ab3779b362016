use bytes::Bytes;
use smallvec::SmallVec;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use tokio::sync::oneshot;
use tracing::Span;

use super::failure::{BoxedError, Failure};
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxError, BoxWriter};
use crate::command::{Arguments, CommandError, read_arguments};
use crate::connection::{After, Hosted, Lent, Peer, Then, following};
use crate::keys;
use crate::observing::{Outcome, Plain, Side, Watch};
use crate::panics::{Panic, caught, caught_future};
use crate::proto::policy::next_reference;
use crate::proto::{
    BoxNumber, Core, Failed, FailurePolicy, IncomingCall, LimitKind, RemoteError, dropped_for,
};
use crate::report::Report;
use crate::restraint::restrained;
use crate::shorten::Shortened;

/// A call that takes so few bytes more once it is decoded is counted as it was on the wire: most
/// do, and need not lock the state for it.
const UNCOUNTED: usize = 1024;

/// So long tags, and names of commands, need no allocation. Most are shorter.
const TAG: usize = 16;
const NAME: usize = 32;

/// How many bytes of a call are kept beside its box while it is being answered: those of a long tag, and of a
/// long name of a command, of which whoever waits in a lane or for a task has another copy.
pub(super) fn copied(call: &IncomingCall) -> usize {
    let over = |len: usize, most| if len > most { len } else { 0 };
    over(call.tag().map_or(0, <[u8]>::len), TAG) + 2 * over(call.command().len(), NAME)
}

/// How many bytes of a cause the peer is told at most.
const MAX_CAUSE: usize = 1000;

/// A call that was received and is being answered.
///
/// It is answered exactly once. A question that is dropped unanswered, because its responder panicked
/// or because the runtime shut down, goes back to whoever has lent it, and is answered with `UNKNOWN`
/// where that is nobody.
pub(crate) struct Question {
    /// There until the question is dropped.
    asked: Option<Asked>,
}

impl Question {
    #[inline]
    pub(crate) fn new(
        peer: Lent<Peer>,
        call: &IncomingCall,
        number: Option<BoxNumber>,
        asks_switch: bool,
    ) -> Self {
        let asked = Asked::new(peer, call, number, asks_switch);
        Self { asked: Some(asked) }
    }
}

#[cfg(feature = "tower")]
impl Question {
    /// Lends the question. The lender gets it back when it is dropped unanswered, and is told when it
    /// was answered.
    pub(crate) fn lend(mut self) -> (Self, oneshot::Receiver<Question>, ErrorCode) {
        let before = self.lent.take();
        let error_code =
            before.as_ref().map_or_else(ErrorCode::default, |lent| lent.error_code.clone());
        let (give_back, back) = oneshot::channel();
        self.lent = Some(Box::new(WayBack { give_back, error_code: error_code.clone(), before }));
        (self, back, error_code)
    }

    pub(crate) fn asks_switch(&self) -> bool {
        self.asks_switch
    }
}

impl Deref for Question {
    type Target = Asked;

    #[inline]
    fn deref(&self) -> &Asked {
        self.asked.as_ref().expect("the call is there until its question is dropped")
    }
}

impl DerefMut for Question {
    #[inline]
    fn deref_mut(&mut self) -> &mut Asked {
        self.asked.as_mut().expect("the call is there until its question is dropped")
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // It is large: it is moved only where it goes on.
        let goes_back = |asked: &Asked| !asked.answered && asked.lent.is_some();
        if self.asked.as_ref().is_some_and(goes_back)
            && let Some(mut asked) = self.asked.take()
            && let Some(lent) = asked.lent.take()
        {
            asked.lent = lent.before;
            // What is being dropped cannot be moved, so the call goes on in another question. If this lender has
            // given up, that is dropped too, and goes to the lender before.
            drop(lent.give_back.send(Question { asked: Some(asked) }));
        }
    }
}

/// The call behind a question. Dropped unanswered, it is answered with `UNKNOWN`.
pub(crate) struct Asked {
    peer: Lent<Peer>,
    /// `None` when the peer wants no answer. A copy, so as not to keep the call's box in memory.
    tag: Option<SmallVec<[u8; TAG]>>,
    /// For messages.
    command: SmallVec<[u8; NAME]>,
    /// Of the call's box.
    number: Option<BoxNumber>,
    /// Whether that was read.
    read: bool,
    /// Whether it asks for a protocol switch, and nothing is read until that is decided.
    asks_switch: bool,
    answered: bool,
    told: Told,
    /// The number of bytes more that the call takes once it is decoded, as far as they are counted.
    decoded: usize,
    watch: Watch,
    /// There while the question is lent.
    lent: Option<Box<WayBack>>,
}

/// What the peer is told of a failure that the command does not declare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Where this side has logged it.
    Reference,
    /// Its cause as well.
    Cause,
}

/// The way back of a question that was lent.
struct WayBack {
    give_back: oneshot::Sender<Question>,
    error_code: ErrorCode,
    /// Of the lender that this one has it from.
    before: Option<Box<WayBack>>,
}

/// The code of the error that a question was answered with, if it was one, from when it is answered.
/// All of its lenders share it.
pub(crate) type ErrorCode = Arc<OnceLock<Option<Bytes>>>;

impl Asked {
    #[inline]
    fn new(
        mut peer: Lent<Peer>,
        call: &IncomingCall,
        number: Option<BoxNumber>,
        asks_switch: bool,
    ) -> Self {
        peer.see_as_of(call.is_upgraded());
        let watch = peer.shared().watch(Side::Answering, call.command(), false);
        let tag = call.tag().map(|tag| {
            watch.tag(|| Plain(tag));
            SmallVec::from_slice(tag)
        });
        let command = SmallVec::from_slice(call.command());
        Self {
            peer,
            tag,
            command,
            number,
            read: false,
            asks_switch,
            answered: false,
            told: Told::Reference,
            decoded: 0,
            watch,
            lent: None,
        }
    }

    #[inline]
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns the span that its responder runs in.
    pub(crate) fn span(&self) -> Span {
        self.watch.span()
    }

    /// Its command has a responder of its own.
    #[cfg(feature = "metrics")]
    pub(crate) fn known(&mut self) {
        self.watch.known(&self.command, &self.peer.shared().measures);
    }

    /// The peer is to be told why the call has failed.
    pub(super) fn tell_causes(&mut self) {
        self.told = Told::Cause;
    }

    pub(crate) fn requires_answer(&self) -> bool {
        self.tag.is_some()
    }

    /// How many bytes of its tag are kept beside it.
    pub(crate) fn extra(&self) -> usize {
        self.tag.as_ref().map_or(0, |tag| if tag.spilled() { tag.len() } else { 0 })
    }

    /// Returns the arguments of the call. When they cannot be read the call is answered, and there
    /// is nothing more to do.
    pub(super) fn decode<A: Arguments>(&mut self, ampbox: &AmpBox) -> Option<A> {
        self.decode_with(ampbox, read_arguments)
    }

    /// As [`decode`](Self::decode), by what `read` reads.
    #[inline]
    pub(super) fn decode_with<A>(
        &mut self,
        ampbox: &AmpBox,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<A, DecodeError>,
    ) -> Option<A> {
        self.read_with(ampbox, read).map_err(|error| self.fail_undeclared(&error)).ok()
    }

    /// Reads what the call holds. What it takes in memory counts for as long as the question is there.
    ///
    /// # Errors
    ///
    /// When it cannot be read. The call is then still to be answered.
    pub(crate) fn read_with<A>(
        &mut self,
        ampbox: &AmpBox,
        read: impl FnOnce(&AmpBox, &mut Proto<'_>) -> Result<A, DecodeError>,
    ) -> Result<A, Undeclared> {
        let decoded = caught(|| self.peer.decode_call(ampbox, self.number, read));
        let decoded = decoded.map_err(Undeclared::Panicked)?;
        self.read = true;
        let too_many = |(what, limit)| Undeclared::TooMany { what, limit };
        let (arguments, spent) = decoded.map_err(too_many)?;
        let more = spent.saturating_sub(ampbox.memory());
        if more > UNCOUNTED && arguments.is_ok() {
            let added = self.peer.shared().with(|state| state.core.add_bytes(more));
            if let Err((what, limit)) = added {
                drop(arguments);
                return Err(Undeclared::TooMany { what, limit });
            }
            self.decoded = more;
        }
        arguments.map_err(|error| match dropped_for(&error) {
            Some((what, limit)) => Undeclared::TooMany { what, limit },
            None => Undeclared::Decode(error.hide_value()),
        })
    }

    /// Runs code of the responder; when that panics the call fails, and there is nothing more to
    /// do.
    pub(super) fn caught<T>(&mut self, run: impl FnOnce() -> T) -> Option<T> {
        let done = caught(run);
        done.map_err(|panic| self.fail_undeclared(&Undeclared::Panicked(panic))).ok()
    }

    /// As [`caught`](Self::caught), for a future.
    pub(super) async fn caught_future<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let done = caught_future(future).await;
        done.map_err(|panic| self.fail_undeclared(&Undeclared::Panicked(panic))).ok()
    }

    pub(crate) fn answer(&mut self, response: &impl Arguments) {
        self.answer_with(|out, proto| response.write_to(out, proto), &mut None);
    }

    /// Answers, and runs `after` once the answer has been written, which counts with `len` bytes of
    /// the call and what that took to decode.
    pub(super) fn answer_then(
        &mut self,
        response: &impl Arguments,
        len: usize,
        after: impl Future<Output = ()> + Send + 'static,
    ) {
        let shared = self.peer.shared();
        let mut after = Some(following(shared, len + self.decoded, self.number, after));
        // One that is left is dropped with nothing locked.
        let answered = self.answer_with(|out, proto| response.write_to(out, proto), &mut after);
        if answered
            && self.tag.is_none()
            && let Some(after) = after
        {
            // Nothing is to be written, so nothing is waited for.
            self.peer.shared().runtime.spawn(after);
        }
    }

    /// Answers with what `write` writes.
    pub(crate) fn answer_written(
        &mut self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) {
        self.answer_with(write, &mut None);
    }

    pub(crate) fn answer_box(&mut self, response: &AmpBox) {
        self.answer_with(|out, _| Ok(out.put_box(response)?), &mut None);
    }

    /// Answers with what `write` writes, and says whether that could be encoded. What runs once the
    /// answer has been written is taken out of `after` if that is queued.
    fn answer_with(
        &mut self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
        after: &mut Option<After>,
    ) -> bool {
        debug_assert!(!self.answered, "a call is answered once");
        let shared = self.peer.shared();
        // It is written even where nobody is answered: what is wrong with it is worth knowing.
        let queued = match caught(|| shared.encode(write)) {
            Err(panic) => Err(Undeclared::Panicked(panic)),
            Ok(Err(error)) => Err(Undeclared::Encode(error.hide_value())),
            Ok(Ok(mut encoded)) => match &self.tag {
                None => Ok(Outcome::Done),
                Some(tag)
                    if after.is_none()
                        && !self.asks_switch
                        && encoded.carries_nothing()
                        && shared.answer_soon(tag, &mut encoded.body) =>
                {
                    Ok(Outcome::Answered)
                }
                Some(tag) => {
                    let body = &mut encoded.body;
                    shared.with(|state| {
                        let too_many = |(what, limit)| Undeclared::TooMany { what, limit };
                        state.core.check_attachments(body.attachments.len()).map_err(too_many)?;
                        let too_large = |error: BoxError| Undeclared::Encode(error.into());
                        state.core.answer_then(tag, body, after).map_err(too_large)?;
                        Ok(Outcome::Answered)
                    })
                }
            },
        };
        match queued {
            Ok(outcome) => {
                self.has_answered(None);
                self.watch.end(outcome, None);
                true
            }
            Err(error) => {
                self.fail_undeclared(&error);
                false
            }
        }
    }

    #[inline]
    fn has_answered(&mut self, error_code: Option<&[u8]>) {
        self.answered = true;
        if let Some(lent) = &self.lent {
            let _ = lent.error_code.set(error_code.map(Bytes::copy_from_slice));
        }
    }

    /// Whether a protocol switch can follow. If none can, the call is done with.
    pub(super) fn may_switch(&mut self) -> bool {
        if self.tag.is_none() {
            // As in Twisted, nothing follows: without an answer the peer cannot know from which
            // byte on the other protocol is spoken.
            tracing::debug!(command = %self.command(), "a switch that wants no answer is not made");
            self.has_answered(None);
            self.watch.end(Outcome::Done, None);
            return false;
        }
        self.was_read_as_switch()
    }

    /// Whether nothing was read behind the call, as behind one that asks for a switch. It fails otherwise.
    pub(super) fn was_read_as_switch(&mut self) -> bool {
        if self.tag.is_some() && !self.asks_switch {
            let why = "its responder was added after the call had been read".to_owned();
            self.fail_undeclared(&Undeclared::Switch(why));
            return false;
        }
        true
    }

    /// Agrees to the protocol switch.
    pub(super) fn accept_switch(&mut self, then: Then) {
        if !self.may_switch() {
            return;
        }
        let Some(tag) = &self.tag else { return };
        let shared = self.peer.shared();
        match shared.with(|state| state.core.accept_switch(tag, then)) {
            Ok(()) => {
                self.has_answered(None);
                self.watch.end(Outcome::Answered, None);
            }
            Err((_, why)) => {
                self.fail_undeclared(&Undeclared::Switch(Report::new(&why).to_string()));
            }
        }
    }

    /// Fails with an error that the command declares.
    pub(super) fn fail(&mut self, error: &impl CommandError) {
        let (code, fatal) = (error.code().as_bytes(), error.is_fatal());
        self.finish(code, &error.describe(), true, fatal);
    }

    /// Fails as a responder has.
    pub(super) fn fail_as<E: CommandError>(&mut self, failure: Failure<E>) {
        if let Some(error) = failure.declared() {
            if let Failure::Other(whole) = &failure
                && !whole.is::<E>()
            {
                // The errors around it are said nowhere else.
                let (command, error) = (self.command(), Report::new(&**whole));
                tracing::debug!(%command, %error, "a call failed as declared");
            }
            self.fail(error);
        } else if let Failure::Other(error) = failure {
            self.fail_undeclared(&Undeclared::Responder(error));
        }
    }

    /// Fails with a code that a responder by name has chosen.
    pub(crate) fn fail_with(&mut self, code: &[u8], description: &str) {
        self.finish(code, description, true, false);
    }

    pub(crate) fn fail_unhandled(&mut self) {
        tracing::debug!(command = %self.command(), "no responder for a call");
        let RemoteError { code, description, .. } = RemoteError::unhandled(&self.command);
        self.finish(&code, &description, true, false);
    }

    /// Refuses a call that came when the connection was about to end.
    pub(crate) fn fail_closing(&mut self) {
        tracing::debug!(command = %self.command(), "a call came too late to be answered");
        if self.tag.is_none() {
            self.has_answered(None);
            return;
        }
        self.fail_by(keys::CLOSING.as_bytes(), true, false, Core::refuse);
    }

    pub(crate) fn fail_undeclared(&mut self, error: &Undeclared) {
        let reference = next_reference();
        self.log(&reference, error);
        let mut description = self.policy().describe(&reference);
        if self.told == Told::Cause {
            let cause = error.to_string();
            let mut ends = (0..=MAX_CAUSE.min(cause.len())).rev();
            let end = ends.find(|end| cause.is_char_boundary(*end)).unwrap_or_default();
            let dots = if end < cause.len() { "..." } else { "" };
            description = format!("{description}: {}{dots}", &cause[..end]);
        }
        // No responder has failed where a limit refuses the call, which others may have filled.
        let refused = matches!(error, Undeclared::TooMany { .. });
        self.finish(keys::UNKNOWN.as_bytes(), &description, refused, false);
    }

    /// A peer can make any number of calls fail.
    fn log(&self, reference: &str, error: &Undeclared) {
        let command = self.command();
        if matches!(error, Undeclared::Dropped) {
            tracing::debug!(%command, %reference, "a responder was dropped before it had answered");
            return;
        }
        let failures = &self.peer.shared().settings.failures;
        restrained!(failures, warn, "a call failed", %command, %reference, %error);
    }

    fn finish(&mut self, code: &[u8], description: &str, declared: bool, fatal: bool) {
        self.fail_by(code, declared, fatal, |core, tag| core.fail(tag, code, description));
    }

    /// The call has failed, which the connection is told by `fail` if the peer is to be told.
    fn fail_by(
        &mut self,
        code: &[u8],
        declared: bool,
        fatal: bool,
        fail: impl FnOnce(&mut Core<Waker, Hosted>, &[u8]),
    ) {
        debug_assert!(!self.answered, "a call is answered once");
        self.has_answered(Some(code));
        let failed = Failed { declared, answered: self.tag.is_some(), fatal };
        self.peer.shared().with(|state| {
            if let Some(tag) = &self.tag {
                fail(&mut state.core, tag);
            }
            state.core.handle_failure(Some(&self.command), code, failed);
        });
        self.watch.end(Outcome::Failed, Some(code));
    }

    fn command(&self) -> Shortened {
        Shortened::new(&self.command)
    }

    fn policy(&self) -> FailurePolicy {
        self.peer.shared().settings.policy
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(number) = self.number
            && !self.read
        {
            self.peer.shared().handle_unread(number);
        }
        if self.decoded > 0 {
            // It may outlive the responder, in a queue of a user's.
            self.peer.shared().with(|state| state.core.remove_bytes(self.decoded));
        }
        if self.answered {
            return;
        }
        let panicking = std::thread::panicking();
        if !panicking && self.peer.has_ended() {
            // Nobody is left to be answered, so it was not begun, or not gone on with.
            let command = self.command();
            tracing::debug!(%command, "a responder was dropped before it had answered");
            self.watch.end(Outcome::Closed, None);
            self.finish(keys::UNKNOWN.as_bytes(), "", true, false);
        } else {
            // Responders are dropped when the runtime shuts down.
            self.fail_undeclared(if panicking {
                &Undeclared::Unwound
            } else {
                &Undeclared::Dropped
            });
        }
    }
}

/// Why a call failed in a way that its command does not declare.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undeclared {
    #[error("{}", Report::new(.0))]
    Decode(DecodeError),
    #[error("the response cannot be written: {}", Report::new(.0))]
    Encode(EncodeError),
    #[error("{}", Report::new(&**.0))]
    Responder(BoxedError),
    #[error("the protocol switch cannot be made: {0}")]
    Switch(String),
    #[error("{0}")]
    Panicked(Panic),
    /// By a panic that was not caught where it happened.
    #[error("a panic")]
    Unwound,
    #[error("the responder was dropped")]
    Dropped,
    #[error("there are {limit} {what}, which is the limit")]
    TooMany { what: LimitKind, limit: usize },
}
