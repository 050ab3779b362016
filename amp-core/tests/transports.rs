//! The kit that a transport is held against: it lets a good one through, and says of each fault what
//! should have been.

use amp_core::Transport;
use amp_core::argument::{Attachment, AttachmentKind};
use amp_core::testing::{check_attachments, check_transport};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

type Message = (Bytes, Vec<Attachment>);

/// The longest message.
const MESSAGE: usize = 16 << 10;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    ForgetsWhoWaits,
    TakesNothing,
    ClearsTheBuffer,
    Miscounts,
    TurnsBytesAround,
    TellsNoEnd,
    TellsTheEndOnce,
    EndsBothDirections,
    WaitsForBoth,
    NeedsRuntime,
    IsClosedFromTheStart,
    LosesAttachments,
    TurnsAttachmentsAround,
    HasNoKind,
}

/// Messages of bytes and attachments, over channels.
struct Messages {
    sender: PollSender<Message>,
    receiver: mpsc::Receiver<Message>,
    rest: Bytes,
    fault: Fault,
    over: bool,
    waits_to_send: bool,
}

impl Messages {
    fn new(sender: mpsc::Sender<Message>, receiver: mpsc::Receiver<Message>, fault: Fault) -> Self {
        let sender = PollSender::new(sender);
        Self { sender, receiver, rest: Bytes::new(), fault, over: false, waits_to_send: false }
    }
}

fn pair(fault: Fault) -> (Messages, Messages) {
    let (sender, far_end) = mpsc::channel(4);
    let (back, near_end) = mpsc::channel(4);
    (Messages::new(sender, near_end, fault), Messages::new(back, far_end, fault))
}

impl Transport for Messages {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        if self.fault == Fault::WaitsForBoth && self.waits_to_send {
            return Poll::Pending;
        }
        if self.fault == Fault::EndsBothDirections && self.over {
            return Poll::Ready(Ok(0));
        }
        let mut nobody = Context::from_waker(Waker::noop());
        let cx = if self.fault == Fault::ForgetsWhoWaits { &mut nobody } else { cx };
        while self.rest.is_empty() {
            if self.fault == Fault::TellsTheEndOnce && self.over {
                return Poll::Pending;
            }
            let Some((bytes, mut received)) = ready!(self.receiver.poll_recv(cx)) else {
                self.over = true;
                return Poll::Ready(Ok(0));
            };
            match self.fault {
                Fault::LosesAttachments => received.clear(),
                Fault::TurnsAttachmentsAround => received.reverse(),
                _ => {}
            }
            self.rest = bytes;
            attachments.append(&mut received);
        }
        if self.fault == Fault::ClearsTheBuffer {
            buffer.clear();
        }
        let length = self.rest.len().min(buffer.capacity() - buffer.len());
        let mut bytes = self.rest.split_to(length).to_vec();
        if self.fault == Fault::TurnsBytesAround {
            bytes.reverse();
        }
        buffer.extend_from_slice(&bytes);
        Poll::Ready(Ok(length + usize::from(self.fault == Fault::Miscounts)))
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        match self.fault {
            Fault::TakesNothing => return Poll::Ready(Ok(0)),
            Fault::NeedsRuntime => drop(tokio::runtime::Handle::current()),
            _ => {}
        }
        self.waits_to_send = true;
        ready!(self.sender.poll_reserve(cx)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.waits_to_send = false;
        let mut message = Vec::new();
        for slice in bytes {
            let room = MESSAGE - message.len();
            message.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let length = message.len();
        let sent = self.sender.send_item((message.into(), attachments.drain(..).collect()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.over |= self.fault == Fault::EndsBothDirections;
        if self.fault != Fault::TellsNoEnd {
            self.sender.close();
        }
        Poll::Ready(Ok(()))
    }

    fn sends_on_any_task(&self) -> bool {
        true
    }

    fn has_peer_closed(&self) -> bool {
        self.fault == Fault::IsClosedFromTheStart
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        (self.fault != Fault::HasNoKind).then(|| AttachmentKind::of::<usize>("a number"))
    }
}

async fn check(fault: Fault) {
    check_transport(async || pair(fault)).await;
    let number = |attachment: Attachment| *attachment.downcast_ref::<usize>().unwrap();
    let attachment = |n: usize| Arc::new(n) as Attachment;
    check_attachments(async || pair(fault), attachment, number).await;
}

#[tokio::test(start_paused = true)]
async fn a_good_transport_passes() {
    check(Fault::None).await;
}

/// What the check of a transport with a fault says.
fn failure(fault: Fault) -> String {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let checked = std::thread::spawn(move || runtime.block_on(check(fault))).join();
    let failed = checked.expect_err("a fault should be found");
    let text = failed.downcast_ref::<String>().cloned();
    text.or_else(|| failed.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

#[test]
fn each_fault_is_named() {
    let faults = [
        (Fault::ForgetsWhoWaits, "taking turns: both sides wait, as when a wake-up was lost"),
        (Fault::TakesNothing, "poll_send should take at least one byte"),
        (Fault::ClearsTheBuffer, "poll_receive should leave what is in the buffer already"),
        (Fault::Miscounts, "poll_receive should say how many bytes it has appended"),
        (Fault::TurnsBytesAround, "bytes should arrive as they were sent, and in order"),
        (Fault::TellsNoEnd, "ending one direction: both sides wait"),
        (Fault::TellsTheEndOnce, "both sides wait"),
        (Fault::EndsBothDirections, "poll_receive should not tell an end that is not there"),
        (Fault::WaitsForBoth, "sending in both directions at once: both sides wait"),
        (Fault::NeedsRuntime, "should not need a runtime's"),
        (Fault::IsClosedFromTheStart, "has_peer_closed should not be true from the start"),
        (Fault::LosesAttachments, "attachments should arrive with the first byte of theirs"),
        (Fault::TurnsAttachmentsAround, "attachments should arrive in order"),
        (Fault::HasNoKind, "should have an attachment_kind"),
    ];
    for (fault, expected) in faults {
        let said = failure(fault);
        assert!(said.contains(expected), "{expected:?} was expected, and it said {said:?}");
    }
}
