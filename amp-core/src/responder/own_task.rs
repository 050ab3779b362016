use smallvec::SmallVec;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::Responders;
use super::locator::{AnyResponder, Responding, Wrap};
use super::question::Question;
use crate::boxes::AmpBox;
use crate::connection::is_within_driver;

impl<S: Send + Sync + 'static> Responders<S> {
    /// Runs the responders that the set has so far, the fallback included, on tasks of their own
    /// from the beginning: for those that may block their thread.
    ///
    /// Without that, a responder begins on the task of its connection, and has a task of its own
    /// from when it first waits. Most are done by then, which saves the task. But what blocks its
    /// thread before blocks the connection too: calls behind it are not answered, and no call gets
    /// its answer. One that blocks until the peer has answered, by
    /// `block_in_place(|| Handle::current().block_on(..))` or by any other executor, then waits **for
    /// ever**, unless the call has a timeout elsewhere. Nothing can tell that from one that takes
    /// long.
    ///
    /// On a task of its own it holds up the thread that it has of the runtime, and nothing else.
    /// So there has to be another one: on a current-thread runtime nothing helps but
    /// [`spawn_blocking`](tokio::task::spawn_blocking), which is better anyway for what takes long.
    ///
    /// ```
    /// # #[tokio::main(flavor = "multi_thread")] async fn main() -> Result<(), amp_core::CallError> {
    /// use amp_core::{Command, Context, NoError, Responders, testing};
    /// use tokio::runtime::Handle;
    /// use tokio::task::block_in_place;
    ///
    /// # #[derive(Command)] struct Import {}
    /// # #[derive(Command)] struct NextPage {}
    /// // A library that wants its pages from a function that is not async.
    /// async fn import(context: Context, _: Import) -> Result<(), NoError> {
    ///     let next = || Handle::current().block_on(context.peer().call_remote(NextPage {}));
    ///     block_in_place(|| next().is_ok());
    ///     Ok(())
    /// }
    ///
    /// let responders = Responders::new(()).respond(import).on_own_tasks();
    /// # let pages = Responders::new(()).respond(async |_, _: NextPage| Ok::<_, NoError>(()));
    /// # let (peer, _there) = testing::pair(pages, responders);
    /// # peer.call_remote(Import {}).await
    /// # }
    /// ```
    ///
    /// # What to know of it
    ///
    /// - Calls of different tasks begin in any order, unless the responders share a
    ///   [lane](Responders::one_at_a_time), which keeps it either way.
    /// - Arguments are decoded on the task. Middleware that was put [around](Responders::layer) the
    ///   responders before begins where it did.
    /// - Calls have begun before they are decoded, and count with what they have on the wire until then.
    ///   When those that are decoded take [`running_bytes_max`](field@crate::Limits::running_bytes_max)
    ///   together, the next that is decoded is answered with `UNKNOWN` where it would have waited
    ///   otherwise, if it takes 1 KiB more than it has on the wire. So raise that, or lower
    ///   [`running_responders`](field@crate::Limits::running_responders), where many calls at once take much
    ///   more memory than their bytes: compressed values, JSON, and lists of structs.
    /// - Each call counts as a [running responder](field@crate::Limits::running_responders) until it is
    ///   answered.
    /// - A responder that [replaces](crate::Peer::replace_responders) the set does so at some time
    ///   after calls that the peer sent behind its own, however soon it does it.
    pub fn on_own_tasks(mut self) -> Self {
        self.wrap(&on_own_task);
        self
    }
}

/// The responder inside of what is around it runs on a task of its own. What is around it, a lane
/// above all, sees the calls in their order.
fn on_own_task(responder: &Arc<dyn AnyResponder>) -> Arc<dyn AnyResponder> {
    let around = responder.around(&on_own_task);
    around.unwrap_or_else(|| Arc::new(OnOwnTask(Arc::clone(responder))))
}

/// A responder that the driver does not begin.
struct OnOwnTask(Arc<dyn AnyResponder>);

impl AnyResponder for OnOwnTask {
    fn is_switch(&self) -> bool {
        self.0.is_switch()
    }

    /// It stays as it is: one task is enough.
    fn around(&self, _: Wrap<'_>) -> Option<Arc<dyn AnyResponder>> {
        Some(Arc::new(Self(Arc::clone(&self.0))))
    }

    fn respond(&self, question: Question, command: &[u8], ampbox: &AmpBox) -> Responding {
        let responder = Arc::clone(&self.0);
        let command: SmallVec<[u8; 32]> = SmallVec::from_slice(command);
        let ampbox = ampbox.clone();
        Some(Box::pin(async move {
            outside_of_driver().await;
            let responding = responder.respond(question, &command, &ampbox);
            drop((command, ampbox));
            if let Some(responding) = responding {
                responding.await;
            }
        }))
    }
}

/// Waits until it is polled elsewhere than in a driver. That spawns what it has polled once.
async fn outside_of_driver() {
    poll_fn(|cx| {
        if !is_within_driver() {
            return Poll::Ready(());
        }
        // Middleware may poll only what was woken.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
