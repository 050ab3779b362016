//! Connections and listeners that are something else.

use amp_core::{Command, Connection, Responders, serve};
use tokio::net::UnixListener;

#[derive(Command)]
struct Sum {
    a: i64,
}

fn before_the_start(connection: Connection) {
    let _call = connection.call_remote(Sum { a: 1 });
}

fn listener_of_tokio(listener: UnixListener) {
    let _server = serve(listener, Responders::new(()));
}

fn main() {}
