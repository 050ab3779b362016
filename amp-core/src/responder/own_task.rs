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
    /// Runs the responders that the set has so far, including the fallback, on tasks of their own from
    /// the beginning. This is for responders that may block their thread.
    ///
    /// Without this, a responder begins on the task of its connection, and moves to a task of its own
    /// when it first waits. Most responders have finished by then, which saves the task. But a responder
    /// that blocks its thread before that blocks the connection too: calls behind it are not answered,
    /// and no call of this side gets its answer. If it blocks until the peer has answered, with
    /// `block_in_place(|| Handle::current().block_on(..))` or any other executor, it waits **for ever**,
    /// unless the call has a timeout elsewhere. Nothing can distinguish this from a responder that takes
    /// long.
    ///
    /// On a task of its own, a responder that blocks holds up only its thread of the runtime. So the
    /// runtime needs another thread. On a current-thread runtime, only
    /// [`spawn_blocking`](tokio::task::spawn_blocking) helps, which is better anyway for what takes long.
    ///
    /// ```
    /// # #[tokio::main(flavor = "multi_thread")] async fn main() -> Result<(), amp_core::CallError> {
    /// use amp_core::{Command, Context, NoError, Responders, testing};
    /// use tokio::runtime::Handle;
    /// use tokio::task::block_in_place;
    ///
    /// # #[derive(Command)] struct Import {}
    /// # #[derive(Command)] struct NextPage {}
    /// // A library that gets its pages from a function that is not async.
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
    /// # Things to know
    ///
    /// - Calls begin in any order, unless their responders share a [lane](Responders::one_at_a_time),
    ///   which keeps the order.
    /// - Arguments are decoded on the task. Middleware that was put [around](Responders::layer) the
    ///   responders earlier still begins on the connection's task.
    /// - Calls have begun before they are decoded, and until then count with their length on the wire.
    ///   When the decoded ones take [`running_bytes_max`](field@crate::Limits::running_bytes_max)
    ///   together, the next call that is decoded is answered with `UNKNOWN` if it takes 1 KiB more than
    ///   its length on the wire. Without this setting, it would have waited. So if many calls at once
    ///   take much more memory than their length, as compressed values, JSON and lists of structs do,
    ///   raise that limit, or lower [`running_responders`](field@crate::Limits::running_responders).
    /// - Each call counts as a [running responder](field@crate::Limits::running_responders) until it is
    ///   answered.
    /// - When a responder [replaces](crate::Peer::replace_responders) the set, some calls that the peer
    ///   sent after its own may already have been begun with the old one, however soon it does so.
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
        let ampbox = ampbox.kept();
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
