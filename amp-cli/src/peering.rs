//! A peer, and what is known of it: what all that connect have in common.

use amp_core::schema::Schema;
use amp_core::{Peer, Reflect, Responders, WireLog};
use clap::{Args, ValueEnum};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

use crate::address::Address;
use crate::ask::{Ask, failure_of, not_in_time};
use crate::config::{Config, Profile};
use crate::connecting::Connecting;
use crate::duration::duration;
use crate::exit::{self, Failure};
use crate::line::{Line, log_in};
use crate::mistake::Mistake;
use crate::rules::Rules;
use crate::schemas;
use crate::tls::Side;

/// How long an answer may take, and connecting, unless another time is asked for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whom to talk to, and what is known of it.
#[derive(Args, Debug)]
pub(crate) struct Peering {
    /// The peer: `unix:PATH`, `unix:@ABSTRACT`, `tcp:HOST:PORT`, `tls:HOST:PORT`, `exec:PROGRAM`,
    /// `pipes:READ,WRITE`, or a name that `ampctl.toml` has
    #[arg(value_name = "PEER")]
    pub(crate) peer: String,
    /// Where the schema of what the peer answers is: a file, or `git:REVISION:PATH`; may be given more
    /// than once
    #[arg(long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Where the schema of what the peer calls is, if that is another one
    #[arg(long = "peer-schema", value_name = "SCHEMA")]
    pub(crate) peer_schemas: Vec<String>,
    /// Asks the peer for its schema first
    #[arg(long)]
    pub(crate) reflect: bool,
    /// How long an answer may take: `500ms`, `2m`; 10s unless it is said
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Answers what the peer calls by these rules, as `ampctl serve` does
    #[arg(long, value_name = "RULES")]
    pub(crate) respond: Option<PathBuf>,
    /// Makes the calls in this file first, a line of JSON for each, as `ampctl session` reads them: a
    /// login
    #[arg(long, value_name = "FILE")]
    pub(crate) before: Option<PathBuf>,
    /// Shows `(hidden)` in place of the values with this key; may be given more than once
    #[arg(long = "hide", value_name = "KEY")]
    pub(crate) hidden: Vec<String>,
    /// Says on standard error which boxes are sent and received
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Whether what is printed for people has colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(flatten)]
    pub(crate) connecting: Connecting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn is_wanted(self) -> bool {
        let no_color = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => io::stdout().is_terminal() && !no_color(),
        }
    }
}

/// What is known of a peer before it is connected to, and all of it has been read.
pub(crate) struct Known {
    pub(crate) address: Address,
    pub(crate) schema: Arc<Schema>,
    /// Whether the schema is all that there is, so that a command that it does not have is a mistake.
    pub(crate) has_schema: bool,
    /// Of what the peer calls.
    pub(crate) peer_schema: Arc<Schema>,
    pub(crate) rules: Option<Rules>,
    pub(crate) timeout: Duration,
    pub(crate) hidden: Vec<String>,
    connecting: Connecting,
    connect_timeout: Duration,
    reflects: bool,
    /// The calls of a login, and where each was written: before the schema is known, and after.
    before: Vec<(String, Line)>,
    logins: Vec<Ask>,
    verbose: bool,
}

impl Peering {
    /// A peer that is asked for its schema, and for nothing else.
    pub(crate) fn reflecting(peer: &str, schemas: &[String], connecting: &Connecting) -> Self {
        Self {
            peer: peer.to_owned(),
            schemas: schemas.to_owned(),
            peer_schemas: Vec::new(),
            reflect: true,
            timeout: None,
            respond: None,
            before: None,
            hidden: Vec::new(),
            verbose: false,
            color: Color::Auto,
            connecting: connecting.clone(),
        }
    }

    pub(crate) fn known(&self) -> Result<Known, Mistake> {
        let profile = profile_of(&self.peer)?;
        let Profile { schema, peer_schema, hide, reflect, timeout, respond, before, .. } = &profile;
        let address: Address = profile.address.parse().map_err(Mistake::new)?;
        let timeout = self.timeout.map_or_else(|| time("timeout", timeout.as_deref()), Ok)?;
        let (connecting, connect_timeout) = connecting(&self.connecting, &profile)?;
        let schemas = if self.schemas.is_empty() { schema } else { &self.schemas };
        let schema = schemas::load_all(schemas)?;
        let peer_schemas =
            if self.peer_schemas.is_empty() { peer_schema } else { &self.peer_schemas };
        let schema = Arc::new(schema);
        let peer_schema = if peer_schemas.is_empty() {
            schema.clone()
        } else {
            Arc::new(schemas::load_all(peer_schemas)?)
        };
        let rules = self.respond.as_ref().or(respond.as_ref());
        let rules = rules.map(|path| Rules::load(path, &peer_schema)).transpose()?;
        let reflects = self.reflect || *reflect;
        let has_schema = reflects || !schemas.is_empty();
        let before = self.before.as_ref().or(before.as_ref()).map(|path| lines_of(path));
        let mut before = before.transpose()?.unwrap_or_default();
        // What is wrong is said before anything is sent, where the schema is known by then.
        let logins = if reflects {
            Vec::new()
        } else {
            asks(std::mem::take(&mut before), &schema, has_schema)?
        };
        let hidden = self.hidden.iter().chain(hide).cloned().collect();
        let verbose = self.verbose;
        Ok(Known {
            address,
            schema,
            has_schema,
            peer_schema,
            rules,
            timeout,
            hidden,
            connecting,
            connect_timeout,
            reflects,
            before,
            logins,
            verbose,
        })
    }
}

impl Known {
    /// Whether the schema is known only once the peer was asked for it.
    pub(crate) fn reflects(&self) -> bool {
        self.reflects
    }

    /// Connects, with what answers the calls of the peer; learns its schema, and logs in, if that was
    /// asked for.
    pub(crate) async fn connect(&mut self, responders: Responders) -> Result<Peer, Failure> {
        let log = self.verbose.then(|| {
            let hidden = self.hidden.iter().chain(self.secrets());
            WireLog::new().hide(hidden).to(|_, line| {
                let _ = writeln!(io::stderr(), "ampctl: {line}");
            })
        });
        let within = self.connect_timeout;
        let peer = self.connecting.peer(&self.address, within, responders, log).await?;
        if self.reflects {
            self.schema = Arc::new(self.reflect(&peer).await?);
            self.logins = asks(std::mem::take(&mut self.before), &self.schema, true)?;
        }
        for ask in std::mem::take(&mut self.logins) {
            log_in(ask, &peer, self.timeout).await?;
        }
        Ok(peer)
    }

    /// Keys whose values the schemas say are not to be shown.
    fn secrets(&self) -> impl Iterator<Item = &String> {
        let commands = self.schema.commands().chain(self.peer_schema.commands());
        commands.flat_map(|(_, command)| &command.secrets)
    }

    /// What the peer says that it answers.
    async fn reflect(&self, peer: &Peer) -> Result<Schema, Failure> {
        let reflected = timeout(self.timeout, peer.call_remote(Reflect)).await;
        let reflected = reflected.map_err(|_| not_in_time(self.timeout))?;
        let text = reflected.map_err(|error| failure_of(&error, None))?.schema;
        let read = text.parse::<Schema>();
        let read = read.map_err(|error| Failure::new(exit::NO_FIT, format!("_Schema: {error}")))?;
        let mut schema = Schema::clone(&self.schema);
        schema.merge(read).map_err(|twice| {
            Mistake::new(format!("the peer and --schema have different commands {twice:?}"))
        })?;
        Ok(schema)
    }
}

/// What `ampctl.toml` says of the peer, or an address.
pub(crate) fn profile_of(peer: &str) -> Result<Profile, Mistake> {
    if peer.contains(':') {
        Ok(Profile { address: peer.to_owned(), ..Profile::default() })
    } else {
        Config::profile(peer)
    }
}

/// How to connect, and how long that may take. Flags count before what the profile says.
pub(crate) fn connecting(
    given: &Connecting,
    profile: &Profile,
) -> Result<(Connecting, Duration), Mistake> {
    let mut connecting = given.clone();
    connecting.wait |= profile.wait;
    connecting.route = connecting.route.or_else(|| profile.route.clone());
    let tls = &mut connecting.tls;
    tls.tls |= profile.tls;
    if tls.start_tls.is_none()
        && let Some(side) = &profile.start_tls
    {
        let wrong = |_| {
            Mistake::new(format!("start-tls: {side:?} is no side: it is client, server or auto"))
        };
        tls.start_tls = Some(Side::from_str(side, true).map_err(wrong)?);
    }
    let Profile { ca, cert, key, server_name, no_verify, .. } = profile;
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
    let within = match connecting.connect_timeout {
        Some(timeout) => timeout,
        None => time("connect-timeout", profile.connect_timeout.as_deref())?,
    };
    Ok((connecting, within))
}

fn time(option: &str, said: Option<&str>) -> Result<Duration, Mistake> {
    let read = said.map_or(Ok(TIMEOUT), duration);
    read.map_err(|error| Mistake::new(format!("{option}: {error}")))
}

/// The calls in a file, a line for each, and where each is.
fn lines_of(path: &Path) -> Result<Vec<(String, Line)>, Mistake> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Mistake::new(format!("--before: cannot read {shown}: {error}")))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !Line::is_empty(line));
    let lines = lines.map(|(at, line)| {
        let place = format!("{shown}:{}", at + 1);
        let parsed = Line::parse(line).map_err(|mistake| mistake.at(&place));
        parsed.map(|line| (place, line))
    });
    lines.collect()
}

fn asks(
    lines: Vec<(String, Line)>,
    schema: &Schema,
    has_schema: bool,
) -> Result<Vec<Ask>, Mistake> {
    let asks = lines
        .into_iter()
        .map(|(place, line)| line.ask(schema, has_schema).map_err(|mistake| mistake.at(&place)));
    asks.collect()
}
