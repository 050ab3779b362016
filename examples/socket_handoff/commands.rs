//! The commands: of clients to a server, of a server to its clients, and between two servers.

use amp_core::{Arguments, Command};
use amp_unix::Descriptor;
use std::io;

/// Adds two integers. It takes its time, so that there is always a call that is being answered.
#[derive(Command)]
#[amp(response = Total)]
pub(crate) struct Sum {
    pub(crate) a: i64,
    pub(crate) b: i64,
}

#[derive(Arguments)]
pub(crate) struct Total {
    pub(crate) total: i64,
    /// The process that has answered.
    pub(crate) pid: u32,
}

/// A server to a client: another process answers at the same address. The client is to make a new
/// connection, to call over that one, and to close this one once it has all its answers.
#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Moving {}

/// A new server to the old one: may it have the sockets? Both may accept from them then.
#[derive(Command)]
#[amp(response = Sockets)]
pub(crate) struct HandOver {}

/// The sockets that go from one server to the next, and are never closed on the way.
#[derive(Arguments)]
pub(crate) struct Sockets {
    /// Where clients connect, a TCP socket.
    pub(crate) clients: Descriptor,
    /// Where the next server asks for the sockets, a Unix socket.
    pub(crate) control: Descriptor,
}

impl Sockets {
    /// Further descriptors for the same sockets.
    pub(crate) fn duplicate(&self) -> io::Result<Self> {
        Ok(Self {
            clients: Descriptor::duplicate(&self.clients)?,
            control: Descriptor::duplicate(&self.control)?,
        })
    }
}

/// A new server to the old one: it accepts clients, so the old one is to retire.
#[derive(Command)]
pub(crate) struct Retire {}
