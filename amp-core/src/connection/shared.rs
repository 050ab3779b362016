//! What the driver, the callers and the responders of one connection share.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use super::answered;
use super::drained::Drained;
use super::line::Stream;
use super::polling::is_within_driver_of;
use super::settings::Settings;
use super::switched::Switched;
use super::transport::Transport;
use crate::argument::{AttachmentKind, Extensions, PeerAddress};
use crate::boxes::{AmpBox, BoxLimits};
use crate::error::CloseReason;
use crate::observing::{self, Measures, Side, Watch};
use crate::proto::{self, Body, BoxNumber, Core, Host, Parking, Public, Released};
use crate::sync::{AtomicU32, Mutex, MutexGuard, Notify, Ordering};

pub(crate) struct Shared {
    state: Mutex<State>,
    /// What the connection has made public, as it was when the state was last unlocked by
    /// [`Shared::with`].
    public: AtomicU32,
    /// The ordinal of the next attachment to be sent. Locked from the first attachment of a box
    /// until that box is queued, so that ordinals have the order of the wire. It is locked before
    /// `state`, never while that is locked.
    pub(super) next_ordinal: Mutex<u64>,
    pub(crate) attachment_kind: Option<AttachmentKind>,
    pub(super) id: u64,
    pub(crate) address: PeerAddress,
    pub(crate) extensions: Extensions,
    pub(crate) measures: Measures,
    pub(crate) settings: Settings,
    /// How large a box may be that is sent.
    boxes: BoxLimits,
    /// Where the connection was started. It has the timers of calls, which may be polled anywhere.
    pub(crate) runtime: Handle,
    /// The handle of the connection, by which arguments make a [`Peer`](super::Peer). Its type is not
    /// named here, since it has this.
    pub(super) handle: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// What answers calls of the connection's own, beside its responders, once there is something. Its
    /// type is not named here, since it knows connections.
    pub(crate) own: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// Notified when no more calls can be made.
    pub(super) refusing: Notify,
    /// Notified when the connection has ended, or goes on over another transport.
    pub(super) changed: Notify,
}

pub(crate) struct State {
    pub(crate) core: Core<Waker, Hosted>,
    /// The driver while it waits, and the stream that it leaves to callers.
    pub(super) parking: Parking<Waker, Stream>,
    /// The locator that answers from the next call on, when it was replaced. `None` once the
    /// connection has ended: it may hold a [`Peer`](super::Peer), and that this. Its type is not
    /// named here, since it knows connections.
    pub(super) new_locator: Option<Arc<dyn Any + Send + Sync>>,
}

/// What the core of a connection keeps for it.
pub(crate) enum Hosted {}

impl Host for Hosted {
    type After = After;
    type Successor = Successor;
    type Upgrade = Upgrade;
    type Switched = Switched;
    type Discard = Discard;
}

/// What follows a switch that both sides have agreed to.
pub(crate) type Then = proto::Then<Hosted>;

/// Makes another transport out of the stream of a connection: TLS.
pub(crate) type Upgrade = Box<dyn FnOnce(Switched) -> Upgrading + Send>;

pub(crate) type Upgrading = Pin<Box<dyn Future<Output = Result<Upgraded, CloseReason>> + Send>>;

/// What an upgrade gives.
pub(crate) struct Upgraded {
    pub(crate) transport: Pin<Box<dyn Transport>>,
    /// Data of the connection from now on.
    pub(crate) data: Option<Arc<dyn Any + Send + Sync>>,
    /// What answers calls from now on, where that changes: a locator.
    pub(crate) locator: Option<Arc<dyn Any + Send + Sync>>,
}

/// What runs when an answer has been written.
pub(crate) type After = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What speaks on a connection after a protocol switch.
pub(crate) type Successor =
    Box<dyn FnOnce(Switched) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Reads an answer that nobody waits for, and drops it with all it claims.
pub(super) type Discard = fn(&Shared, &AmpBox, BoxNumber);

impl Shared {
    pub(super) fn new(
        settings: Settings,
        attachment_kind: Option<AttachmentKind>,
        transport_limits: BoxLimits,
        address: PeerAddress,
        extensions: Extensions,
        runtime: Handle,
    ) -> Self {
        let limits = settings.limits;
        let boxes = limits.boxes.and(transport_limits);
        let core = Core::hosted(limits, boxes, settings.together.clone());
        let mut core = core.with_policy(settings.policy);
        let public = core.poll_public().unwrap_or_default();
        let state = State { core, parking: Parking::default(), new_locator: None };
        Self {
            state: Mutex::new(state),
            public: AtomicU32::new(public.bits()),
            next_ordinal: Mutex::default(),
            attachment_kind,
            id: observing::next_id(),
            address,
            extensions,
            measures: Measures::new(),
            settings,
            boxes,
            runtime,
            handle: OnceLock::new(),
            own: OnceLock::new(),
            refusing: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// The one way to change the state. Then what the connection wants is made public, the driver is
    /// woken if it waits and there is something for it to do, and so are those whom the change
    /// concerns; and what the change has let go is dropped.
    ///
    /// No code of a user runs in there, wakers and log subscribers included: it might come back here.
    /// What is to be dropped is returned. Only at the end of a connection are wakers cloned there, of those who
    /// wait for answers.
    #[inline]
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        if answered::wait_of(self.id) {
            answered::queue(&mut state.core);
        }
        let result = change(&mut state);
        if !state.core.concerns_nobody(state.parking.situation()) {
            self.tell(state);
        }
        result
    }

    /// Changes what the driver leaves with the state, by a look at the core. Only the driver does, so that is
    /// at work: nothing is to be made public, and nobody to be woken.
    #[inline]
    pub(super) fn with_parking<R>(
        &self,
        change: impl FnOnce(&Core<Waker, Hosted>, &mut Parking<Waker, Stream>) -> R,
    ) -> R {
        self.queue_answers();
        let State { core, parking, .. } = &mut *self.lock();
        change(core, parking)
    }

    /// Looks at the state and changes nothing, so there is nothing to be made public, and nobody to be
    /// woken.
    #[inline]
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.queue_answers();
        look(&self.lock())
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the call with this tag with the next change of the core on this thread, where that comes at once:
    /// while the driver begins responders. `false` if it is to be answered as any other, by a change of its own.
    #[inline]
    pub(crate) fn answer_soon(self: &Arc<Self>, tag: &[u8], body: &mut Body) -> bool {
        // The threads of a model are one of the system's, and would queue each other's.
        if cfg!(modelled) || !is_within_driver_of(self) || self.public().any(Public::EVENTFUL) {
            return false;
        }
        let mut are_enough = false;
        let waits = answered::wait(self.id, |answers| {
            let added = answers.add(tag, body, self.boxes);
            are_enough = answers.are_enough(&self.settings.limits);
            added
        });
        if waits && are_enough {
            self.queue_answers();
        }
        waits
    }

    /// Queues the answers that wait on this thread, and what comes of that is made public.
    #[inline]
    pub(super) fn queue_answers(&self) {
        if answered::wait_of(self.id) {
            self.with(|_| ());
        }
    }

    /// Tells all whom the last change concerns, and drops what it has let go, with nothing locked.
    #[inline(never)]
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        if let Some(public) = state.core.poll_public() {
            self.public.store(public.bits(), Ordering::SeqCst);
        }
        let State { core, parking, .. } = &mut *state;
        let driver = parking.take_wanted(core);
        let released = core.take_released();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        if let Some(released) = released {
            self.release(*released);
        }
    }

    #[cold]
    fn release(&self, mut released: Released<Waker, Hosted>) {
        released.callers.drain(..).for_each(Waker::wake);
        if released.refuses {
            self.refusing.notify_waiters();
        }
        if released.changed {
            self.changed.notify_waiters();
        }
        let count = released.unclaimed.len();
        if count > 0 {
            tracing::debug!(count, "dropped attachments that nothing has claimed");
        }
    }

    /// What the core has made public, as far as is known without a lock.
    #[inline]
    pub(super) fn public(&self) -> Public {
        Public::from_bits(self.public.load(Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(super) fn is_unlocked(&self) -> bool {
        self.state.try_lock().is_ok()
    }

    /// Watches a call from its beginning: see [`Watch::new`].
    #[inline]
    pub(crate) fn watch(&self, side: Side, command: &[u8], known: bool) -> Watch {
        Watch::new(side, command, known, self.id, &self.address, &self.measures)
    }

    /// A timer, also outside of a runtime.
    pub(super) fn sleep(&self, after: Duration) -> Pin<Box<Sleep>> {
        let _entered = self.runtime.enter();
        Box::pin(sleep(after))
    }

    /// Begins to close, unless that has begun for another reason.
    pub(crate) fn close(&self, reason: &CloseReason) {
        self.with(|state| state.core.close(reason.clone()));
    }

    /// Closes once the running responders have answered, or this time is over. The first time that
    /// is given counts.
    pub(crate) fn drain(&self, within: Duration) {
        self.with(|state| state.core.drain(within));
    }

    /// What a graceful end has come to, once it has begun.
    pub(crate) fn drained(&self) -> Drained {
        Drained { cut_off: self.peek(|state| state.core.cut_off()) }
    }

    /// The connection has ended: everything that waits for it is told so. The reason is the first
    /// one there was.
    pub(super) fn end(&self, reason: CloseReason) -> CloseReason {
        let (ended, released) = self.with(|state| {
            let ended = state.core.handle_end(reason);
            observing::outliving::add(ended.1);
            (ended, (state.new_locator.take(), std::mem::take(&mut state.parking)))
        });
        drop(released);
        #[cfg(feature = "metrics")]
        observing::outliving::report(ended.1);
        let (reason, _) = ended;
        reason
    }

    /// Lets these responders answer from the next call on. Where `by_late` is false, whoever asks for that may be
    /// anybody once another transport is being made, and it is not done: then this is false.
    pub(crate) fn replace_locator(
        &self,
        locator: Arc<dyn Any + Send + Sync>,
        by_late: bool,
    ) -> bool {
        // The one that is not needed is dropped after the lock has been released.
        let mut dropped = Some(locator);
        self.with(|state| {
            let switch = state.core.switch();
            if !by_late && (switch.is_upgrading() || switch.has_upgraded()) {
                return false;
            }
            if state.core.end().over().is_none() {
                std::mem::swap(&mut state.new_locator, &mut dropped);
                state.core.tell_news();
            }
            true
        })
    }

    /// Resolves when the connection has ended, to the reason.
    pub(crate) async fn closed(&self) -> CloseReason {
        seen(&self.changed, || self.over()).await
    }

    /// Why the connection has ended, once it has.
    pub(crate) fn over(&self) -> Option<CloseReason> {
        self.peek(|state| state.core.end().over().cloned())
    }
}

/// Looks now, and whenever those who wait are told, until there is something to be seen.
pub(crate) async fn seen<T>(told: &Notify, look: impl Fn() -> Option<T>) -> T {
    loop {
        // From before the look on, so that nothing is missed that comes in between.
        let told = told.notified();
        if let Some(seen) = look() {
            return seen;
        }
        told.await;
    }
}
