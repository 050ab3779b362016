//! Calls that go to whichever server has the least to do.

use amp_core::reconnect::{Backoff, Client, Connector};
use amp_core::tower::{ClientService, NamedRequest, TypedCalls};
use amp_core::{AmpBox, CallError, Command, tcp};
use std::future::{Future, Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::retry::Policy;
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// How many calls wait for a server at once, before their callers have to wait.
const WAITING: usize = 64;

/// Calls of any command, to any of the servers.
#[derive(Clone)]
pub(crate) struct Calls {
    service: TypedCalls<BoxCloneService<NamedRequest, AmpBox, BoxError>>,
    clients: Vec<Client>,
    repeated: Arc<AtomicU64>,
}

impl Calls {
    pub(crate) fn to<'a>(addresses: impl Iterator<Item = &'a str>) -> Self {
        let clients: Vec<_> = addresses.map(client).collect();
        // A client is ready while it is connected, so the balancer leaves out those that are not.
        // The load of one is the number of calls that it waits for.
        let services = clients.iter().map(|client| {
            let service = ClientService::new(client.clone());
            PendingRequests::new(service, CompleteOnResponse::default())
        });
        let services: Vec<_> = services.collect();
        let balance = Balance::new(ServiceList::new::<NamedRequest>(services));
        let repeated = Arc::default();
        let service = ServiceBuilder::new()
            .boxed_clone()
            .timeout(Duration::from_secs(10))
            .retry(RepeatLost { left: 5, repeated: Arc::clone(&repeated) })
            // A balancer cannot be cloned; what stands before its buffer can.
            .buffer(WAITING)
            .service(balance);
        Self { service: TypedCalls::new(service), clients, repeated }
    }

    /// Makes a call.
    pub(crate) fn call<C: Command>(
        &self,
        command: C,
    ) -> impl Future<Output = Result<C::Response, BoxError>> + Send + use<C> {
        self.service.clone().oneshot(command)
    }

    /// How many times a call was sent again.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    pub(crate) async fn close(&self) {
        for client in &self.clients {
            client.close().await;
        }
    }
}

/// A client whose connection comes back. Its calls fail at once while there is none: the next
/// server is nearer than the next connection.
fn client(address: &str) -> Client {
    let address: Arc<str> = address.into();
    let shown = Arc::clone(&address);
    let backoff =
        Backoff::default().base(Duration::from_millis(20)).cap(Duration::from_millis(200));
    Connector::new(move || {
        let address = Arc::clone(&address);
        async move { tcp::connect(&*address).await }
    })
    .address(shown)
    .backoff(backoff)
    .spawn()
}

/// Sends a call again whose connection was lost, if its command is idempotent.
#[derive(Clone)]
struct RepeatLost {
    left: u32,
    repeated: Arc<AtomicU64>,
}

impl Policy<NamedRequest, AmpBox, BoxError> for RepeatLost {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut NamedRequest,
        result: &mut Result<AmpBox, BoxError>,
    ) -> Option<Ready<()>> {
        let error = result.as_ref().err()?.downcast_ref::<CallError>()?;
        let lost = matches!(error, CallError::Closed(_) | CallError::NotConnected(_));
        if !lost || self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.repeated.fetch_add(1, Ordering::Relaxed);
        Some(ready(()))
    }

    fn clone_request(&mut self, call: &NamedRequest) -> Option<NamedRequest> {
        call.is_idempotent.then(|| call.clone())
    }
}
