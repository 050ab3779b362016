//! The command line.

use amp_probe::Address;
use amp_probe::load::AnyError;
use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::work::Work;

pub(crate) const USAGE: &str = "\
usage: load                      a moment of each work, over both kinds of address
       load serve ADDRESS        run a server, until Ctrl-C
       load call ADDRESS         load a server
       load run [ADDRESS]        both, as two processes; over a Unix socket if not said otherwise
       load raw                  tasks that call with no protocol, which is the limit; --work sum or fd,
                                 --in-flight, --seconds and --runtime
       load streams              streams, beside calls and the socket alone; both sides in one process

ADDRESS is unix:PATH or tcp:HOST:PORT.

What a call does:
  --work sum                     add two integers; this is the default
  --work echo [--bytes N]        send N bytes there and back, 0 to 65535; 60000 by default
  --work fd                      hand over a file descriptor; Unix sockets only
  --work pairs [--pairs N]       send a box of N pairs there and back, 1 to 10000; 100 by default
  --work list [--elements N]     send a list of N boxes there and back, 1 to 3000; 100 by default

How it is called:
  --in-flight N                  calls at once on each connection, 1 to 65535; 1 by default
  --connections N                1 by default
  --one-task                     all callers of a connection on one task, as join_all has them; on
                                 tasks of their own if not said
  --paced                        one more caller, who calls every millisecond
  --seconds S                    how long it is measured; 5 by default
  --warm-up S                    how long it is called before that; 0.5 by default
  --runtime mt|ct                tokio's multi-thread or current-thread runtime; mt by default

What is said:
  --json                         one line of JSON instead of a report
  --progress                     say each second how it goes, even if that is not to a terminal";

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Help,
    Check,
    Streams,
    Raw { address: Option<Address>, options: Options },
    Serve { address: Address, runtime: Runtime },
    Call { address: Address, options: Options },
    Run { address: Option<Address>, options: Options },
}

/// How to load a server.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Options {
    pub(crate) work: Work,
    /// On each connection.
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
    pub(crate) one_task: bool,
    pub(crate) paced: bool,
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) runtime: Runtime,
    pub(crate) json: bool,
    pub(crate) progress: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            work: Work::Sum,
            in_flight: 1,
            connections: 1,
            one_task: false,
            paced: false,
            duration: Duration::from_secs(5),
            warm_up: Duration::from_millis(500),
            runtime: Runtime::default(),
            json: false,
            progress: false,
        }
    }
}

impl Options {
    /// The words of the command line that give these options.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--work={}", self.work.name()),
            format!("--in-flight={}", self.in_flight),
            format!("--connections={}", self.connections),
            format!("--seconds={}", self.duration.as_secs_f64()),
            format!("--warm-up={}", self.warm_up.as_secs_f64()),
            format!("--runtime={}", self.runtime.name()),
        ];
        match self.work {
            Work::Sum | Work::Fd => {}
            Work::Echo { bytes } => words.push(format!("--bytes={bytes}")),
            Work::Pairs { pairs } => words.push(format!("--pairs={pairs}")),
            Work::List { elements } => words.push(format!("--elements={elements}")),
        }
        let flags = [
            (self.one_task, "--one-task"),
            (self.paced, "--paced"),
            (self.json, "--json"),
            (self.progress, "--progress"),
        ];
        words.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned()));
        words
    }
}

/// One of tokio's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) enum Runtime {
    #[default]
    #[serde(rename = "mt")]
    MultiThread,
    #[serde(rename = "ct")]
    CurrentThread,
}

impl Runtime {
    fn name(self) -> &'static str {
        match self {
            Self::MultiThread => "mt",
            Self::CurrentThread => "ct",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MultiThread => "multi-thread",
            Self::CurrentThread => "current-thread",
        })
    }
}

impl FromStr for Runtime {
    type Err = AnyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mt" => Ok(Self::MultiThread),
            "ct" => Ok(Self::CurrentThread),
            _ => Err(format!("--runtime is mt or ct, not {text:?}").into()),
        }
    }
}

/// Reads the arguments of the command line, without the program's name.
pub(crate) fn parse<I>(arguments: I) -> Result<Action, AnyError>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = Parser::from_args(arguments);
    match parser.next()? {
        None => Ok(Action::Check),
        Some(Short('h') | Long("help")) => Ok(Action::Help),
        Some(Value(word)) if word == "streams" => match parser.next()? {
            None => Ok(Action::Streams),
            Some(other) => Err(other.unexpected().into()),
        },
        Some(Value(word)) if word == "raw" => {
            let (address, options) = parse_load(parser)?;
            if !matches!(options.work, Work::Sum | Work::Fd) {
                return Err("raw has --work sum and fd alone".into());
            }
            Ok(Action::Raw { address, options })
        }
        Some(Value(word)) if word == "serve" => parse_serve(parser),
        Some(Value(word)) if word == "call" => match parse_load(parser)? {
            (Some(address), options) => Ok(Action::Call { address, options }),
            (None, _) => Err("call needs an address".into()),
        },
        Some(Value(word)) if word == "run" => {
            let (address, options) = parse_load(parser)?;
            Ok(Action::Run { address, options })
        }
        Some(_) => Err("say first what to do: serve, call or run".into()),
    }
}

fn parse_serve(mut parser: Parser) -> Result<Action, AnyError> {
    let mut address = None;
    let mut runtime = Runtime::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("runtime") => runtime = text(&mut parser)?.parse()?,
            Value(word) if address.is_none() => address = Some(word.string()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let address = address.ok_or("serve needs an address")?;
    Ok(Action::Serve { address, runtime })
}

fn parse_load(mut parser: Parser) -> Result<(Option<Address>, Options), AnyError> {
    let mut address: Option<Address> = None;
    let mut work = "sum".to_owned();
    let mut units = Units::default();
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("work") => work = text(&mut parser)?,
            Long("bytes") => units.bytes = Some(number(&mut parser, "--bytes", 0..=65_535)?),
            Long("pairs") => units.pairs = Some(number(&mut parser, "--pairs", 1..=10_000)?),
            Long("elements") => units.elements = Some(number(&mut parser, "--elements", 1..=3000)?),
            Long("in-flight") => {
                options.in_flight = number(&mut parser, "--in-flight", 1..=65_535)?;
            }
            Long("connections") => {
                options.connections = number(&mut parser, "--connections", 1..=100_000)?;
            }
            Long("one-task") => options.one_task = true,
            Long("paced") => options.paced = true,
            Long("seconds") => options.duration = seconds(&mut parser, "--seconds", 0.01)?,
            Long("warm-up") => options.warm_up = seconds(&mut parser, "--warm-up", 0.0)?,
            Long("runtime") => options.runtime = text(&mut parser)?.parse()?,
            Long("json") => options.json = true,
            Long("progress") => options.progress = true,
            Value(value) if address.is_none() => address = Some(value.string()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    options.work = units.of(&work)?;
    if options.work == Work::Fd && address.as_ref().is_some_and(|at| !at.carries_descriptors()) {
        return Err("--work fd needs a Unix socket: TCP carries no file descriptors".into());
    }
    Ok((address, options))
}

/// How much of it a call sends, where that was said.
#[derive(Default)]
struct Units {
    bytes: Option<usize>,
    pairs: Option<usize>,
    elements: Option<usize>,
}

impl Units {
    fn of(self, work: &str) -> Result<Work, AnyError> {
        let Self { bytes, pairs, elements } = self;
        let given = [
            (bytes.is_some(), "--bytes", "echo"),
            (pairs.is_some(), "--pairs", "pairs"),
            (elements.is_some(), "--elements", "list"),
        ];
        if let Some((_, option, its)) = given.iter().find(|(given, _, its)| *given && *its != work)
        {
            return Err(format!("{option} is for --work {its}, not {work}").into());
        }
        match work {
            "sum" => Ok(Work::Sum),
            "echo" => Ok(Work::Echo { bytes: bytes.unwrap_or(60_000) }),
            "fd" => Ok(Work::Fd),
            "pairs" => Ok(Work::Pairs { pairs: pairs.unwrap_or(100) }),
            "list" => Ok(Work::List { elements: elements.unwrap_or(100) }),
            _ => Err(format!("--work is sum, echo, fd, pairs or list, not {work:?}").into()),
        }
    }
}

fn text(parser: &mut Parser) -> Result<String, lexopt::Error> {
    parser.value()?.string()
}

fn number(
    parser: &mut Parser,
    option: &str,
    range: RangeInclusive<usize>,
) -> Result<usize, AnyError> {
    let text = text(parser)?;
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            let (from, to) = (range.start(), range.end());
            Err(format!("{option} is a number from {from} to {to}, not {text:?}").into())
        }
    }
}

fn seconds(parser: &mut Parser, option: &str, least: f64) -> Result<Duration, AnyError> {
    /// A day.
    const MOST: f64 = 86_400.0;
    let text = text(parser)?;
    match text.parse() {
        Ok(seconds) if (least..=MOST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("{option} is seconds from {least} to {MOST}, not {text:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(line: &str) -> String {
        parse(line.split_whitespace()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_given_to_another_process_is_read_as_it_was() {
        let line = "run --work echo --bytes 0 --in-flight 3 --connections 2 --one-task --paced --seconds 0.5 \
                    --warm-up 0 --runtime ct --json --progress";
        let Ok(Action::Run { address: None, options }) = parse(line.split_whitespace()) else {
            panic!("not read");
        };
        assert_ne!(options, Options::default());
        let address = Address::Tcp("localhost:1".to_owned());
        let words = ["call".to_owned(), address.to_string()].into_iter().chain(options.words());
        assert_eq!(parse(words).unwrap(), Action::Call { address, options });
    }

    #[test]
    fn mistakes_are_named() {
        for (line, expected) in [
            ("call", "call needs an address"),
            ("serve", "serve needs an address"),
            ("--json", "say first what to do: serve, call or run"),
            ("call there", "an address is unix:PATH or tcp:HOST:PORT, not \"there\""),
            ("run unix:a unix:b", "unexpected argument \"unix:b\""),
            ("serve unix:a --json", "invalid option '--json'"),
            ("run --work", "missing argument for option '--work'"),
            ("run --work nothing", "--work is sum, echo, fd, pairs or list, not \"nothing\""),
            (
                "run --work fd tcp:a:1",
                "--work fd needs a Unix socket: TCP carries no file descriptors",
            ),
            ("raw --work echo", "raw has --work sum and fd alone"),
            ("run --bytes 1", "--bytes is for --work echo, not sum"),
            ("run --in-flight 0", "--in-flight is a number from 1 to 65535, not \"0\""),
            ("run --seconds NaN", "--seconds is seconds from 0.01 to 86400, not \"NaN\""),
            ("run --runtime st", "--runtime is mt or ct, not \"st\""),
        ] {
            assert_eq!(mistake(line), expected, "{line}");
        }
    }
}
