//! Progress and cancellation.
//!
//! An answer is one box, so it does not show progress. And if a caller drops its call, the other side is not told. So a
//! caller that wants to see progress, or to cancel, sends the sink of a stream ([`SinkOf`]) with the call, and keeps
//! the stream. Dropping the stream cancels the call: the sink says at once that nobody receives any more.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::streams::{SinkOf, StreamOf};
//! use amp_core::{Arguments, CallError, Command, CommandError, Context, Peer, Responders, testing};
//!
//! #[derive(Command)]
//! #[amp(response = Rendered, error = RenderError)]
//! struct Render {
//!     pages: u32,
//!     progress: SinkOf<u32>,
//! }
//!
//! #[derive(Arguments, Debug, PartialEq)]
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
//! async fn render(_: Context, call: Render) -> Result<Rendered, RenderError> {
//!     let Render { pages, mut progress } = call;
//!     let stopped = progress.stopped();
//!     let work = async {
//!         for page in 1..=pages {
//!             tokio::task::yield_now().await; // The page is rendered here.
//!             // A slow reader of the progress slows down the work.
//!             let _ = progress.send(page).await;
//!         }
//!         Rendered { pages }
//!     };
//!     tokio::select! {
//!         rendered = work => Ok(rendered),
//!         _ = stopped => Err(RenderError::Cancelled),
//!     }
//! }
//!
//! /// Calls, and tells how far it is meanwhile. Dropping this future cancels the call.
//! async fn rendered(
//!     peer: &Peer,
//!     pages: u32,
//!     mut tell: impl FnMut(u32),
//! ) -> Result<Rendered, CallError<RenderError>> {
//!     let (progress, mut received) = StreamOf::pair();
//!     let mut call = std::pin::pin!(peer.call_remote(Render { pages, progress }));
//!     loop {
//!         tokio::select! {
//!             biased;
//!             Some(Ok(page)) = received.next() => tell(page),
//!             answer = &mut call => return answer,
//!         }
//!     }
//! }
//!
//! let renders = Responders::new(()).respond(render);
//! let (peer, there) = testing::pair(Responders::new(()), renders);
//!
//! let mut last = 0;
//! assert_eq!(rendered(&peer, 3, |page| last = page).await?, Rendered { pages: 3 });
//!
//! // Cancelled on the way.
//! let (seen, mut progress) = tokio::sync::watch::channel(0);
//! let call = tokio::spawn(async move {
//!     rendered(&peer, u32::MAX, |page| drop(seen.send_replace(page))).await
//! });
//! progress.wait_for(|page| *page >= 3).await?;
//! call.abort();
//! while there.running_responders() > 0 {
//!     tokio::task::yield_now().await;
//! }
//! # Ok(()) }
//! ```
//!
//! - If the caller goes away, the job ends in the same way: the sink stops with its connection.
//!   Without a stream, use [`Context::closed`](crate::Context::closed) or
//!   [`Responders::end_with_connection`](crate::Responders::end_with_connection).
//! - If a job outlives its call, put a stream into the answer. Its last item is the outcome of the job, and its errors
//!   are typed: [`SinkOf::fail`].
//!
//! [`SinkOf`]: crate::streams::SinkOf
//! [`SinkOf::fail`]: crate::streams::SinkOf::fail
