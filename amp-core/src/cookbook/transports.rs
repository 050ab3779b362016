//! A transport of your own, step by step.
//!
//! For a type that is [`AsyncRead`](tokio::io::AsyncRead) and [`AsyncWrite`](tokio::io::AsyncWrite), there is
//! [`Connection::new`](crate::Connection::new), and for two halves
//! [`Connection::from_halves`](crate::Connection::from_halves). A type that has other methods, or carries more than
//! bytes, implements [`Transport`](crate::Transport). Here it is a stream of messages, such as a WebSocket. In this
//! example, a pair of channels takes its place:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::argument::Attachment;
//! use amp_core::{Transport, testing};
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
//!     /// The part of the last message that there was no room for.
//!     rest: Bytes,
//! }
//!
//! impl Transport for Messages {
//!     // 1. Append to the buffer as much as it has room for. 0 bytes are the end.
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
//!     // 2. Send some of the bytes, and say how many. While there is no room, take nothing, and see to it
//!     //    that the task is woken when there is: `poll_reserve` does so.
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
//!     // 3. Hand over what was held back. Here, nothing is held back.
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
//! // 5. Check it in a test: it has to do all that a connection relies on.
//! testing::check_transport(async || pair()).await;
//! # Ok(()) }
//! ```
//!
//! Then `Connection::with_transport(messages)` is a connection like any other. For a server,
//! implement [`Listener`](crate::Listener), whose connections are made so.
//!
//! - The other methods have defaults. [`peer_address`](crate::Transport::peer_address) says where the peer is,
//!   [`sends_on_any_task`](crate::Transport::sends_on_any_task) makes a connection faster, and by
//!   [`has_peer_closed`](crate::Transport::has_peer_closed) it notices its end sooner.
//! - Descriptors, and whatever else travels beside the bytes, are attachments. Implement
//!   [`attachment_kind`](crate::Transport::attachment_kind), keep them in order, and send none later than the first
//!   byte of its box. [`testing::check_attachments`](crate::testing::check_attachments) checks that. For descriptors,
//!   `amp_unix::IUnixTransport` is less work.
