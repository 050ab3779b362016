use smallvec::SmallVec;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};

use super::Responders;
use super::locator::{AnyResponder, Responding, Wrap};
use super::question::Question;
use crate::boxes::AmpBox;
use crate::connection::LaneTurn;
use crate::proto::LaneId;

impl<S: Send + Sync + 'static> Responders<S> {
    /// Puts the responders that the set has so far, including the fallback, into one lane. On each
    /// connection, the calls that they answer are begun one after the other, in the order in which they
    /// were received: each once the one before it has been answered. Without this, responders run
    /// concurrently.
    ///
    /// One-way commands of the lane keep their place among its calls. Other commands are not held up,
    /// and each connection has a lane of its own.
    ///
    /// ```
    /// use amp_core::{Command, Context, NoError, Responders};
    /// use std::sync::Mutex;
    ///
    /// #[derive(Command)]
    /// #[amp(one_way)]
    /// struct Append {
    ///     line: String,
    /// }
    ///
    /// #[derive(Command)]
    /// struct Clear {}
    ///
    /// # #[derive(Command)]
    /// # struct Status {}
    /// type Lines = Mutex<Vec<String>>;
    ///
    /// async fn append(context: Context<Lines>, Append { line }: Append) -> Result<(), NoError> {
    ///     context.state().lock().unwrap().push(line);
    ///     Ok(())
    /// }
    ///
    /// # async fn clear(_: Context<Lines>, _: Clear) -> Result<(), NoError> { Ok(()) }
    /// # async fn status(_: Context<Lines>, _: Status) -> Result<(), NoError> { Ok(()) }
    /// // `status` is added later, and is answered while the others wait for each other.
    /// let responders =
    ///     Responders::new(Lines::default()).respond(append).respond(clear).one_at_a_time().respond(status);
    /// ```
    ///
    /// # Things to know
    ///
    /// - A call that waits in a lane counts as a running responder, so
    ///   [`Limits::running_responders`](field@crate::Limits::running_responders) bounds both together.
    ///   It is decoded when it is begun.
    /// - A responder that fails or panics (in a program that is not built with `panic = "abort"`) does
    ///   not hold up the calls behind it. A responder that never ends holds them up for as long as the
    ///   connection lasts, and one-way commands for ever.
    /// - **A responder must not wait for something that comes through its own lane.** Suppose that it
    ///   calls the peer, and the peer makes a call of the same lane before it answers. That call then
    ///   waits for the responder and the responder for it, until a
    ///   [timeout](crate::Connection::call_timeout) ends one of them.
    /// - A [protocol switch](Responders::respond_switch) in a lane is decided when its turn comes, and
    ///   nothing is read before that. So no responder of that lane may wait for an answer from the peer.
    /// - Answer a [ping](Responders::respond_ping) outside of the lane. Otherwise a peer that waits for
    ///   the answer may conclude that this side has gone.
    /// - When the connection has ended, calls that still wait are dropped without being begun. Their
    ///   callers know that they get no answer. One-way commands that were received are begun, in their
    ///   order.
    /// - A set that [replaces](crate::Peer::replace_responders) another one shares its lanes if it was
    ///   made from a clone of the same set.
    #[doc(alias("ordered", "sequential"))]
    pub fn one_at_a_time(mut self) -> Self {
        let lane = LaneId::new();
        Arc::make_mut(&mut self.locator)
            .wrap(&|responder| Arc::new(InLane { lane, responder: Arc::clone(responder) }));
        self
    }
}

/// A responder that waits for its turn.
struct InLane {
    lane: LaneId,
    responder: Arc<dyn AnyResponder>,
}

impl AnyResponder for InLane {
    fn is_switch(&self) -> bool {
        self.responder.is_switch()
    }

    fn around(&self, make: Wrap<'_>) -> Option<Arc<dyn AnyResponder>> {
        Some(Arc::new(Self { lane: self.lane, responder: make(&self.responder) }))
    }

    fn respond(&self, question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        let shared = question.peer().shared();
        let turn = LaneTurn::enter(shared, self.lane, question.requires_answer());
        let is_first = turn.poll(&TaskContext::from_waker(Waker::noop())).is_ready();
        if is_first {
            let responding = self.responder.respond(question, command, ampbox)?;
            return Some(Box::pin(async move {
                // Passed on after the responder is gone, also when that panics.
                let _turn = turn;
                responding.await;
            }));
        }
        let responder = Arc::clone(&self.responder);
        let command: SmallVec<[u8; 32]> = SmallVec::from_slice(command);
        let ampbox = ampbox.unshared();
        Some(Box::pin(async move {
            // When the connection has ended there is none, and nobody to hear of it.
            if !poll_fn(|cx| turn.poll(cx)).await {
                return;
            }
            let responding = responder.respond(question, &command, &ampbox);
            drop((command, ampbox));
            if let Some(responding) = responding {
                responding.await;
            }
        }))
    }
}
