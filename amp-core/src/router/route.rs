use bytes::BytesMut;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::shared::RoutesHandle;
use super::table::{RouteId, check_length};
use super::wire::Labeller;
use super::{RouteError, RouteName};
use crate::argument::{Attachment, Extensions, PeerAddress};
use crate::boxes::BoxLimits;
use crate::connection::Transport;

/// The number of bytes that a route takes at once whose queue has room for nothing but the box that
/// is sent.
const PIECE: usize = 8 << 10;

/// A route that has a name on this side, and does not know yet where to send. Boxes for it are kept, within
/// [`RouterLimits::receive_queue`](field@super::RouterLimits::receive_queue).
///
/// Dropping it frees the name.
#[derive(Debug)]
#[must_use = "the name is given back when this is dropped"]
pub struct BoundRoute {
    binding: Binding,
    name: RouteName,
}

impl BoundRoute {
    pub(super) fn new(handle: RoutesHandle, id: RouteId, name: RouteName) -> Self {
        Self { binding: Binding { handle, id }, name }
    }

    /// Returns the name under which this side receives. The peer connects its end to this name.
    pub fn name(&self) -> &RouteName {
        &self.name
    }

    /// Sends to the route with the name `remote` on the peer's side. The two names may differ.
    ///
    /// # Errors
    ///
    /// When the name is over [`MAX_VALUE`](crate::boxes::MAX_VALUE) bytes.
    pub fn connect_to(self, remote: impl Into<RouteName>) -> Result<Route, RouteError> {
        let remote = remote.into();
        check_length(&remote)?;
        let Self { binding, name } = self;
        binding.handle.shared().lock().table.connect(binding.id);
        let labeller = Labeller::new(&remote);
        Ok(Route { binding, name, remote, labeller, labelled: BytesMut::new() })
    }
}

/// A conversation beside others on a connection: a [`Transport`], over which a
/// [`Connection`](crate::Connection) runs as over any other.
///
/// A connection that closes shuts its route down. Then the boxes that are queued are sent, and the name is free again. The
/// peer is not told, since AMP has no message for that. If the route is dropped instead, the boxes that are queued are lost.
///
/// It carries boxes and nothing else. Attachments are refused when they are encoded, and a protocol switch or `StartTLS`
/// ends the route with [`RouteError::NotBoxes`].
#[must_use = "the route ends when this is dropped"]
pub struct Route {
    binding: Binding,
    name: RouteName,
    remote: RouteName,
    labeller: Labeller,
    /// Boxes on their way from the labeller to the queue.
    labelled: BytesMut,
}

impl Route {
    /// Returns the name under which this side receives.
    pub fn name(&self) -> &RouteName {
        &self.name
    }

    /// Returns the name that this side sends to.
    pub fn remote_name(&self) -> &RouteName {
        &self.remote
    }
}

impl Transport for Route {
    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        _: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        let Binding { handle, id } = &self.binding;
        let (received, made_room) = {
            let mut state = handle.shared().lock();
            let was_full = state.table.is_full(*id);
            let received = state.table.poll_receive(*id, cx.waker(), buffer);
            (received, was_full && !state.table.is_full(*id))
        };
        if made_room {
            handle.shared().wake();
        }
        received
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        _: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        let Self { binding: Binding { handle, id }, labeller, labelled, .. } = &mut *self;
        let shared = handle.shared();
        let limit = {
            let mut state = shared.lock();
            ready!(state.table.poll_room(*id, cx.waker()))?;
            match state.table.limits.send_queue {
                0 => PIECE,
                limit => limit,
            }
        };
        let mut taken = 0;
        for slice in bytes {
            let part = slice.len().min(limit - taken);
            labeller.push(&slice[..part]);
            taken += part;
        }
        labeller.label(labelled).map_err(RouteError::NotBoxes)?;
        if !labelled.is_empty() {
            let driver = {
                let mut state = shared.lock();
                state.table.queue(*id, labelled)?;
                state.driver.take()
            };
            driver.into_iter().for_each(Waker::wake);
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.binding.handle.shared().lock().table.poll_flush(self.binding.id, cx.waker())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.binding.unbind();
        Poll::Ready(Ok(()))
    }

    /// A box that is larger would end the connection of all routes.
    fn box_limits(&self) -> BoxLimits {
        self.binding.handle.shared().lock().table.limits.boxes
    }

    fn has_peer_closed(&self) -> bool {
        self.binding.handle.shared().lock().table.has_ended(self.binding.id)
    }

    fn peer_address(&self) -> PeerAddress {
        self.binding.handle.shared().lock().address.clone()
    }

    fn data(&self) -> Extensions {
        self.binding.handle.shared().lock().data.clone()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .field("remote_name", &self.remote)
            .finish_non_exhaustive()
    }
}

/// A name that is bound, until this is dropped.
struct Binding {
    handle: RoutesHandle,
    id: RouteId,
}

impl Binding {
    fn unbind(&self) {
        let shared = self.handle.shared();
        let mut unbound = { shared.lock().table.unbind(self.id) };
        unbound.reader().into_iter().for_each(Waker::wake);
        // It may have been the last one to send something, or the one that the others wait for.
        shared.wake();
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        self.unbind();
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Binding").field(&self.id).finish()
    }
}
