//! From Twisted, step by step.
//!
//! A service in Twisted can move to Rust one command at a time, and stay half way for as long as you like, since
//! both sides speak one protocol. The steps are below. Each of them is a program or a test of this repository.
//!
//! # The names side by side
//!
//! | Twisted | here |
//! |---|---|
//! | `class Sum(amp.Command)` | `#[derive(Command)] struct Sum` |
//! | `arguments` | the fields of the struct |
//! | `response` | `#[amp(response = Total)]`, a struct that derives [`Arguments`](macro@crate::Arguments) |
//! | `errors`, `fatalErrors` | `#[amp(error = E)]`, an enum that derives [`CommandError`](macro@crate::CommandError); `#[amp(fatal)]` |
//! | `commandName` | `#[amp(name = "...")]` |
//! | `requiresAnswer = False` | `#[amp(one_way)]`, sent by [`Peer::notify`](crate::Peer::notify), or by `call_remote` as [`Answered`](crate::Answered) |
//! | `(b"left-hand", amp.Unicode())` | `#[amp(rename = "left-hand")] left_hand: String` |
//! | `optional=True` | `Option<T>` |
//! | a key that says which of the `optional=True` ones are there | an enum that derives [`Arguments`](macro@crate::Arguments), with `#[amp(tag = "key")]` |
//! | `amp.Integer()`, `amp.String()`, `amp.AmpList(...)` and the others | the table of [`argument`](crate::argument) |
//! | arguments that commands share by inheritance | `#[amp(flatten)]` |
//! | `amp.Descriptor()` | `amp_unix::Descriptor` |
//! | a subclass of `amp.Argument` with `toString` and `fromString`, or `toStringProto` and `fromStringProto` | a type of your own that implements [`Argument`](trait@crate::Argument), with `to_string_proto` and `from_string_proto` |
//! | `amp.AMP`, `CommandLocator` | [`Responders`](crate::Responders) |
//! | `amp.AMP(locator=...)` | [`Connection::responders`](crate::Connection::responders) |
//! | an overridden `locateResponder` or `lookupFunction` | [`Responders::fallback`](crate::Responders::fallback) |
//! | an attribute of the protocol, `self.user`: one for each connection | the state of responders that [`serve_with`](crate::serve_with) makes for each connection: `Responders::new(Session::default())`, read by [`Context::state`](crate::Context::state) |
//! | an attribute of the factory, `self.factory.users`: one for all | the state of responders that all connections of [`serve`](crate::serve) share |
//! | a responder that returns a `Deferred` | an `async` function; all responders are. Those of several connections may run on several threads at once |
//! | calls that wait, and are answered in their order (a `DeferredLock`) | [`Responders::one_at_a_time`](crate::Responders::one_at_a_time) |
//! | `Factory`, `listenTCP`, endpoints that listen | [`serve`](crate::serve), [`serve_with`](crate::serve_with); `tls::TlsListener` for TLS, `amp_unix::UnixSocketListener` for Unix sockets |
//! | `connectTCP`, endpoints that connect | [`tcp::connect`](crate::tcp::connect), `tls::connect`, `amp_unix::connect` |
//! | `ReconnectingClientFactory`, `ClientService` | [`reconnect::Connector`](crate::reconnect::Connector) |
//! | `@Sum.responder` | [`Responders::respond`](crate::Responders::respond) |
//! | `callRemote(Sum, a=1, b=2)` | [`peer.call_remote(Sum { a: 1, b: 2 })`](crate::Peer::call_remote) |
//! | `callRemoteString` | [`Peer::call_by_name`](crate::Peer::call_by_name) |
//! | `RemoteAmpError`, `UnknownRemoteError`, `UnhandledCommand` | [`CallError::Remote`](crate::CallError::Remote) |
//! | `ProtocolSwitchCommand` | `#[amp(switch)]`, [`ProtocolSwitch`](crate::ProtocolSwitch) |
//! | `StartTLS` | `Peer::start_tls`, with the feature `tls-ring` |
//! | `ssl.PrivateCertificate.loadPEM` | `tls::Identity::from_pem`. Certificates that Twisted makes are of X.509 version 1: a program with this crate cannot use them as its own. The recipe `encryption` has a command that makes others |
//! | `self.transport.getPeer()` | [`Peer::peer_address`](crate::Peer::peer_address) |
//! | `self.transport.loseConnection()` | [`Peer::close`](crate::Peer::close) |
//! | `connectionMade` | in a server, [`Serve::on_connect`](crate::Serve::on_connect), which is given the peer |
//! | `connectionLost` | [`Peer::closed`](crate::Peer::closed) |
//! | `amp.AmpBox`, `serialize`, `parse`, `parseString` | [`AmpBox`](crate::AmpBox), its `to_bytes` and `parse`, and [`BoxCodec`](crate::boxes::BoxCodec) |
//! | `makeArguments`, `parseArguments`, `makeResponse`, `parseResponse` of a command | `encode` and `decode` of [`Arguments`](trait@crate::Arguments) |
//! | `BinaryBoxProtocol` with a box receiver of your own | [`proto::Protocol`](crate::proto::Protocol); for many conversations on one stream, [`router`](crate::router) |
//! | `reactor.spawnProcess`, with AMP over the child's pipes | `amp_unix::child_pipes` |
//!
//! # Step 1: import the classes
//!
//! The service stays where it is, and a new crate begins beside it. In this guide, the folder `service` has a
//! package `shop` with the service's commands (in this repository, that is `tests/service`), the folder `front`
//! is the new crate, and this repository is cloned beside both as `amp`:
//!
//! ```sh
//! cargo install --path amp/amp-cli
//! cargo new front
//! cd front
//! touch hints.toml
//! ```
//!
//! `ampctl import python` prints what the classes look like on the wire. It runs in the service's Python, which
//! is `python3` unless you set `--python`, and executes no more of the service than the commands need. It calls
//! the service's own argument classes with samples. What it finds out in this way stays marked until a file of
//! hints confirms it.
//!
//! ```console
//! $ ampctl import python shop.commands --path ../service --hints hints.toml > wire.schema
//! ampctl: a hint file has to say, or to confirm, what these arguments are on the wire:
//!
//! # probed: ../service/shop/commands.py:33: Stock, response items
//! [argument."shop.arguments.CompressedAmpList"]
//! wire = "Zlib(base)"
//! ```
//!
//! It prints lines for the file `hints.toml`. With `--strict` it fails until all of them are in that file. If a
//! command may be missing, because a module is not there or something is known only when the program runs, a
//! line says where. (`amp-cli/tests/import.rs`; and `amp-cli/tests/guide.rs`, which runs the commands of this
//! page)
//!
//! # Step 2: generate
//!
//! ```console
//! $ ampctl import python shop.commands --path ../service --hints hints.toml --strict > wire.schema
//! $ ampctl generate rust wire.schema --hints hints.toml --keep-names --by-hand src/by_hand.rs --responders src/responders.rs > src/commands.rs
//! $ ampctl generate markdown wire.schema > COMMANDS.md
//! ```
//!
//! Commit the code. `--keep-names` writes the names of its types into the hints, so that a new command never
//! renames one. The hints also set the widths of integers: `[rust.integers]`, `serial = "u128"`. Write arguments
//! that this crate has no type for by hand, in the file that `--by-hand` creates if there are any. In the same way,
//! `--responders` creates the file of the responders. Neither file is overwritten later.
//! (`amp-cli/tests/generate`; and `examples/trial`, whose commands are generated from those of Twisted's own trial)
//!
//! The files are the modules of a library, `src/lib.rs`. If there is a file of arguments by hand, add a line
//! `mod by_hand;`:
//!
//! ```text
//! pub mod commands;
//! pub mod responders;
//! ```
//!
//! The code needs, in `Cargo.toml`,
//!
//! ```toml
//! [dependencies]
//! amp-core = { path = "../amp/amp-core", features = ["zlib"] }
//! bytes = "1"
//! thiserror = "2"
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "sync", "time"] }
//!
//! [dev-dependencies]
//! amp-core = { path = "../amp/amp-core", features = ["testing"] }
//! ```
//!
//! and more where the schema has certain types:
//!
//! | a type of the schema | needs |
//! |---|---|
//! | `Zlib`, `ContinuedZlib` | amp-core's feature `zlib` |
//! | `Json` | its feature `json`, and the crate `serde_json` |
//! | `IpNetworkBytes` | its feature `ipnet`, and the crate `ipnet` |
//! | `Descriptor` | the crate `amp-unix` |
//! | `Integer`, with a hint that says `BigInt` or `BigUint` | its feature `num-bigint`, and the crate `num-bigint` |
//!
//! # Step 3: hold both sides together
//!
//! A test runs both programs again. It fails when somebody changes a class, and when the code is stale.
//! [`SchemaRecord::agree`](crate::testing::SchemaRecord::agree) compares the compiled code with the classes. The
//! test is a function in `tests/agree.rs` with `#[test]` above it, and contains:
//!
//! ```no_run
//! # mod front { pub mod commands { pub fn schema() -> amp_core::schema::Schema { Default::default() } } }
//! use amp_core::testing::{PrintedRecord, SchemaRecord};
//! use std::process::Command;
//!
//! fn ampctl(arguments: &str) -> Command {
//!     let mut ampctl = Command::new("ampctl");
//!     ampctl.args(arguments.split(' '));
//!     ampctl
//! }
//!
//! let import = ampctl("import python shop.commands --path ../service --hints hints.toml --strict");
//! PrintedRecord::new("wire.schema", import).check();
//! let generate = ampctl("generate rust wire.schema --hints hints.toml");
//! PrintedRecord::new("src/commands.rs", generate).check();
//! SchemaRecord::new("wire.schema").schema(front::commands::schema()).agree();
//! ```
//!
//! When a change is intended, `AMP_RECORD=all cargo test` writes the schema and the code again. It fails once
//! more, since it was compiled from the old code, and passes when it is run again. `ampctl check` compares the
//! committed schema with the present one, and tells which changes break programs that are already in use:
//!
//! ```console
//! $ ampctl check git:HEAD:wire.schema wire.schema
//! ```
//!
//! # Step 4: one command at a time
//!
//! The new service stands in front of the old one. It passes on the commands that it does not answer itself, by
//! their names and without knowing them. So the commands can move one after another. Each client has a connection
//! of its own to the old service, and the two end together: when Twisted closes its connection, as it does after an
//! undeclared error, the client finds its own closed, as it always did. Calls from the old service to its clients
//! go back the same way. This is all of `src/main.rs`:
//!
//! ```no_run
//! # mod front { pub mod responders { pub fn responders() -> amp_core::Responders { amp_core::Responders::new(()) } } }
//! use amp_core::{Peer, ReceivedCall, Responders, tcp};
//! use front::responders::responders;
//! use std::env;
//! use std::io;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::net::{TcpListener, TcpStream};
//! use tokio::sync::SetOnce;
//! use tokio::time::sleep;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut arguments = env::args().skip(1);
//!     let (Some(here), Some(there)) = (arguments.next(), arguments.next()) else {
//!         return Err("it takes an address to listen on, and that of the old service".into());
//!     };
//!     let listener = TcpListener::bind(here).await?;
//!     println!("listening on {}", listener.local_addr()?);
//!     loop {
//!         match listener.accept().await {
//!             Ok((stream, _)) => {
//!                 let there = there.clone();
//!                 tokio::spawn(async move {
//!                     if let Err(error) = stand_before(&there, stream).await {
//!                         eprintln!("no connection to {there}: {error}");
//!                     }
//!                 });
//!             }
//!             Err(error) => {
//!                 // For want of descriptors, say: others will give theirs back.
//!                 eprintln!("cannot accept a connection: {error}");
//!                 sleep(Duration::from_millis(100)).await;
//!             }
//!         }
//!     }
//! }
//!
//! async fn stand_before(old_address: &str, stream: TcpStream) -> io::Result<()> {
//!     // Each side's responders are to know the other, and one of the two is there first.
//!     let client = Arc::new(SetOnce::<Peer>::new());
//!     let calls_back = Arc::clone(&client);
//!     let back = Responders::new(()).fallback(move |call: ReceivedCall| {
//!         let client = Arc::clone(&calls_back);
//!         async move { call.pass_on(client.wait().await).await }
//!     });
//!     let old = tcp::connect(old_address).await?.responders(back).spawn();
//!     let passed_on = old.clone();
//!     let new = responders().fallback(move |call: ReceivedCall| call.pass_on(&passed_on));
//!     let server = tcp::connection(stream)?.responders(new).spawn();
//!     let _ = client.set(server.clone());
//!     end_with(old, server).await;
//!     Ok(())
//! }
//!
//! async fn end_with(old: Peer, client: Peer) {
//!     tokio::select! {
//!         // What it has answered last is handed on first.
//!         _ = old.closed() => {
//!             client.close_gracefully(Duration::from_secs(5)).await;
//!         }
//!         _ = client.closed() => old.close().await,
//!     }
//! }
//! ```
//!
//! The generated `src/responders.rs` has all commands. Keep only those that have moved, so that the fallback gets
//! the others. Here only `Price` has moved:
//!
//! ```
//! # mod commands {
//! #     #[derive(amp_core::Command)] #[amp(response = PriceResponse, error = PriceError)]
//! #     pub struct Price { pub item: String }
//! #     #[derive(amp_core::Arguments)] pub struct PriceResponse { pub cents: i64 }
//! #     #[derive(amp_core::CommandError, Debug, thiserror::Error)]
//! #     pub enum PriceError { #[error("{0}")] NoSuchItem(String) }
//! # }
//! # mod responders {
//! use amp_core::{Context, Responders};
//!
//! use super::commands::{Price, PriceError, PriceResponse};
//!
//! /// Returns what answers the peer.
//! pub fn responders() -> Responders {
//!     Responders::new(()).respond(price)
//! }
//!
//! /// Answers `Price`.
//! async fn price(_context: Context, command: Price) -> Result<PriceResponse, PriceError> {
//!     match &*command.item {
//!         "apple" => Ok(PriceResponse { cents: 30 }),
//!         "pear" => Ok(PriceResponse { cents: 45 }),
//!         other => Err(PriceError::NoSuchItem(format!("no {other}"))),
//!     }
//! }
//! # }
//! # fn main() { responders::responders(); }
//! ```
//!
//! With the old service on port 4001, its clients find the same commands on port 4000, and `Price` is answered in
//! Rust:
//!
//! ```console
//! $ cargo run -- 127.0.0.1:4000 127.0.0.1:4001
//! listening on 127.0.0.1:4000
//! ```
//!
//! Over Unix sockets, `amp_unix::connect`, `UnixSocketListener::accept_stream` and `amp_unix::connection` take the
//! places of `tcp::connect`, `accept` and `tcp::connection`.
//!
//! This program passes on calls and nothing else. Neither `StartTLS` nor another protocol switch works through it: if
//! the old service agrees to a switch, this program goes on with boxes, and the client loses its connection. If clients
//! start TLS, answer `StartTLS` here, by `Responders::respond_start_tls` (feature `tls`) and with the certificate of the
//! old service. Pass on other switches and descriptors as `examples/proxy.rs` does.
//!
//! `tests/tests/from_twisted.rs` tests how calls fail through the new service, and `.ci/from-twisted` takes all the
//! steps of this page in an empty folder.
//!
//! # What failures look like from the other side
//!
//! After a failure that its command does not declare, Twisted closes the connection. By default this crate keeps the
//! connection open, and its description of the failure is a reference to the log. (Events of `tracing` are the log:
//! [`watching`](super::watching) says how to see them.) If the clients of a service rely on
//! the end of the connection, set [`FailurePolicy::Close`](crate::FailurePolicy::Close) with
//! [`Connection::failure_policy`](crate::Connection::failure_policy). The connection is then closed where Twisted
//! closes it, and the description is Twisted's `Unknown Error`, without a reference.
//!
//! ```no_run
//! # async fn f(listener: tokio::net::TcpListener, responders: amp_core::Responders) {
//! use amp_core::{FailurePolicy, serve_with};
//!
//! serve_with(listener, move |connection| {
//!     connection.responders(responders.clone()).failure_policy(FailurePolicy::Close)
//! })
//! .await;
//! # }
//! ```
//!
//! Where Rust answers, with the default policy, a Twisted client sees
//!
//! | in Rust | the exception in Twisted | the connection |
//! |---|---|---|
//! | a declared error | the one of `errors`, with what the error displays | goes on |
//! | a declared error that is `fatal` | the one of `fatalErrors` | is closed |
//! | any other failure, or a panic | `UnknownRemoteError`, with a reference to the log in place of the cause | goes on |
//! | an argument is missing | `UnknownRemoteError` | goes on |
//! | an argument does not decode | `UnknownRemoteError` | goes on |
//! | the response is not what the client reads | whatever its argument raises | goes on |
//! | there is no responder | `UnhandledCommand` | goes on |
//! | `StartTLS` has no responder | `UnhandledCommand`; Twisted then sends no more calls on this connection, so the client has to close it | goes on |
//! | a one-way call fails, by a declared error too | nothing | goes on |
//! | a one-way call fails by an error that is `fatal` | nothing | is closed |
//! | the service ends, and has not acted upon the call | `UnknownRemoteError`, whose description says so | is closed |
//! | the connection ends | `ConnectionDone` or `ConnectionLost` | is closed |
//!
//! Where Twisted answers, a client in Rust sees
//!
//! | in Twisted | the error in Rust | the connection |
//! |---|---|---|
//! | an exception of `errors` | `CallError::Command` | goes on |
//! | an exception of `fatalErrors` | `CallError::Command` | is closed |
//! | `amp.RemoteAmpError`, as of a call that the responder has made | `CallError::Remote`, with its code | goes on |
//! | any other exception | `CallError::Remote`, `is_unknown` | is closed |
//! | an argument is missing | `CallError::Remote`, `is_unknown` | is closed |
//! | an argument does not decode | `CallError::Remote`, `is_unknown` | is closed |
//! | the response is not what the client reads | `CallError::Decode` | goes on |
//! | a value of the response is over 65 535 bytes | `CallError::Closed` | is closed |
//! | the text of an error is over 65 535 bytes | `CallError::Closed` | is closed |
//! | there is no responder | `CallError::Remote`, `is_unhandled` | goes on |
//! | a one-way call fails, by a declared error too, or has no responder | nothing: `notify` has returned | is closed |
//! | the connection ends | `CallError::Closed` | is closed |
//!
//! If an exception of `errors` inherits from another one that stands before it in `errors`, Twisted answers with the
//! code of that other one, since it takes the first that fits. Here each error has its own code. So a service that has
//! moved may answer with a code that its clients declare but have never seen, and they may catch only the class of the
//! other exception. `ampctl import python` says which codes these are.
//!
//! # Where this differs from Twisted
//!
//! What follows a failure is by default not what follows it in Twisted: see above. With `FailurePolicy::Close`, the
//! conversations of the compliance suite are byte for byte the same as with Twisted, except those in this table. The
//! list behind it has the differences that no such conversation can show.
//!
//! | what the peer sends | Twisted | this crate | why |
//! |---|---|---|---|
//! | the empty box behind a whole one | closes, and drops the answer that it has not sent yet | answers the call, then closes | a call that was good is answered, whatever follows it |
//! | an argument whose key comes before `_` | sorts it before `_ask`, `_answer` and `_command` | writes it behind these | the protocol's own keys come first in every box, where peers look for them |
//! | `StartTLS` to a peer without a certificate | makes one for this connection | answers `UNHANDLED` | a certificate that nobody can check protects nobody |
//! | a command name that is not ASCII | closes | answers `UNHANDLED` | a command with any name is answered |
//! | a command name of 65535 bytes | closes | answers `UNHANDLED`, and cuts the description, in which the name does not fit | a description is for people, and is cut where it does not fit |
//! | a call whose response has a value of 80000 bytes | closes | answers with `UNKNOWN`, as after any failure that is not declared | a call that came is answered, whatever becomes of it |
//! | a call back that fails | answers the call that led to it with `UNKNOWN` and the description of that error, and goes on | answers with `UNKNOWN` and `Unknown Error`, as after any failure that is not declared | what another call failed with is told to the log, not to the peer |
//! | `_error` beside `_command` | as above | as above | what another call failed with is told to the log, not to the peer |
//! | an error without a description | closes | fails the call with that error | a description is for people, and may be missing |
//! | an error without a code | closes | fails the call with that error, whose code is empty | an error costs its call and no other, also one that does not say which it is |
//! | an answer to no call | closes | drops the answer, and goes on | a call that was given up may still be answered |
//! | an error to no call | closes | drops the error, and goes on | a call that was given up may still be answered |
//! | an Integer of 5000 digits | refuses it | reads it | Python's limit on digits is not the protocol's |
//! | a Path with dots | makes `/a/b/d` of `/a//b/./c/../d` | leaves it as it came | a path means what the file system says, and is passed on as it came |
//! | a Path with `/` at its end | makes `/a` of `/a/` | leaves it as it came | a path means what the file system says, and is passed on as it came |
//! | a ListOf that is cut short | reads the elements that are whole | refuses it | a value that is cut short is refused, not shortened |
//! | an AmpList that is cut short | reads the boxes that are whole | refuses it | a value that is cut short is refused, not shortened |
//!
//! `ampctl comply` holds these conversations with any peer. With `--differences ours` it expects this crate's side of
//! the table. (`amp-cli/tests/comply.rs`)
//!
//! These are the other differences that we know:
//!
//! - **Tags.** Twisted's calls have the tags 1, 2, 3 and so on, and it counts one-way calls too. Here the tag of a
//!   call is a hexadecimal number as well, but those of calls that are made one after another are 1, 20001, 40001 and
//!   so on. A peer that gives back the tag of each call sees no difference. But if a fake server in a test counts the
//!   calls, and answers the second one with `_answer` 2, the answer belongs to no call.
//! - **Order of keys.** Twisted sorts all keys of a box by their bytes. Here the protocol's own come first, and behind
//!   them the arguments in that order. So the bytes differ if an argument comes before `_command` in a call, or before
//!   `_answer` in an answer: names that begin with a capital letter, a digit or `__`, and few others with `_`, such as
//!   `_a`. On a route, `_route` is the first key of all, where epsilon's boxes have it among the arguments.
//! - **Order of answers.** All that one thread sends keeps its order, as in Twisted. Calls that come together are
//!   begun one after another, and their answers are sent together. So a call that a task on *another* thread makes
//!   meanwhile may be sent before answers that were given a moment earlier.
//! - **Limits.** Twisted has none beside the lengths of keys and values. Here each connection has
//!   [`Limits`](crate::Limits). It reads no further while 1024 responders run, so a service with one long poll for each
//!   of 1500 things needs a greater [`running_responders`](field@crate::Limits::running_responders). A box of over 17 MiB
//!   or 16 384 pairs ends the connection: see [`boxes`](field@crate::Limits::boxes). A box that takes more than 4 MiB of
//!   memory once it is decoded, and more than 18 times its own length, is refused with `UNKNOWN`: raise
//!   [`decoded_bytes`](field@crate::Limits::decoded_bytes) where peers send longer lists compressed than MAAS does.
//!   Over Unix sockets, if a program makes more than some 250 calls with a descriptor in one turn of Twisted's reactor,
//!   the last of them may fail: see [`unclaimed_attachments`](field@crate::Limits::unclaimed_attachments).
//! - **Texts of errors.** Where the text of a declared error is longer than 65 535 bytes, Twisted closes the
//!   connection. Here it is cut, as that of a long command name.
//! - **Unix sockets.** Twisted lets every user connect (mode 0666), unless it is given another mode.
//!   `UnixSocketListener::bind` lets only its own user connect: give `bind_with_mode` the mode that the old service
//!   has. There is no `wantPID`: a socket that a server left behind is replaced.
//! - **Integers of over 4300 digits** can be in responses too, where Twisted answers with `UNKNOWN`.
//! - **Paths that are relative**, or empty. Twisted makes them absolute, by the folder that its process is in. Here they
//!   stay as they came.
//! - **The end of the stream right behind a call.** Twisted drops the answer that it has not sent by then. Here a call
//!   whose responder does not wait is answered.
//! - **Bytes in clear text behind `StartTLS`.** Twisted takes a box that comes in one packet with `StartTLS` for a
//!   call, and answers it over TLS. So anybody in between could make calls that look protected. Here those bytes are
//!   read as TLS, and the handshake fails.
//! - **`StartTLS` again, over TLS.** Twisted answers it, and nothing changes. Here it fails with `UNKNOWN`.
//!
//! # Testing both sides
//!
//! - In Rust, [`testing::pair`](crate::testing::pair) and [`testing::Script`](crate::testing::Script) need no
//!   Twisted: see [`tests`](super::tests).
//! - A test that starts the other side gives it a socket in a folder of its own, and waits until it has printed
//!   where it listens: `tests/src/peer.rs` and `tests/python/peer.py` do so.
//! - For random values in both directions, and for each error, `amp-cli/tests/spoken.rs` has a Twisted peer that
//!   knows its commands only by their classes: `tests/python/trade_peer.py`.
//! - Tests in Python can run on workers of trial that are children of a program in Rust: `examples/trial`.
//!
//! # What Twisted cannot speak
//!
//! Twisted's `amp.ListOf` cannot write lists of lists of boxes, of compressed values or of descriptors. It has no
//! values over 65 535 bytes, no compressed values and no JSON. The package `amp-arguments` has classes for all of
//! these: `pip install ./amp-arguments` installs it from this repository. Enums with fixed texts are `amp.Unicode()`
//! in Twisted, or `OneOf` of that package. Keys should be ASCII, since Twisted turns them into names in Python.
//! `ampctl generate python` says where a schema has other keys, and what else classes cannot express. What this crate
//! adds on the wire, any peer can refuse: the codes which say that a call was not acted upon, and the command
//! `_Schema`, which returns the schema if a service offers it.
