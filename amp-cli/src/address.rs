//! The addresses of peers, and those that are listened on.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::mistake::Mistake;

/// An address as it is written, of a peer or to listen on.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    text: String,
    pub(crate) kind: Kind,
}

/// The kind of place that an address is of.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A Unix socket; an abstract name begins with a NUL byte.
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
        /// Says whether the connection begins with TLS.
        tls: bool,
    },
    /// A program, and what it is started with.
    Exec(Vec<String>),
    /// Descriptors that this program was started with, to read from and to write to.
    Pipes(i32, i32),
    /// Standard input and output.
    Stdio,
    /// Sockets that systemd listens on for this program.
    Systemd,
}

impl Address {
    /// The name that the certificate of a TLS server has to be for, unless another one is asked for.
    pub(crate) fn host(&self) -> Option<&str> {
        match &self.kind {
            Kind::Tcp { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Returns whether the connection begins with TLS, whatever else was asked for.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::Tcp { tls: true, .. })
    }

    /// Returns whether descriptors can be sent to a peer there.
    pub(crate) fn carries_descriptors(&self) -> bool {
        matches!(self.kind, Kind::Unix(_) | Kind::Exec(_) | Kind::Stdio)
    }

    /// The address of a peer, which can be connected to.
    pub(crate) fn of_peer(text: &str) -> Result<Self, Mistake> {
        let address: Self = text.parse().map_err(Mistake::new)?;
        match address.kind {
            Kind::Systemd => Err(Mistake::new("it is an address to listen on").at(text)),
            _ => Ok(address),
        }
    }

    /// Returns whether standard output is the connection's.
    pub(crate) fn takes_stdout(&self) -> bool {
        matches!(self.kind, Kind::Stdio | Kind::Pipes(_, 1))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?} is no address: {what}");
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(wrong(FORMS));
        };
        let kind = match scheme {
            "unix" => match rest.strip_prefix('@') {
                _ if rest.contains('\0') => return Err(wrong("a path has no NUL byte")),
                Some("") => return Err(wrong("an abstract name is missing behind the @")),
                Some(name) => Kind::Unix(format!("\0{name}").into()),
                None if rest.is_empty() => return Err(wrong("it is unix:PATH or unix:@ABSTRACT")),
                None => Kind::Unix(rest.into()),
            },
            "tcp" | "tls" => {
                let form = || wrong(&format!("it is {scheme}:HOST:PORT, as {scheme}:[::1]:1234"));
                let (host, port) = rest.rsplit_once(':').ok_or_else(form)?;
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                let host = bare.unwrap_or(host);
                if host.is_empty() || (bare.is_none() && host.contains(':')) {
                    return Err(form());
                }
                let port = port
                    .parse()
                    .map_err(|_| wrong(&format!("a port is 0 to 65535, and not {port:?}")))?;
                Kind::Tcp { host: host.to_owned(), port, tls: scheme == "tls" }
            }
            "exec" => match shell_words::split(rest) {
                Ok(words) if words.is_empty() => return Err(wrong("it is exec:PROGRAM")),
                Ok(words) => Kind::Exec(words),
                Err(error) => return Err(wrong(&error.to_string())),
            },
            "pipes" => {
                let numbers = rest.split_once(',').and_then(|(reader, writer)| {
                    Some((descriptor_number(reader)?, descriptor_number(writer)?))
                });
                match numbers {
                    Some((reader, writer)) if reader != writer => Kind::Pipes(reader, writer),
                    _ => return Err(wrong("it is pipes:READ,WRITE, as pipes:3,4")),
                }
            }
            "stdio" if rest.is_empty() => Kind::Stdio,
            "systemd" if rest.is_empty() => Kind::Systemd,
            "stdio" | "systemd" => return Err(wrong(&format!("it is {scheme}: and no more"))),
            _ => return Err(wrong(FORMS)),
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const FORMS: &str = "it is unix:PATH, unix:@ABSTRACT, tcp:HOST:PORT, tls:HOST:PORT, exec:PROGRAM, \
                     pipes:READ,WRITE, stdio: or systemd:";

/// The number of a descriptor.
pub(crate) fn descriptor_number(text: &str) -> Option<i32> {
    text.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Address>().unwrap_err()
    }

    #[test]
    fn every_form_is_read_and_shown_as_it_was_written() {
        for text in [
            "unix:/run/a b",
            "unix:@name",
            "unix:relative:with:colons",
            "tcp:localhost:1",
            "tcp:[::1]:0",
            "tls:amp.example.org:65535",
            "exec:worker --verbose 'a b'",
            "pipes:3,4",
            "stdio:",
            "systemd:",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let Kind::Exec(words) = "exec:a 'b c'".parse::<Address>().unwrap().kind else { panic!() };
        assert_eq!(words, ["a", "b c"]);
        assert_eq!("tls:[::1]:7".parse::<Address>().unwrap().host(), Some("::1"));
    }

    #[test]
    fn what_is_none_says_what_would_be_right() {
        for text in ["", "unix", "/socket", "Unix:socket", "smoke:signals", "localhost:1"] {
            assert_eq!(refusal(text), format!("{text:?} is no address: {FORMS}"));
        }
        assert_eq!(refusal("unix:"), "\"unix:\" is no address: it is unix:PATH or unix:@ABSTRACT");
        assert_eq!(
            refusal("tcp:localhost:http"),
            "\"tcp:localhost:http\" is no address: a port is 0 to 65535, and not \"http\""
        );
        for text in ["tcp:localhost", "tcp::1", "tcp:::1:7"] {
            let expected =
                format!("{text:?} is no address: it is tcp:HOST:PORT, as tcp:[::1]:1234");
            assert_eq!(refusal(text), expected);
        }
        for text in ["pipes:3", "pipes:3,3", "pipes:-1,4", "pipes:a,b"] {
            let expected = format!("{text:?} is no address: it is pipes:READ,WRITE, as pipes:3,4");
            assert_eq!(refusal(text), expected);
        }
        assert!(refusal("exec:").ends_with("it is exec:PROGRAM"));
        assert!(refusal("exec:'a").contains("quote"), "{}", refusal("exec:'a"));
        assert!(refusal("stdio:1").ends_with("it is stdio: and no more"));
    }
}
