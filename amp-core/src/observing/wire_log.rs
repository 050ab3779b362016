use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};
use tracing::Level;

use crate::argument::PeerAddress;
use crate::boxes::AmpBox;
use crate::keys;

/// The target of the lines.
const TARGET: &str = "amp_core::wire";

/// The number of bytes of a value that are shown.
const SHOWN: usize = 40;

/// A readable log of the boxes of a connection: one line for each that is sent or received, with
/// values shortened and the named arguments hidden.
///
/// ```
/// use amp_core::{Connection, WireLog};
///
/// # fn f(stream: tokio::io::DuplexStream) {
/// let connection =
///     Connection::new(stream).wire_log(WireLog::new().hide(["password", "digest"]));
/// # }
/// ```
///
/// ```text
/// sent call 1 LogIn name="alice" password=*** (12 bytes)
/// received answer 1 session="\x8f\x02" (2 bytes)
/// received one-way Note text="All work and no play makes Jack a dull b..." (4410 bytes)
/// received error 2 _error_code="UNKNOWN" _error_description="Unknown Error"
/// ```
///
/// A line has the direction, the kind of the box, its tag and its command, and then the other pairs in the order of the
/// wire. Bytes that are not text are escaped, and so are quotes and line ends, so each box is exactly one line. At most 40
/// bytes of a value are shown. If the value is longer, or is not text, its length follows.
///
/// The lines are `tracing` events of the level `TRACE` with the target `amp_core::wire`, a field
/// `peer` with the address, and the line as the message. [`to`](WireLog::to) gives them to a
/// function instead.
///
/// A received box is logged when it has been read as a whole, before it is acted upon. A sent box is logged when it is
/// handed to the transport. So a box that is never sent, because the connection ends, is not logged. A box whose
/// attachments the transport then refuses is logged, and an event says that they were refused. Nothing is logged after a
/// protocol switch.
#[derive(Clone, Default)]
#[must_use = "nothing is logged before a connection has the log"]
pub struct WireLog {
    /// Shared by all clones, so that a log can learn what to hide once connections have it.
    hidden: Arc<RwLock<BTreeSet<Vec<u8>>>>,
    to: Option<Arc<Lines>>,
}

/// A line of a [`WireLog`], as [`to`](WireLog::to) hands it on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WireLine<'a> {
    /// The address of the peer.
    pub peer: &'a PeerAddress,
    /// The line, without an end.
    pub text: &'a str,
}

type Lines = dyn Fn(WireLine<'_>) + Send + Sync;

impl WireLog {
    /// Creates a log in which nothing is hidden.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides the values of these arguments in all commands and responses. Only their lengths are shown.
    ///
    /// The parts of a value over several keys, `name.1` or `name.2`, are hidden with it. A list of boxes that has such an
    /// argument inside is hidden as a whole. Other values with a form of their own (JSON, compressed values, lists that are
    /// cut into parts) are not searched for them. If such a value holds a secret, name its argument too.
    pub fn hide<K: AsRef<[u8]>>(mut self, arguments: impl IntoIterator<Item = K>) -> Self {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.hidden = Arc::new(RwLock::new(hidden));
        self.hide_from_now_on(arguments);
        self
    }

    /// Hides the values of these arguments too, from now on and in all clones of this log. Use it if the peer says only
    /// later, when the connection has this log already, which arguments are secret.
    pub fn hide_from_now_on<K: AsRef<[u8]>>(&self, arguments: impl IntoIterator<Item = K>) {
        let names: Vec<_> = arguments.into_iter().map(|name| name.as_ref().to_vec()).collect();
        self.hidden.write().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Gives each line to a function rather than to `tracing`.
    ///
    /// It runs on the connection's own task, so it must not block. If it panics, the connection
    /// ends.
    pub fn to(mut self, lines: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        self.to = Some(Arc::new(lines));
        self
    }

    /// Logs boxes that were received.
    pub(crate) fn received(&self, peer: &PeerAddress, boxes: &[AmpBox]) {
        if self.is_read() {
            for ampbox in boxes {
                self.log("received", peer, ampbox.wire_bytes());
            }
        }
    }

    /// Logs boxes that are about to be sent. Their bytes are in parts, which may be cut anywhere.
    pub(crate) fn sent<'a>(&self, peer: &PeerAddress, parts: impl Iterator<Item = &'a [u8]>) {
        if self.is_read() {
            self.log("sent", peer, &parts.collect::<Vec<_>>().concat());
        }
    }

    fn is_read(&self) -> bool {
        self.to.is_some() || tracing::enabled!(target: TARGET, Level::TRACE)
    }

    fn log(&self, direction: &str, peer: &PeerAddress, mut boxes: &[u8]) {
        let mut pairs = Vec::new();
        while !boxes.is_empty() {
            if let Some(pair) = take_pair(&mut boxes) {
                pairs.push(pair);
                continue;
            }
            let line = {
                let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
                Line { direction, pairs: &pairs, hidden: &hidden }.to_string()
            };
            if let Some(lines) = &self.to {
                lines(WireLine { peer, text: &line });
            } else {
                tracing::trace!(target: TARGET, %peer, "{line}");
            }
            pairs.clear();
        }
    }
}

impl fmt::Debug for WireLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        let hidden: Vec<_> = hidden.iter().map(crate::argument::Shortened::new).collect();
        f.debug_struct("WireLog").field("hidden", &hidden).finish_non_exhaustive()
    }
}

/// Returns the next pair, or `None` at the end of a box, which is taken too. All of it was encoded
/// here, or was decoded before.
fn take_pair<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut take = || {
        let (len, rest) = bytes.split_first_chunk().unwrap_or((&[0, 0], &[]));
        let taken = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        *bytes = taken.1;
        taken.0
    };
    let key = take();
    if key.is_empty() { None } else { Some((key, take())) }
}

/// One box.
struct Line<'a> {
    direction: &'a str,
    pairs: &'a [(&'a [u8], &'a [u8])],
    hidden: &'a BTreeSet<Vec<u8>>,
}

impl Line<'_> {
    /// Returns the place of the value that counts, if the key comes more than once.
    fn find(&self, key: &[u8]) -> Option<usize> {
        self.pairs.iter().rposition(|(other, _)| *other == key)
    }

    fn hides(&self, key: &[u8], value: &[u8]) -> bool {
        self.hidden.iter().any(|name| is_part_of(key, name) || has_inside(value, name))
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ask, command) = (self.find(keys::ASK), self.find(keys::COMMAND));
        let (answer, error) = (self.find(keys::ANSWER), self.find(keys::ERROR));
        let (kind, head) = match (answer, error, command, ask) {
            (Some(_), ..) => ("answer", [answer, None]),
            (_, Some(_), ..) => ("error", [error, None]),
            (.., Some(_), Some(_)) => ("call", [ask, command]),
            (.., Some(_), None) => ("one-way", [command, None]),
            _ => ("box", [None, None]),
        };
        write!(f, "{} {kind}", self.direction)?;
        for at in head.into_iter().flatten() {
            f.write_char(' ')?;
            write_name(f, self.pairs[at].1)?;
        }
        for (at, (key, value)) in self.pairs.iter().enumerate() {
            if head.contains(&Some(at)) {
                continue;
            }
            f.write_char(' ')?;
            write_name(f, key)?;
            f.write_char('=')?;
            if self.hides(key, value) {
                f.write_str("*** ")?;
                write_len(f, value)?;
            } else {
                write_value(f, value)?;
            }
        }
        Ok(())
    }
}

/// A name as it is where that is clear, and otherwise as a value.
fn write_name(f: &mut fmt::Formatter<'_>, name: &[u8]) -> fmt::Result {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\=".contains(byte);
    match std::str::from_utf8(name) {
        Ok(text) if !name.is_empty() && name.len() <= SHOWN && name.iter().all(is_plain) => {
            f.write_str(text)
        }
        _ => write_value(f, name),
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    let cut = if value.len() > SHOWN { "..." } else { "" };
    let text = std::str::from_utf8(value);
    match text {
        Ok(text) => {
            let is_end = |at: &usize| text.is_char_boundary(*at);
            let end = (0..=SHOWN.min(text.len())).rev().find(is_end).unwrap_or_default();
            write!(f, "{:?}", format_args!("{}{cut}", &text[..end]).to_string())?;
        }
        Err(_) => write!(f, "\"{}{cut}\"", value[..value.len().min(SHOWN)].escape_ascii())?,
    }
    if text.is_err() || !cut.is_empty() {
        f.write_char(' ')?;
        write_len(f, value)?;
    }
    Ok(())
}

fn write_len(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    match value.len() {
        1 => f.write_str("(1 byte)"),
        len => write!(f, "({len} bytes)"),
    }
}

/// Returns whether the argument of this name has a value at `key`: it, or a part of it.
fn is_part_of(key: &[u8], name: &[u8]) -> bool {
    key.strip_prefix(name).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(b".").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
    })
}

/// Returns whether boxes inside of the value may have an argument of this name: whether there is
/// its key, with the length in front.
fn has_inside(value: &[u8], name: &[u8]) -> bool {
    (0..value.len()).any(|at| {
        let bytes = &value[at..];
        matches!(bytes, [0, len, rest @ ..]
            if rest.starts_with(name)
                && is_part_of(&rest[..rest.len().min(usize::from(*len))], name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Returns the lines of boxes, sent and received.
    fn lines(log: WireLog, parts: &[&[u8]]) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let log = log.to(move |WireLine { peer, text }| {
            kept.lock().unwrap().push(format!("{peer} {text}"));
        });
        log.sent(&PeerAddress::Unknown, parts.iter().copied());
        drop(log);
        Arc::into_inner(lines).unwrap().into_inner().unwrap()
    }

    fn bytes(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let part = |part: &[u8]| [&u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        let pairs = pairs.iter().flat_map(|(key, value)| [part(key), part(value)]);
        [pairs.collect::<Vec<_>>().concat(), vec![0, 0]].concat()
    }

    #[track_caller]
    fn check(log: WireLog, pairs: &[(&[u8], &[u8])], expected: &str) {
        let prefix = format!("{} sent ", PeerAddress::Unknown);
        assert_eq!(lines(log, &[&bytes(pairs)]), [prefix + expected]);
    }

    #[test]
    fn a_line_says_kind_tag_and_command_and_then_the_pairs_in_their_order() {
        let log = WireLog::new;
        check(
            log(),
            &[(b"_ask", b"1"), (b"_command", b"Sum"), (b"b", b"2"), (b"a", b"")],
            "call 1 Sum b=\"2\" a=\"\"",
        );
        check(log(), &[(b"x", b"1"), (b"_command", b"Two words")], "one-way \"Two words\" x=\"1\"");
        check(log(), &[(b"_answer", b"1f"), (b"=", b"\"")], "answer 1f \"=\"=\"\\\"\"");
        check(
            log(),
            &[(b"_error", b"\n"), (b"_error_code", b"X")],
            "error \"\\n\" _error_code=\"X\"",
        );
        check(log(), &[(b"_ask", b"1")], "box _ask=\"1\"");
        check(log(), &[], "box");
        // The last one counts.
        check(log(), &[(b"_command", b"A"), (b"_command", b"B")], "one-way B _command=\"A\"");
    }

    #[test]
    fn values_are_shortened_and_escaped() {
        let (long, cut) = ("ü".repeat(30), "ü".repeat(20));
        for (value, shown) in [
            (long.as_bytes(), format!("\"{cut}...\" (60 bytes)")),
            (&[b"x", long.as_bytes()].concat(), format!("\"x{}...\" (61 bytes)", "ü".repeat(19))),
            (b"a\xff\n", "\"a\\xff\\n\" (3 bytes)".to_owned()),
            ("a\u{202e}\u{1b}".as_bytes(), "\"a\\u{202e}\\u{1b}\"".to_owned()),
            (&[0xff; 50], format!("\"{}...\" (50 bytes)", "\\xff".repeat(40))),
            (&[b'x'; 40], format!("\"{}\"", "x".repeat(40))),
        ] {
            check(
                WireLog::new(),
                &[(b"_answer", b"1"), (b"v", value)],
                &format!("answer 1 v={shown}"),
            );
        }
    }

    #[test]
    fn what_is_hidden_is_hidden_wherever_it_stands() {
        let log = || WireLog::new().hide(["password"]).hide([b"key"]);
        check(
            log(),
            &[
                (b"password", b"sesame"),
                (b"password.12", b"a"),
                (b"key", b""),
                (b"password2", b"p"),
            ],
            "box password=*** (6 bytes) password.12=*** (1 byte) key=*** (0 bytes) password2=\"p\"",
        );
        let users = bytes(&[(b"name", b"alice"), (b"password.2", b"sesame")]);
        let keys = bytes(&[(b"keys", b"1")]);
        check(
            log(),
            &[(b"users", &users), (b"keys", &keys)],
            &format!(
                "box users=*** ({} bytes) keys=\"\\0\\u{{4}}keys\\0\\u{{1}}1\\0\\0\"",
                users.len()
            ),
        );
    }

    #[test]
    fn what_is_secret_may_be_learnt_later() {
        let log = WireLog::new();
        log.clone().hide_from_now_on(["password"]);
        check(log, &[(b"password", b"sesame")], "box password=*** (6 bytes)");
    }

    #[test]
    fn a_box_may_be_in_parts_and_parts_have_many() {
        let one = bytes(&[(b"_answer", b"1"), (b"a", b"b")]);
        let two = bytes(&[(b"_answer", b"2")]);
        let all = [one.clone(), two].concat();
        let prefix = PeerAddress::Unknown.to_string();
        let expected =
            [format!("{prefix} sent answer 1 a=\"b\""), format!("{prefix} sent answer 2")];
        for cut in 0..=all.len() {
            let (first, second) = all.split_at(cut);
            assert_eq!(lines(WireLog::new(), &[first, second, &[]]), expected, "cut at {cut}");
        }
    }
}
