//! A transport of your own, step by step.
//!
//! Whatever is [`AsyncRead`](tokio::io::AsyncRead) and [`AsyncWrite`](tokio::io::AsyncWrite) is a
//! transport already, by [`Connection::new`](crate::Connection::new), and two halves are by
//! [`Connection::from_halves`](crate::Connection::from_halves). A type that has other methods, or
//! carries more than bytes, implements [`Transport`](crate::Transport). Here it is a stream of
//! messages, as a WebSocket has; a pair of channels stands for one:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Attachment, Transport, testing};
//! use bytes::{Bytes, BytesMut};
//! use std::collections::VecDeque;
//! use std::io::{self, IoSlice};
//! use std::pin::Pin;
//! use std::task::{Context, Poll, ready};
//! use tokio::sync::mpsc;
//! use tokio_util::sync::PollSender;
//!
//! /// The longest message.
//! const MESSAGE: usize = 16 * 1024;
//!
//! struct Messages {
//!     sender: PollSender<Bytes>,
//!     receiver: mpsc::Receiver<Bytes>,
//!     /// What there was no room for, of the last message.
//!     rest: Bytes,
//! }
//!
//! impl Transport for Messages {
//!     // 1. Receive as much as there is room for, behind what the buffer has. 0 is the end.
//!     fn poll_receive(
//!         mut self: Pin<&mut Self>,
//!         cx: &mut Context<'_>,
//!         buffer: &mut BytesMut,
//!         _: &mut Vec<Attachment>,
//!     ) -> Poll<io::Result<usize>> {
//!         while self.rest.is_empty() {
//!             match ready!(self.receiver.poll_recv(cx)) {
//!                 Some(message) => self.rest = message,
//!                 None => return Poll::Ready(Ok(0)),
//!             }
//!         }
//!         let length = self.rest.len().min(buffer.capacity() - buffer.len());
//!         buffer.extend_from_slice(&self.rest.split_to(length));
//!         Poll::Ready(Ok(length))
//!     }
//!
//!     // 2. Send some of what there is, and say how much that was. Nothing is taken while there is no
//!     //    room, and somebody wakes the task when there is: `poll_reserve` has seen to that.
//!     fn poll_send(
//!         mut self: Pin<&mut Self>,
//!         cx: &mut Context<'_>,
//!         bytes: &[IoSlice<'_>],
//!         _: &mut VecDeque<Attachment>,
//!     ) -> Poll<io::Result<usize>> {
//!         ready!(self.sender.poll_reserve(cx)).map_err(|_| io::ErrorKind::BrokenPipe)?;
//!         let mut message = BytesMut::new();
//!         for slice in bytes {
//!             let room = MESSAGE - message.len();
//!             message.extend_from_slice(&slice[..slice.len().min(room)]);
//!         }
//!         let length = message.len();
//!         self.sender.send_item(message.freeze()).map_err(|_| io::ErrorKind::BrokenPipe)?;
//!         Poll::Ready(Ok(length))
//!     }
//!
//!     // 3. Hand over what was held back. Nothing is, here.
//!     fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     // 4. Tell the peer that nothing more comes. This side goes on receiving.
//!     fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         self.sender.close();
//!         Poll::Ready(Ok(()))
//!     }
//! }
//!
//! fn messages(sender: mpsc::Sender<Bytes>, receiver: mpsc::Receiver<Bytes>) -> Messages {
//!     Messages { sender: PollSender::new(sender), receiver, rest: Bytes::new() }
//! }
//!
//! fn pair() -> (Messages, Messages) {
//!     let (sender, far_end) = mpsc::channel(4);
//!     let (back, near_end) = mpsc::channel(4);
//!     (messages(sender, near_end), messages(back, far_end))
//! }
//!
//! // 5. Hold it against what a connection relies on, in a test.
//! testing::check_transport(async || pair()).await;
//! # Ok(()) }
//! ```
//!
//! Then `Connection::with_transport(messages)` is a connection like any other. For a server,
//! implement [`Listener`](crate::Listener), whose connections are made so.
//!
//! - The methods that are not here have defaults: where the peer is
//!   ([`peer_address`](crate::Transport::peer_address)), and what makes a connection faster
//!   ([`sends_on_any_task`](crate::Transport::sends_on_any_task)) or notice its end sooner
//!   ([`has_peer_closed`](crate::Transport::has_peer_closed)).
//! - Descriptors, or what else travels beside the bytes, are attachments: implement
//!   [`attachment_kind`](crate::Transport::attachment_kind), keep their order, and send none later
//!   than the first byte of theirs.
//!   [`testing::check_attachments`](crate::testing::check_attachments) looks at that. For
//!   descriptors there is `amp_unix::IUnixTransport`, which is less to implement.
