//! Services as responders.

use std::error::Error;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use tower_service::Service;

use crate::command::Command;
use crate::responder::{Context, Responders};

impl<S: Send + Sync + 'static> Responders<S> {
    /// Adds a service as the responder for the command `C`. Its request is a pair of the context and the command, which other
    /// responders get as arguments.
    ///
    /// Each call has a clone of its own, and waits until it is ready. An error of the service is answered as the
    /// [`Failure`](crate::Failure) that is made of it. So it keeps its code if the command declares it, even if tower's
    /// middleware has boxed it.
    ///
    /// ```
    /// use amp_core::{Command, Context, NoError, Responders};
    /// use tower::{ServiceBuilder, service_fn};
    ///
    /// #[derive(Command)]
    /// struct Compact {}
    ///
    /// async fn compact(_: (Context, Compact)) -> Result<(), NoError> {
    ///     Ok(())
    /// }
    ///
    /// // One at a time.
    /// let one = ServiceBuilder::new().concurrency_limit(1).service(service_fn(compact));
    /// let responders = Responders::new(()).service::<Compact, _>(one);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn service<C, V>(self, service: V) -> Self
    where
        C: Command,
        V: Service<(Context<S>, C), Response = C::Response> + Clone + Send + 'static,
        V::Error: Into<Box<dyn Error + Send + Sync>>,
        V::Future: Send,
    {
        let service = Mutex::new(service);
        self.try_respond(move |context, command: C| {
            let mut service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                Ok(service.call((context, command)).await?)
            }
        })
    }
}
