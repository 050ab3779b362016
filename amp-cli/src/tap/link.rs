//! One connection of a client, and the one to the server behind it.

use amp_core::Report;
use bytes::BytesMut;
use std::cell::RefCell;
use std::io;
use std::iter::repeat_with;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::join;

use super::saving::{Saved, Saving};
use super::view::View;
use super::wire::Wire;
use crate::watching::{Conversation, Side};

/// How many bytes are received at once.
const CHUNK: usize = 64 * 1024;

/// Two sides, each of which hears what the other one says.
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) client: Wire,
    pub(super) server: Wire,
    pub(super) saving: Option<Saving>,
    pub(super) view: Rc<RefCell<View>>,
}

impl Link {
    /// Passes everything on until both sides have said all.
    pub(super) async fn run(self) {
        let conversation = RefCell::new(Conversation::new());
        let (there, back) = join!(
            self.pass(Side::Client, &self.client, &self.server, &conversation),
            self.pass(Side::Server, &self.server, &self.client, &conversation),
        );
        let mut view = self.view.borrow_mut();
        for (from, passed) in [(Side::Client, there), (Side::Server, back)] {
            if let Err(error) = passed {
                let what = format!("from the {}: {}", from.name(), Report::new(&error));
                view.note(self.number, &what);
            }
        }
        view.closed(self.number, &conversation.borrow());
    }

    async fn pass(
        &self,
        from: Side,
        source: &Wire,
        target: &Wire,
        conversation: &RefCell<Conversation>,
    ) -> io::Result<()> {
        let (mut buffer, mut descriptors) = (BytesMut::new(), Vec::new());
        loop {
            buffer.clear();
            buffer.reserve(CHUNK);
            let received = source.receive(&mut buffer, &mut descriptors).await;
            let ended = match received {
                Ok(received) => received == 0,
                // The other side hears of that as of any end.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
                Err(error) => {
                    let _ = target.shut_down().await;
                    return Err(error);
                }
            };
            if ended {
                let _ = target.shut_down().await;
                return Ok(());
            }
            let saved = self.save(from, &descriptors, conversation).await;
            // It goes on its way first. But whoever answers must not be heard before it was looked at,
            // so there is nothing to wait for in between.
            let sent = target.try_send(&buffer, &descriptors).await;
            self.look(from, &buffer, &descriptors, saved, conversation);
            let sent = match sent {
                Ok(Some(sent)) if sent == buffer.len() => Ok(()),
                Ok(Some(sent)) => target.send(&buffer[sent..], &[]).await,
                Ok(None) => target.send(&buffer, &descriptors).await,
                Err(error) => Err(error),
            };
            descriptors.clear();
            match sent {
                Ok(()) => {}
                // Nobody listens any more, which the other direction hears of.
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) => {
                    let _ = source.shut_down().await;
                    let _ = target.shut_down().await;
                    return Err(error);
                }
            }
        }
    }

    /// Copies the files of descriptors, as they are before whoever gets them can change them.
    async fn save(
        &self,
        from: Side,
        descriptors: &[OwnedFd],
        conversation: &RefCell<Conversation>,
    ) -> Vec<Saved> {
        let Some(saving) = &self.saving else { return Vec::new() };
        let first = conversation.borrow_mut().descriptors(from);
        let mut saved = Vec::with_capacity(descriptors.len());
        for (ordinal, descriptor) in (first..).zip(descriptors) {
            saved.push(saving.save(self.number, from, ordinal, descriptor).await);
        }
        saved
    }

    fn look(
        &self,
        from: Side,
        bytes: &[u8],
        descriptors: &[OwnedFd],
        saved: Vec<Saved>,
        conversation: &RefCell<Conversation>,
    ) {
        let conversation = &mut conversation.borrow_mut();
        let mut view = self.view.borrow_mut();
        let saved = saved.into_iter().chain(repeat_with(|| Saved::NoFile));
        for (descriptor, saved) in descriptors.iter().zip(saved) {
            view.take_descriptor(self.number, from, descriptor, saved, conversation);
        }
        view.take(self.number, from, bytes, conversation);
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
