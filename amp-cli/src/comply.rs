//! The conversations of the compliance suite.

use amp_core::tls::Role;
use amp_core::tls::rustls::{ClientConnection, StreamOwned};
use amp_core::{FailurePolicy, Report};
use amp_probe::conversations::{Expected, Standard, hold_all};
use amp_probe::{DEADLINE, RawClient, RawStream};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::address::{Address, Kind};
use crate::config::Profile;
use crate::connecting::Connecting;
use crate::exit;
use crate::mistake::Mistake;
use crate::options::{Comply, Differences, Policy};
use crate::printing::{ignoring_who_has_read_enough, print_line, tell};

pub(crate) fn comply(options: &Comply) -> Result<ExitCode, Mistake> {
    let profile = Profile::of(&options.peer)?;
    let address = Address::of_peer(&profile.address)?;
    let given = Connecting { tls: options.tls.clone(), ..Connecting::default() };
    let (Connecting { tls, route, .. }, _) = given.with(&profile)?;
    if tls.start_tls.is_some() || route.is_some() {
        let what =
            "the conversations are held as they are: on no route, and they start TLS themselves";
        return Err(Mistake::new(format!("{address}: {what}")));
    }
    let place = match &address.kind {
        Kind::Unix(path) => amp_probe::Address::Unix(path.clone()),
        Kind::Tcp { host, port, .. } if host.contains(':') => {
            amp_probe::Address::Tcp(format!("[{host}]:{port}"))
        }
        Kind::Tcp { host, port, .. } => amp_probe::Address::Tcp(format!("{host}:{port}")),
        _ => {
            let what = "the conversations are held over unix:PATH, tcp:HOST:PORT and tls:HOST:PORT";
            return Err(Mistake::new(format!("{address}: {what}")));
        }
    };
    let role = tls.at_once(&address)?;
    let connect = move || {
        let stream = RawStream::connect(&place)?;
        match &role {
            Some(Role::Client(name, config)) => {
                let side = ClientConnection::new(config.clone(), name.clone());
                let mut stream = StreamOwned::new(side.map_err(io::Error::other)?, stream);
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock)?;
                }
                Ok(RawClient::new(Protected(stream)))
            }
            _ => Ok(RawClient::new(stream)),
        }
    };
    let connect = Arc::new(connect);
    // Said once here rather than in every line.
    let first = connect.clone();
    if let Err(error) = within(DEADLINE, move || first().map(drop)) {
        let how = if tls.at_once(&address)?.is_some() { " by TLS" } else { "" };
        tell(format_args!("cannot connect to {address}{how}: {}", Report::new(&error)));
        return Ok(ExitCode::from(exit::NO_CONNECTION));
    }
    let standard = match options.differences {
        Differences::None => Standard::Twisted,
        Differences::Ours => Standard::Ours,
    };
    let policy = match options.policy {
        Policy::Close => FailurePolicy::Close,
        Policy::Stay => FailurePolicy::Stay,
    };
    let (mut held, mut differing, mut printed) = (0, 0, Ok(()));
    hold_all(
        move || connect(),
        Expected { standard, policy },
        |outcome| {
            held += 1;
            differing += u32::from(!outcome.is_ok());
            if printed.is_ok() {
                printed = print_line(outcome);
            }
        },
    );
    let printed = printed
        .and_then(|()| print_line(format_args!("{differing} of {held} conversations differ")));
    if let Err(failure) = ignoring_who_has_read_enough(printed) {
        tell(&failure.said);
        return Ok(ExitCode::from(failure.code));
    }
    Ok(ExitCode::from(if differing == 0 { 0 } else { exit::DECLARED }))
}

/// Connects, for so long at most. Each read has its time, but a peer may send a byte now and then.
fn within(
    time: Duration,
    connect: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let (done, connected) = mpsc::channel();
    // Nobody may wait for it any more.
    thread::spawn(move || drop(done.send(connect())));
    connected.recv_timeout(time).unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("it has taken over {time:?}")))
    })
}

/// A stream that is protected by TLS.
struct Protected(StreamOwned<ClientConnection, RawStream>);

impl Read for Protected {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            // A peer that breaks off says no farewell.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }
}

impl Write for Protected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_never_gets_to_an_end_is_given_up() {
        let (end, never) = mpsc::channel::<()>();
        let connect = move || {
            let _ = never.recv();
            Ok(())
        };
        let error = within(Duration::from_millis(1), connect).unwrap_err();
        assert_eq!(error.to_string(), "it has taken over 1ms");
        drop(end);
        within(DEADLINE, || Ok(())).unwrap();
    }
}
