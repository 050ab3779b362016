use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use super::handshake::{Role, TIMEOUT, handshake, transport};
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter};
use crate::command::{Arguments, Command, CommandError, NoError, ProtocolSwitch};
use crate::connection::{Asks, Peer, Then, Upgrade, Upgraded};
use crate::error::{CallError, CloseReason};
use crate::keys;
use crate::responder::{Context, Failure, Locator, Responders};
use crate::schema::{BoxSchema, WireTypes};

/// Asks for TLS on a connection that began in clear text: Twisted's `StartTLS`.
///
/// [`Peer::start_tls`](crate::Peer::start_tls) calls it, and
/// [`Responders::respond_start_tls`](crate::Responders::respond_start_tls) answers it. A command
/// of your own that implements [`ProtocolSwitch`] can take its place, with another name and with
/// arguments.
///
/// Before TLS has started, anybody in between can read and change what is said, and can remove this call itself. If both
/// sides know that they want TLS, begin with it.
///
/// Anybody in between can call, too. So give a connection that is going to start TLS only the responders that may be
/// called in clear text, on both sides. The others come with TLS: by [`StartTlsCall::responders`] on the side that asks,
/// and by [`Agreement::responders`] on the side that answers.
///
/// A call that came before is answered like any other, and its responder may still run when the peer has shown its
/// certificates. These do not say who made that call. So its responder does not see them, however late it looks, neither
/// by its [`Context`](crate::Context) nor by the peer of that. See [`Peer::get`](crate::Peer::get).
#[doc(alias = "startTLS")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTls;

impl Arguments for StartTls {
    fn write_to(&self, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn schema(_: &mut WireTypes) -> BoxSchema {
        BoxSchema::new()
    }
}

impl Command for StartTls {
    const NAME: &'static str = keys::START_TLS;
    const DOCS: &'static str = "Asks for TLS on this connection.";
    const IS_SWITCH: bool = true;

    type Response = ();
    type Error = NoError;
}

impl ProtocolSwitch for StartTls {}

impl Peer {
    /// Asks for TLS on this connection, by [`StartTls`] or by a command of your own that extends it. Resolves when the
    /// handshake is done. From then on everything is sent protected, and the peer's certificates are data of the
    /// connection ([`PeerCertificates`](super::PeerCertificates)).
    ///
    /// `role` says whether this side is the client or the server in TLS. In Twisted the side that connected is the client,
    /// and the side that accepted is the server, whoever asks.
    ///
    /// Until the handshake is done, nothing else is sent: calls and answers wait, and are then sent protected. If the peer
    /// refuses, they are sent in clear text, and the connection goes on. A refusal is an error: close the connection if
    /// it must not go on unprotected. Attachments cannot be sent afterwards.
    ///
    /// The responders that the connection has until then answer anybody in between. Give those that are only for the peer
    /// to the call: [`StartTlsCall::responders`].
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Peer::call_remote). [`CallError::SwitchUnderWay`] during another switch, and
    /// [`CallError::TlsStarted`] the second time. If the handshake fails, the connection ends, and the error is
    /// [`CallError::Closed`] with [`CloseReason::Tls`].
    ///
    /// # Cancel safety
    ///
    /// Once the call is sent, the peer decides. If the future is dropped before the answer comes, and the peer agrees, the
    /// connection is closed.
    pub fn start_tls<C: ProtocolSwitch>(&self, command: C, role: Role) -> StartTlsCall<C::Error> {
        StartTlsCall { asks: self.upgrade(command), how: Some(Agreement::new(role)) }
    }
}

/// A call that asks for TLS. Await it to have the connection protected.
///
/// [`Peer::start_tls`](crate::Peer::start_tls) returns it, and describes its errors and its cancel safety.
#[must_use = "TLS is not asked for before this is awaited"]
pub struct StartTlsCall<E = NoError> {
    asks: Asks<'static, (), E>,
    /// `None` from the first poll on.
    how: Option<Agreement>,
}

impl<E> StartTlsCall<E> {
    /// Sets how long the peer may take to answer: see [`Call::timeout`](crate::Call::timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { asks: self.asks.timeout(timeout), ..self }
    }

    /// Sets how long the handshake may take once the peer has agreed. 10 seconds by default.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { how: self.how.map(|how| how.handshake_timeout(timeout)), ..self }
    }

    /// Sets the responders that answer calls from the handshake on, in place of those for clear text. Without a handshake,
    /// nothing changes. [`Agreement::responders`] does the same on the other side.
    ///
    /// With [`Connection::responders`](crate::Connection::responders), they would answer anybody in between, before the
    /// handshake has shown who the peer is.
    pub fn responders<S>(self, responders: Responders<S>) -> Self {
        Self { how: self.how.map(|how| how.responders(responders)), ..self }
    }
}

impl<E: CommandError> Future for StartTlsCall<E> {
    type Output = Result<(), CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let Self { asks, how } = &mut *self;
        if let Some(how) = how.take() {
            asks.set_switch(upgrading(how));
        }
        Pin::new(asks).poll(cx)
    }
}

impl<E> fmt::Debug for StartTlsCall<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTlsCall")
            .field("handshake_timeout", &self.how.as_ref().map(|how| how.handshake_timeout))
            .finish_non_exhaustive()
    }
}

/// The answer of a responder that agrees to TLS: whether this side is the client or the server, how long the handshake may
/// take, and which responders answer calls from the handshake on. A [`Role`] alone is enough.
///
/// ```
/// # use amp_core::Responders;
/// # use amp_core::tls::{Agreement, Role, StartTls};
/// # use std::time::Duration;
/// # fn f(role: Role) -> Responders {
/// Responders::new(()).respond_start_tls(move |_, _: StartTls| {
///     let role = role.clone();
///     async { Ok(Agreement::new(role).handshake_timeout(Duration::from_secs(30))) }
/// })
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it is for a responder to return"]
pub struct Agreement {
    role: Role,
    handshake_timeout: Duration,
    locator: Option<Arc<Locator>>,
}

impl Agreement {
    /// Creates an agreement to a handshake in this role, within 10 seconds.
    pub fn new(role: Role) -> Self {
        Self { role, handshake_timeout: TIMEOUT, locator: None }
    }

    /// Sets how long the handshake may take.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets the responders that answer calls from the handshake on, in place of those for clear text. Without a handshake,
    /// nothing changes.
    ///
    /// With [`Peer::replace_responders`](crate::Peer::replace_responders) in the responder, they would answer before the
    /// handshake has shown who the peer is.
    pub fn responders<S>(mut self, responders: Responders<S>) -> Self {
        self.locator = Some(responders.into_locator());
        self
    }
}

impl fmt::Debug for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agreement")
            .field("role", &self.role)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

impl From<Role> for Agreement {
    fn from(role: Role) -> Self {
        Self::new(role)
    }
}

impl<S: Send + Sync + 'static> Responders<S> {
    /// Adds a responder for [`StartTls`], or for a command of your own that extends it. It agrees to TLS by returning a
    /// [`Role`] or an [`Agreement`], and refuses by returning an error. The handshake may take 10 seconds, unless an
    /// [`Agreement`] says otherwise.
    ///
    /// TLS is started once on a connection. After that, such a call is answered with `UNKNOWN`. Without this responder, it
    /// is answered with `UNHANDLED`: there is no TLS without a certificate.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// use amp_core::Responders;
    /// use amp_core::tls::{self, ClientCertificates, Identity, Role, StartTls};
    ///
    /// let identity = Identity::from_pem(std::fs::read("server.pem")?)?;
    /// let config = tls::server_config(identity, ClientCertificates::NotAsked)?;
    /// let responders = Responders::new(()).respond_start_tls(move |_, _: StartTls| {
    ///     let config = config.clone();
    ///     async { Ok(Role::Server(config)) }
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn respond_start_tls<C, F, R, A>(self, responder: F) -> Self
    where
        C: ProtocolSwitch,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, C::Error>> + Send + 'static,
        A: Into<Agreement> + 'static,
    {
        self.switching(responder, |ended| ended.map(upgrading).map_err(Failure::Declared))
    }

    /// Adds a responder as [`respond_start_tls`](Responders::respond_start_tls) does. It may fail in the same ways as one
    /// of [`try_respond`](Responders::try_respond), and any failure refuses TLS.
    ///
    /// # Panics
    ///
    /// As [`respond`](Responders::respond).
    #[track_caller]
    pub fn try_respond_start_tls<C, F, R, A>(self, responder: F) -> Self
    where
        C: ProtocolSwitch,
        F: Fn(Context<S>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Failure<C::Error>>> + Send + 'static,
        A: Into<Agreement> + 'static,
    {
        self.switching(responder, |ended| ended.map(upgrading))
    }
}

fn upgrading(agreement: impl Into<Agreement>) -> Then {
    let Agreement { role, handshake_timeout, locator } = agreement.into();
    Then::Upgrade(upgrade(role, handshake_timeout, locator))
}

/// Makes a transport out of a stream in clear text. What was read behind the switch goes to the
/// TLS layer, and never to the boxes.
fn upgrade(role: Role, timeout: Duration, locator: Option<Arc<Locator>>) -> Upgrade {
    Box::new(move |stream| {
        Box::pin(async move {
            let shaken = handshake(stream, role, timeout).await;
            let (stream, certificates) =
                shaken.map_err(|error| CloseReason::Tls(Arc::new(error)))?;
            Ok(Upgraded {
                transport: Box::pin(transport(stream)),
                data: certificates.map(|certificates| Arc::new(certificates) as _),
                locator: locator.map(|locator| locator as _),
            })
        })
    })
}
