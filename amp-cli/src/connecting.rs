//! Connecting to a peer, before the first call.

use amp_core::router::{RouteName, Router};
use amp_core::tls::StartTls;
use amp_core::{CallError, Connection, Peer, Report, Responders, WireLog};
use clap::{Args, ValueEnum};
use std::io;
use std::time::Duration;
use tokio::time::timeout;

use crate::address::Address;
use crate::config::Profile;
use crate::duration::duration;
use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::stream::{Stream, connect};
use crate::tls::{Tls, TlsSide};

/// The time that an answer may take, and connecting, unless another time is asked for.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Connecting {
    /// How long connecting may take, TLS included; 10s unless it is said
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Waits for a peer that does not listen yet, as long as connecting may take
    #[arg(long)]
    pub(crate) wait: bool,
    /// Speaks on this route of the peer's, and receives on one of the same name
    #[arg(long, value_name = "NAME", conflicts_with = "start_tls")]
    pub(crate) route: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

impl Connecting {
    /// The flags, and which of them were given.
    pub(crate) fn flags(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let Self { connect_timeout, wait, route, tls } = self;
        [
            ("--connect-timeout", connect_timeout.is_some()),
            ("--wait", *wait),
            ("--route", route.is_some()),
        ]
        .into_iter()
        .chain(tls.flags())
    }

    /// How to connect, and how long that may take. Flags count before what the profile says.
    pub(crate) fn with(&self, profile: &Profile) -> Result<(Self, Duration), Mistake> {
        let mut connecting = self.clone();
        connecting.wait |= profile.wait;
        connecting.route = connecting.route.or_else(|| profile.route.clone());
        let tls = &mut connecting.tls;
        tls.tls |= profile.tls;
        if tls.start_tls.is_none()
            && let Some(side) = &profile.start_tls
        {
            let wrong = |_| {
                Mistake::new(format!(
                    "start-tls: {side:?} is no side: it is client, server or auto"
                ))
            };
            tls.start_tls = Some(TlsSide::from_str(side, true).map_err(wrong)?);
        }
        let Profile { ca, cert, key, server_name, no_verify, .. } = profile;
        if cert.is_none() && key.is_some() {
            return Err(Mistake::new("key: it belongs to a cert, which is not there"));
        }
        if ca.is_some() && *no_verify {
            return Err(Mistake::new("ca and no-verify: which certificates count is said twice"));
        }
        if tls.ca.is_none() && !tls.no_verify {
            tls.ca.clone_from(ca);
            tls.no_verify = *no_verify && ca.is_none();
        }
        if tls.cert.is_none() {
            tls.cert.clone_from(cert);
            tls.key.clone_from(key);
        }
        if tls.server_name.is_none() {
            tls.server_name.clone_from(server_name);
        }
        if connecting.tls.start_tls.is_some() && connecting.tls.tls {
            return Err(Mistake::new(
                "tls and start-tls: the connection begins with TLS, or starts it",
            ));
        }
        if connecting.tls.start_tls.is_some() && connecting.route.is_some() {
            return Err(Mistake::new("route and start-tls: TLS cannot be started on a route"));
        }
        let within = match connecting.connect_timeout {
            Some(timeout) => timeout,
            None => time("connect-timeout", profile.connect_timeout.as_deref())?,
        };
        Ok((connecting, within))
    }

    /// Returns whether nothing but bytes travels, whatever the address is.
    pub(crate) fn is_bytes_alone(&self) -> bool {
        self.route.is_some() || self.tls.tls || self.tls.start_tls.is_some()
    }

    /// A stream on which nothing was said yet, but TLS from the start.
    pub(crate) async fn stream(
        &self,
        address: &Address,
        within: Duration,
    ) -> Result<Stream, Failure> {
        let role = self.tls.at_once(address)?;
        let connected = async {
            let stream = connect(address, self.wait, within).await?;
            match role {
                None => Ok(stream),
                Some(role) => stream.protected(role).await,
            }
        };
        timeout(within, connected).await.unwrap_or_else(|_| Err(late(address, within)))
    }

    /// A peer, with what answers its calls, and perhaps a log of its boxes. Where TLS is started under way,
    /// calls are answered from then on: in clear text anybody on the way could call.
    pub(crate) async fn peer(
        &self,
        address: &Address,
        within: Duration,
        responders: Responders,
        log: Option<WireLog>,
    ) -> Result<Peer, Failure> {
        if address.takes_stdout() {
            let what = "standard output is for what is printed; a peer may have pipes:3,4";
            return Err(Mistake::new(format!("{address}: {what}")).into());
        }
        let under_way = self.tls.under_way(address)?;
        let stream = self.stream(address, within).await?;
        let connection = stream.connection().and_then(|connection| match &self.route {
            None => Ok(connection),
            Some(name) => on_route(connection, name),
        });
        let connection = connection.map_err(|error| {
            let error = Report::new(&error);
            Failure::new(exit::NO_CONNECTION, format!("cannot connect to {address}: {error}"))
        })?;
        let connection = match log {
            None => connection,
            Some(log) => connection.wire_log(log),
        };
        let Some(role) = under_way else { return Ok(connection.responders(responders).spawn()) };
        let peer = connection.spawn();
        let start = peer.start_tls(StartTls, role).responders(responders);
        let started = timeout(within, start).await;
        started.map_err(|_| late(address, within))?.map_err(|error| not_started(&error))?;
        Ok(peer)
    }
}

fn late(address: &Address, within: Duration) -> Failure {
    let said = format!("cannot connect to {address}: no connection within {within:?}");
    Failure::new(exit::NO_CONNECTION, said)
}

/// A time that an option or a profile has said, or the usual one.
pub(crate) fn time(option: &str, said: Option<&str>) -> Result<Duration, Mistake> {
    let read = said.map_or(Ok(TIMEOUT), duration);
    read.map_err(|error| Mistake::new(format!("{option}: {error}")))
}

/// A conversation on the route of this name, on both sides.
pub(crate) fn on_route(connection: Connection, name: &str) -> io::Result<Connection> {
    let router = Router::from(connection);
    let name = RouteName::from(name);
    let route = router.routes().bind(&name)?.connect_to(name)?;
    tokio::spawn(router.run());
    Ok(Connection::with_transport(route))
}

fn not_started(error: &CallError) -> Failure {
    Failure::new(exit::NO_CONNECTION, format!("TLS was not started: {}", Report::new(error)))
}
