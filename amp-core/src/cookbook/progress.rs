//! Progress and cancellation.
//!
//! AMP has neither: a caller that drops its call tells nobody, and an answer is one box. Both are
//! commands of one's own. The caller chooses a number for its job, gets events with that number, and
//! may call to cancel it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Arguments, CallError, Command, CommandError, Context, NoError, Responders, testing};
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//! use tokio::sync::{oneshot, watch};
//!
//! #[derive(Command)]
//! #[amp(response = Rendered, error = RenderError)]
//! struct Render {
//!     job: u64,
//!     pages: u32,
//! }
//!
//! #[derive(Arguments)]
//! struct Rendered {
//!     pages: u32,
//! }
//!
//! #[derive(CommandError, Debug, thiserror::Error)]
//! enum RenderError {
//!     #[error("cancelled")]
//!     Cancelled,
//! }
//!
//! /// Says how far a job has come.
//! #[derive(Command)]
//! #[amp(one_way)]
//! struct Progress {
//!     job: u64,
//!     page: u32,
//! }
//!
//! /// Cancels a job; one that is done already stays done.
//! #[derive(Command)]
//! struct Cancel {
//!     job: u64,
//! }
//!
//! /// The jobs of one connection, whose numbers are its peer's. A job ends when its sender is dropped.
//! #[derive(Default)]
//! struct Jobs(Mutex<HashMap<u64, oneshot::Sender<()>>>);
//!
//! async fn render(context: Context<Jobs>, call: Render) -> Result<Rendered, RenderError> {
//!     let (running, cancelled) = oneshot::channel();
//!     context.state().0.lock().unwrap().insert(call.job, running);
//!     let work = async {
//!         for page in 1..=call.pages {
//!             tokio::task::yield_now().await; // The page is rendered here.
//!             // Who cannot keep up with the news holds back the work.
//!             let _ = context.peer().notify(Progress { job: call.job, page }).await;
//!         }
//!     };
//!     let outcome = tokio::select! {
//!         () = work => Ok(Rendered { pages: call.pages }),
//!         _ = cancelled => Err(RenderError::Cancelled),
//!         _ = context.closed() => Err(RenderError::Cancelled),
//!     };
//!     context.state().0.lock().unwrap().remove(&call.job);
//!     outcome
//! }
//!
//! async fn cancel(context: Context<Jobs>, Cancel { job }: Cancel) -> Result<(), NoError> {
//!     context.state().0.lock().unwrap().remove(&job);
//!     Ok(())
//! }
//!
//! // The caller has one job, and so one place for its progress.
//! let (seen, mut progress) = watch::channel(0);
//! let on_progress = async |context: Context<watch::Sender<u32>>, Progress { page, .. }: Progress| {
//!     context.state().send_replace(page);
//!     Ok::<_, NoError>(())
//! };
//! let caller = Responders::new(seen).respond(on_progress).one_at_a_time();
//! let renders = Responders::new(Jobs::default()).respond(render).respond(cancel);
//! let (peer, _there) = testing::pair(caller, renders);
//!
//! let call = tokio::spawn(peer.call_remote(Render { job: 1, pages: u32::MAX }));
//! progress.wait_for(|page| *page >= 3).await?;
//! peer.call_remote(Cancel { job: 1 }).await?;
//! assert!(matches!(call.await?, Err(CallError::Command(RenderError::Cancelled))));
//! # Ok(()) }
//! ```
//!
//! A server makes a set of `Jobs` for each connection, in [`serve_with`](crate::serve_with).
//!
//! Without `context.closed()` a job would go on when its caller has gone: a responder is dropped with
//! its connection only if it says so
//! ([`Responders::end_with_connection`](crate::Responders::end_with_connection)).
