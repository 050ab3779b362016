//! What each call does, and whether it was answered rightly.

use amp_core::{AmpBox, CallError, Peer};
use amp_probe::load::{AnyError, Repeated};
use amp_unix::Descriptor;
use bytes::Bytes;
use std::fs::File;
use std::io;

use crate::commands::{ECHO_BOX, EchoLists, EchoScalars, FileSize, Point, Size, Sum, Total};

/// What each call does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// Adds two integers.
    Sum,
    /// Sends so many bytes there and back.
    Echo { bytes: usize },
    /// Hands over a file descriptor.
    Fd,
    /// Sends a box of so many pairs there and back.
    Pairs { pairs: usize },
    /// Sends a list of so many boxes there and back.
    List { elements: usize },
}

impl Work {
    /// The name of what it does, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Echo { .. } => "echo",
            Self::Fd => "fd",
            Self::Pairs { .. } => "pairs",
            Self::List { .. } => "list",
        }
    }

    /// How many bytes, pairs or elements a call sends, where that was to be said.
    pub(crate) fn units(self) -> Option<usize> {
        match self {
            Self::Sum | Self::Fd => None,
            Self::Echo { bytes: units }
            | Self::Pairs { pairs: units }
            | Self::List { elements: units } => Some(units),
        }
    }
}

/// How many kinds of values, of files and so on there are. Callers take turns with them, so that
/// an answer that reaches another caller, or a descriptor that reaches another call, is found out.
const KINDS: usize = 16;

/// What the calls of a load send, made once.
pub(crate) enum Load {
    Sum,
    Echo(Vec<Bytes>),
    Fd(Vec<Descriptor>),
    Pairs(Vec<(Vec<(String, String)>, AmpBox)>),
    List(Vec<Vec<Point>>),
}

impl Load {
    pub(crate) fn new(work: Work) -> Result<Self, AnyError> {
        Ok(match work {
            Work::Sum => Self::Sum,
            Work::Echo { bytes } => Self::Echo(texts(bytes)),
            Work::Fd => {
                let files = (0..KINDS).map(|kind| file(kind).map(Descriptor::from));
                Self::Fd(files.collect::<io::Result<_>>()?)
            }
            Work::Pairs { pairs } => Self::Pairs(
                (0..KINDS)
                    .map(|kind| {
                        let pairs = named_pairs(kind, pairs);
                        AmpBox::from_pairs(pairs.iter().map(|(key, value)| (key, value)))
                            .map(|ampbox| (pairs, ampbox))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Work::List { elements } => {
                Self::List((0..KINDS).map(|kind| points(kind, elements)).collect())
            }
        })
    }
}

impl Repeated for Load {
    async fn call(&self, peer: &Peer, caller: usize, count: u64) -> Result<(), AnyError> {
        let kind = caller % KINDS;
        match self {
            Self::Sum => {
                let (a, b) = (i64::try_from(caller)?, i64::try_from(count % 100)?);
                let Total { total } = peer.call_remote(Sum { a, b }).await?;
                check(total == a + b, || format!("{a} + {b} is not {total}"))
            }
            Self::Echo(texts) => {
                let sent = &texts[kind];
                let echo = EchoScalars { string: Some(sent.clone()) };
                let EchoScalars { string } = peer.call_remote(echo).await?;
                check(string.as_ref() == Some(sent), || "the bytes are not those sent".to_owned())
            }
            Self::Fd(files) => {
                let file = files[kind].clone();
                let Size { size } = peer.call_remote(FileSize { file }).await?;
                check(size == size_of_kind(kind), || {
                    format!("a file of {} bytes has not {size}", size_of_kind(kind))
                })
            }
            Self::Pairs(boxes) => {
                let (pairs, sent) = &boxes[kind];
                let pairs = pairs.iter().map(|(key, value)| (key, value));
                let answer = peer.call_by_name(ECHO_BOX, pairs).await?;
                check(answer == *sent, || "the box is not the one sent".to_owned())
            }
            Self::List(lists) => {
                let sent = &lists[kind];
                let echo = EchoLists { points: Some(sent.clone()) };
                let EchoLists { points } = peer.call_remote(echo).await?;
                check(points.as_ref() == Some(sent), || "the list is not the one sent".to_owned())
            }
        }
    }
}

fn check(right: bool, wrong: impl FnOnce() -> String) -> Result<(), AnyError> {
    if right { Ok(()) } else { Err(format!("a wrong answer: {}", wrong()).into()) }
}

/// Each kind begins at another place of the same bytes, which are so held once: at the beginning of
/// a line of the cache, because a copy from elsewhere takes longer.
fn texts(bytes: usize) -> Vec<Bytes> {
    const APART: usize = 64;
    let all: Bytes = (b' '..=b'~').cycle().take(bytes + KINDS * APART).collect();
    (0..KINDS).map(|kind| all.slice(kind * APART..).slice(..bytes)).collect()
}

fn file(kind: usize) -> io::Result<File> {
    let file = tempfile::tempfile()?;
    file.set_len(size_of_kind(kind))?;
    Ok(file)
}

fn size_of_kind(kind: usize) -> u64 {
    1000 + kind as u64
}

fn named_pairs(kind: usize, pairs: usize) -> Vec<(String, String)> {
    (0..pairs).map(|n| (format!("key{n:05}"), format!("value{}", n + kind))).collect()
}

#[allow(clippy::cast_possible_wrap, reason = "a list has a few thousand elements")]
fn points(kind: usize, elements: usize) -> Vec<Point> {
    (0..elements).map(|n| Point { x: (n + kind) as i64, y: 0.5 }).collect()
}

/// What to tell somebody whose server does not know a command.
pub(crate) fn explain(error: AnyError, work: Work) -> AnyError {
    let unhandled = error.downcast_ref::<CallError>().is_some_and(CallError::is_unhandled);
    if !unhandled {
        return error;
    }
    format!(
        "{}; the server has to answer the command of --work {}: see commands.rs",
        amp_core::Report::new(&*error),
        work.name()
    )
    .into()
}
