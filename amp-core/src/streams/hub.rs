//! The streams of one connection, by their numbers.

use std::any::Any;
use std::collections::BTreeMap;
use std::mem::take;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::held::Holding;
use super::on_their_way::OnTheirWay;
use super::receive::Receive;
use super::sending::Sending;
use super::wire::{self, Window};
use crate::connection::Peer;
use crate::proto::Limits;
use crate::responder::Own;

/// How many attachments of items may be on their way to this side at most, whatever its limits are.
const MOST_ATTACHMENTS: usize = 128;

/// The streams of one connection. It is made for the first of them.
///
/// A number that is even was given out by who sends the items, and one that is odd by who receives
/// them: so one table for each end is enough, for the numbers of both sides.
pub(super) struct Hub {
    tables: Mutex<Tables>,
    limits: Limits,
    holding: Arc<Holding>,
    on_their_way: OnTheirWay,
}

#[derive(Default)]
struct Tables {
    // In the order of their numbers, which is that in which they are told of the end.
    sending: BTreeMap<u64, Arc<Sending>>,
    receiving: BTreeMap<u64, Arc<dyn Receive>>,
    /// How many numbers this side has given out.
    given_out: u64,
}

impl Hub {
    /// The streams of the peer's connection.
    pub(super) fn of(peer: &Peer) -> Arc<Self> {
        let shared = peer.shared();
        let own = shared.own.get_or_init(|| {
            shared.with(|state| state.core.set_own(wire::is_own));
            let limits = shared.settings.limits;
            let holding = Arc::new(Holding::new(&limits, shared.settings.together.clone()));
            let (tables, on_their_way) = (Mutex::default(), OnTheirWay::default());
            Arc::new(Own(Arc::new(Self { tables, limits, holding, on_their_way })))
        });
        let own = Arc::clone(own).downcast::<Own>().expect("streams alone are a connection's own");
        let hub: Arc<dyn Any + Send + Sync> = Arc::clone(&own.0) as _;
        hub.downcast().expect("streams alone are a connection's own")
    }

    /// How much the peer may send of one stream before the first of it is taken.
    pub(super) fn window(&self) -> Window {
        let Limits { unclaimed_attachments, attachments_in_all, .. } = self.limits;
        let attachments =
            (unclaimed_attachments / 2).min(attachments_in_all / 4).min(MOST_ATTACHMENTS);
        let Limits { stream_items, stream_bytes, .. } = self.limits;
        Window { items: stream_items.max(1), bytes: stream_bytes, attachments }
    }

    pub(super) fn holding(&self) -> &Arc<Holding> {
        &self.holding
    }

    /// The attachments of items that this side sends.
    pub(super) fn on_their_way(&self) -> &OnTheirWay {
        &self.on_their_way
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Gives out a number for a stream that this side sends.
    pub(super) fn send(&self, sending: Arc<Sending>) -> Result<u64, String> {
        let mut tables = self.lock();
        let number = self.next_number(&mut tables)?;
        tables.sending.insert(number, sending);
        Ok(number)
    }

    /// Gives out a number for a stream that this side receives.
    pub(super) fn receive(&self, receiving: Arc<dyn Receive>) -> Result<u64, String> {
        let mut tables = self.lock();
        let number = self.next_number(&mut tables)? + 1;
        tables.receiving.insert(number, receiving);
        Ok(number)
    }

    /// Takes a stream that the peer sends and has given this number.
    pub(super) fn take_stream(
        &self,
        number: u64,
        receiving: Arc<dyn Receive>,
    ) -> Result<(), String> {
        let mut tables = self.lock();
        self.check(&tables, tables.receiving.contains_key(&number), number)?;
        tables.receiving.insert(number, receiving);
        Ok(())
    }

    /// Takes a stream that the peer receives and has given this number.
    pub(super) fn take_sink(&self, number: u64, sending: Arc<Sending>) -> Result<(), String> {
        let mut tables = self.lock();
        self.check(&tables, tables.sending.contains_key(&number), number)?;
        tables.sending.insert(number, sending);
        Ok(())
    }

    /// Forgets this one, unless another one has its number.
    pub(super) fn forget_sending(&self, number: u64, sending: &Arc<Sending>) {
        let mut tables = self.lock();
        let is_it = tables.sending.get(&number).is_some_and(|other| Arc::ptr_eq(other, sending));
        let forgotten = if is_it { tables.sending.remove(&number) } else { None };
        drop(tables);
        drop(forgotten);
    }

    /// As [`forget_sending`](Self::forget_sending), of one that receives.
    pub(super) fn forget_receiving<R>(&self, number: u64, receiving: *const R) {
        let mut tables = self.lock();
        let other = tables.receiving.get(&number);
        let is_it = other.is_some_and(|other| ptr::addr_eq(Arc::as_ptr(other), receiving));
        let forgotten = if is_it { tables.receiving.remove(&number) } else { None };
        drop(tables);
        drop(forgotten);
    }

    fn next_number(&self, tables: &mut Tables) -> Result<u64, String> {
        let number = tables.given_out * 2;
        self.check(tables, false, number)?;
        tables.given_out += 1;
        Ok(number)
    }

    fn check(&self, tables: &Tables, taken: bool, number: u64) -> Result<(), String> {
        let limit = self.limits.streams;
        if taken {
            return Err(format!("there is a stream {number} already"));
        }
        if tables.sending.len() + tables.receiving.len() >= limit {
            return Err(format!(
                "there are {limit} streams, which is the limit (`Limits::streams`)"
            ));
        }
        Ok(())
    }

    /// No panic can leave the tables half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sending(&self, number: u64) -> Option<Arc<Sending>> {
        self.lock().sending.get(&number).cloned()
    }

    pub(super) fn receiving(&self, number: u64) -> Option<Arc<dyn Receive>> {
        self.lock().receiving.get(&number).cloned()
    }

    /// Takes all streams, as the connection has ended.
    pub(super) fn take_all(&self) -> (Vec<Arc<Sending>>, Vec<Arc<dyn Receive>>) {
        let mut tables = self.lock();
        let (sending, receiving) = (take(&mut tables.sending), take(&mut tables.receiving));
        drop(tables);
        (sending.into_values().collect(), receiving.into_values().collect())
    }
}
