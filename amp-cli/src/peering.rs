//! A peer, and what is known of it: what all that connect have in common.

use amp_core::schema::Schema;
use amp_core::{Peer, Reflect, Responders, WireLog};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::address::Address;
use crate::ask::{Ask, failure_of, not_in_time};
use crate::called::Calls;
use crate::config::Profile;
use crate::connecting::{Connecting, time};
use crate::duration::duration;
use crate::exit::{self, Failure};
use crate::hide::{DESCRIPTION, Hidden};
use crate::line::{Line, log_in};
use crate::mistake::Mistake;
use crate::opening::{Inputs, Opening};
use crate::printing::tell;
use crate::rules::Rules;
use crate::running::say_farewell;
use crate::schemas;
use crate::trust;

/// Whom to talk to, and what is known of it.
#[derive(Args, Debug)]
pub(crate) struct PeerOptions {
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
    /// Shows `(hidden)` in place of the values with this key, as of those that a schema calls secret; may
    /// be given more than once
    ///
    /// What `--verbose` says of boxes is not looked into where it is JSON or compressed: name that argument too.
    #[arg(long = "hide", value_name = "KEY")]
    pub(crate) hidden: Vec<String>,
    /// Says on standard error which boxes are sent and received
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) connecting: Connecting,
}

/// A peer that can be connected to: all that is known of it before has been read.
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) schema: Arc<Schema>,
    /// Says whether the schema is all that there is, so that a command that it does not have is a mistake.
    pub(crate) has_schema: bool,
    /// Of what the peer calls.
    pub(crate) peer_schema: Arc<Schema>,
    rules: Option<Rules>,
    pub(crate) timeout: Duration,
    /// The keys that the user hides.
    pub(crate) hidden: Hidden,
    connecting: Connecting,
    connect_timeout: Duration,
    reflects: bool,
    /// The calls of a login, and where each was written.
    before: Vec<(String, Line)>,
    /// The sources of values that are in no line.
    pub(crate) inputs: Inputs,
    verbose: bool,
}

impl PeerOptions {
    /// The flags that are for whoever calls the peer, and which of them were given.
    pub(crate) fn flags_of_callers(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let Self { reflect, timeout, respond, before, verbose, connecting, .. } = self;
        [
            ("--reflect", *reflect),
            ("--timeout", timeout.is_some()),
            ("--respond", respond.is_some()),
            ("--before", before.is_some()),
            ("--verbose", *verbose),
        ]
        .into_iter()
        .chain(connecting.flags())
    }

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
            connecting: connecting.clone(),
        }
    }

    /// The peer as something to listen on, where TLS does not begin.
    pub(crate) fn listening(&self) -> Result<Target, Mistake> {
        let profile = Profile::of(&self.peer)?;
        let address: Address = profile.address.parse().map_err(Mistake::new)?;
        if address.is_tls() {
            let what = "--serve has no certificate to show: it is tcp:HOST:PORT";
            return Err(Mistake::new(format!("{address}: {what}")));
        }
        if address.takes_stdout() {
            return Err(Mistake::new(format!("{address}: standard output is for what is printed")));
        }
        // How it would be called does not matter.
        let Profile { schema, peer_schema, hide, .. } = profile;
        let profile =
            Profile { address: profile.address, schema, peer_schema, hide, ..Profile::default() };
        self.target_at(address, &profile, Inputs::default())
    }

    pub(crate) fn target(&self) -> Result<Target, Mistake> {
        self.target_reading(Inputs::default())
    }

    /// The target, whose values come from these inputs.
    pub(crate) fn target_reading(&self, inputs: Inputs) -> Result<Target, Mistake> {
        let profile = Profile::of(&self.peer)?;
        self.target_at(Address::of_peer(&profile.address)?, &profile, inputs)
    }

    fn target_at(
        &self,
        address: Address,
        profile: &Profile,
        inputs: Inputs,
    ) -> Result<Target, Mistake> {
        let Profile { schema, peer_schema, hide, reflect, timeout, respond, before, .. } = profile;
        let timeout = self.timeout.map_or_else(|| time("timeout", timeout.as_deref()), Ok)?;
        let (connecting, connect_timeout) = self.connecting.with(profile)?;
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
        let rules = given_or_named(self.respond.as_deref(), respond.as_deref());
        let hidden = Hidden::new(self.hidden.iter().chain(hide));
        let rules =
            rules.map(|(path, is_named)| Rules::load(path, is_named, &peer_schema, &hidden));
        let rules = rules.transpose()?;
        let reflects = self.reflect || *reflect;
        let has_schema = reflects || !schemas.is_empty();
        let before = given_or_named(self.before.as_deref(), before.as_deref());
        let before = before
            .map(|(path, is_named)| lines_of(path, is_named))
            .transpose()?
            .unwrap_or_default();
        let verbose = self.verbose;
        let target = Target {
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
            inputs,
            verbose,
        };
        if !reflects {
            target.check()?;
        }
        Ok(target)
    }
}

impl Target {
    /// Asks the peer for its schema, on a connection for that.
    pub(crate) async fn learn(&mut self) -> Result<(), Failure> {
        let learnt = self.connect(Responders::new(())).await?;
        say_farewell(&learnt).await;
        self.reflects = false;
        Ok(())
    }

    /// Returns whether the schema is known only once the peer was asked for it.
    pub(crate) fn reflects(&self) -> bool {
        self.reflects
    }

    /// Says what is wrong with a login and with rules, which takes the schema.
    fn check(&self) -> Result<(), Mistake> {
        for (place, line) in &self.before {
            let trial = self.ask(line, Opening::trial(&self.inputs));
            trial.map_err(|mistake| mistake.at(place))?;
        }
        self.rules.as_ref().map_or(Ok(()), |rules| rules.calls_are_of(&self.schema))
    }

    /// The call of a line, which the connection can carry.
    pub(crate) fn ask(&self, line: &Line, opening: Opening) -> Result<Ask, Mistake> {
        let ask = line.ask(&self.schema, self.has_schema, opening, &self.hidden)?;
        self.carries(&ask)?;
        Ok(ask)
    }

    /// Refuses a call whose descriptors the connection does not carry.
    pub(crate) fn carries(&self, ask: &Ask) -> Result<(), Mistake> {
        let why = match () {
            () if ask.descriptors == 0 => return Ok(()),
            () if !self.address.carries_descriptors() => {
                "descriptors are sent to unix:PATH and exec:PROGRAM"
            }
            () if self.connecting.is_bytes_alone() => "neither TLS nor a route carries descriptors",
            () => return Ok(()),
        };
        Err(Mistake::new(format!("{}: {why}", self.address)))
    }

    /// Connects, with what answers the calls of the peer, and learns its schema if that was asked for.
    /// Nothing else was sent by then.
    pub(crate) async fn connect(&mut self, responders: Responders) -> Result<Peer, Failure> {
        let log = self.verbose.then(|| {
            let log = WireLog::new().to(|line| tell(line.text));
            log.hide(self.hidden_in_the_log())
        });
        let within = self.connect_timeout;
        let peer = self.connecting.peer(&self.address, within, responders, log.clone()).await?;
        if self.reflects {
            self.schema = Arc::new(self.reflect(&peer).await?);
            if let Some(log) = log {
                log.hide_from_now_on(self.hidden_in_the_log());
            }
            self.check()?;
        }
        Ok(peer)
    }

    /// Makes the calls that come before all others on a connection.
    pub(crate) async fn log_in(&self, peer: &Peer) -> Result<(), Failure> {
        for (place, line) in &self.before {
            let ask = self.ask(line, Opening::new(&self.inputs));
            let ask = ask.map_err(|mistake| mistake.at(place))?;
            let hidden = self.hidden_of(&ask.command);
            log_in(ask, peer, self.timeout, &hidden).await?;
        }
        Ok(())
    }

    /// Returns what answers the calls of the peer, each of which makes a line, if there is a place for them.
    pub(crate) fn calls(&self, lines: Option<mpsc::Sender<String>>) -> Calls {
        let (schema, rules) = (self.peer_schema.clone(), self.rules.clone());
        Calls { schema, rules, hidden: self.hidden.clone(), lines, held: None }
    }

    /// Returns what is not shown of a command that the peer answers.
    pub(crate) fn hidden_of(&self, command: &str) -> Hidden {
        self.hidden.and_secrets_of(self.schema.command(command))
    }

    /// What a log does not show. It does not look into descriptions, which may have such keys.
    fn hidden_in_the_log(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.hidden.keys().chain(self.secrets()).cloned().collect();
        keys.extend((!keys.is_empty()).then(|| DESCRIPTION.to_owned()));
        keys
    }

    /// Keys whose values the schemas say are not to be shown.
    fn secrets(&self) -> impl Iterator<Item = &String> {
        let commands = self.schema.commands().chain(self.peer_schema.commands());
        commands.flat_map(|(_, command)| command.secrets())
    }

    /// Asks the peer what it answers.
    async fn reflect(&self, peer: &Peer) -> Result<Schema, Failure> {
        let reflected = timeout(self.timeout, peer.call_remote(Reflect)).await;
        let reflected = reflected.map_err(|_| not_in_time(self.timeout))?;
        let text = reflected.map_err(|error| failure_of(&error))?.schema;
        let read = text.parse::<Schema>();
        let read = read.map_err(|error| Failure::new(exit::NO_FIT, format!("_Schema: {error}")))?;
        let mut schema = Schema::clone(&self.schema);
        schema.merge(read).map_err(|clash| {
            let what = "the peer and --schema have different commands";
            Mistake::new(format!("{what} {:?}", clash.command))
        })?;
        Ok(schema)
    }
}

/// A file that the user gives, or else one that a profile names, and which of them it is: nobody else may have
/// written that one any more than the profile, as it starts programs or opens files.
fn given_or_named<'a>(
    given: Option<&'a Path>,
    named: Option<&'a Path>,
) -> Option<(&'a Path, bool)> {
    given.map(|path| (path, false)).or_else(|| named.map(|path| (path, true)))
}

/// The calls in a file, a line for each, and where each is.
fn lines_of(path: &Path, is_named: bool) -> Result<Vec<(String, Line)>, Mistake> {
    let shown = path.display();
    let text = if is_named {
        trust::read_there(path)?
    } else {
        fs::read_to_string(path)
            .map_err(|error| Mistake::new(format!("--before: cannot read {shown}: {error}")))?
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !Line::is_empty(line));
    let lines = lines.map(|(at, line)| {
        let place = format!("{shown}:{}", at + 1);
        let parsed = Line::parse(line).map_err(|mistake| mistake.at(&place));
        parsed.map(|line| (place, line))
    });
    lines.collect()
}
