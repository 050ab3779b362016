use bytes::{Bytes, BytesMut};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

use crate::argument::budget::LEAST;
use crate::argument::{EncodeError, Proto};
use crate::boxes::{AmpBox, BoxLimits, BoxWriter};
use crate::command::{Command, NoError, read_arguments};
use crate::error::CallError;

/// A call by its name, with its arguments as they are on the wire: one request for all commands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NamedRequest {
    /// The name of the command.
    pub command: Bytes,
    /// The arguments, without the protocol's own keys.
    pub arguments: AmpBox,
    /// True if the call may be sent again when its connection was lost before the answer came: see
    /// [`Command::IS_IDEMPOTENT`].
    pub is_idempotent: bool,
}

impl NamedRequest {
    /// Creates a call that is sent once.
    pub fn new(command: impl Into<Bytes>, arguments: AmpBox) -> Self {
        Self { command: command.into(), arguments, is_idempotent: false }
    }

    /// Lets the call be sent again when its connection was lost before the answer came.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// Creates a call of a typed command.
    ///
    /// # Errors
    ///
    /// When an argument cannot be written, or cannot be written without a connection, such as a descriptor.
    pub fn of<C: Command>(command: &C) -> Result<Self, EncodeError> {
        // How large a box may be is for the connection to say that it is sent over.
        const NO_LIMITS: BoxLimits = BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX };
        let mut bytes = BytesMut::new();
        let mut writer = BoxWriter::new(&mut bytes);
        Proto::detached(|proto| command.write_to(&mut writer, proto))?;
        writer.end()?;
        let arguments = AmpBox::parse(&mut bytes.freeze(), NO_LIMITS)?;
        let command = Bytes::from_static(C::NAME.as_bytes());
        Ok(Self { command, arguments, is_idempotent: C::IS_IDEMPOTENT })
    }
}

/// Typed calls through a service of calls by name. So one service, such as a balancer, can be for all commands.
///
/// It fails with the errors of `S`. A [`CallError`] among them becomes one of the command that was called,
/// `CallError<C::Error>`, and can be downcast to that.
#[derive(Clone, Debug)]
pub struct TypedCalls<S> {
    service: S,
    decoded_bytes: usize,
}

impl<S> TypedCalls<S> {
    /// Creates a service of typed calls through `service`.
    pub fn new(service: S) -> Self {
        Self { service, decoded_bytes: LEAST }
    }

    /// Sets how much memory the decoded contents of one answer may take: see
    /// [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes), which has the same default. The limits of the
    /// connection do not apply here: it has read the box of the answer, but not decoded it.
    #[must_use]
    pub fn decoded_bytes(self, decoded_bytes: usize) -> Self {
        Self { decoded_bytes, ..self }
    }
}

impl<S, C> Service<C> for TypedCalls<S>
where
    C: Command,
    S: Service<NamedRequest, Response = AmpBox>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| typed::<C>(error.into()))
    }

    fn call(&mut self, command: C) -> Self::Future {
        let call = match NamedRequest::of(&command) {
            Ok(call) => self.service.call(call),
            Err(error) => {
                let error = CallError::<C::Error>::Encode(error);
                return Box::pin(std::future::ready(Err(error.into())));
            }
        };
        let decoded_bytes = self.decoded_bytes;
        Box::pin(async move {
            let ampbox = call.await.map_err(|error| typed::<C>(error.into()))?;
            Proto::detached_within(decoded_bytes, |proto| read_arguments(&ampbox, proto))
                .map_err(|error| CallError::<C::Error>::Decode(error).into())
        })
    }
}

/// Returns the error of a call by name as one of the command's.
fn typed<C: Command>(error: Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
    match error.downcast::<CallError<NoError>>() {
        Ok(error) => match *error {
            CallError::Remote(error) => CallError::<C::Error>::of(error, C::NAME.as_bytes()).into(),
            other => other.widen::<C::Error>().into(),
        },
        Err(other) => other,
    }
}
