use bytes::Bytes;
use std::borrow::Cow;

use crate::boxes::{AmpBox, BoxError, MAX_VALUE};
use crate::keys;
use crate::report::Escaped;

/// A violation of the protocol by the peer. It ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The bytes received are not a box within the limits.
    #[error(transparent)]
    Box(#[from] BoxError),
    /// The box is neither a call nor an answer nor an error.
    #[error("a box of {pairs} pairs has none of the keys _answer, _error and _command")]
    NoKind {
        /// The number of pairs that the box has.
        pairs: usize,
    },
    /// The peer asks for a protocol switch after this side has asked for one. Neither may answer:
    /// what it sends could be taken for the other protocol.
    #[error("both sides ask for a protocol switch at once")]
    SwitchesCross,
}

/// An error that a peer answered with: the values of `_error_code` and `_error_description`.
///
/// Two errors are equal when both values are equal. An error that was received also knows whether it guarantees
/// that the call was not acted upon. That guarantee is not passed on when a responder answers its own call with
/// the error, since the responder has acted.
///
/// When the error is displayed, line ends and other control characters are escaped.
#[doc(alias("RemoteAmpError", "UnhandledCommand", "UnknownRemoteError"))]
#[derive(Clone, Debug, thiserror::Error)]
#[error("the peer answered {}: {}", Escaped(self.code_text()), Escaped(description))]
pub struct RemoteError {
    /// The code, for programs. It can be compared with text: `error.code == "UNHANDLED"`.
    pub code: Bytes,
    /// The description, for people. It is empty if the peer sent none. Bytes that are not UTF-8 are replaced.
    pub description: String,
    not_acted_upon: bool,
}

impl RemoteError {
    /// Creates an error with this code and description.
    pub fn new(code: impl Into<Bytes>, description: impl Into<String>) -> Self {
        Self { code: code.into(), description: description.into(), not_acted_upon: false }
    }

    /// Returns the error for a call that has no responder, in Twisted's words. It shows the command as Python
    /// shows bytes.
    pub fn unhandled(command: impl AsRef<[u8]>) -> Self {
        let description = format!("{UNHANDLED}b{}", python_repr(command.as_ref()));
        Self { not_acted_upon: true, ..Self::new(keys::UNHANDLED, description) }
    }

    /// Returns whether the peer has refused the call because it was about to close the connection. Then the code
    /// is `CLOSING`, and a mark beside it says that the call was not acted upon. So the call may be made again
    /// over another connection.
    ///
    /// The code alone is not enough, since a command may have a code with this name.
    pub fn is_closing(&self) -> bool {
        self.not_acted_upon && self.code == keys::CLOSING
    }

    /// Returns whether the peer has no responder for the command. Then the code is `UNHANDLED`, and the
    /// description is Twisted's, with the name of the command that was called.
    ///
    /// The code alone is not enough: MAAS, for example, answers all its failures with it. If the peer is a proxy
    /// that passes on calls and their errors, it is the backend that has no responder.
    pub fn is_unhandled(&self) -> bool {
        self.not_acted_upon && self.code == keys::UNHANDLED
    }

    /// Whether it makes certain that the peer has not acted upon the call.
    pub(crate) fn is_not_acted_upon(&self) -> bool {
        self.not_acted_upon
    }

    /// Returns whether the peer failed in a way that the command does not declare. Then the code is `UNKNOWN`.
    pub fn is_unknown(&self) -> bool {
        self.code == keys::UNKNOWN
    }

    /// The error of a box that was received.
    pub(crate) fn of(ampbox: &AmpBox) -> Self {
        let code = ampbox.value(keys::ERROR_CODE).map(|code| code.to_bytes());
        let description = ampbox.get(keys::ERROR_DESCRIPTION).unwrap_or_default();
        let not_acted_upon = ampbox.get(keys::NOT_ACTED_UPON) == Some(b"True");
        let error = Self::new(code.unwrap_or_default(), String::from_utf8_lossy(description));
        Self { not_acted_upon, ..error }
    }

    /// The error that a call of this command was answered with.
    pub(crate) fn answering(mut self, command: &[u8]) -> Self {
        self.not_acted_upon |= self.code == keys::UNHANDLED && self.says_unhandled(command);
        self
    }

    /// Whether the description is what Twisted says of a command that it has no responder for. On
    /// Python 2 that shows bytes without the `b`.
    fn says_unhandled(&self, command: &[u8]) -> bool {
        let Some(shown) = self.description.strip_prefix(UNHANDLED) else { return false };
        let expected = format!("b{}", python_repr(command));
        // What is too long for a value is cut.
        let room = MAX_VALUE - UNHANDLED.len();
        shown == &expected[..expected.len().min(room)]
            || shown == &expected[1..expected.len().min(room + 1)]
    }

    fn code_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.code)
    }
}

impl PartialEq for RemoteError {
    fn eq(&self, other: &Self) -> bool {
        (&self.code, &self.description) == (&other.code, &other.description)
    }
}

impl Eq for RemoteError {}

/// What Twisted says of a command that it has no responder for, before the name of that.
const UNHANDLED: &str = "Unhandled Command: ";

/// Bytes as Python shows them, but for the `b` before the quotes. The quotes are those that leave
/// less to escape.
fn python_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut shown = String::with_capacity(bytes.len() + 2);
    shown.push(quote);
    for &byte in bytes {
        match byte {
            b'\'' | b'"' if char::from(byte) != quote => shown.push(char::from(byte)),
            _ => shown.extend(byte.escape_ascii().map(char::from)),
        }
    }
    shown.push(quote);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_python_shows_them() {
        let all: Vec<u8> = (0..=255).collect();
        let escaped: Vec<_> = (0..=31).chain(127..=255).map(|n| format!("\\x{n:02x}")).collect();
        let (low, high) = escaped.split_at(32);
        let low = low.concat().replace("\\x09\\x0a", "\\t\\n").replace("\\x0d", "\\r");
        let text: String = (' '..='~').collect();
        let text = text.replace('\\', r"\\").replace('\'', r"\'");
        assert_eq!(python_repr(&all), format!("'{low}{text}{}'", high.concat()));
        for (bytes, shown) in [
            (&b""[..], "''"),
            (b"'", r#""'""#),
            (b"\"", r#"'"'"#),
            (b"'\"", r#"'\'"'"#),
            (b"it's\n", r#""it's\n""#),
        ] {
            assert_eq!(python_repr(bytes), shown);
        }
    }

    #[test]
    fn only_what_twisted_says_is_unhandled() {
        let is_unhandled = |code: &'static str, description: &str| {
            RemoteError::new(code, description).answering(b"Nope").is_unhandled()
        };
        assert!(is_unhandled("UNHANDLED", "Unhandled Command: b'Nope'"));
        assert!(is_unhandled("UNHANDLED", "Unhandled Command: 'Nope'"), "on Python 2");
        for description in [
            "",
            "Unhandled Command: ",
            "Unhandled Command: b",
            "Unhandled Command: Nope",
            "Unhandled Command: b'Other'",
            "Unhandled Command: b'Nope",
            "Unhandled Command: b'Nope' ",
            "Unknown Error [rack-1:pid=3:cmd=Nope:ref=9d01]: boom",
        ] {
            assert!(!is_unhandled("UNHANDLED", description), "{description}");
        }
        assert!(!is_unhandled("UNKNOWN", "Unhandled Command: b'Nope'"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "a name as long as a value takes minutes")]
    fn a_name_that_is_cut_is_still_that_of_the_command() {
        for len in [65_510, 65_513, 65_514, 65_515, 65_535] {
            let command = vec![b'n'; len];
            let mut description = RemoteError::unhandled(&command).description;
            description.truncate(MAX_VALUE);
            let error = RemoteError::new(keys::UNHANDLED, description);
            assert!(error.clone().answering(&command).is_unhandled(), "{len}");
            assert!(!error.answering(&command[1..len / 2]).is_unhandled(), "{len}");
        }
    }
}
