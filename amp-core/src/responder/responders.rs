use bytes::Bytes;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use super::by_name::{ByName, RespondByName};
use super::clash::{Origin, ResponderClash};
use super::locator::{AnyResponder, Locator, Responding, Wrap};
use super::question::{Question, Undeclared};
use super::{Context, Failure};
use crate::boxes::AmpBox;
use crate::command::{Command, Ping, Reflect, Reflected};
use crate::panics::caught;
use crate::schema::Schema;
use crate::shorten::Shortened;

/// A set of responders, each for one command, and the state that they share.
///
/// ```
/// use amp_core::{Arguments, Command, Context, NoError, Responders};
/// use std::sync::atomic::{AtomicI64, Ordering};
///
/// #[derive(Command)]
/// #[amp(response = Total)]
/// struct Add {
///     n: i64,
/// }
///
/// #[derive(Arguments)]
/// struct Total {
///     total: i64,
/// }
///
/// async fn add(context: Context<AtomicI64>, Add { n }: Add) -> Result<Total, NoError> {
///     Ok(Total { total: context.state().fetch_add(n, Ordering::Relaxed) + n })
/// }
///
/// let responders = Responders::new(AtomicI64::new(0)).respond(add);
/// ```
///
/// Clones share the state. A responder starts on the connection's own task, and moves to a task of
/// its own once it has to wait. So it must not block, unless the set runs its responders
/// [`on_own_tasks`](Responders::on_own_tasks). It runs to its end even if the caller has given up or
/// has gone. [`Context::closed`] tells it when the connection has ended.
///
/// # What a responder keeps
///
/// What responders share belongs into the state, which each of them has by [`Context::state`]. A
/// closure `async |..|` that uses what it has captured is not a responder, because its future borrows
/// from the closure and may outlive it. Instead, such a closure makes a clone for each call and
/// returns an `async move` block:
///
/// ```
/// use amp_core::{Command, Context, Responders};
///
/// #[derive(Command)]
/// struct Note {
///     text: String,
/// }
///
/// let (notes, mut received) = tokio::sync::mpsc::channel(16);
/// let responders = Responders::new(()).respond(move |_: Context, Note { text }: Note| {
///     let notes = notes.clone();
///     async move {
///         let _ = notes.send(text).await;
///         Ok(())
///     }
/// });
/// # drop((responders, received.try_recv()));
/// ```
#[doc(alias("CommandLocator", "Handler", "responder", "Router", "Service"))]
#[must_use = "responders answer nothing before a connection or a server has them"]
pub struct Responders<S = ()> {
    pub(super) state: Arc<S>,
    pub(super) locator: Arc<Locator>,
}

impl<S: Send + Sync + 'static> Responders<S> {
    /// Creates an empty set whose responders share `state`. Pass `()` if there is nothing to share.
    pub fn new(state: S) -> Self {
        Self { state: Arc::new(state), locator: Arc::default() }
    }

    /// Adds a responder for the command `C`. It replaces a responder that `C` already had.
    ///
    /// The responder can fail with the errors that the command declares. If it can fail in other ways
    /// too, use [`try_respond`](Responders::try_respond).
    ///
    /// # Panics
    ///
    /// Panics when the set has a responder for another command of the same name: for another type, or
    /// one that was added [by name](Responders::respond_by_name). The other methods that add a
    /// responder do the same.
    #[track_caller]
    pub fn respond<C, F, R>(self, responder: F) -> Self
    where
        C: Command,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<C::Response, C::Error>> + Send + 'static,
    {
        self.typed(responder, |ended| ended.map_err(Failure::Declared))
    }

    /// Adds a responder for the command `C` that can fail in ways that the command does not declare.
    /// It returns a [`Failure`], so `?` works on any error. An error that the command declares keeps
    /// its code.
    ///
    /// ```
    /// use amp_core::{Arguments, Command, CommandError, Context, Failure, Responders};
    /// use std::path::PathBuf;
    ///
    /// /// Returns the text of a page.
    /// #[derive(Command)]
    /// #[amp(response = Page, error = ReadError)]
    /// struct Read {
    ///     name: String,
    /// }
    ///
    /// #[derive(Arguments)]
    /// struct Page {
    ///     text: String,
    /// }
    ///
    /// #[derive(CommandError, Debug, thiserror::Error)]
    /// enum ReadError {
    ///     #[error("no such page")]
    ///     NoSuchPage,
    /// }
    ///
    /// struct Library {
    ///     pages: PathBuf,
    /// }
    ///
    /// async fn read(context: Context<Library>, command: Read) -> Result<Page, Failure<ReadError>> {
    ///     if command.name.contains('/') {
    ///         Err(ReadError::NoSuchPage)?; // is answered with NO_SUCH_PAGE
    ///     }
    ///     let path = context.state().pages.join(command.name);
    ///     Ok(Page { text: std::fs::read_to_string(path)? }) // with UNKNOWN
    /// }
    ///
    /// let responders = Responders::new(Library { pages: "/srv/pages".into() }).try_respond(read);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn try_respond<C, F, R>(self, responder: F) -> Self
    where
        C: Command,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<C::Response, Failure<C::Error>>> + Send + 'static,
    {
        self.typed(responder, |ended| ended)
    }

    /// Adds a responder for the command `C` that has something to do right after its answer has been
    /// written. It returns the response and a future, which then runs on a task of its own.
    ///
    /// "Written" means handed to the transport and flushed, not received by the peer. If the
    /// connection ends before that, or if the call fails, the future never runs.
    ///
    /// Until the future has finished, it counts as a running responder
    /// ([`Limits::running_responders`](field@crate::Limits::running_responders)), with the bytes of
    /// its call. A graceful end does not wait for it, since the future may itself wait for that end.
    ///
    /// ```
    /// use amp_core::{Command, Context, NoError, Responders};
    ///
    /// #[derive(Command)]
    /// struct Restart {}
    ///
    /// let responders = Responders::new(()).respond_then(async |context: Context, _: Restart| {
    ///     Ok(((), async move { context.peer().close().await }))
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn respond_then<C, F, R, A>(self, responder: F) -> Self
    where
        C: Command,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(C::Response, A), C::Error>> + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        self.typed_then(responder, |ended| ended.map_err(Failure::Declared))
    }

    /// Adds a responder as [`respond_then`](Responders::respond_then) does. It may fail in the same ways as one of
    /// [`try_respond`](Responders::try_respond).
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn try_respond_then<C, F, R, A>(self, responder: F) -> Self
    where
        C: Command,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(C::Response, A), Failure<C::Error>>> + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        self.typed_then(responder, |ended| ended)
    }

    /// Adds a responder for the command of this name. It works on boxes as they are on the wire, and
    /// replaces a responder that was added by the same name.
    ///
    /// # Panics
    ///
    /// Panics when the set has a responder for a typed command of this name.
    #[track_caller]
    pub fn respond_by_name(self, command: impl AsRef<[u8]>, responder: impl RespondByName) -> Self {
        let command = Bytes::copy_from_slice(command.as_ref());
        self.add(command, Origin::Name, Arc::new(ByName(Arc::new(responder))))
    }

    /// Sets the responder for all commands that have none, for example in a proxy. It learns whether
    /// a call wants an answer, so it can pass on one-way calls too. Calls that ask for a protocol switch need
    /// [`fallback_switch`](Responders::fallback_switch) instead: if the backend agreed to a switch that this passes on, no
    /// more boxes could be sent to it. [Proxies](crate::cookbook::proxies) says who may share a connection to a backend.
    ///
    /// ```
    /// use amp_core::{Peer, ReceivedCall, Responders};
    ///
    /// /// Passes on all calls, and returns their outcomes.
    /// fn proxy_of(backend: Peer) -> Responders {
    ///     Responders::new(()).fallback(move |call: ReceivedCall| call.pass_on(&backend))
    /// }
    /// # drop(proxy_of);
    /// ```
    ///
    /// If the backend closes its connection, as Twisted does after an undeclared error, close the
    /// client's connection as well. Otherwise all its further calls fail. `end_with` in the guide
    /// [From Twisted](crate::cookbook::from_twisted) shows how.
    #[doc(alias("locateResponder", "Proxy"))]
    pub fn fallback(mut self, responder: impl RespondByName) -> Self {
        let fallback = Arc::new(ByName(Arc::new(responder)));
        Arc::make_mut(&mut self.locator).set_fallback(fallback);
        self
    }

    /// Adds a responder for [`Ping`], which answers at once.
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn respond_ping(self) -> Self {
        self.respond(|_, _: Ping| async { Ok(()) })
    }

    /// Adds a responder for [`Reflect`] that returns this schema. A command line and other tools need
    /// it to call the commands.
    ///
    /// ```
    /// use amp_core::schema::Schema;
    /// use amp_core::{Command, Context, NoError, Responders};
    ///
    /// /// Writes everything to disk.
    /// #[derive(Command)]
    /// struct Flush {}
    ///
    /// let mut schema = Schema::default();
    /// schema.add::<Flush>();
    /// let responders = Responders::new(())
    ///     .respond(async |_: Context, _: Flush| Ok::<_, NoError>(()))
    ///     .respond_schema(&schema);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn respond_schema(self, schema: &Schema) -> Self {
        let text: Arc<str> = schema.to_string().into();
        self.respond(move |_, _: Reflect| {
            let schema = Reflected::new(text.to_string());
            async { Ok(schema) }
        })
    }

    /// Adds a group of responders, so that some settings apply to them alone:
    /// [`one_at_a_time`](Responders::one_at_a_time), [`on_own_tasks`](Responders::on_own_tasks),
    /// [`end_with_connection`](Responders::end_with_connection), and layers. `add` gets an empty set
    /// that shares the state of this one, and adds the responders to it.
    ///
    /// ```
    /// # use amp_core::{Command, Context, NoError, Responders};
    /// # #[derive(Command)] struct Create {}
    /// # #[derive(Command)] struct Delete {}
    /// # #[derive(Command)] struct Status {}
    /// # async fn create(_: Context, _: Create) -> Result<(), NoError> { Ok(()) }
    /// # async fn delete(_: Context, _: Delete) -> Result<(), NoError> { Ok(()) }
    /// # async fn status(_: Context, _: Status) -> Result<(), NoError> { Ok(()) }
    /// let responders = Responders::new(())
    ///     .group(|group| group.respond(create).respond(delete).one_at_a_time())
    ///     .respond(status);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics when this set has a responder for another command of the same name.
    #[track_caller]
    pub fn group(mut self, add: impl FnOnce(Self) -> Self) -> Self {
        let empty = Self { state: Arc::clone(&self.state), locator: Arc::default() };
        let added = Arc::unwrap_or_clone(add(empty).locator);
        if let Err(clash) = Arc::make_mut(&mut self.locator).add_all(added) {
            clash.panic();
        }
        self
    }

    /// Adds the responders of another set. They keep their own state.
    ///
    /// # Errors
    ///
    /// When both sets have a responder for the same command, or both have a fallback.
    pub fn merge<T>(mut self, other: Responders<T>) -> Result<Self, ResponderClash> {
        Arc::make_mut(&mut self.locator).merge(Arc::unwrap_or_clone(other.locator))?;
        Ok(self)
    }

    #[track_caller]
    fn typed<C, F, R>(self, responder: F, ended: Ended<C, R::Output, C::Response>) -> Self
    where
        C: Command,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output: 'static> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        let typed = Typed { state, responder, ended };
        self.add_typed::<C>(Arc::new(typed))
    }

    #[track_caller]
    fn typed_then<C, F, R, A>(
        self,
        responder: F,
        ended: Ended<C, R::Output, (C::Response, A)>,
    ) -> Self
    where
        C: Command,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output: 'static> + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        let then = AndThen { state, responder, ended };
        self.add_typed::<C>(Arc::new(then))
    }

    #[track_caller]
    pub(super) fn add_typed<C: Command>(self, responder: Arc<dyn AnyResponder>) -> Self {
        self.add(Bytes::from_static(C::NAME.as_bytes()), Origin::of::<C>(), responder)
    }

    #[track_caller]
    pub(super) fn add(
        mut self,
        command: Bytes,
        origin: Origin,
        responder: Arc<dyn AnyResponder>,
    ) -> Self {
        if let Err(clash) = Arc::make_mut(&mut self.locator).add(command, origin, responder) {
            clash.panic();
        }
        self
    }
}

impl<S> Responders<S> {
    /// Makes another responder of each that the set has by now.
    pub(crate) fn wrap(&mut self, make: Wrap<'_>) {
        Arc::make_mut(&mut self.locator).wrap(make);
    }

    pub(crate) fn into_locator(self) -> Arc<Locator> {
        self.locator
    }
}

impl<S> Clone for Responders<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), locator: Arc::clone(&self.locator) }
    }
}

impl<S> fmt::Debug for Responders<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commands = self.locator.names().map(Shortened::new);
        f.debug_set().entries(commands).finish()
    }
}

/// Makes of what a responder has ended with what becomes of the call.
pub(super) type Ended<C, O, T> = fn(O) -> Result<T, Failure<<C as Command>::Error>>;

/// The responder of a typed command.
struct Typed<S, F, C: Command, O> {
    state: Arc<S>,
    responder: F,
    ended: Ended<C, O, C::Response>,
}

impl<S, F, R, C> AnyResponder for Typed<S, F, C, R::Output>
where
    S: Send + Sync + 'static,
    C: Command,
    F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
    R: Future<Output: 'static> + Send + 'static,
{
    fn respond(&self, mut question: Question, _: &[u8], ampbox: &AmpBox) -> Responding {
        let command = question.decode(ampbox)?;
        let context = Context::new(&self.state, question.peer());
        let responding = Some(question.caught(|| (self.responder)(context, command))?);
        let question = Some(question);
        Some(Box::pin(Answering::<R, C> { responding, question, ended: self.ended }))
    }
}

pin_project! {
    /// A responder at work. An async block would hold its future twice: once as it was made, and
    /// once where it is awaited.
    struct Answering<R: Future, C: Command> {
        // `None` once it is done, and likewise the question once it is answered.
        #[pin]
        responding: Option<R>,
        question: Option<Question>,
        ended: Ended<C, R::Output, C::Response>,
    }
}

impl<R: Future, C: Command> Future for Answering<R, C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let responding = this.responding.as_mut().as_pin_mut();
        let (Some(responding), Some(question)) = (responding, this.question.as_mut()) else {
            return Poll::Ready(());
        };
        let polled = caught(|| responding.poll(cx));
        if matches!(polled, Ok(Poll::Pending)) {
            return Poll::Pending;
        }
        // All that it holds is free before the peer hears of its end.
        this.responding.set(None);
        match polled.map(|ended| ended.map(this.ended)) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(Ok(response))) => question.answer(&response),
            Ok(Poll::Ready(Err(failure))) => question.fail_as(failure),
            Err(panic) => question.fail_undeclared(&Undeclared::Panicked(panic)),
        }
        *this.question = None;
        Poll::Ready(())
    }
}

/// The responder of a command that has something to do after its answer.
struct AndThen<S, F, C: Command, O, A> {
    state: Arc<S>,
    responder: F,
    ended: Ended<C, O, (C::Response, A)>,
}

impl<S, F, R, C, A> AnyResponder for AndThen<S, F, C, R::Output, A>
where
    S: Send + Sync + 'static,
    C: Command,
    F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
    R: Future<Output: 'static> + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    fn respond(&self, mut question: Question, _: &[u8], ampbox: &AmpBox) -> Responding {
        let command = question.decode(ampbox)?;
        let context = Context::new(&self.state, question.peer());
        let response = question.caught(|| (self.responder)(context, command))?;
        let (len, ended) = (ampbox.memory(), self.ended);
        Some(Box::pin(async move {
            match question.caught_future(response).await.map(ended) {
                Some(Ok((response, after))) => question.answer_then(&response, len, after),
                Some(Err(failure)) => question.fail_as(failure),
                None => {}
            }
        }))
    }
}
